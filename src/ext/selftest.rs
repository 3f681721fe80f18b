//! The hooks' test at a process's first run: lanes whose sleeps and reads must overlap. Where they do not (a PHP linked in some other
//! way, a library that interposes the same calls), one job would stop all others: better to refuse at once, and to say so.
//!
//! It shows by order, not by time, so that it holds on the slowest machine and under valgrind: the first job sleeps until the second
//! has begun, which it can only where a sleep lets other lanes go on.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kqueue_core::scheduler::{Grant, LaneId, Scheduler, Waiting};
use kqueue_engine::runner::{Desk, Pause, Wake};

use crate::exceptions::Fault;
use crate::hooks::{self, Mode};
use crate::lane::table::Table;
use crate::lane::{self, Birth, Work};
use crate::run::Run;
use crate::session::{self, Session, with_desk};
use crate::state;
use crate::zend::{self, Ending, Owned, Value, call_function};

/// What the jobs do, by number: one of each pair waits, and its second begins before it has ended.
const SLEEPS: [u64; 2] = [1, 2];
const READS: [u64; 2] = [3, 4];
/// As READS, by a function that nothing stands in for: what it waits by is a library's call, as in extensions.
const CALLS: [u64; 2] = [5, 6];

/// The pairs, and what of each it is that stops the process.
const PROBES: [([u64; 2], &str); 3] = [
    (SLEEPS, "sleeping"),
    (READS, "reading from a socket"),
    (
        CALLS,
        "what extensions wait for by themselves (databases, Redis, curl, processes, name lookups)",
    ),
];

/// The second lane is due at the latest as the first has slept twice.
const SLEEPS_AT_MOST: usize = 10;

/// A read that is not interposed must not wait for ever: the longer time only for a machine that may just be slow.
const LIMIT: Duration = Duration::from_secs(5);
const SHORT_LIMIT: Duration = Duration::from_millis(200);

#[derive(Default)]
struct Notes {
    /// Job numbers as they begin and, negative, as they end.
    order: Vec<i64>,
    /// A call that this PHP does not allow (disable_functions): nothing can be said by it.
    barred: bool,
}

impl Notes {
    fn place(&self, what: i64) -> Option<usize> {
        self.order.iter().position(|entry| *entry == what)
    }

    /// Did the first job end before the second had begun?
    fn in_turn(&self, [first, second]: [u64; 2]) -> bool {
        let end = self.place(-(first as i64));
        end.is_some_and(|end| self.place(second as i64).is_none_or(|begin| end < begin))
    }
}

struct Jobs {
    notes: Rc<RefCell<Notes>>,
    /// For READS and CALLS.
    ends: Vec<[Owned; 2]>,
}

impl Work for Jobs {
    fn run(&self, lane: LaneId) {
        while let Wake::Granted(Grant::Job(id)) = lane::suspend(Pause::Line) {
            self.notes.borrow_mut().order.push(id as i64);
            let ends = (id - 1)
                .checked_sub(2)
                .and_then(|number| self.ends.get(number as usize / 2));
            // Known already: need not wait in vain.
            let hopeless = self.notes.borrow().in_turn(SLEEPS);
            match (id, ends) {
                (id, Some(_)) if hopeless && (id == READS[0] || id == CALLS[0]) => {}
                (id, Some([end, _])) if id == READS[0] => {
                    self.call("fread", &mut [end.borrowed(), zend::long(1)]);
                }
                (id, Some([end, _])) if id == CALLS[0] => {
                    self.call("stream_get_contents", &mut [end.borrowed(), zend::long(1)]);
                }
                (_, Some([_, end])) => {
                    let word = zend::string(b"x");
                    self.call("fwrite", &mut [end.borrowed(), word.borrowed()]);
                }
                _ => {
                    for _ in 0..SLEEPS_AT_MOST {
                        self.call("usleep", &mut [zend::long(1000)]);
                        if self.notes.borrow().place(SLEEPS[1] as i64).is_some() {
                            break;
                        }
                    }
                }
            }
            self.notes.borrow_mut().order.push(-(id as i64));
            with_desk(|desk| desk.finished(lane));
        }
    }
}

