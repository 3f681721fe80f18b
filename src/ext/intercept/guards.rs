//! PHP's own functions that change or need what all lanes of a process share. While a run is under way their handlers are ours: a call
//! from a lane first marks what it changes as the lane's own (see `settings`), or is refused.
//!
//! The JIT compiles handlers' addresses in: where it is on, ours are in place from the start of the request, before any code is
//! compiled, and go straight on to PHP's while no lane runs.
//!
//! A handler that JIT code or a class declared meanwhile still has after the run goes straight on to PHP's.
#![expect(unsafe_code, reason = "replaces handlers of PHP's functions")]

mod list;
mod refuse;

use std::cell::Cell;
use std::ffi::{CString, c_void};
use std::mem;
use std::sync::atomic::{AtomicPtr, Ordering};

use self::list::Guard::{
    AlwaysPersistent, AssertOption, Autoloader, AutoloaderEnds, Directory, Hold, Ini, IniAlways,
    IniNamed, IniUnder, Keyed, Locale, Persistent, PersistentFlag, PersistentHost,
    PersistentOption, Random, Refuse, RefuseIfNull, RefuseUnlessExchanged, RefuseWithout, Select,
    Signal, Umask, Variable, WrapperEnds,
};
use self::list::{GUARDS, Guard, PERSISTENT, SIGNALS};
use self::refuse::refuse;
use super::signals::{self, Outcome};
use super::{includes, select};
use crate::state::entry::{Mark, is_quiet};
use crate::state::modules::held;
use crate::state::pairs::{ASSERT_CALLBACK, Pair, assertion};
use crate::zend::{self, Class, Owned, Value, sys};
use crate::{builtins, lane, session};

type Handler = unsafe extern "C" fn(*mut sys::zend_execute_data, *mut Value);

/// At most so many functions can be guarded.
const MOST: usize = 160;

macro_rules! handlers {
    ($($ten:literal)*) => { [$(
        guarded::<{ $ten * 10 }>, guarded::<{ $ten * 10 + 1 }>, guarded::<{ $ten * 10 + 2 }>, guarded::<{ $ten * 10 + 3 }>,
        guarded::<{ $ten * 10 + 4 }>, guarded::<{ $ten * 10 + 5 }>, guarded::<{ $ten * 10 + 6 }>, guarded::<{ $ten * 10 + 7 }>,
        guarded::<{ $ten * 10 + 8 }>, guarded::<{ $ten * 10 + 9 }>
    ),*] };
}

static HANDLERS: [Handler; MOST] = handlers!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);

const _: () = assert!(GUARDS.len() <= MOST, "MOST and HANDLERS have to grow");

/// PHP's own handlers. Written as a run begins, and kept.
static ORIGINALS: [AtomicPtr<c_void>; MOST] =
    [const { AtomicPtr::new(std::ptr::null_mut()) }; MOST];

thread_local! {
    static FOR_JIT: Cell<Option<Guards>> = const { Cell::new(None) };
}

/// RINIT: if there is a JIT.
pub(crate) fn request_begins() {
    let on = |value: Option<String>| {
        value.is_some_and(|value| !matches!(value.as_str(), "" | "0" | "off" | "disable"))
    };
    if on(zend::ini(c"opcache.enable_cli"))
        && on(zend::ini(c"opcache.jit"))
        && on(zend::ini(c"opcache.jit_buffer_size"))
    {
        FOR_JIT.set(Some(Guards::install()));
    }
}

/// RSHUTDOWN
pub(crate) fn request_ends() {
    FOR_JIT.set(None);
}

/// The pairs of functions that tell and set a setting of the process.
pub(crate) fn pairs() -> impl Iterator<Item = &'static Pair> {
    GUARDS.iter().filter_map(|(_, _, guard)| match guard {
        Guard::Pair(pair) => Some(pair),
        _ => None,
    })
}

/// The guards are in place while this lives.
pub(crate) struct Guards {
    replaced: Vec<(*mut sys::zend_function, Handler)>,
}

