//! The plain runtime's jobs: what was dispatched, which callbacks hear of it, and what a lane does with one.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use kqueue_core::scheduler::{Grant, JobId, LaneId, Scheduler, Waiting};
use kqueue_engine::interpose;
use kqueue_engine::runner::{Pause, Wake};
use rustc_hash::FxHashMap;

use crate::convert;
use crate::exceptions;
use crate::isolated::{self, Limits, Outcome};
use crate::lane::names::{self, Name};
use crate::lane::{self, Work, interrupt};
use crate::session::{self, with_desk};
use crate::zend::{self, Ending, Owned};

/// What a job is.
enum Kind {
    Inline {
        callable: Owned,
    },
    /// Serialized as it was dispatched.
    Isolated {
        request: Vec<u8>,
    },
    Timer {
        callable: Owned,
        every: Option<Duration>,
    },
}

/// A job or timer that was handed in.
pub(crate) struct Job {
    /// What the caller gave, for callbacks.
    given: Owned,
    kind: Kind,
    timeout: Option<f64>,
    priority: i64,
}

/// What callbacks may be set for.
#[derive(Clone, Copy)]
pub(crate) enum Moment {
    Started,
    Finished,
    Failed,
}

/// All of it. Borrowed for moments only: callbacks call back in.
pub(crate) struct Plain {
    jobs: FxHashMap<JobId, Job>,
    next_id: JobId,
    callbacks: [Vec<Rc<Owned>>; 3],
    /// Holds what waits while no run is under way; the desk has it meanwhile.
    pub(crate) scheduler: Option<Scheduler>,
    /// The scheduler's moment zero.
    pub(crate) began: Instant,
    pub(crate) memory_limit_mb: u64,
    pub(crate) children: usize,
    pub(crate) finished: u64,
    pub(crate) failed: u64,
    pub(crate) isolated_running: u64,
    pub(crate) suspensions: u64,
}

/// How a job's body ended.
enum Ended {
    Result(Owned),
    Error(Owned),
    /// A fatal error: nothing more can be said in PHP.
    Fatal,
}

impl Plain {
    /// Nothing handed in yet.
    pub(crate) fn new(scheduler: Scheduler, children: usize, memory_limit_mb: u64) -> Self {
        Self {
            jobs: FxHashMap::default(),
            next_id: 0,
            callbacks: [Vec::new(), Vec::new(), Vec::new()],
            scheduler: Some(scheduler),
            began: Instant::now(),
            memory_limit_mb,
            children,
            finished: 0,
            failed: 0,
            isolated_running: 0,
            suspensions: 0,
        }
    }

    fn with_scheduler<R>(&mut self, body: impl FnOnce(&mut Scheduler) -> R) -> R {
        match &mut self.scheduler {
            Some(scheduler) => body(scheduler),
            None => with_desk(|desk| body(&mut desk.scheduler))
                .expect("while run() has the scheduler there is a desk"),
        }
    }

    fn push(&mut self, job: Job, delay: f64, background: bool) -> JobId {
        self.next_id += 1;
        let id = self.next_id;
        let waiting = Waiting {
            id,
            priority: job.priority,
            background,
        };
        self.jobs.insert(id, job);
        self.line_up(waiting, delay);
        id
    }

    fn line_up(&mut self, waiting: Waiting, delay: f64) {
        let due =
            (delay > 0.0).then(|| self.began.elapsed() + Duration::from_secs_f64(delay.min(1e9)));
        self.with_scheduler(|scheduler| scheduler.push(waiting, due));
    }

    /// Takes in an inline job.
    pub(crate) fn dispatch_inline(
        &mut self,
        given: Owned,
        callable: Owned,
        timeout: Option<f64>,
        priority: i64,
        delay: f64,
    ) -> JobId {
        self.push(
            Job {
                given,
                kind: Kind::Inline { callable },
                timeout,
                priority,
            },
            delay,
            false,
        )
    }

    /// Takes in an isolated job, serialized.
    pub(crate) fn dispatch_isolated(
        &mut self,
        given: Owned,
        request: Vec<u8>,
        timeout: Option<f64>,
        priority: i64,
        delay: f64,
    ) -> JobId {
        self.push(
            Job {
                given,
                kind: Kind::Isolated { request },
                timeout,
                priority,
            },
            delay,
            false,
        )
    }

    /// Takes in a timer.
    pub(crate) fn timer(&mut self, callable: Owned, seconds: f64, repeats: bool) -> JobId {
        let every = repeats.then(|| Duration::from_secs_f64(seconds));
        let given = Owned::copy(callable.as_ptr());
        self.push(
            Job {
                given,
                kind: Kind::Timer { callable, every },
                timeout: None,
                priority: i64::MAX,
            },
            seconds,
            repeats,
        )
    }

