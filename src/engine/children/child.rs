//! One isolated child as the runner sees it: its socket, what it said last, and how it ended.
//!
//! Invariant: the socket never blocks the runner. What does not fit waits in `out`.
//! Invariant: a child's end is known only when its socket is read to the end *and* the master has reaped it. So a result
//! that was sent before death counts, and a wait status is never guessed.

use crate::link::invalid;
use crate::signals;
use kqueue_core::wire::{Decoder, FatalKind, Frame, MAX_FRAME, WireError};
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{MsgFlags, Shutdown, recv, send, shutdown};
use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

/// What a nonblocking read of a child's socket gave.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// A message.
    Frame(Frame),
    /// Nothing now.
    WouldBlock,
    /// Nothing any more: ask for the outcome.
    Closed,
}

/// How a child ended that did not finish its job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The job called `exit()`.
    Exited,
    /// It was ended at its deadline.
    Overdue {
        /// The job's timeout.
        after: Duration,
    },
    /// PHP's memory limit.
    OutOfMemory {
        /// The limit in MB.
        limit_mb: u64,
    },
    /// Another fatal error of PHP.
    Fatal(String),
    /// A signal.
    Signal(i32),
    /// It ended by itself, with this status and without a word.
    Status(i32),
    /// It ended before it took up the job, which has not begun: line up again.
    NotStarted,
    /// It wrote something that is not a frame, and was ended for it.
    ProtocolError(WireError),
    /// The process that forks the children died, and they with it.
    MasterGone,
}

impl fmt::Display for Ending {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ending::Exited => write!(out, "the job called exit()"),
            Ending::Overdue { after } => {
                write!(out, "ended at its deadline after {} s", after.as_secs_f64())
            }
            Ending::OutOfMemory { limit_mb } => write!(out, "out of memory at {limit_mb} MB"),
            Ending::Fatal(message) => write!(out, "fatal error: {message}"),
            Ending::Signal(signal) => write!(out, "killed by {}", signals::describe(*signal)),
            Ending::Status(status) => write!(out, "exit status {status}"),
            Ending::NotStarted => write!(out, "ended before the job began"),
            Ending::ProtocolError(error) => {
                write!(out, "ended because it wrote to KQueue's socket: {error}")
            }
            Ending::MasterGone => {
                write!(
                    out,
                    "ended together with the process that forks isolated children"
                )
            }
        }
    }
}

/// What the master said about the end.
#[derive(Debug, Clone, Copy)]
pub(super) enum Exit {
    Reaped { status: i32, overdue: bool },
    MasterGone,
}

/// What the child said about its end.
#[derive(Debug)]
enum FinalFrame {
    Exited,
    Fatal(FatalKind, String),
    ProtocolError(WireError),
}

#[derive(Debug)]
pub(super) struct Child {
    pub(super) pid: i32,
    /// Its place on the scoreboard.
    pub(super) slot: u32,
    pub(super) jobs: u32,
    pub(super) exit: Option<Exit>,
    /// Of the present job.
    pub(super) timeout: Option<Duration>,
    /// It has taken up the present job.
    pub(super) started: bool,
    /// It takes no other job after the present one.
    spent: bool,
    /// The master was told to see to its end.
    pub(super) seen_off: bool,
    /// Of the present job. The master's is never earlier: it counts from the receipt of our message.
    pub(super) deadline: Option<Instant>,
    socket: Option<OwnedFd>,
    closed: bool,
    last_word: Option<FinalFrame>,
    decoder: Decoder,
    out: Vec<u8>,
    sent: usize,
}

impl Child {
    pub(super) fn new(socket: OwnedFd, pid: i32, slot: u32) -> Child {
        Child {
            pid,
            slot,
            jobs: 0,
            exit: None,
            started: false,
            spent: false,
            seen_off: false,
            timeout: None,
            deadline: None,
            socket: Some(socket),
            closed: false,
            last_word: None,
            decoder: Decoder::default(),
            out: Vec::new(),
            sent: 0,
        }
    }

    pub(super) fn fd(&self) -> Option<RawFd> {
        self.socket.as_ref().map(AsRawFd::as_raw_fd)
    }

    /// Queues a frame and sends what fits. An error means that the frame is too long; nothing is queued then.
    pub(super) fn send(&mut self, frame: &Frame) -> io::Result<bool> {
        frame.encode(&mut self.out, MAX_FRAME).map_err(invalid)?;
        Ok(self.flush())
    }

