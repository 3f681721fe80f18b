//! Rust over the C shim and Zend's structures: the one place that knows their layout, and most of the unsafe code.
//!
//! Invariant: everything here runs on the PHP thread of a non-thread-safe PHP, so Zend's globals are plain symbols and no call
//! races with another.
#![expect(
    unsafe_code,
    reason = "Zend's structures are C's; each block says what it relies on"
)]

mod entries;
mod values;

use std::ffi::{CStr, c_char};
use std::ptr;

/// Bound by build.rs for the PHP that this extension is built for.
#[allow(
    warnings,
    clippy::all,
    clippy::pedantic,
    clippy::undocumented_unsafe_blocks,
    unsafe_code,
    unsafe_op_in_unsafe_fn,
    reason = "generated"
)]
pub(crate) mod sys {
    include!(concat!(env!("OUT_DIR"), "/zend_sys.rs"));
}

pub(crate) use self::entries::{Entry, entries};
pub(crate) use self::values::{
    Owned, boolean, bytes, double, kind, long, object_of, set_array, set_object, set_reference,
    string, undef,
};
pub(crate) use sys::{zend_class_entry as Class, zend_object as Object, zval as Value};

/// How a call into PHP ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It returned.
    Returned,
    /// An exception is pending.
    Threw,
    /// exit() was called; the engine's token for it is pending.
    Exited,
    /// A fatal error. PHP's state can no longer be trusted.
    BailedOut,
}

impl From<sys::kq_ending> for Ending {
    fn from(ending: sys::kq_ending) -> Self {
        match ending {
            sys::kq_ending_KQ_RETURNED => Self::Returned,
            sys::kq_ending_KQ_THREW => Self::Threw,
            sys::kq_ending_KQ_EXITED => Self::Exited,
            _ => Self::BailedOut,
        }
    }
}

/// Calls a PHP callable. A fatal error in it ends here, as `BailedOut`.
pub(crate) fn call(callable: *mut Value, arguments: &mut [Value]) -> (Ending, Owned) {
    let mut result = undef();
    // SAFETY: callable and arguments are live for the call; the shim's zend_try is the only frame a bail-out can reach, and no
    // Rust frame lies between it and PHP.
    let ending = unsafe {
        sys::kq_call(
            callable,
            &raw mut result,
            arguments.len() as u32,
            arguments.as_mut_ptr(),
        )
    };
    (ending.into(), Owned::from_raw(result))
}

/// A PHP function by name, on borrowed arguments.
pub(crate) fn call_function(name: &str, arguments: &mut [Value]) -> (Ending, Owned) {
    let function = string(name.as_bytes());
    call(function.as_ptr(), arguments)
}

/// Whether two values are the same, as `===` says.
pub(crate) fn is_identical(one: &Owned, other: &Owned) -> bool {
    // SAFETY: both are live.
    unsafe { sys::kq_is_identical(one.as_ptr(), other.as_ptr()) }
}

/// A class's method of this lower-case name; null if it has none.
pub(crate) fn method(class: *mut Class, lower: &str) -> *mut sys::zend_function {
    // SAFETY: a live class; the name is passed with its length.
    unsafe { sys::kq_method(class, lower.as_ptr().cast(), lower.len()) }
}

/// Calls the functions that the running lane has registered for its end. False: a fatal error in one.
pub(crate) fn run_shutdown_functions() -> bool {
    // SAFETY: on the PHP thread, in a lane; each call ends its own fatal errors.
    unsafe { sys::kq_run_shutdown_functions() }
}

/// In a new process: what its parent has registered for its own end.
pub(crate) fn forget_shutdown_functions() {
    // SAFETY: on the PHP thread; they are left alone, not freed.
    unsafe { sys::kq_forget_shutdown_functions() };
}

/// Random numbers come from new seeds from now on.
pub(crate) fn forget_random_numbers() {
    // SAFETY: on the PHP thread; stores flags.
    unsafe { sys::kq_random_forget() };
}

/// A callable to call in a lane: a first-class callable uses the static variables that its function had where it was made, so a new
/// one is made for the lane.
pub(crate) fn own_callable(callable: &Owned) -> Owned {
    let mut own = undef();
    // SAFETY: the callable is live; the new value has a count of its own.
    unsafe { sys::kq_own_callable(callable.as_ptr(), &raw mut own) };
    Owned::from_raw(own)
}

