//! Waits for descriptors and time: what ends them, and that each ends once.

use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::lanes::{
    Act, Run, act, ms, pipe, put_byte, replace, say, say_answer, sleep, take_byte, wait_for, writes,
};
use kqueue_engine::runner::{Conflict, RateLimit, Resolution};
use nix::sys::eventfd::EventFd;
use nix::sys::socket::{AddressFamily, Shutdown, SockFlag, SockType, shutdown, socketpair};

const IN: i16 = libc::POLLIN;
const OUT: i16 = libc::POLLOUT;

/// What a wait for these descriptors is answered with.
fn answer(fds: &[(i32, i16)], timeout: Option<Duration>) -> String {
    let mut run = Run::jobs(1);
    run.job([wait_for(fds, timeout), say_answer()]);
    run.go().unwrap();
    run.lines().remove(0).split_off(2)
}

#[test]
fn a_wait_ends_when_its_descriptor_is_ready() {
    let mut run = Run::jobs(2);
    let pipe = pipe();
    run.job([wait_for(&[(pipe.read(), IN)], None), say_answer()]);
    run.job([sleep(5), say("writes"), writes(pipe.write())]);
    run.go().unwrap();
    assert_eq!(run.lines(), ["2 writes", "1 Ready"]);
}

#[test]
fn sockets_and_eventfds_end_waits_too() {
    let (one, other) = socketpair(
        AddressFamily::Unix,
        SockType::Stream,
        None,
        SockFlag::empty(),
    )
    .unwrap();
    assert_eq!(answer(&[(one.as_raw_fd(), OUT)], None), "Ready");
    shutdown(other.as_raw_fd(), Shutdown::Both).unwrap();
    assert_eq!(answer(&[(one.as_raw_fd(), IN)], None), "Ready");
    // poll(2) reports a hang-up that nobody asked for.
    assert_eq!(answer(&[(one.as_raw_fd(), 0)], None), "Ready");
    let event = EventFd::from_value(1).unwrap();
    assert_eq!(answer(&[(event.as_raw_fd(), IN)], None), "Ready");
}

#[test]
fn a_wait_ends_when_its_time_is_over() {
    let pipe = pipe();
    let began = Instant::now();
    assert_eq!(answer(&[(pipe.read(), IN)], Some(ms(10))), "TimedOut");
    assert!(began.elapsed() >= ms(10));
    assert_eq!(answer(&[], Some(Duration::ZERO)), "TimedOut");
    assert_eq!(
        answer(&[(pipe.read(), IN)], Some(Duration::ZERO)),
        "TimedOut"
    );
}

#[test]
fn for_ever_does_not_overflow() {
    let pipe = pipe();
    assert_eq!(answer(&[(pipe.write(), OUT)], Some(Duration::MAX)), "Ready");
}

#[test]
fn any_of_many_descriptors_ends_a_wait_and_frees_all() {
    let mut run = Run::jobs(2);
    let pipes: Vec<_> = (0..20).map(|_| pipe()).collect();
    let fds: Vec<_> = pipes.iter().map(|pipe| (pipe.read(), IN)).collect();
    let (mut reads, mut puts) = (Vec::new(), Vec::new());
    for pipe in &pipes {
        let reader = pipe.read();
        reads.extend([
            wait_for(&fds, None),
            say_answer(),
            act(move |_| assert!(take_byte(reader))),
        ]);
        puts.extend([sleep(1), writes(pipe.write())]);
    }
    run.job(reads);
    run.job(puts);
    run.go().unwrap();
    assert_eq!(run.lines(), ["1 Ready"; 20]);
}

#[test]
fn a_descriptor_may_stand_twice_in_one_wait() {
    let (one, other) = socketpair(
        AddressFamily::Unix,
        SockType::Stream,
        None,
        SockFlag::empty(),
    )
    .unwrap();
    let fd = one.as_raw_fd();
    assert_eq!(answer(&[(fd, IN), (fd, OUT)], None), "Ready");
    assert_eq!(answer(&[(fd, OUT), (fd, IN)], None), "Ready");
    assert_eq!(answer(&[(fd, IN), (fd, IN)], Some(ms(5))), "TimedOut");
    drop(other);
    assert_eq!(answer(&[(fd, IN), (fd, IN)], None), "Ready");
}

