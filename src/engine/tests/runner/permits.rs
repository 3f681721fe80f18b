//! Permits that lanes keep from job to job: they wait for them, and make way for each other.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::lanes::{Act, Queue, Run, act, ms, say, say_answer, sleep};

const LONG: Duration = Duration::from_secs(20);

/// Jobs that hold one of `limit` permits while they sleep, and the most that held one at once.
fn holders(count: usize, limit: usize, most: &Rc<Cell<i32>>) -> Vec<Vec<Act>> {
    let now = Rc::new(Cell::new(0));
    (0..count)
        .map(|_| {
            let (enter, leave, most) = (Rc::clone(&now), Rc::clone(&now), Rc::clone(most));
            vec![
                Act::Permit(limit),
                act(move |_| {
                    enter.set(enter.get() + 1);
                    most.set(most.get().max(enter.get()));
                }),
                sleep(20),
                act(move |_| leave.set(leave.get() - 1)),
                say("ends"),
            ]
        })
        .collect()
}

fn queue(jobs: Vec<Vec<Act>>) -> Queue {
    Queue {
        jobs: jobs.into(),
        idle: LONG,
        stop_when_empty: true,
        ..Queue::default()
    }
}

fn go(run: &mut Run) -> Duration {
    let began = Instant::now();
    run.go().unwrap();
    assert!(began.elapsed() < LONG, "somebody waited in vain");
    assert!(run.is_clean());
    began.elapsed()
}

#[test]
fn no_more_jobs_than_permits_and_all_get_one() {
    let most = Rc::default();
    let mut run = Run::leader(10, queue(holders(30, 3, &most)));
    go(&mut run);
    assert_eq!(most.get(), 3);
    let ends = run
        .lines()
        .iter()
        .filter(|line| line.ends_with("ends"))
        .count();
    assert_eq!(ends, 30);
}

/// Two lanes keep their permits and stand in line, or lead; a third needs one.
#[test]
fn an_idle_lane_gives_way() {
    let mut jobs = vec![
        vec![Act::Permit(2), sleep(30)],
        vec![Act::Permit(2), sleep(30)],
        vec![sleep(60), Act::Permit(2), say("has it"), sleep(50)],
    ];
    // It leads meanwhile.
    jobs.push(vec![sleep(100)]);
    let mut run = Run::leader(5, queue(jobs));
    go(&mut run);
    let lines = run.lines();
    assert!(lines.contains(&"3 has it".to_owned()), "{lines:?}");
    assert_eq!(
        lines.iter().filter(|line| line.ends_with("tidies")).count(),
        1,
        "{lines:?}"
    );
}

#[test]
fn a_leader_that_idles_gives_way() {
    let jobs = vec![
        vec![sleep(60), Act::Permit(1), say("has it")],
        vec![Act::Permit(1), sleep(10)],
    ];
    let mut run = Run::leader(2, queue(jobs));
    go(&mut run);
    assert_eq!(run.lines(), ["1 has it"]);
}

#[test]
fn a_lane_that_ends_leaves_nothing_behind() {
    let jobs = vec![
        vec![Act::Permit(1), sleep(30), Act::Die],
        vec![sleep(10), Act::Permit(1), say("has it")],
    ];
    let mut run = Run::leader(2, queue(jobs));
    go(&mut run);
    assert_eq!(run.lines(), ["2 has it"]);
}

#[test]
fn a_lane_that_has_one_gets_another() {
    let mut run = Run::leader(
        2,
        queue(vec![vec![Act::Permit(1), Act::Permit(1), say("has two")]]),
    );
    go(&mut run);
    assert_eq!(run.lines(), ["1 has two"]);
}

#[test]
fn a_deadline_ends_the_waiting() {
    let overdue = act(|scene| {
        let deadline = Some(Instant::now() + ms(30));
        scene.desk.borrow_mut().set_deadline(scene.lane, deadline);
    });
    let jobs = vec![
        vec![Act::Permit(1), sleep(200), say("ends")],
        vec![sleep(5), overdue, Act::Permit(1), say_answer()],
        vec![sleep(100), Act::Permit(1), say("has it")],
    ];
    let mut run = Run::leader(3, queue(jobs));
    go(&mut run);
    assert_eq!(run.lines(), ["2 Cancelled", "1 ends", "3 has it"]);
}

/// What a lane has in line it keeps for a while only; and it is called out once.
#[test]
fn a_lane_that_stands_in_line_for_long_tidies_up() {
    let mut run = Run::leader(
        3,
        queue(vec![
            vec![Act::Permit(5), sleep(10)],
            vec![Act::Permit(5), sleep(10)],
            vec![sleep(400), say("ends")],
        ]),
    );
    run.patience = Some(ms(50));
    go(&mut run);
    // One of the two leads, the other stands in line.
    assert_eq!(run.lines().len(), 2, "{:?}", run.lines());
    assert!(run.lines()[0].ends_with("tidies"));
    assert_eq!(run.lines()[1], "3 ends");
}

/// Its job left a connection in some cycle. The next one is asked, and nobody is asked for ever.
#[test]
fn a_lane_that_cannot_let_go_is_passed_over() {
    let mut jobs: Vec<Vec<Act>> = (0..3).map(|_| vec![Act::Permit(3), sleep(30)]).collect();
    jobs.push(vec![sleep(80), Act::Permit(3), say("has it"), sleep(50)]);
    jobs.push(vec![sleep(150)]);
    let mut run = Run::leader(6, queue(jobs));
    run.keeps = Some(0);
    go(&mut run);
    assert_eq!(run.lines(), ["1 tidies", "2 tidies", "4 has it"]);
}
