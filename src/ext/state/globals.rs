//! PHP globals that belong to the running code but that the engine's own switch does not keep apart: output buffers, error
//! handlers, a pending exception, the state of usort and of serialize.
//!
//! Exchanged whole at each switch, in place: the engine reads them by fixed addresses.
#![expect(unsafe_code, reason = "reads and writes the engine's globals")]

use std::ffi::c_void;
use std::mem::{self, MaybeUninit};

use super::handlers::Handlers;
use super::modules::held;
use crate::zend::{self, Owned, Value, sys};

/// One lane's share, or, while that lane runs, the scheduler's.
pub(crate) struct Globals {
    output: sys::zend_output_globals,
    error_handler: sys::zval,
    error_handler_reporting: i32,
    error_handlers: sys::zend_stack,
    error_handlers_reporting: sys::zend_stack,
    exception_handler: sys::zval,
    exception_handlers: sys::zend_stack,
    exception: *mut sys::zend_object,
    previous_exception: *mut sys::zend_object,
    opline_before_exception: *const sys::zend_op,
    serialize: Serializer,
    compare: sys::zend_fcall_info,
    compare_cache: sys::zend_fcall_info_cache,
    request: sys::kq_request,
    streams: sys::kq_streams,
    /// Whether stream wrappers and the default context are the lane's own: those that the template registers are for everyone.
    own_streams: bool,
    /// The handlers that the lane began with; None: those of the process.
    handlers: Option<Handlers>,
    /// What extensions keep in globals of their own, where it is not what a request begins with.
    modules: Option<Box<held::Held>>,
    /// Whether that is the lane's own, too.
    own_modules: bool,
}

/// ext/standard's nesting counters; SerializesModels runs queries inside __unserialize.
#[derive(Clone, Copy)]
struct Serializer {
    lock: u32,
    serialize: sys::_php_basic_globals__bindgen_ty_1,
    unserialize: sys::_php_basic_globals__bindgen_ty_2,
}

/// The handlers that a lane began with. The lane, or the base, holds them.
pub(crate) struct FirstHandlers {
    error: Value,
    error_reporting: i32,
    exception: Value,
}

impl FirstHandlers {
    /// Makes these the running lane's again, between two jobs. Destructors of those before may run, and wait.
    pub(crate) fn put_back(&self) {
        // SAFETY: on the PHP thread; the handlers are live, and copied with counts of their own.
        unsafe {
            sys::kq_renew_handlers(
                &raw const self.error,
                self.error_reporting,
                &raw const self.exception,
            );
        }
        zend::take_exception();
        // SAFETY: on the PHP thread.
        unsafe { sys::kq_request_clear() };
    }
}

impl Globals {
    /// Returns what a new process would have, with these handlers; None: those of the process as they are now, since booting set them for
    /// everyone.
    pub(crate) fn fresh(own_streams: bool, handlers: Option<Handlers>) -> Self {
        let engine = &raw const sys::executor_globals;
        // SAFETY: on the PHP thread, and nothing below changes these fields of the engine's globals.
        let engine = unsafe { &*engine };
        let (error, reporting, exception) = match &handlers {
            Some(own) => (
                own.error.as_ptr().cast_const(),
                own.error_reporting,
                own.exception.as_ptr().cast_const(),
            ),
            None => (
                &raw const engine.user_error_handler,
                engine.user_error_handler_error_reporting,
                &raw const engine.user_exception_handler,
            ),
        };
        // SAFETY: live handlers, or such as are held here.
        let mut globals = unsafe { Self::with_handlers(error, reporting, exception) };
        if let Some(own) = &handlers {
            // SAFETY: `with_handlers` has made the stacks.
            unsafe {
                own.fill(
                    &mut globals.error_handlers,
                    &mut globals.error_handlers_reporting,
                    &mut globals.exception_handlers,
                );
            }
        }
        globals.handlers = handlers;
        globals.own_streams = own_streams;
        globals.own_modules = own_streams;
        if own_streams {
            // SAFETY: on the PHP thread, while the base's streams are live.
            unsafe { sys::kq_streams_copy(&raw mut globals.streams) };
            globals.modules = held::inherit(None);
        }
        globals
    }