/// A reader, and then another, are in the middle of something: the second may not come in between.
#[test]
fn the_second_that_reads_from_one_descriptor_fails() {
    let mut run = Run::jobs(2);
    let (shared, free) = (pipe(), pipe());
    run.job([wait_for(&[(shared.read(), IN)], None), say_answer()]);
    run.job([
        wait_for(&[(shared.read(), IN)], None),
        say_answer(),
        // It watches nothing of it any more, and the first still does.
        wait_for(&[(free.read(), IN)], Some(ms(5))),
        say_answer(),
        writes(shared.write()),
    ]);
    run.go().unwrap();
    assert_eq!(run.lines(), ["2 Barred", "2 TimedOut", "1 Ready"]);
    let conflict = conflict(shared.read(), Resolution::Fails);
    assert_eq!(run.conflicts, [conflict]);
    assert!(conflict.what().starts_with("pipe:["), "{}", conflict.what());
}

fn conflict(fd: i32, then: Resolution) -> Conflict {
    Conflict {
        fd,
        first: 0,
        second: 1,
        then,
    }
}

/// Who watches several descriptors is in the middle of nothing. They wait in turn, and all others go on.
#[test]
fn lanes_that_watch_one_descriptor_take_turns() {
    let mut run = Run::jobs(3);
    let (shared, other) = (pipe(), pipe());
    let fds = [(shared.read(), IN), (other.read(), IN)];
    let reader = shared.read();
    for pause in [1, 2] {
        run.job([
            sleep(pause),
            wait_for(&fds, None),
            say_answer(),
            act(move |_| assert!(take_byte(reader))),
        ]);
    }
    run.job([
        sleep(20),
        say("goes on"),
        writes(shared.write()),
        sleep(5),
        say("writes again"),
        writes(shared.write()),
    ]);
    run.go().unwrap();
    assert_eq!(
        run.lines(),
        ["3 goes on", "1 Ready", "3 writes again", "2 Ready"]
    );
    assert_eq!(run.conflicts, [conflict(reader, Resolution::Waits)]);
}

/// What is sent while another waits for its answer would be answered into that: it is sent afterwards.
#[test]
fn a_request_waits_for_the_end_of_another() {
    let (one, other) = socketpair(
        AddressFamily::Unix,
        SockType::Stream,
        None,
        SockFlag::empty(),
    )
    .unwrap();
    let fd = one.as_raw_fd();
    let mut run = Run::jobs(3);
    let takes = move || act(move |_| assert!(take_byte(fd)));
    // Its answer comes in two parts.
    run.job([
        wait_for(&[(fd, IN)], None),
        takes(),
        say("has half"),
        wait_for(&[(fd, IN)], None),
        takes(),
        say("has all"),
    ]);
    run.job([Act::Claim(fd), say("sends")]);
    let writer = other.as_raw_fd();
    run.job([
        sleep(2),
        say("goes on"),
        writes(writer),
        sleep(2),
        writes(writer),
    ]);
    run.go().unwrap();
    assert_eq!(
        run.lines(),
        ["3 goes on", "1 has half", "1 has all", "2 sends"]
    );
    assert_eq!(run.conflicts[0], conflict(fd, Resolution::SendsLater));
    // Only who reads from it alone is in the middle of something.
    run.job([
        wait_for(&[(fd, IN), (writer, IN)], Some(ms(10))),
        say_answer(),
    ]);
    run.job([Act::Claim(fd), say("sends")]);
    run.go().unwrap();
    assert_eq!(run.lines()[4..], ["5 sends", "4 TimedOut"]);
}

