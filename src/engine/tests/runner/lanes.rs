//! Lanes whose jobs are lists of acts, and what a test needs around them.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use kqueue_core::permits::Permit;
use kqueue_core::scheduler::{Grant, JobId, LaneId, Scheduler, Waiting};
use kqueue_engine::children::Children;
use kqueue_engine::interpose::Woken;
use kqueue_engine::runner::{self, Conflict, Descriptors, Desk, Lanes, Pause, Shared, Wake};
use kqueue_engine::signals::Signals;

/// Longer than any test takes, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a job does next.
pub(crate) enum Act {
    /// Waits for nothing but time.
    Sleep(Duration),
    /// The same, until a moment.
    SleepUntil(Instant),
    /// Waits for descriptors.
    Wait(Vec<libc::pollfd>, Option<Duration>),
    /// Waits until the pipe has a byte, and takes it.
    Read(RawFd),
    /// Wants a child.
    Child(i32),
    /// Takes one of so many permits, which the lane keeps for its next jobs.
    Permit(usize),
    /// Waits for the master's word.
    Notice,
    /// Uses the processor.
    Do(Box<dyn FnOnce(&Scene)>),
    /// Runs these beside it, at most so many at once, and waits for them.
    Beside(usize, Vec<Vec<Act>>),
    /// Waits until it may send on this.
    Claim(RawFd),
    /// Ends the lane in the middle of its job.
    Die,
}

/// What acts may look at and change.
pub(crate) struct Scene {
    pub(crate) desk: Shared,
    pub(crate) log: Log,
    pub(crate) lane: LaneId,
    pub(crate) job: JobId,
    /// What the last wait was answered with.
    pub(crate) wake: Wake,
    handed_in: RefCell<Vec<NewJob>>,
}

/// A job that another one hands in.
pub(crate) struct NewJob {
    pub(crate) priority: i64,
    /// How long from now; None: at once.
    pub(crate) delay: Option<Duration>,
    pub(crate) background: bool,
    pub(crate) acts: Vec<Act>,
}

/// Lines that lanes wrote.
pub(crate) type Log = Rc<RefCell<Vec<String>>>;

pub(crate) fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

pub(crate) fn sleep(milliseconds: u64) -> Act {
    Act::Sleep(ms(milliseconds))
}

pub(crate) fn wait_for(fds: &[(RawFd, i16)], timeout: Option<Duration>) -> Act {
    let fds = fds.iter().map(|&(fd, events)| libc::pollfd {
        fd,
        events,
        revents: 0,
    });
    Act::Wait(fds.collect(), timeout)
}

pub(crate) fn act(body: impl FnOnce(&Scene) + 'static) -> Act {
    Act::Do(Box::new(body))
}

/// Writes a line: the job's number and a word.
pub(crate) fn say(word: &'static str) -> Act {
    act(move |scene| scene.say(word))
}

/// Writes what the last wait was answered with.
pub(crate) fn say_answer() -> Act {
    act(|scene| {
        let answer = match scene.wake {
            Wake::Woken(woken) => format!("{woken:?}"),
            other => format!("{other:?}"),
        };
        scene.say(&answer);
    })
}

impl Scene {
    pub(crate) fn say(&self, word: &str) {
        let line = format!("{} {word}", self.job);
        self.log.borrow_mut().push(line);
    }

    pub(crate) fn hand_in(&self, job: NewJob) {
        self.handed_in.borrow_mut().push(job);
    }
}

/// How leaders find jobs.
#[derive(Default)]
pub(crate) struct Queue {
    pub(crate) jobs: VecDeque<Vec<Act>>,
    /// A look at it suspends the leader that long.
    pub(crate) look_takes: Option<Duration>,
    /// How long a leader that found nothing idles.
    pub(crate) idle: Duration,
    /// Stops the run if it was empty, and no job ran when the look at it began.
    pub(crate) stop_when_empty: bool,
    pub(crate) looks: usize,
}

