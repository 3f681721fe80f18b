//! PHP's values: those of ours that PHP counts, new ones, and what is in one.
#![expect(unsafe_code, reason = "Zend's structures are C's")]

use super::{Object, Value, sys, text};

/// A value of ours that PHP counts: dropped when this is.
pub(crate) struct Owned(Value);

impl Owned {
    /// A value without content.
    pub(crate) fn undef() -> Self {
        Self(undef())
    }

    /// A counted copy.
    pub(crate) fn copy(value: *const Value) -> Self {
        let mut copy = Self::undef();
        // SAFETY: the caller's value is live; the copy takes a count of its own.
        unsafe { sys::kq_zval_copy(&raw mut copy.0, value) };
        copy
    }

    /// Takes over one count.
    pub(crate) fn from_raw(value: Value) -> Self {
        Self(value)
    }

    /// The value, for C.
    pub(crate) fn as_ptr(&self) -> *mut Value {
        (&raw const self.0).cast_mut()
    }

    /// Gives the count away.
    pub(crate) fn into_raw(self) -> Value {
        let value = self.0;
        std::mem::forget(self);
        value
    }

    /// The value as ext-php-rs sees it; the layout is the same struct.
    pub(crate) fn as_zval(&self) -> &ext_php_rs::types::Zval {
        // SAFETY: both types are Zend's zval, bound twice.
        unsafe { &*self.as_ptr().cast() }
    }

    /// A copy in ext-php-rs's type.
    pub(crate) fn to_zval(&self) -> ext_php_rs::types::Zval {
        let mut zval = ext_php_rs::types::Zval::new();
        // SAFETY: as above; the copy owns its count, and Zval's drop gives it back.
        unsafe { sys::kq_zval_copy((&raw mut zval).cast(), &raw const self.0) };
        zval
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: we own one count.
        unsafe { sys::kq_zval_drop(&raw mut self.0) };
    }
}

/// A value of type UNDEF.
pub(crate) fn undef() -> Value {
    // SAFETY: all-zero is IS_UNDEF, and Value is plain data.
    unsafe { std::mem::zeroed() }
}

/// The type byte.
pub(crate) fn kind(value: *const Value) -> u32 {
    // SAFETY: callers pass live values.
    u32::from(unsafe { (*value).u1.v.type_ })
}

/// The object in a value of type object.
pub(crate) fn object_of(value: *const Value) -> *mut Object {
    // SAFETY: callers have looked at the type.
    unsafe { (*value).value.obj }
}

/// Puts an object (whose count passes over) into a value.
pub(crate) fn set_object(value: *mut Value, object: *mut Object) {
    // SAFETY: `value` is writable; the type info is that of a counted, collectable object.
    unsafe {
        (*value).value.obj = object;
        (*value).u1.type_info = sys::IS_OBJECT | REFCOUNTED | COLLECTABLE;
    }
}

/// Puts an array (whose count passes over) into a value.
pub(crate) fn set_array(value: *mut Value, array: *mut sys::HashTable) {
    // SAFETY: as for set_object.
    unsafe {
        (*value).value.arr = array;
        (*value).u1.type_info = sys::IS_ARRAY | REFCOUNTED | COLLECTABLE;
    }
}

/// Puts a reference (whose count passes over) into a value.
pub(crate) fn set_reference(value: *mut Value, reference: *mut sys::zend_reference) {
    // SAFETY: as for set_object; references are counted, and collected through what they hold.
    unsafe {
        (*value).value.ref_ = reference;
        (*value).u1.type_info = sys::IS_REFERENCE | REFCOUNTED;
    }
}

const REFCOUNTED: u32 = 1 << 8;
const COLLECTABLE: u32 = 1 << 9;

/// A new PHP string.
pub(crate) fn string(bytes: &[u8]) -> Owned {
    let mut value = undef();
    // SAFETY: the shim copies the bytes into a new string that the value owns.
    unsafe { sys::kq_new_string(&raw mut value, bytes.as_ptr().cast(), bytes.len()) };
    Owned::from_raw(value)
}

/// A new PHP integer.
pub(crate) fn long(number: i64) -> Value {
    let mut value = undef();
    value.value.lval = number;
    value.u1 = sys::_zval_struct__bindgen_ty_1 {
        type_info: sys::IS_LONG,
    };
    value
}

/// A PHP boolean.
pub(crate) fn boolean(yes: bool) -> Value {
    let mut value = undef();
    value.u1 = sys::_zval_struct__bindgen_ty_1 {
        type_info: if yes { sys::IS_TRUE } else { sys::IS_FALSE },
    };
    value
}

/// A new PHP float.
pub(crate) fn double(number: f64) -> Value {
    let mut value = undef();
    value.value.dval = number;
    value.u1 = sys::_zval_struct__bindgen_ty_1 {
        type_info: sys::IS_DOUBLE,
    };
    value
}

/// The bytes of a value that is a string.
pub(crate) fn bytes(value: &Owned) -> Option<Vec<u8>> {
    // SAFETY: the type says string.
    (kind(value.as_ptr()) == sys::IS_STRING)
        .then(|| text(unsafe { (*value.as_ptr()).value.str_ }).to_vec())
}

impl Owned {
    /// The value as an argument: the callee takes counts of its own.
    pub(crate) fn borrowed(&self) -> Value {
        self.0
    }
}
