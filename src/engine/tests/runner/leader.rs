//! Lanes that take turns to lead, and news that a leader must not sleep through.

use std::time::{Duration, Instant};

use super::lanes::{Act, Queue, Run, act, ms, say, sleep};

/// Longer than a test may take: whoever idles that long has slept through something.
const LONG: Duration = Duration::from_secs(20);

fn queue(jobs: impl IntoIterator<Item = Vec<Act>>) -> Queue {
    Queue {
        jobs: jobs.into_iter().collect(),
        idle: LONG,
        stop_when_empty: true,
        ..Queue::default()
    }
}

fn go(run: &mut Run) {
    let began = Instant::now();
    run.go().unwrap();
    assert!(began.elapsed() < LONG, "the leader slept through the news");
    assert!(run.is_clean());
}

#[test]
fn the_lead_passes_on_and_jobs_overlap() {
    let jobs = (0..5).map(|_| vec![say("starts"), sleep(100), say("ends")]);
    let mut run = Run::leader(5, queue(jobs));
    go(&mut run);
    let lines = run.lines();
    assert!(lines[..5].iter().all(|line| line.ends_with("starts")));
    assert!(lines[5..].iter().all(|line| line.ends_with("ends")));
    assert_eq!((lines.len(), run.made), (10, 5));
    let desk = run.desk.borrow();
    assert_eq!(desk.scheduler.stopping().unwrap().reason, "empty");
    assert_eq!(desk.scheduler.reserved_so_far(), 5);
    assert_eq!(desk.scheduler.finished_so_far(), 5);
}

#[test]
fn one_lane_is_leader_and_worker_in_turn() {
    let mut run = Run::leader(1, queue((0..50).map(|_| vec![sleep(0), say("ends")])));
    go(&mut run);
    assert_eq!((run.lines().len(), run.made), (50, 1));
}

#[test]
fn a_leader_that_idles_hears_of_the_last_job() {
    let mut run = Run::leader(2, queue([vec![sleep(100)]]));
    go(&mut run);
    assert_eq!(
        run.queue.looks, 3,
        "it finds the job, it finds nothing, it finds nothing and no job runs"
    );
}

/// The job ends while the leader's look at the queue is under way: it is suspended, but it does not idle yet.
#[test]
fn news_that_come_while_the_leader_looks_are_not_slept_through() {
    let mut queue = queue([vec![sleep(5)]]);
    queue.look_takes = Some(ms(30));
    let mut run = Run::leader(2, queue);
    go(&mut run);
}

#[test]
fn a_job_that_ends_with_its_lane_is_news_as_well() {
    let mut run = Run::leader(2, queue([vec![sleep(20), Act::Die]]));
    go(&mut run);
    let mut queue = queue([vec![sleep(5), Act::Die]]);
    queue.look_takes = Some(ms(30));
    let mut run = Run::leader(2, queue);
    go(&mut run);
}

#[test]
fn a_leader_that_idles_looks_again_when_its_time_is_over() {
    let mut queue = queue([vec![sleep(30)]]);
    queue.idle = ms(5);
    let mut run = Run::leader(2, queue);
    go(&mut run);
    assert!(run.queue.looks > 3);
}

/// Without anything new the leader does not look again and again.
#[test]
fn old_news_are_no_news() {
    let mut queue = queue([vec![sleep(1)], vec![sleep(40)]]);
    queue.idle = LONG;
    let mut run = Run::leader(3, queue);
    go(&mut run);
    assert!(run.queue.looks <= 5, "{} looks", run.queue.looks);
}

fn stops_after(milliseconds: u64) -> Vec<Act> {
    vec![
        sleep(milliseconds),
        act(|scene| scene.desk.borrow_mut().stop(0, "enough")),
        sleep(1),
        say("ends"),
    ]
}

#[test]
fn a_stop_wakes_the_leader_and_lets_jobs_end() {
    for look_takes in [None, Some(ms(1)), Some(ms(20))] {
        let mut queue = queue([stops_after(10), vec![sleep(30), say("ends")]]);
        queue.look_takes = look_takes;
        queue.stop_when_empty = false;
        let mut run = Run::leader(4, queue);
        go(&mut run);
        assert!(run.lines().iter().any(|line| line == "1 ends"));
        assert_eq!(run.desk.borrow().scheduler.in_flight(), 0);
    }
}

#[test]
fn a_stop_with_lanes_in_line_ends_them() {
    // Three lanes have had a job; two of them stand in line when the stop comes.
    let mut queue = queue([
        vec![sleep(50)],
        vec![sleep(50)],
        vec![sleep(50)],
        stops_after(100),
    ]);
    queue.stop_when_empty = false;
    let mut run = Run::leader(8, queue);
    go(&mut run);
    assert_eq!(run.lines(), ["4 ends"]);
    assert!(run.made >= 4);
}

#[test]
fn a_leader_that_idles_hears_of_a_pause_and_of_its_end() {
    let mut queue = queue([vec![
        sleep(100),
        act(|scene| scene.desk.borrow_mut().pause(true)),
        sleep(10),
        act(|scene| {
            assert!(scene.desk.borrow().scheduler.leader().is_some());
            scene.desk.borrow_mut().pause(false);
        }),
        sleep(10),
    ]]);
    queue.stop_when_empty = true;
    let mut run = Run::leader(2, queue);
    go(&mut run);
    assert_eq!(
        run.queue.looks, 4,
        "the job; nothing; nothing after the pause; the end of the job"
    );
}

#[test]
fn a_job_whose_lane_lines_up_without_a_word_is_finished() {
    use std::cell::Cell;

    use kqueue_core::scheduler::{Grant, LaneId};
    use kqueue_engine::runner::{self, Lanes, Pause, Wake};

    /// Takes two jobs and says of neither that it has ended.
    struct Silent(super::lanes::Run, Cell<usize>);
    impl Lanes for Silent {
        fn start(&self) -> Result<LaneId, String> {
            Ok(0)
        }
        fn resume(&self, lane: LaneId, wake: Wake) -> Pause {
            let mut desk = self.0.desk.borrow_mut();
            match wake {
                Wake::Granted(Grant::Lead) if self.1.get() == 2 => desk.stop(0, "enough"),
                Wake::Granted(Grant::Lead) => {
                    assert!(desk.scheduler.reserved(lane));
                    desk.set_deadline(lane, Some(Instant::now() + LONG));
                    self.1.set(self.1.get() + 1);
                }
                Wake::Granted(_) => return Pause::Ended,
                _ => {}
            }
            Pause::Line
        }
        fn dispose(&self, _lane: LaneId) {}
    }

    let run = Run::leader(1, Queue::default());
    let desk = std::rc::Rc::clone(&run.desk);
    runner::run(&desk, &Silent(run, Cell::new(0))).unwrap();
    let desk = desk.borrow();
    assert_eq!(desk.scheduler.in_flight(), 0);
    assert_eq!(desk.scheduler.finished_so_far(), 2);
    assert_eq!(desk.next_deadline(None), None);
}

#[test]
fn a_run_goes_on_with_the_lanes_that_could_be_made() {
    let mut run = Run::leader(9, queue((0..9).map(|_| vec![sleep(1), say("ends")])));
    run.room = 2;
    go(&mut run);
    assert_eq!((run.lines().len(), run.made), (9, 2));
}
