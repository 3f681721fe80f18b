//! Lanes, the lead and jobs: scenarios as text, and random operations against the invariants.
//!
//! A scenario is a list of statements, parted by `;` or a new line. Lanes are letters, jobs are numbers.

use std::collections::HashSet;
use std::time::Duration;

use kqueue_core::scheduler::{Grant, JobId, LaneId, Scheduler, Waiting};
use proptest::prelude::*;

fn leader(limit: usize, script: &str) {
    play(Scheduler::with_leader(limit), script);
}

fn jobs(limit: usize, script: &str) {
    play(Scheduler::with_jobs(limit), script);
}

fn play(mut scheduler: Scheduler, script: &str) {
    let mut now = Duration::ZERO;
    for (number, statement) in script.split([';', '\n']).enumerate() {
        let place = || format!("statement {number}, {}", statement.trim());
        let words: Vec<&str> = statement.split_whitespace().collect();
        match words[..] {
            [] => {}
            ["start", id] => scheduler.started(lane(id)),
            ["refused", has_some] => assert_eq!(scheduler.refused(), yes(has_some), "{}", place()),
            ["line", id] => drop(scheduler.line_up(lane(id), now)),
            ["gives", "up", id] => assert!(scheduler.line_up(lane(id), now), "{}", place()),
            ["out", id] => assert!(scheduler.step_out(lane(id)), "{}", place()),
            ["cannot", "out", id] => assert!(!scheduler.step_out(lane(id)), "{}", place()),
            ["end", id] => scheduler.ended(lane(id), now),
            ["reserve", id] => assert!(scheduler.reserved(lane(id)), "{}", place()),
            ["cannot", "reserve", id] => assert!(!scheduler.reserved(lane(id)), "{}", place()),
            ["finish", id] => assert!(scheduler.finish(lane(id), now), "{}", place()),
            ["cannot", "finish", id] => assert!(!scheduler.finish(lane(id), now), "{}", place()),
            ["push", id, ref rest @ ..] => {
                let due = after(rest, "due").map(|due| Duration::from_secs(due as u64));
                scheduler.push(
                    Waiting {
                        id: job(id),
                        priority: after(rest, "priority").unwrap_or(0),
                        background: rest.contains(&"background"),
                    },
                    due,
                );
            }
            ["remove", id] => assert!(scheduler.remove(job(id)), "{}", place()),
            ["cannot", "remove", id] => assert!(!scheduler.remove(job(id)), "{}", place()),
            ["at", seconds] => {
                now = Duration::from_secs(seconds.parse().unwrap());
                scheduler.advance(now);
            }
            ["pause"] => scheduler.pause(true),
            ["go", "on"] => scheduler.pause(false),
            ["stop"] => scheduler.stop(0, "stopped"),
            ["resume"] => scheduler.resume(),
            // What it says.
            ["grants", ref expected @ ..] => {
                let mut granted = Vec::new();
                while let Some((id, grant)) = scheduler.grant() {
                    granted.push(describe(id, grant));
                }
                assert_eq!(granted.join(" "), expected.join(" "), "{}", place());
            }
            ["wants", wanted] => assert_eq!(scheduler.wants_lane(), yes(wanted), "{}", place()),
            ["over", over] => assert_eq!(scheduler.over(), yes(over), "{}", place()),
            ["leader", id] => {
                let expected = (id != "none").then(|| lane(id));
                assert_eq!(scheduler.leader(), expected, "{}", place());
            }
            ["due", "never"] => assert_eq!(scheduler.next_due(), None, "{}", place()),
            ["due", seconds] => {
                let seconds = Duration::from_secs(seconds.parse().unwrap());
                assert_eq!(scheduler.next_due(), Some(seconds), "{}", place());
            }
            ["counts", ref expected @ ..] => {
                let (ready, delayed) = scheduler.waiting();
                let counts = [
                    ("lanes", scheduler.lanes() as u64),
                    ("idle", scheduler.idle() as u64),
                    ("flight", scheduler.in_flight() as u64),
                    ("reserved", scheduler.reserved_so_far()),
                    ("finished", scheduler.finished_so_far()),
                    ("ready", ready as u64),
                    ("delayed", delayed as u64),
                ];
                for pair in expected.chunks(2) {
                    let count = counts.iter().find(|(name, _)| *name == pair[0]).unwrap().1;
                    assert_eq!(count.to_string(), pair[1], "{} in {}", pair[0], place());
                }
            }
            _ => panic!("no such statement: {statement}"),
        }
    }
}