    /// Cancels what has not started, and a timer also while it runs (it is not called again). The caller drops it, once this is no
    /// longer borrowed: a destructor may call the runtime.
    pub(crate) fn cancel(&mut self, id: JobId) -> Option<Job> {
        let waiting = self.with_scheduler(|scheduler| scheduler.remove(id));
        let timer = matches!(
            self.jobs.get(&id),
            Some(Job {
                kind: Kind::Timer { .. },
                ..
            })
        );
        if waiting || timer {
            self.jobs.remove(&id)
        } else {
            None
        }
    }

    /// Each value of PHP's that is held here.
    pub(crate) fn each_value(&self, mut see: impl FnMut(&Owned)) {
        for job in self.jobs.values() {
            see(&job.given);
            match &job.kind {
                Kind::Inline { callable } | Kind::Timer { callable, .. } => see(callable),
                Kind::Isolated { .. } => {}
            }
        }
        for callback in self.callbacks.iter().flatten() {
            see(callback);
        }
    }

    /// Adds a callback.
    pub(crate) fn on(&mut self, moment: Moment, callback: Owned) {
        self.callbacks[moment as usize].push(Rc::new(callback));
    }
}

/// What a lane of the plain runtime does: one job after another.
pub(crate) struct PlainWork(pub(crate) Rc<RefCell<Plain>>);

impl Work for PlainWork {
    fn run(&self, lane: LaneId) {
        loop {
            match lane::suspend(Pause::Line) {
                Wake::Granted(Grant::Job(id)) => {
                    interpose::lane_begins(lane);
                    let usable = self.job(lane, id);
                    with_desk(|desk| desk.finished(lane));
                    if !usable {
                        return;
                    }
                }
                _ => return,
            }
        }
    }
}

impl PlainWork {
    /// False: the lane must not be used again.
    fn job(&self, lane: LaneId, id: JobId) -> bool {
        // A timer stays known while it runs, so that cancel() finds it.
        let Some(is_timer) = self
            .0
            .borrow()
            .jobs
            .get(&id)
            .map(|job| matches!(job.kind, Kind::Timer { .. }))
        else {
            return true;
        };
        if is_timer {
            self.fire(lane, id)
        } else {
            self.perform(lane, id)
        }
    }

    fn fire(&self, lane: LaneId, id: JobId) -> bool {
        let (callable, every) = match self.0.borrow().jobs.get(&id) {
            Some(Job {
                kind: Kind::Timer { callable, every },
                ..
            }) => (Owned::copy(callable.as_ptr()), *every),
            _ => return true,
        };
        names::set(lane, Some(Name::Timer(id)));
        let (ending, _) = zend::call(callable.as_ptr(), &mut []);
        session::leave_if_forked(ending);
        names::set(lane, None);
        session::note_ending(ending);
        if ending == Ending::BailedOut {
            return false;
        }
        if !lane::renew_globals() {
            session::note_ending(Ending::BailedOut);
            return false;
        }
        lane::reset_settings();
        let mut plain = self.0.borrow_mut();
        match every {
            Some(every) if plain.jobs.contains_key(&id) => {
                plain.line_up(
                    Waiting {
                        id,
                        priority: i64::MAX,
                        background: true,
                    },
                    every.as_secs_f64(),
                );
            }
            _ => {
                let timer = plain.jobs.remove(&id);
                // Its destructors may call the runtime.
                drop(plain);
                drop(timer);
            }
        }
        true
    }

    fn perform(&self, lane: LaneId, id: JobId) -> bool {
        let Some(job) = self.0.borrow_mut().jobs.remove(&id) else {
            return true;
        };
        names::set(lane, Some(Name::Job(id, job.given.borrowed())));
        let (usable, left) = self.perform_named(lane, id, &job);
        names::set(lane, None);
        let timeout = job.timeout;
        let overdue = usable && interrupt::within(lane, timeout, || drop((left, job))).1;
        // What a destructor has thrown has no one to catch it.
        zend::take_exception();
        if overdue {
            zend::warn(&format!(
                "what job {id} left behind has destructors that ran longer than its timeout allows; they were ended"
            ));
        }
        usable
    }

    /// Whether the lane may be used again, and what is left of the job.
    fn perform_named(&self, lane: LaneId, id: JobId, job: &Job) -> (bool, Option<Owned>) {
        let started = Instant::now();
        if !self.tell(
            Moment::Started,
            &mut [zend::long(id as i64), job.given.borrowed()],
        ) {
            return (false, None);
        }
        let ended = match &job.kind {
            Kind::Inline { callable } => inline(lane, callable, job.timeout),
            Kind::Isolated { request } => self.isolated(request.clone(), job),
            Kind::Timer { .. } => return (true, None),
        };
        let ended = match ended {
            Ended::Fatal => Ended::Fatal,
            ended => match interrupt::within(lane, job.timeout, lane::renew_globals) {
                (false, _) => Ended::Fatal,
                (true, true) if matches!(ended, Ended::Result(_)) => error(
                    "kqueue\\exception\\jobtimedout",
                    "the job's shutdown functions have run longer than its timeout allows",
                ),
                _ => ended,
            },
        };
        lane::reset_settings();
        let seconds = zend::double(started.elapsed().as_secs_f64());
        match ended {
            Ended::Result(result) => {
                self.0.borrow_mut().finished += 1;
                let told = self.tell(
                    Moment::Finished,
                    &mut [zend::long(id as i64), result.borrowed(), seconds],
                );
                (told, Some(result))
            }
            Ended::Error(error) => {
                self.0.borrow_mut().failed += 1;
                if self.0.borrow().callbacks[Moment::Failed as usize].is_empty() {
                    zend::warn(&format!("job {id} failed: {}", zend::describe(&error)));
                }
                let told = self.tell(
                    Moment::Failed,
                    &mut [zend::long(id as i64), error.borrowed(), seconds],
                );
                (told, Some(error))
            }
            Ended::Fatal => {
                self.0.borrow_mut().failed += 1;
                session::note_ending(Ending::BailedOut);
                (false, None)
            }
        }
    }

