//! Calls of objects' own methods: those that internal classes declare, which run no other code.
#![expect(unsafe_code, reason = "reads results of PHP's methods")]

use crate::zend::{self, Class, Ending, Object, Owned, Value, sys};

/// Calls `class`'s own method, which is internal and runs no other code. None: it threw, and that is forgotten.
pub(super) fn call(
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

/// What such a method returns, if it is a number.
pub(super) fn number(object: *mut Object, class: *mut Class, name: &str) -> Option<i64> {
    let result = call(object, class, name, &mut [])?;
    // SAFETY: the type says number.
    (zend::kind(result.as_ptr()) == sys::IS_LONG).then(|| unsafe { (*result.as_ptr()).value.lval })
}

/// Whether a walk through it is at an element.
pub(super) fn is_valid(object: *mut Object, class: *mut Class) -> bool {
    // SAFETY: a live value.
    call(object, class, "valid", &mut [])
        .is_some_and(|valid| unsafe { sys::kq_is_true(valid.as_ptr()) })
}
