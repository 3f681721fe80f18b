//! The master: signals, deaths of runners, rescues, its own death.

use crate::harness::{Case, lives, processes, wait_for};
use crate::script::{Fate, Report, Runner, Script, Shared, board, hang, job, plan, script, send};
use kqueue_engine::link::MasterLink;
use kqueue_engine::master::{Blame, CRASH_LOOP, Lost, Plan, Program, supervise};
use kqueue_engine::role::{Role, role};
use kqueue_engine::scoreboard::{JobInfo, Scoreboard, now_ms};
use nix::libc;
use nix::sys::signal::{SigHandler, Signal, raise, signal};
use nix::sys::wait::WaitStatus;
use nix::unistd::{ForkResult, Pid, fork, getpid, getppid, setpgid};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) const CASES: &[Case] = &[
    (
        "master::the_runners_status_is_the_runs",
        the_runners_status_is_the_runs,
    ),
    (
        "master::children_leave_with_their_runner",
        children_leave_with_their_runner,
    ),
    (
        "master::a_killed_runners_jobs_are_rescued_and_a_new_one_works",
        a_killed_runner,
    ),
    (
        "master::a_runner_that_ends_without_goodbye_is_dead",
        a_runner_without_goodbye,
    ),
    (
        "master::a_runner_that_returns_with_jobs_in_flight_gives_them_back",
        returns_with_jobs,
    ),
    (
        "master::a_half_written_slot_is_not_given_back",
        a_half_written_slot,
    ),
    (
        "master::a_crash_loop_ends_the_run",
        a_crash_loop_ends_the_run,
    ),
    (
        "master::a_fatal_error_is_its_lanes",
        a_fatal_error_is_its_lanes,
    ),
    (
        "master::a_runner_that_hangs_past_its_jobs_timeout_is_replaced",
        a_runner_that_hangs,
    ),
    (
        "master::a_rescue_that_hangs_is_ended",
        a_rescue_that_hangs_is_ended,
    ),
    (
        "master::the_first_stop_signal_drains",
        the_first_stop_signal_drains,
    ),
    ("master::a_hangup_drains", a_hangup_drains),
    (
        "master::the_second_stop_signal_ends_all_and_gives_back",
        the_second_stop_signal,
    ),
    (
        "master::pause_and_resume_are_passed_on",
        pause_and_resume_are_passed_on,
    ),
    (
        "master::a_new_runner_is_told_of_a_pause",
        a_new_runner_is_told_of_a_pause,
    ),
    (
        "master::a_dead_runner_is_not_replaced_while_stopping",
        no_replacement_while_stopping,
    ),
    (
        "master::ctrl_c_at_a_terminal_only_drains",
        ctrl_c_at_a_terminal,
    ),
    (
        "master::a_signal_to_the_group_only_drains",
        a_signal_to_the_group,
    ),
    (
        "master::nobody_survives_a_killed_master",
        nobody_survives_a_killed_master,
    ),
    ("master::orphans_are_reaped", orphans_are_reaped),
    (
        "master::handlers_mask_and_role_come_back",
        handlers_mask_and_role_come_back,
    ),
    (
        "master::threads_are_a_reason_to_refuse",
        threads_are_a_reason_to_refuse,
    ),
    (
        "master::many_messages_do_not_block",
        many_messages_do_not_block,
    ),
];

const LIMIT: Duration = Duration::from_secs(15);

/// A master in a process of its own, for a test that sends it signals.
fn start(plan: Plan, board: &Arc<Scoreboard>, program: &mut dyn Program) -> Pid {
    // SAFETY: a case has one thread.
    match unsafe { fork() }.expect("fork") {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            let status = supervise(plan, board.clone(), program).expect("supervise");
            crate::harness::leave(status);
        }
    }
}

fn ends_with(master: Pid, status: i32) {
    assert_eq!(
        wait_for(master, LIMIT),
        Some(WaitStatus::Exited(master, status))
    );
}

fn info(id: &str) -> JobInfo {
    JobInfo {
        id: id.to_owned(),
        class: format!("App\\Jobs\\{id}"),
        connection: "redis".to_owned(),
        queue: "default".to_owned(),
        attempts: 1,
        started_ms: now_ms(),
        deadline_ms: 0,
    }
}

