//! Rust over the C shim and Zend's structures: the one place that knows their layout, and most of the unsafe code.
//!
//! Invariant: everything here runs on the PHP thread of a non-thread-safe PHP, so Zend's globals are plain symbols and no call
//! races with another.
#![expect(
    unsafe_code,
    reason = "Zend's structures are C's; each block says what it relies on"
)]

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

/// A value of ours that PHP counts: dropped when this is.
pub(crate) struct Owned(Value);

impl Owned {
    /// A value without content.
    pub(crate) fn undef() -> Self {
        Self(undef())
    }

    /// A counted copy.
    pub(crate) fn copy(value: *const Value) -> Self {
        let mut copy = Self::undef();
        // SAFETY: the caller's value is live; the copy takes a count of its own.
        unsafe { sys::kq_zval_copy(&raw mut copy.0, value) };
        copy
    }

    /// Takes over one count.
    pub(crate) fn from_raw(value: Value) -> Self {
        Self(value)
    }

    /// The value, for C.
    pub(crate) fn as_ptr(&self) -> *mut Value {
        (&raw const self.0).cast_mut()
    }

    /// Gives the count away.
    pub(crate) fn into_raw(self) -> Value {
        let value = self.0;
        std::mem::forget(self);
        value
    }

    /// The value as ext-php-rs sees it; the layout is the same struct.
    pub(crate) fn as_zval(&self) -> &ext_php_rs::types::Zval {
        // SAFETY: both types are Zend's zval, bound twice.
        unsafe { &*self.as_ptr().cast() }
    }

    /// A copy in ext-php-rs's type.
    pub(crate) fn to_zval(&self) -> ext_php_rs::types::Zval {
        let mut zval = ext_php_rs::types::Zval::new();
        // SAFETY: as above; the copy owns its count, and Zval's drop gives it back.
        unsafe { sys::kq_zval_copy((&raw mut zval).cast(), &raw const self.0) };
        zval
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: we own one count.
        unsafe { sys::kq_zval_drop(&raw mut self.0) };
    }
}

/// A value of type UNDEF.
pub(crate) fn undef() -> Value {
    // SAFETY: all-zero is IS_UNDEF, and Value is plain data.
    unsafe { std::mem::zeroed() }
}

/// The type byte.
pub(crate) fn kind(value: *const Value) -> u32 {
    // SAFETY: callers pass live values.
    u32::from(unsafe { (*value).u1.v.type_ })
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

/// The object in a value of type object.
pub(crate) fn object_of(value: *const Value) -> *mut Object {
    // SAFETY: callers have looked at the type.
    unsafe { (*value).value.obj }
}

/// Puts an object (whose count passes over) into a value.
pub(crate) fn set_object(value: *mut Value, object: *mut Object) {
    // SAFETY: `value` is writable; the type info is that of a counted, collectable object.
    unsafe {
        (*value).value.obj = object;
        (*value).u1.type_info = sys::IS_OBJECT | REFCOUNTED | COLLECTABLE;
    }
}

/// Puts an array (whose count passes over) into a value.
pub(crate) fn set_array(value: *mut Value, array: *mut sys::HashTable) {
    // SAFETY: as for set_object.
    unsafe {
        (*value).value.arr = array;
        (*value).u1.type_info = sys::IS_ARRAY | REFCOUNTED | COLLECTABLE;
    }
}

/// Puts a reference (whose count passes over) into a value.
pub(crate) fn set_reference(value: *mut Value, reference: *mut sys::zend_reference) {
    // SAFETY: as for set_object; references are counted, and collected through what they hold.
    unsafe {
        (*value).value.ref_ = reference;
        (*value).u1.type_info = sys::IS_REFERENCE | REFCOUNTED;
    }
}

const REFCOUNTED: u32 = 1 << 8;
const COLLECTABLE: u32 = 1 << 9;

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

/// The entries of an array, holes and INDIRECT ones included as they are. Do not change the array meanwhile.
pub(crate) struct Entries {
    array: *const sys::HashTable,
    position: u32,
}

/// One entry: its value, its string key or NULL, and its number.
pub(crate) struct Entry {
    pub(crate) value: *mut Value,
    pub(crate) key: *mut sys::zend_string,
    pub(crate) index: u64,
}

/// Walks an array.
pub(crate) fn entries(array: *const sys::HashTable) -> Entries {
    Entries { array, position: 0 }
}

const PACKED: u32 = 1 << 2;

impl Iterator for Entries {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        // SAFETY: the array outlives the walk; positions below nNumUsed are initialised, and the packed flag tells the layout.
        unsafe {
            let array = &*self.array;
            while self.position < array.nNumUsed {
                let position = self.position;
                self.position += 1;
                let entry = if array.u.flags & PACKED != 0 {
                    Entry {
                        value: array.__bindgen_anon_1.arPacked.add(position as usize),
                        key: ptr::null_mut(),
                        index: u64::from(position),
                    }
                } else {
                    let bucket = array.__bindgen_anon_1.arData.add(position as usize);
                    Entry {
                        value: &raw mut (*bucket).val,
                        key: (*bucket).key,
                        index: (*bucket).h,
                    }
                };
                if kind(entry.value) != sys::IS_UNDEF {
                    return Some(entry);
                }
            }
            None
        }
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

/// A new PHP string.
pub(crate) fn string(bytes: &[u8]) -> Owned {
    let mut value = undef();
    // SAFETY: the shim copies the bytes into a new string that the value owns.
    unsafe { sys::kq_new_string(&raw mut value, bytes.as_ptr().cast(), bytes.len()) };
    Owned::from_raw(value)
}

/// A new PHP integer.
pub(crate) fn long(number: i64) -> Value {
    let mut value = undef();
    value.value.lval = number;
    value.u1 = sys::_zval_struct__bindgen_ty_1 {
        type_info: sys::IS_LONG,
    };
    value
}

/// A PHP boolean.
pub(crate) fn boolean(yes: bool) -> Value {
    let mut value = undef();
    value.u1 = sys::_zval_struct__bindgen_ty_1 {
        type_info: if yes { sys::IS_TRUE } else { sys::IS_FALSE },
    };
    value
}

/// A new PHP float.
pub(crate) fn double(number: f64) -> Value {
    let mut value = undef();
    value.value.dval = number;
    value.u1 = sys::_zval_struct__bindgen_ty_1 {
        type_info: sys::IS_DOUBLE,
    };
    value
}

/// The bytes of a value that is a string.
pub(crate) fn bytes(value: &Owned) -> Option<Vec<u8>> {
    // SAFETY: the type says string.
    (kind(value.as_ptr()) == sys::IS_STRING)
        .then(|| text(unsafe { (*value.as_ptr()).value.str_ }).to_vec())
}

impl Owned {
    /// The value as an argument: the callee takes counts of its own.
    pub(crate) fn borrowed(&self) -> Value {
        self.0
    }
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
