//! Whether a hook may suspend, and the suspension itself: the only caller of [`Waiter`].
//!
//! Invariant: all state is atomics, since the fork handler writes it and hooks on foreign threads read it.
#![expect(
    unsafe_code,
    reason = "errno, fork handler and descriptor checks are libc's"
)]

use std::sync::atomic::{
    AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering,
};
use std::time::{Duration, Instant};

use libc::{c_int, c_short, pollfd};

use super::{InterposeError, Waiter, Woken};

/// Written by install and uninstall, and by the fork handler, which clears it for good.
static ENABLED: AtomicBool = AtomicBool::new(false);
/// Set by the fork handler in the child.
static FORKED: AtomicBool = AtomicBool::new(false);
/// `pthread_self()` of the PHP thread. Compared instead of a thread-local flag: in an object loaded by `dlopen` the first touch
/// of a thread-local allocates, and hooks run on foreign threads, perhaps inside their allocator.
static PHP_THREAD: AtomicUsize = AtomicUsize::new(0);
/// The process that installed. It may differ from the present one without the fork handler having run: after vfork and clone.
static PROCESS: AtomicI32 = AtomicI32::new(0);
/// Depth of regions in which nothing may suspend. Written on the PHP thread only.
static BLOCKS: AtomicU32 = AtomicU32::new(0);
/// Suspensions made. Written on the PHP thread only.
static WAITS: AtomicU64 = AtomicU64::new(0);
/// The waiter, behind one more pointer since it is a fat one. Each other waiter leaks 16 bytes, as hooks may be using the one before.
static WAITER: AtomicPtr<&'static dyn Waiter> = AtomicPtr::new(std::ptr::null_mut());
/// Whether the fork handler is registered.
static HANDLED: AtomicBool = AtomicBool::new(false);

/// Makes the calling thread the PHP thread and `waiter` the one to ask.
pub(super) fn own(waiter: &'static dyn Waiter) -> Result<(), InterposeError> {
    if forked() {
        return Err(InterposeError::Forked);
    }
    if !HANDLED.load(Ordering::Relaxed) {
        // SAFETY: the handler is a function of this object that only stores atomics, which is safe after a fork.
        let failed = unsafe { libc::pthread_atfork(None, None, Some(leave_in_child)) };
        if failed != 0 {
            return Err(InterposeError::ForkHandler(
                std::io::Error::from_raw_os_error(failed),
            ));
        }
        HANDLED.store(true, Ordering::Relaxed);
    }
    // SAFETY: null, or leaked below.
    let current = unsafe { WAITER.load(Ordering::Relaxed).as_ref() };
    if !current.is_some_and(|current| std::ptr::eq(*current, waiter)) {
        WAITER.store(Box::leak(Box::new(waiter)), Ordering::Release);
    }
    PROCESS.store(process(), Ordering::Relaxed);
    PHP_THREAD.store(thread(), Ordering::Relaxed);
    BLOCKS.store(0, Ordering::Relaxed);
    Ok(())
}

pub(super) fn set_enabled(enabled: bool) {
    ENABLED.store(enabled, Ordering::Release);
}

pub(super) fn forked() -> bool {
    FORKED.load(Ordering::Relaxed)
}

extern "C" fn leave_in_child() {
    if PHP_THREAD.load(Ordering::Relaxed) != 0 {
        ENABLED.store(false, Ordering::Relaxed);
        FORKED.store(true, Ordering::Relaxed);
    }
}

fn thread() -> usize {
    // SAFETY: always succeeds and touches nothing.
    unsafe { libc::pthread_self() as usize }
}

fn process() -> c_int {
    // SAFETY: always succeeds and touches nothing.
    unsafe { libc::getpid() }
}

/// Enters a region in which no call may suspend; [`unblock`] leaves it. Regions nest. On the PHP thread only.
pub fn block() {
    BLOCKS.store(
        BLOCKS.load(Ordering::Relaxed).saturating_add(1),
        Ordering::Relaxed,
    );
}

