//! Lanes that run beside another for its job: it waits for all of them, and what ends it ends them.

use std::time::{Duration, Instant};

use super::lanes::{Act, Run, act, ms, pipe, say, say_answer, sleep, wait_for};

const ALL: usize = usize::MAX;

fn deadline(after: u64) -> Act {
    act(move |scene| {
        let moment = Instant::now() + ms(after);
        scene
            .desk
            .borrow_mut()
            .set_deadline(scene.lane, Some(moment));
    })
}

fn long() -> Act {
    Act::Sleep(Duration::from_secs(50))
}

fn say_what_for() -> Act {
    act(|scene| {
        let desk = scene.desk.borrow();
        scene.say(
            match (desk.is_cancelled(scene.lane), desk.is_overdue(scene.lane)) {
                (true, true) => "overdue",
                (true, false) => "cancelled",
                (false, _) => "not cancelled",
            },
        );
    })
}

fn fail() -> Act {
    act(|scene| scene.desk.borrow_mut().cancel_beside(scene.lane))
}

#[test]
fn they_overlap_and_their_lane_waits_for_all() {
    let mut run = Run::jobs(1);
    run.job([
        Act::Beside(
            ALL,
            vec![
                vec![say("a begins"), sleep(60), say("a ends")],
                vec![say("b begins"), sleep(20), say("b ends")],
            ],
        ),
        say("goes on"),
        Act::Beside(ALL, vec![]),
        say("ends"),
    ]);
    run.go().unwrap();
    assert_eq!(
        run.lines(),
        [
            "1 a begins",
            "1 b begins",
            "1 b ends",
            "1 a ends",
            "1 goes on",
            "1 ends"
        ]
    );
    let desk = run.desk.borrow();
    assert_eq!(
        (run.made, desk.scheduler.finished_so_far()),
        (3, 1),
        "the scheduler knows of one"
    );
    assert!(run.is_clean());
}

#[test]
fn the_next_begins_when_one_has_ended() {
    let mut run = Run::jobs(1);
    let one = |begins, ends| vec![say(begins), sleep(5), say(ends)];
    run.job([Act::Beside(
        1,
        vec![one("a", "a ends"), one("b", "b ends"), one("c", "c ends")],
    )]);
    run.go().unwrap();
    assert_eq!(
        run.lines(),
        ["1 a", "1 a ends", "1 b", "1 b ends", "1 c", "1 c ends"]
    );
}

#[test]
fn a_lane_goes_on_if_none_can_be_made() {
    let mut run = Run::jobs(1);
    run.room = 1;
    run.job([Act::Beside(ALL, vec![vec![say("never")]]), say("ends")]);
    run.go().unwrap();
    assert_eq!(run.lines(), ["1 ends"]);
}

#[test]
fn a_deadline_ends_them_all_and_no_neighbour() {
    let mut run = Run::jobs(2);
    let waits = || vec![long(), say_answer(), say_what_for()];
    run.job([
        deadline(30),
        Act::Beside(
            ALL,
            vec![waits(), vec![Act::Beside(ALL, vec![waits()]), say_answer()]],
        ),
        say_answer(),
        act(|scene| assert!(scene.desk.borrow_mut().timed_out(scene.lane))),
        sleep(1),
        say_answer(),
    ]);
    run.job([
        Act::Beside(ALL, vec![vec![sleep(100), say_what_for()]]),
        say_answer(),
    ]);
    run.go().unwrap();
    assert_eq!(
        run.lines(),
        [
            "1 Cancelled",
            "1 overdue",
            "1 Cancelled",
            "1 overdue",
            "1 Cancelled",
            "1 Cancelled",
            "1 TimedOut",
            "2 not cancelled",
            "2 Ready"
        ]
    );
}

#[test]
fn one_that_computes_finds_the_deadline_of_its_job() {
    let mut run = Run::jobs(1);
    run.job([
        deadline(20),
        Act::Beside(
            ALL,
            vec![vec![act(|scene| {
                std::thread::sleep(ms(40));
                let overdue = scene.desk.borrow_mut().check_deadline(scene.lane);
                scene.say(if overdue { "overdue" } else { "in time" });
            })]],
        ),
        say_what_for(),
    ]);
    run.go().unwrap();
    assert_eq!(run.lines(), ["1 overdue", "1 overdue"]);
}

#[test]
fn one_that_fails_cancels_those_beside_it_and_no_others() {
    let mut run = Run::jobs(1);
    let waits = || vec![long(), say_answer(), say_what_for()];
    run.job([
        Act::Beside(
            ALL,
            vec![
                vec![
                    Act::Beside(ALL, vec![waits(), vec![sleep(10), fail(), say_what_for()]]),
                    say_what_for(),
                ],
                vec![sleep(60), say("unhurt")],
            ],
        ),
        say_what_for(),
    ]);
    run.go().unwrap();
    assert_eq!(
        run.lines(),
        [
            "1 not cancelled",
            "1 Cancelled",
            "1 cancelled",
            "1 not cancelled",
            "1 unhurt",
            "1 not cancelled"
        ]
    );
}

/// Each sends and waits for its answer; between the two nobody else may send, or it would take the other's answer.
#[test]
fn one_at_a_time_uses_a_connection() {
    let mut run = Run::jobs(2);
    let pipe = pipe();
    let fd = pipe.read();
    let request = move |sends, has| {
        vec![
            Act::Claim(fd),
            say(sends),
            wait_for(&[(fd, libc::POLLIN)], Some(ms(20))),
            wait_for(&[(fd, libc::POLLIN)], Some(ms(20))),
            say(has),
            sleep(20),
        ]
    };
    run.job([Act::Beside(
        ALL,
        vec![
            request("a sends", "a has it"),
            request("b sends", "b has it"),
            request("c sends", "c has it"),
        ],
    )]);
    run.go().unwrap();
    assert_eq!(
        run.lines(),
        [
            "1 a sends",
            "1 a has it",
            "1 b sends",
            "1 b has it",
            "1 c sends",
            "1 c has it"
        ]
    );
}

/// Another job's lane is only kept from reading in between, which one that watches several descriptors does not do; and who is
/// cancelled waits no longer.
#[test]
fn a_connection_is_held_against_lanes_of_the_same_job_only() {
    let mut run = Run::jobs(2);
    let (pipe, other) = (pipe(), pipe());
    let fd = pipe.read();
    let watches = [(fd, libc::POLLIN), (other.read(), libc::POLLIN)];
    let holds = vec![wait_for(&watches, Some(ms(100)))];
    run.job([
        deadline(30),
        Act::Beside(ALL, vec![holds, vec![Act::Claim(fd), say_what_for()]]),
    ]);
    run.job([
        sleep(5),
        Act::Beside(ALL, vec![vec![Act::Claim(fd), say("free")]]),
    ]);
    run.go().unwrap();
    assert_eq!(run.lines(), ["2 free", "1 overdue"]);
}

/// The number of a lane that was cancelled is used again.
#[test]
fn nothing_of_it_is_left_for_a_later_lane() {
    let mut run = Run::jobs(1);
    run.job([
        Act::Beside(ALL, vec![vec![long()], vec![sleep(5), fail()]]),
        Act::Beside(
            ALL,
            vec![
                vec![sleep(1), say_what_for()],
                vec![sleep(1), say_what_for()],
            ],
        ),
    ]);
    run.job([sleep(1), say_what_for()]);
    run.go().unwrap();
    assert_eq!(
        run.lines(),
        ["1 not cancelled", "1 not cancelled", "2 not cancelled"]
    );
}
