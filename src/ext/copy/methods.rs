//! Calls of objects' own methods: those that internal classes declare, which run no other code.
#![expect(unsafe_code, reason = "reads results of PHP's methods")]

use crate::zend::{self, Class, Ending, Object, Owned, Value, sys};

/// Calls the method that `class`, which is internal, declares. None: it threw, and that is forgotten.
///
/// # Safety
/// On the PHP thread. The object is live, and of this class or a subclass; the arguments are live.
pub(super) unsafe fn call(
    object: *mut Object,
    class: *mut Class,
    name: &str,
    arguments: &mut [Value],
) -> Option<Owned> {
    let (ending, result) = zend::call_method(Some(object), class, name, arguments);
    if ending == Ending::Returned {
        return Some(result);
    }
    zend::take_exception();
    None
}

/// Returns what such a method returns, if it is a number.
///
/// # Safety
/// As for [`call`].
pub(super) unsafe fn number(object: *mut Object, class: *mut Class, name: &str) -> Option<i64> {
    // SAFETY: this function's contract.
    let result = unsafe { call(object, class, name, &mut []) }?;
    // SAFETY: the type says number.
    (zend::kind(result.as_ptr()) == sys::IS_LONG).then(|| unsafe { (*result.as_ptr()).value.lval })
}

/// Returns whether a walk through the object is at an element.
///
/// # Safety
/// As for [`call`].
pub(super) unsafe fn is_valid(object: *mut Object, class: *mut Class) -> bool {
    // SAFETY: this function's contract.
    let valid = unsafe { call(object, class, "valid", &mut []) };
    // SAFETY: on the PHP thread; a value of ours.
    valid.is_some_and(|valid| unsafe { sys::kq_is_true(valid.as_ptr()) })
}
