//! The scoreboard and the signals by themselves.

use crate::harness::{Case, wait_for};
use crate::script::readable;
use kqueue_engine::EngineError;
use kqueue_engine::scoreboard::{Counter, JobInfo, Scoreboard, now_ms};
use kqueue_engine::signals::{Signals, describe};
use nix::libc;
use nix::sys::signal::{Signal, kill, raise};
use nix::sys::wait::WaitStatus;
use nix::unistd::{ForkResult, fork};
use std::process::Command;
use std::time::{Duration, Instant};

pub(crate) const CASES: &[Case] = &[
    (
        "scoreboard::a_job_is_read_as_it_was_written",
        a_job_is_read_as_it_was_written,
    ),
    (
        "scoreboard::long_texts_are_cut_between_characters",
        long_texts_are_cut,
    ),
    (
        "scoreboard::untouched_slots_cost_nothing",
        untouched_slots_cost_nothing,
    ),
    (
        "scoreboard::a_reader_never_sees_half_a_job",
        a_reader_never_sees_half_a_job,
    ),
    (
        "scoreboard::a_slot_that_does_not_exist_is_ignored",
        a_slot_that_does_not_exist,
    ),
    ("scoreboard::counters_count", counters_count),
    ("signals::come_once_and_wake", signals_come_once_and_wake),
    ("signals::only_one_owner", only_one_owner),
    (
        "signals::a_forked_process_dies_as_it_would_without_us",
        a_forked_process_dies,
    ),
    (
        "signals::a_started_program_has_nothing_blocked_or_caught",
        a_started_program,
    ),
    ("signals::have_names", signals_have_names),
];

fn a_job_is_read_as_it_was_written() {
    let board = Scoreboard::new(3, 0).expect("a scoreboard");
    let info = JobInfo {
        id: "9f1c".to_owned(),
        class: "App\\Jobs\\Überweisung".to_owned(),
        connection: "redis".to_owned(),
        queue: "https://sqs.eu-west-1.amazonaws.com/123456789012/default".to_owned(),
        attempts: 1,
        started_ms: now_ms(),
        deadline_ms: u64::MAX,
    };
    assert_eq!(board.job(2), Ok(None));
    board.set_job(2, &info);
    assert_eq!(board.job(2), Ok(Some(info.clone())));
    let empty = JobInfo::default();
    board.set_job(2, &empty);
    assert_eq!(
        board.job(2),
        Ok(Some(empty)),
        "nothing of the old job is left"
    );
    board.clear_job(2);
    assert_eq!(board.job(2), Ok(None));
    assert_eq!(board.in_flight(), []);
}

fn long_texts_are_cut() {
    let board = Scoreboard::new(1, 0).expect("a scoreboard");
    let long = "ä".repeat(500);
    board.set_job(
        0,
        &JobInfo {
            id: format!("x{long}"),
            class: long.clone(),
            connection: long.clone(),
            queue: long,
            ..JobInfo::default()
        },
    );
    let job = board.job(0).expect("whole").expect("a job");
    let lengths = [&job.id, &job.class, &job.connection, &job.queue].map(String::len);
    assert_eq!(lengths, [95, 176, 64, 136]);
    assert!(!job.id.contains('\u{fffd}'));
}

fn untouched_slots_cost_nothing() {
    let before = resident_kib();
    let board = Scoreboard::new(100_000, 1024).expect("a scoreboard");
    board.set_job(0, &JobInfo::default());
    board.set_job(50_000, &JobInfo::default());
    assert_eq!(board.in_flight().len(), 2);
    // in_flight reads up to the highest used slot; reading zero pages of a shared mapping is what costs.
    let grown = resident_kib() - before;
    assert!(grown < 30_000, "{grown} KiB");
    let fresh = Scoreboard::new(100_000, 1024).expect("a scoreboard");
    let before = resident_kib();
    fresh.set_job(0, &JobInfo::default());
    fresh.in_flight();
    assert!(resident_kib() - before < 500);
}

fn resident_kib() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("status");
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .expect("VmRSS");
    line.split_whitespace()
        .nth(1)
        .expect("a number")
        .parse()
        .expect("a number")
}