    /// Sends what fits. False if some is left. A child that is gone takes everything: reading tells that it is gone.
    pub(super) fn flush(&mut self) -> bool {
        let Some(socket) = &self.socket else {
            self.out = Vec::new();
            self.sent = 0;
            return true;
        };
        while self.sent < self.out.len() {
            let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
            match send(socket.as_raw_fd(), &self.out[self.sent..], flags) {
                Ok(length) => self.sent += length,
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN | Errno::ENOBUFS | Errno::ENOMEM) => return false,
                Err(_) => break,
            }
        }
        self.out = Vec::new();
        self.sent = 0;
        true
    }

    pub(super) fn is_pending(&self) -> bool {
        !self.out.is_empty()
    }

    /// The next frame, if there is one.
    pub(super) fn receive(&mut self) -> Received {
        let mut buffer = [0u8; 16 << 10];
        loop {
            match self.decoder.take() {
                Ok(Some(Frame::Started)) => {
                    self.started = true;
                    continue;
                }
                Ok(Some(Frame::Spent)) => {
                    self.spent = true;
                    continue;
                }
                Ok(Some(frame)) => return self.judge(frame),
                Ok(None) => {}
                Err(error) => return self.bad_protocol(error),
            }
            let Some(socket) = self.socket.as_ref().filter(|_| !self.closed) else {
                self.closed = true;
                return Received::Closed;
            };
            match recv(socket.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
                Ok(0) => self.closed = true,
                Ok(length) => self.decoder.feed(&buffer[..length]),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) if self.exit.is_none() => return Received::WouldBlock,
                // The child is reaped. A process that it forked may keep the socket open, but does not speak for it.
                Err(_) => self.closed = true,
            }
        }
    }

    /// Whether an idle child is fit for a job: it lives and has said nothing.
    pub(super) fn is_fit(&self) -> bool {
        let Some(fd) = self.fd().filter(|_| self.exit.is_none()) else {
            return false;
        };
        let mut byte = [0u8; 1];
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_PEEK;
        matches!(recv(fd, &mut byte, flags), Err(Errno::EAGAIN))
    }

    /// Whether it can take another job after this one.
    pub(super) fn is_reusable(&self) -> bool {
        self.socket.is_some()
            && !self.closed
            && !self.spent
            && self.exit.is_none()
            && self.last_word.is_none()
            && !self.is_pending()
            && self.decoder.is_empty()
    }

    /// Makes the child see the end of the stream, also if a forked process holds a copy of our end.
    pub(super) fn close(&mut self) {
        if let Some(socket) = self.socket.take() {
            let _ = shutdown(socket.as_raw_fd(), Shutdown::Both);
        }
        self.closed = true;
        self.flush();
    }

    /// How it ended, once that is known.
    pub(super) fn ending(&self) -> Option<Ending> {
        let exit = self.exit.filter(|_| self.closed)?;
        // What the child says of itself explains the wait status, with one exception: a job that is asked to end at its
        // deadline may well answer with exit().
        let overdue = matches!(exit, Exit::Reaped { overdue: true, .. });
        match &self.last_word {
            Some(FinalFrame::Fatal(FatalKind::OutOfMemory { limit_mb }, _)) => {
                return Some(Ending::OutOfMemory {
                    limit_mb: *limit_mb,
                });
            }
            Some(FinalFrame::Fatal(FatalKind::Error, message)) => {
                return Some(Ending::Fatal(message.clone()));
            }
            Some(FinalFrame::ProtocolError(error)) => {
                return Some(Ending::ProtocolError(error.clone()));
            }
            Some(FinalFrame::Exited) if !overdue => return Some(Ending::Exited),
            _ => {}
        }
        Some(match exit {
            Exit::MasterGone => Ending::MasterGone,
            Exit::Reaped { .. } if overdue => Ending::Overdue {
                after: self.timeout.unwrap_or_default(),
            },
            Exit::Reaped { status, .. } if libc::WIFSIGNALED(status) => {
                Ending::Signal(libc::WTERMSIG(status))
            }
            Exit::Reaped { status, .. } => Ending::Status(libc::WEXITSTATUS(status)),
        })
    }

    /// Whether it must be made to end: what it writes is no longer understood.
    pub(super) fn is_garbled(&self) -> bool {
        matches!(self.last_word, Some(FinalFrame::ProtocolError(_)))
    }

    fn judge(&mut self, frame: Frame) -> Received {
        match &frame {
            Frame::Run(_) => return self.bad_protocol(WireError::Kind(1)),
            Frame::Answer(_) => return self.bad_protocol(WireError::Kind(3)),
            Frame::Exited => self.last_word = Some(FinalFrame::Exited),
            Frame::Fatal { kind, message } => {
                self.last_word = Some(FinalFrame::Fatal(*kind, message.clone()));
            }
            Frame::Started | Frame::Spent | Frame::Ask(_) | Frame::Done(_) => {}
        }
        Received::Frame(frame)
    }

    fn bad_protocol(&mut self, error: WireError) -> Received {
        if self.last_word.is_none() {
            self.last_word = Some(FinalFrame::ProtocolError(error));
        }
        self.closed = true;
        Received::Closed
    }
}
