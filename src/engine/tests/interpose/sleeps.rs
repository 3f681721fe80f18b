//! `sleep`, `usleep`, `nanosleep`, `clock_nanosleep`.
use std::time::{Duration, Instant};

use kqueue_engine::alarm::Alarm;
use kqueue_engine::interpose::Woken;
use libc::timespec;

use crate::descriptors::{errno, set_errno};
use crate::fixture::{Turn, call};
use crate::lanes::{self, Lanes};
use crate::recorder::RECORDER;

const fn millis(millis: i64) -> timespec {
    timespec {
        tv_sec: millis / 1000,
        tv_nsec: millis % 1000 * 1_000_000,
    }
}

fn about(timeout: Option<Duration>, millis: u64) -> bool {
    timeout.is_some_and(|timeout| {
        timeout <= Duration::from_millis(millis)
            && timeout + Duration::from_millis(10) > Duration::from_millis(millis)
    })
}

#[test]
fn two_lanes_sleep_at_the_same_time() {
    let turn = Turn::take();
    let report = turn.install(&Lanes);
    assert!(report.functions.contains(&"usleep"), "{report:?}");
    let usleep = call!(call_usleep(micros: u32) -> i32);
    let begin = Instant::now();
    let work = move || assert_eq!(usleep(200_000), 0);
    let waits = lanes::run(vec![Box::new(work), Box::new(work)]);
    assert_eq!(waits, [1, 1]);
    assert!(begin.elapsed() >= Duration::from_millis(200));
    assert!(
        begin.elapsed() < Duration::from_millis(380),
        "{:?}",
        begin.elapsed()
    );
}

#[test]
fn every_sleep_is_a_wait_without_descriptors() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    let usleep = call!(call_usleep(micros: u32) -> i32);
    let by_table = call!(call_by_table(micros: u32) -> i32);
    let nanosleep = call!(call_nanosleep(wanted: *const timespec, rest: *mut timespec) -> i32);
    let clock_nanosleep = call!(call_clock_nanosleep(clock: i32, flags: i32, wanted: *const timespec, rest: *mut timespec) -> i32);
    let none = std::ptr::null_mut();
    set_errno(77);
    assert_eq!(usleep(30_000), 0);
    assert_eq!(by_table(30_000), 0);
    assert_eq!(nanosleep(&millis(30), none), 0);
    assert_eq!(
        clock_nanosleep(libc::CLOCK_MONOTONIC, 0, &millis(30), none),
        0
    );
    let mut end = millis(0);
    // SAFETY: `end` is writable.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut end) };
    end.tv_nsec += 30_000_000;
    end.tv_sec += end.tv_nsec / 1_000_000_000;
    end.tv_nsec %= 1_000_000_000;
    assert_eq!(
        clock_nanosleep(libc::CLOCK_MONOTONIC, libc::TIMER_ABSTIME, &end, none),
        0
    );
    assert_eq!(errno(), 77);
    let waits = RECORDER.waits();
    assert_eq!(waits.len(), 5, "{waits:?}");
    assert!(
        waits
            .iter()
            .all(|wait| wait.fds.is_empty() && about(wait.timeout, 30)),
        "{waits:?}"
    );
}

#[test]
fn sleep_is_a_wait_of_whole_seconds() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    let sleep = call!(call_sleep(seconds: u32) -> u32);
    assert_eq!(sleep(1), 0);
    assert!(about(RECORDER.wait().timeout, 1000));
}

#[test]
fn a_sleep_that_wakes_too_early_goes_on() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    RECORDER.answers_first(&[Woken::Ready, Woken::TimedOut]);
    let usleep = call!(call_usleep(micros: u32) -> i32);
    let begin = Instant::now();
    assert_eq!(usleep(30_000), 0);
    assert!(begin.elapsed() >= Duration::from_millis(30));
    assert_eq!(RECORDER.waits().len(), 3);
}