/// A writer in another process rewrites a slot as fast as it can; every job that is read is one that was written.
fn a_reader_never_sees_half_a_job() {
    let board = Scoreboard::new(1, 0).expect("a scoreboard");
    let job = |number: usize| {
        let text = char::from(b'a' + (number % 26) as u8)
            .to_string()
            .repeat(1 + number % 60);
        JobInfo {
            id: text.clone(),
            class: text.clone(),
            connection: text.clone(),
            queue: text,
            attempts: 1,
            started_ms: number as u64,
            deadline_ms: number as u64,
        }
    };
    // SAFETY: a case has one thread.
    let writer = match unsafe { fork() }.expect("fork") {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            for number in 0.. {
                board.set_job(0, &job(number));
                (0..300).for_each(|_| std::hint::spin_loop());
            }
            unreachable!()
        }
    };
    let until = Instant::now() + Duration::from_secs(20);
    let (mut whole, mut last) = (0, 0);
    while whole < 1000 && Instant::now() < until {
        if let Ok(Some(seen)) = board.job(0) {
            assert_eq!(seen, job(seen.started_ms as usize));
            whole += usize::from(seen.started_ms != last);
            last = seen.started_ms;
        }
    }
    assert!(whole > 100, "{whole} different jobs seen: no test");
    kill(writer, Signal::SIGKILL).expect("it lives");
    wait_for(writer, Duration::from_secs(5));
}

fn a_slot_that_does_not_exist() {
    let board = Scoreboard::new(1, 0).expect("a scoreboard");
    board.set_job(1, &JobInfo::default());
    board.clear_job(u32::MAX);
    board.clear_child(0);
    assert_eq!((board.job(1), board.child(0)), (Ok(None), None));
    assert_eq!(board.in_flight(), []);
    board.enter(7);
    assert_eq!(board.running(), Some(7));
    board.leave();
    assert_eq!(board.running(), None);
}

fn counters_count() {
    let board = Scoreboard::new(0, 0).expect("a scoreboard");
    board.count(Counter::Finished, 2);
    board.count(Counter::Finished, 3);
    board.count(Counter::Isolated, 1);
    let all = [
        Counter::Reserved,
        Counter::Finished,
        Counter::Failed,
        Counter::Suspensions,
        Counter::Isolated,
    ];
    assert_eq!(all.map(|counter| board.counter(counter)), [0, 5, 0, 0, 1]);
}

fn signals_come_once_and_wake() {
    let signals = Signals::install(&[libc::SIGTERM, libc::SIGUSR2]).expect("handlers");
    assert!(!readable(signals.fd(), Duration::ZERO));
    for signal in [Signal::SIGUSR2, Signal::SIGTERM, Signal::SIGTERM] {
        raise(signal).expect("raise");
    }
    assert!(readable(signals.fd(), Duration::ZERO));
    assert_eq!(signals.take(), [libc::SIGUSR2, libc::SIGTERM]);
    assert!(!readable(signals.fd(), Duration::ZERO));
    assert_eq!(signals.take(), [] as [i32; 0]);
}

fn only_one_owner() {
    let first = Signals::install(&[libc::SIGTERM]).expect("handlers");
    assert!(matches!(
        Signals::install(&[libc::SIGTERM]),
        Err(EngineError::SignalsTaken)
    ));
    raise(Signal::SIGTERM).expect("raise");
    assert_eq!(
        first.take(),
        [libc::SIGTERM],
        "the refused one has changed nothing"
    );
    drop(first);
    drop(Signals::install(&[libc::SIGTERM]).expect("free again"));
}

fn a_forked_process_dies() {
    let signals = Signals::install(&[libc::SIGTERM]).expect("handlers");
    // SAFETY: a case has one thread.
    match unsafe { fork() }.expect("fork") {
        ForkResult::Child => {
            std::thread::sleep(Duration::from_secs(20));
            crate::harness::leave(1);
        }
        ForkResult::Parent { child } => {
            kill(child, Signal::SIGTERM).expect("kill");
            let ended = wait_for(child, Duration::from_secs(5));
            assert_eq!(
                ended,
                Some(WaitStatus::Signaled(child, Signal::SIGTERM, false))
            );
        }
    }
    assert!(
        !readable(signals.fd(), Duration::ZERO),
        "its signals are not ours"
    );
}

/// What proc_open starts must be as endable as it always was.
fn a_started_program() {
    let signals = Signals::install(&[libc::SIGTERM, libc::SIGINT]).expect("handlers");
    let output = Command::new("cat")
        .arg("/proc/self/status")
        .output()
        .expect("cat");
    let status = String::from_utf8(output.stdout).expect("text");
    for field in ["SigBlk:", "SigCgt:"] {
        let line = status
            .lines()
            .find(|line| line.starts_with(field))
            .expect("a field");
        let mask = u64::from_str_radix(line[field.len()..].trim(), 16).expect("a mask");
        let ours = 1 << (libc::SIGTERM - 1) | 1 << (libc::SIGINT - 1);
        assert_eq!(mask & ours, 0, "{line}");
    }
    drop(signals);
}

fn signals_have_names() {
    assert_eq!(describe(11), "signal 11 (SIGSEGV)");
    assert_eq!(describe(40), "signal 40");
}