/// Calls `scope`'s own method, on an object or (None) statically.
pub(crate) fn call_method(
    object: Option<*mut Object>,
    scope: *mut Class,
    name: &str,
    arguments: &mut [Value],
) -> (Ending, Owned) {
    let mut result = undef();
    // SAFETY: as for `call`; `name` is passed with its length and ends in no NUL that C would need.
    let ending = unsafe {
        sys::kq_call_method(
            object.unwrap_or(ptr::null_mut()),
            scope,
            name.as_ptr().cast(),
            name.len(),
            &raw mut result,
            arguments.len() as u32,
            arguments.as_mut_ptr(),
        )
    };
    (ending.into(), Owned::from_raw(result))
}

/// Passes a fatal error on to the next zend_try below.
pub(crate) fn bailout() -> ! {
    // SAFETY: every caller runs below a zend_try: the shim's or PHP's own.
    unsafe { sys::kq_bailout() };
    unreachable!("zend_bailout does not return")
}

/// The pending exception, if any; an exit() is cleared and gives None.
pub(crate) fn take_exception() -> Option<Owned> {
    // SAFETY: on the PHP thread; the object comes with a count of its own.
    let object = unsafe { sys::kq_take_exception() };
    if object.is_null() {
        return None;
    }
    let mut value = undef();
    set_object(&raw mut value, object);
    Some(Owned::from_raw(value))
}

/// Throws an exception object.
pub(crate) fn throw_object(exception: Owned) {
    let exception = exception.into_raw();
    // SAFETY: the engine takes over our count.
    unsafe { sys::kq_put_exception(object_of(&raw const exception)) };
}

/// The operation that the running PHP code is at; null in code of C.
pub(crate) fn place() -> *mut sys::zend_op {
    // SAFETY: on the PHP thread; a frame of PHP code has a current operation.
    unsafe {
        let frame = sys::executor_globals.current_execute_data;
        if frame.is_null()
            || (*frame).func.is_null()
            || u32::from((*(*frame).func).type_) == sys::ZEND_INTERNAL_FUNCTION
        {
            return std::ptr::null_mut();
        }
        (*frame).opline.cast_mut()
    }
}

/// Whether an exception is pending.
pub(crate) fn has_exception() -> bool {
    // SAFETY: reads a global on the PHP thread.
    unsafe { sys::kq_has_exception() }
}

/// The text of a zend_string.
pub(crate) fn text<'a>(string: *const sys::zend_string) -> &'a [u8] {
    // SAFETY: callers pass a live string and do not keep the slice beyond it; `val` is the first byte of `len`.
    unsafe { std::slice::from_raw_parts((&raw const (*string).val).cast::<u8>(), (*string).len) }
}

/// A class's name.
pub(crate) fn class_name(class: *const Class) -> String {
    // SAFETY: class entries live as long as the request.
    String::from_utf8_lossy(text(unsafe { (*class).name })).into_owned()
}

/// The extension, in lower case, that declares an internal class.
pub(crate) fn module_of(class: *const Class) -> String {
    // SAFETY: an internal class; its module, if any, is loaded as long as the process, and its name ends in NUL.
    unsafe {
        let module = (*class).info.internal.module;
        if module.is_null() {
            return "core".into();
        }
        CStr::from_ptr((*module).name)
            .to_string_lossy()
            .to_lowercase()
    }
}

/// A class that is loaded under this (lower case) name; nothing is autoloaded.
pub(crate) fn loaded_class(lower: &str) -> Option<*mut Class> {
    // SAFETY: the class table lives as long as the request.
    let found = unsafe { sys::kq_loaded_class(lower.as_ptr().cast(), lower.len()) };
    (!found.is_null()).then_some(found)
}

/// The last error's message, if there was one.
pub(crate) fn last_error() -> Option<String> {
    // SAFETY: NUL-terminated and alive until the next error.
    unsafe {
        let message: *const c_char = sys::kq_last_error();
        (!message.is_null()).then(|| CStr::from_ptr(message).to_string_lossy().into_owned())
    }
}

/// The last error, and where it was.
pub(crate) fn last_fatal() -> Option<String> {
    let message = last_error()?;
    // SAFETY: NUL-terminated and alive until the next error.
    let place = unsafe {
        let file: *const c_char = sys::kq_last_error_file();
        (!file.is_null()).then(|| CStr::from_ptr(file).to_string_lossy().into_owned())
    };
    // SAFETY: reads a global.
    let line = unsafe { sys::kq_last_error_line() };
    Some(match place {
        Some(file) => format!("{message} in {file}:{line}"),
        None => message,
    })
}

/// An ini setting's value.
pub(crate) fn ini(name: &CStr) -> Option<String> {
    // SAFETY: the name is NUL-terminated; the value belongs to the engine and is copied at once.
    unsafe {
        let value = sys::kq_ini(name.as_ptr(), name.to_bytes().len());
        (!value.is_null()).then(|| CStr::from_ptr(value).to_string_lossy().into_owned())
    }
}

