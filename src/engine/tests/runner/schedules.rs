//! Random schedules, replayed from a seed: every job's script is carried out to its end, once, and no run hangs.
//!
//! A failure names its seed; `SEED=n cargo test -p kqueue-engine schedules` runs that one alone.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use kqueue_engine::interpose::Woken;
use kqueue_engine::runner::Wake;

use super::lanes::{Act, NewJob, Pipe, Queue, Run, Scene, act, pipe, put_byte, wait_for};

/// splitmix64: small, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn micros(&mut self, limit: u64) -> Duration {
        Duration::from_micros(self.below(limit))
    }
}

/// How far each script has come: (acts done, acts in all).
type Progress = Rc<RefCell<HashMap<usize, (usize, usize)>>>;

/// A script: acts at random, each followed by a note that it is done.
struct Script {
    number: usize,
    acts: Vec<Act>,
    length: usize,
    progress: Progress,
}

impl Script {
    fn new(number: usize, progress: &Progress) -> Self {
        Self {
            number,
            acts: Vec::new(),
            length: 0,
            progress: Rc::clone(progress),
        }
    }

    fn add(&mut self, act: Act) {
        self.acts.push(act);
        self.length += 1;
        let (number, place) = (self.number, self.length);
        let progress = Rc::clone(&self.progress);
        self.acts.push(super::lanes::act(move |scene: &Scene| {
            let mut progress = progress.borrow_mut();
            let entry = progress.get_mut(&number).unwrap();
            entry.0 += 1;
            assert_eq!(entry.0, place, "act {place} of script {number}");
            // Cancelled or not, it goes on.
            scene.desk.borrow_mut().timed_out(scene.lane);
        }));
    }

    fn done(self) -> Vec<Act> {
        let entry = (0, self.length);
        self.progress.borrow_mut().insert(self.number, entry);
        self.acts
    }
}

/// Scripts that write before, or in the same or an earlier script, what another one reads: so none waits for a later one, and
/// however few lanes there are, all can end.
fn scripts(
    dice: &mut Dice,
    number: usize,
    progress: &Progress,
    pipes: &mut Vec<Pipe>,
) -> Vec<Vec<Act>> {
    let mut scripts: Vec<Script> = (0..number).map(|at| Script::new(at, progress)).collect();
    static FILE: LazyLock<File> = LazyLock::new(|| File::open("/proc/self/exe").unwrap());
    for at in 0..number {
        if dice.chance(15) {
            let time = dice.micros(2000);
            scripts[at].add(act(move |scene| {
                let mut desk = scene.desk.borrow_mut();
                desk.set_deadline(scene.lane, Some(Instant::now() + time));
            }));
        }
        for _ in 0..dice.below(8) {
            match dice.below(10) {
                0..3 => {
                    let time = dice.micros(800);
                    scripts[at].add(Act::Sleep(time));
                }
                3 => scripts[at].add(Act::Sleep(Duration::ZERO)),
                4 => scripts[at].add(wait_for(&[(FILE.as_raw_fd(), libc::POLLIN)], None)),
                5 => {
                    let spare = pipe();
                    let time = dice.micros(500);
                    scripts[at].add(wait_for(
                        &[
                            (spare.read(), libc::POLLIN),
                            (-1, libc::POLLIN),
                            (spare.read(), 0),
                        ],
                        Some(time),
                    ));
                    pipes.push(spare);
                }
                6 => scripts[at].add(act(|scene| {
                    scene.hand_in(NewJob {
                        priority: 1,
                        delay: Some(Duration::from_micros(300)),
                        background: scene.job % 2 == 0,
                        acts: vec![Act::Sleep(Duration::from_micros(100))],
                    });
                })),
                _ => {
                    let between = pipe();
                    let (reader, writer) = (between.read(), between.write());
                    let from = dice.below(at as u64 + 1) as usize;
                    scripts[from].add(act(move |_| put_byte(writer)));
                    scripts[at].add(Act::Read(reader));
                    pipes.push(between);
                }
            }
        }
    }
    scripts.into_iter().map(Script::done).collect()
}

