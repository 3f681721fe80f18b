//! Waits for descriptors and moments. Entered by the runner's loop alone, never by a lane.
//!
//! One epoll set of our own holds what lanes wait for; tokio's current_thread runtime waits for that set as one descriptor. So a
//! turn of the loop costs the same with ten or ten thousand waiting lanes, and sleeps are exact to the microsecond through a
//! timerfd (tokio's own timers round to milliseconds).
//!
//! Invariant: a descriptor is registered from the moment a lane waits for it until that wait ends, never longer. PHP may close
//! it and reuse its number afterwards.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// What a registration stands for; the runner gives it meaning.
pub type Token = u64;

/// The timer's own token.
const TIMER: Token = Token::MAX;

/// Why a descriptor could not be registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// A regular file or the like: it is ready at once.
    AlwaysReady,
    /// Another wait holds it: two jobs share one connection.
    Taken,
    /// Not an open descriptor, or epoll cannot take it.
    Bad,
}

/// See the module's words.
pub struct Reactor {
    runtime: tokio::runtime::Runtime,
    set: AsyncFd<Set>,
    timer: TimerFd,
    armed: Option<Instant>,
    buffer: Vec<EpollEvent>,
}

/// Our epoll set, as tokio sees it: one descriptor that is readable when anything in the set is ready.
struct Set(Epoll);

impl AsFd for Set {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.0.as_fd()
    }
}

impl AsRawFd for Set {
    fn as_raw_fd(&self) -> RawFd {
        self.0.0.as_raw_fd()
    }
}

impl Reactor {
    /// Starts the runtime. Only in a process that forks nothing but `exec` any more.
    pub fn new() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let timer = TimerFd::new(
            ClockId::CLOCK_MONOTONIC,
            TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC,
        )?;
        epoll.add(timer.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, TIMER))?;
        let set = {
            let _guard = runtime.enter();
            register(Set(epoll))?
        };
        Ok(Self {
            runtime,
            set,
            timer,
            armed: None,
            buffer: vec![EpollEvent::empty(); 1024],
        })
    }

    /// Begins to watch a descriptor for poll(2) events.
    pub fn watch(&mut self, fd: RawFd, events: i16, token: Token) -> Result<(), Refusal> {
        let event = EpollEvent::new(epoll_flags(events), token);
        match self.set.get_ref().0.add(borrow(fd), event) {
            Ok(()) => Ok(()),
            Err(Errno::EPERM) => Err(Refusal::AlwaysReady),
            Err(Errno::EEXIST) => Err(Refusal::Taken),
            Err(_) => Err(Refusal::Bad),
        }
    }

    /// Changes what a watched descriptor is watched for.
    pub fn change(&mut self, fd: RawFd, events: i16, token: Token) -> Result<(), Refusal> {
        let mut event = EpollEvent::new(epoll_flags(events), token);
        self.set
            .get_ref()
            .0
            .modify(borrow(fd), &mut event)
            .map_err(|_| Refusal::Bad)
    }

    /// Ends the watch. A descriptor that was closed meanwhile is gone from the set already.
    pub fn forget(&mut self, fd: RawFd) {
        let _ = self.set.get_ref().0.delete(borrow(fd));
    }

    /// Collects what is ready now.
    pub fn poll(&mut self, ready: &mut Vec<Token>) -> io::Result<()> {
        loop {
            let count = match self
                .set
                .get_ref()
                .0
                .wait(&mut self.buffer, EpollTimeout::ZERO)
            {
                Ok(count) => count,
                Err(Errno::EINTR) => continue,
                Err(error) => return Err(error.into()),
            };
            for event in &self.buffer[..count] {
                if event.data() == TIMER {
                    // Read, or it stays ready. WouldBlock: it was re-armed in between.
                    let _ = nix::unistd::read(self.timer.as_fd(), &mut [0_u8; 8]);
                    self.armed = None;
                } else {
                    ready.push(event.data());
                }
            }
            if count < self.buffer.len() {
                return Ok(());
            }
        }
    }

    /// Waits until something is ready or the moment has come (None: no moment), then collects.
    pub fn wait(&mut self, until: Option<Instant>, ready: &mut Vec<Token>) -> io::Result<()> {
        self.arm(until)?;
        let set = &self.set;
        self.runtime.block_on(async {
            // Cleared before the set is read: what becomes ready after this line makes a new edge.
            set.readable().await.map(|mut guard| guard.clear_ready())
        })?;
        self.poll(ready)
    }

    /// A moment already armed is not armed again: most turns do not change the next deadline.
    fn arm(&mut self, until: Option<Instant>) -> io::Result<()> {
        if self.armed == until {
            return Ok(());
        }
        match until {
            None => self.timer.unset()?,
            Some(moment) => {
                // Zero would disarm.
                let left = moment
                    .saturating_duration_since(Instant::now())
                    .max(Duration::from_nanos(1));
                self.timer
                    .set(Expiration::OneShot(left.into()), TimerSetTimeFlags::empty())?;
            }
        }
        self.armed = until;
        Ok(())
    }
}

#[expect(unsafe_code, reason = "tokio asks for a promise about the descriptor")]
fn register(set: Set) -> io::Result<AsyncFd<Set>> {
    // SAFETY: the set owns its descriptor, always gives the same one, and closes it only when it is dropped.
    unsafe { AsyncFd::register_with_interest(set, Interest::READABLE) }.map_err(io::Error::from)
}

#[expect(unsafe_code, reason = "epoll's registrations do not own descriptors")]
fn borrow<'a>(fd: RawFd) -> BorrowedFd<'a> {
    // SAFETY: used for one epoll_ctl call, which checks the number itself; -1 is the one value BorrowedFd forbids.
    unsafe { BorrowedFd::borrow_raw(fd.max(0)) }
}

fn epoll_flags(events: i16) -> EpollFlags {
    let mut flags = EpollFlags::empty();
    for (poll, epoll) in [
        (libc::POLLIN, EpollFlags::EPOLLIN),
        (libc::POLLPRI, EpollFlags::EPOLLPRI),
        (libc::POLLOUT, EpollFlags::EPOLLOUT),
        (libc::POLLRDNORM, EpollFlags::EPOLLRDNORM),
        (libc::POLLRDBAND, EpollFlags::EPOLLRDBAND),
        (libc::POLLWRNORM, EpollFlags::EPOLLWRNORM),
        (libc::POLLWRBAND, EpollFlags::EPOLLWRBAND),
        (libc::POLLRDHUP, EpollFlags::EPOLLRDHUP),
    ] {
        if events & poll != 0 {
            flags |= epoll;
        }
    }
    flags
}
