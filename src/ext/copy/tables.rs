//! Functions' tables of static variables, as the engine keeps them.
#![expect(unsafe_code, reason = "walks Zend's tables")]

use crate::zend::{Value, sys};

/// A function's table of static variables; null before the first use.
pub(crate) type Variables = *mut sys::HashTable;

/// Returns the values of a table, in the order of the declaration.
///
/// # Safety
/// The table is not null, and lives and keeps its size as long as the iterator is used.
pub(crate) unsafe fn values(table: Variables) -> impl Iterator<Item = *mut Value> {
    // SAFETY: live by this function's contract. Such a table has no holes and is never packed.
    let (data, used) = unsafe { ((*table).__bindgen_anon_1.arData, (*table).nNumUsed) };
    // SAFETY: positions below nNumUsed are initialised.
    (0..used as usize).map(move |position| unsafe { &raw mut (*data.add(position)).val })
}
