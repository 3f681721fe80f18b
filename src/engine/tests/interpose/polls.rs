//! `poll`, `ppoll`, `epoll_wait`, `select`.
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use kqueue_engine::interpose::Woken;
use libc::{epoll_event, fd_set, pollfd, sigset_t, timespec, timeval};

use crate::descriptors::{errno, file, fill, pipe, put, set_errno, sockets};
use crate::fixture::{Turn, call};
use crate::recorder::{RECORDER, Wait};

fn entry(fd: &impl AsRawFd, events: i16) -> pollfd {
    pollfd {
        fd: fd.as_raw_fd(),
        events,
        revents: 0,
    }
}

fn read_end(fd: &impl AsRawFd) -> Wait {
    Wait {
        fds: vec![(fd.as_raw_fd(), libc::POLLIN)],
        timeout: None,
    }
}

#[test]
fn poll_waits_for_the_callers_own_entries() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    let poll = call!(call_poll(fds: *mut pollfd, n: u64, timeout: i32) -> i32);
    let (reader, writer) = pipe();
    let full = pipe();
    fill(&full.1);
    RECORDER.during(move || put(&writer, b"x"));
    let mut entries = [
        entry(&reader, libc::POLLIN),
        entry(&full.1, libc::POLLOUT),
        pollfd {
            fd: -1,
            events: 1,
            revents: 9,
        },
    ];
    set_errno(77);
    assert_eq!(poll(entries.as_mut_ptr(), 3, -1), 1);
    assert_eq!(errno(), 77);
    assert_eq!(entries.map(|entry| entry.revents), [libc::POLLIN, 0, 0]);
    let fds = vec![
        (reader.as_raw_fd(), libc::POLLIN),
        (full.1.as_raw_fd(), libc::POLLOUT),
        (-1, 1),
    ];
    assert_eq!(RECORDER.wait(), Wait { fds, timeout: None });
}

#[test]
fn poll_returns_what_is_ready_at_once() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    let poll = call!(call_poll(fds: *mut pollfd, n: u64, timeout: i32) -> i32);
    let (reader, writer) = pipe();
    assert_eq!(poll(&mut entry(&reader, libc::POLLIN), 1, 0), 0, "no time");
    put(&writer, b"x");
    assert_eq!(poll(&mut entry(&reader, libc::POLLIN), 1, -1), 1);
    assert_eq!(
        poll(&mut entry(&file(b""), libc::POLLIN), 1, -1),
        1,
        "a regular file"
    );
    let mut bad = pollfd {
        fd: 9999,
        events: libc::POLLIN,
        revents: 0,
    };
    assert_eq!((poll(&mut bad, 1, -1), bad.revents), (1, libc::POLLNVAL));
    assert_eq!(
        (poll(std::ptr::null_mut(), 3, -1), errno()),
        (-1, libc::EFAULT)
    );
    assert_eq!(RECORDER.waits(), []);
}

#[test]
fn poll_times_out_and_survives_early_wake_ups() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    RECORDER.answers_first(&[Woken::Ready, Woken::TimedOut]);
    let poll = call!(call_poll(fds: *mut pollfd, n: u64, timeout: i32) -> i32);
    let (reader, _writer) = pipe();
    let begin = Instant::now();
    assert_eq!(poll(&mut entry(&reader, libc::POLLIN), 1, 30), 0);
    assert!(begin.elapsed() >= Duration::from_millis(30));
    let waits = RECORDER.waits();
    assert_eq!(waits.len(), 3);
    assert!(waits[2].timeout <= waits[0].timeout, "{waits:?}");
    assert_eq!(poll(std::ptr::null_mut(), 0, 10), 0, "a sleep");
}