/// A run and its lanes.
pub(crate) struct Run {
    pub(crate) desk: Shared,
    pub(crate) log: Log,
    pub(crate) queue: Queue,
    /// The signals it was told of, and whether the run was stopping then.
    pub(crate) told: Vec<(i32, bool)>,
    pub(crate) conflicts: Vec<Conflict>,
    programs: HashMap<JobId, VecDeque<Act>>,
    lanes: Vec<Option<Lane>>,
    free: Vec<LaneId>,
    next_job: JobId,
    /// How many more lanes can be made.
    pub(crate) room: usize,
    pub(crate) made: usize,
    /// How long a lane that has permits stands in line before it gives them back.
    pub(crate) patience: Option<Duration>,
    /// A lane that cannot let go of its permits.
    pub(crate) keeps: Option<LaneId>,
}

struct Lane {
    permits: Vec<Permit>,
    scene: Scene,
    doing: Doing,
    program: VecDeque<Act>,
    /// What it waits for.
    fds: Vec<libc::pollfd>,
    reads: Option<RawFd>,
    /// What is to run beside it, how many do, and how many may.
    beside: VecDeque<Vec<Act>>,
    room_beside: usize,
    /// The lane that it helps.
    parent: Option<LaneId>,
}

enum Doing {
    Nothing,
    Looking { none_ran: bool },
    Idling,
    Job,
}

impl Run {
    pub(crate) fn jobs(limit: usize) -> Self {
        Self::new(Scheduler::with_jobs(limit), None, None)
    }

    pub(crate) fn leader(limit: usize, queue: Queue) -> Self {
        let mut run = Self::new(Scheduler::with_leader(limit), None, None);
        run.queue = queue;
        run
    }

    pub(crate) fn new(
        scheduler: Scheduler,
        signals: Option<Signals>,
        children: Option<Children>,
    ) -> Self {
        let reactor = Desk::reactor(signals.as_ref(), children.as_ref()).unwrap();
        let desk = Desk::new(reactor, scheduler, Instant::now(), signals, children);
        Self {
            desk: Rc::new(RefCell::new(desk)),
            log: Log::default(),
            queue: Queue::default(),
            told: Vec::new(),
            conflicts: Vec::new(),
            programs: HashMap::new(),
            lanes: Vec::new(),
            free: Vec::new(),
            next_job: 0,
            room: usize::MAX,
            made: 0,
            patience: None,
            keeps: None,
        }
    }

    /// Hands in a job; they are numbered from 1.
    pub(crate) fn job(&mut self, acts: impl IntoIterator<Item = Act>) -> JobId {
        self.job_with(0, None, false, acts)
    }

    pub(crate) fn job_with(
        &mut self,
        priority: i64,
        due: Option<Duration>,
        background: bool,
        acts: impl IntoIterator<Item = Act>,
    ) -> JobId {
        self.next_job += 1;
        let id = self.next_job;
        let waiting = Waiting {
            id,
            priority,
            background,
        };
        self.programs.insert(id, acts.into_iter().collect());
        self.desk.borrow_mut().scheduler.push(waiting, due);
        id
    }

    /// Runs to the end. A run that hangs ends the process, with the name of the test.
    pub(crate) fn go(&mut self) -> io::Result<()> {
        let _watchdog = Watchdog::new(std::thread::current().name().unwrap_or("?"));
        let desk = Rc::clone(&self.desk);
        runner::run(&desk, &Driven(RefCell::new(self)))
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.log.borrow().clone()
    }

    /// Whether no lane was left behind.
    pub(crate) fn is_clean(&self) -> bool {
        self.lanes.iter().all(Option::is_none)
    }