impl Guards {
    /// Puts them in place.
    pub(crate) fn install() -> Self {
        let mut guards = Self {
            replaced: Vec::new(),
        };
        for (number, (class, name, _)) in GUARDS.iter().enumerate() {
            if class.is_empty() {
                // SAFETY: the name is passed with its length.
                let function = unsafe { sys::kq_find_function(name.as_ptr().cast(), name.len()) };
                guards.replace(number, function);
            } else if let Some(class) = zend::loaded_class(class) {
                guards.replace_method(number, class, name);
            }
        }
        guards
    }

    fn replace(&mut self, number: usize, function: *mut sys::zend_function) {
        // SAFETY: a function of PHP's table; internal ones have a handler.
        unsafe {
            if function.is_null() || u32::from((*function).type_) != sys::ZEND_INTERNAL_FUNCTION {
                return;
            }
            let Some(original) = (*function).internal_function.handler else {
                return;
            };
            if original as usize == HANDLERS[number] as usize {
                return;
            }
            ORIGINALS[number].store(original as *mut c_void, Ordering::Relaxed);
            (*function).internal_function.handler = Some(HANDLERS[number]);
            self.replaced.push((function, original));
        }
    }

    /// Subclasses have copies of the method.
    fn replace_method(&mut self, number: usize, class: *mut Class, name: &str) {
        extern "C" fn each(list: *mut c_void, function: *mut sys::zend_function) {
            // SAFETY: the vector below, which nothing else uses meanwhile.
            unsafe { &mut *list.cast::<Vec<*mut sys::zend_function>>() }.push(function);
        }
        let mut functions: Vec<*mut sys::zend_function> = Vec::new();
        // SAFETY: class entries and their functions are alive; the walk changes nothing.
        unsafe {
            let own = zend::method(class, name);
            if own.is_null() || u32::from((*own).type_) != sys::ZEND_INTERNAL_FUNCTION {
                return;
            }
            sys::kq_each_override(
                class,
                name.as_ptr().cast(),
                name.len(),
                (*own).internal_function.handler,
                Some(each),
                (&raw mut functions).cast(),
            );
        }
        for function in functions {
            self.replace(number, function);
        }
    }
}

impl Drop for Guards {
    fn drop(&mut self) {
        for (function, original) in self.replaced.drain(..) {
            // SAFETY: functions of extensions and of linked classes live until the request ends.
            unsafe { (*function).internal_function.handler = Some(original) };
        }
    }
}

/// The handler of one guarded function. It owns nothing: PHP's own may suspend this lane for ever, or jump away.
unsafe extern "C" fn guarded<const NUMBER: usize>(
    frame: *mut sys::zend_execute_data,
    result: *mut Value,
) {
    let (_, _, guard) = &GUARDS[NUMBER];
    // SAFETY: stored before this handler was put in place.
    let original: Handler = unsafe { mem::transmute(ORIGINALS[NUMBER].load(Ordering::Relaxed)) };
    if !lane::is_live() || builtins::is_calling() || session::forked() {
        // SAFETY: the call as it came.
        unsafe { original(frame, result) };
        return;
    }
    match before(guard, frame) {
        Then::Call => {
            // SAFETY: as above.
            unsafe { original(frame, result) };
        }
        Then::CallQuietly(entry) => {
            // SAFETY: the setting's handler is left out for this call, which only sets a value.
            unsafe {
                let on_modify = sys::kq_ini_quieten(entry);
                original(frame, result);
                sys::kq_ini_unquieten(entry, on_modify);
            }
        }
        Then::NoteAutoloader => {
            let before = autoloaders();
            // SAFETY: as above.
            unsafe { original(frame, result) };
            if autoloaders() > before && !includes::is_declaring() {
                // SAFETY: the frame's arguments are live until its function has returned.
                let callable = unsafe { sys::kq_argument(frame, 1) };
                if !callable.is_null() {
                    lane::with_settings(|settings| {
                        settings.note_autoloader(Owned::copy(callable));
                    });
                }
            }
        }
        Then::ForgetWrapper => {
            // SAFETY: the argument is a string; the result's place is the caller's.
            unsafe {
                let protocol = sys::kq_argument(frame, 1);
                let forgotten = sys::kq_forget_wrapper((*protocol).value.str_);
                (*result).u1.type_info = if forgotten {
                    sys::IS_TRUE
                } else {
                    sys::IS_FALSE
                };
            }
        }
        Then::Select(sockets) => {
            if !select::instead(frame, result, sockets) {
                // SAFETY: as above.
                unsafe { original(frame, result) };
            }
        }
        // SAFETY: the result's place is the caller's, and the value's count goes with it.
        Then::Give(value) => unsafe { *result = value },
        Then::Hold => {
            // SAFETY: as above. A jump out of it ends this process's lanes, and that counts anew.
            unsafe {
                sys::kq_enter_block();
                original(frame, result);
                sys::kq_leave_block();
            }
        }
        Then::EndAutoloader => {
            // SAFETY: the frame's arguments are live until its function has returned.
            let callable = unsafe { sys::kq_argument(frame, 1) };
            if !callable.is_null() {
                let callable = Owned::copy(callable);
                let mut own = false;
                lane::with_settings(|settings| own = settings.has_autoloader(&callable));
                if !own {
                    mark(Mark::Autoloaders);
                }
            }
            // SAFETY: as above.
            unsafe { original(frame, result) };
        }
        Then::Refuse(reason) => refuse(frame, reason),
    }
}