#[test]
fn a_cancelled_poll_shows_sockets_hung_up_and_fails_on_pipes() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    RECORDER.answers_always(Woken::Cancelled);
    let poll = call!(call_poll(fds: *mut pollfd, n: u64, timeout: i32) -> i32);
    let (ours, _theirs) = sockets();
    let (reader, _writer) = pipe();
    let mut entries = [entry(&reader, libc::POLLIN), entry(&ours, libc::POLLIN)];
    assert_eq!(poll(entries.as_mut_ptr(), 2, -1), 1);
    assert_eq!(entries[0].revents, 0);
    assert_ne!(entries[1].revents & libc::POLLHUP, 0);
    assert_eq!(
        (poll(&mut entry(&reader, libc::POLLIN), 1, -1), errno()),
        (-1, libc::ECANCELED)
    );
    assert_eq!(
        (poll(std::ptr::null_mut(), 0, 5000), errno()),
        (-1, libc::ECANCELED)
    );
}

#[test]
fn a_refused_poll_is_a_real_one() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    RECORDER.answers_always(Woken::Refused);
    let poll = call!(call_poll(fds: *mut pollfd, n: u64, timeout: i32) -> i32);
    let (reader, writer) = pipe();
    let begin = Instant::now();
    assert_eq!(poll(&mut entry(&reader, libc::POLLIN), 1, 30), 0);
    assert!(begin.elapsed() >= Duration::from_millis(30));
    RECORDER.during(move || put(&writer, b"x"));
    assert_eq!(poll(&mut entry(&reader, libc::POLLIN), 1, -1), 1);
}

#[test]
fn ppoll_waits_unless_there_is_a_mask() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    let ppoll = call!(call_ppoll(fds: *mut pollfd, n: u64, timeout: *const timespec, mask: *const sigset_t) -> i32);
    let (reader, writer) = pipe();
    let short = timespec {
        tv_sec: 0,
        tv_nsec: 20_000_000,
    };
    assert_eq!(
        ppoll(
            &mut entry(&reader, libc::POLLIN),
            1,
            &short,
            std::ptr::null()
        ),
        0
    );
    assert_eq!(RECORDER.waits().len(), 1);
    // SAFETY: a set of zeros is an empty one.
    let empty: sigset_t = unsafe { std::mem::zeroed() };
    assert_eq!(
        ppoll(&mut entry(&reader, libc::POLLIN), 1, &short, &empty),
        0
    );
    assert_eq!(RECORDER.waits().len(), 1);
    put(&writer, b"x");
    assert_eq!(
        ppoll(
            &mut entry(&reader, libc::POLLIN),
            1,
            std::ptr::null(),
            std::ptr::null()
        ),
        1
    );
    assert_eq!(RECORDER.waits().len(), 1);
}

#[test]
fn checked_forms_are_routed() {
    let turn = Turn::take();
    let report = turn.install(RECORDER.fresh());
    assert!(
        report.functions.contains(&"__poll_chk") && report.functions.contains(&"__ppoll_chk"),
        "{report:?}"
    );
    let poll = call!(checked_poll(fd: i32, n: u64, timeout: i32) -> i32);
    let ppoll = call!(checked_ppoll(fd: i32, n: u64, timeout: *const timespec) -> i32);
    let (reader, _writer) = pipe();
    let short = timespec {
        tv_sec: 0,
        tv_nsec: 20_000_000,
    };
    assert_eq!(poll(reader.as_raw_fd(), 2, 20), 0);
    assert_eq!(ppoll(reader.as_raw_fd(), 2, &short), 0);
    assert_eq!(RECORDER.waits().len(), 2);
}

