//! Waits for descriptors and moments. Entered by the runner's loop alone, never by a lane.
//!
//! One epoll set of our own holds what lanes wait for; tokio's current_thread runtime waits for that set as one descriptor. So a
//! turn of the loop costs the same with ten or ten thousand waiting lanes, and sleeps are exact to the microsecond through a
//! timerfd (tokio's own timers round to milliseconds).
//!
//! Invariant: a descriptor is registered from the moment a lane waits for it until that wait ends, never longer. PHP may close
//! it and reuse its number afterwards.
//! Invariant: only who watches a descriptor can end its watch. The number may be another's by then.

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
    /// What the timer is set for. None: it is not set, or has rung.
    armed: Option<Instant>,
    /// Who watches each descriptor, by its number, and for which events.
    watches: Vec<Option<(Token, i16)>>,
    buffer: Vec<EpollEvent>,
    /// The last look filled the buffer: what it left there makes no new edge.
    more: bool,
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
            watches: Vec::new(),
            buffer: vec![EpollEvent::empty(); 1024],
            more: false,
        })
    }

    /// Begins to watch a descriptor for poll(2) events. As poll allows, the same token may watch it twice, for other events.
    ///
    /// Gives back whose watch ended by this: a descriptor of the same number was closed while it was watched, and nobody else
    /// would tell.
    pub fn watch(
        &mut self,
        fd: RawFd,
        events: i16,
        token: Token,
    ) -> Result<Option<Token>, Refusal> {
        let index = usize::try_from(fd).map_err(|_| Refusal::Bad)?;
        let old = self.watches.get(index).copied().flatten();
        let event = EpollEvent::new(epoll_flags(events), token);
        match (self.set.get_ref().0.add(borrow(fd), event), old) {
            (Ok(()), _) => {
                if self.watches.len() <= index {
                    self.watches.resize(index + 1, None);
                }
                self.watches[index] = Some((token, events));
                Ok(old.map(|(stale, _)| stale).filter(|stale| *stale != token))
            }
            (Err(Errno::EEXIST), Some((own, others))) if own == token => {
                self.change(fd, events | others, token);
                Ok(None)
            }
            (Err(Errno::EEXIST), _) => Err(Refusal::Taken),
            (Err(Errno::EPERM), _) => Err(Refusal::AlwaysReady),
            (Err(_), _) => Err(Refusal::Bad),
        }
    }

    /// Changes what a descriptor is watched for. Does nothing if the token does not watch it.
    pub fn change(&mut self, fd: RawFd, events: i16, token: Token) {
        if let Some(watch) = self.watch_of(fd, token) {
            *watch = Some((token, events));
            let mut event = EpollEvent::new(epoll_flags(events), token);
            // It fails if the descriptor was closed: then there is nothing to change.
            let _ = self.set.get_ref().0.modify(borrow(fd), &mut event);
        }
    }

    /// Ends the watch. Does nothing if the token does not watch it.
    pub fn forget(&mut self, fd: RawFd, token: Token) {
        if let Some(watch) = self.watch_of(fd, token) {
            *watch = None;
            // It fails if the descriptor was closed: then the set has forgotten it already.
            let _ = self.set.get_ref().0.delete(borrow(fd));
        }
    }

    fn watch_of(&mut self, fd: RawFd, token: Token) -> Option<&mut Option<(Token, i16)>> {
        let watch = self.watches.get_mut(usize::try_from(fd).ok()?)?;
        watch.is_some_and(|(own, _)| own == token).then_some(watch)
    }

    /// Collects what is ready now, or a good part of it: what is left comes with the next look.
    ///
    /// One look only: descriptors stay ready until their watch ends, so that a second one would find them again.
    pub fn poll(&mut self, ready: &mut Vec<Token>) -> io::Result<()> {
        let count = loop {
            let epoll = &self.set.get_ref().0;
            match epoll.wait(&mut self.buffer, EpollTimeout::ZERO) {
                Ok(count) => break count,
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        };
        self.more = count == self.buffer.len();
        for event in &self.buffer[..count] {
            if event.data() == TIMER {
                // Read, or it stays ready. WouldBlock: it was set anew in between.
                let _ = nix::unistd::read(self.timer.as_fd(), &mut [0_u8; 8]);
                self.armed = None;
            } else {
                ready.push(event.data());
            }
        }
        Ok(())
    }

    /// Waits until something is ready or the moment has come (None: no moment), then collects. It may also find nothing.
    pub fn wait(&mut self, until: Option<Instant>, ready: &mut Vec<Token>) -> io::Result<()> {
        if !self.more {
            self.arm(until)?;
            let set = &self.set;
            self.runtime.block_on(async {
                // Cleared before the set is read: what becomes ready after this line makes a new edge.
                set.readable().await.map(|mut guard| guard.clear_ready())
            })?;
        }
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
    // SAFETY: used for one epoll_ctl call, which checks the number itself. It is not -1: all callers have used it as an index.
    unsafe { BorrowedFd::borrow_raw(fd) }
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
