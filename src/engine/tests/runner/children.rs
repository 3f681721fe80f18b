//! Lanes that want isolated children, with the test as their master.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Instant;

use super::lanes::{Act, Run, act, ms, say, say_answer, sleep};
use kqueue_core::scheduler::Scheduler;
use kqueue_core::wire::Control;
use kqueue_engine::children::Children;
use kqueue_engine::link::MasterLink;
use kqueue_engine::scoreboard::Scoreboard;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, send, socketpair};

/// A run that may have so many children, and the master's end of its control socket.
fn run(limit: usize) -> (Run, OwnedFd) {
    let (master, link) = socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        SockFlag::SOCK_CLOEXEC,
    )
    .unwrap();
    let board = Arc::new(Scoreboard::new(1, limit as u32).unwrap());
    let children = Children::new(MasterLink::over(link), board, limit, 0);
    let run = Run::new(Scheduler::with_jobs(9), None, Some(children));
    (run, master)
}

fn says(master: &OwnedFd, message: Control) -> Act {
    let fd = nix::unistd::dup(master).unwrap();
    act(move |_| {
        let packet = message.encode();
        let sent = send(fd.as_raw_fd(), &packet, MsgFlags::empty()).unwrap();
        assert_eq!(sent, packet.len());
    })
}

#[test]
fn a_run_without_children_refuses_at_once() {
    let mut without = Run::jobs(1);
    without.job([Act::Child(0), say_answer()]);
    without.go().unwrap();
    assert_eq!(without.lines(), ["1 Child(Err(Disabled))"]);

    let (mut none, _master) = run(0);
    none.job([Act::Child(0), say_answer()]);
    none.go().unwrap();
    assert_eq!(none.lines(), ["1 Child(Err(Disabled))"]);
}

#[test]
fn a_deadline_ends_the_wait_for_a_child() {
    let (mut run, _master) = run(1);
    run.job([
        act(|scene| {
            let moment = Instant::now() + ms(5);
            scene
                .desk
                .borrow_mut()
                .set_deadline(scene.lane, Some(moment));
        }),
        Act::Child(0),
        say_answer(),
    ]);
    run.go().unwrap();
    assert_eq!(run.lines(), ["1 Child(Err(Overdue))"]);
    let desk = run.desk.borrow();
    assert_eq!(desk.children.as_ref().unwrap().counts().waiting, 0);
}

/// Nobody will fork one any more: who waits for a child, or comes to want one, must not wait for ever.
#[test]
fn lanes_that_want_a_child_hear_that_the_master_is_gone() {
    let (mut run, master) = run(1);
    run.job([Act::Child(0), say_answer(), Act::Child(0), say_answer()]);
    run.job([Act::Child(5), say_answer()]);
    run.job([Act::Notice, say("has word")]);
    run.job([
        sleep(100),
        act(move |_| drop(master)),
        sleep(20),
        say("ends"),
    ]);
    run.go().unwrap();
    let mut lines = run.lines();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "1 Child(Err(MasterGone))",
            "1 Child(Err(MasterGone))",
            "2 Child(Err(MasterGone))",
            "3 has word",
            "4 ends"
        ]
    );
    assert_eq!(run.desk.borrow().scheduler.stopping().unwrap().status, 1);
}

#[test]
fn the_masters_word_wakes_who_waits_for_it() {
    let (mut run, master) = run(1);
    run.job([Act::Notice, say_answer()]);
    run.job([
        sleep(5),
        says(
            &master,
            Control::Signal {
                signal: libc::SIGUSR2,
            },
        ),
    ]);
    run.go().unwrap();
    assert_eq!(run.lines(), ["1 Ready"]);
    assert!(run.desk.borrow().scheduler.paused());
}

#[test]
fn without_a_word_the_lane_looks_for_itself_in_the_end() {
    let (mut run, _master) = run(1);
    run.job([Act::Notice, say_answer()]);
    run.go().unwrap();
    assert_eq!(run.lines(), ["1 TimedOut"]);
}

/// A terminal or a service manager sends the same signal to the master, which passes it on, and to this process: that is one stop.
#[test]
fn the_same_stop_from_two_sides_is_one_stop() {
    let _one = super::alarm::alone();
    let (master, link) = socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        SockFlag::SOCK_CLOEXEC,
    )
    .unwrap();
    let board = Arc::new(Scoreboard::new(1, 1).unwrap());
    let children = Children::new(MasterLink::over(link), board, 1, 0);
    let signals = kqueue_engine::signals::Signals::install(&kqueue_engine::signals::STOP).unwrap();
    let mut run = Run::new(Scheduler::with_jobs(2), Some(signals), Some(children));
    run.job([
        says(
            &master,
            Control::Signal {
                signal: libc::SIGTERM,
            },
        ),
        sleep(5),
        act(|scene| {
            assert_eq!(scene.desk.borrow().last_signal(), Some(libc::SIGTERM));
            kqueue_engine::signals::raise(libc::SIGTERM);
        }),
        sleep(5),
        say("ends"),
    ]);
    run.go().unwrap();
    assert_eq!(run.told, [(libc::SIGTERM, true)], "once");
    assert_eq!(run.lines(), ["1 ends"]);
}
