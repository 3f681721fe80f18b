//! Lines that lanes print: written together, whole, and without anybody waiting for a reader that is slow.

use std::io::{PipeReader, Read, pipe};
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::thread;
use std::time::{Duration, Instant};

use kqueue_core::scheduler::Scheduler;

use super::lanes::{Act, Run, act, sleep};

/// More than a pipe holds.
const LINES: usize = 3000;

fn prints(count: usize) -> Act {
    act(move |scene| {
        for line in 0..count {
            let line = format!("{:0>5} {line:0>93}\n", scene.job);
            scene.desk.borrow_mut().print(line.as_bytes());
        }
    })
}

/// A run that prints there. The writing end stays open: the desk does not own it.
fn run<W: AsFd + 'static>(to: W, limit: usize) -> Run {
    let to: &'static W = Box::leak(Box::new(to));
    let run = Run::new(Scheduler::with_jobs(limit), None, None);
    run.desk.borrow_mut().print_to(to.as_fd());
    run
}

fn read(reader: &mut PipeReader, bytes: usize) -> String {
    let mut text = vec![0; bytes];
    reader.read_exact(&mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn lines_are_written_while_lanes_wait() {
    let (mut reader, writer) = pipe().unwrap();
    let mut run = run(writer, 1);
    run.job(vec![prints(1), sleep(500)]);
    let began = Instant::now();
    let first = thread::spawn(move || {
        read(&mut reader, 100);
        began.elapsed()
    });
    run.go().unwrap();
    assert!(first.join().unwrap() + Duration::from_millis(200) < began.elapsed());
}

#[test]
fn lines_that_come_together_are_written_together() {
    let (reader, writer) = UnixDatagram::pair().unwrap();
    let mut run = run(writer, 20);
    for _ in 0..20 {
        run.job(vec![prints(1), sleep(5)]);
    }
    run.go().unwrap();
    reader.set_nonblocking(true).unwrap();
    let mut text = [0; 4096];
    let writes: Vec<usize> = std::iter::from_fn(|| reader.recv(&mut text).ok()).collect();
    assert_eq!(writes.iter().sum::<usize>(), 2000);
    assert!(writes.len() <= 10, "{writes:?}");
}

#[test]
fn nobody_waits_for_a_slow_reader_and_nothing_is_lost() {
    let (mut reader, writer) = pipe().unwrap();
    let mut run = run(writer, 2);
    let began = Instant::now();
    let reader = thread::spawn(move || {
        thread::sleep(Duration::from_secs(1));
        read(&mut reader, LINES * 100)
    });
    run.job(vec![prints(LINES), sleep(100)]);
    run.job(vec![
        sleep(300),
        act(move |_| assert!(began.elapsed() < Duration::from_millis(900))),
    ]);
    run.go().unwrap();
    assert!(
        began.elapsed() >= Duration::from_secs(1),
        "the end waits for the reader"
    );
    for (number, line) in reader.join().unwrap().lines().enumerate() {
        assert_eq!(line, format!("{:0>5} {number:0>93}", 1));
    }
}

#[test]
fn a_reader_that_is_gone_stops_nothing() {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    let mut run = run(writer, 1);
    run.job(vec![prints(LINES), sleep(50), prints(1), sleep(50)]);
    run.go().unwrap();
    assert!(run.is_clean());
}
