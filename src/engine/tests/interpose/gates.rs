//! When nothing is suspended: whoever calls makes the real call.
use std::time::{Duration, Instant};

use kqueue_engine::interpose::{self, InterposeError, Reach};

use crate::fixture::{Turn, call};
use crate::recorder::RECORDER;

/// Sleeps by the fixture, and tells whether that was a wait.
fn is_routed() -> bool {
    let usleep = call!(call_usleep(micros: u32) -> i32);
    let before = RECORDER.waits().len();
    let begin = Instant::now();
    assert_eq!(usleep(5_000), 0);
    assert!(begin.elapsed() >= Duration::from_millis(5));
    RECORDER.waits().len() > before
}

#[test]
fn the_waiter_is_asked() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    assert!(is_routed());
    RECORDER.allows(false);
    assert!(!is_routed());
    RECORDER.allows(true);
    assert!(is_routed());
}

#[test]
fn blocked_regions_nest() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    interpose::without_suspending(|| {
        interpose::without_suspending(|| assert!(!is_routed()));
        assert!(!is_routed());
    });
    assert!(is_routed());
    interpose::block();
    interpose::block();
    interpose::unblock();
    assert!(!is_routed());
    interpose::reset_blocks();
    assert!(is_routed());
    interpose::unblock();
    assert!(is_routed(), "more regions left than entered");
}

#[test]
fn a_panic_leaves_a_blocked_region() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    let panicked = std::panic::catch_unwind(|| {
        interpose::without_suspending(|| std::panic::resume_unwind(Box::new(())))
    });
    assert!(panicked.is_err());
    assert!(is_routed());
}

#[test]
fn waits_are_counted() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    let before = interpose::waits();
    assert!(is_routed());
    interpose::without_suspending(|| assert!(!is_routed()));
    assert_eq!(interpose::waits(), before + 1);
}

#[test]
fn other_threads_make_real_calls() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    let routed = std::thread::spawn(is_routed).join().expect("no panic");
    assert!(!routed);
    assert!(is_routed());
}

#[test]
fn installing_again_moves_to_the_calling_thread() {
    let turn = Turn::take();
    let first = turn.install(RECORDER.fresh());
    let routed = std::thread::spawn(|| {
        let second = interpose::install(&RECORDER, Reach::All).expect("installed once already");
        (is_routed(), second)
    });
    assert_eq!(routed.join().expect("no panic"), (true, first));
    assert!(!is_routed());
}

/// What `child` says in a forked child: its exit code.
fn in_child(child: impl FnOnce() -> i32) -> i32 {
    // SAFETY: the child makes a few calls and ends; it takes no lock that another thread may hold.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let code = child();
        // SAFETY: ends the process at once.
        unsafe { libc::_exit(code) };
    }
    let mut status = 0;
    // SAFETY: `status` is writable.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    assert!(libc::WIFEXITED(status), "status {status:#x}");
    libc::WEXITSTATUS(status)
}

#[test]
fn hooks_are_off_for_ever_in_a_forked_child() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    let questions = RECORDER.questions();
    let code = in_child(|| {
        let routed = is_routed() || RECORDER.questions() > questions;
        let refused = matches!(
            interpose::install(&RECORDER, Reach::All),
            Err(InterposeError::Forked)
        ) && matches!(interpose::refresh(), Err(InterposeError::Forked));
        let still_routed = is_routed();
        interpose::uninstall();
        i32::from(routed) | i32::from(!refused) << 1 | i32::from(still_routed) << 2
    });
    assert_eq!(code, 0);
    assert!(is_routed(), "the parent goes on");
}

#[test]
fn a_process_that_skipped_the_fork_handler_makes_real_calls() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    // SAFETY: as fork without handlers; the child makes a few calls and ends.
    let pid = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) } as i32;
    if pid == 0 {
        let code = i32::from(is_routed());
        // SAFETY: ends the process at once.
        unsafe { libc::_exit(code) };
    }
    let mut status = -1;
    // SAFETY: `status` is writable.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    assert_eq!(status, 0);
}

#[test]
fn nothing_is_routed_after_uninstall() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    assert!(is_routed());
    interpose::uninstall();
    assert!(!is_routed());
    turn.install(&RECORDER);
    assert!(is_routed());
}
