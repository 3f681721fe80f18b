//! Settings that a lane has changed: ini values, time zone, locale, encodings, working directory, umask, environment, the seed of
//! mt_rand(). They are process-wide in PHP and in libc; a lane that changes one is given its own from then on.
//!
//! No cost unless used: `guards` marks what a lane is about to change; only that is exchanged at its switches.
//!
//! Invariant: while the lane runs, each entry holds the base's value, else the lane's. What becomes equal is forgotten.
#![expect(
    unsafe_code,
    reason = "reads and writes settings of the engine and of libc"
)]

mod pairs;

use std::ffi::{CStr, CString};
use std::{mem, ptr};

pub(crate) use self::pairs::{ASSERT_CALLBACK, Pair, assertion};
use super::modules;
use crate::zend::{self, Owned, sys};

/// One lane's.
#[derive(Default)]
pub(crate) struct Settings {
    entries: Vec<Entry>,
    /// Autoloaders that the lane has registered: taken away at its end. Classes are the process's, so they serve others meanwhile.
    autoloaders: Vec<Owned>,
    pub(super) signals: super::signals::Kept,
    /// In an isolated child: what extensions keep, to be put back after the job.
    modules: Option<Box<modules::Held>>,
}

/// A setting that differs.
enum Entry {
    /// An ini value; null: not set while the program runs.
    Ini {
        entry: *mut sys::zend_ini_entry,
        value: *mut sys::zend_string,
        quietly: bool,
    },
    /// What a function gives without arguments and another, or the same, takes.
    Pair {
        pair: &'static Pair,
        /// What it is told of, for those that tell of several things.
        key: Option<Owned>,
        value: Owned,
        /// What is in force, if nothing has changed it since it was set here.
        live: Option<Owned>,
    },
    /// All autoloaders, in their order.
    Autoloaders(Owned),
    Locale(CString),
    Directory {
        path: CString,
        live: Option<CString>,
    },
    Umask(libc::mode_t),
    Variable {
        name: CString,
        value: Option<CString>,
    },
    Random(Box<sys::kq_random>),
}

/// What a lane is about to change.
pub(crate) enum Mark {
    Ini(*mut sys::zend_ini_entry),
    Pair(&'static Pair),
    /// What the pair tells of this.
    Keyed(&'static Pair, Owned),
    Autoloaders,
    Locale,
    Directory,
    Umask,
    Variable(CString),
    Random,
}

/// Settings of which a lane may have its own value, but without the effect on the process: the memory limit and the timer are one for
/// all lanes, and error_reporting() is kept apart by the engine.
pub(crate) fn is_quiet(name: &[u8]) -> bool {
    matches!(
        name,
        b"memory_limit" | b"max_execution_time" | b"error_reporting"
    )
}

impl Settings {
    /// The running lane is about to change this: its present value is the base's.
    pub(crate) fn mark(&mut self, mark: Mark) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.is(&mark)) {
            match entry {
                Entry::Pair { live, .. } => *live = None,
                Entry::Directory { live, .. } => *live = None,
                _ => {}
            }
            return;
        }
        if let Some(entry) = Entry::present(mark) {
            self.entries.push(entry);
        }
    }

    /// Before the lane goes on.
    pub(crate) fn enter(&mut self) {
        for entry in &mut self.entries {
            entry.exchange();
        }
    }

    /// After the lane has left.
    pub(crate) fn leave(&mut self) {
        // The last change goes back first: a variable of the environment may be what a time zone came from.
        for index in (0..self.entries.len()).rev() {
            if self.entries[index].exchange() {
                self.entries.remove(index);
            }
        }
    }

    fn has_autoloader(&self, callable: &Owned) -> bool {
        self.autoloaders
            .iter()
            .any(|own| zend::is_identical(own, callable))
    }

    /// The lane has registered an autoloader.
    pub(crate) fn note_autoloader(&mut self, callable: Owned) {
        // A list of its own goes back as a whole.
        if self
            .entries
            .iter()
            .any(|entry| entry.is(&Mark::Autoloaders))
        {
            return;
        }
        self.autoloaders.push(callable);
    }

