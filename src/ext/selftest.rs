//! The hooks' test at a process's first run: lanes whose sleeps and reads must overlap. Where they do not (a PHP linked in some other
//! way, a library that interposes the same calls), one job would stop all others: better to refuse at once, and to say so.
//!
//! It shows by order, not by time, so that it holds on the slowest machine and under valgrind: the first job sleeps until the second
//! has begun, which it can only where a sleep lets other lanes go on.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use kqueue_core::scheduler::{Grant, LaneId, Scheduler, Waiting};
use kqueue_engine::runner::{Desk, Pause, Wake};

use crate::child::call_function;
use crate::exceptions::Fault;
use crate::lane::{self, Birth, Table, Work};
use crate::run::{Run, with_desk};
use crate::zend::{self, Ending, Owned, Value};

/// What the four jobs do, by number.
const SLEEPS: [u64; 2] = [1, 2];
const READS: u64 = 3;
const WRITES: u64 = 4;

/// The second lane is due at the latest as the first has slept twice.
const SLEEPS_AT_MOST: usize = 10;

#[derive(Default)]
struct Notes {
    /// Job numbers as they begin and, negative, as they end.
    order: Vec<i64>,
    /// A call that this PHP does not allow (disable_functions): nothing can be said by it.
    barred: bool,
    heard: bool,
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
    ends: Option<[Owned; 2]>,
}

impl Work for Jobs {
    fn run(&self, lane: LaneId) {
        while let Wake::Granted(Grant::Job(id)) = lane::suspend(Pause::Line) {
            self.notes.borrow_mut().order.push(id as i64);
            match (id, &self.ends) {
                // Known already: need not wait in vain.
                (READS, Some(_)) if self.notes.borrow().in_turn(SLEEPS) => {}
                (READS, Some([end, _])) => {
                    let (_, text) = self.call("fread", &mut [end.borrowed(), zend::long(1)]);
                    self.notes.borrow_mut().heard =
                        zend::bytes(&text).is_some_and(|text| text == b"x");
                }
                (WRITES, Some([_, end])) => {
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
    fn call(&self, function: &str, arguments: &mut [Value]) -> (Ending, Owned) {
        let (ending, result) = call_function(function, arguments);
        if ending != Ending::Returned {
            zend::take_exception();
            self.notes.borrow_mut().barred = true;
        }
        (ending, result)
    }
}

/// Runs the test. An error says what to do.
pub(crate) fn run() -> Result<(), Fault> {
    let notes = Rc::new(RefCell::new(Notes::default()));
    let ends = socket_pair();
    let mut scheduler = Scheduler::with_jobs(WRITES as usize);
    let jobs = if ends.is_some() {
        1..=WRITES
    } else {
        SLEEPS[0]..=SLEEPS[1]
    };
    for id in jobs.clone() {
        let job = Waiting {
            id,
            priority: 0,
            background: false,
        };
        scheduler.push(job, None);
    }
    let desk = Desk::new(scheduler, Instant::now(), None, None)
        .map_err(|error| Fault::engine(format!("the event loop cannot start: {error}")))?;
    let work = Jobs {
        notes: Rc::clone(&notes),
        ends,
    };
    let reads = work.ends.is_some();
    Run::new(desk, Table::new(Box::new(work), Birth::Common, None)).run_hooked()?;

    let notes = notes.borrow();
    let slept = !notes.in_turn(SLEEPS);
    let read = !reads || (notes.heard && !notes.in_turn([READS, WRITES]));
    if (slept && read) || notes.barred {
        return Ok(());
    }
    Err(Fault::unsupported(format!(
        "the self-test found that {} stops the whole process instead of its lane, so jobs would run one after another. \
         Use queue:work with this PHP, and report it with the output of `php -v` and `ldd $(command -v php)`.",
        if slept {
            "reading from a socket"
        } else {
            "sleeping"
        }
    )))
}

/// Two ends of a socket, the first with a time limit of 5 s: a read that is not interposed must not wait for ever.
fn socket_pair() -> Option<[Owned; 2]> {
    let arguments = &mut [zend::long(1), zend::long(1), zend::long(0)];
    let (ending, pair) = call_function("stream_socket_pair", arguments);
    if ending != Ending::Returned {
        zend::take_exception();
        return None;
    }
    let pair = pair.as_zval().array()?;
    let ends = [pair.get_index(0)?, pair.get_index(1)?].map(crate::convert::own);
    let limit = &mut [ends[0].borrowed(), zend::long(5)];
    let (ending, _) = call_function("stream_set_timeout", limit);
    (ending == Ending::Returned).then_some(ends)
}
