//! What an object holds besides its properties: the looks inside that the copy and the audit share.
#![expect(unsafe_code, reason = "asks Zend's handlers")]

use std::ffi::c_void;
use std::ptr;

use super::methods::call;
use crate::zend::{self, Class, Object, Value, sys};

/// The values in an object, uncounted: the object keeps them alive while it does not change.
pub(crate) struct Inside {
    values: Vec<Value>,
    /// Where the first of them lies in the object, if they lie there in a row.
    place: Option<*mut Value>,
}

/// Looks inside an object.
///
/// # Safety
/// On the PHP thread. The object is live, and does not change as long as the result is used.
pub(crate) unsafe fn inside(object: *mut Object) -> Inside {
    let (mut count, mut own) = (0, false);
    // SAFETY: this function's contract; the object's handler runs no PHP code.
    let place = unsafe { sys::kq_inside(object, &raw mut count, &raw mut own) };
    let values = if place.is_null() || count <= 0 {
        Vec::new()
    } else {
        // SAFETY: the handler says how many there are. They are read at once: the next question may overwrite them.
        unsafe { std::slice::from_raw_parts(place, count as usize) }.to_vec()
    };
    Inside {
        values,
        place: own.then_some(place),
    }
}

impl Inside {
    /// Returns the values.
    pub(crate) fn values(&self) -> &[Value] {
        &self.values
    }

    /// Returns the places of the values in the object itself, if they lie there.
    pub(super) fn places(&self) -> Option<impl Iterator<Item = *mut Value>> {
        let place = self.place?;
        Some((0..self.values.len()).map(move |index| place.wrapping_add(index)))
    }

    /// Returns the object that a reflector, or an object like it, was made from.
    pub(super) fn object(&self) -> Option<*mut Object> {
        self.values
            .iter()
            .find(|value| zend::kind(*value) == sys::IS_OBJECT)
            .map(|value| zend::object_of(value))
    }

    /// Returns whether nothing in the object can be changed through it.
    pub(super) fn is_empty(&self) -> bool {
        self.values.iter().all(|value| {
            !matches!(
                zend::kind(value),
                sys::IS_ARRAY | sys::IS_OBJECT | sys::IS_REFERENCE | sys::IS_RESOURCE
            )
        })
    }
}

/// Returns a closure's called scope and its function.
///
/// # Safety
/// The object is a live Closure.
pub(super) unsafe fn closure_parts(closure: *mut Object) -> (*mut Class, *mut sys::zend_function) {
    let (mut scope, mut function) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: this function's contract.
    unsafe { sys::kq_closure_parts(closure, &raw mut scope, &raw mut function) };
    (scope, function)
}

/// Returns the entries of a WeakMap: the key, and the value without the map's own reference to it.
///
/// # Safety
/// On the PHP thread. The map is live, and does not change as long as the result is used.
pub(crate) unsafe fn weak_entries(map: *mut Object) -> Vec<(*mut Object, *mut Value)> {
    extern "C" fn collect(list: *mut c_void, key: *mut Value, value: *mut Value) {
        // SAFETY: the vector below, which nothing else uses meanwhile; the walk runs no PHP code and drops nothing.
        let list = unsafe { &mut *list.cast::<Vec<(*mut Object, *mut Value)>>() };
        let value = if zend::kind(value) == sys::IS_REFERENCE {
            // SAFETY: the type says reference, which the map holds.
            unsafe { &raw mut (*(*value).value.ref_).val }
        } else {
            value
        };
        list.push((zend::object_of(key), value));
    }
    let mut pairs: Vec<(*mut Object, *mut Value)> = Vec::new();
    // SAFETY: this function's contract; keys are alive, or they would not be in the map.
    unsafe { sys::kq_weakmap_each(map, Some(collect), (&raw mut pairs).cast()) };
    pairs
}

/// Returns what a WeakReference points to, if that is still there.
///
/// # Safety
/// On the PHP thread; the object is a live WeakReference.
pub(crate) unsafe fn referent(reference: *mut Object) -> Option<*mut Object> {
    // SAFETY: this function's contract; get() is the engine's own.
    let referent = unsafe { call(reference, (*reference).ce, "get", &mut []) }?;
    (zend::kind(referent.as_ptr()) == sys::IS_OBJECT).then(|| zend::object_of(referent.as_ptr()))
}

/// An element of a MultipleIterator.
pub(super) struct Element {
    pub(super) object: *mut Object,
    pub(super) information: *mut Value,
}

/// Returns the elements of a MultipleIterator. None: this PHP keeps them somewhere else.
///
/// # Safety
/// On the PHP thread; the object is a live MultipleIterator, and does not change as long as the result is used.
pub(super) unsafe fn storage_elements(storage: *mut Object) -> Option<Vec<Element>> {
    // SAFETY: this function's contract; the shim looks whether the table is where it should be.
    let table = unsafe { sys::kq_storage_table(storage) };
    (!table.is_null()).then(|| {
        zend::entries(table)
            .map(|entry| {
                // SAFETY: the table's values point to its elements.
                let element = unsafe { (*entry.value).value.ptr }.cast::<sys::kq_storage_element>();
                Element {
                    // SAFETY: as above; the storage keeps its elements.
                    object: unsafe { (*element).object },
                    // SAFETY: as above.
                    information: unsafe { &raw mut (*element).information },
                }
            })
            .collect()
    })
}
