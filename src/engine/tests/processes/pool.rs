//! Isolated children under a runner that uses them as it should.

use crate::harness::{Case, lives, processes};
use crate::script::{Fate, Runner, board, job, open_files, plan, readable, script, send};
use kqueue_engine::children::Ending;
use kqueue_engine::link::{ChildLink, MasterLink};
use kqueue_engine::master::{Lost, Plan, Program, supervise};
use kqueue_engine::scoreboard::{Doing, Scoreboard};
use nix::libc;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use nix::unistd::{getpid, getppid};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) const CASES: &[Case] = &[
    (
        "pool::what_a_crashed_child_started_ends_with_it",
        what_a_crashed_child_started_ends,
    ),
    (
        "pool::an_overdue_child_is_not_used_again",
        an_overdue_child_is_not_used_again,
    ),
    (
        "pool::children_that_cannot_begin_are_reported",
        children_that_cannot_begin,
    ),
    ("pool::a_child_is_used_again", a_child_is_used_again),
    (
        "pool::a_child_that_is_spent_is_replaced",
        a_child_that_is_spent_is_replaced,
    ),
    (
        "pool::a_child_retires_after_its_last_job",
        a_child_retires_after_its_last_job,
    ),
    (
        "pool::higher_priority_goes_first",
        higher_priority_goes_first,
    ),
    (
        "pool::children_run_at_the_same_time",
        children_run_at_the_same_time,
    ),
    ("pool::a_child_can_ask", a_child_can_ask),
    ("pool::large_frames_go_both_ways", large_frames_go_both_ways),
    (
        "pool::a_frame_over_the_limit_is_refused",
        a_frame_over_the_limit_is_refused,
    ),
    ("pool::every_end_has_its_reason", every_end_has_its_reason),
    (
        "pool::done_counts_although_the_child_dies",
        done_counts_although_the_child_dies,
    ),
    (
        "pool::a_child_killed_anywhere_leaves_a_free_place",
        a_child_killed_anywhere_leaves_a_free_place,
    ),
    (
        "pool::an_idle_child_that_died_is_not_used",
        an_idle_child_that_died_is_not_used,
    ),
    (
        "pool::an_overdue_child_is_killed_although_it_ignores_sigterm",
        an_overdue_child_is_killed,
    ),
    (
        "pool::a_deadline_that_is_cleared_does_nothing",
        a_deadline_that_is_cleared_does_nothing,
    ),
    (
        "pool::jobs_that_end_at_their_deadline_harm_no_other",
        jobs_that_end_at_their_deadline,
    ),
    (
        "pool::a_child_that_says_exit_and_lingers_is_ended",
        a_child_that_lingers_is_ended,
    ),
    (
        "pool::what_a_job_started_ends_with_an_overdue_child",
        what_a_job_started_ends,
    ),
    (
        "pool::a_copy_of_the_socket_does_not_hide_a_death",
        a_copy_of_the_socket,
    ),
    (
        "pool::an_abandoned_child_is_ended",
        an_abandoned_child_is_ended,
    ),
    ("pool::a_child_starts_clean", a_child_starts_clean),
    (
        "pool::only_the_master_can_stop_a_child",
        only_the_master_can_stop_a_child,
    ),
    (
        "pool::no_descriptors_means_later_not_never",
        no_descriptors_means_later,
    ),
    (
        "pool::no_descriptors_in_the_runner_means_later",
        no_descriptors_in_the_runner,
    ),
    (
        "pool::too_many_children_are_refused_by_the_master",
        too_many_children,
    ),
    (
        "pool::five_hundred_jobs_leave_nothing_behind",
        five_hundred_jobs,
    ),
    (
        "pool::the_scoreboard_shows_the_children",
        the_scoreboard_shows_the_children,
    ),
];

/// Runs `body` in a runner under a master. A failed assertion in it fails the case.
fn in_runner(plan: Plan, max_jobs: u32, body: impl Fn(&mut Runner, &Arc<Scoreboard>)) {
    let board = board();
    let seen = board.clone();
    let mut program = script(move |link| {
        let mut runner = Runner::new(link, &seen, plan.children, max_jobs);
        body(&mut runner, &seen);
        0
    });
    assert_eq!(supervise(plan, board, &mut program).expect("supervise"), 0);
}

