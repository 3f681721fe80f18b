//! The extensions that are loaded, and where their globals lie.
#![expect(unsafe_code, reason = "is called by the shim with C's names and sizes")]

use std::collections::BTreeMap;
use std::ffi::{CStr, c_void};
use std::ops::Range;
use std::slice;

use super::list::Field;
use crate::zend::sys;

/// An extension's globals as they are found in the process.
pub(crate) struct Found {
    pub(crate) entry: *mut sys::zend_module_entry,
    /// Empty: there are none, or they are not known.
    pub(crate) globals: Range<usize>,
    /// What ini settings write to: name, offset, length.
    ini: Vec<(String, usize, usize)>,
}

extern "C" fn each_module(
    found: *mut c_void,
    entry: *mut sys::zend_module_entry,
    name: *const libc::c_char,
    globals: *mut c_void,
    size: usize,
) {
    // SAFETY: the map of `loaded`, which nothing else uses meanwhile; modules have names.
    let (found, name) = unsafe {
        (
            &mut *found.cast::<BTreeMap<String, Found>>(),
            CStr::from_ptr(name).to_string_lossy().to_lowercase(),
        )
    };
    let start = if size == 0 { 0 } else { globals as usize };
    let mut module = Found {
        entry,
        globals: start..start + size,
        ini: Vec::new(),
    };
    // SAFETY: a module of the registry; the walk changes nothing but the list.
    unsafe { sys::kq_each_ini_field(entry, Some(each_field), (&raw mut module).cast()) };
    found.insert(name, module);
}

extern "C" fn each_field(
    module: *mut c_void,
    name: *const libc::c_char,
    length: usize,
    globals: *mut c_void,
    offset: usize,
    size: usize,
) {
    // SAFETY: the module of `each_module`; names of settings have this length.
    let (module, name) = unsafe {
        (
            &mut *module.cast::<Found>(),
            slice::from_raw_parts(name.cast::<u8>(), length),
        )
    };
    let start = globals as usize;
    if module.globals.is_empty() {
        // Some extensions do not tell the engine of their globals; their settings do.
        module.globals = start..start;
    }
    if module.globals.start == start {
        let name = String::from_utf8_lossy(name).into_owned();
        module.ini.push((name, offset, size));
    }
}

/// Returns all extensions that are loaded, by lower-case name.
pub(crate) fn loaded() -> BTreeMap<String, Found> {
    let mut found: BTreeMap<String, Found> = BTreeMap::new();
    // SAFETY: on the PHP thread; the registry does not change meanwhile.
    unsafe { sys::kq_each_module(Some(each_module), (&raw mut found).cast()) };
    found
}

impl Found {
    /// Returns whether globals were found.
    pub(crate) fn has_globals(&self) -> bool {
        self.globals.start != 0
    }

    /// Returns the pieces that are exchanged, as offsets. None: this build of the extension is laid out in another way than the list
    /// knows.
    pub(crate) fn pieces(&self, fields: &[Field]) -> Option<Vec<Range<usize>>> {
        let setting = |name: &str| self.ini.iter().find(|(other, ..)| other == name);
        let size = self.globals.len();
        let mut pieces = Vec::new();
        for field in fields {
            match field {
                Field::All if size > 0 => {
                    let mut taken: Vec<_> = self
                        .ini
                        .iter()
                        .map(|(_, offset, length)| *offset..(offset + length).min(size))
                        .collect();
                    taken.sort_by_key(|range| range.start);
                    let mut from = 0;
                    for range in taken {
                        if range.start > from {
                            pieces.push(from..range.start);
                        }
                        from = from.max(range.end);
                    }
                    if size > from {
                        pieces.push(from..size);
                    }
                }
                Field::At { size: whole, at } if size == *whole => pieces.push(at.clone()),
                Field::Beside {
                    setting: name,
                    by,
                    length,
                } => {
                    let (_, offset, _) = setting(name)?;
                    let start = offset.checked_add_signed(*by)?;
                    pieces.push(start..start + length);
                }
                Field::From {
                    setting: name,
                    lies,
                    at,
                } if setting(name).is_some_and(|(_, offset, _)| offset == lies) => {
                    pieces.push(at.clone());
                }
                // Another layout's.
                Field::All | Field::At { .. } | Field::From { .. } => {}
            }
        }
        (!pieces.is_empty() && self.has_globals()).then_some(pieces)
    }
}
