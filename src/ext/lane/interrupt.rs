//! Deadlines: an alarm interrupts PHP code that is running, and between two operations a lane is told to end, or lets others go on.
#![expect(
    unsafe_code,
    reason = "is called by the shim, and asks it for interrupts"
)]

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::time::{Duration, Instant};

use kqueue_core::scheduler::LaneId;

use super::cancellation::CancelAction;
use super::memory;
use crate::exceptions;
use crate::lane;
use crate::session::{self, Session, with_desk};
use crate::zend::{self, sys};

/// When PHP code that cannot be interrupted just now is asked again.
const SOON: Duration = Duration::from_micros(50);

/// Where an interrupt was put off last.
static PUT_OFF_AT: AtomicPtr<sys::zend_op> = AtomicPtr::new(ptr::null_mut());

/// The alarm's signal handler: PHP code that is running gets an interrupt.
pub(crate) extern "C" fn ring(_signal: i32) {
    session::alarm_rang();
    // SAFETY: one atomic store.
    unsafe { sys::kq_request_interrupt() };
}

/// Sets the alarm for the earliest deadline, which finds a lane that never waits, for a slice that may become slow, or for a running
/// lane that was found already.
pub(crate) fn set_alarm() {
    session::with(|session| {
        let running = lane::current();
        let desk = session.desk.borrow();
        let deadline = desk.next_deadline(running);
        // What a lane was told of a timeout that is dealt with is past.
        let again = running
            .filter(|lane| desk.is_cancelled(*lane))
            .and_then(|_| lane::cancel_again_at());
        drop(desk);
        let moments = [deadline, session.slices.watch(), again];
        session.set_alarm(moments.into_iter().flatten().min());
    });
}

/// Sets the deadline of a lane's job, in seconds from now; None: it has none.
pub(crate) fn set_deadline(lane: LaneId, seconds: Option<f64>) {
    let deadline = seconds
        .filter(|seconds| *seconds > 0.0)
        .map(|seconds| Instant::now() + Duration::from_secs_f64(seconds.min(1e9)));
    lane::reset_cancellation();
    with_desk(|desk| desk.set_deadline(lane, deadline));
    if deadline.is_some() {
        set_alarm();
    }
}

/// Runs what comes after a lane's job, shutdown functions and destructors: it may take as long as the job. True: it took longer, and
/// was ended.
pub(crate) fn within<R>(lane: LaneId, seconds: Option<f64>, body: impl FnOnce() -> R) -> (R, bool) {
    set_deadline(lane, seconds);
    let result = body();
    let overdue = with_desk(|desk| desk.timed_out(lane)).unwrap_or_default();
    set_deadline(lane, None);
    (result, overdue)
}

/// Measures the running lane's job: it begins, or has ended.
pub(crate) fn measure_job(begins: bool) {
    if lane::measure_job(begins) {
        set_alarm();
    }
}

/// Between two opcodes of a lane, after an alarm or a cancelled wait. `may_throw`: an exception may come here. `after_call`: in any case
/// one about the call of C code that has just ended; the shim sees to its result.
pub(crate) extern "C" fn on_interrupt(may_throw: bool, after_call: bool) {
    let running = lane::current();
    session::look_at_slice(running.is_some());
    let looked = session::with(|session| match (session.desk.try_borrow_mut(), running) {
        (Ok(mut desk), Some(id)) => Some((desk.check_deadline(id), desk.is_overdue(id))),
        // Outside of a lane (destructors of a lane that has ended) nobody is overdue, but the next alarm must be set all the same.
        (Ok(_), None) => Some((false, false)),
        (Err(_), _) => None,
    });
    let (cancelled, overdue) = match looked {
        Some(Some(looked)) => looked,
        // SAFETY: stores a flag: the next interrupt finds the desk free.
        Some(None) => return unsafe { sys::kq_request_interrupt() },
        None => return,
    };
    let to_end = cancelled && lane::is_cancel_due() && !may_throw;
    // Before PHP 8.4 what a lane is told of a call that has failed comes right after that call, or too late: it is not put off there.
    let pending = zend::has_exception() && (lane::has_call_error() || has_signal());
    let untold = lane::has_call_error() && !may_throw && !after_call;
    if to_end || pending || untold {
        return put_off();
    }
    let action = if cancelled {
        lane::take_cancel_action()
    } else {
        CancelAction::None
    };
    set_alarm();
    if action == CancelAction::None && has_signal() {
        lane::step_aside();
    }
    match action {
        CancelAction::None => {
            if let Some(error) = lane::take_call_error() {
                exceptions::throw("kqueue\\exception\\connectionshared", &error);
            } else {
                memory::check(may_throw);
            }
        }
        CancelAction::Throw => exceptions::throw_cancelled(overdue),
        CancelAction::Exit => zend::throw_exit(),
    }
}

/// Puts an interrupt off where the lane cannot be interrupted: an exception is on its way to its catch, or the arguments of a call are
/// being passed. At the next place it may be, so the next interrupt is asked for at once: an alarm after a time may meet the same place
/// again in each round of a loop. But between two operations the engine looks again before it has done anything; there only an alarm
/// leads on. After a call of C code it does not, and there is no operation that is current.
fn put_off() {
    let place = zend::place();
    if PUT_OFF_AT.swap(place, Ordering::Relaxed) == place && !place.is_null() {
        PUT_OFF_AT.store(ptr::null_mut(), Ordering::Relaxed);
    } else {
        // SAFETY: stores a flag.
        unsafe { sys::kq_request_interrupt() };
    }
    session::with(|session| session.set_alarm(Some(Instant::now() + SOON)));
}

/// Whether the lane is to end instead of going on in a call that blocks the process: as it begins, and when the alarm has rung in it.
pub(crate) fn must_end() -> bool {
    let Some(id) = lane::current() else {
        session::look_at_slice(false);
        return false;
    };
    session::look_at_slice(true);
    let check = |session: &Session| {
        let desk = session.desk.try_borrow_mut();
        desk.is_ok_and(|mut desk| desk.check_deadline(id))
    };
    let Some(ends) = session::with(check) else {
        return false;
    };
    if ends {
        lane::rethrow();
    } else {
        set_alarm();
    }
    ends
}

/// Whether there may be a signal that the lanes should know of.
fn has_signal() -> bool {
    let Some(fds) = session::with(|session| session.desk.borrow().signal_fds()) else {
        return false;
    };
    let mut fds = fds.map(|fd| libc::pollfd {
        fd: fd.unwrap_or(-1),
        events: libc::POLLIN,
        revents: 0,
    });
    // SAFETY: two entries, on this frame; no waiting.
    unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, 0) > 0 }
}