fn a_child_is_used_again() {
    in_runner(plan(2), 0, |runner, _| {
        let first = runner.run(job("pid"));
        for _ in 0..5 {
            assert_eq!(runner.run(job("pid")), first);
        }
        assert_ne!(first.text(), getpid().to_string());
        assert_eq!(runner.children.counts().idle, 1);
    });
}

fn a_child_that_is_spent_is_replaced() {
    in_runner(plan(1), 0, |runner, _| {
        for _ in 0..8 {
            let spent = runner.run(job("spent 20"));
            let next = runner.run(job("pid"));
            assert_ne!(next, spent, "it took another job");
        }
    });
}

fn a_child_retires_after_its_last_job() {
    in_runner(plan(1), 3, |runner, _| {
        let pids: Vec<_> = (0..7).map(|_| runner.run(job("pid"))).collect();
        assert_eq!(pids[0], pids[2]);
        assert_ne!(pids[2], pids[3]);
        assert_eq!(pids[3], pids[5]);
        assert_ne!(pids[5], pids[6]);
        assert!(!lives(pids[0].text().parse().expect("a pid")));
    });
}

fn higher_priority_goes_first() {
    in_runner(plan(1), 0, |runner, _| {
        for priority in [0, 1, 5, 1, -3] {
            runner.submit(job("echo").priority(priority));
        }
        runner.wait_all();
        let order: Vec<_> = runner.assigned.iter().map(|(ticket, _)| *ticket).collect();
        assert_eq!(order, [3, 2, 4, 1, 5]);
    });
}

fn children_run_at_the_same_time() {
    in_runner(plan(8), 0, |runner, _| {
        let start = Instant::now();
        for _ in 0..8 {
            runner.submit(job("sleep 400"));
        }
        runner.wait_all();
        assert!(start.elapsed() < Duration::from_millis(1600));
    });
}

fn a_child_can_ask() {
    in_runner(plan(1), 0, |runner, _| {
        assert_eq!(runner.run(job("ask delete?")).text(), "yes");
        assert_eq!(runner.questions, ["delete?"]);
    });
}

fn large_frames_go_both_ways() {
    in_runner(plan(2), 0, |runner, _| {
        let size = 5_000_000;
        let request = format!("length {}", "y".repeat(size));
        let up = runner.submit(job(&request));
        let down = runner.submit(job(&format!("big {size}")));
        assert_eq!(runner.wait(up).text(), size.to_string());
        assert_eq!(runner.wait(down).text().len(), size);
    });
}

fn a_frame_over_the_limit_is_refused() {
    use kqueue_core::wire::{Frame, MAX_FRAME};
    in_runner(plan(1), 0, |runner, _| {
        let ticket = runner.submit(job("sleep 100"));
        let child = runner.child_of(ticket);
        let error = runner
            .children
            .send(child, &Frame::Answer(vec![0; MAX_FRAME + 1]))
            .expect_err("too long");
        assert!(error.to_string().contains("over the limit"), "{error}");
        assert_eq!(runner.wait(ticket).text(), "slept");
        // And from the child's side: it cannot send its result, and leaves with status 9.
        let fate = runner.run(job(&format!("big {}", MAX_FRAME + 1)));
        assert_eq!(fate, Fate::Lost(Ending::Status(9)));
    });
}

fn every_end_has_its_reason() {
    in_runner(plan(1), 0, |runner, _| {
        for (request, reason) in [
            ("raise 9", "killed by signal 9 (SIGKILL)"),
            ("raise 11", "killed by signal 11 (SIGSEGV)"),
            ("raise 15", "killed by signal 15 (SIGTERM)"),
            ("status 3", "exit status 3"),
            ("status 0", "exit status 0"),
            ("exit 3", "the job called exit()"),
            ("oom 512", "out of memory at 512 MB"),
            (
                "fatal Call to undefined function x()",
                "fatal error: Call to undefined function x()",
            ),
            ("half-and-die", "killed by signal 9 (SIGKILL)"),
        ] {
            assert_eq!(runner.run(job(request)).reason(), reason);
            assert_eq!(runner.run(job("echo next")).text(), "next");
        }
        assert_eq!(runner.false_starts, 0);
        let garbled = runner.run(job("garbage"));
        assert!(
            matches!(garbled, Fate::Lost(Ending::ProtocolError(_))),
            "{garbled:?}"
        );
        assert_eq!(runner.run(job("echo next")).text(), "next");
    });
}