    /// Returns what a lane has that runs beside the suspended one with `other`: its handlers are in force here too, and its streams.
    pub(crate) fn beside(other: &Self) -> Self {
        let (error, exception) = (
            &raw const other.error_handler,
            &raw const other.exception_handler,
        );
        // SAFETY: handlers that a suspended lane holds.
        let mut globals =
            unsafe { Self::with_handlers(error, other.error_handler_reporting, exception) };
        globals.own_modules = other.own_modules;
        if let Some(held) = &other.modules {
            globals.modules = held::inherit(Some(held));
        }
        globals
    }

    /// # Safety
    /// On the PHP thread; both handlers are live values, which are copied.
    unsafe fn with_handlers(
        error_handler: *const sys::zval,
        error_handler_reporting: i32,
        exception_handler: *const sys::zval,
    ) -> Self {
        let mut globals = MaybeUninit::<Self>::zeroed();
        // All-zero is a valid start for the plain structures, but not for these.
        // SAFETY: the place is ours; nothing that was there is dropped.
        unsafe { (&raw mut (*globals.as_mut_ptr()).handlers).write(None) };
        // SAFETY: as above.
        unsafe { (&raw mut (*globals.as_mut_ptr()).modules).write(None) };
        // SAFETY: all other fields are plain data, or null pointers.
        let mut globals = unsafe { globals.assume_init() };
        globals.output = fresh_output();
        // SAFETY: this function's contract; the copies are ours.
        unsafe { sys::kq_zval_copy(&raw mut globals.error_handler, error_handler) };
        // SAFETY: as above.
        unsafe { sys::kq_zval_copy(&raw mut globals.exception_handler, exception_handler) };
        globals.error_handler_reporting = error_handler_reporting;
        for (stack, size) in [
            (&mut globals.error_handlers, size_of::<sys::zval>()),
            (&mut globals.error_handlers_reporting, size_of::<i32>()),
            (&mut globals.exception_handlers, size_of::<sys::zval>()),
        ] {
            // SAFETY: a place for a stack, which becomes an empty one.
            unsafe { sys::zend_stack_init(stack, size as i32) };
        }
        globals
    }

    /// Returns the handlers that the running lane began with: its own, or the base's, which these are meanwhile.
    pub(crate) fn first_handlers(&self) -> FirstHandlers {
        match &self.handlers {
            Some(own) => FirstHandlers {
                error: own.error.borrowed(),
                error_reporting: own.error_reporting,
                exception: own.exception.borrowed(),
            },
            None => FirstHandlers {
                error: self.error_handler,
                error_reporting: self.error_handler_reporting,
                exception: self.exception_handler,
            },
        }
    }

    /// Returns the functions that the lane has registered for its end, while it does not run.
    pub(crate) fn at_end(&self) -> Vec<Vec<Owned>> {
        // SAFETY: on the PHP thread; the lane's own table, or null.
        unsafe { calls_of(self.request.shutdown_functions) }
    }

    /// Exchanges these with the live ones.
    pub(crate) fn exchange(&mut self) {
        if self.own_modules {
            held::exchange(&mut self.modules);
        }
        let output = &raw mut sys::output_globals;
        // SAFETY: on the PHP thread, from the scheduler's context only: no PHP code is between two reads of a half-exchanged set, and
        // nothing else refers to the engine's globals meanwhile. So for the next two.
        let output = unsafe { &mut *output };
        mem::swap(output, &mut self.output);
        let engine = &raw mut sys::executor_globals;
        // SAFETY: as above.
        let engine = unsafe { &mut *engine };
        mem::swap(&mut engine.user_error_handler, &mut self.error_handler);
        mem::swap(
            &mut engine.user_error_handler_error_reporting,
            &mut self.error_handler_reporting,
        );
        mem::swap(&mut engine.user_error_handlers, &mut self.error_handlers);
        mem::swap(
            &mut engine.user_error_handlers_error_reporting,
            &mut self.error_handlers_reporting,
        );
        mem::swap(
            &mut engine.user_exception_handler,
            &mut self.exception_handler,
        );
        mem::swap(
            &mut engine.user_exception_handlers,
            &mut self.exception_handlers,
        );
        mem::swap(&mut engine.exception, &mut self.exception);
        mem::swap(&mut engine.prev_exception, &mut self.previous_exception);
        mem::swap(
            &mut engine.opline_before_exception,
            &mut self.opline_before_exception,
        );
        let basic = &raw mut sys::basic_globals;
        // SAFETY: as above.
        let basic = unsafe { &mut *basic };
        mem::swap(&mut basic.serialize_lock, &mut self.serialize.lock);
        mem::swap(&mut basic.serialize, &mut self.serialize.serialize);
        mem::swap(&mut basic.unserialize, &mut self.serialize.unserialize);
        mem::swap(&mut basic.user_compare_fci, &mut self.compare);
        mem::swap(&mut basic.user_compare_fci_cache, &mut self.compare_cache);
        // SAFETY: on the PHP thread, from the scheduler's context; these are the lane's, or the base's.
        unsafe { sys::kq_request_exchange(&raw mut self.request) };
    }

