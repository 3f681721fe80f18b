//! The reactor by itself: its timer, its watches, and that it neither waits too long nor for ever finds the same.

use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use super::lanes::{ms, pipe, put_byte, replace, take_byte};
use kqueue_engine::reactor::{Reactor, Refusal};
use nix::sys::eventfd::EventFd;

const IN: i16 = libc::POLLIN;

/// Waits until something is ready or the moment has come; the reactor itself may find nothing before.
fn wait(reactor: &mut Reactor, until: Instant) -> Vec<u64> {
    let mut ready = Vec::new();
    while ready.is_empty() && Instant::now() < until {
        reactor.wait(Some(until), &mut ready).unwrap();
    }
    ready
}

fn ready_events(number: usize) -> Vec<EventFd> {
    super::order::allow_descriptors();
    let events = (0..number).map(|_| EventFd::from_value(1).unwrap());
    events.collect()
}

fn after(milliseconds: u64) -> Instant {
    Instant::now() + ms(milliseconds)
}

#[test]
fn the_timer_can_be_set_again_in_every_way() {
    let mut reactor = Reactor::new().unwrap();
    let moment = after(5);
    assert!(wait(&mut reactor, moment).is_empty());
    // It has rung, and is asked for the same moment again.
    reactor.wait(Some(moment), &mut Vec::new()).unwrap();
    // Another descriptor ends the wait: the timer is still set for the old moment.
    let pipe = pipe();
    reactor.watch(pipe.read(), IN, 1).unwrap();
    put_byte(pipe.write());
    let far = after(60_000);
    assert_eq!(wait(&mut reactor, far), [1]);
    take_byte(pipe.read());
    // Earlier than what it is set for.
    let began = Instant::now();
    assert!(wait(&mut reactor, after(5)).is_empty());
    assert!(began.elapsed() < Duration::from_secs(30));
    // Later, then not at all.
    assert!(wait(&mut reactor, after(5)).is_empty());
    let moment = after(10);
    reactor.poll(&mut Vec::new()).unwrap();
    assert!(wait(&mut reactor, moment).is_empty());
    put_byte(pipe.write());
    let mut ready = Vec::new();
    reactor.wait(None, &mut ready).unwrap();
    assert_eq!(ready, [1]);
}

/// Set for a moment, not waited for until it is long past, and then not wanted any more.
#[test]
fn a_timer_that_rang_unheard_does_not_disturb_later_waits() {
    let mut reactor = Reactor::new().unwrap();
    let pipe = pipe();
    put_byte(pipe.write());
    reactor.watch(pipe.read(), IN, 1).unwrap();
    let soon = after(2);
    assert_eq!(wait(&mut reactor, soon), [1]);
    take_byte(pipe.read());
    std::thread::sleep(ms(5));
    let began = Instant::now();
    assert!(wait(&mut reactor, began + ms(20)).is_empty());
    assert!(began.elapsed() >= ms(20));
}

/// More than one look at the set can bring: none is lost, and the look ends.
#[test]
fn thousands_of_ready_descriptors_are_all_found() {
    let mut reactor = Reactor::new().unwrap();
    let events = ready_events(2500);
    for (token, fd) in (0..).zip(&events) {
        reactor.watch(fd.as_raw_fd(), IN, token).unwrap();
    }
    let mut found = std::collections::HashSet::new();
    let mut looks = 0;
    while found.len() < events.len() {
        let mut ready = Vec::new();
        reactor.wait(None, &mut ready).unwrap();
        for token in ready {
            reactor.forget(events[token as usize].as_raw_fd(), token);
            assert!(
                found.insert(token),
                "it was found again although its watch is over"
            );
        }
        looks += 1;
        assert!(looks < 100, "{} of {} found", found.len(), events.len());
    }
}

/// A descriptor that stays ready is found by every look, and a look is one look.
#[test]
fn what_stays_ready_does_not_hold_a_look_up() {
    let mut reactor = Reactor::new().unwrap();
    let events = ready_events(1024);
    for (token, fd) in (0..).zip(&events) {
        reactor.watch(fd.as_raw_fd(), IN, token).unwrap();
    }
    for _ in 0..3 {
        let mut ready = Vec::new();
        reactor.poll(&mut ready).unwrap();
        assert_eq!(ready.len(), 1024);
    }
}

#[test]
fn a_watch_has_an_owner() {
    let mut reactor = Reactor::new().unwrap();
    let pipe = pipe();
    assert_eq!(reactor.watch(pipe.read(), IN, 1), Ok(None));
    assert_eq!(reactor.watch(pipe.read(), IN, 2), Err(Refusal::Taken));
    // Not its own.
    reactor.forget(pipe.read(), 2);
    reactor.change(pipe.read(), 0, 2);
    put_byte(pipe.write());
    assert_eq!(wait(&mut reactor, after(10_000)), [1]);
    reactor.forget(pipe.read(), 1);
    assert_eq!(reactor.watch(pipe.read(), IN, 2), Ok(None));
    assert_eq!(wait(&mut reactor, after(10_000)), [2]);
}

#[test]
fn the_owner_of_a_closed_descriptor_is_named() {
    let mut reactor = Reactor::new().unwrap();
    let (old, next) = (pipe(), pipe());
    reactor.watch(old.read(), IN, 1).unwrap();
    replace(&old.reader, &next.reader);
    assert_eq!(reactor.watch(old.read(), IN, 2), Ok(Some(1)));
    reactor.forget(old.read(), 1);
    put_byte(next.write());
    assert_eq!(wait(&mut reactor, after(10_000)), [2]);
}

#[test]
fn what_cannot_be_watched_is_told() {
    let mut reactor = Reactor::new().unwrap();
    let file = std::fs::File::open("/proc/self/exe").unwrap();
    let fd = file.as_raw_fd();
    assert_eq!(reactor.watch(fd, IN, 1), Err(Refusal::AlwaysReady));
    assert_eq!(reactor.watch(-1, IN, 1), Err(Refusal::Bad));
    assert_eq!(reactor.watch(1_000_000, IN, 1), Err(Refusal::Bad));
    reactor.forget(-1, 1);
    reactor.forget(1_000_000, 1);
}
