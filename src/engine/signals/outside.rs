//! Signals that kill a runner: whether another process sent them. That is no evidence against the job that was running.
//!
//! What nobody but the parent may send (see [`super::reset_in_new_process`]) is not among them, nor SIGKILL, which the master sees.

use super::{die_of, pid, set_handler};
use crate::scoreboard::Scoreboard;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicPtr, Ordering};

/// Those that faults, libraries and limits of the process bring about, and those that kill who does not expect them.
const DEADLY: [i32; 16] = [
    libc::SIGILL,
    libc::SIGTRAP,
    libc::SIGABRT,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGUSR1,
    libc::SIGSEGV,
    libc::SIGALRM,
    libc::SIGSTKFLT,
    libc::SIGXCPU,
    libc::SIGXFSZ,
    libc::SIGVTALRM,
    libc::SIGPROF,
    libc::SIGIO,
    libc::SIGPWR,
    libc::SIGSYS,
];

/// Where it is noted, and in which process: others that are forked from it have its handlers, and their deaths are their own.
static BOARD: AtomicPtr<Scoreboard> = AtomicPtr::new(ptr::null_mut());
static OWNER: AtomicI32 = AtomicI32::new(0);

/// For a new runner: from now on the scoreboard says whether somebody else killed it. What PHP or a library handles itself later is
/// theirs.
pub(crate) fn watch(board: &Arc<Scoreboard>) {
    // The handlers outlive whoever holds the board.
    BOARD.store(
        Arc::into_raw(Arc::clone(board)).cast_mut(),
        Ordering::SeqCst,
    );
    OWNER.store(pid(), Ordering::SeqCst);
    for signal in DEADLY {
        if !super::is_ignored(signal) {
            set_handler(signal, note as *const () as usize, libc::SA_SIGINFO);
        }
    }
}

/// Async-signal-safe: an atomic of the scoreboard, `getpid`, `sigaction`, `raise`. Where a lane's stack has overflowed it cannot be
/// called: the system then ends the process by the same signal at once.
extern "C" fn note(signal: libc::c_int, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    // SAFETY: the kernel gives a valid siginfo to a handler with SA_SIGINFO.
    let code = unsafe { (*info).si_code };
    if !matches!(code, libc::SI_USER | libc::SI_QUEUE | libc::SI_TKILL) {
        // A fault comes again as the handler returns, and is then deadly; the kernel's other signals do not.
        return die_of(signal);
    }
    // SAFETY: for what a process sends, si_pid is the sender; 0 if it is not to be seen from here.
    let sender = unsafe { (*info).si_pid() };
    // SAFETY: null, or a scoreboard that is never given up.
    let board = unsafe { BOARD.load(Ordering::SeqCst).as_ref() };
    if let Some(board) = board
        && sender != pid()
        && pid() == OWNER.load(Ordering::SeqCst)
    {
        board.set_killed();
    }
    die_of(signal);
}
