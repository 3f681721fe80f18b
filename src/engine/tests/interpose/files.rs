//! `read`, `write` and their kin on pipes and files; locks.
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use kqueue_engine::interpose::Woken;
use libc::{c_void, iovec};

use crate::descriptors::{errno, file, fill, pipe, put, set_errno, set_nonblocking};
use crate::fixture::{Turn, call};
use crate::lanes::{self, Lanes};
use crate::recorder::RECORDER;

const BIG: usize = 1 << 20;

fn buffer(bytes: &mut [u8]) -> iovec {
    iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    }
}

#[test]
fn reading_a_pipe_waits_until_there_is_something() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    let read = call!(call_read(fd: i32, into: *mut c_void, n: usize) -> isize);
    let readv = call!(call_readv(fd: i32, buffers: *const iovec, count: i32) -> isize);
    let (reader, writer) = pipe();
    RECORDER.during(move || put(&writer, b"abc"));
    let mut bytes = [0; 3];
    assert_eq!(read(reader.as_raw_fd(), bytes.as_mut_ptr().cast(), 3), 3);
    assert_eq!(&bytes, b"abc");
    let mut again = [0; 3];
    let (first, second) = again.split_at_mut(1);
    let buffers = [buffer(first), buffer(second)];
    assert_eq!(readv(reader.as_raw_fd(), buffers.as_ptr(), 2), 3);
    assert_eq!(&again, b"abc");
    let waits = RECORDER.waits();
    assert_eq!(waits.len(), 2);
    assert!(
        waits
            .iter()
            .all(|wait| wait.fds == [(reader.as_raw_fd(), libc::POLLIN)] && wait.timeout.is_none())
    );
}

#[test]
fn regular_files_and_nonblocking_pipes_never_wait() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    let read = call!(call_read(fd: i32, into: *mut c_void, n: usize) -> isize);
    let write = call!(call_write(fd: i32, from: *const c_void, n: usize) -> isize);
    let file = file(b"abc");
    let mut bytes = [0; 8];
    assert_eq!(read(file.as_raw_fd(), bytes.as_mut_ptr().cast(), 8), 3);
    assert_eq!(read(file.as_raw_fd(), bytes.as_mut_ptr().cast(), 8), 0);
    let big = vec![b'x'; BIG];
    assert_eq!(
        write(file.as_raw_fd(), big.as_ptr().cast(), BIG),
        BIG as isize
    );
    let (reader, writer) = pipe();
    set_nonblocking(&reader);
    set_nonblocking(&writer);
    assert_eq!(
        (
            read(reader.as_raw_fd(), bytes.as_mut_ptr().cast(), 8),
            errno()
        ),
        (-1, libc::EAGAIN)
    );
    let written = write(writer.as_raw_fd(), big.as_ptr().cast(), BIG);
    assert!(
        written > libc::PIPE_BUF as isize && written < BIG as isize,
        "{written}"
    );
    assert_eq!(
        (write(writer.as_raw_fd(), big.as_ptr().cast(), BIG), errno()),
        (-1, libc::EAGAIN)
    );
    assert_eq!(
        (read(9999, bytes.as_mut_ptr().cast(), 8), errno()),
        (-1, libc::EBADF)
    );
    assert_eq!(
        (write(9999, bytes.as_ptr().cast(), 8), errno()),
        (-1, libc::EBADF)
    );
    drop(writer);
    assert_eq!(RECORDER.waits(), []);
}

/// Reads a pipe to its end in another thread, from the first wait on.
fn drain_when_asked(reader: OwnedFd) -> mpsc::Receiver<Vec<u8>> {
    let (sender, drained) = mpsc::channel();
    let mut reader = Some(reader);
    RECORDER.during(move || {
        let Some(reader) = reader.take() else { return };
        let sender = sender.clone();
        thread::spawn(move || {
            let mut bytes = Vec::new();
            File::from(reader)
                .read_to_end(&mut bytes)
                .expect("readable");
            sender.send(bytes)
        });
    });
    drained
}