    fn next_act(&mut self, id: LaneId) -> Pause {
        loop {
            let lane = self.lanes[id as usize].as_mut().unwrap();
            match lane.program.pop_front() {
                Some(Act::Sleep(time)) => {
                    return Pause::Wait {
                        fds: Descriptors::NONE,
                        timeout: Some(time),
                    };
                }
                Some(Act::SleepUntil(moment)) => {
                    return Pause::Wait {
                        fds: Descriptors::NONE,
                        timeout: Some(moment.saturating_duration_since(Instant::now())),
                    };
                }
                Some(Act::Wait(fds, timeout)) => {
                    lane.fds = fds;
                    return wait(&lane.fds, timeout);
                }
                Some(Act::Read(fd)) => {
                    if lane.scene.desk.borrow_mut().timed_out(id) || take_byte(fd) {
                        continue;
                    }
                    lane.program.push_front(Act::Read(fd));
                    lane.reads = Some(fd);
                    lane.fds = vec![libc::pollfd {
                        fd,
                        events: libc::POLLIN,
                        revents: 0,
                    }];
                    return wait(&lane.fds, None);
                }
                Some(Act::Child(priority)) => return Pause::Child { priority },
                Some(Act::Permit(limit)) => {
                    match self.desk.borrow_mut().permit(id, "db", limit, true) {
                        Some(permit) => lane.permits.push(permit),
                        None => return Pause::Permit,
                    }
                }
                Some(Act::Notice) => return Pause::Notice,
                Some(Act::Do(body)) => {
                    body(&lane.scene);
                    for new in lane.scene.handed_in.take() {
                        let due = new.delay.map(|delay| self.desk.borrow().now() + delay);
                        self.job_with(new.priority, due, new.background, new.acts);
                    }
                }
                Some(Act::Beside(limit, all)) => {
                    lane.beside = all.into();
                    lane.room_beside = limit;
                    return Pause::Join;
                }
                Some(Act::Claim(fd)) => {
                    let mut desk = lane.scene.desk.borrow_mut();
                    if !desk.claim(id, fd) && !desk.is_cancelled(id) {
                        lane.program.push_front(Act::Claim(fd));
                        return Pause::Turn;
                    }
                }
                Some(Act::Die) => return Pause::Ended,
                None if lane.parent.is_some() => return Pause::Ended,
                None => {
                    self.desk.borrow_mut().finished(id);
                    lane.doing = Doing::Nothing;
                    self.give_way(id);
                    return self.line(id);
                }
            }
        }
    }

    fn line(&self, id: LaneId) -> Pause {
        let lane = self.lanes[id as usize].as_ref().unwrap();
        match self.patience {
            Some(patience) if !lane.permits.is_empty() => Pause::LineFor(patience),
            _ => Pause::Line,
        }
    }

    /// Gives back what others wait for.
    fn give_way(&mut self, id: LaneId) {
        let wanted = self.desk.borrow().wanted_of(id);
        if !wanted.is_empty() {
            assert_eq!(wanted, ["db"]);
            self.give_back(id);
        }
    }

    fn give_back(&mut self, id: LaneId) {
        if self.keeps == Some(id) {
            return;
        }
        let lane = self.lanes[id as usize].as_mut().unwrap();
        for permit in std::mem::take(&mut lane.permits) {
            self.desk.borrow_mut().give_back(permit);
        }
    }

    /// What a Laravel lane does as leader.
    fn look(&mut self, id: LaneId) -> Pause {
        self.give_way(id);
        let lane = self.lanes[id as usize].as_mut().unwrap();
        let desk = self.desk.borrow();
        if desk.scheduler.stopping().is_some() {
            lane.doing = Doing::Nothing;
            return Pause::Line;
        }
        if desk.scheduler.paused() {
            lane.doing = Doing::Idling;
            return Pause::Idle(self.queue.idle);
        }
        self.queue.looks += 1;
        let none_ran = desk.scheduler.in_flight() == 0;
        drop(desk);
        lane.doing = Doing::Looking { none_ran };
        match self.queue.look_takes {
            Some(time) => Pause::Wait {
                fds: Descriptors::NONE,
                timeout: Some(time),
            },
            None => self.found(id, none_ran),
        }
    }

