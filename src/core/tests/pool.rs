//! The pool of isolated children: order, reuse, limits, and that nobody waits for nothing.

use kqueue_core::pool::{Action, Counts, Fate, Pool};
use proptest::prelude::*;
use std::collections::{HashMap, HashSet};

fn assign(ticket: u64, child: u32) -> Option<Action> {
    Some(Action::Assign { ticket, child })
}

/// The pool wants a child, and gets this one.
fn fork(pool: &mut Pool, now_ms: u64, child: u32) {
    let Some(Action::Spawn { request }) = pool.poll(now_ms) else {
        panic!("the pool wants no child");
    };
    assert!(pool.spawned(request, child));
}

#[test]
fn higher_priority_first_then_first_come_first_served() {
    let mut pool = Pool::new(1, 0);
    for (ticket, priority) in [(1, 0), (2, 5), (3, 0), (4, 5), (5, -1)] {
        assert!(pool.line_up(ticket, priority));
    }
    fork(&mut pool, 0, 0);
    let mut order = Vec::new();
    while let Some(Action::Assign { ticket, child }) = pool.poll(0) {
        order.push(ticket);
        assert_eq!(pool.finished(child, true), Fate::Idle);
    }
    assert_eq!(order, [2, 4, 1, 3, 5]);
}

#[test]
fn the_newest_idle_child_is_used_first() {
    let mut pool = Pool::new(2, 0);
    pool.line_up(1, 0);
    pool.line_up(2, 0);
    for child in [10, 11] {
        let Some(Action::Spawn { request }) = pool.poll(0) else {
            panic!("two lanes wait, two children may live");
        };
        // Both wishes are made before the first is granted.
        if child == 11 {
            assert!(pool.spawned(request - 1, 10));
            assert!(pool.spawned(request, 11));
        }
    }
    assert_eq!(pool.poll(0), assign(1, 11));
    assert_eq!(pool.poll(0), assign(2, 10));
    pool.finished(11, true);
    pool.finished(10, true);
    pool.line_up(3, 0);
    assert_eq!(pool.poll(0), assign(3, 10));
}

#[test]
fn no_more_children_than_the_limit_and_none_without_need() {
    let mut pool = Pool::new(3, 0);
    assert_eq!(pool.poll(0), None);
    pool.line_up(1, 0);
    assert!(matches!(pool.poll(0), Some(Action::Spawn { .. })));
    assert_eq!(pool.poll(0), None, "one lane waits, one child starts");
    for ticket in 2..10 {
        pool.line_up(ticket, 0);
    }
    assert!(matches!(pool.poll(0), Some(Action::Spawn { .. })));
    assert!(matches!(pool.poll(0), Some(Action::Spawn { .. })));
    assert_eq!(pool.poll(0), None, "the limit is three");
}

#[test]
fn a_child_retires_after_its_last_job_and_counts_until_it_is_reaped() {
    let mut pool = Pool::new(1, 2);
    for ticket in 1..=3 {
        pool.line_up(ticket, 0);
    }
    fork(&mut pool, 0, 7);
    assert_eq!(pool.poll(0), assign(1, 7));
    assert_eq!(pool.finished(7, true), Fate::Idle);
    assert_eq!(pool.poll(0), assign(2, 7));
    assert_eq!(pool.finished(7, true), Fate::Retire);
    assert_eq!(pool.poll(0), None, "7 still lives");
    assert_eq!(pool.ended(7), None);
    assert!(matches!(pool.poll(0), Some(Action::Spawn { .. })));
}

#[test]
fn a_dead_child_gives_back_its_ticket_and_its_place() {
    let mut pool = Pool::new(1, 0);
    pool.line_up(1, 0);
    pool.line_up(2, 0);
    fork(&mut pool, 0, 0);
    assert_eq!(pool.poll(0), assign(1, 0));
    assert_eq!(pool.holder(0), Some(1));
    assert_eq!(pool.ended(0), Some(1));
    assert_eq!(pool.ended(0), None);
    assert_eq!(
        pool.finished(0, true),
        Fate::Retire,
        "a dead child is not idle"
    );
    assert!(matches!(pool.poll(0), Some(Action::Spawn { .. })));
}

#[test]
fn an_idle_child_that_dies_is_not_assigned() {
    let mut pool = Pool::new(2, 0);
    pool.line_up(1, 0);
    fork(&mut pool, 0, 0);
    pool.leave_line(1);
    assert_eq!(pool.ended(0), None);
    pool.line_up(2, 0);
    assert!(matches!(pool.poll(0), Some(Action::Spawn { .. })));
}

#[test]
fn a_failed_fork_is_tried_again_later_and_less_often() {
    let mut pool = Pool::new(1, 0);
    pool.line_up(1, 0);
    let mut now = 0;
    let mut pauses = Vec::new();
    for _ in 0..8 {
        let Some(Action::Spawn { request }) = pool.poll(now) else {
            panic!("no attempt at {now}");
        };
        assert!(pool.spawn_failed(request, now));
        let wakeup = pool.wakeup().unwrap();
        assert_eq!(pool.poll(wakeup - 1), None);
        pauses.push(wakeup - now);
        now = wakeup;
    }
    assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    fork(&mut pool, now, 0);
    assert_eq!(pool.wakeup(), None);
    assert_eq!(pool.poll(now), assign(1, 0));
}

