//! Stop signals: the first ends the run well, the second ends the process.

use super::alarm::alone;
use super::lanes::{Act, Queue, Run, act, ms, say, sleep};
use kqueue_core::scheduler::Scheduler;
use kqueue_engine::signals::{PAUSE, RESUME, STOP, Signals, raise};
use std::time::{Duration, Instant};

fn run(scheduler: Scheduler) -> Run {
    Run::new(scheduler, Some(Signals::install(&STOP).unwrap()), None)
}

fn raises(signal: i32) -> Act {
    act(move |_| raise(signal))
}

#[test]
fn the_first_stop_signal_lets_jobs_end() {
    let _one = alone();
    let mut run = run(Scheduler::with_jobs(1));
    run.job([raises(libc::SIGTERM), sleep(5), say("ends")]);
    run.job([say("runs")]);
    run.go().unwrap();
    let desk = run.desk.borrow();
    assert_eq!(run.lines(), ["1 ends"]);
    assert_eq!(desk.last_signal(), Some(libc::SIGTERM));
    assert_eq!(desk.scheduler.stopping().unwrap().reason, "interrupted");
}

/// The lanes are told once the desk has obeyed, and only of the first signal to stop.
#[test]
fn lanes_are_told_of_signals() {
    let _one = alone();
    let mut run = Run::new(
        Scheduler::with_jobs(1),
        Some(Signals::install(&[PAUSE, RESUME, STOP[0]]).unwrap()),
        None,
    );
    run.job([
        raises(PAUSE),
        sleep(5),
        raises(RESUME),
        sleep(5),
        raises(STOP[0]),
        sleep(5),
        say("ends"),
    ]);
    run.go().unwrap();
    assert_eq!(run.told, [(PAUSE, false), (RESUME, false), (STOP[0], true)]);
    assert_eq!(run.lines(), ["1 ends"]);
}

#[test]
fn a_leader_that_idles_is_woken_by_a_signal() {
    let _one = alone();
    let mut run = run(Scheduler::with_leader(1));
    run.queue = Queue {
        idle: Duration::from_secs(20),
        ..Queue::default()
    };
    let sender = std::thread::spawn(move || {
        std::thread::sleep(ms(20));
        nix::sys::signal::kill(nix::unistd::Pid::this(), nix::sys::signal::SIGINT).unwrap();
    });
    let began = Instant::now();
    run.go().unwrap();
    sender.join().unwrap();
    assert!(began.elapsed() < Duration::from_secs(10));
    assert_eq!(run.desk.borrow().last_signal(), Some(libc::SIGINT));
}

/// What the handlers would do without us: end the process. So this is tried in another one.
#[test]
fn the_second_stop_signal_ends_the_process_but_not_within_a_second() {
    let _one = alone();
    let status = in_a_child(|| {
        let mut run = run(Scheduler::with_jobs(1));
        run.job([
            raises(libc::SIGTERM),
            sleep(5),
            // Passed on by a wrapper: still the first.
            raises(libc::SIGTERM),
            sleep(1100),
            raises(libc::SIGINT),
            Act::Sleep(Duration::from_secs(20)),
        ]);
        let _ = run.go();
    });
    assert_eq!(status, format!("killed by {}", libc::SIGINT));
}

#[expect(unsafe_code, reason = "forks")]
fn in_a_child(body: impl FnOnce()) -> String {
    // SAFETY: glibc puts its allocator in order in the child, which uses nothing else that other threads may hold.
    match unsafe { libc::fork() } {
        0 => {
            body();
            // SAFETY: ends the child without the test harness's knowing.
            unsafe { libc::_exit(0) }
        }
        pid => {
            let mut status = 0;
            // SAFETY: the child is ours.
            unsafe { libc::waitpid(pid, &raw mut status, 0) };
            if libc::WIFSIGNALED(status) {
                format!("killed by {}", libc::WTERMSIG(status))
            } else {
                format!("exited with {}", libc::WEXITSTATUS(status))
            }
        }
    }
}