fn names(lost: &[Lost]) -> String {
    let each = lost.iter().map(|job| {
        let mark = match job.blame {
            Blame::Guilty => "!",
            Blame::Suspect => "?",
            Blame::Innocent => "",
        };
        format!("{}:{}{mark}", job.lane, job.info.id)
    });
    each.collect::<Vec<_>>().join(" ")
}

/// A runner's loop that ends when a stop signal comes and no job is left.
fn until_stopped(runner: &mut Runner) {
    runner.until(|runner| !runner.signals.is_empty());
    runner.wait_all();
}

fn the_runners_status_is_the_runs() {
    for status in [0, 1, 12] {
        let mut program = script(move |_| status);
        assert_eq!(
            supervise(plan(1), board(), &mut program).expect("supervise"),
            status
        );
    }
}

fn children_leave_with_their_runner() {
    let board = board();
    let seen = board.clone();
    let pids = Shared::new();
    let mut program = script(move |link| {
        let mut runner = Runner::new(link, &seen, 3, 0);
        // One idle, one that leaves when asked, one that must be killed.
        for request in ["echo", "hang", "stubborn"] {
            runner.submit(job(request));
        }
        runner.until(|runner| runner.questions == ["ready"] && runner.fates.len() == 1);
        for (index, child) in [1, 2, 3].into_iter().enumerate() {
            let pid = runner
                .assigned
                .iter()
                .find(|(ticket, _)| *ticket == child)
                .expect("assigned")
                .1;
            pids.set(
                index,
                i64::from(runner.children.pid(pid).expect("it lives")),
            );
        }
        3
    });
    let start = Instant::now();
    assert_eq!(
        supervise(plan(3), board, &mut program).expect("supervise"),
        3
    );
    for index in 0..3 {
        assert!(pids.get(index) > 0 && !lives(pids.get(index) as i32));
    }
    let took = start.elapsed();
    assert!(
        took >= Duration::from_millis(600),
        "grace to leave, grace after SIGTERM"
    );
    assert!(took < Duration::from_secs(5));
}

/// The first runner has jobs in flight and children at work when it is killed; the second finds a clean house.
fn a_killed_runner() {
    let board = board();
    let seen = board.clone();
    let mut report = Report::new();
    let shared = Shared::new();
    let out = &report;
    let in_rescue = board.clone();
    let mut program = Script {
        runner: |link: MasterLink| {
            let mut runner = Runner::new(link, &seen, 2, 0);
            if shared.add(0) == 2 {
                assert_eq!(seen.in_flight(), []);
                assert_eq!((seen.running(), seen.restarts()), (None, 1));
                assert_eq!(seen.runner(), getpid().as_raw());
                assert_eq!(runner.run(job("echo again")).text(), "again");
                return 7;
            }
            let ticket = runner.submit(job("stubborn"));
            let child = runner.child_of(ticket);
            runner.until(|runner| runner.questions == ["ready"]);
            shared.set(1, i64::from(runner.children.pid(child).expect("it lives")));
            for (lane, id) in [(3, "A"), (5, "B"), (9, "C"), (70, "D")] {
                seen.set_job(lane, &info(id));
            }
            seen.clear_job(9);
            seen.enter(3);
            seen.leave();
            seen.enter(5);
            out.say(&format!("runner {}", getpid()));
            hang();
        },
        rescue: |lost: Vec<Lost>| {
            assert_eq!(role(), Role::Rescue);
            assert_eq!(in_rescue.runner(), shared.get(2) as i32);
            let child = shared.get(1) as i32;
            assert!(!lives(child), "a job is given back while it is worked on");
            out.say(&names(&lost));
            out.say(&lost[0].cause);
            assert_eq!(
                lost[0].info,
                JobInfo {
                    attempts: 1,
                    started_ms: lost[0].info.started_ms,
                    ..info("A")
                }
            );
            0
        },
    };
    let plan = Plan {
        restart_limit: 5,
        ..plan(2)
    };
    let master = start(plan, &board, &mut program);
    let pid = report.number("runner");
    shared.set(2, i64::from(pid));
    send(pid, Signal::SIGKILL);
    report.expect("3:A 5:B 70:D");
    report.expect("the runner was killed by signal 9 (SIGKILL)");
    ends_with(master, 7);
}

