//! Blocking libc calls that suspend only the calling lane.
//!
//! Shared objects reach libc through slots of their global offset table. [`install`] points those slots at the hooks of this
//! module's families (`sleep`, `poll`, `select`, `socket`, `connect`, `file`, `open`, `ipc`, `process`, `spawn`, `memory`, `signal`, `dns`, `hosts`). A hook makes the real call whenever it may
//! not suspend, or need not; otherwise it hands the lane to the [`Waiter`] until the call would no longer block.
//!
//! Invariant: the object this code lives in is never patched, so a plain `libc::poll` here is always the real one.
//! Invariant: nothing is interposed on other threads, in forked children, or after [`uninstall`].
//! Invariant: a hook's frame may be abandoned while it is suspended. It holds nothing that needs dropping; what it can leave
//! behind is at most one descriptor or one small allocation.
//! Invariant: `errno` after a hook is what the real call would have left.
//!
//! **Cancelled waits.** Libraries retry `EINTR` for ever, so a cancelled hook never reports it, sleeps aside. It shuts the waited
//! sockets down (descriptors over 2, but none that may serve others: a listener, datagrams) and lets the library see what the kernel
//! now says of them: end of file, `EPIPE`, `POLLHUP`.
//! Where there is no socket to shut, the call fails with `ECANCELED`, which no library retries. A cancelled sleep is an
//! interrupted one, with nothing remaining where the caller might sleep for the rest in a loop.
//!
//! **Not reachable:** calls made inside libc itself (stdio, resolver), raw system calls, futex waits, pointers from `dlsym`.

mod connect;
mod dns;
mod elf;
mod file;
mod gate;
mod got;
mod helper;
mod hosts;
mod iov;
mod ipc;
mod memory;
mod open;
mod poll;
mod process;
mod select;
mod signal;
mod sleep;
mod socket;
mod spawn;
mod started;
mod transfer;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

#[doc(hidden)]
pub use elf::imports_of;
pub use gate::{block, reset_blocks, serves_many, unblock, waits, without_suspending};

/// Whoever schedules lanes: what the hooks ask of it.
pub trait Waiter: Sync {
    /// May the calling code be suspended now? Asked only on the thread that called [`install`], in its process, outside of
    /// [`without_suspending`]. MUST be cheap: it runs before every interposed call.
    fn can_suspend(&self) -> bool;

    /// Suspends the calling lane until one of `fds` is ready or `timeout` (`None` is for ever) has passed.
    ///
    /// An empty `fds` is a sleep. Entries with a negative descriptor are to be ignored, as `poll` does; every other one was
    /// valid and not ready a moment ago. `fds` may be the caller's own array and MUST NOT be used once this returns.
    /// Waking up too early is allowed: hooks look again. Waking up too late is a lag that the caller sees.
    fn wait(&self, fds: &[libc::pollfd], timeout: Option<Duration>) -> Woken;

    /// Asked before something is sent on `fd`: suspends the calling lane while another that shares the connection is in the middle of
    /// a request on it, whose answer would be mixed up with this one's. MUST be cheap. False: the lane is being cancelled, and must not send.
    fn claim(&self, _fd: libc::c_int) -> bool {
        true
    }

    /// The calling code has taken more memory of the system. MUST be cheap, and allocate nothing: an allocator is at work.
    fn grew(&self) {}

    /// The running lane, for the processes that it starts; one that helps with another's job is that one. Asked on the thread that
    /// called [`install`]. None: no lane runs, and calls are not kept apart.
    fn lane(&self) -> Option<u32> {
        None
    }

    /// Whether the running lane has nothing in common with others, so that a process of theirs is none that it could know of.
    fn keeps_apart(&self) -> bool {
        false
    }

    /// Whether a process that is forked now goes on with what runs here, and does not become another program. Asked on any thread.
    fn forks_to_go_on(&self) -> bool {
        false
    }

    /// A call blocks, since the calling lane may not be suspended here: is the lane to end instead? Asked as the call begins and
    /// whenever this process's alarm has rung in it; otherwise the call goes on.
    fn must_end(&self) -> bool {
        false
    }
}

/// Why a suspended lane runs again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// A descriptor may be ready.
    Ready,
    /// The time may have passed.
    TimedOut,
    /// The lane is to end: the call fails at once, and so does every later one.
    Cancelled,
    /// Another lane is in the middle of reading what this one would read: the call fails at once, and nothing is shut down.
    Barred,
    /// The wait could not be made: the real call is made, and blocks.
    Refused,
}

/// Which calls are interposed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// None: only [`wait`] suspends.
    Nothing,
    /// Those that sleep.
    Sleeps,
    /// All.
    #[default]
    All,
}

/// What is interposed at present.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Slots that lead to a hook.
    pub slots: usize,
    /// Objects with at least one such slot.
    pub objects: usize,
    /// Slots with an interposed name that were left alone, since they lead neither to libc nor to the lazy binder: some other
    /// library defines a function of that name, or something else has interposed it.
    pub foreign: usize,
    /// The functions that at least one slot reaches.
    pub functions: Vec<&'static str>,
}