/// Leaves the region that [`block`] entered.
pub fn unblock() {
    BLOCKS.store(
        BLOCKS.load(Ordering::Relaxed).saturating_sub(1),
        Ordering::Relaxed,
    );
}

/// Leaves all regions: for whoever catches a jump out of them.
pub fn reset_blocks() {
    BLOCKS.store(0, Ordering::Relaxed);
}

/// Runs `work`, whose calls then block the whole thread. On the PHP thread only.
pub fn without_suspending<R>(work: impl FnOnce() -> R) -> R {
    struct Blocked;
    impl Drop for Blocked {
        fn drop(&mut self) {
            unblock();
        }
    }
    block();
    let _blocked = Blocked;
    work()
}

/// How often a lane was suspended by an interposed call.
pub fn waits() -> u64 {
    WAITS.load(Ordering::Relaxed)
}

/// Proof that the calling code may suspend now.
#[derive(Clone, Copy)]
pub(super) struct Gate {
    waiter: &'static dyn Waiter,
}

/// How a wait for one descriptor ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Waited {
    Ready,
    TimedOut,
    Cancelled,
    Refused,
}

/// The gate, if the calling code may suspend.
#[inline]
pub(super) fn open() -> Option<Gate> {
    let waiter = waiter().filter(|_| BLOCKS.load(Ordering::Relaxed) == 0)?;
    waiter.can_suspend().then_some(Gate { waiter })
}

/// Whether a lane's call is this module's business: it may not be suspended, but our alarm may interrupt it.
pub(super) fn in_force() -> bool {
    waiter().is_some()
}

/// The waiter, on the PHP thread while the hooks are in force.
#[inline]
fn waiter() -> Option<&'static dyn Waiter> {
    if !ENABLED.load(Ordering::Acquire) || PHP_THREAD.load(Ordering::Relaxed) != thread() {
        return None;
    }
    // SAFETY: stored by `own` before ENABLED, leaked, so valid for ever; null is checked by `as_ref`.
    unsafe { WAITER.load(Ordering::Acquire).as_ref() }.copied()
}

/// Makes a call that blocks the thread, `attempt`, as the lane may not be suspended. It waits for what is left of its time, under the
/// signal mask that it is given, where it can; failure is -1. Our own alarm does not end it, unless the lane is to end: then it fails
/// with `ECANCELED`.
///
/// The alarm is let in only while the call waits, so that none comes between the question and the call.
pub(super) fn blocking(attempt: impl Fn(*const libc::sigset_t) -> c_int) -> c_int {
    let Some(waiter) = asked() else {
        return attempt(std::ptr::null());
    };
    // SAFETY: both sets are on this frame, and valid after this: zeroed ones are empty.
    let (mut alarm, mut before): (libc::sigset_t, libc::sigset_t) =
        unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
    // SAFETY: as above; the mask is put back below.
    unsafe {
        libc::sigaddset(&raw mut alarm, crate::alarm::signal());
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const alarm, &raw mut before);
    }
    let result = loop {
        if waiter.must_end() {
            set_errno(libc::ECANCELED);
            break -1;
        }
        let rings = crate::alarm::rings();
        let result = attempt(&raw const before);
        if result != -1 || errno() != libc::EINTR || crate::alarm::rings() == rings {
            break result;
        }
    };
    let saved = errno();
    // SAFETY: the mask as it was.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut()) };
    set_errno(saved);
    result
}

/// As [`Gate::claim`], where no gate has been opened yet. False: the call fails, and `errno` says so.
pub(super) fn claim(fd: c_int) -> bool {
    match open().map_or(Ok(()), |gate| gate.claim(fd)) {
        Ok(()) => true,
        Err(error) => {
            set_errno(error);
            false
        }
    }
}

/// See [`Waiter::grew`]; on the PHP thread only. Leaves `errno` as it was.
pub(super) fn grew() {
    if let Some(waiter) = waiter() {
        waiter.grew();
    }
}

