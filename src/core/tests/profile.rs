//! What jobs cost: sums and maxima of slices, and processor time from few readings of the thread's clock.

use std::time::Duration;

use kqueue_core::profile::{Loading, Meter, Slice, Usage};
use proptest::prelude::*;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn slice(wall: u64, cpu: u64, memory: i64) -> Slice {
    Slice {
        wall: ms(wall),
        cpu: ms(cpu),
        memory,
        loading: Loading::default(),
    }
}

#[test]
fn a_job_is_the_sum_of_its_slices() {
    let mut usage = Usage::default();
    assert!(usage.add(slice(5, 4, 1000)));
    assert!(!usage.add(slice(2, 2, 500)));
    assert!(usage.add(slice(9, 1, -1200)));
    assert!(!usage.add(slice(9, 1, 700)));
    assert_eq!(usage.slices, 4);
    assert_eq!(usage.cpu, ms(8));
    assert_eq!((usage.longest, usage.longest_cpu), (ms(9), ms(4)));
    assert_eq!(usage.memory, 1500, "the most it had, not what is left");
}

#[test]
fn a_job_that_frees_what_was_there_before_has_used_nothing() {
    let mut usage = Usage::default();
    usage.add(slice(1, 1, -5000));
    usage.add(slice(1, 1, 4000));
    assert_eq!(usage.memory, 0);
    usage.add(slice(1, 1, 3000));
    assert_eq!(usage.memory, 2000);
}

#[test]
fn code_that_is_loaded_first_is_not_the_jobs_own() {
    let mut usage = Usage::default();
    let loading = Loading {
        cpu: ms(1500),
        memory: 4000,
    };
    assert!(usage.add(Slice {
        loading,
        ..slice(2000, 1700, 5000)
    }));
    assert_eq!((usage.longest_cpu, usage.memory), (ms(200), 1000));
    assert_eq!(
        (usage.longest, usage.cpu),
        (ms(2000), ms(1700)),
        "the others had to wait for all of it"
    );
    // A reading of the slice that is less than that of the loading, by another clock.
    usage.add(Slice {
        loading,
        ..slice(1400, 1400, 3000)
    });
    assert_eq!((usage.longest_cpu, usage.memory), (ms(200), 1000));
}

#[test]
fn a_short_slice_does_not_read_the_threads_clock() {
    let mut meter = Meter::default();
    meter.mark(ms(0), ms(0));
    assert_eq!(meter.cpu(ms(3), ms(5), || unreachable!()), ms(2));
}

#[test]
fn a_long_slice_without_the_processor_costs_little() {
    let mut meter = Meter::default();
    assert!(meter.is_stale(ms(100)));
    meter.mark(ms(100), ms(40));
    assert!(!meter.is_stale(ms(101)));
    assert_eq!(meter.cpu(ms(101), ms(1101), || ms(90)), ms(50));
    // The reading is a mark, too.
    assert!(!meter.is_stale(ms(1105)));
    assert_eq!(meter.cpu(ms(1105), ms(2105), || ms(1090)), ms(1000));
    assert!(meter.is_stale(ms(2200)));
}

/// Slices and the pauses between them, in milliseconds; how much of each was on the processor, in percent.
fn history() -> impl Strategy<Value = Vec<(u64, u64, u64, u64)>> {
    prop::collection::vec((0..60_u64, 0..100_u64, 0..400_u64, 0..=100_u64), 1..60)
}

proptest! {
    /// Against a thread's clock that is known all the time: what is counted is the truth, but for short slices (counted whole) and
    /// for what ran between a mark and the slice.
    #[test]
    fn processor_time_is_right_to_some_milliseconds(history in history()) {
        let mut meter = Meter::default();
        let (mut now, mut thread) = (Duration::ZERO, Duration::ZERO);
        for (pause, pause_share, wall, share) in history {
            now += ms(pause);
            thread += ms(pause) * pause_share as u32 / 100;
            if meter.is_stale(now) {
                meter.mark(now, thread);
            }
            let (began, cpu) = (now, ms(wall) * share as u32 / 100);
            now += ms(wall);
            thread += cpu;
            let mut read = false;
            let counted = meter.cpu(began, now, || { read = true; thread });
            prop_assert!(counted <= ms(wall));
            prop_assert!(counted >= cpu);
            prop_assert!(counted <= cpu + ms(20) || !read && wall < 10);
            prop_assert_eq!(read, wall >= 10);
        }
    }

    #[test]
    fn sums_and_maxima_hold_for_any_slices(slices in prop::collection::vec((0..5000_u64, 0..5000_u64, -1_000_000..1_000_000_i64), 0..50)) {
        let mut usage = Usage::default();
        let mut longest = 0;
        for (wall, cpu, memory) in &slices {
            let is_longest = usage.add(slice(*wall, *cpu, *memory));
            prop_assert_eq!(is_longest, *wall > longest);
            longest = longest.max(*wall);
        }
        prop_assert_eq!(usage.slices, slices.len() as u64);
        prop_assert_eq!(usage.longest, ms(longest));
        prop_assert_eq!(usage.cpu, ms(slices.iter().map(|slice| slice.1).sum()));
        let mut held = 0;
        let most = slices.iter().map(|slice| { held += slice.2; held }).max().unwrap_or(0).max(0);
        prop_assert_eq!(usage.memory, most as u64);
    }
}
