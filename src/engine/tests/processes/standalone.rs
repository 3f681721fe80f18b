//! Without a master: the caller is the runner, and the zygote is its child.

use crate::harness::{Case, lives, wait_for};
use crate::script::{Fate, Report, Runner, board, hang, job, plan, script, send};
use kqueue_engine::EngineError;
use kqueue_engine::children::Ending;
use kqueue_engine::master::zygote;
use kqueue_engine::role::{Role, role};
use nix::sys::signal::Signal;
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork, getpid};
use std::time::{Duration, Instant};

pub(crate) const CASES: &[Case] = &[
    (
        "standalone::a_running_job_has_the_grace",
        a_running_job_has_the_grace,
    ),
    (
        "standalone::jobs_run_and_the_zygote_ends_with_the_link",
        jobs_run,
    ),
    (
        "standalone::the_zygote_ends_although_a_child_is_stubborn",
        a_stubborn_child,
    ),
    (
        "standalone::nobody_survives_a_killed_runner",
        nobody_survives_a_killed_runner,
    ),
    (
        "standalone::a_dead_zygote_is_an_error_and_an_outcome",
        a_dead_zygote,
    ),
    (
        "standalone::stop_signals_do_not_end_the_zygote",
        stop_signals_do_not_end_the_zygote,
    ),
    (
        "standalone::a_forked_copy_does_not_end_the_zygote",
        a_forked_copy,
    ),
    (
        "standalone::a_zygote_reaped_by_others_does_no_harm",
        reaped_by_others,
    ),
    ("standalone::two_at_once", two_at_once),
];

fn runner(children: usize) -> (Runner, i32) {
    let board = board();
    let mut program = script(|_| unreachable!("standalone"));
    let link = zygote(plan(children), board.clone(), &mut program).expect("a zygote");
    let pid = link.zygote().expect("a pid");
    (Runner::new(link, &board, children, 0), pid)
}

fn jobs_run() {
    let (mut runner, zygote) = runner(2);
    assert_eq!(role(), Role::None, "the caller says itself what it is");
    assert_eq!(runner.run(job("echo hello")).text(), "hello");
    assert_eq!(
        runner.run(job("raise 11")).reason(),
        "killed by signal 11 (SIGSEGV)"
    );
    assert_eq!(
        runner.run(job("stubborn").timeout(100)).reason(),
        "ended at its deadline after 0.1 s"
    );
    assert_eq!(runner.run(job("echo bye")).text(), "bye");
    assert!(lives(zygote));
    let start = Instant::now();
    drop(runner);
    assert!(
        start.elapsed() < Duration::from_millis(250),
        "idle children leave at once"
    );
    assert!(
        waitpid(nix::unistd::Pid::from_raw(zygote), None).is_err(),
        "it is reaped"
    );
}

fn a_stubborn_child() {
    let (mut runner, zygote) = runner(1);
    runner.submit(job("stubborn"));
    runner.until(|runner| runner.questions == ["ready"]);
    drop(runner);
    assert!(!lives(zygote));
}

/// A job that is running when the link closes has the grace to end.
fn a_running_job_has_the_grace() {
    let (mut runner, _) = runner(1);
    let path = format!("/tmp/kqueue-test-{}", getpid());
    runner.submit(job(&format!("touch {path}")));
    runner.until(|runner| runner.questions == ["ready"]);
    runner.turn(Duration::ZERO);
    drop(runner);
    std::fs::remove_file(path).expect("the job came to its end");
}

fn nobody_survives_a_killed_runner() {
    let mut report = Report::new();
    // SAFETY: a case has one thread.
    let program = match unsafe { fork() }.expect("fork") {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            let (mut runner, zygote) = runner(1);
            let ticket = runner.submit(job("stubborn"));
            let child = runner.child_of(ticket);
            runner.until(|runner| runner.questions == ["ready"]);
            report.say(&format!("zygote {zygote}"));
            let pid = runner.children.pid(child).expect("it lives");
            report.say(&format!("child {pid}"));
            hang();
        }
    };
    let pids = [report.number("zygote"), report.number("child")];
    assert!(pids.iter().all(|&pid| lives(pid)));
    send(program.as_raw(), Signal::SIGKILL);
    wait_for(program, Duration::from_secs(5));
    let until = Instant::now() + Duration::from_secs(2);
    while pids.iter().any(|&pid| lives(pid)) {
        assert!(Instant::now() < until, "somebody survived");
    }
}

fn a_dead_zygote() {
    let (mut runner, zygote) = runner(2);
    let ticket = runner.submit(job("hang"));
    let child = runner.child_of(ticket);
    runner.turn(Duration::from_millis(100));
    send(zygote, Signal::SIGKILL);
    let until = Instant::now() + Duration::from_secs(5);
    let error = loop {
        assert!(Instant::now() < until, "it is never noticed");
        if let Err(error) = runner.children.read_control() {
            break error;
        }
    };
    assert!(matches!(error, EngineError::MasterGone), "{error}");
    while runner.children.receive(child) != kqueue_engine::children::Received::Closed {
        assert!(Instant::now() < until);
    }
    assert_eq!(runner.children.outcome(child), Some(Ending::MasterGone));
    // Nobody waits for what never comes, and nothing spins.
    runner.children.line_up(99, 0);
    assert_eq!(runner.children.assign(), None);
    assert_eq!(runner.children.wakeup(), None);
}

fn stop_signals_do_not_end_the_zygote() {
    let (mut runner, zygote) = runner(1);
    let ticket = runner.submit(job("sleep 200"));
    runner.child_of(ticket);
    for signal in [
        Signal::SIGTERM,
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGQUIT,
        Signal::SIGUSR2,
    ] {
        send(zygote, signal);
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(runner.wait(ticket).text(), "slept");
    assert_eq!(runner.run(job("echo on")).text(), "on");
}

/// A job that forks by itself (pcntl_fork) and ends normally, destructors and all.
fn a_forked_copy() {
    let (mut runner, _) = runner(1);
    assert_eq!(runner.run(job("echo before")).text(), "before");
    // SAFETY: a case has one thread.
    match unsafe { fork() }.expect("fork") {
        ForkResult::Child => {
            drop(runner);
            crate::harness::leave(0);
        }
        ForkResult::Parent { child } => {
            waitpid(child, None).expect("it ends");
        }
    }
    assert_eq!(runner.run(job("echo after")).text(), "after");
}

fn reaped_by_others() {
    let (runner, zygote) = runner(0);
    send(zygote, Signal::SIGKILL);
    waitpid(nix::unistd::Pid::from_raw(zygote), None).expect("it is our child");
    let start = Instant::now();
    drop(runner);
    assert!(start.elapsed() < Duration::from_millis(500));
}

fn two_at_once() {
    let (mut one, _) = runner(1);
    let (mut two, _) = runner(1);
    let pids = [one.run(job("pid")), two.run(job("pid"))];
    assert_ne!(pids[0], pids[1]);
    drop(one);
    assert_eq!(two.run(job("pid")), pids[1]);
    assert!(matches!(pids[0], Fate::Done(_)) && pids[0].text() != getpid().to_string());
}
