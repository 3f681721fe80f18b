//! What an object holds besides its properties: the one look inside that the copy and the audit share.
#![expect(unsafe_code, reason = "asks Zend's handlers")]

use std::ffi::c_void;

use super::methods::call;
use crate::zend::{self, Object, Value, sys};

/// The values, uncounted: the object keeps them alive while it does not change.
pub(crate) struct Inside {
    values: Vec<Value>,
    /// Where the first of them lies in the object, if they lie there in a row.
    place: Option<*mut Value>,
}

/// Looks inside an object.
pub(crate) fn inside(object: *mut Object) -> Inside {
    let (mut count, mut own) = (0, false);
    // SAFETY: a live object of the template; its handler runs no PHP code.
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
    pub(crate) fn values(&self) -> &[Value] {
        &self.values
    }

    /// The places of the values in the object itself.
    pub(super) fn places(&self) -> Option<impl Iterator<Item = *mut Value>> {
        let place = self.place?;
        // SAFETY: there are as many values in a row.
        Some((0..self.values.len()).map(move |index| unsafe { place.add(index) }))
    }

    /// The object that a reflector, or a class like it, was made from.
    pub(super) fn object(&self) -> Option<*mut Object> {
        self.values
            .iter()
            .find(|value| zend::kind(*value) == sys::IS_OBJECT)
            .map(|value| zend::object_of(value))
    }

    /// Whether nothing in it can be changed through it.
    pub(super) fn is_empty(&self) -> bool {
        self.values.iter().all(|value| {
            !matches!(
                zend::kind(value),
                sys::IS_ARRAY | sys::IS_OBJECT | sys::IS_REFERENCE | sys::IS_RESOURCE
            )
        })
    }
}

/// Visits the entries of a WeakMap: the key, and the value without the map's own reference to it.
pub(crate) fn weak_entries(map: *mut Object) -> Vec<(*mut Object, *mut Value)> {
    extern "C" fn collect(list: *mut c_void, key: *mut Value, value: *mut Value) {
        // SAFETY: `list` is the vector below; the walk runs no PHP code and drops nothing.
        unsafe {
            let list = &mut *list.cast::<Vec<(*mut Object, *mut Value)>>();
            let value = if zend::kind(value) == sys::IS_REFERENCE {
                &raw mut (*(*value).value.ref_).val
            } else {
                value
            };
            list.push((zend::object_of(key), value));
        }
    }
    let mut pairs: Vec<(*mut Object, *mut Value)> = Vec::new();
    // SAFETY: the map is live and does not change while it is walked; keys are alive, or they would not be in it.
    unsafe { sys::kq_weakmap_each(map, Some(collect), (&raw mut pairs).cast()) };
    pairs
}

/// What a WeakReference points to, if that is still there.
pub(crate) fn referent(reference: *mut Object) -> Option<*mut Object> {
    // SAFETY: a live WeakReference; get() is the engine's own.
    let referent = call(reference, unsafe { (*reference).ce }, "get", &mut [])?;
    (zend::kind(referent.as_ptr()) == sys::IS_OBJECT).then(|| zend::object_of(referent.as_ptr()))
}

/// An element of a MultipleIterator.
pub(super) struct Element {
    pub(super) object: *mut Object,
    pub(super) information: *mut Value,
}

/// Its elements. None: this PHP keeps them somewhere else.
pub(super) fn storage_elements(storage: *mut Object) -> Option<Vec<Element>> {
    // SAFETY: the shim looks whether the table is where it should be.
    let table = unsafe { sys::kq_storage_table(storage) };
    (!table.is_null()).then(|| {
        zend::entries(table)
            .map(|entry| {
                // SAFETY: the table's values point to its elements.
                let element = unsafe { (*entry.value).value.ptr }.cast::<sys::kq_storage_element>();
                Element {
                    // SAFETY: as above.
                    object: unsafe { (*element).object },
                    // SAFETY: as above.
                    information: unsafe { &raw mut (*element).information },
                }
            })
            .collect()
    })
}
