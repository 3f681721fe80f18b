//! KQueue\Runtime: each method converts in, delegates, converts out.
#![allow(non_snake_case, reason = "PHP's named arguments are Rust's")]
#![expect(unsafe_code, reason = "tells PHP's collector what is held")]

use std::cell::RefCell;
use std::ffi::c_void;
use std::ops::RangeInclusive;
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ext_php_rs::boxed::ZBox;
use ext_php_rs::class::RegisteredClass;
use ext_php_rs::exception::PhpResult;
use ext_php_rs::prelude::*;
use ext_php_rs::types::{ZendClassObject, ZendHashTable, Zval};

use kqueue_core::options;
use kqueue_core::scheduler::Scheduler;
use kqueue_engine::children::Children;
use kqueue_engine::link::MasterLink;
use kqueue_engine::master::{self, Plan};
use kqueue_engine::runner::Desk;
use kqueue_engine::scoreboard::Scoreboard;
use kqueue_engine::signals::{STOP, Signals};

use crate::convert::{self, Map};
use crate::exceptions::Fault;
use crate::lane::Birth;
use crate::lane::table::Table;
use crate::plain::{Moment, Plain, PlainWork};
use crate::run::Run;
use crate::selftest::tested_run;
use crate::session::{self, Session, with_desk};
use crate::zend::{self, Owned, sys};
use crate::{check, hooks, process, serialized};

/// See stubs/kqueue.stub.php.
#[php_class]
#[php(name = "KQueue\\Runtime", flags = ext_php_rs::flags::ClassFlags::Final)]
pub struct Runtime {
    plain: Rc<RefCell<Plain>>,
    concurrency: usize,
    /// The zygote's pool, between runs.
    children: Rc<RefCell<Option<Children>>>,
    running: Rc<RefCell<bool>>,
}

fn seconds(what: &str, value: f64, least: f64) -> Result<f64, Fault> {
    wrong_seconds(what, value, least).map_or(Ok(value), |wrong| Err(Fault::argument(wrong)))
}

/// What is wrong with a time; None: nothing.
fn wrong_seconds(what: &str, value: f64, least: f64) -> Option<String> {
    (!(value.is_finite() && value >= least))
        .then(|| format!("{what} must be a number of seconds of at least {least}, not {value}"))
}

/// A range, in a message.
fn span(range: &RangeInclusive<i64>) -> String {
    format!("{} to {}", range.start(), range.end())
}

#[php_impl]
impl Runtime {
    #[php(defaults(concurrency = 100, isolated = 2, memoryLimit = 256, grace = 2.0))]
    pub fn __construct(
        concurrency: i64,
        isolated: i64,
        memoryLimit: i64,
        grace: f64,
    ) -> PhpResult<Self> {
        let mut wrong = Vec::new();
        if !options::LANES.contains(&concurrency) {
            wrong.push(format!(
                "concurrency must be {}, not {concurrency}",
                span(&options::LANES)
            ));
        }
        if !options::CHILDREN.contains(&isolated) {
            wrong.push(format!(
                "isolated must be {}, not {isolated}",
                span(&options::CHILDREN)
            ));
        }
        if memoryLimit < 0 {
            wrong.push(format!(
                "memoryLimit must be MB, or 0 for no limit, not {memoryLimit}"
            ));
        }
        if !(grace.is_finite() && grace >= 0.0) {
            wrong.push(format!("grace must be seconds, not {grace}"));
        }
        if !wrong.is_empty() {
            return Err(Fault::argument(wrong.join("; ")).into());
        }
        check::supported()?;
        let children = if isolated == 0 {
            None
        } else {
            Some(fork_zygote(isolated as usize, grace)?)
        };
        let plain = Plain::new(
            Scheduler::with_jobs(concurrency as usize),
            isolated as usize,
            memoryLimit as u64,
        );
        Ok(Self {
            plain: Rc::new(RefCell::new(plain)),
            concurrency: concurrency as usize,
            children: Rc::new(RefCell::new(children)),
            running: Rc::new(RefCell::new(false)),
        })
    }

