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
    /// Returns counted copies of the live handlers.
    pub(crate) fn live() -> Self {
        let engine = &raw const sys::executor_globals;
        // SAFETY: on the PHP thread, and nothing here changes the engine's globals.
        let engine = unsafe { &*engine };
        // SAFETY: these stacks hold values; nothing changes them here.
        let errors = unsafe { elements::<Value>(&engine.user_error_handlers) };
        // SAFETY: this stack holds integers, as many as the one of error handlers has values.
        let reporting = unsafe { elements::<i32>(&engine.user_error_handlers_error_reporting) };
        // SAFETY: as the first.
        let exceptions = unsafe { elements::<Value>(&engine.user_exception_handlers) };
        Self {
            error: Owned::copy(&raw const engine.user_error_handler),
            error_reporting: engine.user_error_handler_error_reporting,
            exception: Owned::copy(&raw const engine.user_exception_handler),
            errors: errors
                .zip(reporting)
                // SAFETY: an initialised element of the stack.
                .map(|(handler, reporting)| (Owned::copy(handler), unsafe { *reporting }))
                .collect(),
            exceptions: exceptions.map(|handler| Owned::copy(handler)).collect(),
        }
    }

    /// Returns the same handlers, each as `copy` makes it.
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

    /// Returns every handler, those that were set aside among them.
    pub(crate) fn each(&self) -> impl Iterator<Item = &Owned> {
        [&self.error, &self.exception]
            .into_iter()
            .chain(self.errors.iter().map(|(handler, _)| handler))
            .chain(&self.exceptions)
    }

    /// Makes these the live ones again.
    pub(crate) fn put_back(&self) {
        // SAFETY: on the PHP thread, while no handler runs; both are copied with counts of their own. The shim empties the live stacks.
        unsafe {
            sys::kq_renew_handlers(
                self.error.as_ptr(),
                self.error_reporting,
                self.exception.as_ptr(),
            );
        }
        let engine = &raw mut sys::executor_globals;
        // SAFETY: on the PHP thread; pushing onto the stacks runs no PHP code, so nothing else refers to the engine's globals meanwhile.
        let engine = unsafe { &mut *engine };
        // SAFETY: the live stacks, which hold values and integers.
        unsafe {
            self.fill(
                &mut engine.user_error_handlers,
                &mut engine.user_error_handlers_error_reporting,
                &mut engine.user_exception_handlers,
            );
        }
    }

    /// Puts copies of those that were set aside onto two error stacks and the exception stack.
    ///
    /// # Safety
    /// On the PHP thread; the stacks are initialised, `reporting` for integers and the others for values.
    pub(crate) unsafe fn fill(
        &self,
        errors: &mut sys::zend_stack,
        reporting: &mut sys::zend_stack,
        exceptions: &mut sys::zend_stack,
    ) {
        for (handler, level) in &self.errors {
            let value = Owned::copy(handler.as_ptr()).into_raw();
            // SAFETY: a stack of values, into which the value is moved with its count.
            unsafe { sys::zend_stack_push(errors, (&raw const value).cast()) };
            // SAFETY: a stack of integers.
            unsafe { sys::zend_stack_push(reporting, ptr::from_ref(level).cast()) };
        }
        for handler in &self.exceptions {
            let value = Owned::copy(handler.as_ptr()).into_raw();
            // SAFETY: as the first.
            unsafe { sys::zend_stack_push(exceptions, (&raw const value).cast()) };
        }
    }
}

/// Returns the elements of a stack, the lowest first.
///
/// # Safety
/// The stack holds elements of type `T`, and does not change while the iterator is used.
unsafe fn elements<T>(stack: &sys::zend_stack) -> impl Iterator<Item = *mut T> + use<T> {
    let first = stack.elements.cast::<T>();
    (0..stack.top as usize).map(move |index| first.wrapping_add(index))
}