    /// Takes everything back while the lane runs: its end, or, in the plain runtime, its job's.
    pub(crate) fn reset(settings: *mut Self) {
        // SAFETY: the running lane's; taken out first, since what follows may call PHP code, which may mark again.
        let mut mine = unsafe { mem::take(&mut *settings) };
        for entry in mine.entries.iter_mut().rev() {
            entry.exchange();
        }
        for callable in mine.autoloaders.drain(..) {
            call("spl_autoload_unregister", &mut [callable.borrowed()]);
        }
    }
}

/// In an isolated child, before a job: all that may be set, as it is now. [`Settings::reset`] puts it back.
pub(crate) fn noted() -> Settings {
    static ASYNC_SIGNALS: Pair = Pair::plain("pcntl_async_signals", "pcntl_async_signals");
    let mut settings = Settings::default();
    settings.mark(Mark::Locale);
    settings.mark(Mark::Directory);
    for pair in super::guards::pairs().chain([&ASYNC_SIGNALS]) {
        settings.mark(Mark::Pair(pair));
    }
    for entry in modified() {
        settings.entries.push(Entry::ini(entry));
    }
    settings.modules = modules::inherit(None);
    settings
}

/// After the job: what it has set is put back, also what had not been set before.
pub(crate) fn put_back(mut settings: Settings) {
    for entry in modified() {
        if !settings
            .entries
            .iter()
            .any(|known| known.is(&Mark::Ini(entry)))
        {
            settings.entries.push(Entry::Ini {
                entry,
                value: ptr::null_mut(),
                quietly: false,
            });
        }
    }
    modules::end(settings.modules.as_deref());
    modules::exchange(&mut settings.modules);
    Settings::reset(&raw mut settings);
}

/// The ini settings that the program has set, but for the memory limit: each job's own is set as it begins.
fn modified() -> Vec<*mut sys::zend_ini_entry> {
    extern "C" fn each(list: *mut std::ffi::c_void, entry: *mut sys::zend_ini_entry) {
        // SAFETY: the vector below, which nothing else uses meanwhile.
        unsafe { &mut *list.cast::<Vec<*mut sys::zend_ini_entry>>() }.push(entry);
    }
    let mut entries: Vec<*mut sys::zend_ini_entry> = Vec::new();
    // SAFETY: on the PHP thread; the walk changes nothing.
    unsafe { sys::kq_each_modified_ini(Some(each), (&raw mut entries).cast()) };
    // SAFETY: live entries.
    entries.retain(|entry| zend::text(unsafe { (**entry).name }) != b"memory_limit");
    entries
}

impl Entry {
    /// An ini setting whose value has its effect on the process.
    fn ini(entry: *mut sys::zend_ini_entry) -> Self {
        Self::Ini {
            entry,
            // SAFETY: a live ini entry; the value comes with a count.
            value: unsafe { sys::kq_ini_value(entry) },
            quietly: false,
        }
    }

    fn present(mark: Mark) -> Option<Self> {
        Some(match mark {
            Mark::Ini(entry) => Self::Ini {
                entry,
                // SAFETY: a live ini entry; the value comes with a count.
                value: unsafe { sys::kq_ini_value(entry) },
                // SAFETY: as above.
                quietly: is_quiet(zend::text(unsafe { (*entry).name })),
            },
            Mark::Pair(pair) => Self::Pair {
                pair,
                key: None,
                value: pair.get(None)?,
                live: None,
            },
            Mark::Keyed(pair, key) => Self::Pair {
                pair,
                value: pair.get(Some(&key))?,
                key: Some(key),
                live: None,
            },
            Mark::Autoloaders => Self::Autoloaders(call("spl_autoload_functions", &mut [])?),
            Mark::Locale => Self::Locale(locale()),
            Mark::Directory => Self::Directory {
                path: directory()?,
                live: None,
            },
            Mark::Umask => Self::Umask(umask()),
            Mark::Variable(name) => {
                let value = variable(&name);
                Self::Variable { name, value }
            }
            Mark::Random => {
                // SAFETY: plain data, filled by the shim.
                let mut random: Box<sys::kq_random> = Box::new(unsafe { mem::zeroed() });
                // SAFETY: on the PHP thread.
                unsafe { sys::kq_random_copy(&raw mut *random) };
                Self::Random(random)
            }
        })
    }

