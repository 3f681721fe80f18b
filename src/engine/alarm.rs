//! One POSIX timer that interrupts the PHP thread at a moment: for a lane that burns the processor and never waits.
//!
//! The signal goes to the thread that made the alarm, not to the process, so helper threads never see it. It is a real-time signal
//! that PHP and Laravel do not use (they take SIGALRM, SIGPROF and SIGRTMIN).
#![expect(
    unsafe_code,
    reason = "timer_create with SIGEV_THREAD_ID has no safe form"
)]

use std::io;
use std::mem;
use std::os::fd::RawFd;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use std::time::Instant;

/// The process that has an alarm, or 0. Written by `new` and `drop`: a signal has one handler, so a second alarm would take the
/// first one's.
static OWNER: AtomicU32 = AtomicU32::new(0);
/// The same, while its handler is in place.
static READY: AtomicU32 = AtomicU32::new(0);

/// How often it has rung.
static RINGS: AtomicU32 = AtomicU32::new(0);
/// What it calls.
static HANDLER: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// The signal's handler.
extern "C" fn rang(signal: i32) {
    RINGS.fetch_add(1, Ordering::SeqCst);
    let handler = HANDLER.load(Ordering::SeqCst);
    if !handler.is_null() {
        // SAFETY: `install` has stored a function of this type before it put this one in place.
        let handler = unsafe { mem::transmute::<*mut (), extern "C" fn(i32)>(handler) };
        handler(signal);
    }
}

/// How often the alarm has rung: whoever was interrupted can tell whether it was that.
pub(crate) fn rings() -> u32 {
    RINGS.load(Ordering::SeqCst)
}

/// Its signal.
pub(crate) fn signal() -> i32 {
    libc::SIGRTMIN() + 5
}

/// See the module's words. At most one in a process. The old handler comes back when it is dropped.
pub struct Alarm {
    timer: libc::timer_t,
    signal: i32,
    old: libc::sigaction,
    set_for: Option<Instant>,
    /// A fork inherits no timers: what is dropped there must not touch the parent's number.
    owner: u32,
    watched: Vec<RawFd>,
}

/// `struct f_owner_ex` and its constants (fcntl.h), which the libc crate does not have.
#[repr(C)]
struct OwnerEx {
    kind: libc::c_int,
    id: libc::pid_t,
}
const F_OWNER_TID: libc::c_int = 0;
const F_SETOWN_EX: libc::c_int = 15;
const F_SETSIG: libc::c_int = 10;

/// # Safety
/// `fd` is the caller's.
unsafe fn change_flags(fd: RawFd, change: impl FnOnce(libc::c_int) -> libc::c_int) -> libc::c_int {
    // SAFETY: reads and writes flags of a descriptor.
    unsafe {
        let flags = libc::fcntl(fd, libc::F_GETFL);
        if flags < 0 {
            return flags;
        }
        libc::fcntl(fd, libc::F_SETFL, change(flags))
    }
}

/// Rings the alarm of this process now, if it has one. Async-signal-safe.
pub(crate) fn ring_now() {
    if READY.load(Ordering::SeqCst) == std::process::id() {
        // SAFETY: a signal to ourselves, for which there is a handler now.
        unsafe { libc::kill(libc::getpid(), signal()) };
    }
}

impl Alarm {
    /// An alarm that calls `handler` (async-signal-safe code only) on the calling thread.
    pub fn new(handler: extern "C" fn(i32)) -> io::Result<Self> {
        let owner = std::process::id();
        if OWNER.swap(owner, Ordering::SeqCst) == owner {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "this process has an alarm already",
            ));
        }
        Self::install(handler, owner).inspect_err(|_| OWNER.store(0, Ordering::SeqCst))
    }

    fn install(handler: extern "C" fn(i32), owner: u32) -> io::Result<Self> {
        let signal = signal();
        HANDLER.store(handler as *mut (), Ordering::SeqCst);
        // SAFETY: all structures are zeroed and then filled; the handler is async-signal-safe by contract; gettid names this thread.
        unsafe {
            let mut action: libc::sigaction = mem::zeroed();
            action.sa_sigaction = rang as *const () as usize;
            action.sa_flags = libc::SA_RESTART;
            let mut old: libc::sigaction = mem::zeroed();
            if libc::sigaction(signal, &action, &mut old) != 0 {
                return Err(io::Error::last_os_error());
            }
            let mut event: libc::sigevent = mem::zeroed();
            event.sigev_notify = libc::SIGEV_THREAD_ID;
            event.sigev_signo = signal;
            event.sigev_notify_thread_id = libc::gettid();
            let mut timer: libc::timer_t = ptr::null_mut();
            if libc::timer_create(libc::CLOCK_MONOTONIC, &mut event, &mut timer) != 0 {
                let error = io::Error::last_os_error();
                libc::sigaction(signal, &old, ptr::null_mut());
                return Err(error);
            }
            READY.store(owner, Ordering::SeqCst);
            Ok(Self {
                timer,
                signal,
                old,
                set_for: None,
                owner,
                watched: Vec::new(),
            })
        }
    }

    /// Rings also when something can be read from the socket, until the alarm is dropped.
    pub fn watch(&mut self, socket: RawFd) -> io::Result<()> {
        let owner = OwnerEx {
            kind: F_OWNER_TID,
            // SAFETY: names this thread.
            id: unsafe { libc::gettid() },
        };
        // SAFETY: flags of a descriptor of the caller's; `owner` is what F_SETOWN_EX reads.
        let failed = unsafe {
            libc::fcntl(socket, F_SETOWN_EX, &raw const owner) != 0
                || libc::fcntl(socket, F_SETSIG, self.signal) != 0
                || change_flags(socket, |flags| flags | libc::O_ASYNC) != 0
        };
        if failed {
            return Err(io::Error::last_os_error());
        }
        self.watched.push(socket);
        Ok(())
    }

    /// Rings at the moment; None: not at all. Setting the same moment again costs nothing before it has come; afterwards it rings
    /// again, at once.
    pub fn set(&mut self, moment: Option<Instant>) {
        let to_come = moment.is_none_or(|moment| moment > Instant::now());
        if self.set_for == moment && to_come {
            return;
        }
        self.set_for = moment;
        // SAFETY: the timer is ours; zero disarms, so a moment that has passed becomes one nanosecond.
        unsafe {
            let mut setting: libc::itimerspec = mem::zeroed();
            if let Some(moment) = moment {
                let left = moment.saturating_duration_since(Instant::now());
                setting.it_value.tv_sec = left.as_secs() as libc::time_t;
                setting.it_value.tv_nsec = libc::c_long::from(left.subsec_nanos()).max(1);
            }
            libc::timer_settime(self.timer, 0, &setting, ptr::null_mut());
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if self.owner != std::process::id() {
            return;
        }
        READY.store(0, Ordering::SeqCst);
        // SAFETY: both are ours. A signal that is on its way is delivered before timer_delete returns, since this is its thread
        // (the timer's id keeps the alarm from being sent to another): it still finds our handler.
        // The same holds for what watched sockets send.
        unsafe {
            for socket in &self.watched {
                change_flags(*socket, |flags| flags & !libc::O_ASYNC);
            }
            libc::timer_delete(self.timer);
            libc::sigaction(self.signal, &self.old, ptr::null_mut());
        }
        OWNER.store(0, Ordering::SeqCst);
    }
}