fn lane(id: &str) -> LaneId {
    LaneId::from(id.as_bytes()[0] - b'a')
}

fn job(id: &str) -> JobId {
    id.parse().unwrap()
}

fn yes(word: &str) -> bool {
    match word {
        "yes" => true,
        "no" => false,
        other => panic!("neither yes nor no: {other}"),
    }
}

fn after(words: &[&str], name: &str) -> Option<i64> {
    let at = words.iter().position(|word| *word == name)?;
    Some(words[at + 1].parse().unwrap())
}

fn describe(lane: LaneId, grant: Grant) -> String {
    let lane = char::from(b'a' + lane as u8);
    match grant {
        Grant::Lead => format!("{lane} leads"),
        Grant::Job(id) => format!("{lane} {id}"),
        Grant::End => format!("{lane} ends"),
    }
}

#[test]
fn the_first_in_line_leads_and_nobody_else() {
    leader(
        3,
        "start a; line a; start b; line b; leader none
         grants a leads; leader a; grants; cannot reserve b; leader a",
    );
}

#[test]
fn the_lead_passes_on_with_each_job() {
    leader(
        3,
        "start a; line a; start b; line b; grants a leads
         reserve a; leader none; grants b leads
         reserve b; counts flight 2 reserved 2 finished 0
         finish a; counts flight 1 finished 1; line a; grants a leads; leader a",
    );
}

#[test]
fn a_leader_without_a_job_goes_to_the_end_of_the_line() {
    leader(
        2,
        "start a; line a; start b; line b; grants a leads
         line a; grants b leads; line b; grants a leads; cannot reserve b",
    );
}

#[test]
fn a_lane_is_started_only_when_the_lead_is_free_and_the_line_empty() {
    leader(
        2,
        "wants yes; start a; wants no; line a; wants no; grants a leads; wants no
         reserve a; wants yes; start b; wants no; line b; grants b leads
         reserve b; wants no; finish a; line a; wants no; grants a leads",
    );
}

#[test]
fn the_lead_is_free_again_when_the_leader_has_ended() {
    leader(
        2,
        "start a; line a; grants a leads; end a; leader none; counts lanes 0
         wants yes; over no; start a; line a; grants a leads; cannot finish a",
    );
}

#[test]
fn a_lane_that_ends_with_a_job_has_finished_it() {
    leader(
        2,
        "start a; line a; grants a leads; reserve a; at 7; end a
         counts flight 0 reserved 1 finished 1 lanes 0; cannot finish a; wants yes",
    );
}

#[test]
fn a_lane_that_ends_before_it_stood_in_line_holds_nothing_up() {
    leader(2, "start a; wants no; end a; wants yes; counts lanes 0");
}

#[test]
fn a_lane_that_ends_in_line_is_passed_over() {
    leader(
        3,
        "start a; line a; start b; line b; start c; line c; end b
         counts idle 2; grants a leads; reserve a; grants c leads",
    );
}

#[test]
fn a_lane_that_lines_up_with_a_job_has_finished_it() {
    leader(
        1,
        "start a; line a; grants a leads; reserve a; gives up a
         counts flight 0 finished 1 idle 1; grants a leads; reserve a
         counts flight 1 reserved 2; finish a; counts flight 0 finished 2",
    );
}

#[test]
fn a_lane_that_steps_out_of_the_line_gets_nothing_until_it_is_back() {
    leader(
        3,
        "start a; cannot out a; line a; start b; line b; out a; cannot out a; counts idle 1
         grants b leads; cannot out b; reserve b; cannot out b; line a; grants a leads; cannot out a",
    );
}

#[test]
fn a_lane_stands_in_line_once() {
    leader(
        2,
        "start a; line a; line a; counts idle 1; grants a leads; grants",
    );
}

#[test]
fn strangers_are_not_let_in() {
    leader(
        2,
        "line a; end a; counts lanes 0 idle 0; grants; cannot reserve a; cannot finish a
         start a; start a; counts lanes 1; line a; grants a leads",
    );
}

