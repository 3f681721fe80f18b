//! Waits for descriptors and moments. Entered by the runner's loop alone, never by a lane.
//!
//! One epoll set of our own holds what lanes wait for; tokio's current_thread runtime waits for that set as one descriptor. So a
//! turn of the loop costs the same with ten or ten thousand waiting lanes, and sleeps are exact to the microsecond through a
//! timerfd (tokio's own timers round to milliseconds).
//!
//! A registration is one-shot: what becomes ready is told once, and again only if it is asked for again. Several may watch one
//! descriptor. The one that came first is told first; if the descriptor is still ready when its watch has ended, the next one is.
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
    /// Not an open descriptor, or epoll cannot take it.
    Bad,
}

/// What came of beginning to watch.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// Whose watches ended by this: a descriptor of the same number was closed while they watched it, and nobody else would tell.
    pub ended: Vec<Token>,
    /// Who else watches it for the same, and came first: two jobs may share one connection.
    pub beside: Option<Token>,
}

/// Who watches a descriptor, and its registration.
#[derive(Default)]
struct Watch {
    /// Which registration under this number: an event of an earlier one is known as such.
    generation: u32,
    /// It stays registered, and its owner reads it until it is not ready any more.
    lasting: bool,
    /// For which events, in the order in which they came. Empty: it is not registered.
    watchers: Vec<(Token, i16)>,
}

/// See the module's words.
pub struct Reactor {
    runtime: tokio::runtime::Runtime,
    set: AsyncFd<Set>,
    timer: TimerFd,
    /// What the timer is set for. None: it is not set, or has rung.
    armed: Option<Instant>,
    /// By the descriptor's number.
    watches: Vec<Watch>,
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
    pub fn watch(&mut self, fd: RawFd, events: i16, token: Token) -> Result<Watched, Refusal> {
        self.register(fd, events, token, false)
    }

    /// As [`Reactor::watch`], but it is told as often as it is ready, until [`Reactor::forget`].
    pub fn keep(&mut self, fd: RawFd, events: i16, token: Token) -> Result<(), Refusal> {
        self.register(fd, events, token, true).map(|_| ())
    }

    fn register(
        &mut self,
        fd: RawFd,
        events: i16,
        token: Token,
        lasting: bool,
    ) -> Result<Watched, Refusal> {
        let index = usize::try_from(fd).map_err(|_| Refusal::Bad)?;
        let known = self.watches.get(index).map_or(0, |watch| watch.generation);
        let generation = known.wrapping_add(1);
        let mut wanted = event(fd, generation, events, lasting);
        let epoll = &self.set.get_ref().0;
        match epoll.add(borrow(fd), wanted) {
            Ok(()) => {}
            Err(Errno::EEXIST) => {
                let others = self.watches.get_mut(index);
                if let Some(watch) = others.filter(|watch| !watch.watchers.is_empty()) {
                    return watch.share(fd, events, token, epoll);
                }
                // Left by a descriptor of this number that was closed while a copy of it stayed open.
                let taken = epoll.modify(borrow(fd), &mut wanted);
                taken.map_err(|_| Refusal::Bad)?;
            }
            Err(Errno::EPERM) => return Err(Refusal::AlwaysReady),
            Err(_) => return Err(Refusal::Bad),
        }
        if self.watches.len() <= index {
            self.watches.resize_with(index + 1, Watch::default);
        }
        let watch = &mut self.watches[index];
        let stale = watch.watchers.drain(..).map(|(stale, _)| stale);
        let ended = stale.filter(|stale| *stale != token).collect();
        watch.watchers.push((token, events));
        (watch.generation, watch.lasting) = (generation, lasting);
        Ok(Watched {
            ended,
            beside: None,
        })
    }

    /// Changes what a descriptor is watched for. Does nothing if the token does not watch it.
    pub fn change(&mut self, fd: RawFd, events: i16, token: Token) {
        if let Some((watch, place)) = self.watch_of(fd, token) {
            watch.watchers[place].1 = events;
            let mut event = watch.event(fd);
            // It fails if the descriptor was closed: then there is nothing to change.
            let _ = self.set.get_ref().0.modify(borrow(fd), &mut event);
        }
    }

    /// Who waits to read from a descriptor, and came first.
    pub fn reader(&self, fd: RawFd) -> Option<Token> {
        let watch = self.watches.get(usize::try_from(fd).ok()?)?;
        let reads = |(_, events): &&(Token, i16)| events & READING != 0;
        let first = watch.watchers.iter().find(reads)?;
        // It fails if the number is another descriptor's by now.
        let known = self
            .set
            .get_ref()
            .0
            .modify(borrow(fd), &mut watch.event(fd));
        known.ok().map(|()| first.0)
    }

