//! Which lane goes on when, and how many there are.

use super::lanes::{
    Act, NewJob, Run, Scene, act, ms, pipe, put_byte, say, sleep, take_byte, wait_for,
};
use kqueue_engine::interpose::Woken;
use kqueue_engine::runner::Wake;
use nix::sys::eventfd::EventFd;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::cell::Cell;
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::time::Instant;

#[test]
fn nothing_to_do_is_done_at_once() {
    let mut run = Run::jobs(3);
    run.go().unwrap();
    assert_eq!(run.made, 0);
}

#[test]
fn jobs_start_in_order_and_overlap() {
    let mut run = Run::jobs(9);
    for _ in 0..3 {
        run.job([say("starts"), sleep(100), say("ends")]);
    }
    run.go().unwrap();
    assert_eq!(
        run.lines(),
        [
            "1 starts", "2 starts", "3 starts", "1 ends", "2 ends", "3 ends"
        ]
    );
    assert_eq!((run.made, run.is_clean()), (3, true));
}

#[test]
fn one_lane_serves_jobs_that_do_not_wait() {
    let mut run = Run::jobs(9);
    for _ in 0..100 {
        run.job([say("runs")]);
    }
    run.go().unwrap();
    assert_eq!((run.made, run.lines().len()), (1, 100));
}

#[test]
fn no_more_lanes_than_the_limit() {
    let mut run = Run::jobs(4);
    let most = Rc::new(Cell::new(0));
    for _ in 0..40 {
        let most = Rc::clone(&most);
        run.job([
            act(move |scene| {
                let running = scene.desk.borrow().scheduler.in_flight();
                most.set(most.get().max(running));
            }),
            sleep(1),
        ]);
    }
    run.go().unwrap();
    assert_eq!((run.made, most.get()), (4, 4));
}

#[test]
fn higher_priority_starts_first_and_delayed_jobs_when_they_are_due() {
    let began = Instant::now();
    let mut run = Run::jobs(1);
    run.job([say("runs")]);
    run.job_with(5, None, false, [say("runs")]);
    run.job_with(9, Some(ms(300)), false, [say("runs")]);
    run.job_with(9, Some(ms(330)), false, [say("runs")]);
    run.go().unwrap();
    assert_eq!(run.lines(), ["2 runs", "1 runs", "3 runs", "4 runs"]);
    assert!(began.elapsed() >= ms(330));
}

#[test]
fn sleepers_wake_in_the_order_of_their_moments() {
    let mut run = Run::jobs(200);
    let base = Instant::now() + ms(200);
    // Dispatched in an order that has nothing to do with it.
    let mut expected: Vec<(u64, u64)> = (1..=100_u64).map(|id| (id * 37 % 101, id)).collect();
    for &(time, _) in &expected {
        run.job([Act::SleepUntil(base + ms(2 * time)), say("wakes")]);
    }
    run.go().unwrap();
    expected.sort_unstable();
    let expected: Vec<String> = expected
        .iter()
        .map(|(_, id)| format!("{id} wakes"))
        .collect();
    assert_eq!(run.lines(), expected);
}

/// A lane that is always ready must not keep a pipe's reader waiting.
#[test]
fn lanes_that_are_always_ready_do_not_starve_descriptors() {
    let mut run = Run::jobs(4);
    let pipe = pipe();
    let (reader, writer) = (pipe.read(), pipe.write());
    let read = Rc::new(Cell::new(false));
    for _ in 0..2 {
        let read = Rc::clone(&read);
        run.job([act(move |scene| busy(scene, read, 0))]);
    }
    let done = Rc::clone(&read);
    run.job([
        act(move |_| put_byte(writer)),
        wait_for(&[(reader, libc::POLLIN)], None),
        act(move |_| done.set(take_byte(reader))),
    ]);
    run.go().unwrap();
    assert!(read.get());

    /// Hands itself in again and again: with each turn there is a job that is ready.
    fn busy(scene: &Scene, read: Rc<Cell<bool>>, rounds: usize) {
        if read.get() {
            return;
        }
        assert!(rounds < 10_000, "the reader is starved");
        scene.hand_in(NewJob {
            priority: 0,
            delay: None,
            background: false,
            acts: vec![act(move |scene| busy(scene, read, rounds + 1))],
        });
    }
}

/// And neither must hundreds of lanes whose waits are over at once.
#[test]
fn waits_that_are_over_at_once_do_not_starve_timers() {
    let mut run = Run::jobs(400);
    let file = std::fs::File::open("/proc/self/exe").unwrap();
    let fd = file.as_raw_fd();
    for _ in 0..300 {
        run.job((0..20).map(|_| wait_for(&[(fd, libc::POLLIN)], None)));
    }
    run.job_with(1, None, false, [sleep(1), say("wakes")]);
    run.go().unwrap();
    assert_eq!(run.lines(), ["301 wakes"]);
}

