//! One setting of the process that a lane has changed: how its present value is found, and another put in its place.
#![expect(
    unsafe_code,
    reason = "reads and writes settings of the engine and of libc"
)]

use std::ffi::{CStr, CString};
use std::{mem, ptr};

use super::pairs::Pair;
use crate::builtins::call;
use crate::zend::{self, Owned, sys};

/// A setting that differs.
pub(crate) enum Entry {
    /// An ini value; none: not set while the program runs.
    Ini {
        entry: *mut sys::zend_ini_entry,
        value: IniValue,
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

impl Entry {
    /// Notes an ini setting whose value has its effect on the process.
    pub(crate) fn ini(entry: *mut sys::zend_ini_entry) -> Self {
        Self::Ini {
            entry,
            // SAFETY: a live ini entry; the value comes with a count.
            value: IniValue(unsafe { sys::kq_ini_value(entry) }),
            quietly: false,
        }
    }

    pub(crate) fn present(mark: Mark) -> Option<Self> {
        Some(match mark {
            Mark::Ini(entry) => Self::Ini {
                entry,
                // SAFETY: a live ini entry; the value comes with a count.
                value: IniValue(unsafe { sys::kq_ini_value(entry) }),
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

    pub(crate) fn is(&self, mark: &Mark) -> bool {
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

    /// Exchanges the value with the one that is in force. True: they were the same, so nothing was done.
    pub(crate) fn exchange(&mut self) -> bool {
        match self {
            Self::Ini {
                entry,
                value,
                quietly,
            } => {
                // SAFETY: on the PHP thread; an ini entry stays as long as its extension.
                let present = IniValue(unsafe { sys::kq_ini_value(*entry) });
                if present == *value {
                    return true;
                }
                // SAFETY: as above; setting takes a count of its own.
                unsafe { sys::kq_ini_set(*entry, value.0, *quietly) };
                *value = present;
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

/// An ini setting's value, which PHP counts; null: not set.
pub(crate) struct IniValue(*mut sys::zend_string);

impl IniValue {
    /// Not set.
    pub(crate) const NONE: Self = Self(ptr::null_mut());
}

impl PartialEq for IniValue {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
            || (!self.0.is_null()
                && !other.0.is_null()
                && zend::text(self.0) == zend::text(other.0))
    }
}

impl Drop for IniValue {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: on the PHP thread; we own one count.
            unsafe { sys::kq_string_release(self.0) };
        }
    }
}

fn locale() -> CString {
    // SAFETY: only asks; the PHP thread is the one that sets it.
    let name = unsafe { libc::setlocale(libc::LC_ALL, ptr::null()) };
    // SAFETY: NUL-terminated; the text is copied at once.
    unsafe { CStr::from_ptr(name) }.to_owned()
}

fn directory() -> Option<CString> {
    use std::os::unix::ffi::OsStringExt;
    let path = std::env::current_dir().ok()?;
    CString::new(path.into_os_string().into_vec()).ok()
}

fn umask() -> libc::mode_t {
    // There is no way to only ask.
    // SAFETY: a call that cannot fail.
    let present = unsafe { libc::umask(0) };
    // SAFETY: as above.
    unsafe { libc::umask(present) };
    present
}

fn variable(name: &CStr) -> Option<CString> {
    // SAFETY: the PHP thread is the one that changes the environment.
    let value = unsafe { libc::getenv(name.as_ptr()) };
    // SAFETY: NUL-terminated; the text is copied at once.
    (!value.is_null()).then(|| unsafe { CStr::from_ptr(value) }.to_owned())
}

fn set_variable(name: &CStr, value: Option<&CStr>) {
    // SAFETY: the PHP thread is the one that changes the environment; libc copies both.
    unsafe {
        match value {
            Some(value) => libc::setenv(name.as_ptr(), value.as_ptr(), 1),
            None => libc::unsetenv(name.as_ptr()),
        }
    };
    if name == c"TZ" {
        // SAFETY: on the PHP thread.
        unsafe { sys::tzset() };
    }
}

/// Returns counted copies of an array's elements.
fn elements(array: &Owned) -> Vec<Owned> {
    if zend::kind(array.as_ptr()) != sys::IS_ARRAY {
        return Vec::new();
    }
    // SAFETY: the type says array, which this borrow keeps.
    zend::entries(unsafe { (*array.as_ptr()).value.arr })
        .map(|entry| Owned::copy(entry.value))
        .collect()
}