    fn tell(&self, moment: Moment, arguments: &mut [zend::Value]) -> bool {
        let callbacks: Vec<Rc<Owned>> = self.0.borrow().callbacks[moment as usize].clone();
        for callback in callbacks {
            let (ending, _) = zend::call(callback.as_ptr(), arguments);
            if ending != Ending::Returned {
                session::note_ending(ending);
                return ending != Ending::BailedOut;
            }
        }
        true
    }

    fn isolated(&self, request: Vec<u8>, job: &Job) -> Ended {
        let limits = Limits {
            timeout: job.timeout,
            memory_mb: self.0.borrow().memory_limit_mb,
            priority: job.priority.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32,
        };
        self.0.borrow_mut().isolated_running += 1;
        let outcome = isolated::run(request, &limits, &mut |_| Vec::new());
        self.0.borrow_mut().isolated_running -= 1;
        match outcome {
            Outcome::Done(reply) => reply_to_ended(&reply),
            Outcome::Exited => error(
                "kqueue\\exception\\jobexited",
                "the job called exit() in its isolated child",
            ),
            Outcome::Died(reason) => error(
                "kqueue\\exception\\childdied",
                &format!("the job's isolated child {}", died(&reason)),
            ),
            Outcome::Overdue(reason) => error(
                "kqueue\\exception\\jobtimedout",
                &format!("the job's isolated child was {reason}"),
            ),
        }
    }
}

/// "was killed by ...", "ran out of memory ...": a sentence around the pool's words.
fn died(reason: &str) -> String {
    if reason.starts_with("killed") || reason.starts_with("ended") {
        format!("was {reason}")
    } else {
        format!("died: {reason}")
    }
}

fn inline(lane: LaneId, callable: &Owned, timeout: Option<f64>) -> Ended {
    interrupt::set_deadline(lane, timeout);
    let (ending, result) = zend::call(callable.as_ptr(), &mut []);
    session::leave_if_forked(ending);
    let overdue = with_desk(|desk| desk.timed_out(lane)).unwrap_or_default();
    interrupt::set_deadline(lane, None);
    match ending {
        Ending::BailedOut => Ended::Fatal,
        // The library that was waiting may have thrown its own "connection lost", or the job caught what it got until it was left
        // without asking: what happened is the timeout.
        _ if overdue => {
            let previous = zend::take_exception();
            if let Some(previous) = previous
                .filter(|previous| convert::is_a(previous, "kqueue\\exception\\jobtimedout"))
            {
                return Ended::Error(previous);
            }
            error(
                "kqueue\\exception\\jobtimedout",
                "the job has run longer than its timeout allows",
            )
        }
        Ending::Exited => {
            zend::take_exception();
            error(
                "kqueue\\exception\\jobexited",
                "the job called exit(); return from it instead",
            )
        }
        Ending::Threw => zend::take_exception().map_or(Ended::Fatal, Ended::Error),
        Ending::Returned => Ended::Result(result),
    }
}

fn error(class: &str, message: &str) -> Ended {
    exceptions::throw(class, message);
    zend::take_exception().map_or(Ended::Fatal, Ended::Error)
}

/// In the runner: what the child's reply means.
fn reply_to_ended(reply: &[u8]) -> Ended {
    let text = zend::string(reply);
    let (ending, parts) = zend::call_function("unserialize", &mut [text.borrowed()]);
    if ending != Ending::Returned {
        return zend::take_exception().map_or(Ended::Fatal, Ended::Error);
    }
    match convert::reply_parts(&parts) {
        Some(convert::ReplyParts::Result(result)) => Ended::Result(result),
        Some(convert::ReplyParts::Remote {
            class,
            message,
            file,
            line,
            trace,
        }) => match convert::remote_exception(&class, &message, &file, line, &trace) {
            Some(exception) => Ended::Error(exception),
            None => Ended::Fatal,
        },
        None => error(
            "kqueue\\exception\\engineerror",
            "the child's answer cannot be read: it wrote something else to its socket",
        ),
    }
}