#[test]
fn epoll_wait_waits_for_its_descriptor() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    let epoll_wait =
        call!(call_epoll_wait(epoll: i32, events: *mut epoll_event, max: i32, timeout: i32) -> i32);
    // SAFETY: takes a number, and the descriptor is owned from here on.
    let epoll = unsafe { OwnedFd::from_raw_fd(libc::epoll_create1(libc::EPOLL_CLOEXEC)) };
    let (reader, writer) = pipe();
    let mut event = epoll_event {
        events: libc::EPOLLIN as u32,
        u64: 42,
    };
    // SAFETY: `event` is readable.
    let failed = unsafe {
        libc::epoll_ctl(
            epoll.as_raw_fd(),
            libc::EPOLL_CTL_ADD,
            reader.as_raw_fd(),
            &raw mut event,
        )
    };
    assert_eq!(failed, 0);
    let mut events = [epoll_event { events: 0, u64: 0 }; 4];
    assert_eq!(epoll_wait(epoll.as_raw_fd(), events.as_mut_ptr(), 4, 20), 0);
    assert_eq!(RECORDER.waits().len(), 1);
    RECORDER.during(move || put(&writer, b"x"));
    assert_eq!(epoll_wait(epoll.as_raw_fd(), events.as_mut_ptr(), 4, -1), 1);
    assert_eq!({ events[0].u64 }, 42);
    assert_eq!(RECORDER.waits()[1], read_end(&epoll));
    let epoll_pwait = call!(call_epoll_pwait(epoll: i32, events: *mut epoll_event, max: i32, timeout: i32, mask: *const sigset_t) -> i32);
    take_byte(&reader);
    assert_eq!(
        epoll_pwait(
            epoll.as_raw_fd(),
            events.as_mut_ptr(),
            4,
            -1,
            std::ptr::null()
        ),
        1
    );
    assert_eq!(RECORDER.waits().len(), 3);
    take_byte(&reader);
    // SAFETY: a set of zeros is an empty one.
    let empty: sigset_t = unsafe { std::mem::zeroed() };
    assert_eq!(
        epoll_pwait(epoll.as_raw_fd(), events.as_mut_ptr(), 4, 10, &empty),
        0
    );
    assert_eq!(RECORDER.waits().len(), 3, "a mask");
    RECORDER.answers_always(Woken::Cancelled);
    assert_eq!(
        (
            epoll_wait(epoll.as_raw_fd(), events.as_mut_ptr(), 4, -1),
            errno()
        ),
        (-1, libc::ECANCELED)
    );
}

/// Empties the pipe.
fn take_byte(reader: &impl AsRawFd) {
    let mut byte = 0_u8;
    // SAFETY: one byte, on this frame.
    let taken = unsafe { libc::read(reader.as_raw_fd(), (&raw mut byte).cast(), 1) };
    assert_eq!(taken, 1);
}

#[derive(Clone, Copy)]
struct Set(fd_set);

impl Set {
    fn of(fds: &[i32]) -> Self {
        // SAFETY: a set of zeros is an empty one.
        let mut set: fd_set = unsafe { std::mem::zeroed() };
        for fd in fds {
            // SAFETY: below FD_SETSIZE.
            unsafe { libc::FD_SET(*fd, &raw mut set) };
        }
        Self(set)
    }

    fn has(&self, fd: &impl AsRawFd) -> bool {
        // SAFETY: below FD_SETSIZE.
        unsafe { libc::FD_ISSET(fd.as_raw_fd(), &raw const self.0) }
    }

    fn pointer(&mut self) -> *mut fd_set {
        &raw mut self.0
    }
}

const NO_SET: *mut fd_set = std::ptr::null_mut();