fn a_runner_without_goodbye() {
    for (end, death) in [
        (0, "the runner ended with exit status 0"),
        (255, "the runner ended with exit status 255"),
    ] {
        let board = board();
        let seen = board.clone();
        let mut report = Report::new();
        let shared = Shared::new();
        let out = &report;
        let mut program = Script {
            runner: |_| {
                if shared.add(0) == 2 {
                    return 0;
                }
                seen.set_job(0, &info("A"));
                seen.begin_job(0, 0);
                seen.set_job(1, &info("B"));
                crate::harness::leave(end);
            },
            rescue: |lost: Vec<Lost>| {
                out.say(&names(&lost));
                out.say(&lost[0].cause);
                0
            },
        };
        let plan = Plan {
            restart_limit: 5,
            ..plan(0)
        };
        assert_eq!(supervise(plan, board, &mut program).expect("supervise"), 0);
        report.expect("0:A? 1:B");
        report.expect(death);
        assert_eq!(shared.get(0), 2);
    }
}

/// Drained by force (a limit on the time to drain, say): not a death, but the jobs must not be lost.
fn returns_with_jobs() {
    let board = board();
    let seen = board.clone();
    let mut report = Report::new();
    let out = &report;
    let mut program = Script {
        runner: |_| {
            seen.set_job(4, &info("A"));
            seen.enter(4);
            3
        },
        rescue: |lost: Vec<Lost>| {
            out.say(&names(&lost));
            0
        },
    };
    assert_eq!(
        supervise(plan(0), board, &mut program).expect("supervise"),
        3
    );
    report.expect("4:A");
}

fn a_half_written_slot() {
    let board = board();
    let seen = board.clone();
    let mut report = Report::new();
    let shared = Shared::new();
    let out = &report;
    let mut program = Script {
        runner: |_| {
            if shared.add(0) == 2 {
                assert_eq!(seen.torn(), [] as [u32; 0]);
                seen.set_job(1, &info("C"));
                assert_eq!(seen.job(1).expect("whole"), Some(info("C")));
                seen.clear_job(1);
                return 0;
            }
            seen.set_job(1, &info("A"));
            seen.set_job(2, &info("B"));
            seen.tear(1);
            raise(Signal::SIGKILL).expect("raise");
            0
        },
        rescue: |lost: Vec<Lost>| {
            out.say(&names(&lost));
            0
        },
    };
    let plan = Plan {
        restart_limit: 2,
        ..plan(0)
    };
    assert_eq!(supervise(plan, board, &mut program).expect("supervise"), 0);
    report.expect("2:B");
}

fn a_crash_loop_ends_the_run() {
    let shared = Shared::new();
    let board = board();
    let seen = board.clone();
    let mut program = Script {
        runner: |_| {
            shared.add(0);
            seen.set_job(0, &info("A"));
            seen.enter(0);
            raise(Signal::SIGSEGV).expect("raise");
            0
        },
        rescue: |lost: Vec<Lost>| {
            assert_eq!(names(&lost), "0:A!");
            shared.add(1);
            0
        },
    };
    let plan = Plan {
        restart_limit: 4,
        ..plan(0)
    };
    let status = supervise(plan, board, &mut program).expect("supervise");
    assert_eq!(status, CRASH_LOOP);
    assert_eq!((shared.get(0), shared.get(1)), (4, 4));

    // Deaths further apart than the window are no loop.
    let shared = Shared::new();
    let mut program = script(|_| {
        if shared.add(0) == 6 {
            return 0;
        }
        std::thread::sleep(Duration::from_millis(60));
        crate::harness::leave(255);
    });
    let plan = Plan {
        restart_limit: 2,
        restart_window: Duration::from_millis(50),
        ..plan
    };
    assert_eq!(
        supervise(plan, crate::script::board(), &mut program).expect("supervise"),
        0
    );
    assert_eq!(shared.get(0), 6);
}

