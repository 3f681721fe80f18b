//! Two jobs that wait for one descriptor: what they share, and how often that is worth a word.

use std::os::fd::RawFd;
use std::time::{Duration, Instant};

use kqueue_core::scheduler::LaneId;
use nix::sys::socket::{self, SockaddrStorage};

use crate::interpose::serves_many;

/// Two lanes use one descriptor at the same time: what one of them is sent may reach the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conflict {
    /// The descriptor.
    pub fd: RawFd,
    /// The lane that has waited for longer.
    pub first: LaneId,
    /// The lane that has just begun to use it.
    pub second: LaneId,
    /// What becomes of the second.
    pub then: Resolution,
}

/// What becomes of the second lane of a [`Conflict`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// It waits too, and is woken when the first has been, and has left something.
    Waits,
    /// It was about to send: it does so when the first does not wait for an answer any more.
    SendsLater,
    /// Both are in the middle of reading, where nobody else may come in between: its call fails.
    Fails,
}

impl Conflict {
    /// None for what many may wait for: who is woken gets a connection, or a message, of its own.
    pub(super) fn over(fd: RawFd, first: LaneId, second: LaneId, then: Resolution) -> Option<Self> {
        (!serves_many(fd)).then_some(Self {
            fd,
            first,
            second,
            then,
        })
    }

    /// What the descriptor is, in words.
    pub fn what(&self) -> String {
        let fd = self.fd;
        match socket::getpeername::<SockaddrStorage>(fd) {
            Ok(peer) if peer.as_sockaddr_in().is_some() || peer.as_sockaddr_in6().is_some() => {
                format!("the connection to {peer} (descriptor {fd})")
            }
            Ok(peer) => match peer.as_unix_addr().and_then(|peer| peer.path()) {
                Some(path) => format!("the connection to {} (descriptor {fd})", path.display()),
                None => format!("one socket (descriptor {fd})"),
            },
            Err(_) => match std::fs::read_link(format!("/proc/self/fd/{fd}")) {
                Ok(path) => format!("{} (descriptor {fd})", path.display()),
                Err(_) => format!("descriptor {fd}"),
            },
        }
    }
}

/// Lets something be said at most once in a while.
#[derive(Debug, Default)]
pub struct RateLimit {
    last: Option<Instant>,
    unsaid: u64,
}

impl RateLimit {
    const WHILE: Duration = Duration::from_secs(10);

    /// Whether to say it now, and how often it has not been said since the last time.
    pub fn allow(&mut self, now: Instant) -> Option<u64> {
        if self
            .last
            .is_some_and(|last| now.saturating_duration_since(last) < Self::WHILE)
        {
            self.unsaid += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.unsaid))
    }
}