    /// Ends the watch. Does nothing if the token does not watch it.
    pub fn forget(&mut self, fd: RawFd, token: Token) {
        if let Some((watch, place)) = self.watch_of(fd, token) {
            watch.watchers.remove(place);
            let mut event = watch.event(fd);
            let for_others = !watch.watchers.is_empty();
            let epoll = &self.set.get_ref().0;
            // They fail if the descriptor was closed: then the set has forgotten it already.
            if for_others {
                // What it did not take is told to the next.
                let _ = epoll.modify(borrow(fd), &mut event);
            } else {
                let _ = epoll.delete(borrow(fd));
            }
        }
    }

    fn watch_of(&mut self, fd: RawFd, token: Token) -> Option<(&mut Watch, usize)> {
        let watch = self.watches.get_mut(usize::try_from(fd).ok()?)?;
        let place = watch.watchers.iter().position(|(own, _)| *own == token)?;
        Some((watch, place))
    }

    /// Collects what is ready now, or a good part of it: what is left comes with the next look.
    ///
    /// One look only: what lasts would be found again.
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
            } else if let Some(token) = self.told(event) {
                ready.push(token);
            }
        }
        Ok(())
    }

    /// The first one that watches for what has happened.
    fn told(&self, event: &EpollEvent) -> Option<Token> {
        let watch = self.watches.get((event.data() & 0xffff_ffff) as usize)?;
        if u64::from(watch.generation) != event.data() >> 32 {
            return None;
        }
        // Nobody asks for these, and all get them.
        let broken = EpollFlags::EPOLLERR | EpollFlags::EPOLLHUP;
        let concerned =
            |(_, events): &&(Token, i16)| event.events().intersects(epoll_flags(*events) | broken);
        let first = watch.watchers.iter().find(concerned);
        first.map(|(token, _)| *token)
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

    /// It is set anew only for what comes before it would ring: time limits of calls that end long before them follow one another, and
    /// a look in vain now and then costs less than a system call for each.
    fn arm(&mut self, until: Option<Instant>) -> io::Result<()> {
        let Some(moment) = until else { return Ok(()) };
        if self.armed.is_some_and(|armed| armed <= moment) {
            return Ok(());
        }
        // Zero would disarm.
        let left = moment
            .saturating_duration_since(Instant::now())
            .max(Duration::from_nanos(1));
        self.timer
            .set(Expiration::OneShot(left.into()), TimerSetTimeFlags::empty())?;
        self.armed = until;
        Ok(())
    }
}

impl Watch {
    /// What epoll is to know of it.
    fn event(&self, fd: RawFd) -> EpollEvent {
        let events = self
            .watchers
            .iter()
            .fold(0, |all, (_, events)| all | events);
        event(fd, self.generation, events, self.lasting)
    }

    /// One more watches it. The same token again: it watches for both.
    fn share(
        &mut self,
        fd: RawFd,
        events: i16,
        token: Token,
        epoll: &Epoll,
    ) -> Result<Watched, Refusal> {
        let mut watched = Watched::default();
        match self.watchers.iter_mut().find(|(own, _)| *own == token) {
            Some((_, others)) => *others |= events,
            None => {
                let same = |(_, others): &&(Token, i16)| {
                    [READING, WRITING]
                        .iter()
                        .any(|way| events & way != 0 && others & way != 0)
                };
                let first = self.watchers.iter().find(same);
                watched.beside = first.map(|(first, _)| *first);
                self.watchers.push((token, events));
            }
        }
        let known = epoll.modify(borrow(fd), &mut self.event(fd));
        known.map(|()| watched).map_err(|_| Refusal::Bad)
    }
}

fn event(fd: RawFd, generation: u32, events: i16, lasting: bool) -> EpollEvent {
    let mut flags = epoll_flags(events);
    flags.set(EpollFlags::EPOLLONESHOT, !lasting);
    EpollEvent::new(flags, (u64::from(generation) << 32) | u64::from(fd as u32))
}

/// Events that something can be read.
pub const READING: i16 =
    libc::POLLIN | libc::POLLPRI | libc::POLLRDNORM | libc::POLLRDBAND | libc::POLLRDHUP;
/// Events that something can be written.
const WRITING: i16 = libc::POLLOUT | libc::POLLWRNORM | libc::POLLWRBAND;

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