fn done_counts_although_the_child_dies() {
    in_runner(plan(1), 0, |runner, _| {
        for _ in 0..20 {
            assert_eq!(runner.run(job("done-and-die fine")).text(), "fine");
        }
        assert_eq!(runner.run(job("echo next")).text(), "next");
    });
}

/// A SIGKILL at a random moment of a child's life: the job is done or lost, and the next job has a child.
fn a_child_killed_anywhere_leaves_a_free_place() {
    in_runner(plan(3), 0, |runner, _| {
        let (mut done, mut lost) = (0, 0);
        // When a kill meets a job that runs depends on the machine: on, until it has often enough.
        let mut round = 0u64;
        while round < 150 || (round < 3000 && (done <= 100 || lost <= 10)) {
            let tickets: Vec<_> = (0..3).map(|_| runner.submit(job("ask x"))).collect();
            let until = Instant::now() + Duration::from_micros(round % 150 * 20);
            while Instant::now() < until {
                runner.turn(Duration::ZERO);
            }
            let victims = processes()
                .filter(|p| p.parent == getppid().as_raw() && p.pid != getpid().as_raw())
                .filter(|p| p.state != 'Z')
                .collect::<Vec<_>>();
            if let Some(victim) = victims.get(round as usize % victims.len().max(1)) {
                let _ =
                    nix::sys::signal::kill(nix::unistd::Pid::from_raw(victim.pid), Signal::SIGKILL);
            }
            for ticket in tickets {
                match runner.wait(ticket) {
                    Fate::Done(_) => done += 1,
                    Fate::Lost(ending) => {
                        assert_eq!(ending, Ending::Signal(9));
                        lost += 1;
                    }
                }
            }
            round += 1;
        }
        assert!(done > 100 && lost > 10, "{done} done, {lost} lost: no test");
        runner.until(|runner| {
            let counts = runner.children.counts();
            counts.busy + counts.starting + counts.leaving + counts.waiting == 0
        });
        let tickets: Vec<_> = (0..3).map(|_| runner.submit(job("sleep 50"))).collect();
        for ticket in tickets {
            assert_eq!(runner.wait(ticket).text(), "slept");
        }
    });
}

fn an_idle_child_that_died_is_not_used() {
    in_runner(plan(1), 0, |runner, _| {
        for _ in 0..20 {
            let pid: i32 = runner.run(job("pid")).text().parse().expect("a pid");
            send(pid, Signal::SIGKILL);
            while lives(pid) {}
            // The runner has not read the control socket since, so its books still say "idle".
            assert_eq!(runner.run(job("echo fine")).text(), "fine");
        }
        assert_eq!(runner.false_starts, 0);
    });
}

/// A program whose children cannot even begin.
struct Stillborn(Arc<Scoreboard>);

impl Program for Stillborn {
    fn runner(&mut self, link: MasterLink) -> i32 {
        let mut runner = Runner::new(link, &self.0, 1, 0);
        assert_eq!(runner.run(job("echo")).reason(), "exit status 3");
        runner.false_starts as i32
    }

    fn child(&mut self, _: ChildLink) -> i32 {
        3
    }

    fn rescue(&mut self, _: Vec<Lost>) -> i32 {
        0
    }
}

/// A job whose child dies before it begins gets another child, but not for ever.
fn children_that_cannot_begin() {
    let board = board();
    let mut program = Stillborn(board.clone());
    let status = supervise(plan(1), board, &mut program).expect("supervise");
    assert_eq!(
        status, 4,
        "false starts before the fifth is taken as the job's end"
    );
}