#[test]
fn a_stop_ends_the_line_and_lets_jobs_end() {
    leader(
        3,
        "start a; line a; grants a leads; reserve a
         start b; line b; grants b leads; start c; line c
         stop; wants no; over no; grants c ends; end c
         line b; leader none; grants b ends; end b; over no
         finish a; line a; grants a ends; over no; end a; over yes; counts lanes 0",
    );
}

#[test]
fn a_leader_may_reserve_the_job_that_it_had_when_the_stop_came() {
    leader(
        2,
        "start a; line a; grants a leads; stop; reserve a; counts flight 1
         wants no; over no; finish a; line a; grants a ends; end a; over yes",
    );
}

#[test]
fn a_pause_is_for_the_leader_to_obey() {
    leader(
        3,
        "start a; line a; grants a leads; pause; leader a; reserve a; wants yes
         start b; line b; grants b leads; finish a; line a; grants; line b; grants a leads; over no
         stop; line a; grants b ends a ends; end a; end b; over yes",
    );
    leader(1, "pause; wants yes; over no; go on; wants yes");
    jobs(1, "pause; push 1; wants yes; start a; line a; grants a 1");
}

#[test]
fn a_stop_before_the_first_lane_is_the_end() {
    leader(2, "over no; stop; over yes; wants no");
    jobs(2, "push 1; stop; over yes; wants no; due never");
}

#[test]
fn a_lane_that_starts_while_the_run_stops_ends() {
    leader(
        2,
        "start a; stop; over no; line a; grants a ends; end a; over yes",
    );
}

#[test]
fn the_first_stop_has_the_word() {
    let mut scheduler = Scheduler::with_leader(1);
    scheduler.stop(12, "memory");
    scheduler.stop(0, "interrupted");
    let stop = scheduler.stopping().unwrap();
    assert_eq!((stop.status, stop.reason.as_str()), (12, "memory"));
}

#[test]
fn a_run_goes_on_with_the_lanes_it_could_make() {
    leader(
        9,
        "start a; line a; grants a leads; reserve a; wants yes
         refused yes; wants no; finish a; line a; grants a leads; reserve a; wants no
         start b; line b; grants b leads; reserve b; end b; wants yes",
    );
    leader(9, "wants yes; refused no");
}

#[test]
fn jobs_go_by_priority_then_dispatch() {
    jobs(
        5,
        "push 1; push 2 priority -1; push 3 priority 9; push 4 priority 9; push 5
         start a; line a; start b; line b; start c; line c; start d; line d; start e; line e
         grants a 3 b 4 c 1 d 5 e 2",
    );
}

#[test]
fn a_lane_is_started_only_for_a_job_that_is_ready() {
    jobs(
        2,
        "wants no; push 1 due 5; wants no; at 5; wants yes; start a; wants no; line a; wants no
         grants a 1; push 2; wants yes; start b; line b; push 3; wants no; grants b 2; wants no",
    );
}

#[test]
fn delayed_jobs_become_ready_when_due() {
    jobs(
        1,
        "push 1 due 8; push 2 due 3; push 3 due 3; due 3; counts ready 0 delayed 3
         start a; line a; grants; at 2; grants; at 3; due 8; counts ready 2 delayed 1
         grants a 2; finish a; line a; grants a 3; finish a; line a; grants; over no
         at 9; due never; grants a 1; finish a; line a; grants a ends; end a; over yes",
    );
}

#[test]
fn a_delayed_job_takes_the_place_of_its_dispatch_once_it_is_due() {
    jobs(
        1,
        "push 1 due 2; push 2; push 3 priority 1; at 2
         start a; line a; grants a 3; line a; grants a 1; line a; grants a 2",
    );
}

#[test]
fn what_has_not_started_can_be_removed() {
    jobs(
        1,
        "push 1; push 2; push 3 due 9; start a; line a
         remove 1; cannot remove 1; grants a 2; cannot remove 2
         remove 3; due never; counts ready 0 delayed 0; finish a; line a; grants a ends; end a; over yes",
    );
}