    fn is(&self, mark: &Mark) -> bool {
        match (self, mark) {
            (Self::Ini { entry, .. }, Mark::Ini(other)) => entry == other,
            (
                Self::Pair {
                    pair, key: None, ..
                },
                Mark::Pair(other),
            ) => pair == other,
            (
                Self::Pair {
                    pair,
                    key: Some(key),
                    ..
                },
                Mark::Keyed(other, what),
            ) => pair == other && zend::is_identical(key, what),
            (Self::Variable { name, .. }, Mark::Variable(other)) => name == other,
            (Self::Locale(_), Mark::Locale)
            | (Self::Autoloaders(_), Mark::Autoloaders)
            | (Self::Directory { .. }, Mark::Directory)
            | (Self::Umask(_), Mark::Umask)
            | (Self::Random(_), Mark::Random) => true,
            _ => false,
        }
    }

    /// True: they were the same, so nothing was done.
    fn exchange(&mut self) -> bool {
        match self {
            Self::Ini {
                entry,
                value,
                quietly,
            } => {
                // SAFETY: a live entry; setting takes a count of its own, and the old value's count is given back.
                unsafe {
                    let present = sys::kq_ini_value(*entry);
                    if same_text(present, *value) {
                        release(present);
                        return true;
                    }
                    sys::kq_ini_set(*entry, *value, *quietly);
                    release(mem::replace(value, present));
                }
            }
            Self::Pair {
                pair,
                key,
                value,
                live,
            } => {
                let Some(present) = live.take().or_else(|| pair.get(key.as_ref())) else {
                    return true;
                };
                if zend::is_identical(&present, value) {
                    return true;
                }
                pair.set(key.as_ref(), value);
                *live = Some(mem::replace(value, present));
            }
            Self::Autoloaders(list) => {
                let Some(present) = call("spl_autoload_functions", &mut []) else {
                    return true;
                };
                if zend::is_identical(&present, list) {
                    return true;
                }
                for callable in elements(&present) {
                    call("spl_autoload_unregister", &mut [callable.borrowed()]);
                }
                for callable in elements(list) {
                    call("spl_autoload_register", &mut [callable.borrowed()]);
                }
                *list = present;
            }
            Self::Locale(value) => {
                let present = locale();
                if present == *value {
                    return true;
                }
                // SAFETY: NUL-terminated; on the PHP thread.
                unsafe { sys::kq_locale_set(value.as_ptr()) };
                *value = present;
            }
            Self::Directory { path, live } => {
                let Some(present) = live.take().or_else(directory) else {
                    return false;
                };
                if present == *path {
                    return true;
                }
                // SAFETY: as above. Where it fails, for a directory that is gone, what is in force must be asked for again.
                let set = unsafe { sys::kq_directory_set(path.as_ptr()) };
                let path = mem::replace(path, present);
                *live = set.then_some(path);
            }
            Self::Umask(value) => {
                // SAFETY: a call that cannot fail.
                let present = unsafe { libc::umask(*value) };
                return mem::replace(value, present) == present;
            }
            Self::Variable { name, value } => {
                let present = variable(name);
                if present == *value {
                    return true;
                }
                set_variable(name, value.as_deref());
                *value = present;
            }
            // SAFETY: on the PHP thread.
            Self::Random(random) => unsafe { sys::kq_random_exchange(&raw mut **random) },
        }
        false
    }
}