    /// Adds a stream wrapper that another lane has registered for all, while the lane does not run.
    pub(crate) fn add_wrapper(&mut self, wrapper: &sys::kq_wrapper_entry) {
        if self.own_streams {
            // SAFETY: these streams are not live; the wrapper lives until the request ends.
            unsafe { sys::kq_streams_add(&raw mut self.streams, wrapper) };
        }
    }

    /// Puts back what extensions keep for the running lane, which has ended, or its job.
    pub(crate) fn end_modules(&self) {
        if self.own_modules {
            held::end(self.modules.as_deref());
        }
    }

    /// Exchanges stream wrappers and the default context, which the lanes that help with one job share.
    pub(crate) fn exchange_streams(&mut self) {
        if self.own_streams {
            // SAFETY: on the PHP thread, from the scheduler's context.
            unsafe { sys::kq_streams_exchange(&raw mut self.streams) };
        }
    }
}

/// Returns output buffers as a request begins with them.
fn fresh_output() -> sys::zend_output_globals {
    // SAFETY: on the PHP thread; plain data.
    let current = unsafe { sys::output_globals };
    // SAFETY: on the PHP thread. It makes fresh buffers in place of the current ones, which are put back below; nothing runs in between.
    unsafe { sys::php_output_activate() };
    // SAFETY: on the PHP thread; plain data.
    let mut fresh = unsafe { sys::output_globals };
    fresh.flags = current.flags;
    // SAFETY: as above.
    unsafe { sys::output_globals = current };
    fresh
}

/// Returns the functions that are registered for the end of what is live.
pub(crate) fn live_at_end() -> Vec<Vec<Owned>> {
    // SAFETY: on the PHP thread; reads a global of the engine.
    let functions = unsafe { sys::basic_globals.user_shutdown_function_names };
    // SAFETY: the live table of such functions, or null.
    unsafe { calls_of(functions) }
}

/// Returns the calls that are registered for an end: each a callable and its arguments.
///
/// # Safety
/// On the PHP thread; null, or a live table of shutdown functions.
unsafe fn calls_of(functions: *mut sys::HashTable) -> Vec<Vec<Owned>> {
    extern "C" fn each(
        calls: *mut c_void,
        callable: *mut sys::zval,
        count: u32,
        arguments: *mut sys::zval,
    ) {
        let arguments = (0..count as usize).map(|index| arguments.wrapping_add(index));
        let call = [callable].into_iter().chain(arguments);
        // SAFETY: the vector below, which nothing else uses meanwhile.
        unsafe { &mut *calls.cast::<Vec<Vec<Owned>>>() }
            .push(call.map(|value| Owned::copy(value)).collect());
    }
    let mut calls: Vec<Vec<Owned>> = Vec::new();
    if !functions.is_null() {
        // SAFETY: this function's contract; the walk changes nothing.
        unsafe {
            sys::kq_each_shutdown_function(functions, Some(each), (&raw mut calls).cast());
        }
    }
    calls
}

impl Drop for Globals {
    fn drop(&mut self) {
        // SAFETY: on the PHP thread. These are a lane's, and the lane has ended: its handlers and stacks are not live. Stacks of handlers
        // hold zvals that ended jobs pushed and did not pop; they are leaked to the request's end rather than destructed out of context.
        unsafe {
            sys::kq_zval_drop(&raw mut self.error_handler);
            sys::kq_zval_drop(&raw mut self.exception_handler);
            sys::zend_stack_destroy(&raw mut self.error_handlers);
            sys::zend_stack_destroy(&raw mut self.error_handlers_reporting);
            sys::zend_stack_destroy(&raw mut self.exception_handlers);
            sys::kq_output_drop(&raw mut self.output);
            sys::kq_request_drop(&raw mut self.request);
            sys::kq_streams_drop(&raw mut self.streams);
        }
    }
}
