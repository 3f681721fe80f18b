//! Deadlines: a lane that waits is cancelled, its neighbours are not.

use std::time::{Duration, Instant};

use super::lanes::{Act, Run, act, ms, pipe, say, say_answer, sleep, wait_for, writes};

const IN: i16 = libc::POLLIN;

fn deadline(after: u64) -> Act {
    act(move |scene| {
        let moment = Instant::now() + ms(after);
        let mut desk = scene.desk.borrow_mut();
        desk.set_deadline(scene.lane, Some(moment));
    })
}

fn take_notice() -> Act {
    act(|scene| {
        let timed_out = scene.desk.borrow_mut().timed_out(scene.lane);
        scene.say(if timed_out { "timed out" } else { "in time" });
    })
}

fn say_cancelled() -> Act {
    act(|scene| {
        let cancelled = scene.desk.borrow().is_cancelled(scene.lane);
        scene.say(if cancelled {
            "cancelled"
        } else {
            "not cancelled"
        });
    })
}

/// Uses the processor.
fn burn(milliseconds: u64) -> Act {
    act(move |_| std::thread::sleep(ms(milliseconds)))
}

#[test]
fn a_deadline_ends_a_wait_and_leaves_the_neighbours_alone() {
    let mut run = Run::jobs(3);
    let pipes = [pipe(), pipe()];
    run.job([
        deadline(5),
        wait_for(&[(pipes[0].read(), IN)], None),
        say_answer(),
        take_notice(),
    ]);
    run.job([
        wait_for(&[(pipes[1].read(), IN)], Some(ms(30))),
        say_answer(),
        take_notice(),
    ]);
    run.job([sleep(30), say_answer(), say_cancelled()]);
    run.go().unwrap();
    let mut lines = run.lines();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "1 Cancelled",
            "1 timed out",
            "2 TimedOut",
            "2 in time",
            "3 TimedOut",
            "3 not cancelled"
        ]
    );
}

#[test]
fn a_wait_for_nothing_and_for_ever_can_be_cancelled() {
    let mut run = Run::jobs(1);
    run.job([deadline(5), wait_for(&[], None), say_answer()]);
    run.job([deadline(5), Act::Notice, say_answer()]);
    run.go().unwrap();
    assert_eq!(run.lines(), ["1 Cancelled", "2 Cancelled"]);
}

#[test]
fn later_waits_fail_until_the_lane_takes_notice() {
    let mut run = Run::jobs(1);
    let pipe = pipe();
    run.job([
        deadline(2),
        sleep(1000),
        say_answer(),
        say_cancelled(),
        sleep(1000),
        say_answer(),
        // Its descriptors are not watched any more.
        wait_for(&[(pipe.read(), IN)], None),
        say_answer(),
        take_notice(),
        say_cancelled(),
        wait_for(&[(pipe.read(), IN)], Some(ms(1))),
        say_answer(),
        // It has still run past its deadline.
        take_notice(),
    ]);
    run.go().unwrap();
    assert_eq!(
        run.lines(),
        [
            "1 Cancelled",
            "1 cancelled",
            "1 Cancelled",
            "1 Cancelled",
            "1 timed out",
            "1 not cancelled",
            "1 TimedOut",
            "1 timed out"
        ]
    );
}

#[test]
fn a_new_deadline_is_a_new_start() {
    let mut run = Run::jobs(1);
    run.job([
        deadline(2),
        sleep(1000),
        say_answer(),
        deadline(500),
        say_cancelled(),
        sleep(1),
        say_answer(),
        deadline(2),
        sleep(1000),
        say_answer(),
    ]);
    run.go().unwrap();
    assert_eq!(
        run.lines(),
        [
            "1 Cancelled",
            "1 not cancelled",
            "1 TimedOut",
            "1 Cancelled"
        ]
    );
}

#[test]
fn the_end_of_a_job_is_the_end_of_its_deadline() {
    let mut run = Run::jobs(1);
    run.job([deadline(5)]);
    run.job([deadline(1), sleep(100), say_answer()]);
    run.job([sleep(20), say_answer(), say_cancelled(), take_notice()]);
    run.go().unwrap();
    assert_eq!(
        run.lines(),
        ["2 Cancelled", "3 TimedOut", "3 not cancelled", "3 in time"]
    );
}

