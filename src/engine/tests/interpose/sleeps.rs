//! Sleeps: they overlap.
use std::time::{Duration, Instant};

use crate::fixture::{Turn, call};
use crate::lanes::{self, Lanes};

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
