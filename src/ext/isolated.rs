//! One isolated job, from the side of the lane that owns it: waits for a child, sends the request, answers its questions, tells how
//! it ended. Everything that lasts lies in the pool of children, so a lane that is given up leaves nothing half-done here.

use std::time::Duration;

use kqueue_core::wire::{Frame, Run};
use kqueue_engine::children::{ChildId, Children, Ending, Received};
use kqueue_engine::interpose::Woken;
use kqueue_engine::runner::{Descriptors, Pause, Wake};

use crate::lane;
use crate::session::with_desk;

/// How an isolated job ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The child's handler returned this.
    Done(Vec<u8>),
    /// The job called exit().
    Exited,
    /// The child died, or could not be had; the text tells how.
    Died(String),
    /// It was ended at its deadline.
    Overdue(String),
}

/// What a job may use.
pub(crate) struct Limits {
    pub(crate) timeout: Option<f64>,
    pub(crate) memory_mb: u64,
    pub(crate) priority: i32,
}

/// Runs `request` in a child; only this lane is suspended. `answer` is called in the lane for each question of the child.
///
/// A child that dies before the job began has cost the job nothing: it stands in line for another.
pub(crate) fn run(
    request: Vec<u8>,
    limits: &Limits,
    answer: &mut dyn FnMut(&[u8]) -> Vec<u8>,
) -> Outcome {
    let timeout = limits
        .timeout
        .filter(|seconds| *seconds > 0.0)
        .map(|seconds| Duration::from_secs_f64(seconds.min(1e9)));
    let frame = Frame::Run(Run {
        timeout_ms: timeout.map_or(0, |timeout| timeout.as_millis() as u64),
        memory_mb: limits.memory_mb,
        request,
    });
    loop {
        let child = match lane::suspend(Pause::Child {
            priority: limits.priority,
        }) {
            Wake::Child(Ok(child)) => child,
            Wake::Child(Err(reason)) => return Outcome::Died(reason.to_string()),
            _ => return Outcome::Died("the run is over".into()),
        };
        with_children(|children| children.started(child, timeout));
        if !send(child, &frame) {
            with_children(|children| children.abandon(child));
            return Outcome::Died("the job's payload is too long to send to a child".into());
        }
        if let Some(result) = converse(child, answer) {
            with_children(|children| children.finished(child));
            return Outcome::Done(result);
        }
        match wait_for_end(child) {
            Ending::NotStarted => {}
            Ending::Exited => return Outcome::Exited,
            ending @ Ending::Overdue { .. } => return Outcome::Overdue(ending.to_string()),
            ending => return Outcome::Died(ending.to_string()),
        }
    }
}

/// The result; None: the child is about to end, or has ended.
fn converse(child: ChildId, answer: &mut dyn FnMut(&[u8]) -> Vec<u8>) -> Option<Vec<u8>> {
    loop {
        match with_children(|children| children.receive(child))? {
            Received::Frame(Frame::Ask(question)) => {
                let reply = Frame::Answer(answer(&question));
                if !send(child, &reply) {
                    return None;
                }
            }
            Received::Frame(Frame::Done(result)) => return Some(result),
            // It says how it ends; the pool has taken note, and tells once the master has reaped it.
            Received::Frame(_) => {}
            Received::Closed => return None,
            Received::WouldBlock => wait(child, libc::POLLIN),
        }
    }
}

/// False: the child is gone.
fn send(child: ChildId, frame: &Frame) -> bool {
    let mut sent = match with_children(|children| children.send(child, frame)) {
        Some(Ok(sent)) => sent,
        Some(Err(_)) | None => return false,
    };
    while !sent {
        wait(child, libc::POLLOUT);
        sent = with_children(|children| children.flush(child)).unwrap_or(true);
    }
    true
}

#[expect(unsafe_code, reason = "the loop reads this frame's descriptors")]
fn wait(child: ChildId, events: i16) {
    let Some(fd) = with_children(|children| children.fd(child)).flatten() else {
        return;
    };
    let fds = [libc::pollfd {
        fd,
        events,
        revents: 0,
    }];
    let woken = lane::suspend(Pause::Wait {
        // SAFETY: they lie in this frame.
        fds: unsafe { Descriptors::new(&fds) },
        timeout: None,
    });
    if matches!(woken, Wake::Woken(Woken::Refused | Woken::Cancelled)) {
        // Cannot happen while the pool owns the socket; not to spin if it does.
        lane::suspend(Pause::Wait {
            fds: Descriptors::NONE,
            timeout: Some(Duration::from_millis(1)),
        });
    }
}

fn wait_for_end(child: ChildId) -> Ending {
    loop {
        match with_children(|children| children.outcome(child)) {
            Some(Some(ending)) => return ending,
            Some(None) => {
                lane::suspend(Pause::Notice);
            }
            None => return Ending::MasterGone,
        }
    }
}

fn with_children<R>(body: impl FnOnce(&mut Children) -> R) -> Option<R> {
    with_desk(|desk| desk.children.as_mut().map(body)).flatten()
}