/// The waiter, if this is its thread in its process.
fn asked() -> Option<&'static dyn Waiter> {
    waiter().filter(|_| PROCESS.load(Ordering::Relaxed) == process())
}

/// The running lane, whether or not it may be suspended.
pub(super) fn lane() -> Option<u32> {
    asked()?.lane()
}

/// See [`Waiter::keeps_apart`].
pub(super) fn keeps_apart() -> bool {
    asked().is_some_and(Waiter::keeps_apart)
}

/// See [`Waiter::forks_to_go_on`]; on other threads nothing does.
pub(super) fn forks_to_go_on() -> bool {
    // SAFETY: as in `waiter`.
    let waiter = unsafe { WAITER.load(Ordering::Acquire).as_ref() };
    PHP_THREAD.load(Ordering::Relaxed) == thread()
        && waiter.is_some_and(|waiter| waiter.forks_to_go_on())
}

/// See [`super::wait`].
pub(super) fn wait(fds: &[pollfd], timeout: Option<Duration>) -> Option<Woken> {
    let gate = open()?;
    let deadline = Deadline::after(timeout);
    loop {
        if fds.iter().any(|entry| ready_now(entry.fd, entry.events)) {
            return Some(Woken::Ready);
        }
        if deadline.passed() {
            return Some(Woken::TimedOut);
        }
        match gate.suspend(fds, deadline) {
            Waited::Ready | Waited::TimedOut => {}
            Waited::Cancelled => return Some(Woken::Cancelled),
            Waited::Refused => return None,
        }
    }
}

impl Gate {
    /// Suspends the lane once. Sockets of a cancelled wait are shut down here. Leaves `errno` as it was.
    pub(super) fn suspend(self, fds: &[pollfd], deadline: Deadline) -> Waited {
        if PROCESS.load(Ordering::Relaxed) != process() {
            return Waited::Refused;
        }
        let saved = errno();
        WAITS.store(
            WAITS.load(Ordering::Relaxed).wrapping_add(1),
            Ordering::Relaxed,
        );
        let woken = self.waiter.wait(fds, deadline.remaining());
        if woken == Woken::Cancelled {
            let ends = |entry: &&pollfd| entry.fd > 2 && !serves_many(entry.fd);
            for entry in fds.iter().filter(ends) {
                // SAFETY: a descriptor number; if it is no socket the call fails, which is all right.
                unsafe { libc::shutdown(entry.fd, libc::SHUT_RDWR) };
            }
        }
        set_errno(saved);
        match woken {
            Woken::Ready => Waited::Ready,
            Woken::TimedOut => Waited::TimedOut,
            // What it was to wait for is another's: it stays as it is.
            Woken::Cancelled | Woken::Barred => Waited::Cancelled,
            Woken::Refused => Waited::Refused,
        }
    }

    /// Waits for a connection that is shared; an error number if nothing may be sent on it.
    pub(super) fn claim(self, fd: c_int) -> Result<(), c_int> {
        if PROCESS.load(Ordering::Relaxed) != process() {
            return Ok(());
        }
        let saved = errno();
        let free = self.waiter.claim(fd);
        set_errno(saved);
        free.then_some(()).ok_or(libc::EPIPE)
    }

    /// Suspends the lane until `fd` is ready for `events`. Does not look first.
    pub(super) fn until_ready(self, fd: c_int, events: c_short, deadline: Deadline) -> Waited {
        let wanted = pollfd {
            fd,
            events,
            revents: 0,
        };
        loop {
            let woken = self.suspend(&[wanted], deadline);
            match woken {
                Waited::Cancelled => return Waited::Cancelled,
                Waited::Refused => return Waited::Refused,
                Waited::Ready | Waited::TimedOut => {}
            }
            if ready_now(fd, events) {
                return Waited::Ready;
            }
            if deadline.passed() {
                return Waited::TimedOut;
            }
        }
    }

