//! What this process's forks do: the PHP side of the engine's `Program`.
#![expect(unsafe_code, reason = "ends processes")]

use std::ffi::CString;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use ext_php_rs::types::ZendHashTable;
use kqueue_core::options;
use kqueue_engine::children::Children;
use kqueue_engine::link::{ChildLink, MasterLink};
use kqueue_engine::master::{self, Blame, Lost, Plan, Program};
use kqueue_engine::scoreboard::{JobInfo, Scoreboard, now_ms};

use crate::child::{self, Reply};
use crate::convert::{self, Map};
use crate::exceptions::Fault;
use crate::prepared::{self, Options};
use crate::zend::{self, Ending, Owned};
use crate::{run, serialized};

/// The plain runtime: only children, which run serialized jobs.
pub(crate) struct Plain;

impl Program for Plain {
    fn runner(&mut self, _link: MasterLink) -> i32 {
        unreachable!("in a plain program the caller is the runner")
    }

    fn child(&mut self, link: ChildLink) -> i32 {
        forget_parent();
        // Those of the program, which goes on elsewhere.
        zend::forget_shutdown_functions();
        let mut handle = |request: &[u8]| {
            let reply = serialized::handle_request(request);
            // As at the end of a job in a lane.
            if matches!(reply, Reply::Done(_)) && !zend::run_shutdown_functions() {
                return Reply::Fatal;
            }
            reply
        };
        child::serve(link, None, &mut handle, &mut || {})
    }

    fn rescue(&mut self, _lost: Vec<Lost>) -> i32 {
        0
    }
}

/// Laravel: three PHP callables.
pub(crate) struct Laravel {
    pub(crate) runner: Owned,
    pub(crate) child: Owned,
    pub(crate) rescue: Owned,
    pub(crate) options: Options,
}

impl Program for Laravel {
    fn runner(&mut self, link: MasterLink) -> i32 {
        forget_parent();
        prepared::become_runner(link, &self.options);
        let (ending, result) = zend::call(self.runner.as_ptr(), &mut []);
        prepared::leave_runner();
        finish(ending, &result, "the runner")
    }

    fn child(&mut self, link: ChildLink) -> i32 {
        forget_parent();
        prepared::forget_template();
        let callable = self.child.as_ptr();
        child::serve(
            link,
            self.options.flush,
            &mut |request: &[u8]| -> Reply { child::call_handler(callable, request) },
            &mut || drop(child::call_handler(callable, b"")),
        )
    }

    fn rescue(&mut self, lost: Vec<Lost>) -> i32 {
        forget_parent();
        let mut status = 0;
        for lost in &lost {
            // What jobs have to say of their failure is PHP code too, and may end with a fatal error of its own.
            let (mut ending, mut result) = self.rescue_one(lost, None);
            if ending == Ending::BailedOut {
                let error = zend::last_error().unwrap_or_default();
                (ending, result) = self.rescue_one(lost, Some(error));
            }
            status = status.max(finish(ending, &result, "giving a job back"));
        }
        status
    }
}

impl Laravel {
    fn rescue_one(&self, lost: &Lost, error: Option<String>) -> (Ending, Owned) {
        let job = lost_job(lost, error);
        zend::call(self.rescue.as_ptr(), &mut [job.borrowed()])
    }
}

/// In a new process: the run is its parent's, and so is what PHP has buffered; random numbers must be its own.
fn forget_parent() {
    run::forget();
    zend::fresh_output();
    zend::forget_random_numbers();
    let mut seed = [0; size_of::<libc::c_uint>()];
    // SAFETY: the bytes are on this frame. Libraries draw from libc's generators too; without random bytes they stay the parent's.
    unsafe {
        libc::getrandom(seed.as_mut_ptr().cast(), seed.len(), libc::GRND_NONBLOCK);
        libc::srand(libc::c_uint::from_ne_bytes(seed));
        libc::srand48(libc::c_uint::from_ne_bytes(seed).into());
    }
}

/// What a PHP callable's end means for its process.
fn finish(ending: Ending, result: &Owned, what: &str) -> i32 {
    let status = match ending {
        Ending::Returned => result.as_zval().long().unwrap_or(0) as i32,
        Ending::Exited => {
            zend::take_exception();
            zend::exit_status()
        }
        Ending::Threw => {
            if let Some(exception) = zend::take_exception() {
                // Not a PHP warning: an error handler that makes exceptions of them, as Laravel's does, would swallow it.
                let line = format!("kqueue: {what} failed: {}\n", zend::describe(&exception));
                let _ = std::io::stderr().write_all(line.as_bytes());
            }
            1
        }
        Ending::BailedOut => 255,
    };
    zend::flush_output();
    status
}