fn an_overdue_child_is_killed() {
    in_runner(plan(2), 0, |runner, _| {
        let start = Instant::now();
        let stubborn = runner.submit(job("stubborn").timeout(200));
        let polite = runner.submit(job("hang").timeout(200));
        assert_eq!(
            runner.wait(polite).reason(),
            "ended at its deadline after 0.2 s"
        );
        let polite_after = start.elapsed();
        assert_eq!(
            runner.wait(stubborn).reason(),
            "ended at its deadline after 0.2 s"
        );
        let stubborn_after = start.elapsed();
        assert!(polite_after >= Duration::from_millis(200));
        assert!(
            stubborn_after >= Duration::from_millis(500),
            "the grace is 300 ms"
        );
        assert!(stubborn_after < Duration::from_secs(5));
        assert_eq!(runner.run(job("echo next")).text(), "next");
    });
}

fn a_deadline_that_is_cleared_does_nothing() {
    in_runner(plan(1), 0, |runner, _| {
        let first = runner.run(job("pid").timeout(150));
        assert_eq!(runner.run(job("sleep 400")).text(), "slept");
        assert_eq!(runner.run(job("pid")), first, "it is the same child");
    });
}

/// Jobs that end at the very moment of their deadline, each followed by one without: that one must never pay for it.
fn jobs_that_end_at_their_deadline() {
    in_runner(plan(2), 0, |runner, _| {
        let mut overdue = 0;
        for round in 0..60 {
            let risky = runner.submit(job("sleep 20").timeout(19 + round % 4));
            let innocent = [runner.submit(job("sleep 5")), runner.submit(job("sleep 5"))];
            for ticket in innocent {
                assert_eq!(runner.wait(ticket).text(), "slept");
            }
            if let Fate::Lost(ending) = runner.wait(risky) {
                assert!(matches!(ending, Ending::Overdue { .. }), "{ending:?}");
                overdue += 1;
            }
        }
        assert!(overdue > 0, "no job was near its deadline: no test");
    });
}

fn a_child_that_lingers_is_ended() {
    in_runner(plan(1), 0, |runner, _| {
        let start = Instant::now();
        assert_eq!(runner.run(job("linger")).reason(), "the job called exit()");
        assert!(start.elapsed() < Duration::from_secs(5));
    });
}

fn what_a_job_started_ends() {
    in_runner(plan(1), 0, |runner, _| {
        assert_eq!(
            runner.run(job("spawn-and-hang").timeout(200)).reason(),
            "ended at its deadline after 0.2 s"
        );
        let started: i32 = runner.questions[0].parse().expect("a pid");
        let until = Instant::now() + Duration::from_secs(2);
        while lives(started) {
            assert!(Instant::now() < until, "it still runs");
        }
    });
}

/// A process of the job outlives the child and holds its end of the socket: the runner must not wait for that one.
fn a_copy_of_the_socket() {
    in_runner(plan(1), 0, |runner, _| {
        let fate = runner.run(job("spawn-and-leave 2000"));
        assert_eq!(fate, Fate::Lost(Ending::Status(0)));
        let copy: i32 = runner.questions[0].parse().expect("a pid");
        assert!(lives(copy), "what a job leaves behind on purpose stays");
        send(copy, Signal::SIGKILL);
    });
}

fn what_a_crashed_child_started_ends() {
    in_runner(plan(1), 0, |runner, _| {
        let fate = runner.run(job("spawn-and-die"));
        assert_eq!(fate, Fate::Lost(Ending::Signal(9)));
        let started: i32 = runner.questions[0].parse().expect("a pid");
        let until = Instant::now() + Duration::from_secs(2);
        while lives(started) {
            assert!(Instant::now() < until, "it still runs");
        }
    });
}

/// The job ends in time, but the runner hears of it only after the deadline, when the master has already begun to end the
/// child. Another job in that child would be killed with it.
fn an_overdue_child_is_not_used_again() {
    in_runner(plan(1), 0, |runner, _| {
        let ticket = runner.submit(job("deaf 50").timeout(100));
        runner.child_of(ticket);
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(runner.wait(ticket).text(), "slept");
        // SIGKILL comes 300 ms after the deadline.
        assert_eq!(runner.run(job("sleep 500")).text(), "slept");
        assert_ne!(runner.assigned[0].1, runner.assigned[1].1);
    });
}