    #[php(defaults(isolated = None, timeout = None, priority = 0, delay = 0.0))]
    pub fn dispatch(
        &self,
        job: &Zval,
        isolated: Option<bool>,
        timeout: Option<f64>,
        priority: i64,
        delay: f64,
    ) -> PhpResult<i64> {
        let wrong: Vec<String> = [("timeout", timeout), ("delay", Some(delay))]
            .into_iter()
            .filter_map(|(what, value)| wrong_seconds(what, value?, 0.0))
            .collect();
        if !wrong.is_empty() {
            return Err(Fault::argument(wrong.join("; ")).into());
        }
        let given = convert::own(job);
        let has_handle = job
            .object()
            .is_some_and(|object| zend::has_method(object, "handle"));
        if isolated == Some(true) {
            if !has_handle || is_closure(job) {
                return Err(Fault::argument("only an object with a handle() method can run isolated; a closure always runs inline").into());
            }
            if self.plain.borrow().children == 0 {
                return Err(Fault::argument("this runtime was made with isolated: 0, so it has no children for an isolated job").into());
            }
            let request = serialized::serialize(&given)?;
            return Ok(self
                .plain
                .borrow_mut()
                .dispatch_isolated(given, request, timeout, priority, delay)
                as i64);
        }
        let callable = if has_handle && !is_closure(job) {
            convert::method_callable(&given, "handle")
        } else if job.is_callable() {
            convert::own(job)
        } else {
            return Err(Fault::argument(
                "a job is a callable, or an object with a public handle() method",
            )
            .into());
        };
        Ok(self
            .plain
            .borrow_mut()
            .dispatch_inline(given, callable, timeout, priority, delay) as i64)
    }

    pub fn after(&self, seconds: f64, callback: &Zval) -> PhpResult<i64> {
        let seconds = self::seconds("seconds", seconds, 0.0)?;
        Ok(self
            .plain
            .borrow_mut()
            .timer(callable(callback)?, seconds, false) as i64)
    }

    pub fn every(&self, seconds: f64, callback: &Zval) -> PhpResult<i64> {
        let seconds = self::seconds("seconds", seconds, 0.000_001)?;
        Ok(self
            .plain
            .borrow_mut()
            .timer(callable(callback)?, seconds, true) as i64)
    }

    pub fn cancel(&self, id: i64) -> bool {
        let Ok(id) = u64::try_from(id) else {
            return false;
        };
        let cancelled = self.plain.borrow_mut().cancel(id);
        cancelled.is_some()
    }

    #[php(name = "onStarted")]
    pub fn on_started<'a>(
        self_: &'a mut ZendClassObject<Runtime>,
        callback: &Zval,
    ) -> PhpResult<&'a mut ZendClassObject<Runtime>> {
        self_.on(Moment::Started, callback)?;
        Ok(self_)
    }

    #[php(name = "onFinished")]
    pub fn on_finished<'a>(
        self_: &'a mut ZendClassObject<Runtime>,
        callback: &Zval,
    ) -> PhpResult<&'a mut ZendClassObject<Runtime>> {
        self_.on(Moment::Finished, callback)?;
        Ok(self_)
    }

    #[php(name = "onFailed")]
    pub fn on_failed<'a>(
        self_: &'a mut ZendClassObject<Runtime>,
        callback: &Zval,
    ) -> PhpResult<&'a mut ZendClassObject<Runtime>> {
        self_.on(Moment::Failed, callback)?;
        Ok(self_)
    }

    pub fn run(&self) -> PhpResult<()> {
        if session::exists() || self.running.replace(true) {
            return Err(Fault::argument("run() is running already; a job must not call it").into());
        }
        let result = self.run_once();
        self.running.replace(false);
        if let Some(error) = result? {
            zend::throw_object(error);
        }
        Ok(())
    }

    pub fn stop(&self) {
        if *self.running.borrow() {
            with_desk(|desk| desk.stop(0, "stopped"));
        }
    }

    pub fn stats(&self) -> ZBox<ZendHashTable> {
        let plain = self.plain.borrow();
        let running = *self.running.borrow();
        let under_way = |desk: &mut Desk| {
            (
                desk.scheduler.in_flight(),
                desk.scheduler.waiting(),
                desk.scheduler.lanes(),
                desk.suspensions(),
                desk.children.as_ref().map_or(0, process::alive),
            )
        };
        let counts = running.then(|| with_desk(under_way)).flatten();
        let (in_flight, waiting, lanes, suspensions, children) = counts.unwrap_or_else(|| {
            let waiting = plain.scheduler.as_ref().map(Scheduler::waiting);
            let children = self.children.borrow();
            let children = children.as_ref().map_or(0, process::alive);
            (
                0,
                waiting.unwrap_or_default(),
                0,
                plain.suspensions,
                children,
            )
        });
        Map::new()
            .long("running", in_flight)
            .long("waiting", waiting.0)
            .long("delayed", waiting.1)
            .long("finished", plain.finished)
            .long("failed", plain.failed)
            .long("lanes", lanes)
            .long("children", children)
            .long("isolated", plain.isolated_running)
            .long("suspensions", suspensions)
            .long("memory", zend::memory_usage())
            .long("rss", process::rss_bytes())
            .put("hooks", hooks::info())
            .done()
    }
}