/// PHP has ended in a lane, and the runner lets the others end before it goes, or falls over what is left.
fn a_fatal_error_is_its_lanes() {
    for end in [None, Some(Signal::SIGSEGV), Some(Signal::SIGKILL)] {
        let board = board();
        let seen = board.clone();
        let mut report = Report::new();
        let shared = Shared::new();
        let out = &report;
        let mut program = Script {
            runner: |_| {
                if shared.add(0) == 2 {
                    assert_eq!(seen.in_flight(), []);
                    seen.set_job(1, &info("D"));
                    seen.set_job(3, &info("E"));
                    assert!(seen.in_flight().iter().all(|job| job.fatal.is_none()));
                    seen.clear_job(1);
                    seen.clear_job(3);
                    return 0;
                }
                for (lane, id) in [(0, "A"), (1, "B"), (2, "C"), (3, "gone")] {
                    seen.set_job(lane, &info(id));
                    seen.begin_job(lane, 0);
                }
                seen.set_fatal(1, &format!("Cannot redeclare {}", "x".repeat(600)));
                seen.set_fatal(1, "Another");
                seen.set_fatal(3, "Of a job that ended all the same");
                seen.clear_job(3);
                // No job: nothing to be remembered of the next.
                seen.set_fatal(3, "Nobody's");
                seen.enter(2);
                end.map(raise);
                crate::harness::leave(255);
            },
            rescue: |lost: Vec<Lost>| {
                out.say(&names(&lost));
                out.say(&format!("{} {}", &lost[1].cause[..29], lost[1].cause.len()));
                0
            },
        };
        let plan = Plan {
            restart_limit: 2,
            ..plan(0)
        };
        assert_eq!(supervise(plan, board, &mut program).expect("supervise"), 0);
        report.expect("0:A 1:B! 2:C");
        report.expect(&format!(
            "fatal error: Cannot redeclare {}",
            "fatal error: ".len() + 504
        ));
    }
}

/// In one C call that never returns: no signal handler of PHP runs, only the master can end it.
fn a_runner_that_hangs() {
    let board = board();
    let seen = board.clone();
    let mut report = Report::new();
    let shared = Shared::new();
    let out = &report;
    let mut program = Script {
        runner: |_| {
            let late = |ms| JobInfo {
                deadline_ms: now_ms() + ms,
                ..info("A")
            };
            if shared.add(0) == 2 {
                // Long on the CPU, but within its time; and late, but its loop goes round.
                seen.set_job(0, &late(60_000));
                seen.enter(0);
                std::thread::sleep(Duration::from_millis(2500));
                seen.set_job(0, &late(1));
                for _ in 0..25 {
                    std::thread::sleep(Duration::from_millis(100));
                    seen.beat(now_ms());
                }
                seen.clear_job(0);
                return 0;
            }
            seen.set_job(0, &late(100));
            seen.set_job(1, &info("B"));
            seen.enter(0);
            hang();
        },
        rescue: |lost: Vec<Lost>| {
            out.say(&names(&lost));
            out.say(&lost[0].cause);
            0
        },
    };
    let plan = Plan {
        restart_limit: 2,
        ..plan(0)
    };
    assert_eq!(supervise(plan, board, &mut program).expect("supervise"), 0);
    report.expect("0:A! 1:B");
    let death = report.line();
    assert!(
        death.starts_with("the runner was killed because it hung in one call, "),
        "{death}"
    );
}

fn a_rescue_that_hangs_is_ended() {
    let board = board();
    let seen = board.clone();
    let mut program = Script {
        runner: |_| {
            seen.set_job(0, &info("A"));
            5
        },
        rescue: |_: Vec<Lost>| hang(),
    };
    let plan = Plan {
        rescue_limit: Duration::from_millis(200),
        ..plan(0)
    };
    let start = Instant::now();
    assert_eq!(supervise(plan, board, &mut program).expect("supervise"), 5);
    assert!(start.elapsed() < Duration::from_secs(5));
}

fn the_first_stop_signal_drains() {
    for stop in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT] {
        let board = board();
        let seen = board.clone();
        let mut report = Report::new();
        let out = &report;
        let mut program = script(|link| {
            let mut runner = Runner::new(link, &seen, 2, 0);
            let running = runner.submit(job("sleep 300"));
            runner.child_of(running);
            out.say("ready 0");
            runner.until(|runner| !runner.signals.is_empty());
            // Children are still there, and still forked: a running job may need one.
            let late = [
                runner.submit(job("sleep 100")),
                runner.submit(job("sleep 100")),
            ];
            for ticket in late {
                assert_eq!(runner.wait(ticket).text(), "slept");
            }
            assert_eq!(runner.wait(running).text(), "slept");
            assert_eq!(runner.signals, [stop as i32]);
            4
        });
        let master = start(plan(2), &board, &mut program);
        drop(program);
        report.number("ready");
        send(master.as_raw(), stop);
        ends_with(master, 4);
    }
}

