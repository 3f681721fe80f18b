//! An isolated child's side: one request after another, each through a PHP handler, until the runner closes the socket.
//!
//! Before it leaves, a child that has run a job is told so: the application in it has an end, like that of a worker.
//!
//! The child never returns to the PHP code that was running when it was forked: its caller ends it by `_exit`.
#![expect(unsafe_code, reason = "reads PHP's state after a fatal error")]

use std::cell::RefCell;
use std::time::Duration;

use kqueue_core::wire::FatalKind;
use kqueue_engine::link::ChildLink;
use kqueue_engine::pristine::Pristine;

use crate::exceptions::Fault;
use crate::intercept::guards;
use crate::session;
use crate::state::handlers::Handlers;
use crate::state::settings::{self, Settings};
use crate::zend::{self, Ending, Value, sys};

thread_local! {
    /// The socket to the lane that owns the job, for ask(). There is one thread; borrowed for one exchange at a time.
    static LINK: RefCell<Option<ChildLink>> = const { RefCell::new(None) };
}

/// How a handler's call ended.
pub(crate) enum Reply {
    /// What goes back to the lane.
    Done(Vec<u8>),
    /// exit() was called.
    Exited,
    /// A fatal error.
    Fatal,
}

/// Serves requests until there are no more, until one leaves behind what the next must not meet, or until there was one and no next
/// for as long as `patience`. The return value is the process's exit status.
///
/// It leaves by `end`. Then the functions that jobs have registered for the end of their process are called, as in a worker.
pub(crate) fn serve(
    link: ChildLink,
    patience: Option<Duration>,
    handle: &mut dyn FnMut(&[u8]) -> Reply,
    end: &mut dyn FnMut(),
) -> i32 {
    LINK.with_borrow_mut(|slot| *slot = Some(link));
    session::become_child();
    let mut origin = Origin::note();
    let mut has_worked = false;
    loop {
        let patience = patience.filter(|_| has_worked);
        let Some(run) = with_link(|link| link.receive(patience)) else {
            break;
        };
        has_worked = true;
        set_memory_limit(run.memory_mb);
        let settings = settings::noted(guards::pairs());
        let reply = handle(&run.request);
        zend::flush_output();
        match reply {
            Reply::Done(result) => {
                let left = origin.restore(settings);
                let spent = left.is_err();
                let sent = with_link(|link| {
                    if let Err(reason) = left {
                        tracing::debug!(reason, "the child takes no other job");
                        link.spent()?;
                    }
                    link.done(&result)
                });
                if spent || sent.is_err() {
                    break;
                }
            }
            Reply::Exited => {
                run_shutdown_functions();
                let _ = with_link(ChildLink::exited);
                return 1;
            }
            Reply::Fatal => {
                let message = zend::last_error().unwrap_or_else(|| "without a message".into());
                let kind = if message.starts_with("Allowed memory size") {
                    FatalKind::OutOfMemory {
                        limit_mb: run.memory_mb,
                    }
                } else {
                    FatalKind::Error
                };
                // They ask for the error: that is how applications report it.
                run_shutdown_functions();
                let _ = with_link(|link| link.fatal(kind, &message));
                return 1;
            }
        }
    }
    // The runner sees that this child takes no more, however long its end takes.
    drop(LINK.take());
    if has_worked {
        end();
        run_shutdown_functions();
    }
    0
}

fn run_shutdown_functions() {
    zend::run_shutdown_functions();
    zend::flush_output();
}

fn with_link<R>(body: impl FnOnce(&mut ChildLink) -> R) -> R {
    LINK.with_borrow_mut(|link| body(link.as_mut().expect("serve() has set it")))
}

/// The process as its first job found it.
struct Origin {
    process: Pristine,
    handlers: Handlers,
    error_reporting: i32,
}

impl Origin {
    fn note() -> Self {
        Self {
            process: Pristine::note(),
            handlers: Handlers::live(),
            // SAFETY: reads a global on the PHP thread.
            error_reporting: unsafe { sys::executor_globals.error_reporting },
        }
    }

    /// After a job. An error tells why there must not be another here.
    fn restore(&mut self, settings: Settings) -> Result<(), String> {
        // First: it stops the timers.
        let restored = self.process.restore();
        settings::put_back(settings);
        self.handlers.put_back();
        zend::take_exception();
        zend::forget_random_numbers();
        // SAFETY: on the PHP thread, between two jobs.
        unsafe {
            sys::executor_globals.error_reporting = self.error_reporting;
            sys::kq_request_clear();
            sys::kq_drop_tick_functions();
        }
        restored
    }
}

/// Asks the owning lane and waits for its answer.
pub(crate) fn ask(question: &[u8]) -> Result<Vec<u8>, Fault> {
    // What it asks for is how the job ended, which is not for a process to say that the job has forked.
    session::leave_if_forked(Ending::Returned);
    LINK.with_borrow_mut(|link| match link {
        Some(link) => link.ask(question).map_err(|error| {
            Fault::engine(format!("the lane that owns this job is gone: {error}"))
        }),
        None => Err(Fault::argument(
            "ask() works in an isolated child and in fresh() only",
        )),
    })
}

/// Calls a PHP handler with the request as its one argument; it returns a string.
pub(crate) fn call_handler(callable: *mut Value, request: &[u8]) -> Reply {
    let argument = zend::string(request);
    let (ending, result) = zend::call(callable, &mut [argument.borrowed()]);
    session::leave_if_forked(ending);
    match ending {
        Ending::Returned => Reply::Done(zend::bytes(&result).unwrap_or_default()),
        Ending::Exited => {
            zend::take_exception();
            Reply::Exited
        }
        Ending::BailedOut => Reply::Fatal,
        Ending::Threw => {
            // The handler catches what jobs throw; this is the handler's own fault, and the lane hears of it as a fatal error.
            let message = zend::take_exception()
                .map(|exception| zend::describe(&exception))
                .unwrap_or_default();
            zend::set_last_error(&message);
            Reply::Fatal
        }
    }
}

/// PHP's own limit: it makes the job that passes it fail with a message, where a limit of the kernel would kill.
fn set_memory_limit(megabytes: u64) {
    let value = if megabytes == 0 {
        "-1".to_owned()
    } else {
        format!("{megabytes}M")
    };
    let value = zend::string(value.as_bytes());
    // SAFETY: a string of PHP's; the engine takes a count of its own.
    unsafe { sys::kq_set_memory_limit((*value.as_ptr()).value.str_) };
    // SAFETY: resets a counter of the allocator.
    unsafe { sys::zend_memory_reset_peak_usage() };
}
