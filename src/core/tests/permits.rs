//! Permits: who gets one, who waits, and that nobody waits in vain.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use kqueue_core::permits::{Permit, Permits};
use proptest::prelude::*;

fn wanted(permits: &Permits, lane: u32) -> Vec<&str> {
    permits.wanted_of(lane).collect()
}

/// For a job of its own.
fn ask(permits: &mut Permits, lane: u32, name: &str, limit: usize) -> Option<Permit> {
    permits.ask(lane, lane, name, limit)
}

/// At most one lane can go on when nobody helps anybody.
fn give_back(permits: &mut Permits, permit: Permit) -> Option<(u32, Permit)> {
    let woken = permits.give_back(permit);
    assert!(woken.len() <= 1, "{woken:?}");
    woken.first().copied()
}

#[test]
fn as_many_as_there_are_then_in_order() {
    let mut permits = Permits::default();
    let first = ask(&mut permits, 1, "db", 2).unwrap();
    let second = ask(&mut permits, 2, "db", 2).unwrap();
    assert_eq!(ask(&mut permits, 3, "db", 2), None);
    assert_eq!(ask(&mut permits, 4, "db", 2), None);
    assert_eq!(permits.holders("db"), [1, 2]);
    let (lane, third) = give_back(&mut permits, first).unwrap();
    assert_eq!(lane, 3);
    let (lane, fourth) = give_back(&mut permits, second).unwrap();
    assert_eq!(lane, 4);
    assert_eq!(give_back(&mut permits, third), None);
    assert_eq!(give_back(&mut permits, fourth), None);
    assert_eq!(permits.holders("db"), []);
    assert!(!permits.is_anyone_waiting());
}

#[test]
fn names_know_nothing_of_each_other() {
    let mut permits = Permits::default();
    ask(&mut permits, 1, "a", 1).unwrap();
    ask(&mut permits, 2, "b", 1).unwrap();
    assert_eq!(ask(&mut permits, 1, "b", 1), None);
    assert_eq!(wanted(&permits, 2), ["b"]);
    assert_eq!(wanted(&permits, 1), [""; 0]);
}

#[test]
fn a_lane_that_has_one_does_not_wait_for_itself() {
    let mut permits = Permits::default();
    let read = ask(&mut permits, 1, "db", 1).unwrap();
    assert_eq!(ask(&mut permits, 2, "db", 1), None);
    let write = ask(&mut permits, 1, "db", 1).unwrap();
    assert_eq!(give_back(&mut permits, read), None, "it has another");
    assert_eq!(give_back(&mut permits, write).unwrap().0, 2);
}

#[test]
fn whoever_comes_later_does_not_overtake() {
    let mut permits = Permits::default();
    let held = ask(&mut permits, 1, "db", 1).unwrap();
    assert_eq!(ask(&mut permits, 2, "db", 1), None);
    assert_eq!(ask(&mut permits, 2, "db", 1), None, "it waits once");
    let (lane, given) = give_back(&mut permits, held).unwrap();
    assert_eq!(lane, 2);
    assert_eq!(ask(&mut permits, 1, "db", 1), None);
    assert_eq!(give_back(&mut permits, given).unwrap().0, 1);
    assert!(!permits.is_anyone_waiting());
}

#[test]
fn what_is_given_back_twice_is_free_once() {
    let mut permits = Permits::default();
    let held = ask(&mut permits, 1, "db", 1).unwrap();
    give_back(&mut permits, held);
    let next = ask(&mut permits, 2, "db", 1).unwrap();
    assert_eq!(give_back(&mut permits, held), None);
    assert_eq!(ask(&mut permits, 3, "db", 1), None);
    assert_eq!(give_back(&mut permits, next).unwrap().0, 3);
    assert_eq!(give_back(&mut permits, 9999), None);
}

#[test]
fn a_lane_that_is_gone_holds_nothing_and_waits_for_nothing() {
    let mut permits = Permits::default();
    ask(&mut permits, 1, "a", 1).unwrap();
    ask(&mut permits, 1, "b", 1).unwrap();
    ask(&mut permits, 1, "b", 1).unwrap();
    for lane in [2, 3] {
        ask(&mut permits, lane, "a", 1);
        ask(&mut permits, lane, "b", 1);
    }
    permits.give_up(2);
    let given: Vec<u32> = permits.gone(1).into_iter().map(|(lane, _)| lane).collect();
    assert_eq!(given, [3, 3]);
    assert_eq!(
        (permits.holders("a"), permits.holders("b")),
        (vec![3], vec![3])
    );
    assert_eq!(permits.gone(3), []);
    assert!(permits.holders("a").is_empty());
}