/// Whether a PHP or Zend extension of this lower-case name is loaded.
pub(crate) fn extension_loaded(name: &str) -> bool {
    let text = std::ffi::CString::new(name).expect("names have no NUL");
    // SAFETY: the name is NUL-terminated and its length is right.
    unsafe { sys::kq_extension_loaded(text.as_ptr(), name.len()) }
}

/// "Class: message" of a throwable, read through its own getter. Never format such an object otherwise: its graph is cyclic.
pub(crate) fn describe(exception: &Owned) -> String {
    let object = object_of(exception.as_ptr());
    // SAFETY: callers pass a live object.
    let class = unsafe { (*object).ce };
    let (_, message) = call_method(Some(object), class, "getmessage", &mut []);
    format!(
        "{}: {}",
        class_name(class),
        String::from_utf8_lossy(&bytes(&message).unwrap_or_default())
    )
}

/// The PHP code that is running, as "file:line": the innermost place and some of its callers.
pub(crate) fn places() -> Vec<String> {
    const MOST: usize = 12;
    let mut places = [sys::kq_place {
        file: std::ptr::null_mut(),
        line: 0,
    }; MOST];
    // SAFETY: on the PHP thread, between two opcodes or in a call of C code, so the frames are in order; files' names live as long as
    // their code.
    let count = unsafe { sys::kq_places(places.as_mut_ptr(), MOST as u32) };
    places[..count as usize]
        .iter()
        .map(|place| {
            format!(
                "{}:{}",
                String::from_utf8_lossy(text(place.file)),
                place.line
            )
        })
        .collect()
}

/// Replaces the text of the last error.
pub(crate) fn set_last_error(message: &str) {
    let text = string(message.as_bytes());
    // SAFETY: the engine takes a count of its own.
    unsafe { sys::kq_set_last_error(text.as_ptr()) };
}

/// Writes out what PHP has buffered. False: a fatal error in an output callback.
pub(crate) fn flush_output() -> bool {
    // SAFETY: on the PHP thread; a fatal error ends in the shim.
    unsafe { sys::kq_flush_output() }
}

/// Unwinds the running code as exit() does.
pub(crate) fn throw_exit() {
    // SAFETY: on the PHP thread, in running PHP code.
    unsafe { sys::kq_throw_exit() };
}

/// Shows the pending exception, as at the end of a program.
pub(crate) fn show_exception() {
    // SAFETY: on the PHP thread; the engine does not jump away from this error.
    unsafe { sys::kq_show_exception() };
}

/// Forgets what PHP has buffered, without writing it.
pub(crate) fn fresh_output() {
    // SAFETY: on the PHP thread, while no output is under way: a process that was forked just now.
    unsafe { sys::kq_fresh_output() };
}

/// Whether an object has a public method of this lower-case name.
pub(crate) fn has_method(object: &ext_php_rs::types::ZendObject, lower: &str) -> bool {
    // SAFETY: a live object; its class's table holds functions.
    unsafe {
        sys::kq_has_public_method(
            std::ptr::from_ref(object).cast_mut().cast(),
            lower.as_ptr().cast(),
            lower.len(),
        )
    }
}

/// Bytes in use by PHP's allocator.
pub(crate) fn memory_usage() -> usize {
    // SAFETY: reads the allocator's counters.
    unsafe { sys::zend_memory_usage(false) }
}

/// What went into loading code that the process had not had yet, since the last call of this.
pub(crate) fn take_loading() -> kqueue_core::profile::Loading {
    // SAFETY: on the PHP thread; reads and sets the shim's own counters.
    let loading = unsafe { sys::kq_take_loading() };
    kqueue_core::profile::Loading {
        cpu: std::time::Duration::from_nanos(loading.nanoseconds),
        memory: loading.bytes,
    }
}

/// What exit() was given.
pub(crate) fn exit_status() -> i32 {
    // SAFETY: reads a global.
    unsafe { sys::executor_globals.exit_status }
}

/// A PHP warning.
pub(crate) fn warn(message: &str) {
    let text = std::ffi::CString::new(message.replace('\0', "")).expect("NULs were removed");
    // SAFETY: the text is NUL-terminated; an error handler that bails out is the caller's concern as for any call into PHP.
    unsafe { sys::kq_warn(text.as_ptr()) };
}

/// The PHP version this extension was built for.
pub(crate) fn built_for() -> String {
    String::from_utf8_lossy(&sys::PHP_VERSION[..sys::PHP_VERSION.len() - 1]).into_owned()
}

/// How many arguments the script has, itself being the first; 0: there is no command line.
pub(crate) fn argument_count() -> usize {
    // SAFETY: reads a global of the engine.
    unsafe { sys::kq_argument_count() as usize }
}