#[test]
fn a_removed_job_no_longer_keeps_the_run_going() {
    jobs(1, "push 1 due 9; over no; remove 1; over yes");
}

#[test]
fn a_job_waits_once() {
    jobs(
        1,
        "push 1; push 1 due 9; counts ready 0 delayed 1; remove 1; over yes",
    );
}

#[test]
fn the_lanes_end_when_the_last_job_has() {
    jobs(
        2,
        "push 1; push 2; start a; line a; grants a 1; start b; line b; grants b 2
         finish a; line a; grants; over no; finish b; line b; grants a ends b ends
         end a; over no; end b; over yes",
    );
}

#[test]
fn a_job_that_runs_may_hand_in_others() {
    jobs(
        2,
        "push 1; start a; line a; grants a 1; push 2; wants yes; start b; line b; grants b 2
         finish a; line a; finish b; push 3; grants a 3; line b; grants
         finish a; line a; grants b ends a ends",
    );
}

#[test]
fn background_jobs_alone_are_no_reason_to_run() {
    jobs(1, "push 1 background; wants no; over yes");
    jobs(1, "push 1 background due 1; at 2; wants no; over yes");
}

#[test]
fn background_jobs_run_beside_others_and_are_not_counted() {
    jobs(
        2,
        "push 1; push 2 background priority 9; start a; line a; grants a 2
         counts flight 0 reserved 0; start b; line b; grants b 1; counts flight 1 reserved 1
         finish a; counts finished 0; finish b; counts finished 1 flight 0",
    );
}

/// A timer that is due again whenever it has ended would keep its run going for ever.
#[test]
fn a_background_job_that_is_always_due_does_not_keep_the_run_going() {
    jobs(
        1,
        "push 1; push 2 background; start a; line a; grants a 1
         finish a; line a; grants a ends; end a; over yes",
    );
}

/// And so would two that overlap.
#[test]
fn background_jobs_do_not_keep_each_other_going() {
    jobs(
        2,
        "push 9; push 1 background priority 9; push 2 background priority 9
         start a; line a; start b; line b; grants a 1 b 2
         finish a; line a; grants a 9; finish a; push 1 background; line a; grants; wants no
         finish b; push 2 background; line b; grants a ends b ends; end a; end b; over yes",
    );
}

#[test]
fn a_background_job_that_runs_may_hand_in_others() {
    jobs(
        2,
        "push 1; push 2 background priority 9; start a; line a; start b; line b; grants a 2 b 1
         finish b; line b; grants; over no; push 3; grants b 3; finish a; line a; grants
         finish b; line b; grants a ends b ends",
    );
}

#[test]
fn a_stop_leaves_waiting_jobs_for_the_next_run() {
    jobs(
        2,
        "push 1; push 2; push 3 due 5; start a; line a; start b; line b; grants a 1 b 2
         push 4; stop; wants no; due never; finish a; line a; grants a ends; end a; over no
         finish b; line b; grants b ends; end b; over yes; counts ready 1 delayed 1
         resume; over no; wants yes; due 5; start a; line a; grants a 4",
    );
}

#[test]
fn a_run_that_was_given_up_leaves_no_lanes_to_the_next() {
    jobs(
        2,
        "push 1; push 2 due 9; start a; line a; grants a 1; start b; line b; stop
         resume; counts lanes 0 idle 0 flight 0 reserved 1 finished 1; grants
         at 9; wants yes; start a; line a; grants a 2; finish a; line a; grants a ends; end a; over yes",
    );
    leader(
        2,
        "start a; line a; grants a leads; resume; leader none; wants yes",
    );
}

#[test]
fn a_leader_has_no_jobs_to_hand_out() {
    leader(
        1,
        "push 1; cannot remove 1; due never; counts ready 0; start a; line a; grants a leads",
    );
}

#[test]
fn there_is_always_room_for_one_lane() {
    leader(
        0,
        "wants yes; start a; line a; grants a leads; reserve a; wants no",
    );
}

/// What random runs do.
#[derive(Debug, Clone, Copy)]
enum Step {
    Start,
    LineUp(usize),
    Reserve(usize),
    Finish(usize),
    End(usize),
    Push {
        priority: i64,
        background: bool,
        delay: Option<u64>,
    },
    Remove(usize),
    Pass(u64),
    Grant,
    Pause(bool),
    Stop,
}

