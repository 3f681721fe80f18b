//! KQueue\Engine: what the Laravel package is built on. Each method converts in, delegates, converts out.
#![allow(non_snake_case, reason = "PHP's named arguments are Rust's")]

use std::io::Write;
use std::time::Duration;

use ext_php_rs::boxed::ZBox;
use ext_php_rs::exception::PhpResult;
use ext_php_rs::prelude::*;
use ext_php_rs::types::{ZendHashTable, Zval};

use kqueue_core::options;
use kqueue_core::scheduler::{Grant, LaneId};
use kqueue_engine::runner::{Pause, Wake};
use kqueue_engine::scoreboard::{Counter, JobInfo, now_ms};

use crate::convert::{self, Map};
use crate::copy::rules;
use crate::exceptions::Fault;
use crate::isolated::{self, Limits, Outcome};
use crate::lane::names::Name;
use crate::lane::table::{self, Table};
use crate::lane::{self, fresh, interrupt, memory, names, permit};
use crate::prepared::{PREPARED, board, counted};
use crate::session::{self, with_desk};
use crate::work::{self, Wanted, deadline_ms, note_left};
use crate::zend::{self, Ending, Owned};
use crate::{check, child, descriptors, process, report, restart, state};

/// See stubs/kqueue.stub.php.
#[php_class]
#[php(name = "KQueue\\Engine", flags = ext_php_rs::flags::ClassFlags::Final)]
pub struct Engine;

#[php_impl]
impl Engine {
    pub fn cores() -> i64 {
        std::thread::available_parallelism().map_or(1, |cores| cores.get() as i64)
    }

    pub fn options() -> ZBox<ZendHashTable> {
        report::options()
    }

    pub fn supervise(
        options: &ZendHashTable,
        runner: &Zval,
        child: &Zval,
        rescue: &Zval,
    ) -> PhpResult<i64> {
        check::supported()?;
        let program = [runner, child, rescue].map(convert::own);
        Ok(process::supervise(options, program)?)
    }

    pub fn template(boot: &Zval, shared: Option<&ZendHashTable>) -> PhpResult<ZBox<ZendHashTable>> {
        if session::exists() {
            return Err(Fault::argument("template() comes before run()").into());
        }
        work::make_template(boot, &shared.map(convert::texts).unwrap_or_default())
    }

    #[php(name = "ruleOf")]
    pub fn rule_of(class: &str) -> PhpResult<ZBox<ZendHashTable>> {
        let lower = class.trim_start_matches('\\').to_lowercase();
        let Some(decision) = rules::named(&lower) else {
            return Err(Fault::argument(format!("no class {class} is loaded")).into());
        };
        Ok(Map::new()
            .put("rule", decision.name)
            .put("why", decision.why)
            .put("decided", decision.decided)
            .done())
    }

    #[php(name = "hasTemplate")]
    pub fn has_template() -> bool {
        PREPARED.with_borrow(|prepared| {
            let table = prepared.table.as_ref();
            table.is_some_and(Table::has_template)
        })
    }

    #[php(name = "startedWith")]
    pub fn started_with(argument: &str) -> bool {
        restart::started_with(argument)
    }

    pub fn restart(prepend: &str) -> PhpResult<()> {
        Err(restart::restart(prepend).into())
    }

    pub fn run(
        lane: &Zval,
        concurrency: i64,
        cloned: bool,
        onSignal: Option<&Zval>,
        onMessage: Option<&Zval>,
    ) -> PhpResult<()> {
        if !options::LANES.contains(&concurrency) {
            let (least, most) = (options::LANES.start(), options::LANES.end());
            return Err(Fault::argument(format!(
                "concurrency must be {least} to {most}, not {concurrency}"
            ))
            .into());
        }
        if !lane.is_callable() {
            return Err(Fault::argument("the lane's callable is not callable").into());
        }
        if cloned && !Self::has_template() {
            return Err(Fault::argument("lanes can be cloned only after template()").into());
        }
        let wanted = Wanted {
            lane: convert::own(lane),
            concurrency: concurrency as usize,
            cloned,
            on_signal: callback("onSignal", onSignal)?,
            on_message: callback("onMessage", onMessage)?,
        };
        if let Some(error) = work::run(wanted)? {
            zend::throw_object(error);
        }
        Ok(())
    }