#[test]
fn a_lane_that_ends_leaves_no_deadline_to_its_successor() {
    let mut run = Run::jobs(1);
    run.job([deadline(5), Act::Die]);
    run.job([sleep(20), say_answer(), take_notice()]);
    run.go().unwrap();
    assert_eq!(run.lines(), ["2 TimedOut", "2 in time"]);
    assert_eq!(run.desk.borrow().next_deadline(None), None);
}

#[test]
fn a_lane_that_burns_the_processor_finds_its_deadline_by_looking() {
    let mut run = Run::jobs(1);
    let check = |scene: &super::lanes::Scene| {
        let overdue = scene.desk.borrow_mut().check_deadline(scene.lane);
        scene.say(if overdue { "overdue" } else { "in time" });
    };
    run.job([
        deadline(100),
        act(check),
        burn(120),
        act(check),
        act(check),
        sleep(10),
        say_answer(),
        take_notice(),
        act(check),
    ]);
    run.go().unwrap();
    assert_eq!(
        run.lines(),
        [
            "1 in time",
            "1 overdue",
            "1 overdue",
            "1 Cancelled",
            "1 timed out",
            "1 in time"
        ]
    );
}

/// Its alarm rang in another lane, and will not ring again: it must hear of it as it goes on, or it burns on for ever.
#[test]
fn a_deadline_that_passed_while_the_lane_was_ready_is_told_when_it_goes_on() {
    let mut run = Run::jobs(2);
    run.job([sleep(20), burn(200), say("burnt")]);
    run.job([deadline(50), sleep(25), say_answer(), take_notice()]);
    run.go().unwrap();
    assert_eq!(run.lines(), ["1 burnt", "2 Cancelled", "2 timed out"]);

    // The same if one look finds both ready, so that the deadline passes between that look and the lane's turn.
    let mut run = Run::jobs(3);
    let pipes = [pipe(), pipe()];
    run.job([wait_for(&[(pipes[0].read(), IN)], None), burn(200)]);
    run.job([
        deadline(100),
        wait_for(&[(pipes[1].read(), IN)], None),
        say_answer(),
    ]);
    run.job([
        sleep(30),
        writes(pipes[0].write()),
        writes(pipes[1].write()),
    ]);
    run.go().unwrap();
    assert_eq!(run.lines(), ["2 Cancelled"]);
}

#[test]
fn the_alarm_is_for_the_next_deadline_that_has_not_passed() {
    let mut run = Run::jobs(3);
    let far = Instant::now() + Duration::from_secs(60);
    run.job([
        act(move |scene| {
            let mut desk = scene.desk.borrow_mut();
            assert_eq!(desk.next_deadline(None), None);
            desk.set_deadline(scene.lane, Some(far));
            assert_eq!(desk.next_deadline(None), Some(far));
        }),
        sleep(200),
    ]);
    run.job([
        deadline(60),
        act(move |scene| assert!(scene.desk.borrow().next_deadline(None).unwrap() < far)),
        burn(80),
        act(move |scene| assert_eq!(scene.desk.borrow().next_deadline(None), Some(far))),
    ]);
    run.go().unwrap();
    assert_eq!(run.desk.borrow().next_deadline(None), None);
}

#[test]
fn one_that_has_passed_needs_an_alarm_if_it_is_the_running_lanes() {
    let mut run = Run::jobs(1);
    run.job([act(|scene| {
        let mut desk = scene.desk.borrow_mut();
        let passed = Instant::now();
        desk.set_deadline(scene.lane, Some(passed));
        assert_eq!(desk.next_deadline(None), None);
        assert_eq!(desk.next_deadline(Some(scene.lane)), Some(passed));
        assert_eq!(desk.next_deadline(Some(scene.lane + 7)), None);
    })]);
    run.go().unwrap();
}

#[test]
fn deadlines_of_strangers_are_ignored() {
    let run = Run::jobs(1);
    let mut desk = run.desk.borrow_mut();
    desk.set_deadline(7, Some(Instant::now()));
    assert!(!desk.check_deadline(7) && !desk.is_cancelled(7) && !desk.timed_out(7));
    assert_eq!(desk.next_deadline(None), None);
}
