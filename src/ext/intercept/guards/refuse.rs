//! What a lane is told that calls what cannot be had there.
#![expect(unsafe_code, reason = "looks at the running function")]

use crate::exceptions;
use crate::lane::{live_owner, names, note_refused};
use crate::zend::{self, sys};

/// Throws, and notes it: the job's class runs isolated from then on.
pub(super) fn refuse(frame: *mut sys::zend_execute_data, reason: &str) {
    // SAFETY: the running function has a name, and its class one if it is a method.
    let name = unsafe {
        let function = &(*(*frame).func).common;
        let name = String::from_utf8_lossy(zend::text(function.function_name)).into_owned();
        if function.scope.is_null() {
            name
        } else {
            format!("{}::{name}", zend::class_name(function.scope))
        }
    };
    let job = live_owner().map_or_else(|| "a job".into(), names::of);
    let message = format!(
        "{name}() does not work in a lane, where {job} called it: {reason}. A job with $isolated = true has a process of its own"
    );
    note_refused(&name);
    exceptions::throw("kqueue\\exception\\unsupported", &format!("{message}."));
}