#[derive(Debug, Clone)]
enum Step {
    Ask(u32, &'static str),
    GiveBack(usize),
    GiveUp(u32),
    Gone(u32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let name = prop_oneof![Just("a"), Just("b")];
    let step = prop_oneof![
        4 => (0..6_u32, name).prop_map(|(lane, name)| Step::Ask(lane, name)),
        3 => (0..20_usize).prop_map(Step::GiveBack),
        1 => (0..6_u32).prop_map(Step::GiveUp),
        1 => (0..6_u32).prop_map(Step::Gone),
    ];
    prop::collection::vec(step, 0..80)
}

proptest! {
    /// Against a model that keeps lists: the limit holds, nobody waits while there is room, turns are in order.
    #[test]
    fn any_order_of_steps(limit in 1..4_usize, steps in steps()) {
        let mut permits = Permits::default();
        let mut out: Vec<(Permit, u32, &str)> = Vec::new();
        let mut waiting: BTreeMap<&str, VecDeque<u32>> = BTreeMap::new();
        let lanes = |out: &[(Permit, u32, &str)], name: &str| -> BTreeSet<u32> {
            out.iter().filter(|entry| entry.2 == name).map(|entry| entry.1).collect()
        };
        for step in steps {
            let mut given = Vec::new();
            match step {
                Step::Ask(lane, name) => {
                    // A lane that waits is suspended: it asks for nothing else.
                    if waiting.values().any(|line| line.contains(&lane)) {
                        continue;
                    }
                    let holders = lanes(&out, name);
                    let line = waiting.entry(name).or_default();
                    let room = holders.contains(&lane) || holders.len() < limit && line.is_empty();
                    match ask(&mut permits, lane, name, limit) {
                        Some(permit) => { prop_assert!(room); out.push((permit, lane, name)); }
                        None => { prop_assert!(!room); line.push_back(lane); }
                    }
                }
                Step::GiveBack(index) => {
                    if !out.is_empty() {
                        let (permit, ..) = out.remove(index % out.len());
                        given.extend(give_back(&mut permits, permit));
                        prop_assert_eq!(give_back(&mut permits, permit), None);
                    }
                }
                Step::GiveUp(lane) => {
                    permits.give_up(lane);
                    waiting.values_mut().for_each(|line| line.retain(|other| *other != lane));
                }
                Step::Gone(lane) => {
                    waiting.values_mut().for_each(|line| line.retain(|other| *other != lane));
                    out.retain(|entry| entry.1 != lane);
                    given.extend(permits.gone(lane));
                }
            }
            for (lane, permit) in given {
                let name = *waiting.iter().find(|(_, line)| line.front() == Some(&lane)).expect("its turn").0;
                waiting.get_mut(name).unwrap().pop_front();
                prop_assert!(out.iter().all(|entry| entry.0 != permit));
                out.push((permit, lane, name));
            }
            for name in ["a", "b"] {
                let holders = lanes(&out, name);
                prop_assert_eq!(permits.holders(name), holders.iter().copied().collect::<Vec<_>>());
                prop_assert!(holders.len() <= limit);
                let line = waiting.entry(name).or_default();
                prop_assert!(line.is_empty() || holders.len() == limit, "someone waits in vain");
                for lane in 0..6 {
                    let is_wanted = permits.wanted_of(lane).any(|other| other == name);
                    prop_assert_eq!(is_wanted, holders.contains(&lane) && !line.is_empty());
                }
            }
            prop_assert_eq!(permits.is_anyone_waiting(), waiting.values().any(|line| !line.is_empty()));
        }
    }
}

#[test]
fn lanes_that_help_with_one_job_share_what_it_has() {
    let mut permits = Permits::default();
    let held = permits.ask(1, 1, "db", 1).unwrap();
    assert!(permits.ask(11, 1, "db", 1).is_some(), "the job has one");
    assert_eq!(permits.ask(21, 2, "db", 1), None);
    assert_eq!(permits.ask(3, 3, "db", 1), None);
    assert_eq!(permits.ask(22, 2, "db", 1), None);
    // The helper has ended; what it took is its job's.
    assert_eq!(permits.gone(11), []);
    assert_eq!(permits.holders("db"), [1]);
    assert_eq!(permits.give_back(held), [], "the helper's is still there");
    let woken: Vec<u32> = permits.gone(1).iter().map(|(lane, _)| *lane).collect();
    assert_eq!(woken, [21, 22], "both that help with job 2");
    assert_eq!(permits.holders("db"), [2]);
    let woken: Vec<u32> = permits.gone(2).iter().map(|(lane, _)| *lane).collect();
    assert_eq!(woken, [3]);
}

#[test]
fn who_cannot_wait_gets_one_beyond_the_limit() {
    let mut permits = Permits::default();
    let held = ask(&mut permits, 1, "db", 1).unwrap();
    assert_eq!(ask(&mut permits, 2, "db", 1), None);
    let beyond = permits.take(3, "db");
    assert_eq!(permits.holders("db"), [1, 3]);
    assert_eq!(permits.give_back(beyond), [], "there is still one too many");
    assert_eq!(give_back(&mut permits, held).unwrap().0, 2);
}