/// A terminal that closes is a stop like any other, unless nohup says that it is none.
fn a_hangup_drains() {
    for ignored in [false, true] {
        if ignored {
            // SAFETY: ignoring a signal installs no handler.
            unsafe { signal(Signal::SIGHUP, SigHandler::SigIgn) }.expect("ignore");
        }
        let board = board();
        let seen = board.clone();
        let mut report = Report::new();
        let out = &report;
        let mut program = script(|link| {
            let mut runner = Runner::new(link, &seen, 0, 0);
            out.say("ready 0");
            until_stopped(&mut runner);
            out.say(&format!("got {}", runner.signals[0]));
            0
        });
        let master = start(plan(0), &board, &mut program);
        drop(program);
        report.number("ready");
        send(master.as_raw(), Signal::SIGHUP);
        let told = report.try_line(Duration::from_millis(300));
        if ignored {
            assert_eq!(told, None);
            send(master.as_raw(), Signal::SIGTERM);
        } else {
            assert_eq!(told.as_deref(), Some("got 15"));
        }
        ends_with(master, 0);
    }
}

fn the_second_stop_signal() {
    let board = board();
    let seen = board.clone();
    let mut report = Report::new();
    let out = &report;
    let mut program = Script {
        runner: |link: MasterLink| {
            let mut runner = Runner::new(link, &seen, 1, 0);
            let ticket = runner.submit(job("stubborn"));
            let child = runner.child_of(ticket);
            runner.until(|runner| runner.questions == ["ready"]);
            seen.set_job(2, &info("A"));
            seen.set_job(3, &info("B"));
            seen.enter(3);
            out.say(&format!(
                "child {}",
                runner.children.pid(child).expect("it lives")
            ));
            out.say(&format!("runner {}", getpid()));
            runner.until(|runner| !runner.signals.is_empty());
            out.say("draining");
            hang();
        },
        rescue: |lost: Vec<Lost>| {
            out.say(&names(&lost));
            0
        },
    };
    let master = start(plan(1), &board, &mut program);
    let (child, runner) = (report.number("child"), report.number("runner"));
    send(master.as_raw(), Signal::SIGTERM);
    report.expect("draining");
    assert!(
        lives(child) && lives(runner),
        "the first signal ends nobody"
    );
    // A wrapper passes the same one on.
    send(master.as_raw(), Signal::SIGTERM);
    send(master.as_raw(), Signal::SIGINT);
    std::thread::sleep(Duration::from_millis(1100));
    assert!(lives(child) && lives(runner), "they came as one");
    send(master.as_raw(), Signal::SIGINT);
    report.expect("2:A 3:B");
    ends_with(master, 0);
    assert!(!lives(child) && !lives(runner));
}

fn pause_and_resume_are_passed_on() {
    let board = board();
    let seen = board.clone();
    let mut report = Report::new();
    let out = &report;
    let mut program = script(|link| {
        let mut runner = Runner::new(link, &seen, 0, 0);
        out.say("ready 0");
        for count in 1..=3 {
            runner.until(|runner| runner.signals.len() == count);
            out.say(&format!("got {}", runner.signals[count - 1]));
        }
        0
    });
    let master = start(plan(0), &board, &mut program);
    drop(program);
    report.number("ready");
    for signal in [Signal::SIGUSR2, Signal::SIGCONT, Signal::SIGTERM] {
        send(master.as_raw(), signal);
        assert_eq!(report.number("got"), signal as i32);
    }
    ends_with(master, 0);
}

fn a_new_runner_is_told_of_a_pause() {
    let board = board();
    let seen = board.clone();
    let mut report = Report::new();
    let out = &report;
    let mut program = script(|link| {
        let mut runner = Runner::new(link, &seen, 0, 0);
        out.say(&format!("ready {}", seen.restarts()));
        runner.until(|runner| !runner.signals.is_empty());
        out.say(&format!("got {}", runner.signals[0]));
        if seen.restarts() < 2 {
            raise(Signal::SIGKILL).expect("raise");
        }
        0
    });
    let plan = Plan {
        restart_limit: 5,
        ..plan(0)
    };
    let master = start(plan, &board, &mut program);
    drop(program);
    assert_eq!(report.number("ready"), 0);
    send(master.as_raw(), Signal::SIGUSR2);
    for restarts in 1..=2 {
        assert_eq!(report.number("got"), Signal::SIGUSR2 as i32);
        assert_eq!(report.number("ready"), restarts);
    }
    assert_eq!(report.number("got"), Signal::SIGUSR2 as i32);
    ends_with(master, 0);
}