fn check(progress: &Progress, what: &str) {
    for (number, (done, all)) in progress.borrow().iter() {
        assert_eq!(done, all, "script {number} of {what} was not carried out");
    }
}

fn with_jobs(seed: u64) {
    let mut dice = Dice(seed);
    let (progress, mut pipes) = (Progress::default(), Vec::new());
    let number = 1 + dice.below(40) as usize;
    let mut run = Run::jobs(1 + dice.below(12) as usize);
    for acts in scripts(&mut dice, number, &progress, &mut pipes) {
        run.job(acts);
    }
    if dice.chance(30) {
        run.job_with(9, None, true, [Act::Sleep(Duration::from_micros(200))]);
    }
    run.go().unwrap();
    check(&progress, &format!("seed {seed}"));
    let desk = run.desk.borrow();
    assert!(
        run.is_clean() && desk.scheduler.in_flight() == 0,
        "seed {seed}"
    );
    assert_eq!(
        desk.scheduler.reserved_so_far(),
        desk.scheduler.finished_so_far()
    );
    assert_eq!(desk.next_deadline(None), None);
}

fn with_leader(seed: u64) {
    let mut dice = Dice(!seed);
    let (progress, mut pipes) = (Progress::default(), Vec::new());
    let number = 1 + dice.below(40) as usize;
    let queue = Queue {
        jobs: scripts(&mut dice, number, &progress, &mut pipes).into(),
        look_takes: dice.chance(60).then(|| dice.micros(600)),
        // Whoever sleeps through news makes this one slow, and the watchdog or the bound below tells.
        idle: Duration::from_secs(20),
        stop_when_empty: true,
        looks: 0,
    };
    let mut run = Run::leader(1 + dice.below(12) as usize, queue);
    let began = Instant::now();
    run.go().unwrap();
    assert!(
        began.elapsed() < Duration::from_secs(15),
        "seed {seed}: the leader slept through news"
    );
    check(&progress, &format!("seed {seed}"));
    let desk = run.desk.borrow();
    assert!(
        run.is_clean() && desk.scheduler.in_flight() == 0,
        "seed {seed}"
    );
    assert_eq!(
        desk.scheduler.finished_so_far(),
        number as u64,
        "seed {seed}"
    );
}

/// Lanes are left when the stop comes: what has begun ends, what has not stays.
fn with_a_stop(seed: u64) {
    let mut dice = Dice(seed ^ 0x5eed);
    let (progress, mut pipes) = (Progress::default(), Vec::new());
    let number = 1 + dice.below(40) as usize;
    let mut run = Run::jobs(1 + dice.below(12) as usize);
    for acts in scripts(&mut dice, number, &progress, &mut pipes) {
        run.job(acts);
    }
    let after = dice.micros(3000);
    run.job_with(
        9,
        None,
        false,
        [
            Act::Sleep(after),
            act(|scene| {
                assert!(matches!(scene.wake, Wake::Woken(Woken::TimedOut)));
                scene.desk.borrow_mut().stop(0, "enough");
            }),
        ],
    );
    run.go().unwrap();
    assert!(run.is_clean(), "seed {seed}");
    for (script, (done, all)) in progress.borrow().iter() {
        assert!(
            *done == 0 || done == all,
            "seed {seed}: script {script} was left half done"
        );
    }
}

fn each(run: fn(u64), seeds: u64) {
    if let Some(seed) = std::env::var("SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
    {
        return run(seed);
    }
    for seed in 0..seeds {
        let outcome = std::panic::catch_unwind(|| run(seed));
        if let Err(panic) = outcome {
            let message = panic
                .downcast_ref::<String>()
                .map_or("see above", String::as_str);
            panic!("seed {seed} fails: {message}");
        }
    }
}

#[test]
fn every_job_is_carried_out() {
    each(with_jobs, 300);
}

#[test]
fn every_job_that_a_leader_finds_is_carried_out() {
    each(with_leader, 300);
}

#[test]
fn a_stop_leaves_nothing_half_done() {
    each(with_a_stop, 200);
}