fn an_abandoned_child_is_ended() {
    in_runner(plan(1), 0, |runner, _| {
        let ticket = runner.submit(job("stubborn"));
        let child = runner.child_of(ticket);
        let pid = runner.children.pid(child).expect("it lives");
        runner.until(|runner| runner.questions == ["ready"]);
        runner.turn(Duration::from_millis(50));
        runner.children.abandon(child);
        assert_eq!(runner.children.counts().leaving, 1);
        runner.until(|runner| runner.children.counts().leaving == 0);
        assert!(!lives(pid));
    });
}

fn a_child_starts_clean() {
    in_runner(plan(2), 0, |runner, _| {
        runner.run(job("pid"));
        let keep = runner.submit(job("sleep 300"));
        // A second child, forked while the first lives: it has a socket of its own and nothing else of KQueue's.
        let fds = runner.run(job("fds"));
        let sockets = fds.text().matches("socket:").count();
        assert_eq!(sockets, 1, "{}", fds.text());
        assert_eq!(fds.text().matches("eventfd").count(), 0, "{}", fds.text());
        runner.wait(keep);
        let signals = runner.run(job("signals"));
        let masks: Vec<u64> = signals
            .text()
            .split(' ')
            .map(|mask| u64::from_str_radix(mask, 16).expect("a mask"))
            .collect();
        let [blocked, ignored, caught] = masks[..] else {
            panic!("three masks");
        };
        let of = |signals: &[i32]| {
            signals
                .iter()
                .map(|signal| 1u64 << (signal - 1))
                .sum::<u64>()
        };
        assert_eq!(blocked, 0);
        let wanted = of(&[libc::SIGPIPE, libc::SIGTTIN, libc::SIGTTOU]);
        // What the test itself inherited as ignored stays so.
        assert_eq!(ignored & wanted, wanted);
        assert_eq!(ignored & of(&[libc::SIGINT, libc::SIGCHLD]), 0);
        let stops = [
            libc::SIGTERM,
            libc::SIGINT,
            libc::SIGQUIT,
            libc::SIGUSR2,
            libc::SIGHUP,
        ];
        assert_eq!(caught, of(&stops), "only what the master may ask");
    });
}

fn only_the_master_can_stop_a_child() {
    in_runner(plan(1), 0, |runner, _| {
        let ticket = runner.submit(job("busy 300"));
        let child = runner.child_of(ticket);
        let pid = runner.children.pid(child).expect("it lives");
        runner.until(|runner| runner.questions == ["ready"]);
        // What a service manager does that signals every process it finds.
        for signal in [
            Signal::SIGTERM,
            Signal::SIGINT,
            Signal::SIGQUIT,
            Signal::SIGUSR2,
        ] {
            send(pid, signal);
            send(getpid().as_raw(), Signal::SIGCONT);
        }
        assert_eq!(runner.wait(ticket).text(), "slept");
        let overdue = runner.run(job("hang").timeout(100));
        assert_eq!(overdue.reason(), "ended at its deadline after 0.1 s");
    });
}

/// The master has no descriptor left: the spawn fails, and is tried again until it works.
fn no_descriptors_means_later() {
    in_runner(plan(1), 0, |runner, _| {
        let master = getppid().as_raw();
        // Let it finish what it does after forking this runner.
        std::thread::sleep(Duration::from_millis(200));
        let open = open_files(&master.to_string()).len() as u64 + 3;
        limit_files(master, open);
        let ticket = runner.submit(job("echo at last"));
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(500) {
            runner.turn(Duration::from_millis(50));
        }
        assert_eq!(runner.children.counts().waiting, 1, "there is no child");
        assert!(runner.children.wakeup().is_some());
        limit_files(master, 1000);
        assert_eq!(runner.wait(ticket).text(), "at last");
    });
}

/// The runner has none: the kernel drops the socket that the master passes.
fn no_descriptors_in_the_runner() {
    in_runner(plan(1), 0, |runner, _| {
        let mut hoard = Vec::new();
        setrlimit(Resource::RLIMIT_NOFILE, 50, 1000).expect("a limit");
        while let Ok(file) = std::fs::File::open("/dev/null") {
            hoard.push(file);
        }
        let ticket = runner.submit(job("echo at last"));
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(500) {
            runner.turn(Duration::from_millis(50));
        }
        assert_eq!(runner.children.counts().waiting, 1, "there is no child");
        drop(hoard);
        assert_eq!(runner.wait(ticket).text(), "at last");
    });
}