#[test]
fn a_stop_lets_running_jobs_end_and_leaves_the_others() {
    let mut run = Run::jobs(2);
    run.job([
        sleep(60),
        act(|scene| scene.desk.borrow_mut().stop(3, "enough")),
        say("ends"),
    ]);
    run.job([sleep(90), say("ends")]);
    run.job([say("runs")]);
    run.job_with(0, Some(ms(1)), false, [say("runs")]);
    run.go().unwrap();
    assert_eq!(run.lines(), ["1 ends", "2 ends"]);
    let desk = run.desk.borrow();
    assert_eq!(desk.scheduler.stopping().unwrap().status, 3);
    assert_eq!(desk.scheduler.waiting(), (2, 0));
}

#[test]
fn a_lane_that_ends_with_a_job_is_replaced() {
    let mut run = Run::jobs(1);
    run.job([Act::Die]);
    run.job([say("runs")]);
    run.go().unwrap();
    assert_eq!((run.lines(), run.made), (vec!["2 runs".to_owned()], 2));
    assert_eq!(run.desk.borrow().scheduler.finished_so_far(), 2);
}

#[test]
fn a_run_goes_on_with_the_lanes_that_could_be_made() {
    let mut run = Run::jobs(9);
    run.room = 2;
    for _ in 0..6 {
        run.job([sleep(1), say("ends")]);
    }
    run.go().unwrap();
    assert_eq!((run.lines().len(), run.made), (6, 2));
}

#[test]
fn a_run_without_any_lane_fails() {
    let mut run = Run::jobs(9);
    run.room = 0;
    run.job([say("runs")]);
    assert_eq!(run.go().unwrap_err().to_string(), "no room");
}

#[test]
fn a_run_whose_last_lane_died_and_cannot_be_replaced_fails() {
    let mut run = Run::jobs(9);
    run.room = 1;
    run.job([Act::Die]);
    run.job([say("runs")]);
    assert_eq!(run.go().unwrap_err().to_string(), "no room");
    assert!(run.is_clean());
}

#[test]
fn a_timer_in_the_background_runs_only_beside_jobs() {
    let mut run = Run::jobs(4);
    fn tick(scene: &Scene) {
        scene.say("ticks");
        scene.hand_in(NewJob {
            priority: i64::MAX,
            delay: Some(ms(0)),
            background: true,
            acts: vec![act(tick)],
        });
    }
    run.job_with(i64::MAX, None, true, [act(tick)]);
    run.job([sleep(3), say("ends")]);
    run.go().unwrap();
    let lines = run.lines();
    assert!(lines.len() > 1, "it ticks");
    assert!(lines.iter().any(|line| line == "2 ends"), "the job ends");
}

/// The whole herd is ready at once: more than one look at the epoll set finds.
#[test]
fn two_thousand_lanes_wait_for_descriptors() {
    allow_descriptors();
    let mut run = Run::jobs(2001);
    let events: Vec<_> = (0..2000).map(|_| EventFd::new().unwrap()).collect();
    for event in &events {
        run.job([
            wait_for(&[(event.as_raw_fd(), libc::POLLIN)], None),
            act(|scene| assert_eq!(scene.wake, Wake::Woken(Woken::Ready))),
            say("ready"),
        ]);
    }
    run.job([
        sleep(1),
        act(move |_| {
            for event in &events {
                event.write(1).unwrap();
            }
            // They stay open until the lanes have been woken.
            std::mem::forget(events);
        }),
    ]);
    run.go().unwrap();
    assert_eq!(run.lines().len(), 2000);
}

/// One lane waits again and again, while others wait for descriptors that never become ready. Nothing is kept of a wait.
#[test]
fn a_turn_costs_the_same_beside_many_waiting_lanes() {
    allow_descriptors();
    let alone = turns(0);
    let beside = turns(2000);
    assert!(
        beside < alone * 20 + ms(100),
        "10,000 turns took {alone:?} alone and {beside:?} beside 2,000 waiting lanes"
    );
}

fn turns(neighbours: usize) -> std::time::Duration {
    let mut run = Run::jobs(neighbours + 1);
    let events: Vec<_> = (0..neighbours).map(|_| EventFd::new().unwrap()).collect();
    for event in &events {
        run.job([wait_for(&[(event.as_raw_fd(), libc::POLLIN)], None)]);
    }
    let took = Rc::new(Cell::new(ms(0)));
    let began = Rc::new(Cell::new(Instant::now()));
    let (starts, ends) = (Rc::clone(&began), Rc::clone(&took));
    let mut acts = vec![sleep(5), act(move |_| starts.set(Instant::now()))];
    acts.extend((0..10_000).map(|_| sleep(0)));
    acts.push(act(move |_| {
        ends.set(began.get().elapsed());
        for event in &events {
            event.write(1).unwrap();
        }
        std::mem::forget(events);
    }));
    run.job(acts);
    run.go().unwrap();
    took.get()
}

pub(crate) fn allow_descriptors() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
}
