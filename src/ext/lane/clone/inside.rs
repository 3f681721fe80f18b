//! What an object holds besides its properties: the one look inside that the copy and the audit share.
#![expect(unsafe_code, reason = "asks Zend's handlers")]

use crate::zend::{Object, Value, sys};

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
            .find(|value| crate::zend::kind(*value) == sys::IS_OBJECT)
            .map(|value| crate::zend::object_of(value))
    }

    /// Whether nothing in it can be changed through it.
    pub(super) fn is_empty(&self) -> bool {
        self.values.iter().all(|value| {
            !matches!(
                crate::zend::kind(value),
                sys::IS_ARRAY | sys::IS_OBJECT | sys::IS_REFERENCE | sys::IS_RESOURCE
            )
        })
    }
}
