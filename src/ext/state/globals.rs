//! PHP globals that belong to the running code but that the engine's own switch does not keep apart: output buffers, error
//! handlers, a pending exception, the state of usort and of serialize.
//!
//! Exchanged whole at each switch, in place: the engine reads them by fixed addresses.
#![expect(unsafe_code, reason = "reads and writes the engine's globals")]

use std::ffi::c_void;
use std::mem::{self, MaybeUninit};
use std::ptr;

use super::handlers::Handlers;
use super::modules::held;
use crate::zend::{self, Owned, sys};

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

impl Globals {
    /// What a new process would have; these handlers, or those of the process as they are now, since booting set them for everyone.
    pub(crate) fn fresh(own_streams: bool, handlers: Option<Handlers>) -> Self {
        // SAFETY: reads the live handlers, of which `with_handlers` takes counts; on the PHP thread.
        unsafe {
            let engine = &raw const sys::executor_globals;
            let mut globals = match &handlers {
                Some(own) => Self::with_handlers(
                    own.error.as_ptr(),
                    own.error_reporting,
                    own.exception.as_ptr(),
                ),
                None => Self::with_handlers(
                    &raw const (*engine).user_error_handler,
                    (*engine).user_error_handler_error_reporting,
                    &raw const (*engine).user_exception_handler,
                ),
            };
            if let Some(own) = &handlers {
                own.fill(
                    &raw mut globals.error_handlers,
                    &raw mut globals.error_handlers_reporting,
                    &raw mut globals.exception_handlers,
                );
            }
            globals.handlers = handlers;
            globals.own_streams = own_streams;
            globals.own_modules = own_streams;
            if own_streams {
                sys::kq_streams_copy(&raw mut globals.streams);
                globals.modules = held::inherit(None);
            }
            globals
        }
    }

    /// For a lane that runs beside the suspended one with these: its handlers are in force here too, and its streams.
    pub(crate) fn beside(other: &Self) -> Self {
        let mut globals = Self::with_handlers(
            &raw const other.error_handler,
            other.error_handler_reporting,
            &raw const other.exception_handler,
        );
        globals.own_modules = other.own_modules;
        if let Some(held) = &other.modules {
            globals.modules = held::inherit(Some(held));
        }
        globals
    }

    fn with_handlers(
        error_handler: *const sys::zval,
        error_handler_reporting: i32,
        exception_handler: *const sys::zval,
    ) -> Self {
        // SAFETY: on the PHP thread. php_output_activate makes a fresh `output_globals` in place; the current ones are put back
        // right after, and nothing runs in between. All-zero is a valid start for the plain structures.
        unsafe {
            let current = sys::output_globals;
            sys::php_output_activate();
            sys::output_globals.flags = current.flags;
            let output = sys::output_globals;
            sys::output_globals = current;
            let mut globals = MaybeUninit::<Self>::zeroed();
            (&raw mut (*globals.as_mut_ptr()).handlers).write(None);
            (&raw mut (*globals.as_mut_ptr()).modules).write(None);
            let mut globals = globals.assume_init();
            globals.output = output;
            sys::kq_zval_copy(&raw mut globals.error_handler, error_handler);
            sys::kq_zval_copy(&raw mut globals.exception_handler, exception_handler);
            globals.error_handler_reporting = error_handler_reporting;
            let size = size_of::<sys::zval>() as i32;
            sys::zend_stack_init(&raw mut globals.error_handlers, size);
            sys::zend_stack_init(
                &raw mut globals.error_handlers_reporting,
                size_of::<i32>() as i32,
            );
            sys::zend_stack_init(&raw mut globals.exception_handlers, size);
            globals
        }
    }

