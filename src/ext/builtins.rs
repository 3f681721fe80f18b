//! Calls of PHP's own functions that KQueue makes itself: the guards let them pass (see `intercept/guards.rs`).
#![expect(unsafe_code, reason = "calls functions of the engine's table")]

use std::cell::Cell;

use crate::zend::{self, Owned, Value, sys};

thread_local! {
    /// Whether the call under way is KQueue's, and not a job's.
    static CALLING: Cell<bool> = const { Cell::new(false) };
}

/// Returns whether the call under way is KQueue's own, so that it must not be guarded.
pub(crate) fn is_calling() -> bool {
    CALLING.get()
}

/// Calls one of PHP's own functions, past the guards, and returns its result. None: there is no such function, or it threw.
///
/// No exception may be pending, or the function would not be called.
pub(crate) fn call(name: &str, arguments: &mut [Value]) -> Option<Owned> {
    // SAFETY: on the PHP thread; the name is passed with its length.
    let function = unsafe { sys::kq_find_function(name.as_ptr().cast(), name.len()) };
    if function.is_null() {
        return None;
    }
    let mut result = zend::undef();
    let before = CALLING.replace(true);
    // SAFETY: on the PHP thread. Functions of extensions stay as long as the process; arguments and result are the caller's and ours,
    // and live until the call has returned.
    unsafe {
        sys::kq_call_known(
            function,
            &raw mut result,
            arguments.len() as u32,
            arguments.as_mut_ptr(),
        );
    }
    CALLING.set(before);
    let result = Owned::from_raw(result);
    if zend::has_exception() {
        // SAFETY: on the PHP thread; the exception is this call's, since there was none before.
        unsafe { sys::zend_clear_exception() };
        return None;
    }
    Some(result)
}

/// Returns how many elements the array has that one of PHP's functions gives.
pub(crate) fn count(name: &str) -> usize {
    call(name, &mut []).map_or(0, |list| {
        if zend::kind(list.as_ptr()) == sys::IS_ARRAY {
            // SAFETY: the type says array, which `list` holds.
            unsafe { (*(*list.as_ptr()).value.arr).nNumOfElements as usize }
        } else {
            0
        }
    })
}

/// Registers a call, a callable and its arguments, for the running lane's end.
pub(crate) fn register_at_end(parts: &[Owned]) {
    let mut arguments: Vec<Value> = parts.iter().map(Owned::borrowed).collect();
    call("register_shutdown_function", &mut arguments);
}