fn limit_files(pid: i32, limit: u64) {
    let new = libc::rlimit {
        rlim_cur: limit,
        rlim_max: 1000,
    };
    // SAFETY: `new` is a valid limit, and no old one is wanted.
    let result = unsafe { libc::prlimit(pid, libc::RLIMIT_NOFILE, &new, std::ptr::null_mut()) };
    assert_eq!(result, 0);
}

/// A runner that asks for more than the plan allows gets no more, and what it has goes on.
fn too_many_children() {
    let board = board();
    let seen = board.clone();
    let mut program = script(move |link| {
        let mut runner = Runner::new(link, &seen, 5, 0);
        for _ in 0..6 {
            runner.submit(job("sleep 100"));
        }
        runner.wait_all();
        let mut used: Vec<_> = runner.assigned.iter().map(|(_, child)| *child).collect();
        used.sort_unstable();
        used.dedup();
        assert_eq!(used.len(), 2);
        0
    });
    assert_eq!(
        supervise(plan(2), board, &mut program).expect("supervise"),
        0
    );
}

fn five_hundred_jobs() {
    in_runner(plan(4), 7, |runner, _| {
        let master = getppid().as_raw();
        for _ in 0..4 {
            runner.submit(job("echo"));
        }
        runner.wait_all();
        runner.until(|runner| runner.children.counts().starting == 0);
        let before = (
            open_files("self").len(),
            open_files(&master.to_string()).len(),
        );
        let kinds = [
            "echo",
            "raise 9",
            "exit 1",
            "done-and-die x",
            "oom 5",
            "status 2",
        ];
        for number in 0..500 {
            runner.submit(job(kinds[if number % 4 == 0 { number / 4 % 6 } else { 0 }]));
        }
        runner.wait_all();
        assert_eq!(runner.fates.len(), 504);
        let lost = runner
            .fates
            .values()
            .filter(|fate| matches!(fate, Fate::Lost(_)))
            .count();
        assert_eq!(lost, 21 + 21 + 21 + 20, "raise, exit, oom, status");
        runner.until(|runner| {
            let counts = runner.children.counts();
            counts.leaving + counts.starting == 0
        });
        let idle = runner.children.counts().idle;
        assert!(idle <= 4);
        // The master keeps no descriptor of a child, the runner one.
        assert!(
            open_files("self").len() <= before.0 + 4,
            "{:?}",
            open_files("self")
        );
        assert!(open_files(&master.to_string()).len() <= before.1);
        assert!(!readable(
            runner.children.control_fd(),
            Duration::from_millis(100)
        ));
        let children: Vec<_> = processes().filter(|p| p.parent == master).collect();
        assert_eq!(children.len(), idle + 1, "{children:?}");
        assert!(
            children.iter().all(|child| child.state != 'Z'),
            "{children:?}"
        );
    });
}

fn the_scoreboard_shows_the_children() {
    in_runner(plan(1), 0, |runner, board| {
        let ticket = runner.submit(job("sleep 200").timeout(5000));
        let child = runner.child_of(ticket);
        let info = board.child(0).expect("a child");
        assert_eq!(Some(info.pid), runner.children.pid(child));
        assert_eq!(
            (info.doing, info.ticket, info.jobs),
            (Doing::Busy, ticket, 1)
        );
        assert_eq!(info.deadline_ms, info.started_ms + 5000);
        runner.wait(ticket);
        assert_eq!(board.child(0).expect("a child").doing, Doing::Idle);
        send(info.pid, Signal::SIGKILL);
        runner.until(|_| board.child(0).is_none());
        // Slots are used again: there are sixteen.
        for _ in 0..20 {
            let ticket = runner.submit(job("done-and-die x"));
            let child = runner.child_of(ticket);
            assert_eq!(
                board.child(0).map(|info| info.pid),
                runner.children.pid(child)
            );
            runner.wait(ticket);
            runner.until(|_| board.child(0).is_none());
        }
        assert_eq!(board.child(1), None);
    });
}