    #[php(defaults(patience = None))]
    pub fn lead(patience: Option<f64>) -> PhpResult<Option<bool>> {
        let lane = here("lead")?;
        if let Some(board) = board() {
            board.clear_job(lane);
        }
        let goes_on = with_desk(|desk| {
            let scheduler = &desk.scheduler;
            scheduler.leader() == Some(lane) && scheduler.stopping().is_none()
        });
        if goes_on == Some(true) {
            return Ok(Some(true));
        }
        let pause = match patience {
            Some(seconds) => Pause::LineFor(Duration::from_secs_f64(seconds.clamp(0.0, 1e9))),
            None => Pause::Line,
        };
        let leads = match lane::suspend(pause) {
            Wake::Granted(Grant::Lead) => return Ok(Some(true)),
            Wake::Tidy => None,
            _ => Some(false),
        };
        // Its application ends, or may: with callbacks of its jobs.
        note_left(lane, 0.0);
        Ok(leads)
    }

    pub fn permit(name: &str, limit: i64) -> PhpResult<i64> {
        Ok(permit::acquire(name, usize::try_from(limit).unwrap_or(0).max(1))? as i64)
    }

    #[php(name = "isShort")]
    pub fn is_short() -> PhpResult<bool> {
        let lane = here("isShort")?;
        let leads = with_desk(|desk| desk.scheduler.leader() == Some(lane)) == Some(true);
        Ok(if leads {
            descriptors::are_short()
        } else {
            descriptors::were_short()
        })
    }

    pub fn settling(begins: bool) -> PhpResult<()> {
        if lane::current().is_none() || session::forked() {
            // Nothing is kept back elsewhere.
            return Ok(());
        }
        if begins {
            descriptors::begin_settling()?;
        } else {
            descriptors::end_settling();
        }
        Ok(())
    }

    pub fn release(permit: i64) {
        // Also while a lane's last objects go, and when no lane runs.
        with_desk(|desk| desk.give_back(permit as u64));
    }

    pub fn wanted() -> PhpResult<Vec<String>> {
        let lane = here("wanted")?;
        Ok(with_desk(|desk| desk.wanted_of(lane)).unwrap_or_default())
    }

    pub fn idle(seconds: f64) -> PhpResult<()> {
        here("idle")?;
        lane::suspend(Pause::Idle(Duration::from_secs_f64(
            seconds.clamp(0.0, 1e9),
        )));
        Ok(())
    }

    pub fn reserved(job: &ZendHashTable) -> PhpResult<()> {
        let lane = here("reserved")?;
        let timeout = convert::seconds(job, "timeout", 0.0)?;
        let on_signal = callback("onSignal", job.get("onSignal"))?;
        let info = JobInfo {
            id: convert::text(job, "id"),
            class: convert::text(job, "class"),
            connection: convert::text(job, "connection"),
            queue: convert::text(job, "queue"),
            attempts: convert::integer(job, "attempts", 0)?.clamp(0, i64::from(u32::MAX)) as u32,
            started_ms: now_ms(),
            deadline_ms: deadline_ms(timeout),
        };
        if !with_desk(|desk| desk.scheduler.reserved(lane)).unwrap_or_default() {
            return Err(
                Fault::argument("only the leader may say that it has reserved a job").into(),
            );
        }
        if let Some(board) = board() {
            board.set_job(lane, &info);
            board.count(Counter::Reserved, 1);
        }
        let name = format!("{} ({})", info.class, info.id);
        lane::set_last_job(name.clone(), timeout);
        names::set(lane, Some(Name::Told(name)));
        lane::on_signal(on_signal);
        interrupt::set_deadline(lane, Some(timeout));
        interrupt::measure_job(true);
        memory::set(convert::integer(job, "memory", 0)?.max(0) as u64);
        Ok(())
    }

    pub fn begin(timeout: Option<f64>, onSignal: Option<&Zval>, memory: i64) -> PhpResult<()> {
        let lane = here("begin")?;
        let on_signal = callback("onSignal", onSignal)?;
        let timeout = timeout.unwrap_or_default().clamp(0.0, 1e9);
        if let Some(board) = board() {
            board.begin_job(lane, deadline_ms(timeout));
        }
        lane::on_signal(on_signal);
        interrupt::set_deadline(lane, Some(timeout));
        interrupt::measure_job(true);
        memory::set(memory.max(0) as u64);
        Ok(())
    }

