//! The reactor by itself: its timer, its watches, and that it neither waits too long nor for ever finds the same.

use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use super::lanes::{ms, pipe, put_byte, replace, take_byte};
use kqueue_engine::reactor::{Reactor, Refusal, Watched};
use nix::sys::eventfd::EventFd;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

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
    reactor.keep(pipe.read(), IN, 1).unwrap();
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

/// What lasts is found by every look, and a look is one look. What does not is found once.
#[test]
fn what_stays_ready_does_not_hold_a_look_up() {
    let mut reactor = Reactor::new().unwrap();
    let events = ready_events(1024);
    for (token, fd) in (0..).zip(&events) {
        if token % 2 == 0 {
            reactor.keep(fd.as_raw_fd(), IN, token).unwrap();
        } else {
            reactor.watch(fd.as_raw_fd(), IN, token).unwrap();
        }
    }
    for expected in [1024, 512, 512] {
        let mut ready = Vec::new();
        reactor.poll(&mut ready).unwrap();
        assert_eq!(ready.len(), expected);
    }
}

fn alone() -> Result<Watched, Refusal> {
    Ok(Watched::default())
}

fn beside(first: u64) -> Result<Watched, Refusal> {
    Ok(Watched {
        beside: Some(first),
        ..Watched::default()
    })
}

/// One after the other, in the order in which they came, as long as there is something for them.
#[test]
fn those_who_watch_the_same_take_turns() {
    let mut reactor = Reactor::new().unwrap();
    let pipe = pipe();
    assert_eq!(reactor.watch(pipe.read(), IN, 1), alone());
    assert_eq!(reactor.watch(pipe.read(), IN, 2), beside(1));
    assert_eq!(reactor.watch(pipe.read(), IN, 3), beside(1));
    put_byte(pipe.write());
    assert_eq!(wait(&mut reactor, after(10_000)), [1]);
    // It is told once: as long as the first has not taken it nobody else hears of it.
    assert!(wait(&mut reactor, after(5)).is_empty());
    // It left it there: the next one's turn.
    reactor.forget(pipe.read(), 1);
    assert_eq!(wait(&mut reactor, after(10_000)), [2]);
    assert!(take_byte(pipe.read()));
    reactor.forget(pipe.read(), 2);
    assert!(wait(&mut reactor, after(5)).is_empty());
    put_byte(pipe.write());
    assert_eq!(wait(&mut reactor, after(10_000)), [3]);
}

#[test]
fn each_direction_has_its_own_turns() {
    let mut reactor = Reactor::new().unwrap();
    let (one, other) = socketpair(
        AddressFamily::Unix,
        SockType::Stream,
        None,
        SockFlag::empty(),
    )
    .unwrap();
    let fd = one.as_raw_fd();
    assert_eq!(reactor.watch(fd, IN, 1), alone());
    // Not for the same.
    assert_eq!(reactor.watch(fd, libc::POLLOUT, 2), alone());
    assert_eq!(reactor.watch(fd, libc::POLLOUT | IN, 3), beside(1));
    assert_eq!(wait(&mut reactor, after(10_000)), [2]);
    reactor.forget(fd, 2);
    assert_eq!(wait(&mut reactor, after(10_000)), [3]);
    reactor.forget(fd, 3);
    assert!(wait(&mut reactor, after(5)).is_empty());
    put_byte(other.as_raw_fd());
    assert_eq!(wait(&mut reactor, after(10_000)), [1]);
    reactor.forget(fd, 1);
    // A hang-up is for all, whatever they asked for.
    reactor.watch(fd, libc::POLLPRI, 4).unwrap();
    reactor.watch(fd, libc::POLLPRI, 5).unwrap();
    drop(other);
    assert_eq!(wait(&mut reactor, after(10_000)), [4]);
    reactor.forget(fd, 4);
    assert_eq!(wait(&mut reactor, after(10_000)), [5]);
}

#[test]
fn a_watch_has_an_owner() {
    let mut reactor = Reactor::new().unwrap();
    let pipe = pipe();
    assert_eq!(reactor.watch(pipe.read(), IN, 1), alone());
    // Not its own.
    reactor.forget(pipe.read(), 2);
    reactor.change(pipe.read(), 0, 2);
    put_byte(pipe.write());
    assert_eq!(wait(&mut reactor, after(10_000)), [1]);
    reactor.forget(pipe.read(), 1);
    assert_eq!(reactor.watch(pipe.read(), IN, 2), alone());
    assert_eq!(wait(&mut reactor, after(10_000)), [2]);
}

#[test]
fn the_owners_of_a_closed_descriptor_are_named() {
    let mut reactor = Reactor::new().unwrap();
    let (old, next) = (pipe(), pipe());
    reactor.watch(old.read(), IN, 1).unwrap();
    reactor.watch(old.read(), IN, 3).unwrap();
    replace(&old.reader, &next.reader);
    let ended = Watched {
        ended: vec![1, 3],
        beside: None,
    };
    assert_eq!(reactor.watch(old.read(), IN, 2), Ok(ended));
    reactor.forget(old.read(), 1);
    put_byte(next.write());
    assert_eq!(wait(&mut reactor, after(10_000)), [2]);
}

/// A copy keeps the file open, and with it the registration under the number that was closed.
#[test]
fn a_registration_that_outlives_its_descriptor_does_no_harm() {
    let mut reactor = Reactor::new().unwrap();
    let (old, next) = (pipe(), pipe());
    let copy = old.reader.try_clone().unwrap();
    reactor.watch(old.read(), IN, 1).unwrap();
    replace(&old.reader, &next.reader);
    reactor.watch(old.read(), IN, 2).unwrap();
    put_byte(old.write());
    assert!(wait(&mut reactor, after(5)).is_empty());
    reactor.forget(old.read(), 2);
    // The old file under the old number, which the set still knows.
    replace(&old.reader, &copy);
    assert_eq!(reactor.watch(old.read(), IN, 3), alone());
    assert_eq!(wait(&mut reactor, after(10_000)), [3]);
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