#[test]
fn a_blocking_write_to_a_pipe_writes_everything() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    let write = call!(call_write(fd: i32, from: *const c_void, n: usize) -> isize);
    let writev = call!(call_writev(fd: i32, buffers: *const iovec, count: i32) -> isize);
    let mut bytes: Vec<u8> = (0..BIG).map(|index| (index % 251) as u8).collect();
    for vector in [false, true] {
        RECORDER.fresh();
        let (reader, writer) = pipe();
        let drained = drain_when_asked(reader);
        set_errno(77);
        let written = if vector {
            let buffers: Vec<_> = bytes.chunks_mut(1001).map(buffer).take(1000).collect();
            writev(writer.as_raw_fd(), buffers.as_ptr(), buffers.len() as i32)
        } else {
            write(writer.as_raw_fd(), bytes.as_ptr().cast(), BIG)
        };
        let length = if vector { 1_001_000 } else { BIG };
        assert_eq!((written, errno()), (length as isize, 77));
        drop(writer);
        assert!(
            drained.recv().expect("drained") == bytes[..length],
            "other bytes arrived"
        );
        let waits = RECORDER.waits();
        assert!(!waits.is_empty() && waits.iter().all(|wait| wait.fds[0].1 == libc::POLLOUT));
    }
}

#[test]
fn small_writes_to_a_pipe_are_not_split() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    let write = call!(call_write(fd: i32, from: *const c_void, n: usize) -> isize);
    let (reader, writer) = pipe();
    assert_eq!(write(writer.as_raw_fd(), b"abc".as_ptr().cast(), 3), 3);
    drop(reader);
    assert_eq!(
        (
            write(writer.as_raw_fd(), b"abc".as_ptr().cast(), 3),
            errno()
        ),
        (-1, libc::EPIPE)
    );
    assert_eq!(RECORDER.waits(), []);
}

#[test]
fn cancelled_calls_on_pipes_fail_or_return_a_part() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    RECORDER.answers_always(Woken::Cancelled);
    let read = call!(call_read(fd: i32, into: *mut c_void, n: usize) -> isize);
    let write = call!(call_write(fd: i32, from: *const c_void, n: usize) -> isize);
    let (reader, writer) = pipe();
    let mut bytes = vec![0; BIG];
    assert_eq!(
        (
            read(reader.as_raw_fd(), bytes.as_mut_ptr().cast(), 8),
            errno()
        ),
        (-1, libc::ECANCELED)
    );
    let written = write(writer.as_raw_fd(), bytes.as_ptr().cast(), BIG);
    assert!(written > 0 && written < BIG as isize, "{written}");
    fill(&writer);
    assert_eq!(
        (write(writer.as_raw_fd(), bytes.as_ptr().cast(), 8), errno()),
        (-1, libc::ECANCELED)
    );
}

/// What a job prints is not worth a switch, not even into a full pipe.
#[test]
fn writing_to_standard_output_is_always_real() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    let write = call!(call_write(fd: i32, from: *const c_void, n: usize) -> isize);
    let (reader, writer) = pipe();
    fill(&writer);
    // SAFETY: takes numbers; what standard error was is put back below.
    let before = unsafe { libc::dup(2) };
    // SAFETY: as above.
    unsafe { libc::dup2(writer.as_raw_fd(), 2) };
    let late = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        let mut reader = File::from(reader);
        reader
            .read_exact(&mut vec![0; 1 << 16])
            .expect("a full pipe");
        reader
    });
    let written = write(2, b"abc".as_ptr().cast(), 3);
    // SAFETY: as above.
    unsafe { libc::dup2(before, 2) };
    // SAFETY: opened above.
    unsafe { libc::close(before) };
    assert_eq!(written, 3);
    drop(late.join().expect("no panic"));
    assert_eq!(RECORDER.waits(), []);
}

/// The same file, opened once more: locks of `flock` belong to the opening.
fn reopened(file: &File) -> File {
    File::options()
        .read(true)
        .write(true)
        .open(format!("/proc/self/fd/{}", file.as_raw_fd()))
        .expect("the file")
}