    pub fn finished() -> PhpResult<()> {
        let lane = here("finished")?;
        names::set(lane, None);
        memory::set(0);
        interrupt::measure_job(false);
        lane::on_signal(None);
        if let Some(board) = board() {
            board.count(Counter::Finished, 1);
        }
        note_left(lane, 0.0);
        with_desk(|desk| desk.finished(lane));
        Ok(())
    }

    pub fn usage() -> PhpResult<ZBox<ZendHashTable>> {
        here("usage")?;
        Ok(lane::with_cost(report::usage).unwrap_or_else(ZendHashTable::new))
    }

    #[php(name = "timedOut")]
    pub fn timed_out() -> PhpResult<bool> {
        let lane = here("timedOut")?;
        Ok(with_desk(|desk| desk.timed_out(lane)).unwrap_or_default())
    }

    pub fn contain(callback: &Zval) -> PhpResult<bool> {
        let callable = convert::own(callback);
        let process = std::process::id();
        let (ending, result) = zend::call(callable.as_ptr(), &mut []);
        if process != std::process::id() {
            // It was forked inside, and this is where it ends.
            session::leave_if_forked(ending);
        }
        drop(result);
        match ending {
            Ending::Returned | Ending::Threw => Ok(true),
            Ending::Exited => {
                session::leave_if_forked(ending);
                zend::take_exception();
                Ok(false)
            }
            Ending::BailedOut => zend::bailout(),
        }
    }

    #[php(defaults(timeout = None, memory = None, priority = 0))]
    pub fn isolate(
        request: &Zval,
        answer: &Zval,
        timeout: Option<f64>,
        memory: Option<i64>,
        priority: i32,
    ) -> PhpResult<ZBox<ZendHashTable>> {
        here("isolate")?;
        let Some(request) = zend::bytes(&convert::own(request)) else {
            return Err(Fault::argument("the request must be a string").into());
        };
        let default = PREPARED.with_borrow(|prepared| {
            prepared
                .options
                .as_ref()
                .map_or(0, |options| options.memory_limit_mb)
        });
        let limits = Limits {
            timeout,
            memory_mb: memory.map_or(default, |memory| memory.max(0) as u64),
            priority,
        };
        let answer = convert::own(answer);
        let outcome = isolated::run(request, &limits, &mut |question| {
            let argument = zend::string(question);
            let (ending, reply) = zend::call(answer.as_ptr(), &mut [argument.borrowed()]);
            if ending != Ending::Returned {
                // The answering side is the package's own code: it catches what it calls.
                zend::take_exception();
            }
            zend::bytes(&reply).unwrap_or_default()
        });
        let (status, result, reason) = match outcome {
            Outcome::Done(result) => ("done", result, String::new()),
            Outcome::Exited => ("exited", Vec::new(), "the job called exit()".to_owned()),
            Outcome::Died(reason) => ("died", Vec::new(), reason),
            Outcome::Overdue(reason) => ("timeout", Vec::new(), reason),
        };
        Ok(report::outcome(status, &result, reason))
    }

    pub fn fresh(request: &Zval, handler: &Zval, answer: &Zval) -> PhpResult<ZBox<ZendHashTable>> {
        here("fresh")?;
        let Some(request) = zend::bytes(&convert::own(request)) else {
            return Err(Fault::argument("the request must be a string").into());
        };
        let (handler, answer) = (convert::own(handler), convert::own(answer));
        let outcome =
            table::with(|table| fresh::run(table, &handler, &request, answer.as_ptr())).flatten();
        let Some((ending, result)) = outcome else {
            return Err(Fault::argument("fresh() does not work inside fresh()").into());
        };
        let (status, result, reason) = match ending {
            Ending::Returned => ("done", result, String::new()),
            Ending::Threw => (
                "died",
                Vec::new(),
                String::from_utf8_lossy(&result).into_owned(),
            ),
            Ending::Exited | Ending::BailedOut => {
                ("exited", Vec::new(), "the job called exit()".to_owned())
            }
        };
        Ok(report::outcome(status, &result, reason))
    }

