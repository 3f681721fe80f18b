//! The alarm: one POSIX timer that interrupts this thread.

use std::io::Write;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::lanes::ms;
use kqueue_engine::alarm::Alarm;
use kqueue_engine::signals::Signals;

/// A process has one handler for a signal: tests of signals go one after another.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

static RINGS: AtomicU32 = AtomicU32::new(0);
static THREAD: AtomicUsize = AtomicUsize::new(0);

extern "C" fn ring(_signal: i32) {
    THREAD.store(thread(), Ordering::SeqCst);
    RINGS.fetch_add(1, Ordering::SeqCst);
}

#[expect(unsafe_code, reason = "asks who runs")]
fn thread() -> usize {
    // SAFETY: always succeeds.
    unsafe { libc::pthread_self() as usize }
}

/// Burns the processor until it has rung so often, or the time is over.
fn rings(number: u32, time: Duration) -> bool {
    let until = Instant::now() + time;
    while Instant::now() < until {
        if RINGS.load(Ordering::SeqCst) >= number {
            return true;
        }
        std::hint::spin_loop();
    }
    false
}

fn alarm() -> Alarm {
    RINGS.store(0, Ordering::SeqCst);
    Alarm::new(ring).unwrap()
}

#[test]
fn it_rings_once_at_the_moment_on_this_thread() {
    let _one = alone();
    let mut alarm = alarm();
    let stop = std::sync::Arc::new(AtomicU32::new(0));
    let other = {
        let stop = std::sync::Arc::clone(&stop);
        std::thread::spawn(move || while stop.load(Ordering::SeqCst) == 0 {})
    };
    let began = Instant::now();
    alarm.set(Some(began + ms(20)));
    assert!(rings(1, Duration::from_secs(10)));
    assert!(began.elapsed() >= ms(20));
    assert_eq!(THREAD.load(Ordering::SeqCst), thread());
    assert!(!rings(2, ms(20)), "it rings once");
    stop.store(1, Ordering::SeqCst);
    other.join().unwrap();
}

#[test]
fn for_a_moment_that_has_passed_it_rings_whenever_it_is_set() {
    let _one = alone();
    let mut alarm = alarm();
    let moment = Instant::now() - ms(5);
    for number in 1..4 {
        alarm.set(Some(moment));
        assert!(rings(number, Duration::from_secs(10)));
    }
}

#[test]
fn none_stops_it() {
    let _one = alone();
    let mut alarm = alarm();
    alarm.set(Some(Instant::now() + ms(20)));
    alarm.set(None);
    assert!(!rings(1, ms(40)));
    alarm.set(Some(Instant::now() + ms(1)));
    assert!(rings(1, Duration::from_secs(10)), "it can be set again");
}

#[test]
fn a_moment_that_has_passed_rings_at_once() {
    let _one = alone();
    let mut alarm = alarm();
    alarm.set(Some(Instant::now() - ms(1)));
    assert!(rings(1, Duration::from_secs(10)));
    alarm.set(Some(Instant::now()));
    assert!(rings(2, Duration::from_secs(10)));
}

#[test]
fn the_last_moment_counts() {
    let _one = alone();
    let mut alarm = alarm();
    alarm.set(Some(Instant::now() + Duration::from_secs(60)));
    alarm.set(Some(Instant::now() + ms(5)));
    assert!(rings(1, Duration::from_secs(10)), "earlier than before");
    alarm.set(Some(Instant::now() + ms(5)));
    alarm.set(Some(Instant::now() + Duration::from_secs(60)));
    assert!(!rings(2, ms(20)), "later than before");
}

/// A lane that never waits would not hear of the master's word otherwise.
#[test]
fn it_rings_when_a_watched_socket_has_something_to_read() {
    let _one = alone();
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let mut watching = alarm();
    watching.watch(ours.as_raw_fd()).unwrap();
    assert!(!rings(1, ms(10)));
    (&theirs).write_all(b"x").unwrap();
    assert!(rings(1, Duration::from_secs(10)));
    assert_eq!(THREAD.load(Ordering::SeqCst), thread());
    drop(watching);
    (&theirs).write_all(b"x").unwrap();
    let mut other = alarm();
    assert!(!rings(1, ms(20)), "it is watched no more");
    assert!(other.watch(-1).is_err());
}

/// The same for a signal to this very process.
#[test]
fn it_rings_when_a_signal_comes() {
    let _one = alone();
    let signals = Signals::install(&[libc::SIGTERM]).unwrap();
    let alarm = alarm();
    kqueue_engine::signals::raise(libc::SIGTERM);
    assert!(rings(1, Duration::from_secs(10)));
    drop(alarm);
    kqueue_engine::signals::raise(libc::SIGTERM);
    assert_eq!(
        signals.take(),
        [libc::SIGTERM],
        "and without one nothing happens"
    );
}

#[test]
fn dropping_it_brings_the_old_handler_back() {
    static OLD: AtomicU32 = AtomicU32::new(0);
    extern "C" fn old(_signal: i32) {
        OLD.fetch_add(1, Ordering::SeqCst);
    }
    let _one = alone();
    let signal = libc::SIGRTMIN() + 5;
    let before = handle(signal, old as *const () as usize);
    let mut alarm = alarm();
    alarm.set(Some(Instant::now() + ms(10)));
    kqueue_engine::signals::raise(signal);
    assert_eq!(
        (RINGS.load(Ordering::SeqCst), OLD.load(Ordering::SeqCst)),
        (1, 0)
    );
    drop(alarm);
    kqueue_engine::signals::raise(signal);
    assert_eq!(OLD.load(Ordering::SeqCst), 1);
    assert!(!rings(2, ms(20)), "its timer is gone");
    assert_eq!(OLD.load(Ordering::SeqCst), 1);
    handle(signal, before);
}

/// The second would take the first one's handler, and leave it none when it goes.
#[test]
fn there_is_one_in_a_process() {
    let _one = alone();
    let first = alarm();
    assert!(Alarm::new(ring).is_err());
    assert!(Alarm::new(ring).is_err());
    drop(first);
    drop(alarm());
    let mut third = alarm();
    third.set(Some(Instant::now()));
    assert!(rings(1, Duration::from_secs(10)));
}

#[expect(unsafe_code, reason = "sets a handler")]
fn handle(signal: i32, handler: usize) -> usize {
    // SAFETY: a function of that form, or what was there before; zero bits are a valid action.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler;
        let mut old: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, &raw const action, &raw mut old);
        old.sa_sigaction
    }
}