#[test]
fn select_waits_for_all_three_sets() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    let select = call!(call_select(n: i32, r: *mut fd_set, w: *mut fd_set, e: *mut fd_set, timeout: *mut timeval) -> i32);
    let (reader, writer) = pipe();
    let full = pipe();
    fill(&full.1);
    let (ours, _theirs) = sockets();
    RECORDER.during(move || put(&writer, b"x"));
    let [r, w, e] = [reader.as_raw_fd(), full.1.as_raw_fd(), ours.as_raw_fd()];
    let (mut reads, mut writes, mut excepts) = (Set::of(&[r, e]), Set::of(&[w]), Set::of(&[e]));
    let mut time = timeval {
        tv_sec: 5,
        tv_usec: 0,
    };
    set_errno(77);
    assert_eq!(
        select(
            r.max(w).max(e) + 1,
            reads.pointer(),
            writes.pointer(),
            excepts.pointer(),
            &mut time
        ),
        1
    );
    assert_eq!(errno(), 77);
    assert!(reads.has(&reader) && !reads.has(&ours) && !writes.has(&full.1) && !excepts.has(&ours));
    assert_eq!(time.tv_sec, 4, "the rest of the time");
    let mut fds = RECORDER.wait().fds;
    fds.sort_unstable();
    let mut wanted = [
        (r, libc::POLLIN),
        (w, libc::POLLOUT),
        (e, libc::POLLIN | libc::POLLPRI),
    ];
    wanted.sort_unstable();
    assert_eq!(fds, wanted);
}

#[test]
fn select_times_out_with_empty_sets() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    RECORDER.answers_first(&[Woken::Ready]);
    let select = call!(call_select(n: i32, r: *mut fd_set, w: *mut fd_set, e: *mut fd_set, timeout: *mut timeval) -> i32);
    let (reader, _writer) = pipe();
    let mut reads = Set::of(&[reader.as_raw_fd()]);
    let mut time = timeval {
        tv_sec: 0,
        tv_usec: 20_000,
    };
    let begin = Instant::now();
    assert_eq!(
        select(
            reader.as_raw_fd() + 1,
            reads.pointer(),
            NO_SET,
            NO_SET,
            &mut time
        ),
        0
    );
    assert!(begin.elapsed() >= Duration::from_millis(20));
    assert!(!reads.has(&reader));
    assert_eq!((time.tv_sec, time.tv_usec), (0, 0));
    assert_eq!(RECORDER.waits().len(), 2);
    time.tv_usec = 10_000;
    assert_eq!(select(0, NO_SET, NO_SET, NO_SET, &mut time), 0, "a sleep");
    assert_eq!(RECORDER.waits().len(), 3);
}

#[test]
fn select_answers_at_once_where_libc_would() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    let select = call!(call_select(n: i32, r: *mut fd_set, w: *mut fd_set, e: *mut fd_set, timeout: *mut timeval) -> i32);
    let (reader, writer) = pipe();
    let mut none = timeval {
        tv_sec: 0,
        tv_usec: 0,
    };
    let mut reads = Set::of(&[reader.as_raw_fd()]);
    assert_eq!(
        select(
            reader.as_raw_fd() + 1,
            reads.pointer(),
            NO_SET,
            NO_SET,
            &mut none
        ),
        0,
        "no time"
    );
    put(&writer, b"x");
    reads = Set::of(&[reader.as_raw_fd()]);
    assert_eq!(
        select(
            reader.as_raw_fd() + 1,
            reads.pointer(),
            NO_SET,
            NO_SET,
            std::ptr::null_mut()
        ),
        1
    );
    assert!(reads.has(&reader));
    let (closed, _) = {
        let (a, b) = pipe();
        (a.as_raw_fd(), b.as_raw_fd())
    };
    let mut bad = Set::of(&[closed]);
    assert_eq!(
        (
            select(
                closed + 1,
                bad.pointer(),
                NO_SET,
                NO_SET,
                std::ptr::null_mut()
            ),
            errno()
        ),
        (-1, libc::EBADF)
    );
    assert_eq!(
        (
            select(-1, NO_SET, NO_SET, NO_SET, std::ptr::null_mut()),
            errno()
        ),
        (-1, libc::EINVAL)
    );
    assert_eq!(RECORDER.waits(), []);
}

