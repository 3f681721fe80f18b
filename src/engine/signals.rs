//! Signals as events: a handler that sets a bit and wakes a descriptor, for the master's poll loop or a runner's reactor.
//!
//! `sigaction` and an eventfd, not a signalfd: a signalfd needs the signals blocked, and whatever `proc_open` starts would
//! inherit the mask and could not be ended by SIGTERM.
//!
//! Invariant: one `Signals` per process. Dropping it puts back the handlers and the mask that were there before.
//! Invariant: a process that was forked without our knowing (`pcntl_fork` in a job) shares handler and descriptor; the
//! handler sees the wrong pid there and does what would have been done without us.
#![expect(
    unsafe_code,
    reason = "signal handlers can only be set through sigaction"
)]

pub(crate) mod outside;

use crate::error::EngineError;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The signals that end a run.
pub const STOP: [i32; 3] = [libc::SIGTERM, libc::SIGINT, libc::SIGQUIT];
/// Reserve nothing more until [`RESUME`].
pub const PAUSE: i32 = libc::SIGUSR2;
/// Go on reserving.
pub const RESUME: i32 = libc::SIGCONT;

/// How a child is told of a stop signal, which it must not obey: its job ends first. Real-time signals, which hardly any program uses;
/// the PHP side knows the same numbers.
pub(crate) fn told(stop: i32) -> i32 {
    64 - stop
}

/// Stop signals within this time are one: a wrapper that passes signals on doubles the Ctrl-C that reaches its whole group, and so do
/// process managers that signal group and process.
const SAME: Duration = Duration::from_secs(1);

/// How often a process was told to stop.
#[derive(Debug, Default)]
pub(crate) struct Stops {
    last: Option<Instant>,
    counted: u32,
}

impl Stops {
    /// One more stop signal has come: how many that makes. None: it is the last one again.
    pub(crate) fn count(&mut self, now: Instant) -> Option<u32> {
        if self.last.is_some_and(|last| now < last + SAME) {
            return None;
        }
        self.last = Some(now);
        self.counted += 1;
        Some(self.counted)
    }

    /// How many came.
    pub(crate) fn counted(&self) -> u32 {
        self.counted
    }
}

/// Written by the handler, taken by [`Signals::take`]: one bit per signal number.
static PENDING: AtomicU64 = AtomicU64::new(0);
/// Written by `install` and `drop`: the eventfd, or -1.
static EVENT: AtomicI32 = AtomicI32::new(-1);
/// Written by `install`: the pid whose signals these are.
static OWNER: AtomicI32 = AtomicI32::new(0);
/// Written by `reset_in_new_process`: who may stop this process.
static PARENT: AtomicI32 = AtomicI32::new(0);

/// Our handlers, for as long as this lives.
#[derive(Debug)]
pub struct Signals {
    event: OwnedFd,
    old: Vec<(i32, libc::sigaction)>,
    old_mask: libc::sigset_t,
    owner: i32,
}

impl Signals {
    /// Handlers for these signals, which are unblocked if they were blocked.
    pub fn install(signals: &[i32]) -> Result<Signals, EngineError> {
        // SAFETY: plain system call, no pointers.
        let event = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if event < 0 {
            return Err(EngineError::system("make a descriptor for signals"));
        }
        // SAFETY: eventfd just gave us this descriptor.
        let event = unsafe { OwnedFd::from_raw_fd(event) };
        let owner = pid();
        OWNER.store(owner, Ordering::SeqCst);
        if EVENT
            .compare_exchange(-1, event.as_raw_fd(), Ordering::SeqCst, Ordering::SeqCst)
            .is_err()
        {
            return Err(EngineError::SignalsTaken);
        }
        PENDING.store(0, Ordering::SeqCst);
        let old = signals
            .iter()
            .map(|&signal| (signal, set_handler(signal, note as *const () as usize, 0)))
            .collect();
        let old_mask = change_mask(libc::SIG_UNBLOCK, &set_of(signals));
        Ok(Signals {
            event,
            old,
            old_mask,
            owner,
        })
    }

    /// Readable when a signal has come.
    pub fn fd(&self) -> RawFd {
        self.event.as_raw_fd()
    }

    /// The same, for poll.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }

    /// The signals that came since the last call, each once, in the order of their numbers.
    pub fn take(&self) -> Vec<i32> {
        let mut count = 0u64;
        // SAFETY: an eventfd gives eight bytes, and `count` has eight.
        unsafe {
            libc::read(
                self.event.as_raw_fd(),
                (&raw mut count).cast(),
                size_of::<u64>(),
            )
        };
        let pending = PENDING.swap(0, Ordering::SeqCst);
        (1..64)
            .filter(|signal| pending & (1 << signal) != 0)
            .collect()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        // In a forked process the handlers are not ours to change; only the descriptor is closed.
        if pid() != self.owner {
            return;
        }
        for (signal, action) in &self.old {
            set_action(*signal, action);
        }
        change_mask(libc::SIG_SETMASK, &self.old_mask);
        EVENT.store(-1, Ordering::SeqCst);
    }
}

/// Sends this process a signal: what its handler (or the default) does is the caller's wish.
pub fn raise(signal: i32) {
    // SAFETY: no memory is involved.
    unsafe { libc::raise(signal) };
}

/// "signal 11 (SIGSEGV)".
pub fn describe(signal: i32) -> String {
    match nix::sys::signal::Signal::try_from(signal) {
        Ok(known) => format!("signal {signal} ({})", known.as_str()),
        Err(_) => format!("signal {signal}"),
    }
}

/// Whether the process was started with this signal ignored, as nohup does.
pub(crate) fn is_ignored(signal: i32) -> bool {
    handler_of(signal) == libc::SIG_IGN
}

