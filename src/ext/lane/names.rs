//! What lanes run, in words: for messages that name jobs.
//!
//! Invariant: a name is looked at only while its lane is suspended in that job.
#![expect(unsafe_code, reason = "looks at what lanes hold")]

use std::cell::RefCell;
use std::ffi::CStr;

use kqueue_core::scheduler::{JobId, LaneId};

use crate::zend::{self, Value, sys};

/// What a lane runs.
pub(crate) enum Name {
    /// What the Laravel package has told.
    Told(String),
    /// A job of the plain runtime, as it was handed in. The lane holds it.
    Job(JobId, Value),
    /// A timer of the plain runtime.
    Timer(JobId),
}

thread_local! {
    static NAMES: RefCell<Vec<Option<Name>>> = const { RefCell::new(Vec::new()) };
}

/// The lane begins with this, or (None) has ended it.
pub(crate) fn set(lane: LaneId, name: Option<Name>) {
    NAMES.with_borrow_mut(|names| {
        let index = lane as usize;
        if names.len() <= index {
            names.resize_with(index + 1, || None);
        }
        names[index] = name;
    });
}

/// In words.
pub(crate) fn of(lane: LaneId) -> String {
    NAMES.with_borrow(
        |names| match names.get(lane as usize).and_then(Option::as_ref) {
            Some(Name::Told(name)) => name.clone(),
            Some(Name::Job(id, given)) => format!("job {id} ({})", describe(given)),
            Some(Name::Timer(id)) => format!("timer {id}"),
            None => format!("lane {lane}, which has no job"),
        },
    )
}

fn describe(given: &Value) -> String {
    let value = std::ptr::from_ref(given).cast_mut();
    let mut line = 0;
    // SAFETY: the lane holds the value.
    let file = unsafe { sys::kq_closure_place(value, &raw mut line) };
    if !file.is_null() {
        // SAFETY: the closure's own file name.
        let file = unsafe { CStr::from_ptr(file) }.to_string_lossy();
        return format!("closure at {file}:{line}");
    }
    match zend::kind(given) {
        // SAFETY: the type says object.
        sys::IS_OBJECT => zend::class_name(unsafe { (*given.value.obj).ce }),
        sys::IS_STRING => {
            // SAFETY: the type says string.
            let name = zend::text(unsafe { given.value.str_ });
            String::from_utf8_lossy(name).into_owned()
        }
        _ => "a callable".into(),
    }
}