    pub fn ask(question: &Zval) -> PhpResult<Zval> {
        let Some(question) = zend::bytes(&convert::own(question)) else {
            return Err(Fault::argument("the question must be a string").into());
        };
        if lane::current().is_some() {
            here("ask")?;
        }
        if let Some(answer) = table::with(|table| fresh::ask(table, &question)).flatten() {
            return Ok(zend::string(&answer).to_zval());
        }
        Ok(zend::string(&child::ask(&question)?).to_zval())
    }

    #[php(defaults(status = 0, reason = "\"interrupted\""))]
    pub fn stop(status: i64, reason: &str) {
        with_desk(|desk| desk.stop(status as i32, reason));
    }

    pub fn write(lines: &Zval) -> PhpResult<()> {
        let Some(lines) = zend::bytes(&convert::own(lines)) else {
            return Err(Fault::argument("the lines must be a string").into());
        };
        let held = session::is_ours() && with_desk(|desk| desk.print(&lines)).is_some();
        if !held {
            let mut stdout = std::io::stdout();
            // Nobody may be listening any more.
            let _ = stdout.write_all(&lines).and_then(|()| stdout.flush());
        }
        Ok(())
    }

    pub fn pause(paused: bool) {
        with_desk(|desk| desk.pause(paused));
    }

    #[php(defaults(text = None))]
    pub fn note(name: String, text: Option<String>) -> String {
        session::with(|session| {
            let mut notes = session.notes.borrow_mut();
            match text {
                Some(text) if text.is_empty() => notes.remove(&name),
                Some(text) => notes.insert(name, text),
                None => notes.get(&name).cloned(),
            }
        })
        .flatten()
        .unwrap_or_default()
    }

    #[php(name = "isStopping")]
    pub fn is_stopping() -> bool {
        report::of_run(
            |desk| desk.scheduler.stopping().is_some(),
            |last| last.reason.is_some(),
        )
    }

    #[php(name = "isPaused")]
    pub fn is_paused() -> bool {
        report::of_run(|desk| desk.scheduler.paused(), |_| false)
    }

    #[php(name = "exitStatus")]
    pub fn exit_status() -> i64 {
        i64::from(report::of_run(
            |desk| desk.scheduler.stopping().map_or(0, |stop| stop.status),
            |last| last.status,
        ))
    }

    #[php(name = "stopReason")]
    pub fn stop_reason() -> Option<String> {
        report::of_run(
            |desk| desk.scheduler.stopping().map(|stop| stop.reason.clone()),
            |last| last.reason.clone(),
        )
    }

    #[php(name = "jobsInFlight")]
    pub fn jobs_in_flight() -> i64 {
        report::of_run(|desk| desk.scheduler.in_flight() as i64, |_| 0)
    }

    #[php(name = "jobsReserved")]
    pub fn jobs_reserved() -> i64 {
        report::of_run(
            |desk| counted(Counter::Reserved, desk.scheduler.reserved_so_far()) as i64,
            |last| last.reserved as i64,
        )
    }

    #[php(name = "sinceLastFinished")]
    pub fn since_last_finished() -> Option<f64> {
        report::of_run(
            |desk| {
                let last = desk.scheduler.last_finished();
                last.map(|moment| desk.now().saturating_sub(moment).as_secs_f64())
            },
            |last| {
                last.last_finished
                    .map(|moment| moment.elapsed().as_secs_f64())
            },
        )
    }

    pub fn extensions() -> ZBox<ZendHashTable> {
        let mut all = Map::new();
        for decision in state::modules::report::decisions() {
            let one = Map::new()
                .put("verdict", decision.verdict)
                .put("reason", decision.reason)
                .long("globals", decision.globals);
            all = all.map(&decision.name, one);
        }
        all.done()
    }

    pub fn state() -> ZBox<ZendHashTable> {
        report::state()
    }
}

fn callback(name: &str, value: Option<&Zval>) -> Result<Option<Owned>, Fault> {
    match value {
        None => Ok(None),
        Some(value) if value.is_null() => Ok(None),
        Some(value) if value.is_callable() => Ok(Some(convert::own(value))),
        Some(_) => Err(Fault::argument(format!("{name} is not callable"))),
    }
}

fn here(method: &str) -> Result<LaneId, Fault> {
    if lane::current().is_some() && lane::current_owner().is_none() {
        return Err(Fault::argument(format!(
            "Engine::{method}() does not work inside concurrently()"
        )));
    }
    lane::current_owner()
        .ok_or_else(|| Fault::argument(format!("Engine::{method}() works inside a lane only")))
}