#[test]
fn no_time_and_bad_times_are_left_to_libc() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    let usleep = call!(call_usleep(micros: u32) -> i32);
    let sleep = call!(call_sleep(seconds: u32) -> u32);
    let nanosleep = call!(call_nanosleep(wanted: *const timespec, rest: *mut timespec) -> i32);
    let clock_nanosleep = call!(call_clock_nanosleep(clock: i32, flags: i32, wanted: *const timespec, rest: *mut timespec) -> i32);
    let none = std::ptr::null_mut();
    assert_eq!(usleep(0), 0);
    assert_eq!(sleep(0), 0);
    let bad = timespec {
        tv_sec: 0,
        tv_nsec: 1_000_000_000,
    };
    assert_eq!((nanosleep(&bad, none), errno()), (-1, libc::EINVAL));
    assert_eq!(
        clock_nanosleep(libc::CLOCK_MONOTONIC, 0, &bad, none),
        libc::EINVAL
    );
    assert_eq!(
        clock_nanosleep(libc::CLOCK_MONOTONIC, libc::TIMER_ABSTIME, &millis(1), none),
        0
    );
    assert_eq!(RECORDER.waits(), []);
}

#[test]
fn a_cancelled_sleep_is_interrupted_and_nothing_remains() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    RECORDER.answers_always(Woken::Cancelled);
    let usleep = call!(call_usleep(micros: u32) -> i32);
    let sleep = call!(call_sleep(seconds: u32) -> u32);
    let nanosleep = call!(call_nanosleep(wanted: *const timespec, rest: *mut timespec) -> i32);
    let clock_nanosleep = call!(call_clock_nanosleep(clock: i32, flags: i32, wanted: *const timespec, rest: *mut timespec) -> i32);
    let begin = Instant::now();
    assert_eq!((usleep(900_000), errno()), (-1, libc::EINTR));
    assert_eq!(sleep(5), 4);
    let mut rest = millis(77);
    assert_eq!(
        (nanosleep(&millis(5000), &mut rest), errno()),
        (-1, libc::EINTR)
    );
    assert_eq!((rest.tv_sec, rest.tv_nsec), (0, 0));
    rest = millis(77);
    assert_eq!(
        clock_nanosleep(libc::CLOCK_REALTIME, 0, &millis(5000), &mut rest),
        libc::EINTR
    );
    assert_eq!((rest.tv_sec, rest.tv_nsec), (0, 0));
    assert!(begin.elapsed() < Duration::from_millis(500));
}

#[test]
fn a_refused_sleep_is_a_real_one() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    RECORDER.answers_always(Woken::Refused);
    let usleep = call!(call_usleep(micros: u32) -> i32);
    let nanosleep = call!(call_nanosleep(wanted: *const timespec, rest: *mut timespec) -> i32);
    let begin = Instant::now();
    assert_eq!(usleep(20_000), 0);
    assert_eq!(nanosleep(&millis(20), std::ptr::null_mut()), 0);
    assert!(begin.elapsed() >= Duration::from_millis(40));
}

extern "C" fn rung(_signal: i32) {}

#[test]
fn where_a_lane_may_not_be_suspended_the_alarm_ends_no_wait_unless_the_lane_is_to_end() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    RECORDER.allows(false);
    let usleep = call!(call_usleep(micros: u32) -> i32);
    let nanosleep = call!(call_nanosleep(wanted: *const timespec, rest: *mut timespec) -> i32);
    let poll = call!(call_poll(fds: *mut libc::pollfd, n: u64, timeout: i32) -> i32);
    let mut alarm = Alarm::new(rung).expect("the only alarm");
    let mut soon = || alarm.set(Some(Instant::now() + Duration::from_millis(10)));
    let mut rest = millis(77);
    let began = Instant::now();
    soon();
    assert_eq!(usleep(40_000), 0);
    soon();
    assert_eq!(nanosleep(&millis(40), &mut rest), 0);
    soon();
    assert_eq!(poll(std::ptr::null_mut(), 0, 40), 0);
    assert!(began.elapsed() >= Duration::from_millis(120));

    RECORDER.ends(true);
    assert_eq!((usleep(900_000), errno()), (-1, libc::EINTR));
    assert_eq!(
        (nanosleep(&millis(5000), &mut rest), errno()),
        (-1, libc::EINTR)
    );
    assert_eq!((rest.tv_sec, rest.tv_nsec), (0, 0));
    assert_eq!(
        (poll(std::ptr::null_mut(), 0, 5000), errno()),
        (-1, libc::ECANCELED)
    );
    assert!(began.elapsed() < Duration::from_secs(3));
}