/// Why calls cannot be interposed here.
#[derive(Debug, thiserror::Error)]
pub enum InterposeError {
    #[error("calls cannot be interposed in a forked child; fork before they are")]
    Forked,
    #[error("calls can be interposed on x86_64 and aarch64 with glibc only")]
    Unsupported,
    #[error("cannot register the fork handler: {0}")]
    ForkHandler(std::io::Error),
    #[error("cannot make the relocated slots of {object} writable: {source}")]
    Protected {
        object: String,
        source: std::io::Error,
    },
}

/// One libc function and what takes its place.
#[derive(Clone, Copy)]
struct Hook {
    /// The symbol as other objects import it.
    name: &'static str,
    /// A function of the same signature.
    hook: *const (),
}

impl Hook {
    const fn new(name: &'static str, hook: *const ()) -> Self {
        Self { name, hook }
    }
}

/// Every interposed function, by family.
const FAMILIES: [&[Hook]; 14] = [
    sleep::HOOKS,
    poll::HOOKS,
    select::HOOKS,
    socket::HOOKS,
    connect::HOOKS,
    file::HOOKS,
    open::HOOKS,
    ipc::HOOKS,
    process::HOOKS,
    spawn::HOOKS,
    memory::HOOKS,
    signal::HOOKS,
    dns::HOOKS,
    hosts::HOOKS,
];

/// What the last walk left behind. Written by [`install`], [`refresh`] and [`uninstall`] only.
#[derive(Default)]
struct Installed {
    reach: Reach,
    targets: Vec<got::Target>,
    /// Slot address → the value it had.
    slots: BTreeMap<usize, usize>,
    report: Report,
}

static INSTALLED: Mutex<Option<Installed>> = Mutex::new(None);

/// How many objects had ever been loaded when the last walk was made.
static LOADS: AtomicU64 = AtomicU64::new(0);

fn installed() -> MutexGuard<'static, Option<Installed>> {
    INSTALLED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Interposes the calls of all objects loaded now, and marks the calling thread as the one whose calls may suspend.
///
/// A second call replaces the waiter, the thread and the reach, and walks again.
///
/// # Errors
/// In a forked child of a process that had called this, on other platforms, and where the system forbids to change protected
/// pages; nothing is interposed then.
pub fn install(waiter: &'static dyn Waiter, reach: Reach) -> Result<Report, InterposeError> {
    let mut installed = installed();
    gate::own(waiter)?;
    let mut next = installed.take().unwrap_or_default();
    if next.targets.is_empty() || next.reach != reach {
        got::restore(&next.targets, &next.slots);
        let families: &[&[Hook]] = match reach {
            Reach::Nothing => &[],
            Reach::Sleeps => &[sleep::HOOKS],
            Reach::All => &FAMILIES,
        };
        next = Installed {
            reach,
            targets: got::targets(families.iter().copied().flatten())?,
            ..Installed::default()
        };
    }
    match walk(&mut next) {
        Ok(()) => {
            let report = next.report.clone();
            *installed = Some(next);
            gate::set_enabled(true);
            Ok(report)
        }
        Err(error) => {
            gate::set_enabled(false);
            got::restore(&next.targets, &next.slots);
            Err(error)
        }
    }
}

/// Interposes the calls of objects loaded since the last walk. Cheap if there are none.
///
/// # Errors
/// As [`install`]; the slots of earlier walks stay as they are. Before [`install`] it does nothing.
pub fn refresh() -> Result<Report, InterposeError> {
    if gate::forked() {
        return Err(InterposeError::Forked);
    }
    let mut installed = installed();
    let Some(current) = installed.as_mut() else {
        return Ok(Report::default());
    };
    if outdated() {
        walk(current)?;
    }
    Ok(current.report.clone())
}

/// Whether objects have been loaded since the last walk. A question of some 20 ns.
pub fn outdated() -> bool {
    got::loads() != LOADS.load(Ordering::Relaxed)
}

/// Switches the hooks off and gives the slots of all objects that are still loaded their old values.
///
/// Objects may have copied a hook's address elsewhere, and a helper thread may still be at work, so the object that holds this
/// code must stay loaded. In a forked child only the hooks are off.
pub fn uninstall() {
    gate::set_enabled(false);
    if gate::forked() {
        return;
    }
    if let Some(current) = installed().take() {
        got::restore(&current.targets, &current.slots);
    }
}

/// A lane of this number begins, or a job in it that shall not find the processes of the last: those that it still had are nobody's
/// from now on, and reaped when they end.
pub fn lane_begins(lane: u32) {
    started::disown(lane);
}

/// Suspends the calling lane as an interposed `poll` would, for whoever stands in for a function that waits. None: it may not be
/// suspended, so that the function itself must wait.
pub fn wait(fds: &[libc::pollfd], timeout: Option<Duration>) -> Option<Woken> {
    gate::wait(fds, timeout)
}

fn walk(installed: &mut Installed) -> Result<(), InterposeError> {
    let loads = got::loads();
    let report = if installed.targets.is_empty() {
        Report::default()
    } else {
        got::patch(&installed.targets, &mut installed.slots)?
    };
    tracing::debug!(
        slots = report.slots,
        objects = report.objects,
        foreign = report.foreign,
        "calls interposed"
    );
    installed.report = report;
    LOADS.store(loads, Ordering::Relaxed);
    Ok(())
}