fn step() -> impl Strategy<Value = Step> {
    let lane = 0..8_usize;
    prop_oneof![
        4 => Just(Step::Start),
        8 => lane.clone().prop_map(Step::LineUp),
        4 => lane.clone().prop_map(Step::Reserve),
        4 => lane.clone().prop_map(Step::Finish),
        1 => lane.prop_map(Step::End),
        6 => (-2..3_i64, prop::bool::weighted(0.2), prop::option::of(0..9_u64))
            .prop_map(|(priority, background, delay)| Step::Push { priority, background, delay }),
        1 => (0..40_usize).prop_map(Step::Remove),
        2 => (0..5_u64).prop_map(Step::Pass),
        9 => Just(Step::Grant),
        1 => any::<bool>().prop_map(Step::Pause),
        1 => prop::bool::weighted(0.1).prop_map(|stop| if stop { Step::Stop } else { Step::Grant }),
    ]
}

/// What is known of a lane from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Absent,
    Loose,
    Line,
    Leads,
    Busy { background: bool },
}

struct Model {
    scheduler: Scheduler,
    with_leader: bool,
    limit: usize,
    lanes: [Seen; 8],
    now: Duration,
    /// Background or not, by number.
    pushed: Vec<bool>,
    handed_out: HashSet<JobId>,
    removed: HashSet<JobId>,
    stopped: bool,
}

impl Model {
    fn new(with_leader: bool, limit: usize) -> Self {
        Self {
            scheduler: if with_leader {
                Scheduler::with_leader(limit)
            } else {
                Scheduler::with_jobs(limit)
            },
            with_leader,
            limit,
            lanes: [Seen::Absent; 8],
            now: Duration::ZERO,
            pushed: Vec::new(),
            handed_out: HashSet::new(),
            removed: HashSet::new(),
            stopped: false,
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Start => {
                let free = self.lanes.iter().position(|lane| *lane == Seen::Absent);
                if let (true, Some(lane)) = (self.scheduler.wants_lane(), free) {
                    assert!(!self.stopped, "no lane is wanted after a stop");
                    self.scheduler.started(lane as LaneId);
                    self.lanes[lane] = Seen::Loose;
                }
            }
            Step::LineUp(lane) => {
                let busy = matches!(self.lanes[lane], Seen::Busy { .. });
                assert_eq!(self.scheduler.line_up(lane as LaneId, self.now), busy);
                if self.lanes[lane] != Seen::Absent {
                    self.lanes[lane] = Seen::Line;
                }
            }
            Step::Reserve(lane) => {
                let leads = self.lanes[lane] == Seen::Leads;
                assert_eq!(self.scheduler.reserved(lane as LaneId), leads);
                if leads {
                    self.lanes[lane] = Seen::Busy { background: false };
                }
            }
            Step::Finish(lane) => {
                let busy = matches!(self.lanes[lane], Seen::Busy { .. });
                assert_eq!(self.scheduler.finish(lane as LaneId, self.now), busy);
                if busy {
                    self.lanes[lane] = Seen::Loose;
                }
            }
            Step::End(lane) => {
                self.scheduler.ended(lane as LaneId, self.now);
                self.lanes[lane] = Seen::Absent;
            }
            Step::Push {
                priority,
                background,
                delay,
            } => {
                self.pushed.push(background);
                self.scheduler.push(
                    Waiting {
                        id: self.pushed.len() as JobId,
                        priority,
                        background,
                    },
                    delay.map(|delay| self.now + Duration::from_secs(delay)),
                );
            }
            Step::Remove(id) => {
                let id = id as JobId;
                if self.scheduler.remove(id) {
                    assert!(!self.handed_out.contains(&id), "it has started");
                    assert!(self.removed.insert(id), "it was removed before");
                }
            }
            Step::Pass(seconds) => {
                self.now += Duration::from_secs(seconds);
                self.scheduler.advance(self.now);
            }
            Step::Grant => self.grant(),
            Step::Pause(paused) => self.scheduler.pause(paused),
            Step::Stop => {
                self.scheduler.stop(0, "stopped");
                self.stopped = true;
            }
        }
        self.check();
    }

