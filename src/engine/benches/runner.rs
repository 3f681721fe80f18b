//! What the loop alone costs: lanes that do nothing but wait.
//!
//! `cargo bench -p kqueue-engine --bench runner`
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench reports")]

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use kqueue_core::scheduler::{Grant, LaneId, Scheduler, Waiting};
use kqueue_engine::runner::{self, Descriptors, Desk, Lanes, Pause, Wake};

/// What the lanes wait for.
#[derive(Clone, Copy)]
enum Kind {
    /// Time, between 0 and 1 ms.
    Sleep,
    /// Nothing: the time is over at once.
    Zero,
    /// A descriptor that is ready.
    Descriptor,
}

struct Waiters {
    kind: Kind,
    made: LaneId,
    resumes: u64,
    /// How often a job waits, and how often each lane's still does.
    each: u64,
    left: Vec<u64>,
    fds: Vec<libc::pollfd>,
    dice: u64,
}

impl Waiters {
    fn wait(&mut self, lane: LaneId) -> Pause {
        let at = lane as usize;
        self.resumes += 1;
        if self.left[at] == 0 {
            return Pause::Line;
        }
        self.left[at] -= 1;
        self.dice = self
            .dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let timeout = match self.kind {
            Kind::Sleep => Some(Duration::from_micros((self.dice >> 33) % 1000)),
            Kind::Zero => Some(Duration::ZERO),
            Kind::Descriptor => None,
        };
        let fds = match self.kind {
            #[expect(unsafe_code, reason = "they lie in the lane")]
            // SAFETY: the list is not changed while lanes wait.
            Kind::Descriptor => unsafe { Descriptors::new(&self.fds[at..=at]) },
            Kind::Sleep | Kind::Zero => Descriptors::NONE,
        };
        Pause::Wait { fds, timeout }
    }
}

/// The waiters, as the loop has them.
struct Driven(RefCell<Waiters>);

impl Lanes for Driven {
    fn start(&self) -> Result<LaneId, String> {
        let mut waiters = self.0.borrow_mut();
        waiters.made += 1;
        Ok(waiters.made - 1)
    }

    fn resume(&self, lane: LaneId, wake: Wake) -> Pause {
        let mut waiters = self.0.borrow_mut();
        match wake {
            Wake::Start => Pause::Line,
            Wake::Granted(Grant::End) => Pause::Ended,
            Wake::Granted(_) => {
                waiters.left[lane as usize] = waiters.each;
                waiters.wait(lane)
            }
            _ => waiters.wait(lane),
        }
    }

    fn dispose(&self, _lane: LaneId) {}
}

fn main() {
    raise_limit();
    println!(
        "{:<14}{:>7}{:>10}{:>13}{:>14}{:>11}",
        "wait", "lanes", "resumes", "ns by clock", "ns processor", "KiB grown"
    );
    for (name, kind) in [
        ("sleep 0-1 ms", Kind::Sleep),
        ("zero", Kind::Zero),
        ("descriptor", Kind::Descriptor),
    ] {
        for lanes in [1, 100, 1_000, 5_000] {
            measure(name, kind, lanes);
        }
    }
}

fn measure(name: &str, kind: Kind, lanes: usize) {
    let resumes = match (kind, lanes) {
        (Kind::Sleep, 1) => 2_000,
        _ => 1_000_000,
    };
    let events: Vec<_> = (0..lanes)
        .map(|_| nix::sys::eventfd::EventFd::from_value(1).unwrap())
        .collect();
    let waiters = Driven(RefCell::new(Waiters {
        kind,
        made: 0,
        resumes: 0,
        each: resumes / lanes as u64,
        left: vec![0; lanes],
        fds: events
            .iter()
            .map(|fd| libc::pollfd {
                fd: std::os::fd::AsRawFd::as_raw_fd(fd),
                events: libc::POLLIN,
                revents: 0,
            })
            .collect(),
        dice: 42,
    }));
    let mut scheduler = Scheduler::with_jobs(lanes);
    for id in 1..=lanes as u64 {
        scheduler.push(
            Waiting {
                id,
                priority: 0,
                background: false,
            },
            None,
        );
    }
    let desk = Desk::new(
        Desk::reactor(None, None).unwrap(),
        scheduler,
        Instant::now(),
        None,
        None,
    );
    let desk = Rc::new(RefCell::new(desk));
    let memory = resident();
    let (began, busy) = (Instant::now(), processor());
    runner::run(&desk, &waiters).unwrap();
    let (wall, busy) = (began.elapsed(), processor() - busy);
    let resumes = waiters.0.borrow().resumes;
    let each = |time: Duration| time.as_nanos() as u64 / resumes;
    println!(
        "{name:<14}{lanes:>7}{resumes:>10}{:>13}{:>14}{:>11}",
        each(wall),
        each(busy),
        resident().saturating_sub(memory)
    );
}

fn processor() -> Duration {
    let time = nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap();
    Duration::new(time.tv_sec() as u64, time.tv_nsec() as u32)
}

/// In KiB.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = pages.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4
}

fn raise_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
}