#[test]
fn a_held_lock_is_tried_again_and_again() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    let flock = call!(call_flock(fd: i32, operation: i32) -> i32);
    let (mine, other) = {
        let file = file(b"");
        (reopened(&file), file)
    };
    set_errno(77);
    assert_eq!(flock(mine.as_raw_fd(), libc::LOCK_EX), 0);
    assert_eq!(RECORDER.waits(), [], "free");
    assert_eq!(
        (
            flock(other.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB),
            errno()
        ),
        (-1, libc::EWOULDBLOCK)
    );
    assert_eq!(RECORDER.waits(), [], "LOCK_NB");
    let holder = mine.as_raw_fd();
    let mut left = 8;
    RECORDER.during(move || {
        left -= 1;
        if left == 0 {
            // SAFETY: takes numbers.
            unsafe { libc::flock(holder, libc::LOCK_UN) };
        }
    });
    set_errno(77);
    assert_eq!((flock(other.as_raw_fd(), libc::LOCK_SH), errno()), (0, 77));
    let pauses: Vec<_> = RECORDER
        .waits()
        .into_iter()
        .map(|wait| wait.timeout.expect("a pause"))
        .collect();
    assert_eq!(pauses.len(), 8);
    assert!(
        pauses[0] <= Duration::from_micros(500)
            && pauses[7] > Duration::from_millis(15)
            && pauses[7] <= Duration::from_millis(20),
        "{pauses:?}"
    );
    assert_eq!(flock(other.as_raw_fd(), libc::LOCK_UN), 0);
    assert_eq!((flock(9999, libc::LOCK_EX), errno()), (-1, libc::EBADF));
}

#[test]
fn a_cancelled_lock_fails() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    RECORDER.answers_always(Woken::Cancelled);
    let flock = call!(call_flock(fd: i32, operation: i32) -> i32);
    let (mine, other) = {
        let file = file(b"");
        (reopened(&file), file)
    };
    assert_eq!(flock(mine.as_raw_fd(), libc::LOCK_EX), 0);
    assert_eq!(
        (flock(other.as_raw_fd(), libc::LOCK_EX), errno()),
        (-1, libc::ECANCELED)
    );
}

#[test]
fn record_locks_wait_and_other_commands_pass() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    let lock = call!(call_fcntl_lock(fd: i32, command: i32, lock: *mut libc::flock) -> i32);
    let get = call!(call_fcntl_get(fd: i32) -> i32);
    let (mine, other) = {
        let file = file(b"abc");
        (reopened(&file), file)
    };
    assert_eq!(get(mine.as_raw_fd()) & libc::O_ACCMODE, libc::O_RDWR);
    // SAFETY: a lock of zeros is one of the whole file.
    let mut whole: libc::flock = unsafe { std::mem::zeroed() };
    whole.l_type = libc::F_WRLCK as i16;
    assert_eq!(lock(mine.as_raw_fd(), libc::F_OFD_SETLKW, &mut whole), 0);
    assert_eq!(
        (
            lock(other.as_raw_fd(), libc::F_OFD_SETLK, &mut whole),
            errno()
        ),
        (-1, libc::EAGAIN)
    );
    assert_eq!(RECORDER.waits(), []);
    let mut mine = Some(mine);
    RECORDER.during(move || drop(mine.take()));
    assert_eq!(lock(other.as_raw_fd(), libc::F_OFD_SETLKW, &mut whole), 0);
    assert_eq!(RECORDER.waits().len(), 1);
}

/// In one thread this would wait for ever: the holder could not go on.
#[test]
fn a_lane_that_waits_for_a_lock_lets_its_holder_go_on() {
    let turn = Turn::take();
    turn.install(&Lanes);
    let flock = call!(call_flock(fd: i32, operation: i32) -> i32);
    let usleep = call!(call_usleep(micros: u32) -> i32);
    let (mine, other) = {
        let file = file(b"");
        (reopened(&file), file)
    };
    let waits = lanes::run(vec![
        Box::new(move || {
            assert_eq!(flock(mine.as_raw_fd(), libc::LOCK_EX), 0);
            assert_eq!(usleep(30_000), 0);
            assert_eq!(flock(mine.as_raw_fd(), libc::LOCK_UN), 0);
        }),
        Box::new(move || assert_eq!(flock(other.as_raw_fd(), libc::LOCK_EX), 0)),
    ]);
    assert!(waits[1] > 1, "{waits:?}");
}