    fn grant(&mut self) {
        let Some((lane, grant)) = self.scheduler.grant() else {
            let work_waits = if self.with_leader {
                self.scheduler.leader().is_none()
            } else {
                self.scheduler.waiting().0 > 0 && self.foreground_left()
            };
            let in_line = self.count(|lane| lane == Seen::Line) > 0;
            assert!(
                !(in_line && (work_waits || self.stopped)),
                "a lane stands in line and something waits for it"
            );
            return;
        };
        assert_eq!(self.lanes[lane as usize], Seen::Line, "it stood in line");
        assert!(!self.stopped || grant == Grant::End);
        self.lanes[lane as usize] = match grant {
            Grant::Lead => Seen::Leads,
            Grant::End => {
                assert!(self.stopped || !self.foreground_left());
                Seen::Loose
            }
            Grant::Job(id) => {
                assert!(self.handed_out.insert(id), "job {id} was handed out twice");
                assert!(!self.removed.contains(&id), "job {id} was removed");
                Seen::Busy {
                    background: self.pushed[id as usize - 1],
                }
            }
        };
    }

    /// Jobs that keep the run going: those that wait and those in flight.
    fn foreground_left(&self) -> bool {
        let wait = (1..).zip(&self.pushed).any(|(id, background)| {
            !background && !self.handed_out.contains(&id) && !self.removed.contains(&id)
        });
        wait || self.with_leader || self.scheduler.in_flight() > 0
    }

    fn count(&self, which: impl Fn(Seen) -> bool) -> usize {
        self.lanes.iter().filter(|lane| which(**lane)).count()
    }

    fn check(&self) {
        let scheduler = &self.scheduler;
        let leaders: Vec<usize> = (0..8)
            .filter(|lane| self.lanes[*lane] == Seen::Leads)
            .collect();
        assert!(leaders.len() <= 1);
        assert_eq!(
            scheduler.leader(),
            leaders.first().map(|lane| *lane as LaneId)
        );
        let in_flight = self.count(|lane| lane == Seen::Busy { background: false });
        assert_eq!(scheduler.in_flight(), in_flight);
        assert_eq!(
            scheduler.reserved_so_far() - scheduler.finished_so_far(),
            in_flight as u64
        );
        assert_eq!(scheduler.idle(), self.count(|lane| lane == Seen::Line));
        assert_eq!(scheduler.lanes(), self.count(|lane| lane != Seen::Absent));
        assert!(scheduler.lanes() <= self.limit);
        let over = scheduler.lanes() == 0 && (self.stopped || !self.foreground_left());
        assert_eq!(scheduler.over(), over);
    }

    /// As a runner would: until the run is over, or nothing moves any more.
    fn run_to_the_end(&mut self) {
        if self.with_leader {
            self.take(Step::Stop);
        }
        for _ in 0..2000 {
            self.take(Step::Pass(1));
            self.take(Step::Start);
            self.take(Step::Grant);
            for lane in 0..8 {
                match self.lanes[lane] {
                    Seen::Busy { .. } => self.take(Step::Finish(lane)),
                    // It was told to end, or it has never stood in line.
                    Seen::Loose if self.stopped || !self.foreground_left() => {
                        self.take(Step::End(lane));
                    }
                    Seen::Loose | Seen::Leads => self.take(Step::LineUp(lane)),
                    Seen::Absent | Seen::Line => {}
                }
            }
            if self.scheduler.over() {
                return;
            }
        }
        panic!("the run does not end: {:?}", self.scheduler);
    }
}

proptest! {
    #[test]
    fn whatever_happens_the_invariants_hold(
        with_leader: bool,
        limit in 1..6_usize,
        steps in prop::collection::vec(step(), 0..300),
    ) {
        let mut model = Model::new(with_leader, limit);
        for step in steps {
            model.take(step);
        }
        model.run_to_the_end();
        let all: HashSet<JobId> = (1..).zip(&model.pushed).filter(|(_, background)| !**background).map(|(id, _)| id).collect();
        if !with_leader && !model.stopped {
            let gone: HashSet<JobId> = model.handed_out.union(&model.removed).copied().collect();
            prop_assert!(all.is_subset(&gone), "every job was handed out or removed");
        }
    }
}
