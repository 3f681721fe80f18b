//! `waitpid` and its kin; `pclose`; `sigtimedwait`.
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use kqueue_engine::interpose::Woken;
use libc::{FILE, c_char, pid_t, rusage, siginfo_t, sigset_t, timespec};

use crate::descriptors::{errno, is_open, pipe, set_errno};
use crate::fixture::{Turn, call};
use crate::lanes::{self, Lanes};
use crate::recorder::RECORDER;

/// A child that ends with 7 when the other end of its pipe is closed.
fn child() -> (pid_t, OwnedFd) {
    let (reader, writer) = pipe();
    // SAFETY: the child closes, reads and ends; it takes no lock.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let mut byte = 0_u8;
        // SAFETY: own descriptors, and a byte on this frame.
        unsafe {
            libc::close(writer.as_raw_fd());
            libc::read(reader.as_raw_fd(), (&raw mut byte).cast(), 1);
            libc::_exit(7);
        }
    }
    assert!(pid > 0);
    (pid, writer)
}

fn ended_with(status: i32, code: i32) -> bool {
    libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == code
}

type Wait = Box<dyn Fn(pid_t, *mut i32, i32) -> pid_t>;

fn waits() -> Vec<(&'static str, Wait)> {
    let waitpid = call!(call_waitpid(pid: pid_t, status: *mut i32, options: i32) -> pid_t);
    let wait4 =
        call!(call_wait4(pid: pid_t, status: *mut i32, options: i32, usage: *mut rusage) -> pid_t);
    vec![
        ("waitpid", Box::new(waitpid)),
        (
            "wait4",
            Box::new(move |pid, status, options| {
                // SAFETY: a structure of zeros is a valid one to be filled.
                let mut usage: rusage = unsafe { std::mem::zeroed() };
                let found = wait4(pid, status, options, &mut usage);
                assert_eq!(usage.ru_maxrss > 0, found > 0, "usage is written");
                found
            }),
        ),
    ]
}

#[test]
fn waiting_for_one_child_waits_for_its_descriptor() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    for (name, wait) in waits() {
        let (pid, end) = child();
        let mut end = Some(end);
        RECORDER.fresh().during(move || drop(end.take()));
        let mut status = 0;
        set_errno(77);
        assert_eq!((wait(pid, &mut status, 0), errno()), (pid, 77), "{name}");
        assert!(ended_with(status, 7), "{name}: {status:#x}");
        let asked = RECORDER.wait();
        assert_eq!(asked.fds.len(), 1, "{name}");
        assert_eq!(
            (asked.fds[0].1, asked.timeout),
            (libc::POLLIN, None),
            "{name}"
        );
        assert!(!is_open(asked.fds[0].0), "{name}: closed again");
        assert_eq!(
            (wait(pid, &mut status, 0), errno()),
            (-1, libc::ECHILD),
            "{name}"
        );
    }
}

#[test]
fn waiting_for_any_child_asks_again_and_again() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    for (name, wait) in waits() {
        let (pid, end) = child();
        let mut end = Some(end);
        let mut left = 3;
        RECORDER.fresh().during(move || {
            left -= 1;
            if left == 0 {
                drop(end.take());
            }
        });
        let mut status = 0;
        assert_eq!(wait(-1, &mut status, 0), pid, "{name}");
        assert!(ended_with(status, 7), "{name}: {status:#x}");
        let asked = RECORDER.waits();
        assert!(
            asked.len() >= 3 && asked.iter().all(|wait| wait.fds.is_empty()),
            "{name}: {asked:?}"
        );
    }
}

#[test]
fn a_stopped_child_is_seen_if_asked_for() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    let waitpid = call!(call_waitpid(pid: pid_t, status: *mut i32, options: i32) -> pid_t);
    let (pid, end) = child();
    RECORDER.during(move || {
        // SAFETY: a child of this process.
        unsafe { libc::kill(pid, libc::SIGSTOP) };
    });
    let mut status = 0;
    assert_eq!(waitpid(pid, &mut status, libc::WUNTRACED), pid);
    assert!(libc::WIFSTOPPED(status));
    RECORDER.fresh();
    // SAFETY: a child of this process.
    unsafe { libc::kill(pid, libc::SIGCONT) };
    drop(end);
    assert_eq!(waitpid(pid, &mut status, 0), pid);
}