fn no_replacement_while_stopping() {
    let board = board();
    let seen = board.clone();
    let mut report = Report::new();
    let out = &report;
    let mut program = script(|link| {
        let mut runner = Runner::new(link, &seen, 0, 0);
        out.say("ready 0");
        runner.until(|runner| !runner.signals.is_empty());
        raise(Signal::SIGABRT).expect("raise");
        0
    });
    let plan = Plan {
        restart_limit: 5,
        ..plan(0)
    };
    let master = start(plan, &board, &mut program);
    drop(program);
    report.number("ready");
    send(master.as_raw(), Signal::SIGTERM);
    ends_with(master, 128 + libc::SIGABRT);
    assert_eq!(
        report.try_line(Duration::from_millis(10)),
        None,
        "a second runner began"
    );
}

/// A session of its own with a terminal, at which somebody types Ctrl-C.
fn ctrl_c_at_a_terminal() {
    let board = board();
    let seen = board.clone();
    let mut report = Report::new();
    let out = &report;
    let mut program = script(|link| {
        let mut runner = Runner::new(link, &seen, 1, 0);
        let ticket = runner.submit(job("sleep 400"));
        runner.child_of(ticket);
        out.say("ready 0");
        assert_eq!(runner.wait(ticket).text(), "slept");
        until_stopped(&mut runner);
        assert_eq!(runner.signals, [libc::SIGINT]);
        6
    });
    let mut terminal = -1;
    // SAFETY: `terminal` is an int; no name, settings or size are given.
    let pid = unsafe {
        libc::forkpty(
            &mut terminal,
            std::ptr::null_mut(),
            std::ptr::null(),
            std::ptr::null(),
        )
    };
    assert!(pid >= 0);
    if pid == 0 {
        let status = supervise(plan(1), board, &mut program).expect("supervise");
        crate::harness::leave(status);
    }
    drop(program);
    report.number("ready");
    // SAFETY: one byte is written to a descriptor that forkpty opened.
    let written = unsafe { libc::write(terminal, b"\x03".as_ptr().cast(), 1) };
    assert_eq!(written, 1);
    ends_with(Pid::from_raw(pid), 6);
}

fn a_signal_to_the_group() {
    let board = board();
    let seen = board.clone();
    let mut report = Report::new();
    let out = &report;
    let mut inner = script(|link| {
        let mut runner = Runner::new(link, &seen, 1, 0);
        let ticket = runner.submit(job("sleep 300"));
        runner.child_of(ticket);
        out.say("ready 0");
        assert_eq!(runner.wait(ticket).text(), "slept");
        until_stopped(&mut runner);
        6
    });
    // SAFETY: a case has one thread.
    let master = match unsafe { fork() }.expect("fork") {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            setpgid(Pid::from_raw(0), Pid::from_raw(0)).expect("a group");
            let status = supervise(plan(1), board, &mut inner).expect("supervise");
            crate::harness::leave(status);
        }
    };
    drop(inner);
    report.number("ready");
    send(-master.as_raw(), Signal::SIGTERM);
    ends_with(master, 6);
}

fn nobody_survives_a_killed_master() {
    let board = board();
    let seen = board.clone();
    let mut report = Report::new();
    let out = &report;
    let mut program = script(|link| {
        let mut runner = Runner::new(link, &seen, 2, 0);
        let idle = runner.submit(job("echo"));
        let busy = runner.submit(job("stubborn"));
        let pids = [idle, busy].map(|ticket| {
            let child = runner.child_of(ticket);
            runner.children.pid(child).expect("it lives")
        });
        runner.until(|runner| runner.questions == ["ready"]);
        for pid in pids {
            out.say(&format!("child {pid}"));
        }
        out.say(&format!("runner {}", getpid()));
        hang();
    });
    let master = start(plan(2), &board, &mut program);
    drop(program);
    let pids = [
        report.number("child"),
        report.number("child"),
        report.number("runner"),
    ];
    assert!(pids.iter().all(|&pid| lives(pid)));
    send(master.as_raw(), Signal::SIGKILL);
    wait_for(master, LIMIT);
    let until = Instant::now() + Duration::from_secs(2);
    while pids.iter().any(|&pid| lives(pid)) {
        assert!(Instant::now() < until, "somebody survived");
    }
}