#[test]
fn who_leaves_the_line_is_not_served_and_nobody_has_two_places() {
    let mut pool = Pool::new(1, 0);
    assert!(pool.line_up(1, 0));
    assert!(!pool.line_up(1, 9));
    pool.line_up(2, 0);
    assert!(pool.leave_line(1));
    assert!(!pool.leave_line(1));
    fork(&mut pool, 0, 0);
    assert_eq!(pool.poll(0), assign(2, 0));
    assert!(!pool.leave_line(2), "it has a child");
    assert_eq!(pool.poll(0), None);
}

#[test]
fn an_answer_that_nobody_waits_for_changes_nothing() {
    let mut pool = Pool::new(1, 0);
    assert!(!pool.spawned(5, 5));
    assert!(!pool.spawn_failed(5, 0));
    assert_eq!(pool.discard(5), None);
    assert_eq!(pool.counts(), Counts::default());
}

#[derive(Debug, Clone)]
enum Step {
    LineUp(i32),
    LeaveLine(prop::sample::Index),
    ForkOk(prop::sample::Index),
    ForkFails(prop::sample::Index),
    Finish(prop::sample::Index, bool),
    Discard(prop::sample::Index),
    Die(prop::sample::Index),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Step> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        3 => (-2..3i32).prop_map(Step::LineUp),
        1 => index().prop_map(Step::LeaveLine),
        3 => index().prop_map(Step::ForkOk),
        1 => index().prop_map(Step::ForkFails),
        3 => (index(), prop::bool::weighted(0.8)).prop_map(|(at, reusable)| Step::Finish(at, reusable)),
        1 => index().prop_map(Step::Discard),
        1 => index().prop_map(Step::Die),
        1 => (0u64..3000).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn whatever_happens_the_books_are_right(
        limit in 0usize..4, max_jobs in 0u32..4, steps in prop::collection::vec(steps(), 0..120)
    ) {
        let mut pool = Pool::new(limit, max_jobs);
        let mut now = 0;
        let (mut next_ticket, mut next_child) = (0u64, 0u32);
        let mut line: Vec<(i32, u64)> = Vec::new();
        let mut requests: Vec<u32> = Vec::new();
        let mut alive: Vec<u32> = Vec::new();
        let mut busy: HashMap<u32, u64> = HashMap::new();
        let mut unusable: HashSet<u32> = HashSet::new();
        let mut jobs: HashMap<u32, u32> = HashMap::new();

        for step in steps {
            match step {
                Step::LineUp(priority) => {
                    pool.line_up(next_ticket, priority);
                    line.push((priority, next_ticket));
                    next_ticket += 1;
                }
                Step::LeaveLine(at) if !line.is_empty() => {
                    let (_, ticket) = line.remove(at.index(line.len()));
                    prop_assert!(pool.leave_line(ticket));
                }
                Step::ForkOk(at) if !requests.is_empty() => {
                    let request = requests.remove(at.index(requests.len()));
                    prop_assert!(pool.spawned(request, next_child));
                    alive.push(next_child);
                    next_child += 1;
                }
                Step::ForkFails(at) if !requests.is_empty() => {
                    let request = requests.remove(at.index(requests.len()));
                    prop_assert!(pool.spawn_failed(request, now));
                }
                Step::Finish(at, reusable) if !busy.is_empty() => {
                    let mut children: Vec<_> = busy.keys().copied().collect();
                    children.sort_unstable();
                    let child = children[at.index(children.len())];
                    busy.remove(&child);
                    let count = jobs.entry(child).or_default();
                    *count += 1;
                    let retire = !reusable || (max_jobs > 0 && *count >= max_jobs);
                    let fate = if retire { Fate::Retire } else { Fate::Idle };
                    prop_assert_eq!(pool.finished(child, reusable), fate);
                    if retire {
                        unusable.insert(child);
                    }
                }
                Step::Discard(at) if !alive.is_empty() => {
                    let child = alive[at.index(alive.len())];
                    prop_assert_eq!(pool.discard(child), busy.remove(&child));
                    unusable.insert(child);
                }
                Step::Die(at) if !alive.is_empty() => {
                    let child = alive.remove(at.index(alive.len()));
                    prop_assert_eq!(pool.ended(child), busy.remove(&child));
                    unusable.remove(&child);
                }
                Step::Wait(ms) => now += ms,
                _ => {}
            }
            while let Some(action) = pool.poll(now) {
                match action {
                    Action::Assign { ticket, child } => {
                        // The first of the highest priority, to a child that lives and is free.
                        let first = *line.iter().max_by_key(|(priority, ticket)| (*priority, std::cmp::Reverse(*ticket))).unwrap();
                        prop_assert_eq!(ticket, first.1);
                        line.retain(|entry| entry.1 != ticket);
                        prop_assert!(alive.contains(&child) && !unusable.contains(&child));
                        prop_assert_eq!(busy.insert(child, ticket), None);
                    }
                    Action::Spawn { request } => {
                        prop_assert!(!requests.contains(&request));
                        requests.push(request);
                        prop_assert!(requests.len() <= line.len(), "a child that nobody needs");
                    }
                }
                prop_assert!(alive.len() + requests.len() <= limit);
            }
            let idle = alive.len() - busy.len() - unusable.len();
            prop_assert_eq!(pool.counts(), Counts {
                idle, busy: busy.len(), starting: requests.len(), leaving: unusable.len(), waiting: line.len(),
            });
            if !line.is_empty() && limit > 0 {
                prop_assert_eq!(idle, 0, "a lane waits beside an idle child");
                let somebody_comes = !busy.is_empty() || !unusable.is_empty() || !requests.is_empty();
                prop_assert!(somebody_comes || pool.wakeup().is_some_and(|at| at > now), "a lane waits for nothing");
            }
        }
    }
}