impl Runtime {
    fn on(&self, moment: Moment, callback: &Zval) -> Result<(), Fault> {
        self.plain.borrow_mut().on(moment, callable(callback)?);
        Ok(())
    }

    /// Runs once. The error is one that escaped a callback. What waits to run stays with the runtime if the run cannot start.
    fn run_once(&self) -> Result<Option<Owned>, Fault> {
        let signals = Signals::install(&STOP).map_err(|error| Fault::engine(error.to_string()))?;
        let reactor = Desk::reactor(Some(&signals), self.children.borrow().as_ref())
            .map_err(Fault::no_loop)?;
        let children = self.children.borrow_mut().take();
        let (scheduler, began) = {
            let mut plain = self.plain.borrow_mut();
            (plain.scheduler.take(), plain.began)
        };
        let scheduler = scheduler.unwrap_or_else(|| Scheduler::with_jobs(self.concurrency));
        let desk = Desk::new(reactor, scheduler, began, Some(signals), children);
        let table = Table::new(
            Box::new(PlainWork(Rc::clone(&self.plain))),
            Birth::Common,
            None,
        );
        let run = Run::new(Session::new(desk, None, None), table);
        let result = tested_run(&run);
        {
            let mut desk = run.session.desk.borrow_mut();
            *self.children.borrow_mut() = desk.children.take();
            let mut plain = self.plain.borrow_mut();
            plain.suspensions += desk.suspensions();
            let fresh = Scheduler::with_jobs(self.concurrency);
            let mut scheduler = std::mem::replace(&mut desk.scheduler, fresh);
            scheduler.resume();
            plain.scheduler = Some(scheduler);
        }
        if run.session.is_poisoned() {
            // PHP has torn itself down; whatever ran now would meet the ruins. Its own message is on stderr already.
            zend::flush_output();
            session::exit_now(255);
        }
        result?;
        Ok(run.session.take_error())
    }
}

/// In MINIT. Callbacks and timers use the runtime that holds them: without this, PHP's collector would not free any of it.
pub(crate) fn tell_collector() {
    // SAFETY: handlers are read by PHP only, which runs no code yet; they lie in a cell, so not in read-only memory.
    unsafe {
        sys::kq_tell_collector(
            ptr::from_ref(Runtime::get_metadata().handlers()).cast(),
            Some(each_held),
        );
    }
}

unsafe extern "C" fn each_held(object: *mut sys::zend_object, buffer: *mut c_void) {
    // SAFETY: the collector's: an object with the handlers of this class. It changes nothing meanwhile.
    let Some(runtime) = ZendClassObject::<Runtime>::from_zend_obj(unsafe { &*object.cast() })
    else {
        return;
    };
    // Told of less, the collector takes the rest for used elsewhere.
    let Ok(plain) = runtime.plain.try_borrow() else {
        return;
    };
    // SAFETY: a live value, and the buffer that this is called with.
    plain.each_value(|value| unsafe { sys::kq_held(buffer, value.as_ptr()) });
}

fn callable(value: &Zval) -> Result<Owned, Fault> {
    if value.is_callable() {
        return Ok(convert::own(value));
    }
    Err(Fault::argument("the callback is not callable"))
}

fn is_closure(value: &Zval) -> bool {
    value
        .object()
        .is_some_and(|object| object.get_class_name().is_ok_and(|name| name == "Closure"))
}

fn fork_zygote(children: usize, grace: f64) -> Result<Children, Fault> {
    let plan = Plan {
        children,
        grace: Duration::from_secs_f64(grace.min(1e6)),
        ..Plan::default()
    };
    let board =
        Scoreboard::new(1, children as u32).map_err(|error| Fault::engine(error.to_string()))?;
    let board = Arc::new(board);
    let link: MasterLink = master::zygote(plan, Arc::clone(&board), &mut process::Plain)
        .map_err(|error| Fault::engine(error.to_string()))?;
    Ok(Children::new(
        link,
        board,
        children,
        options::DEFAULT_CHILD_JOBS as u32,
    ))
}
