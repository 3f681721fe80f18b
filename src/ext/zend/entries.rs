//! A walk over the entries of an array of PHP's.
#![expect(unsafe_code, reason = "Zend's structures are C's")]

use std::ptr;

use super::{Value, kind, sys};

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
