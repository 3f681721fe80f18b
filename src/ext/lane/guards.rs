//! PHP's own functions that change or need what all lanes of a process share. While a run is under way their handlers are ours: a call
//! from a lane first marks what it changes as the lane's own (see `settings`), or is refused.
//!
//! The JIT compiles handlers' addresses in: where it is on, ours are in place from the start of the request, before any code is
//! compiled, and go straight on to PHP's while no lane runs.
//!
//! A handler that JIT code or a class declared meanwhile still has after the run goes straight on to PHP's.
#![expect(unsafe_code, reason = "replaces handlers of PHP's functions")]

use std::cell::Cell;
use std::ffi::{CString, c_void};
use std::mem;
use std::sync::atomic::{AtomicPtr, Ordering};

use super::includes;
use super::settings::{Mark, Pair, is_quiet};
use super::signals::{self, Outcome, Signals};
use crate::zend::{self, Class, Owned, Value, sys};
use crate::{exceptions, run};

/// What to do before, after or instead of a function.
enum Guard {
    /// Changes this ini setting.
    Ini(&'static str),
    /// The same, also without an argument.
    IniAlways(&'static str),
    /// Changes the ini setting that its first argument names.
    IniNamed,
    /// Changes what this pair tells; only if it is called with an argument.
    Pair(Pair),
    Locale,
    Directory,
    Umask,
    Variable,
    Random,
    Autoloader,
    WrapperEnds,
    /// Refuses high descriptors: `stream_select`, or (true) `socket_select`.
    Select(bool),
    /// Handlers of signals.
    Signal(Signals),
    /// Cannot be had in a lane.
    Refuse(&'static str),
    /// Opens a connection that outlives the request, always.
    Persistent,
    /// The same if a host begins with "p:", at this place.
    PersistentHost(u32),
    /// The same if this argument has an element of this number that is true.
    PersistentOption(u32, u64),
    /// The same if this argument is true, or has the bit, if one is given.
    PersistentFlag(u32, i64),
}

use Guard::{
    Autoloader, Directory, Ini, IniAlways, IniNamed, Locale, Persistent, PersistentFlag,
    PersistentHost, PersistentOption, Random, Refuse, Select, Signal, Umask, Variable, WrapperEnds,
};

const fn pair(name: &'static str) -> Guard {
    Guard::Pair(Pair {
        get: name,
        set: name,
    })
}

const SIGNALS: &str = "signals come to the process, and the handler of one job would run in another. Let the job run isolated ($isolated = true), alone in its process";
const PERSISTENT: &str = "a persistent connection belongs to the process, and all lanes would talk over it at once. Open an ordinary one: a lane keeps its connections from job to job anyway";
const ATTR_PERSISTENT: u64 = 12;

/// Class ("" for functions), name, guard.
static GUARDS: [(&str, &str, Guard); COUNT] = [
    ("", "ini_set", IniNamed),
    ("", "ini_alter", IniNamed),
    ("", "ini_restore", IniNamed),
    ("", "set_time_limit", Ini("max_execution_time")),
    ("", "error_reporting", Ini("error_reporting")),
    ("", "gc_enable", IniAlways("zend.enable_gc")),
    ("", "gc_disable", IniAlways("zend.enable_gc")),
    ("", "set_include_path", Ini("include_path")),
    ("", "ignore_user_abort", Ini("ignore_user_abort")),
    ("", "bcscale", Ini("bcmath.scale")),
    ("", "locale_set_default", Ini("intl.default_locale")),
    ("locale", "setdefault", Ini("intl.default_locale")),
    (
        "",
        "date_default_timezone_set",
        Guard::Pair(Pair {
            get: "date_default_timezone_get",
            set: "date_default_timezone_set",
        }),
    ),
    ("", "mb_internal_encoding", pair("mb_internal_encoding")),
    ("", "mb_regex_encoding", pair("mb_regex_encoding")),
    ("", "mb_http_output", pair("mb_http_output")),
    ("", "mb_language", pair("mb_language")),
    ("", "mb_detect_order", pair("mb_detect_order")),
    (
        "",
        "mb_substitute_character",
        pair("mb_substitute_character"),
    ),
    ("", "mb_regex_set_options", pair("mb_regex_set_options")),
    (
        "",
        "libxml_use_internal_errors",
        pair("libxml_use_internal_errors"),
    ),
    ("", "setlocale", Locale),
    ("", "chdir", Directory),
    ("", "umask", Umask),
    ("", "putenv", Variable),
    ("", "mt_srand", Random),
    ("", "srand", Random),
    ("", "spl_autoload_register", Autoloader),
    ("", "stream_wrapper_unregister", WrapperEnds),
    ("", "stream_select", Select(false)),
    ("", "socket_select", Select(true)),
    ("", "pcntl_signal", Signal(Signals::Register)),
    ("", "pcntl_signal_get_handler", Signal(Signals::Find)),
    ("", "pcntl_async_signals", pair("pcntl_async_signals")),
    ("", "posix_kill", Signal(Signals::Raise)),
    ("", "pcntl_alarm", Refuse(SIGNALS)),
    ("", "pcntl_sigprocmask", Refuse(SIGNALS)),
    (
        "",
        "pcntl_exec",
        Refuse(
            "it would replace the process, and with it all jobs that run in it. Use proc_open(), or let the job run isolated ($isolated = true)",
        ),
    ),
    ("", "pfsockopen", Persistent),
    ("", "pg_pconnect", Persistent),
    ("", "odbc_pconnect", Persistent),
    ("", "oci_pconnect", Persistent),
    ("", "dba_popen", Persistent),
    ("", "stream_socket_client", PersistentFlag(5, 1)),
    ("", "mysqli_connect", PersistentHost(1)),
    ("", "mysqli_real_connect", PersistentHost(2)),
    ("mysqli", "__construct", PersistentHost(1)),
    ("mysqli", "connect", PersistentHost(1)),
    ("mysqli", "real_connect", PersistentHost(1)),
    ("pdo", "__construct", PersistentOption(4, ATTR_PERSISTENT)),
    ("pdo", "connect", PersistentOption(4, ATTR_PERSISTENT)),
    ("redis", "pconnect", Persistent),
    ("redis", "popen", Persistent),
    ("rediscluster", "__construct", PersistentFlag(5, 0)),
    ("memcached", "__construct", PersistentFlag(1, 0)),
];

const COUNT: usize = 55;

type Handler = unsafe extern "C" fn(*mut sys::zend_execute_data, *mut Value);

macro_rules! handlers {
    ($($number:literal)*) => { [$(guarded::<$number>),*] };
}

static HANDLERS: [Handler; COUNT] = handlers!(
    0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54
);

/// PHP's own handlers. Written as a run begins, and kept.
static ORIGINALS: [AtomicPtr<c_void>; COUNT] =
    [const { AtomicPtr::new(std::ptr::null_mut()) }; COUNT];

thread_local! {
    /// Whether a call is our own, and not the lane's.
    static PAST: Cell<bool> = const { Cell::new(false) };
}

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

/// Calls past the guards.
pub(crate) fn past(call: impl FnOnce()) {
    let before = PAST.replace(true);
    call();
    PAST.set(before);
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
    if super::live().is_null() || PAST.get() || run::forked() {
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
                    super::with_settings(|settings| {
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
            if !super::select::instead(frame, result, sockets) {
                // SAFETY: as above.
                unsafe { original(frame, result) };
            }
        }
        // SAFETY: the result's place is the caller's, and the value's count goes with it.
        Then::Give(value) => unsafe { *result = value },
        Then::Refuse(reason) => refuse(frame, reason),
    }
}

enum Then {
    Call,
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
        if name == b"memory_limit" && !super::memory::asked(asked()) {
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
    super::with_settings(|settings| settings.mark(mark));
}

fn refuse(frame: *mut sys::zend_execute_data, reason: &str) {
    // SAFETY: the running function has a name, and its class one if it is a method.
    let name = unsafe {
        let function = &(*(*frame).func).common;
        let name = String::from_utf8_lossy(zend::text(function.function_name)).into_owned();
        if function.scope.is_null() {
            name
        } else {
            format!("{}::{name}", zend::class_name(function.scope))
        }
    };
    exceptions::throw(
        "kqueue\\exception\\unsupported",
        &format!("{name}() does not work in a lane: {reason}."),
    );
}

fn autoloaders() -> usize {
    super::settings::count("spl_autoload_functions")
}