/// In a container the master is the first process, and inherits what jobs leave behind.
fn orphans_are_reaped() {
    nix::sys::prctl::set_child_subreaper(true).expect("subreaper");
    let board = board();
    let seen = board.clone();
    let mut program = script(|link| {
        let mut runner = Runner::new(link, &seen, 1, 0);
        // Started by a child that ends by itself, so it is nobody's business that it goes on.
        let ticket = runner.submit(job("spawn-and-leave 100"));
        assert!(matches!(runner.wait(ticket), Fate::Lost(_)));
        let orphan: i32 = runner.questions[0].parse().expect("a pid");
        assert!(lives(orphan), "what a job leaves behind on purpose stays");
        let master = getppid().as_raw();
        runner.until(|_| processes().any(|p| p.pid == orphan && p.parent == master));
        runner.until(|_| !processes().any(|p| p.pid == orphan));
        0
    });
    assert_eq!(
        supervise(plan(1), board, &mut program).expect("supervise"),
        0
    );
}

fn handlers_mask_and_role_come_back() {
    extern "C" fn mine(_: libc::c_int) {}
    // SAFETY: the handler does nothing.
    unsafe { signal(Signal::SIGTERM, SigHandler::Handler(mine)) }.expect("a handler");
    let before = mask();
    let mut program = script(|_| {
        assert_eq!(role(), Role::Runner);
        0
    });
    assert_eq!(
        supervise(plan(0), board(), &mut program).expect("supervise"),
        0
    );
    assert_eq!(role(), Role::None);
    assert_eq!(mask(), before);
    // SAFETY: as above.
    let after = unsafe { signal(Signal::SIGTERM, SigHandler::SigDfl) }.expect("a handler");
    assert!(
        matches!(after, SigHandler::Handler(handler) if std::ptr::fn_addr_eq(handler, mine as extern "C" fn(_)))
    );
}

fn mask() -> String {
    let status = std::fs::read_to_string("/proc/self/status").expect("status");
    let lines = status
        .lines()
        .filter(|line| line.starts_with("SigBlk") || line.starts_with("SigCgt"));
    lines.collect()
}

fn threads_are_a_reason_to_refuse() {
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    let (began, begins) = std::sync::mpsc::channel();
    let thread = std::thread::Builder::new()
        .name("resolver".to_owned())
        .spawn(move || {
            // It has its name by now.
            began.send(()).expect("somebody listens");
            receiver.recv()
        })
        .expect("a thread");
    begins.recv().expect("it begins");
    let mut program = script(|_| 0);
    let error = supervise(plan(0), board(), &mut program).expect_err("two threads");
    assert!(error.to_string().contains("resolver"), "{error}");
    drop(sender);
    let _ = thread.join();
    // The thread is gone from /proc a moment after it is joined.
    let until = Instant::now() + Duration::from_secs(2);
    while kqueue_engine::zygote::check_threads().is_err() {
        assert!(Instant::now() < until);
    }
    assert_eq!(
        supervise(plan(0), board(), &mut program).expect("supervise"),
        0
    );
}

/// A runner that sends more than the socket holds while the master is stopped (Ctrl-Z) goes on, and all arrives in order.
fn many_messages_do_not_block() {
    let board = board();
    let seen = board.clone();
    let mut program = script(|link| {
        let mut runner = Runner::new(link, &seen, 1, 0);
        let ticket = runner.submit(job("hang"));
        let child = runner.child_of(ticket);
        let master = getppid().as_raw();
        send(master, Signal::SIGSTOP);
        for _ in 0..5000 {
            let far = Some(Duration::from_secs(60));
            runner.children.started(child, far);
        }
        let near = Some(Duration::from_millis(100));
        runner.children.started(child, near);
        assert!(
            runner.children.control_wants_write(),
            "the socket is not full: no test"
        );
        send(master, Signal::SIGCONT);
        assert_eq!(
            runner.wait(ticket).reason(),
            "ended at its deadline after 0.1 s"
        );
        assert_eq!(runner.run(job("echo after")).text(), "after");
        0
    });
    assert_eq!(
        supervise(plan(1), board, &mut program).expect("supervise"),
        0
    );
}