    /// Makes a call that does not wait, `attempt`, until it fails by none of the errors in `busy`. `real` blocks. Failure is -1.
    pub(super) fn until_free<T: From<i8> + PartialEq>(
        self,
        busy: &[c_int],
        attempt: impl Fn() -> T,
        real: impl Fn() -> T,
    ) -> T {
        let failed = || T::from(-1);
        let saved = errno();
        let mut pauses = Pauses::new();
        loop {
            let result = attempt();
            if result != failed() {
                set_errno(saved);
                return result;
            }
            if !busy.contains(&errno()) {
                return result;
            }
            match self.pause(pauses.next()) {
                Waited::Ready | Waited::TimedOut => {}
                Waited::Cancelled => {
                    set_errno(libc::ECANCELED);
                    return failed();
                }
                Waited::Refused => return real(),
            }
        }
    }

    /// Suspends the lane until `pause` has passed, for calls that must be tried again and again.
    pub(super) fn pause(self, pause: Duration) -> Waited {
        self.suspend(&[], Deadline::after(Some(pause)))
    }
}

/// Pauses between attempts: 0.5 ms, doubled up to 20 ms.
pub(super) struct Pauses(Duration);

impl Pauses {
    const LONGEST: Duration = Duration::from_millis(20);

    pub(super) const fn new() -> Self {
        Self(Duration::from_micros(500))
    }

    pub(super) fn next(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(Self::LONGEST);
        pause
    }
}

/// When a wait ends at the latest; a time that cannot be represented is never.
#[derive(Clone, Copy)]
pub(super) struct Deadline(Option<Instant>);

impl Deadline {
    pub(super) const NEVER: Self = Self(None);

    pub(super) fn after(timeout: Option<Duration>) -> Self {
        Self(timeout.and_then(|timeout| Instant::now().checked_add(timeout)))
    }

    pub(super) fn remaining(self) -> Option<Duration> {
        self.0
            .map(|end| end.saturating_duration_since(Instant::now()))
    }

    pub(super) fn passed(self) -> bool {
        self.0.is_some_and(|end| Instant::now() >= end)
    }
}

/// Gives this descriptor whoever waits for it something of its own, so that several may: a connection, a datagram?
pub fn serves_many(fd: c_int) -> bool {
    socket_option(fd, libc::SO_ACCEPTCONN).is_some_and(|listens| listens != 0)
        || socket_option(fd, libc::SO_TYPE) == Some(libc::SOCK_DGRAM)
}

/// A number that a socket tells of itself; None: it is no socket. Leaves `errno` as it was.
pub(super) fn socket_option(fd: c_int, name: c_int) -> Option<c_int> {
    let saved = errno();
    let mut value: c_int = 0;
    let mut length = size_of::<c_int>() as libc::socklen_t;
    // SAFETY: `value` and `length` are on this frame and belong together.
    let failed = unsafe {
        libc::getsockopt(
            fd,
            libc::SOL_SOCKET,
            name,
            (&raw mut value).cast(),
            &raw mut length,
        )
    };
    set_errno(saved);
    (failed == 0).then_some(value)
}

/// Is `fd` ready, or in a state in which a call would fail at once?
pub(super) fn ready_now(fd: c_int, events: c_short) -> bool {
    let saved = errno();
    let mut entry = pollfd {
        fd,
        events,
        revents: 0,
    };
    // SAFETY: one entry, on this frame, and no waiting.
    let ready = unsafe { libc::poll(&raw mut entry, 1, 0) };
    set_errno(saved);
    ready != 0
}

/// Would a call on `fd` return at once anyway? Also true for what is no descriptor.
pub(super) fn nonblocking(fd: c_int) -> bool {
    let saved = errno();
    // SAFETY: takes no third argument and changes nothing.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFL) };
    set_errno(saved);
    flags < 0 || flags & libc::O_NONBLOCK != 0
}

pub(super) fn errno() -> c_int {
    // SAFETY: the calling thread's own variable.
    unsafe { *libc::__errno_location() }
}

pub(super) fn set_errno(value: c_int) {
    // SAFETY: the calling thread's own variable.
    unsafe { *libc::__errno_location() = value };
}