/// Blocks every signal; the old mask is for [`restore_mask`].
pub(crate) fn block_all() -> libc::sigset_t {
    let mut all = set_of(&[]);
    // SAFETY: `all` is a signal set.
    unsafe { libc::sigfillset(&mut all) };
    change_mask(libc::SIG_SETMASK, &all)
}

/// Puts back what [`block_all`] returned.
pub(crate) fn restore_mask(mask: &libc::sigset_t) {
    change_mask(libc::SIG_SETMASK, mask);
}

/// In a new process, with all signals blocked: handlers become defaults (what is ignored stays ignored, as after exec),
/// [`STOP`], SIGHUP and [`PAUSE`] are obeyed only if the parent or the process itself sends them, and the mask becomes empty.
///
/// A service manager may send its stop signal to every process it finds (systemd does by default). Who stops is the
/// master's decision alone: it lets running jobs end first.
pub(crate) fn reset_in_new_process(parent: i32) {
    for signal in 1..=64 {
        let old = handler_of(signal);
        if old != libc::SIG_DFL && old != libc::SIG_IGN {
            set_handler(signal, libc::SIG_DFL, 0);
        }
    }
    for signal in STOP {
        // Until the process wants to know.
        set_handler(told(signal), libc::SIG_IGN, 0);
    }
    // A write to a closed socket is an error, not a death; reading from or writing to the terminal from a background
    // process group is an error, not a stop.
    for signal in [libc::SIGPIPE, libc::SIGTTIN, libc::SIGTTOU] {
        set_handler(signal, libc::SIG_IGN, 0);
    }
    EVENT.store(-1, Ordering::SeqCst);
    PENDING.store(0, Ordering::SeqCst);
    PARENT.store(parent, Ordering::SeqCst);
    for signal in STOP.into_iter().chain([PAUSE, libc::SIGHUP]) {
        if signal == libc::SIGHUP && is_ignored(signal) {
            continue;
        }
        set_handler(signal, obey_parent as *const () as usize, libc::SA_SIGINFO);
    }
    change_mask(libc::SIG_SETMASK, &set_of(&[]));
}

/// The handler of [`Signals`]. Async-signal-safe: atomics, `getpid`, `write`, `kill`, `sigaction`, `raise`.
extern "C" fn note(signal: libc::c_int) {
    // SAFETY: errno of this thread.
    let errno = unsafe { *libc::__errno_location() };
    if pid() == OWNER.load(Ordering::Relaxed) {
        PENDING.fetch_or(1 << signal, Ordering::SeqCst);
        let one = 1u64;
        // SAFETY: `one` has eight bytes. The descriptor is our eventfd or -1; either way the call returns at once.
        unsafe {
            libc::write(
                EVENT.load(Ordering::SeqCst),
                (&raw const one).cast(),
                size_of::<u64>(),
            )
        };
        crate::alarm::ring_now();
    } else {
        die_of(signal);
    }
    // SAFETY: errno of this thread.
    unsafe { *libc::__errno_location() = errno };
}

/// The handler of a new process for what only its parent may ask of it. Async-signal-safe like [`note`].
extern "C" fn obey_parent(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    _context: *mut libc::c_void,
) {
    // SAFETY: the kernel gives a valid siginfo to a handler with SA_SIGINFO, and for these signals si_pid is the sender.
    let sender = unsafe { (*info).si_pid() };
    if sender == PARENT.load(Ordering::Relaxed) || sender == pid() {
        die_of(signal);
    }
}

/// The default action: it comes as soon as the handler returns and the signal is unblocked.
fn die_of(signal: i32) {
    set_handler(signal, libc::SIG_DFL, 0);
    // SAFETY: plain call, async-signal-safe.
    unsafe { libc::raise(signal) };
}

fn set_handler(signal: i32, handler: usize, flags: i32) -> libc::sigaction {
    let mut action = zeroed_action();
    action.sa_sigaction = handler;
    // System calls of jobs go on after our handler as if nothing had been.
    action.sa_flags = libc::SA_RESTART | flags;
    let mut old = zeroed_action();
    // SAFETY: both are valid sigactions; the handler, if one, is a function of the form the flags announce. Refused signals
    // (KILL, STOP, glibc's own) only give an error.
    unsafe { libc::sigaction(signal, &action, &mut old) };
    old
}

fn handler_of(signal: i32) -> usize {
    action_of(signal).sa_sigaction
}

/// How this process handles the signal.
pub(crate) fn action_of(signal: i32) -> libc::sigaction {
    let mut old = zeroed_action();
    // SAFETY: `old` is a valid sigaction; the null pointer means "only ask".
    unsafe { libc::sigaction(signal, std::ptr::null(), &mut old) };
    old
}

/// Puts back what [`action_of`] gave.
pub(crate) fn set_action(signal: i32, action: &libc::sigaction) {
    // SAFETY: `action` is what sigaction gave us for this signal.
    unsafe { libc::sigaction(signal, action, std::ptr::null_mut()) };
}

fn zeroed_action() -> libc::sigaction {
    // SAFETY: all zero bits are a valid sigaction: default handler, no flags, empty mask.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

fn set_of(signals: &[i32]) -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigemptyset fills the set it is given.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: filled above.
    let mut set = unsafe { set.assume_init() };
    for &signal in signals {
        // SAFETY: `set` is a valid signal set.
        unsafe { libc::sigaddset(&mut set, signal) };
    }
    set
}

fn change_mask(how: i32, set: &libc::sigset_t) -> libc::sigset_t {
    let mut old = set_of(&[]);
    // SAFETY: both are valid signal sets.
    unsafe { libc::pthread_sigmask(how, set, &mut old) };
    old
}

fn pid() -> i32 {
    // SAFETY: plain call, async-signal-safe.
    unsafe { libc::getpid() }
}