#[test]
fn the_older_forms_wait_too() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    let wait = call!(call_wait(status: *mut i32) -> pid_t);
    let wait3 = call!(call_wait3(status: *mut i32, options: i32, usage: *mut rusage) -> pid_t);
    type Form = Box<dyn Fn(*mut i32) -> pid_t>;
    let forms: [(&str, Form); 2] = [
        ("wait", Box::new(wait)),
        (
            "wait3",
            Box::new(move |status| wait3(status, 0, std::ptr::null_mut())),
        ),
    ];
    for (name, wait) in forms {
        let (pid, end) = child();
        let mut end = Some(end);
        RECORDER.fresh().during(move || drop(end.take()));
        let mut status = 0;
        assert_eq!(wait(&mut status), pid, "{name}");
        assert!(ended_with(status, 7), "{name}: {status:#x}");
        assert!(!RECORDER.waits().is_empty(), "{name}");
    }
}

#[test]
fn waitid_waits_and_tells_about_the_child() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    let waitid = call!(call_waitid(kind: u32, id: u32, info: *mut siginfo_t, options: i32) -> i32);
    let (pid, end) = child();
    // SAFETY: information of zeros is a valid one to be filled.
    let mut info: siginfo_t = unsafe { std::mem::zeroed() };
    assert_eq!(
        waitid(
            libc::P_PID,
            pid as u32,
            &mut info,
            libc::WEXITED | libc::WNOHANG
        ),
        0
    );
    assert_eq!(RECORDER.waits(), []);
    let mut end = Some(end);
    RECORDER.during(move || drop(end.take()));
    assert_eq!(
        waitid(
            libc::P_PID,
            pid as u32,
            &mut info,
            libc::WEXITED | libc::WNOWAIT
        ),
        0
    );
    assert_eq!(RECORDER.wait().fds.len(), 1);
    // SAFETY: filled for a child.
    assert_eq!(unsafe { (info.si_pid(), info.si_status()) }, (pid, 7));
    assert_eq!(
        waitid(libc::P_ALL, 0, std::ptr::null_mut(), libc::WEXITED),
        0
    );
    assert_eq!(
        (
            waitid(libc::P_PID, pid as u32, &mut info, libc::WEXITED),
            errno()
        ),
        (-1, libc::ECHILD)
    );
    assert_eq!(RECORDER.waits().len(), 1);
}

#[test]
fn pclose_waits_for_a_helper() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    let popen = call!(call_popen(command: *const c_char) -> *mut FILE);
    let pclose = call!(call_pclose(stream: *mut FILE) -> i32);
    let stream = popen(c"sleep 0.05; exit 7".as_ptr());
    assert!(!stream.is_null());
    let status = pclose(stream);
    assert!(ended_with(status, 7), "{status:#x}");
    assert_eq!(RECORDER.waits().len(), 1);
    RECORDER.fresh().answers_always(Woken::Refused);
    let status = pclose(popen(c"sleep 0.05; exit 8".as_ptr()));
    assert!(ended_with(status, 8), "{status:#x}");
    RECORDER.fresh().answers_always(Woken::Cancelled);
    let stream = popen(c"sleep 0.05".as_ptr());
    assert_eq!((pclose(stream), errno()), (-1, libc::ECANCELED));
    let begin = Instant::now();
    // SAFETY: asks for any child, without waiting or reaping.
    while unsafe {
        libc::waitid(
            libc::P_ALL,
            0,
            std::ptr::null_mut(),
            libc::WEXITED | libc::WNOHANG | libc::WNOWAIT,
        )
    } == 0
    {
        assert!(
            begin.elapsed() < Duration::from_secs(10),
            "the helper does not reap"
        );
        std::thread::yield_now();
    }
}

