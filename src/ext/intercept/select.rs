//! `stream_select()` and `socket_select()` above `FD_SETSIZE`: PHP's own refuse descriptors that an `fd_set` has no room for, which lanes
//! soon have. Resolution `poll` does their work. What has lower ones is PHP's as ever.
#![expect(unsafe_code, reason = "reads and writes a PHP call's arguments")]

use std::io;
use std::time::{Duration, Instant};

use kqueue_engine::interpose;

use crate::zend::{self, Value, sys};

/// What the call's time limit is; None: there is something wrong with it, which the function is to say.
fn limit(frame: *mut sys::zend_execute_data) -> Option<Option<Duration>> {
    // SAFETY: the running function's frame.
    let argument = |place| unsafe { sys::kq_argument(frame, place) };
    let number = |place| {
        let mut value = 0;
        // SAFETY: as above.
        unsafe { sys::kq_argument_long(frame, place, &raw mut value) }.then_some(value)
    };
    let given = |place| {
        let value = argument(place);
        !value.is_null() && zend::kind(value) != sys::IS_NULL
    };
    if !given(4) {
        let micros = if given(5) { number(5)? } else { 0 };
        return (!argument(4).is_null() && micros == 0).then_some(None);
    }
    let seconds = u64::try_from(number(4)?).ok()?;
    let micros = u64::try_from(if given(5) { number(5)? } else { 0 }).ok()?;
    Some(Some(
        Duration::from_secs(seconds).saturating_add(Duration::from_micros(micros)),
    ))
}

/// Looks once; an error number, or 0.
fn look(list: &mut [libc::pollfd], timeout: i32) -> i32 {
    // SAFETY: the slice's own entries.
    let found = unsafe { libc::poll(list.as_mut_ptr(), list.len() as libc::nfds_t, timeout) };
    if found < 0 {
        io::Error::last_os_error().raw_os_error().unwrap_or(0)
    } else {
        0
    }
}

/// Waits as the function would, this lane alone if that is possible.
fn wait(list: &mut [libc::pollfd], limit: Option<Duration>) -> i32 {
    let end = limit.and_then(|limit| Instant::now().checked_add(limit));
    if limit != Some(Duration::ZERO) && interpose::wait(list, limit).is_some() {
        return look(list, 0);
    }
    loop {
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        let timeout = left.map_or(-1, |left| {
            i32::try_from(left.as_micros().div_ceil(1000)).unwrap_or(i32::MAX)
        });
        let error = look(list, timeout);
        let found = list.iter().any(|entry| entry.revents != 0);
        if error != 0 || found || end.is_some_and(|end| Instant::now() >= end) {
            return error;
        }
    }
}

/// Does the work of `stream_select()`, or `socket_select()`. False: the function itself must.
///
/// It owns nothing: the lane may be suspended for ever.
pub(super) fn instead(
    frame: *mut sys::zend_execute_data,
    result: *mut Value,
    sockets: bool,
) -> bool {
    let Some(limit) = limit(frame) else {
        return false;
    };
    let mut count = 0;
    // SAFETY: the running function's frame.
    let list = unsafe { sys::kq_select_high(frame, sockets, &raw mut count) };
    if list.is_null() {
        return false;
    }
    // SAFETY: the list was made above, and goes with this call.
    if !sockets && unsafe { sys::kq_select_buffered(frame, list, result) } {
        return true;
    }
    // SAFETY: as many entries as it says; libc's own structure under two names.
    let entries =
        unsafe { std::slice::from_raw_parts_mut(list.cast::<libc::pollfd>(), count as usize) };
    let error = wait(entries, limit);
    // SAFETY: as above; nobody uses the entries any more.
    unsafe { sys::kq_select_done(frame, list, count, error, result) };
    true
}