    fn found(&mut self, id: LaneId, none_ran: bool) -> Pause {
        let lane = self.lanes[id as usize].as_mut().unwrap();
        if let Some(acts) = self.queue.jobs.pop_front() {
            self.next_job += 1;
            lane.scene.job = self.next_job;
            lane.program = acts.into_iter().collect();
            lane.doing = Doing::Job;
            assert!(self.desk.borrow_mut().scheduler.reserved(id));
            return self.next_act(id);
        }
        if self.queue.stop_when_empty && none_ran {
            lane.doing = Doing::Nothing;
            self.desk.borrow_mut().stop(0, "empty");
            return Pause::Line;
        }
        lane.doing = Doing::Idling;
        Pause::Idle(self.queue.idle)
    }
}

/// The loop has its lanes shared; these are only ever changed by it.
struct Driven<'run>(RefCell<&'run mut Run>);

impl Lanes for Driven<'_> {
    fn start(&self) -> Result<LaneId, String> {
        self.0.borrow_mut().start()
    }

    fn fork(&self, parent: LaneId) -> Option<LaneId> {
        self.0.borrow_mut().fork(parent)
    }

    fn resume(&self, id: LaneId, wake: Wake) -> Pause {
        self.0.borrow_mut().resume(id, wake)
    }

    fn on_conflict(&self, conflict: Conflict) {
        self.0.borrow_mut().on_conflict(conflict);
    }

    fn signalled(&self, signal: i32) {
        self.0.borrow_mut().signalled(signal);
    }

    fn dispose(&self, id: LaneId) {
        self.0.borrow_mut().dispose(id);
    }
}

impl Run {
    fn start(&mut self) -> Result<LaneId, String> {
        if self.room == 0 {
            return Err("no room".into());
        }
        self.room -= 1;
        self.made += 1;
        let id = self.free.pop().unwrap_or_else(|| {
            self.lanes.push(None);
            (self.lanes.len() - 1) as LaneId
        });
        self.lanes[id as usize] = Some(Lane {
            permits: Vec::new(),
            scene: Scene {
                desk: Rc::clone(&self.desk),
                log: Rc::clone(&self.log),
                lane: id,
                job: 0,
                wake: Wake::Start,
                handed_in: RefCell::default(),
            },
            doing: Doing::Nothing,
            program: VecDeque::new(),
            fds: Vec::new(),
            reads: None,
            beside: VecDeque::new(),
            room_beside: 0,
            parent: None,
        });
        Ok(id)
    }

    fn fork(&mut self, parent: LaneId) -> Option<LaneId> {
        let lane = self.lanes[parent as usize].as_mut()?;
        if lane.room_beside == 0 {
            return None;
        }
        let acts = lane.beside.pop_front()?;
        lane.room_beside -= 1;
        let job = lane.scene.job;
        let id = self.start().ok()?;
        let lane = self.lanes[id as usize].as_mut()?;
        lane.doing = Doing::Job;
        lane.program = acts.into();
        lane.scene.job = job;
        lane.parent = Some(parent);
        Some(id)
    }

    fn resume(&mut self, id: LaneId, wake: Wake) -> Pause {
        // A borrow that the loop held would show here.
        drop(self.desk.borrow_mut());
        let lane = self.lanes[id as usize].as_mut().unwrap();
        lane.scene.wake = wake;
        match (&lane.doing, wake) {
            (Doing::Nothing, Wake::Start) => Pause::Line,
            (Doing::Nothing, Wake::Granted(Grant::End)) => Pause::Ended,
            (Doing::Nothing, Wake::Granted(Grant::Lead)) | (Doing::Idling, Wake::News) => {
                self.look(id)
            }
            (Doing::Nothing, Wake::Granted(Grant::Job(job))) => {
                lane.doing = Doing::Job;
                lane.scene.job = job;
                lane.program = self.programs.remove(&job).expect("handed out once");
                self.next_act(id)
            }
            (&Doing::Looking { none_ran }, Wake::Woken(Woken::TimedOut)) => {
                self.found(id, none_ran)
            }
            (Doing::Nothing, Wake::Tidy) => {
                lane.scene.say("tidies");
                self.give_back(id);
                self.line(id)
            }
            (Doing::Job, Wake::Permit(permit)) => {
                lane.permits.push(permit);
                self.next_act(id)
            }
            (Doing::Job, Wake::Start) if lane.parent.is_some() => self.next_act(id),
            (Doing::Job, Wake::Woken(_) | Wake::Child(_)) => self.next_act(id),
            (_, wake) => panic!("lane {id} was told {wake:?}, which it did not ask for"),
        }
    }

