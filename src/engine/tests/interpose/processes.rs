//! `waitpid`, `wait4`.
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use kqueue_engine::interpose::Woken;
use libc::{pid_t, rusage};

use crate::descriptors::{errno, is_open, pipe, set_errno};
use crate::fixture::{Turn, call};
use crate::lanes::{self, Lanes};
use crate::recorder::RECORDER;

/// A child that ends with 7 when the other end of its pipe is closed.
fn child() -> (pid_t, OwnedFd) {
    let (reader, writer) = pipe();
    // SAFETY: the child closes, reads and ends; it takes no lock.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let mut byte = 0_u8;
        // SAFETY: own descriptors, and a byte on this frame.
        unsafe {
            libc::close(writer.as_raw_fd());
            libc::read(reader.as_raw_fd(), (&raw mut byte).cast(), 1);
            libc::_exit(7);
        }
    }
    assert!(pid > 0);
    (pid, writer)
}

fn ended_with(status: i32, code: i32) -> bool {
    libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == code
}

type Wait = Box<dyn Fn(pid_t, *mut i32, i32) -> pid_t>;

fn waits() -> Vec<(&'static str, Wait)> {
    let waitpid = call!(call_waitpid(pid: pid_t, status: *mut i32, options: i32) -> pid_t);
    let wait4 =
        call!(call_wait4(pid: pid_t, status: *mut i32, options: i32, usage: *mut rusage) -> pid_t);
    vec![
        ("waitpid", Box::new(waitpid)),
        (
            "wait4",
            Box::new(move |pid, status, options| {
                // SAFETY: a structure of zeros is a valid one to be filled.
                let mut usage: rusage = unsafe { std::mem::zeroed() };
                let found = wait4(pid, status, options, &mut usage);
                assert_eq!(usage.ru_maxrss > 0, found > 0, "usage is written");
                found
            }),
        ),
    ]
}

#[test]
fn waiting_for_one_child_waits_for_its_descriptor() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    for (name, wait) in waits() {
        let (pid, end) = child();
        let mut end = Some(end);
        RECORDER.fresh().during(move || drop(end.take()));
        let mut status = 0;
        set_errno(77);
        assert_eq!((wait(pid, &mut status, 0), errno()), (pid, 77), "{name}");
        assert!(ended_with(status, 7), "{name}: {status:#x}");
        let asked = RECORDER.wait();
        assert_eq!(asked.fds.len(), 1, "{name}");
        assert_eq!(
            (asked.fds[0].1, asked.timeout),
            (libc::POLLIN, None),
            "{name}"
        );
        assert!(!is_open(asked.fds[0].0), "{name}: closed again");
        assert_eq!(
            (wait(pid, &mut status, 0), errno()),
            (-1, libc::ECHILD),
            "{name}"
        );
    }
}

#[test]
fn waiting_for_any_child_asks_again_and_again() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    for (name, wait) in waits() {
        let (pid, end) = child();
        let mut end = Some(end);
        let mut left = 3;
        RECORDER.fresh().during(move || {
            left -= 1;
            if left == 0 {
                drop(end.take());
            }
        });
        let mut status = 0;
        assert_eq!(wait(-1, &mut status, 0), pid, "{name}");
        assert!(ended_with(status, 7), "{name}: {status:#x}");
        let asked = RECORDER.waits();
        assert!(
            asked.len() >= 3 && asked.iter().all(|wait| wait.fds.is_empty()),
            "{name}: {asked:?}"
        );
    }
}

#[test]
fn a_stopped_child_is_seen_if_asked_for() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    let waitpid = call!(call_waitpid(pid: pid_t, status: *mut i32, options: i32) -> pid_t);
    let (pid, end) = child();
    RECORDER.during(move || {
        // SAFETY: a child of this process.
        unsafe { libc::kill(pid, libc::SIGSTOP) };
    });
    let mut status = 0;
    assert_eq!(waitpid(pid, &mut status, libc::WUNTRACED), pid);
    assert!(libc::WIFSTOPPED(status));
    RECORDER.fresh();
    // SAFETY: a child of this process.
    unsafe { libc::kill(pid, libc::SIGCONT) };
    drop(end);
    assert_eq!(waitpid(pid, &mut status, 0), pid);
}

#[test]
fn looking_for_a_child_does_not_wait() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    for (name, wait) in waits() {
        let (pid, end) = child();
        let mut status = 0;
        assert_eq!(wait(pid, &mut status, libc::WNOHANG), 0, "{name}");
        drop(end);
        // SAFETY: a child of this process; leaves it to be waited for.
        unsafe {
            libc::waitid(
                libc::P_PID,
                pid as u32,
                &mut std::mem::zeroed(),
                libc::WEXITED | libc::WNOWAIT,
            )
        };
        assert_eq!(wait(pid, &mut status, 0), pid, "{name}: ended already");
        assert_eq!(
            (wait(1, &mut status, 0), errno()),
            (-1, libc::ECHILD),
            "{name}: not ours"
        );
    }
    assert_eq!(RECORDER.waits(), []);
}

#[test]
fn a_cancelled_wait_leaves_the_child() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    for (name, wait) in waits() {
        let (pid, end) = child();
        let mut status = 0;
        RECORDER.fresh().answers_always(Woken::Cancelled);
        assert_eq!(
            (wait(pid, &mut status, 0), errno()),
            (-1, libc::ECANCELED),
            "{name}"
        );
        RECORDER.fresh().answers_always(Woken::Refused);
        drop(end);
        assert_eq!(wait(pid, &mut status, 0), pid, "{name}: a real one");
    }
}

#[test]
fn two_lanes_wait_for_their_children() {
    let turn = Turn::take();
    turn.install(&Lanes);
    let waitpid = call!(call_waitpid(pid: pid_t, status: *mut i32, options: i32) -> pid_t);
    let usleep = call!(call_usleep(micros: u32) -> i32);
    let (first, first_end) = child();
    let (second, second_end) = child();
    let begin = Instant::now();
    let waits = lanes::run(vec![
        Box::new(move || assert_eq!(waitpid(first, std::ptr::null_mut(), 0), first)),
        Box::new(move || assert_eq!(waitpid(second, std::ptr::null_mut(), 0), second)),
        Box::new(move || {
            assert_eq!(usleep(50_000), 0);
            // Closed in the order that would never end, if waits did not overlap: the first child holds both ends.
            drop(first_end);
            drop(second_end);
        }),
    ]);
    assert_eq!(waits, [1, 1, 1]);
    assert!(begin.elapsed() >= Duration::from_millis(50));
}
