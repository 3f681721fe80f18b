//! Whose fault a runner's end is, and when the run gives up.

use kqueue_core::blame::Blame::{Guilty, Innocent, Suspect};
use kqueue_core::blame::{Death, History, InFlight, Stage};
use std::time::Duration;

fn job(lane: u32, name: &'static str) -> InFlight<&'static str> {
    InFlight {
        lane,
        info: name,
        stage: Stage::Begun,
        fatal: None,
    }
}

fn fatal(lane: u32, name: &'static str) -> InFlight<&'static str> {
    InFlight {
        fatal: Some("Cannot redeclare class X".into()),
        ..job(lane, name)
    }
}

fn reserved(lane: u32, name: &'static str) -> InFlight<&'static str> {
    InFlight {
        stage: Stage::Reserved,
        ..job(lane, name)
    }
}

fn judge(
    history: &mut History,
    death: Death,
    jobs: &[InFlight<&'static str>],
) -> Vec<kqueue_core::blame::Blame> {
    history.judge(death, jobs, |name| (*name).to_owned())
}

#[test]
fn only_the_lane_that_fell_or_hung_is_guilty() {
    let jobs = [job(0, "a"), job(3, "b"), reserved(4, "c")];
    for death in [Death::Fell(Some(3)), Death::Hung(3)] {
        let mut history = History::default();
        assert_eq!(
            judge(&mut history, death, &jobs),
            [Innocent, Guilty, Innocent]
        );
    }
    // Also one that was only looked at: its class may be what the process fell over.
    let mut history = History::default();
    assert_eq!(
        judge(&mut history, Death::Fell(Some(4)), &jobs),
        [Innocent, Innocent, Guilty]
    );
}

/// What is left of a job that has ended runs at its lane's end: it is known whose it was if the lane had no other.
#[test]
fn what_jobs_have_left_behind_is_theirs() {
    let left = |alone, fatal: Option<&str>| InFlight {
        stage: Stage::Ended { alone },
        fatal: fatal.map(str::to_owned),
        ..job(1, "b")
    };
    for (alone, blame) in [(true, Guilty), (false, Suspect)] {
        let jobs = [job(0, "a"), left(alone, None)];
        for death in [Death::Fell(Some(1)), Death::Hung(1)] {
            let mut history = History::default();
            assert_eq!(judge(&mut history, death, &jobs), [Innocent, blame]);
        }
        for death in [
            Death::Meant,
            Death::Killed,
            Death::Fell(Some(0)),
            Death::Fell(None),
        ] {
            let mut history = History::default();
            assert_eq!(judge(&mut history, death, &jobs)[1], Innocent);
        }
        let mut history = History::default();
        let jobs = [job(0, "a"), left(alone, Some("Cannot redeclare"))];
        assert_eq!(
            judge(&mut history, Death::Fell(None), &jobs),
            [Innocent, blame]
        );
    }
}

#[test]
fn a_fatal_error_explains_whatever_comes_after_it() {
    let jobs = [fatal(0, "a"), job(1, "b"), fatal(2, "c")];
    for death in [
        Death::Fell(None),
        Death::Fell(Some(1)),
        Death::Hung(1),
        Death::Killed,
        Death::Meant,
    ] {
        let mut history = History::default();
        assert_eq!(
            judge(&mut history, death, &jobs),
            [Guilty, Innocent, Guilty]
        );
    }
}

#[test]
fn where_no_lane_can_be_named_all_that_had_begun_are_charged() {
    let jobs = [job(0, "a"), reserved(1, "b"), job(2, "c")];
    let mut history = History::default();
    assert_eq!(
        judge(&mut history, Death::Fell(None), &jobs),
        [Suspect, Innocent, Suspect]
    );
    assert_eq!(judge(&mut history, Death::Meant, &jobs), [Innocent; 3]);
}

#[test]
fn a_kill_blames_nobody_unless_the_same_job_is_there_again_and_again() {
    let mut history = History::default();
    let jobs = [job(0, "a"), job(1, "b"), reserved(2, "c")];
    assert_eq!(judge(&mut history, Death::Killed, &jobs), [Innocent; 3]);
    // A lane that fell between two jobs is no job's fault either.
    assert_eq!(
        judge(&mut history, Death::Fell(Some(9)), &jobs[..1]),
        [Innocent]
    );
    assert_eq!(
        judge(&mut history, Death::Killed, &jobs),
        [Suspect, Innocent, Innocent],
        "the third time in a row for one, not for the other"
    );
}

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn deaths_without_progress_are_a_loop() {
    let mut history = History::default();
    let second = Duration::from_secs;
    for n in 1..5 {
        assert!(!history.is_loop(second(n * 40), 7, 5, MINUTE), "death {n}");
    }
    assert!(history.is_loop(second(200), 7, 5, MINUTE));
    // Not if there is time between them, or a job has ended.
    assert!(!history.is_loop(second(260), 7, 2, MINUTE));
    assert!(!history.is_loop(second(261), 8, 2, MINUTE));
    assert!(history.is_loop(second(262), 8, 2, MINUTE));
}

#[test]
fn charging_another_job_is_progress_and_the_same_again_is_none() {
    let mut history = History::default();
    let names = ["a", "b", "c", "d", "e", "f"];
    for (n, name) in names.into_iter().enumerate() {
        judge(&mut history, Death::Fell(Some(0)), &[job(0, name)]);
        assert!(!history.is_loop(Duration::from_secs(n as u64), 0, 3, MINUTE));
    }
    judge(&mut history, Death::Fell(Some(0)), &[job(0, "a")]);
    assert!(!history.is_loop(Duration::from_secs(7), 0, 3, MINUTE));
    judge(&mut history, Death::Fell(Some(0)), &[job(0, "a")]);
    assert!(history.is_loop(Duration::from_secs(8), 0, 3, MINUTE));
}
