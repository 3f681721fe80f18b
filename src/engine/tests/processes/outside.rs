//! Deaths that somebody else brought about.

use crate::harness::{Case, wait_for};
use crate::script::{Report, Script, Shared, board, hang, plan, send};
use kqueue_engine::link::MasterLink;
use kqueue_engine::master::{Blame, Lost, Plan, supervise};
use kqueue_engine::scoreboard::JobInfo;
use nix::sys::signal::{Signal, raise};
use nix::sys::wait::WaitStatus;
use nix::unistd::{ForkResult, fork, getpid};
use std::time::Duration;

pub(crate) const CASES: &[Case] = &[
    (
        "outside::a_signal_of_another_process_blames_nobody",
        a_signal_of_another_process,
    ),
    (
        "outside::a_signal_of_its_own_blames_its_lane",
        a_signal_of_its_own,
    ),
];

const SIGNALS: [Signal; 6] = [
    Signal::SIGSEGV,
    Signal::SIGABRT,
    Signal::SIGBUS,
    Signal::SIGUSR1,
    Signal::SIGXCPU,
    Signal::SIGKILL,
];

/// Runs a runner with one job to its end by `die`, and then another; returns what the rescue was given.
fn run(mut die: impl FnMut(&Report)) -> (bool, String) {
    let board = board();
    let seen = board.clone();
    let mut report = Report::new();
    let shared = Shared::new();
    let out = &report;
    let mut program = Script {
        runner: |_link: MasterLink| {
            if shared.add(0) == 2 {
                return 0;
            }
            seen.set_job(0, &JobInfo::default());
            seen.begin_job(0, 0);
            seen.enter(0);
            die(out);
            hang();
        },
        rescue: |lost: Vec<Lost>| {
            shared.set(1, i64::from(lost[0].blame == Blame::Guilty));
            out.say(&lost[0].cause);
            0
        },
    };
    let plan = Plan {
        restart_limit: 2,
        ..plan(0)
    };
    assert_eq!(supervise(plan, board, &mut program).expect("supervise"), 0);
    let cause = report.line();
    (shared.get(1) == 1, cause)
}

fn a_signal_of_another_process() {
    for signal in SIGNALS {
        let (guilty, cause) = run(|_| {
            let runner = getpid();
            // SAFETY: a case has one thread.
            match unsafe { fork() }.expect("fork") {
                ForkResult::Child => {
                    send(runner.as_raw(), signal);
                    crate::harness::leave(0);
                }
                ForkResult::Parent { child } => {
                    wait_for(child, Duration::from_secs(5));
                }
            }
        });
        assert!(!guilty, "{signal}: {cause}");
        assert!(cause.contains(signal.as_str()), "{cause}");
        let told = cause.ends_with(", which another process sent");
        assert_eq!(told, signal != Signal::SIGKILL, "{cause}");
    }
}

/// Also where a process that it has forked dies of another's signal before: that has its handlers.
fn a_signal_of_its_own() {
    for signal in SIGNALS {
        let (guilty, cause) = run(|_| {
            let runner = getpid();
            // SAFETY: a case has one thread.
            match unsafe { fork() }.expect("fork") {
                ForkResult::Child => hang(),
                ForkResult::Parent { child } => {
                    send(child.as_raw(), signal);
                    let end = wait_for(child, Duration::from_secs(5));
                    assert!(
                        matches!(end, Some(WaitStatus::Signaled(_, by, _)) if by == signal),
                        "{end:?}"
                    );
                }
            }
            assert_eq!(runner, getpid());
            raise(signal).expect("raise");
        });
        assert_eq!(guilty, signal != Signal::SIGKILL, "{signal}: {cause}");
    }
}