#[test]
fn a_signal_is_asked_for_again_and_again() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    let sigtimedwait = call!(call_sigtimedwait(set: *const sigset_t, info: *mut siginfo_t, timeout: *const timespec) -> i32);
    let sigwaitinfo = call!(call_sigwaitinfo(set: *const sigset_t, info: *mut siginfo_t) -> i32);
    // SAFETY: a set of zeros is an empty one.
    let mut set: sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set is on this frame, and this thread is the test's own.
    unsafe {
        libc::sigaddset(&raw mut set, libc::SIGUSR1);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
    }
    let short = timespec {
        tv_sec: 0,
        tv_nsec: 100_000_000,
    };
    assert_eq!(
        (sigtimedwait(&set, std::ptr::null_mut(), &short), errno()),
        (-1, libc::EAGAIN)
    );
    assert!(RECORDER.waits().len() > 1);
    // SAFETY: as above.
    let this_thread = unsafe { libc::pthread_self() };
    let mut left = 3;
    RECORDER.fresh().during(move || {
        left -= 1;
        if left == 0 {
            // SAFETY: the thread waits for it.
            unsafe { libc::pthread_kill(this_thread, libc::SIGUSR1) };
        }
    });
    assert_eq!(sigwaitinfo(&set, std::ptr::null_mut()), libc::SIGUSR1);
    assert_eq!(RECORDER.waits().len(), 3);
    RECORDER.fresh().answers_always(Woken::Cancelled);
    assert_eq!(
        (sigwaitinfo(&set, std::ptr::null_mut()), errno()),
        (-1, libc::ECANCELED)
    );
}

#[test]
fn looking_for_a_child_does_not_wait() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    for (name, wait) in waits() {
        let (pid, end) = child();
        let mut status = 0;
        assert_eq!(wait(pid, &mut status, libc::WNOHANG), 0, "{name}");
        drop(end);
        // SAFETY: a child of this process; leaves it to be waited for.
        unsafe {
            libc::waitid(
                libc::P_PID,
                pid as u32,
                &mut std::mem::zeroed(),
                libc::WEXITED | libc::WNOWAIT,
            )
        };
        assert_eq!(wait(pid, &mut status, 0), pid, "{name}: ended already");
        assert_eq!(
            (wait(1, &mut status, 0), errno()),
            (-1, libc::ECHILD),
            "{name}: not ours"
        );
    }
    assert_eq!(RECORDER.waits(), []);
}

#[test]
fn a_cancelled_wait_leaves_the_child() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    for (name, wait) in waits() {
        let (pid, end) = child();
        let mut status = 0;
        RECORDER.fresh().answers_always(Woken::Cancelled);
        assert_eq!(
            (wait(pid, &mut status, 0), errno()),
            (-1, libc::ECANCELED),
            "{name}"
        );
        RECORDER.fresh().answers_always(Woken::Refused);
        drop(end);
        assert_eq!(wait(pid, &mut status, 0), pid, "{name}: a real one");
    }
}

#[test]
fn two_lanes_wait_for_their_children() {
    let turn = Turn::take();
    turn.install(&Lanes);
    let waitpid = call!(call_waitpid(pid: pid_t, status: *mut i32, options: i32) -> pid_t);
    let usleep = call!(call_usleep(micros: u32) -> i32);
    let (first, first_end) = child();
    let (second, second_end) = child();
    let begin = Instant::now();
    let waits = lanes::run(vec![
        Box::new(move || assert_eq!(waitpid(first, std::ptr::null_mut(), 0), first)),
        Box::new(move || assert_eq!(waitpid(second, std::ptr::null_mut(), 0), second)),
        Box::new(move || {
            assert_eq!(usleep(50_000), 0);
            // Closed in the order that would never end, if waits did not overlap: the first child holds both ends.
            drop(first_end);
            drop(second_end);
        }),
    ]);
    assert_eq!(waits, [1, 1, 1]);
    assert!(begin.elapsed() >= Duration::from_millis(50));
}