fn same_text(one: *const sys::zend_string, other: *const sys::zend_string) -> bool {
    one == other || (!one.is_null() && !other.is_null() && zend::text(one) == zend::text(other))
}

impl Drop for Entry {
    fn drop(&mut self) {
        if let Self::Ini { value, .. } = self {
            release(*value);
        }
    }
}

fn release(string: *mut sys::zend_string) {
    if !string.is_null() {
        // SAFETY: we own one count.
        unsafe { sys::kq_string_release(string) };
    }
}

fn locale() -> CString {
    // SAFETY: only asks; the text is copied at once.
    unsafe {
        let name = libc::setlocale(libc::LC_ALL, ptr::null());
        CStr::from_ptr(name).to_owned()
    }
}

fn directory() -> Option<CString> {
    use std::os::unix::ffi::OsStringExt;
    let path = std::env::current_dir().ok()?;
    CString::new(path.into_os_string().into_vec()).ok()
}

fn umask() -> libc::mode_t {
    // SAFETY: calls that cannot fail; there is no way to only ask.
    unsafe {
        let present = libc::umask(0);
        libc::umask(present);
        present
    }
}

fn variable(name: &CStr) -> Option<CString> {
    // SAFETY: the PHP thread is the one that changes the environment; the text is copied at once.
    unsafe {
        let value = libc::getenv(name.as_ptr());
        (!value.is_null()).then(|| CStr::from_ptr(value).to_owned())
    }
}

fn set_variable(name: &CStr, value: Option<&CStr>) {
    // SAFETY: as above; libc copies both.
    unsafe {
        match value {
            Some(value) => libc::setenv(name.as_ptr(), value.as_ptr(), 1),
            None => libc::unsetenv(name.as_ptr()),
        };
        if name == c"TZ" {
            sys::tzset();
        }
    }
}

/// Calls one of PHP's own functions, past our guards. None: there is none, or it threw.
pub(super) fn call(name: &str, arguments: &mut [zend::Value]) -> Option<Owned> {
    // SAFETY: the name is passed with its length; functions of extensions stay. A pending exception would keep it from being called;
    // callers have exchanged that before.
    unsafe {
        let function = sys::kq_find_function(name.as_ptr().cast(), name.len());
        if function.is_null() {
            return None;
        }
        let mut result = zend::undef();
        super::guards::past(|| {
            sys::kq_call_known(
                function,
                &raw mut result,
                arguments.len() as u32,
                arguments.as_mut_ptr(),
            );
        });
        let result = Owned::from_raw(result);
        if zend::has_exception() {
            sys::zend_clear_exception();
            return None;
        }
        Some(result)
    }
}

/// Counted copies of an array's elements.
fn elements(array: &Owned) -> Vec<Owned> {
    if zend::kind(array.as_ptr()) != sys::IS_ARRAY {
        return Vec::new();
    }
    // SAFETY: the type says array, which this borrow keeps.
    zend::entries(unsafe { (*array.as_ptr()).value.arr })
        .map(|entry| Owned::copy(entry.value))
        .collect()
}

/// How many elements the array has that one of PHP's functions gives.
pub(crate) fn count(name: &str) -> usize {
    call(name, &mut []).map_or(0, |list| {
        if zend::kind(list.as_ptr()) == sys::IS_ARRAY {
            // SAFETY: the type says array.
            unsafe { (*(*list.as_ptr()).value.arr).nNumOfElements as usize }
        } else {
            0
        }
    })
}

/// Registers a call for the running lane's end.
pub(crate) fn register_at_end(parts: &[Owned]) {
    let mut arguments: Vec<zend::Value> = parts.iter().map(Owned::borrowed).collect();
    call("register_shutdown_function", &mut arguments);
}

/// Whether the lane whose world is live has registered this autoloader itself.
pub(crate) fn is_own_autoloader(callable: &Owned) -> bool {
    let mut own = false;
    super::with_settings(|settings| own = settings.has_autoloader(callable));
    own
}
