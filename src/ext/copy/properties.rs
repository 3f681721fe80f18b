//! Where objects have their declared properties.
#![expect(unsafe_code, reason = "knows how objects lie in memory")]

use crate::zend::{Object, Value};

/// Returns how many slots for declared properties an object has.
///
/// # Safety
/// The object is live.
pub(crate) unsafe fn count(object: *mut Object) -> usize {
    // SAFETY: live by this function's contract, and so is its class.
    unsafe { (*(*object).ce).default_properties_count as usize }
}

/// Returns the place of an object's declared property.
///
/// # Safety
/// The object is live, or was allocated just now with room for its class's slots; `slot` is below their [`count`].
pub(crate) unsafe fn place(object: *mut Object, slot: usize) -> *mut Value {
    // SAFETY: this function's contract; the slots lie in a row from the first on.
    unsafe {
        (&raw mut (*object).properties_table)
            .cast::<Value>()
            .add(slot)
    }
}

/// Returns the places of an object's declared properties, slot by slot.
///
/// # Safety
/// The object is live as long as the iterator is used.
pub(crate) unsafe fn places(object: *mut Object) -> impl Iterator<Item = *mut Value> {
    // SAFETY: this function's contract.
    let count = unsafe { count(object) };
    // SAFETY: this function's contract; the slot is below the count.
    (0..count).map(move |slot| unsafe { place(object, slot) })
}