    fn on_conflict(&mut self, conflict: Conflict) {
        drop(self.desk.borrow_mut());
        self.conflicts.push(conflict);
    }

    fn signalled(&mut self, signal: i32) {
        let stopping = self.desk.borrow_mut().scheduler.stopping().is_some();
        self.told.push((signal, stopping));
    }

    fn dispose(&mut self, id: LaneId) {
        drop(self.desk.borrow_mut());
        let lane = self.lanes[id as usize]
            .take()
            .expect("it is disposed of once");
        if let Some(parent) = lane.parent {
            self.lanes[parent as usize]
                .as_mut()
                .expect("it waits")
                .room_beside += 1;
        }
        self.free.push(id);
    }
}

#[expect(unsafe_code, reason = "they lie in the lane")]
fn wait(fds: &[libc::pollfd], timeout: Option<Duration>) -> Pause {
    Pause::Wait {
        // SAFETY: a lane changes its descriptors only when it runs.
        fds: unsafe { Descriptors::new(fds) },
        timeout,
    }
}

/// A pipe that does not block.
pub(crate) struct Pipe {
    pub(crate) reader: OwnedFd,
    pub(crate) writer: OwnedFd,
}

pub(crate) fn pipe() -> Pipe {
    let (reader, writer) =
        nix::unistd::pipe2(nix::fcntl::OFlag::O_NONBLOCK | nix::fcntl::OFlag::O_CLOEXEC).unwrap();
    Pipe { reader, writer }
}

impl Pipe {
    pub(crate) fn read(&self) -> RawFd {
        self.reader.as_raw_fd()
    }

    pub(crate) fn write(&self) -> RawFd {
        self.writer.as_raw_fd()
    }
}

pub(crate) fn put_byte(fd: RawFd) {
    assert_eq!(nix::unistd::write(borrow(&fd), &[1]).unwrap(), 1);
}

pub(crate) fn take_byte(fd: RawFd) -> bool {
    matches!(nix::unistd::read(borrow(&fd), &mut [0]), Ok(1))
}

#[expect(unsafe_code, reason = "acts know descriptors by number")]
fn borrow(fd: &RawFd) -> std::os::fd::BorrowedFd<'_> {
    // SAFETY: the test keeps it open.
    unsafe { std::os::fd::BorrowedFd::borrow_raw(*fd) }
}

pub(crate) fn writes(fd: RawFd) -> Act {
    act(move |_| put_byte(fd))
}

/// Closes a descriptor, and makes its number another's. At once, since other tests would take the number in between.
#[expect(unsafe_code, reason = "what a careless job does")]
pub(crate) fn replace(fd: &OwnedFd, by: &OwnedFd) {
    // SAFETY: the owner stays the owner, of something else.
    let number = unsafe { libc::dup2(by.as_raw_fd(), fd.as_raw_fd()) };
    assert_eq!(number, fd.as_raw_fd());
}

/// Ends the process if it is not dropped in time: a hang that says where it is.
struct Watchdog {
    _done: mpsc::Sender<()>,
}

impl Watchdog {
    #[expect(clippy::print_stderr, reason = "nobody else can say it any more")]
    fn new(name: &str) -> Self {
        let (done, dropped) = mpsc::channel::<()>();
        let name = name.to_owned();
        std::thread::spawn(move || {
            if dropped.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
                eprintln!("{name} hangs");
                std::process::abort();
            }
        });
        Self { _done: done }
    }
}