#[test]
fn a_request_that_waits_ends_at_its_deadline() {
    let shared = pipe();
    let fd = shared.read();
    let mut run = Run::jobs(2);
    run.job([wait_for(&[(fd, IN)], Some(ms(50))), say_answer()]);
    run.job([
        act(|scene| {
            let deadline = Instant::now() + ms(5);
            let mut desk = scene.desk.borrow_mut();
            desk.set_deadline(scene.lane, Some(deadline));
        }),
        Act::Claim(fd),
        say("is told"),
    ]);
    run.go().unwrap();
    assert_eq!(run.lines(), ["2 is told", "1 TimedOut"]);
}

#[test]
fn reading_and_writing_one_socket_is_no_clash() {
    let (one, other) = socketpair(
        AddressFamily::Unix,
        SockType::Stream,
        None,
        SockFlag::empty(),
    )
    .unwrap();
    let fd = one.as_raw_fd();
    let mut run = Run::jobs(2);
    run.job([wait_for(&[(fd, IN)], None), say_answer()]);
    run.job([
        wait_for(&[(fd, OUT)], None),
        say_answer(),
        writes(other.as_raw_fd()),
    ]);
    run.go().unwrap();
    assert_eq!(run.lines(), ["2 Ready", "1 Ready"]);
    assert!(run.conflicts.is_empty());
}

/// Whoever is woken gets a connection, or a message, of its own.
#[test]
fn what_many_may_wait_for_is_no_clash() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let datagrams = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut run = Run::jobs(4);
    for fd in [listener.as_raw_fd(), datagrams.as_raw_fd()] {
        for _ in 0..2 {
            run.job([wait_for(&[(fd, IN)], Some(ms(2))), say_answer()]);
        }
    }
    run.go().unwrap();
    assert_eq!(run.lines().len(), 4);
    assert!(run.conflicts.is_empty());
}

#[test]
fn a_clash_is_spoken_of_seldom() {
    let mut limit = RateLimit::default();
    let now = Instant::now();
    let after = |milliseconds| now + ms(milliseconds);
    assert_eq!(limit.allow(now), Some(0));
    assert_eq!(limit.allow(after(1)), None);
    assert_eq!(limit.allow(after(9_999)), None);
    assert_eq!(limit.allow(after(10_000)), Some(2));
    assert_eq!(limit.allow(after(10_001)), None);
}

#[test]
fn a_connection_is_named_by_its_other_end() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let stream = std::net::TcpStream::connect(address).unwrap();
    let conflict = conflict(stream.as_raw_fd(), Resolution::Waits);
    let fd = stream.as_raw_fd();
    assert_eq!(
        conflict.what(),
        format!("the connection to {address} (descriptor {fd})")
    );
}

#[test]
fn a_descriptor_is_free_again_after_the_wait() {
    let mut run = Run::jobs(2);
    let pipe = pipe();
    for _ in 0..2 {
        run.job([wait_for(&[(pipe.read(), IN)], Some(ms(1))), say_answer()]);
        run.job([sleep(5)]);
    }
    run.go().unwrap();
    assert_eq!(run.lines(), ["1 TimedOut", "3 TimedOut"]);
}

#[test]
fn a_regular_file_is_ready_at_once() {
    let file = std::fs::File::open("/proc/self/exe").unwrap();
    let pipe = pipe();
    let fd = file.as_raw_fd();
    assert_eq!(answer(&[(fd, IN)], None), "Ready");
    assert_eq!(answer(&[(fd, IN), (fd, OUT)], None), "Ready");
    assert_eq!(answer(&[(pipe.read(), IN), (fd, IN)], None), "Ready");
}

#[test]
fn what_is_not_open_is_refused() {
    let closed = 1_000_000;
    let pipe = pipe();
    assert_eq!(answer(&[(closed, IN)], None), "Refused");
    assert_eq!(answer(&[(pipe.read(), IN), (closed, IN)], None), "Refused");
}