impl Jobs {
    fn call(&self, function: &str, arguments: &mut [Value]) {
        let (ending, _) = call_function(function, arguments);
        if ending != Ending::Returned {
            zend::take_exception();
            self.notes.borrow_mut().barred = true;
        }
    }
}

/// Whether the hooks have passed their test in this process.
static PASSED: AtomicBool = AtomicBool::new(false);

/// Runs lanes to the end, after the test if this is the process's first run.
pub(crate) fn tested_run(run: &Run) -> Result<(), Fault> {
    let mode = Mode::from_environment()?;
    let mut notices = Vec::new();
    if !session::exists() && !PASSED.load(Ordering::Relaxed) {
        notices = test(mode)?;
        notices.extend(state::modules::report::notice());
        PASSED.store(true, Ordering::Relaxed);
    }
    run.go(mode, &notices)
}

/// Runs the test. An error says what to do; what the mode cannot make overlap comes back in words.
fn test(mode: Mode) -> Result<Vec<String>, Fault> {
    let mut serial = serial_in(mode, SHORT_LIMIT)?;
    if !serial.is_empty() && mode == Mode::All && hooks::refused().is_none() {
        serial = serial_in(mode, LIMIT)?;
    }
    if serial.is_empty() {
        return Ok(Vec::new());
    }
    let refused = hooks::refused();
    if mode == Mode::All && refused.is_none() {
        return Err(Fault::unsupported(format!(
            "the self-test found that {} stops the whole process instead of its lane, so jobs would run one after another. \
             Use queue:work with this PHP, and report it with the output of `php -v` and `ldd $(command -v php)`.",
            serial[0]
        )));
    }
    Ok(vec![format!(
        "{}. {} suspend lanes instead. The self-test found that these stop all lanes: {}.",
        refused.unwrap_or_else(|| {
            "calls of libraries are not interposed (KQUEUE_HOOKS=handlers)".into()
        }),
        hooks::functions().join(", "),
        serial.join("; ")
    )])
}

/// What stops all lanes, in words.
fn serial_in(mode: Mode, limit: Duration) -> Result<Vec<&'static str>, Fault> {
    let probes = match mode {
        Mode::Off => return Ok(Vec::new()),
        Mode::Sleep => &PROBES[..1],
        Mode::Handlers | Mode::All => &PROBES,
    };
    let notes = Rc::new(RefCell::new(Notes::default()));
    let wanted = probes[1..].iter();
    let ends: Vec<_> = wanted.map_while(|_| socket_pair(limit)).collect();
    let probes = &probes[..=ends.len()];
    let count = probes.len() as u64 * 2;
    let mut scheduler = Scheduler::with_jobs(count as usize);
    for id in 1..=count {
        let job = Waiting {
            id,
            priority: 0,
            background: false,
        };
        scheduler.push(job, None);
    }
    let reactor = Desk::reactor(None, None).map_err(Fault::no_loop)?;
    let desk = Desk::new(reactor, scheduler, Instant::now(), None, None);
    let work = Jobs {
        notes: Rc::clone(&notes),
        ends,
    };
    let table = Table::new(Box::new(work), Birth::Common, None);
    Run::new(Session::new(desk, None, None), table).go(mode, &[])?;

    let notes = notes.borrow();
    if notes.barred {
        return Ok(Vec::new());
    }
    let serial = probes.iter().filter(|(pair, _)| notes.in_turn(*pair));
    Ok(serial.map(|(_, what)| *what).collect())
}

/// Two ends of a socket, the first with a time limit.
fn socket_pair(limit: Duration) -> Option<[Owned; 2]> {
    let arguments = &mut [zend::long(1), zend::long(1), zend::long(0)];
    let (ending, pair) = call_function("stream_socket_pair", arguments);
    if ending != Ending::Returned {
        zend::take_exception();
        return None;
    }
    let pair = pair.as_zval().array()?;
    let ends = [pair.get_index(0)?, pair.get_index(1)?].map(crate::convert::own);
    let [seconds, micros] = [limit.as_secs() as i64, i64::from(limit.subsec_micros())];
    let limit = &mut [ends[0].borrowed(), zend::long(seconds), zend::long(micros)];
    let (ending, _) = call_function("stream_set_timeout", limit);
    (ending == Ending::Returned).then_some(ends)
}