enum Then {
    Call,
    Hold,
    EndAutoloader,
    CallQuietly(*mut sys::zend_ini_entry),
    NoteAutoloader,
    ForgetWrapper,
    Select(bool),
    Give(Value),
    Refuse(&'static str),
}

fn before(guard: &'static Guard, frame: *mut sys::zend_execute_data) -> Then {
    // SAFETY: the running function's frame.
    let argument = |number| unsafe { sys::kq_argument(frame, number) };
    let is = |value: *mut Value, kind| !value.is_null() && zend::kind(value) == kind;
    let first = argument(1);
    let persistent = |yes: bool| {
        if yes {
            Then::Refuse(PERSISTENT)
        } else {
            Then::Call
        }
    };
    match guard {
        Ini(name) => {
            if first.is_null() {
                return Then::Call;
            }
            let name = zend::string(name.as_bytes());
            ini(name.as_ptr(), std::ptr::null_mut())
        }
        IniAlways(name) => {
            let name = zend::string(name.as_bytes());
            ini(name.as_ptr(), std::ptr::null_mut())
        }
        IniNamed => {
            if !is(first, sys::IS_STRING) {
                return Then::Call;
            }
            ini(first, argument(2))
        }
        Guard::Pair(pair) => {
            if !first.is_null() {
                mark(Mark::Pair(pair));
            }
            Then::Call
        }
        Locale => {
            mark(Mark::Locale);
            Then::Call
        }
        Directory => {
            mark(Mark::Directory);
            Then::Call
        }
        Umask => {
            if !first.is_null() {
                mark(Mark::Umask);
            }
            Then::Call
        }
        Variable => {
            if is(first, sys::IS_STRING) {
                // SAFETY: the type says string.
                let text = zend::text(unsafe { (*first).value.str_ });
                let name = text.split(|byte| *byte == b'=').next().unwrap_or_default();
                if let Ok(name) = CString::new(name)
                    && !name.is_empty()
                {
                    mark(Mark::Variable(name));
                }
            }
            Then::Call
        }
        Random => {
            mark(Mark::Random);
            Then::Call
        }
        Autoloader => Then::NoteAutoloader,
        AutoloaderEnds => Then::EndAutoloader,
        Hold => Then::Hold,
        IniUnder(prefix) => {
            if !is(first, sys::IS_STRING) {
                return Then::Call;
            }
            // SAFETY: the type says string.
            let rest = zend::text(unsafe { (*first).value.str_ });
            let name = zend::string(&[prefix.as_bytes(), rest].concat());
            ini(name.as_ptr(), std::ptr::null_mut())
        }
        AssertOption => {
            if !argument(2).is_null() && is(first, sys::IS_LONG) {
                // SAFETY: the type says integer.
                match assertion(unsafe { (*first).value.lval }) {
                    Some(name) => {
                        let name = zend::string(name.as_bytes());
                        return ini(name.as_ptr(), std::ptr::null_mut());
                    }
                    None => mark(Mark::Keyed(&ASSERT_CALLBACK, Owned::copy(first))),
                }
            }
            Then::Call
        }
        Keyed(pair) => {
            if !first.is_null() && !argument(2).is_null() {
                mark(Mark::Keyed(pair, Owned::copy(first)));
            }
            Then::Call
        }
        RefuseUnlessExchanged(extension) => {
            if held::is_exchanged(extension) {
                Then::Call
            } else {
                Then::Refuse(
                    "KQueue does not know how this version of its extension keeps the state of a call, and another job's would be used",
                )
            }
        }
        RefuseIfNull(reason) => {
            if is(first, sys::IS_NULL) {
                Then::Refuse(reason)
            } else {
                Then::Call
            }
        }
        RefuseWithout(number, key, reason) => {
            let options = argument(*number);
            let has = is(options, sys::IS_ARRAY) && {
                // SAFETY: the type says array.
                let array = unsafe { (*options).value.arr };
                zend::entries(array).any(|entry| {
                    !entry.key.is_null()
                        && zend::text(entry.key) == key.as_bytes()
                        // SAFETY: a live value.
                        && unsafe { sys::kq_is_true(entry.value) }
                })
            };
            if has {
                Then::Call
            } else {
                Then::Refuse(reason)
            }
        }
        AlwaysPersistent(number) => {
            let flag = argument(*number);
            // SAFETY: a live value.
            persistent(flag.is_null() || unsafe { sys::kq_is_true(flag) })
        }
        WrapperEnds => {
            if is(first, sys::IS_STRING) && argument(2).is_null() {
                Then::ForgetWrapper
            } else {
                Then::Call
            }
        }
        Select(sockets) => Then::Select(*sockets),
        Signal(function) => match signals::before(function, first, argument(2)) {
            Outcome::Call => Then::Call,
            Outcome::Give(value) => Then::Give(value),
            Outcome::Refuse => Then::Refuse(SIGNALS),
        },
        Refuse(reason) => Then::Refuse(reason),
        Persistent => Then::Refuse(PERSISTENT),
        PersistentHost(number) => {
            let host = argument(*number);
            persistent(
                is(host, sys::IS_STRING)
                    // SAFETY: the type says string.
                    && zend::text(unsafe { (*host).value.str_ }).starts_with(b"p:"),
            )
        }
        PersistentOption(number, key) => {
            let options = argument(*number);
            persistent(
                is(options, sys::IS_ARRAY) && {
                    // SAFETY: the type says array.
                    let array = unsafe { (*options).value.arr };
                    zend::entries(array).any(|entry| {
                        entry.key.is_null()
                        && entry.index == *key
                        // SAFETY: a live value.
                        && unsafe { sys::kq_is_true(entry.value) }
                    })
                },
            )
        }
        PersistentFlag(number, bit) => {
            let flag = argument(*number);
            persistent(
                !flag.is_null()
                    && if *bit == 0 {
                        // SAFETY: a live value.
                        unsafe { sys::kq_is_true(flag) }
                    } else {
                        // SAFETY: the type says integer.
                        zend::kind(flag) == sys::IS_LONG && unsafe { (*flag).value.lval } & bit != 0
                    },
            )
        }
    }
}

fn ini(name: *mut Value, value: *mut Value) -> Then {
    // SAFETY: the type of `name` is string; entries live as long as their extension.
    unsafe {
        let entry = sys::kq_ini_entry((*name).value.str_);
        if entry.is_null() {
            return Then::Call;
        }
        let name = zend::text((*entry).name);
        let asks = !value.is_null() && zend::kind(value) == sys::IS_STRING;
        let asked = || asks.then(|| sys::kq_quantity((*value).value.str_));
        if name == b"memory_limit" && !lane::memory::asked(asked()) {
            // Raised, it is raised for the process; a lower one would be the others' too, so it is for show.
            let raises = asks && sys::kq_memory_limit_allows((*value).value.str_);
            if raises {
                return Then::Call;
            }
        }
        mark(Mark::Ini(entry));
        // error_reporting() is of the running code: the engine's switch keeps its effect apart.
        if is_quiet(name) && name != b"error_reporting" {
            Then::CallQuietly(entry)
        } else {
            Then::Call
        }
    }
}

fn mark(mark: Mark) {
    lane::with_settings(|settings| settings.mark(mark));
}

fn autoloaders() -> usize {
    builtins::count("spl_autoload_functions")
}
