//! Handlers of signals that a lane's code registers. Signals come to the process, in whichever lane is running: a handler that is
//! merely registered is kept for the lane, which finds it there, and is never called. Commands that trap signals while they run go on
//! with that, when a job calls them.

use crate::lane;
use crate::state::signal_handlers::SignalHandlers;
use crate::zend::{self, Owned, Value, sys};

const HIGHEST: i64 = 64;

/// What is done in place of PHP's function.
pub(super) enum Signals {
    /// `pcntl_signal()`
    Register,
    /// `pcntl_signal_get_handler()`
    Find,
    /// `posix_kill()`
    Raise,
}

/// What the call then does.
pub(super) enum Outcome {
    /// It is PHP's own.
    Call,
    /// It returns this.
    Give(Value),
    /// It is refused.
    Refuse,
}

/// Before the call of one of these functions in a lane.
pub(super) fn before(function: &Signals, first: *mut Value, second: *mut Value) -> Outcome {
    let Some(first) = integer(first) else {
        return match function {
            // PHP converts it, or objects.
            Signals::Register => Outcome::Refuse,
            Signals::Find | Signals::Raise => Outcome::Call,
        };
    };
    match function {
        Signals::Register => register(first, second),
        Signals::Find => {
            let mut found = None;
            look(|kept| found = kept.find(first).map(|handler| handler.as_ptr()));
            found.map_or(Outcome::Call, |handler| {
                Outcome::Give(Owned::copy(handler).into_raw())
            })
        }
        Signals::Raise => {
            let mut kept_here = false;
            if first == i64::from(std::process::id())
                && let Some(signal) = integer(second)
            {
                look(|kept| kept_here = kept.find(signal).is_some());
            }
            // Nobody would handle it, and the process with all its jobs would end of it.
            if kept_here {
                Outcome::Refuse
            } else {
                Outcome::Call
            }
        }
    }
}

fn register(signal: i64, handler: *mut Value) -> Outcome {
    let is_ours = (1..=HIGHEST).contains(&signal)
        && !matches!(signal as i32, libc::SIGKILL | libc::SIGSTOP)
        && !handler.is_null();
    if !is_ours {
        return Outcome::Call;
    }
    let handler = Owned::copy(handler);
    // SIG_DFL and SIG_IGN are 0 and 1. Of anything else PHP says what is wrong with it, and registers nothing.
    let is_valid = match integer(handler.as_ptr()) {
        Some(number) => matches!(number, 0 | 1),
        None => handler.as_zval().is_callable(),
    };
    if !is_valid {
        return Outcome::Call;
    }
    let mut before = None;
    look(|kept| before = kept.keep(signal, handler));
    drop(before);
    Outcome::Give(zend::boolean(true))
}

fn look(body: impl FnOnce(&mut SignalHandlers)) {
    lane::with_settings(|settings| body(&mut settings.signals));
}

fn integer(value: *mut Value) -> Option<i64> {
    if value.is_null() || zend::kind(value) != sys::IS_LONG {
        return None;
    }
    // SAFETY: a live argument; the type says integer.
    Some(unsafe { (*value).value.lval })
}
