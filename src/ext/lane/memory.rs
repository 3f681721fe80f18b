//! What one job may have of the memory that all lanes share.
//!
//! Whenever PHP's allocator takes more memory of the system the job's share is looked at: one that has more than it may gets an exception as
//! soon as PHP code runs again. What one call takes at once is not seen by that; PHP's own limit is set for each slice a little above what its
//! job may still have, so that no other job meets it: a fatal error, in the lane that asked for too much.
#![expect(unsafe_code, reason = "sets the limit of PHP's allocator")]

use super::{Lane, MemoryLimit, names, running};
use crate::zend::sys;
use crate::{exceptions, session};

/// What a job may have beyond its limit before PHP itself ends it: what a call takes at once, and what handles the exception.
const ROOM: usize = 128 << 20;

/// A job that goes on after its exception gets it again when it has so much more.
const AGAIN: usize = 16 << 20;

/// As a run begins: the process's own limit is that of its setting now.
pub(crate) fn run_begins() {
    // SAFETY: on the PHP thread; remembers a number.
    unsafe { sys::kq_memory_begin() };
}

/// In a lane: what its job may have, in MB; 0 is no limit.
pub(crate) fn set(megabytes: u64) {
    let lane = running();
    if lane.is_null() {
        return;
    }
    let bytes = usize::try_from(megabytes.saturating_mul(1 << 20)).unwrap_or(0);
    // SAFETY: the running lane.
    unsafe {
        (*lane).memory = MemoryLimit { bytes, next: bytes };
    }
    if bytes == 0 {
        return whole();
    }
    enter(lane);
}

/// In a lane whose job has a limit: it asks for another one by `ini_set()`, which it gets if it is higher. False: there is no limit here.
pub(crate) fn asked(value: Option<i64>) -> bool {
    let lane = running();
    if lane.is_null() {
        return false;
    }
    // SAFETY: the running lane and its owner are alive; a number is changed.
    let limit = unsafe { &mut (*Lane::world(lane)).memory };
    if limit.bytes == 0 {
        return false;
    }
    match value.map(usize::try_from) {
        Some(Ok(bytes @ 1..)) => limit.bytes = limit.bytes.max(bytes),
        // -1 and its like are no limit: as much as can be.
        Some(_) => limit.bytes = usize::MAX,
        None => {}
    }
    limit.next = limit.bytes;
    enter(lane);
    true
}

/// What the lane's job has; None: it has no job.
fn used(lane: *mut Lane) -> Option<usize> {
    // SAFETY: the lane and its owner are alive.
    let held =
        |lane| session::with(|session| session.slices.held(unsafe { &(*Lane::world(lane)).cost }));
    let held = held(lane).flatten()?;
    Some(usize::try_from(held).unwrap_or(0))
}

/// A lane goes on.
pub(super) fn enter(lane: *mut Lane) {
    // SAFETY: the lane and its owner are alive; numbers are read and changed.
    let limit = unsafe { &mut (*Lane::world(lane)).memory };
    if limit.bytes == 0 {
        return;
    }
    let used = used(lane).unwrap_or(0);
    if used <= limit.bytes {
        limit.next = limit.bytes;
    }
    let left = limit.bytes.saturating_sub(used);
    // SAFETY: on the PHP thread.
    unsafe { sys::kq_memory_room(left.saturating_add(ROOM)) };
}

/// A lane gives up the processor, or has ended.
pub(super) fn leave(lane: *mut Lane) {
    // SAFETY: as above.
    if unsafe { (*Lane::world(lane)).memory.bytes } != 0 {
        whole();
    }
}

/// Whatever comes now may have what there is.
fn whole() {
    // SAFETY: on the PHP thread.
    unsafe { sys::kq_memory_whole() };
}

/// PHP's allocator has taken more memory: if the running job has too much now, it is interrupted. Allocates nothing.
pub(super) fn grew() {
    let lane = running();
    if !lane.is_null() && is_over(lane) {
        // SAFETY: stores a flag.
        unsafe { sys::kq_request_interrupt() };
    }
}

fn is_over(lane: *mut Lane) -> bool {
    // SAFETY: the lane and its owner are alive.
    let limit = unsafe { (*Lane::world(lane)).memory };
    limit.bytes != 0 && used(lane).is_some_and(|used| used > limit.next)
}

/// Between two opcodes of a lane: whether its job has more than it may; then it gets an exception.
pub(crate) fn check(may_throw: bool) {
    let lane = running();
    if lane.is_null() || !may_throw {
        return;
    }
    // SAFETY: the running lane and its owner are alive.
    let world = unsafe { Lane::world(lane) };
    // SAFETY: as above; the number and the time are copied.
    let (limit, id) = unsafe { ((*world).memory, (*world).id) };
    if !is_over(lane) {
        return;
    }
    // SAFETY: as above.
    unsafe { (*world).memory.next = used(lane).unwrap_or(0).saturating_add(AGAIN) };
    exceptions::throw_out_of_memory(&format!(
        "{} used more than the {} MB that one job may have (config kqueue.max_memory, or $maxMemory of its class)",
        names::of(id),
        limit.bytes >> 20,
    ));
}