/// A lost job for PHP; `cause` is null for one that only was a neighbour, and `error` what ended the last try to deal with it.
fn lost_job(lost: &Lost, error: Option<String>) -> Owned {
    let charged = lost.blame != Blame::Innocent;
    let guilty = lost.blame == Blame::Guilty;
    let map = Map::new()
        .put("id", lost.info.id.clone())
        .put("class", lost.info.class.clone())
        .put("connection", lost.info.connection.clone())
        .put("queue", lost.info.queue.clone())
        .long("attempts", lost.info.attempts)
        .put("cause", charged.then(|| lost.cause.clone()))
        .put("guilty", guilty)
        .put("ended", lost.ended)
        .put("timed_out", guilty && is_overdue(&lost.info))
        .put("error", error);
    let mut zval = ext_php_rs::types::Zval::new();
    zval.set_hashtable(map.done());
    convert::own(&zval)
}

fn is_overdue(job: &JobInfo) -> bool {
    job.deadline_ms != 0 && job.deadline_ms < now_ms()
}

/// Children that live.
pub(crate) fn alive(children: &Children) -> usize {
    let counts = children.counts();
    counts.idle + counts.busy
}

/// Resident memory of this process.
pub(crate) fn rss_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| {
            text.split_whitespace()
                .nth(1)
                .and_then(|pages| pages.parse::<u64>().ok())
        });
    // SAFETY: reads a constant of the system.
    pages.unwrap_or(0) * unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as u64
}

/// Executes this very program anew, in this process, with other arguments. Returns only if that fails, and says why.
pub(crate) fn execute_again(arguments: &[CString]) -> std::io::Error {
    let mut pointers: Vec<*const libc::c_char> =
        arguments.iter().map(|argument| argument.as_ptr()).collect();
    pointers.push(std::ptr::null());
    // SAFETY: both are lists of terminated strings that end with a null pointer.
    unsafe { libc::execv(c"/proc/self/exe".as_ptr(), pointers.as_ptr()) };
    std::io::Error::last_os_error()
}

/// The lane table of the scoreboard: lanes beyond it are not shown, and not given back when a runner dies.
const BOARD_LANES: u32 = *options::LANES.end() as u32;

/// Runs the master of a Laravel run in this process, with the callables of its runner, its children and its rescue. Returns its status.
pub(crate) fn supervise(
    given: &ZendHashTable,
    [runner, child, rescue]: [Owned; 3],
) -> Result<i64, Fault> {
    let children = convert::integer(given, "isolated", options::DEFAULT_CHILDREN)?;
    let memory = convert::integer(given, "memory_limit", options::DEFAULT_MEMORY_MB)?;
    let grace = convert::seconds(given, "grace", options::DEFAULT_GRACE)?;
    let child_jobs = convert::integer(given, "child_jobs", options::DEFAULT_CHILD_JOBS)?;
    let flush = convert::seconds(given, "flush", 0.0)?;
    if !options::CHILDREN.contains(&children)
        || memory < 0
        || !(grace.is_finite() && grace >= 0.0)
        || child_jobs < 1
    {
        return Err(Fault::argument(format!(
            "isolated must be {} to {} (is {children}), memory_limit and grace not negative, child_jobs at least 1 (is {child_jobs})",
            options::CHILDREN.start(),
            options::CHILDREN.end()
        )));
    }
    let board = Scoreboard::new(BOARD_LANES, children as u32)
        .map_err(|error| Fault::engine(error.to_string()))?;
    let options = Options {
        children: children as usize,
        memory_limit_mb: memory as u64,
        grace: Duration::from_secs_f64(grace.min(1e6)),
        child_jobs: child_jobs.min(i64::from(u32::MAX)) as u32,
        flush: (flush > 0.0).then(|| Duration::from_secs_f64(flush.min(1e6))),
        board: Arc::new(board),
    };
    let plan = Plan {
        children: options.children,
        grace: options.grace,
        ..Plan::default()
    };
    let mut program = Laravel {
        runner,
        child,
        rescue,
        options: options.clone(),
    };
    let status = master::supervise(plan, Arc::clone(&options.board), &mut program)
        .map_err(|error| Fault::engine(error.to_string()))?;
    Ok(i64::from(status))
}
