//! What a job leaves in a process: set back, or told.

use crate::harness::{Case, leave, wait_for};
use kqueue_engine::pristine::Pristine;
use nix::libc;
use nix::sys::wait::WaitStatus;
use nix::unistd::{ForkResult, fork};
use std::ffi::CStr;
use std::time::Duration;

pub(crate) const CASES: &[Case] = &[
    (
        "pristine::an_untouched_process_takes_another_job",
        an_untouched_process,
    ),
    ("pristine::what_can_be_set_back_is", what_can_be_set_back_is),
    ("pristine::what_cannot_be_is_told", what_cannot_be_is_told),
    (
        "pristine::processes_that_have_ended_and_are_reaped_are_none",
        reaped_processes,
    ),
];

/// Runs `body` in a process of its own.
fn apart(name: &str, body: impl FnOnce()) {
    // SAFETY: a case has one thread.
    match unsafe { fork() }.expect("fork") {
        ForkResult::Child => {
            // SAFETY: plain call.
            unsafe { libc::setpgid(0, 0) };
            body();
            leave(0);
        }
        ForkResult::Parent { child } => {
            let ended = wait_for(child, Duration::from_secs(10));
            assert_eq!(ended, Some(WaitStatus::Exited(child, 0)), "{name}");
        }
    }
}

fn an_untouched_process() {
    apart("nothing", || {
        let mut pristine = Pristine::note();
        for _ in 0..3 {
            assert_eq!(pristine.restore(), Ok(()));
        }
    });
}

fn variable(name: &CStr) -> Option<String> {
    // SAFETY: NUL-terminated; copied at once.
    unsafe {
        let value = libc::getenv(name.as_ptr());
        (!value.is_null()).then(|| CStr::from_ptr(value).to_string_lossy().into_owned())
    }
}

fn what_can_be_set_back_is() {
    apart("set back", || {
        // SAFETY: plain calls in a process with one thread.
        unsafe {
            libc::umask(0o22);
            libc::setenv(c"KEPT".as_ptr(), c"a=b".as_ptr(), 1);
            libc::setenv(c"GONE".as_ptr(), c"".as_ptr(), 1);
        }
        let mut pristine = Pristine::note();
        // SAFETY: as above; the handler is the default.
        unsafe {
            libc::alarm(1);
            libc::umask(0);
            libc::setenv(c"KEPT".as_ptr(), c"changed".as_ptr(), 1);
            libc::setenv(c"NEW".as_ptr(), c"x".as_ptr(), 1);
            libc::unsetenv(c"GONE".as_ptr());
            libc::signal(64 - libc::SIGTERM, libc::SIG_IGN);
        }
        assert_eq!(pristine.restore(), Ok(()));
        // SAFETY: as above.
        assert_eq!(unsafe { libc::alarm(0) }, 0);
        // SAFETY: as above.
        assert_eq!(unsafe { libc::umask(0) }, 0o22);
        assert_eq!(variable(c"KEPT").as_deref(), Some("a=b"));
        assert_eq!(variable(c"GONE").as_deref(), Some(""));
        assert_eq!(variable(c"NEW"), None);
        // SAFETY: as above.
        let old = unsafe { libc::signal(64 - libc::SIGTERM, libc::SIG_DFL) };
        assert_eq!(old, libc::SIG_DFL);
    });
}

extern "C" fn handler(_signal: i32) {}

fn block() {
    let mut set = nix::sys::signal::SigSet::empty();
    set.add(nix::sys::signal::Signal::SIGUSR1);
    set.thread_block().expect("block");
}

/// A process that goes on for a while, and is not waited for.
fn start() {
    // SAFETY: the new process only sleeps and ends.
    if unsafe { libc::fork() } == 0 {
        std::thread::sleep(Duration::from_millis(300));
        leave(0);
    }
}

/// The same, of which this process is not the parent.
fn start_apart() {
    // SAFETY: the new processes only start one, sleep and end.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        start();
        leave(0);
    }
    // SAFETY: no status is wanted.
    unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) };
}

fn what_cannot_be_is_told() {
    let changes: [(&str, fn()); 14] = [
        ("handler", || {
            // SAFETY: the handler has the type that signal() wants, and does nothing.
            unsafe { libc::signal(libc::SIGUSR1, handler as *const () as usize) };
        }),
        ("ignored", || {
            // SAFETY: only sets how this process, which is the test's own, meets a signal.
            unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
        }),
        ("blocked", block),
        ("group", || {
            // SAFETY: only numbers, about this process, which is the test's own.
            let moved = unsafe { libc::setpgid(0, libc::getpgid(libc::getppid())) };
            assert_eq!(moved, 0);
        }),
        ("nice", || {
            // SAFETY: only numbers, about this process, which is the test's own.
            unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 7) };
        }),
        ("limit", || {
            let limit = libc::rlimit {
                rlim_cur: 0,
                rlim_max: 0,
            };
            // SAFETY: `limit` lives through the call, which copies it.
            unsafe { libc::setrlimit(libc::RLIMIT_CORE, &limit) };
        }),
        ("death signal", || {
            // SAFETY: only numbers, about this process, which is the test's own.
            unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGUSR2) };
        }),
        ("reaper", || {
            // SAFETY: only numbers, about this process, which is the test's own.
            unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) };
        }),
        ("new privileges", || {
            // SAFETY: only numbers, about this process, which is the test's own.
            unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
        }),
        ("oom", || {
            std::fs::write("/proc/self/oom_score_adj", "700").expect("a higher score");
        }),
        ("output", || {
            // SAFETY: descriptor 1 is this process's, which ends soon and writes nothing to it.
            unsafe { libc::close(1) };
        }),
        ("affinity", || {
            // SAFETY: a set of processors is an array of bits, for which zeros are a value.
            let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
            // SAFETY: the kernel writes no more than the size that it is told into the set, which is on this frame.
            unsafe { libc::sched_getaffinity(0, size_of_val(&set), &mut set) };
            let has = |cpu| {
                // SAFETY: asked only below 1,024, which is how many the set has.
                unsafe { libc::CPU_ISSET(cpu, &set) }
            };
            let first = (0..1024).find(|cpu| has(*cpu)).expect("a processor");
            // A machine with one processor has no other set.
            // SAFETY: only reads the set.
            if unsafe { libc::CPU_COUNT(&set) } == 1 {
                // SAFETY: as for "output".
                unsafe { libc::close(1) };
            }
            // SAFETY: only writes the set.
            unsafe { libc::CPU_ZERO(&mut set) };
            // SAFETY: the processor was found in such a set, so it has a place in this one.
            unsafe { libc::CPU_SET(first, &mut set) };
            // SAFETY: the kernel reads no more than the size that it is told.
            unsafe { libc::sched_setaffinity(0, size_of_val(&set), &set) };
        }),
        ("child", start),
        ("grandchild", start_apart),
    ];
    for (name, change) in changes {
        apart(name, || {
            let mut pristine = Pristine::note();
            change();
            assert!(pristine.restore().is_err(), "{name}");
        });
    }
}

fn reaped_processes() {
    apart("reaped", || {
        let mut pristine = Pristine::note();
        let status = std::process::Command::new("true").status().expect("true");
        assert!(status.success());
        assert_eq!(pristine.restore(), Ok(()));
    });
}
