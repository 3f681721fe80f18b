//! The error and exception handlers that a lane begins with, and those that were set aside under them.
#![expect(unsafe_code, reason = "reads and writes the engine's handlers")]

use std::ptr;

use crate::zend::{Owned, Value, sys};

/// Handlers as `set_error_handler()` and `set_exception_handler()` keep them.
pub(crate) struct Handlers {
    pub(crate) error: Owned,
    pub(crate) error_reporting: i32,
    pub(crate) exception: Owned,
    /// What `restore_error_handler()` would bring back, the outermost first, with the errors that each is for.
    pub(crate) errors: Vec<(Owned, i32)>,
    /// What `restore_exception_handler()` would bring back, the outermost first.
    pub(crate) exceptions: Vec<Owned>,
}

impl Handlers {
    /// The live ones.
    pub(crate) fn live() -> Self {
        // SAFETY: on the PHP thread. Each value is copied with a count of its own; the two stacks of error handlers have equal heights.
        unsafe {
            let engine = &raw mut sys::executor_globals;
            let reporting =
                elements::<i32>(&raw const (*engine).user_error_handlers_error_reporting);
            Self {
                error: Owned::copy(&raw mut (*engine).user_error_handler),
                error_reporting: (*engine).user_error_handler_error_reporting,
                exception: Owned::copy(&raw mut (*engine).user_exception_handler),
                errors: elements::<Value>(&raw const (*engine).user_error_handlers)
                    .zip(reporting)
                    .map(|(handler, reporting)| (Owned::copy(handler), *reporting))
                    .collect(),
                exceptions: elements::<Value>(&raw const (*engine).user_exception_handlers)
                    .map(|handler| Owned::copy(handler))
                    .collect(),
            }
        }
    }

    /// The same with each handler as `copy` makes it.
    pub(crate) fn map(&self, mut copy: impl FnMut(*const Value) -> Owned) -> Self {
        Self {
            error: copy(self.error.as_ptr()),
            error_reporting: self.error_reporting,
            exception: copy(self.exception.as_ptr()),
            errors: self
                .errors
                .iter()
                .map(|(handler, reporting)| (copy(handler.as_ptr()), *reporting))
                .collect(),
            exceptions: self
                .exceptions
                .iter()
                .map(|handler| copy(handler.as_ptr()))
                .collect(),
        }
    }

    /// Every handler, for whoever looks through all of them.
    pub(crate) fn each(&self) -> impl Iterator<Item = &Owned> {
        [&self.error, &self.exception]
            .into_iter()
            .chain(self.errors.iter().map(|(handler, _)| handler))
            .chain(&self.exceptions)
    }

    /// Makes these the live ones again.
    pub(crate) fn put_back(&self) {
        // SAFETY: on the PHP thread, while no handler runs; all are copied with counts of their own. The shim empties the live stacks.
        unsafe {
            sys::kq_renew_handlers(
                self.error.as_ptr(),
                self.error_reporting,
                self.exception.as_ptr(),
            );
            let engine = &raw mut sys::executor_globals;
            self.fill(
                &raw mut (*engine).user_error_handlers,
                &raw mut (*engine).user_error_handlers_error_reporting,
                &raw mut (*engine).user_exception_handlers,
            );
        }
    }

    /// Puts copies of those that were set aside onto two error stacks and the exception stack of a lane that begins.
    pub(crate) fn fill(
        &self,
        errors: *mut sys::zend_stack,
        reporting: *mut sys::zend_stack,
        exceptions: *mut sys::zend_stack,
    ) {
        // SAFETY: the stacks are a lane's own and hold zvals and integers; a pushed value is moved in with its count.
        unsafe {
            for (handler, level) in &self.errors {
                let value = Owned::copy(handler.as_ptr()).into_raw();
                sys::zend_stack_push(errors, (&raw const value).cast());
                sys::zend_stack_push(reporting, ptr::from_ref(level).cast());
            }
            for handler in &self.exceptions {
                let value = Owned::copy(handler.as_ptr()).into_raw();
                sys::zend_stack_push(exceptions, (&raw const value).cast());
            }
        }
    }
}

/// The elements of a stack, the lowest first.
///
/// # Safety
/// The stack holds values of type `T` and does not change while the iterator is used.
unsafe fn elements<T>(stack: *const sys::zend_stack) -> impl Iterator<Item = *mut T> {
    // SAFETY: a live stack; below its top lie initialised elements.
    let (first, count) = unsafe { ((*stack).elements.cast::<T>(), (*stack).top) };
    (0..count as usize).map(move |index| first.wrapping_add(index))
}