/// `poll` reports the hang-up of a pipe's reading end for ever; `select` does not count it as room to write.
#[test]
fn select_does_not_spin_on_what_only_poll_reports() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    let select = call!(call_select(n: i32, r: *mut fd_set, w: *mut fd_set, e: *mut fd_set, timeout: *mut timeval) -> i32);
    let (reader, writer) = pipe();
    drop(writer);
    let mut writes = Set::of(&[reader.as_raw_fd()]);
    let mut time = timeval {
        tv_sec: 0,
        tv_usec: 30_000,
    };
    let begin = Instant::now();
    assert_eq!(
        select(
            reader.as_raw_fd() + 1,
            NO_SET,
            writes.pointer(),
            NO_SET,
            &mut time
        ),
        0
    );
    assert!(begin.elapsed() >= Duration::from_millis(30));
}

#[test]
fn a_cancelled_select_shows_sockets_readable_and_fails_on_pipes() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    RECORDER.answers_always(Woken::Cancelled);
    let select = call!(call_select(n: i32, r: *mut fd_set, w: *mut fd_set, e: *mut fd_set, timeout: *mut timeval) -> i32);
    let (ours, _theirs) = sockets();
    let (reader, _writer) = pipe();
    let mut reads = Set::of(&[ours.as_raw_fd()]);
    assert_eq!(
        select(
            ours.as_raw_fd() + 1,
            reads.pointer(),
            NO_SET,
            NO_SET,
            std::ptr::null_mut()
        ),
        1
    );
    assert!(reads.has(&ours));
    reads = Set::of(&[reader.as_raw_fd()]);
    assert_eq!(
        (
            select(
                reader.as_raw_fd() + 1,
                reads.pointer(),
                NO_SET,
                NO_SET,
                std::ptr::null_mut()
            ),
            errno()
        ),
        (-1, libc::ECANCELED)
    );
}

#[test]
fn a_refused_select_waits_for_the_rest_of_the_time() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    RECORDER.answers_always(Woken::Refused);
    let select = call!(call_select(n: i32, r: *mut fd_set, w: *mut fd_set, e: *mut fd_set, timeout: *mut timeval) -> i32);
    let (reader, _writer) = pipe();
    let mut reads = Set::of(&[reader.as_raw_fd()]);
    let mut time = timeval {
        tv_sec: 0,
        tv_usec: 30_000,
    };
    let begin = Instant::now();
    assert_eq!(
        select(
            reader.as_raw_fd() + 1,
            reads.pointer(),
            NO_SET,
            NO_SET,
            &mut time
        ),
        0
    );
    assert!(begin.elapsed() >= Duration::from_millis(30));
}

#[test]
fn pselect_waits_unless_there_is_a_mask() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    let pselect = call!(call_pselect(n: i32, r: *mut fd_set, w: *mut fd_set, e: *mut fd_set, timeout: *const timespec, mask: *const sigset_t) -> i32);
    let (reader, writer) = pipe();
    let short = timespec {
        tv_sec: 0,
        tv_nsec: 20_000_000,
    };
    let mut reads = Set::of(&[reader.as_raw_fd()]);
    let n = reader.as_raw_fd() + 1;
    assert_eq!(
        pselect(n, reads.pointer(), NO_SET, NO_SET, &short, std::ptr::null()),
        0
    );
    assert!(!reads.has(&reader));
    assert_eq!(RECORDER.wait().fds, [(reader.as_raw_fd(), libc::POLLIN)]);
    // SAFETY: a set of zeros is an empty one.
    let empty: sigset_t = unsafe { std::mem::zeroed() };
    assert_eq!(
        pselect(n, reads.pointer(), NO_SET, NO_SET, &short, &empty),
        0
    );
    assert_eq!(RECORDER.waits().len(), 1);
    RECORDER.during(move || put(&writer, b"x"));
    reads = Set::of(&[reader.as_raw_fd()]);
    assert_eq!(
        pselect(
            n,
            reads.pointer(),
            NO_SET,
            NO_SET,
            std::ptr::null(),
            std::ptr::null()
        ),
        1
    );
    assert!(reads.has(&reader));
    assert_eq!(RECORDER.waits().len(), 2);
}