    /// Between two jobs. While the lane runs its handlers become those again that it began with (its own, or the base's, which these
    /// are meanwhile), and what is left in its output buffers is written, as at the end of a program. False: a fatal error in that.
    pub(crate) fn renew(&self) -> bool {
        if !zend::flush_output() {
            return false;
        }
        let (error, reporting, exception) = match &self.handlers {
            Some(own) => (
                own.error.as_ptr().cast_const(),
                own.error_reporting,
                own.exception.as_ptr().cast_const(),
            ),
            None => (
                &raw const self.error_handler,
                self.error_handler_reporting,
                &raw const self.exception_handler,
            ),
        };
        // SAFETY: on the PHP thread; the handlers are copied with counts of their own.
        unsafe { sys::kq_renew_handlers(error, reporting, exception) };
        zend::take_exception();
        // SAFETY: on the PHP thread.
        unsafe { sys::kq_request_clear() };
        true
    }

    /// The functions that the lane has registered for its end, while it does not run.
    pub(crate) fn at_end(&self) -> Vec<Vec<Owned>> {
        calls_of(self.request.shutdown_functions)
    }

    /// Exchanges these with the live ones.
    pub(crate) fn exchange(&mut self) {
        // SAFETY: on the PHP thread, from the scheduler's context only, so no PHP code is between two reads of a half-exchanged set.
        unsafe {
            if self.own_modules {
                held::exchange(&mut self.modules);
            }
            ptr::swap(&raw mut sys::output_globals, &raw mut self.output);
            let engine = &raw mut sys::executor_globals;
            let engine = &mut *engine;
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
            let basic = &mut *basic;
            mem::swap(&mut basic.serialize_lock, &mut self.serialize.lock);
            mem::swap(&mut basic.serialize, &mut self.serialize.serialize);
            mem::swap(&mut basic.unserialize, &mut self.serialize.unserialize);
            mem::swap(&mut basic.user_compare_fci, &mut self.compare);
            mem::swap(&mut basic.user_compare_fci_cache, &mut self.compare_cache);
            sys::kq_request_exchange(&raw mut self.request);
        }
    }

    /// While the lane does not run: a stream wrapper that another lane has registered for all.
    pub(crate) fn add_wrapper(&mut self, wrapper: &sys::kq_wrapper_entry) {
        if self.own_streams {
            // SAFETY: these streams are not live; the wrapper lives until the request ends.
            unsafe { sys::kq_streams_add(&raw mut self.streams, wrapper) };
        }
    }

    /// The lane runs, and has ended, or its job.
    pub(crate) fn end_modules(&self) {
        if self.own_modules {
            held::end(self.modules.as_deref());
        }
    }

    /// Exchanges stream wrappers and the default context, which the lanes that help with one job share.
    pub(crate) fn exchange_streams(&mut self) {
        if self.own_streams {
            // SAFETY: as above.
            unsafe { sys::kq_streams_exchange(&raw mut self.streams) };
        }
    }
}

/// The functions that are registered for the end of what is live.
pub(crate) fn live_at_end() -> Vec<Vec<Owned>> {
    // SAFETY: reads a global of the engine, on the PHP thread.
    calls_of(unsafe { sys::basic_globals.user_shutdown_function_names })
}

/// Calls that are registered for an end: each a callable and its arguments.
fn calls_of(functions: *mut sys::HashTable) -> Vec<Vec<Owned>> {
    extern "C" fn each(
        calls: *mut c_void,
        callable: *mut sys::zval,
        count: u32,
        arguments: *mut sys::zval,
    ) {
        let mut call = vec![Owned::copy(callable)];
        for index in 0..count as usize {
            // SAFETY: the entry has as many arguments.
            call.push(Owned::copy(unsafe { arguments.add(index) }));
        }
        // SAFETY: the vector below, which nothing else uses meanwhile.
        unsafe { &mut *calls.cast::<Vec<Vec<Owned>>>() }.push(call);
    }
    let mut calls: Vec<Vec<Owned>> = Vec::new();
    if !functions.is_null() {
        // SAFETY: a table of such functions; the walk changes nothing.
        unsafe {
            sys::kq_each_shutdown_function(functions, Some(each), (&raw mut calls).cast());
        }
    }
    calls
}

impl Drop for Globals {
    fn drop(&mut self) {
        // SAFETY: these are a lane's, and the lane has ended: its handlers and stacks are not live. Stacks of handlers hold zvals
        // that ended jobs pushed and did not pop; they are leaked to the request's end rather than destructed out of context.
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