/// As poll(2) has it. Descriptor 0 is another one: its watch must stay.
#[test]
fn negative_descriptors_are_ignored() {
    let pipe = pipe();
    assert_eq!(answer(&[(-1, IN), (pipe.write(), OUT)], None), "Ready");
    assert_eq!(answer(&[(-1, IN), (-7, IN)], Some(ms(2))), "TimedOut");

    let zero = nix::unistd::dup(std::io::stdin()).unwrap();
    let own = super::lanes::pipe();
    nix::unistd::dup2_stdin(&own.reader).unwrap();
    let mut run = Run::jobs(2);
    run.job([wait_for(&[(0, IN)], None), say_answer()]);
    run.job([
        wait_for(&[(-1, IN)], Some(ms(2))),
        say_answer(),
        writes(own.write()),
    ]);
    run.go().unwrap();
    nix::unistd::dup2_stdin(&zero).unwrap();
    assert_eq!(run.lines(), ["2 TimedOut", "1 Ready"]);
}

/// One lane closes what another waits for, and the number is used again: each still hears of its own.
#[test]
fn a_descriptor_closed_under_a_wait_does_not_take_its_successor_along() {
    let mut run = Run::jobs(3);
    let (old, new) = (pipe(), pipe());
    let (number, new_writer) = (old.read(), new.write());
    let (reader, successor) = (Rc::new(old.reader), new.reader);
    let kept = Rc::clone(&reader);
    run.job([
        wait_for(&[(number, IN)], Some(ms(5000))),
        say_answer(),
        writes(new_writer),
    ]);
    run.job([
        act(move |_| replace(&reader, &successor)),
        wait_for(&[(number, IN)], None),
        say_answer(),
    ]);
    run.go().unwrap();
    assert_eq!(run.lines(), ["1 Ready", "2 Ready"]);
    drop(kept);
}

/// Both a byte and the end of the time: the wait is over once.
#[test]
fn two_reasons_wake_a_lane_once() {
    let mut run = Run::jobs(40);
    let pipes: Vec<_> = (0..30).map(|_| pipe()).collect();
    for pipe in &pipes {
        run.job([
            wait_for(&[(pipe.read(), IN)], Some(ms(5))),
            say("woken"),
            sleep(5),
            say("slept"),
        ]);
    }
    let writers: Vec<_> = pipes.iter().map(super::lanes::Pipe::write).collect();
    run.job([act(move |_| {
        // The time of all the others ends meanwhile, and all of them are ready.
        std::thread::sleep(ms(10));
        writers.iter().for_each(|fd| put_byte(*fd));
    })]);
    run.go().unwrap();
    assert_eq!(run.lines().len(), 60);
}

#[test]
fn the_timer_follows_every_change() {
    let mut run = Run::jobs(9);
    let pipe = pipe();
    // Set for later, then for earlier, then for the same again, then for nothing while a pipe ends the wait.
    run.job([sleep(12), say("wakes")]);
    run.job([sleep(4), say("wakes"), sleep(8), say("wakes")]);
    run.go().unwrap();
    let lines = run.lines();
    assert_eq!(lines[0], "2 wakes");
    assert_eq!(lines.len(), 3);

    run.job([wait_for(&[(pipe.read(), IN)], None), say_answer()]);
    let writer = pipe.write();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(ms(20));
        put_byte(writer);
    });
    run.go().unwrap();
    assert_eq!(run.lines()[3], "3 Ready");
    thread.join().unwrap();
}

/// A signal handler that runs while the loop waits is no reason to stop.
#[test]
fn a_signal_does_not_end_the_wait_of_the_loop() {
    extern "C" fn ring(_signal: i32) {}
    let _one = super::alarm::alone();
    let mut alarm = kqueue_engine::alarm::Alarm::new(ring).unwrap();
    let mut run = Run::jobs(2);
    run.job([sleep(30), say("wakes")]);
    alarm.set(Some(Instant::now() + ms(10)));
    let began = Instant::now();
    run.go().unwrap();
    assert_eq!(run.lines(), ["1 wakes"]);
    assert!(began.elapsed() >= ms(30));
}
