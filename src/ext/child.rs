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

use crate::exceptions::Fault;
use crate::zend::{self, Ending, Owned, Value, sys};

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

/// Serves requests until there are no more, or until it has had one and there was no next for as long as `patience`. It leaves by
/// `end` then. The return value is the process's exit status.
pub(crate) fn serve(
    link: ChildLink,
    patience: Option<Duration>,
    handle: &mut dyn FnMut(&[u8]) -> Reply,
    end: &mut dyn FnMut(),
) -> i32 {
    LINK.with_borrow_mut(|slot| *slot = Some(link));
    let mut has_worked = false;
    loop {
        let patience = patience.filter(|_| has_worked);
        let Some(run) = LINK.with_borrow_mut(|link| link.as_mut()?.receive(patience)) else {
            // The runner sees that this child takes no more, however long its end takes.
            drop(LINK.take());
            if has_worked {
                end();
                zend::flush_output();
            }
            return 0;
        };
        has_worked = true;
        set_memory_limit(run.memory_mb);
        let reply = handle(&run.request);
        zend::flush_output();
        let mut last = false;
        let sent = LINK.with_borrow_mut(|link| {
            let link = link.as_mut().expect("set above");
            match reply {
                Reply::Done(result) => link.done(&result),
                Reply::Exited => {
                    last = true;
                    link.exited()
                }
                Reply::Fatal => {
                    last = true;
                    let message = zend::last_error().unwrap_or_else(|| "without a message".into());
                    let kind = if message.starts_with("Allowed memory size") {
                        FatalKind::OutOfMemory {
                            limit_mb: run.memory_mb,
                        }
                    } else {
                        FatalKind::Error
                    };
                    link.fatal(kind, &message)
                }
            }
        });
        if last || sent.is_err() {
            return i32::from(last);
        }
    }
}

/// Asks the owning lane and waits for its answer.
pub(crate) fn ask(question: &[u8]) -> Result<Vec<u8>, Fault> {
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
    let name = zend::string(b"memory_limit");
    let value = zend::string(value.as_bytes());
    let function = zend::string(b"ini_set");
    // A limit below what is in use already is refused with a warning; the job then fails by itself soon enough.
    let _ = zend::call(function.as_ptr(), &mut [name.borrowed(), value.borrowed()]);
    // SAFETY: resets a counter of the allocator.
    unsafe { sys::zend_memory_reset_peak_usage() };
}

/// A PHP function by name, on borrowed arguments.
pub(crate) fn call_function(name: &str, arguments: &mut [Value]) -> (Ending, Owned) {
    let function = zend::string(name.as_bytes());
    zend::call(function.as_ptr(), arguments)
}
