//! A pristine application inside a lane, for one job: what is below it waits, on the same stack.
//!
//! The lane that reserved the job may have run others. Its own variables are put aside, as if another lane ran, and a new lane's
//! take their place until the job has ended; so the job's object never leaves the lane that it belongs to.
//!
//! Invariant: while a lane runs, its `globals`, `settings` and `own` hold the base's, and `outer` what is not live of its two applications.
#![expect(unsafe_code, reason = "exchanges the running lane's variables")]

use std::{mem, ptr};

use super::outer::Outer;
use super::table::Table;
use super::{Lane, running};
use crate::state::globals::Globals;
use crate::zend::{self, Ending, Owned, Value, sys};

/// Calls `handler` with the request, as the first thing that a new lane does. `answer` is called by [`ask`], below.
///
/// None: not in a lane, or in such a call already. The handler's result is still owned by nobody else.
pub(crate) fn run(
    table: &Table,
    handler: &Owned,
    request: &[u8],
    answer: *mut Value,
) -> Option<(Ending, Vec<u8>)> {
    let lane = running();
    // SAFETY: the running lane; nobody else looks at its share meanwhile.
    if lane.is_null() || unsafe { (*lane).outer.is_some() } {
        return None;
    }
    // SAFETY: as above; with the base's variables live
    // this is the moment in which lanes are made.
    unsafe {
        table.take_out(lane);
        let mut own = table.own();
        let handlers = own.as_mut().and_then(|own| own.handlers.take());
        (*lane).outer = Some(Box::new(Outer {
            globals: mem::replace(&mut (*lane).globals, Globals::fresh(true, handlers)),
            settings: mem::take(&mut (*lane).settings),
            own: mem::replace(&mut (*lane).own, own),
            error_reporting: sys::executor_globals.error_reporting,
            answer,
        }));
        sys::executor_globals.error_reporting = sys::kq_base_error_reporting();
        table.bring_in(lane);
        super::table::begin(lane);
    }
    let argument = zend::string(request);
    let (ending, result) = zend::call(
        zend::own_callable(handler).as_ptr(),
        &mut [argument.borrowed()],
    );
    if ending == Ending::BailedOut {
        // The process is given up; nothing of it is put in order.
        zend::bailout();
    }
    if ending == Ending::Exited {
        zend::take_exception();
    }
    let result = match ending {
        Ending::Threw => zend::take_exception()
            .map(|exception| zend::describe(&exception).into_bytes())
            .unwrap_or_default(),
        _ => zend::bytes(&result).unwrap_or_default(),
    };
    // As at a lane's end.
    if !super::renew_globals() {
        zend::bailout();
    }
    table.drop_own();
    super::reset_settings();
    // SAFETY: as above. What is dropped of `above` is not live.
    unsafe {
        turn(table, lane);
        if let Some(mut above) = (*lane).outer.take()
            && let Some(own) = above.own.take()
        {
            table.retire(own);
        }
        table.count_ended();
    }
    Some((ending, result))
}

/// In such a call: asks what is below. None: this is no such call.
pub(crate) fn ask(table: &Table, question: &[u8]) -> Option<Vec<u8>> {
    let lane = running();
    // SAFETY: the running lane.
    let answer = unsafe { lane.as_ref()?.outer.as_ref()?.answer };
    // SAFETY: as in `run`.
    unsafe { turn(table, lane) };
    let argument = zend::string(question);
    let (ending, reply) = zend::call(answer, &mut [argument.borrowed()]);
    match ending {
        Ending::BailedOut => zend::bailout(),
        Ending::Returned => {}
        // The answering side is the package's own code: it catches what it calls.
        Ending::Threw | Ending::Exited => drop(zend::take_exception()),
    }
    let reply = zend::bytes(&reply).unwrap_or_default();
    // SAFETY: as in `run`.
    unsafe { turn(table, lane) };
    Some(reply)
}

/// Makes the application that waits the one that is live.
///
/// # Safety
/// `lane` is running and has an `outer`.
unsafe fn turn(table: &Table, lane: *mut Lane) {
    // SAFETY: as in `run`.
    unsafe {
        table.take_out(lane);
        if let Some(outer) = &mut (*lane).outer {
            mem::swap(&mut (*lane).globals, &mut outer.globals);
            mem::swap(&mut (*lane).settings, &mut outer.settings);
            mem::swap(&mut (*lane).own, &mut outer.own);
            let live = &raw mut sys::executor_globals.error_reporting;
            ptr::swap(live, &raw mut outer.error_reporting);
        }
        table.bring_in(lane);
    }
}
