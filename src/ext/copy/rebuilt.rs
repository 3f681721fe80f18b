//! Copies of objects that have no copy of their own, and are made anew from what they were made of, by their internal class's
//! constructor.
//!
//! All functions here have the contract of [`Copier::owned`] for the objects that they are given; `class` is the object's internal class.
//! None: the object cannot be copied so.
#![expect(unsafe_code, reason = "builds Zend objects")]

use super::copier::{Copier, object_value};
use super::inside::{inside, storage_elements};
use super::methods::call;
use crate::zend::{self, Class, Object, Owned, Value, sys};

impl Copier {
    /// Makes a Randomizer around a copy of its engine.
    ///
    /// # Safety
    /// As for [`Copier::owned`].
    pub(super) unsafe fn randomizer(
        &mut self,
        old: *mut Object,
        class: *mut Class,
    ) -> Option<*mut Object> {
        // SAFETY: this function's contract.
        let engine = unsafe { self.property_of(old, class, "engine") }?;
        if zend::kind(engine.as_ptr()) != sys::IS_OBJECT {
            return None;
        }
        // SAFETY: this function's contract.
        unsafe { self.anew(old, class, &[engine]) }
    }

    /// Makes a finfo with the same options. Rules from a file cannot be loaded again: its name is not kept.
    ///
    /// # Safety
    /// As for [`Copier::owned`].
    pub(super) unsafe fn finfo(
        &mut self,
        old: *mut Object,
        class: *mut Class,
    ) -> Option<*mut Object> {
        // SAFETY: this function's contract.
        let (options, rules) = unsafe { finfo_parts(old) }?;
        // SAFETY: this function's contract.
        let new = unsafe { self.anew(old, class, &[Owned::from_raw(zend::long(options))]) }?;
        // SAFETY: the new one is of the same class.
        (unsafe { finfo_parts(new) }? == (options, rules)).then_some(new)
    }

    /// Makes a MultipleIterator with copies of its iterators.
    ///
    /// # Safety
    /// As for [`Copier::owned`].
    pub(super) unsafe fn multiple_iterator(
        &mut self,
        old: *mut Object,
        class: *mut Class,
    ) -> Option<*mut Object> {
        // SAFETY: this function's contract.
        let flags = unsafe { call(old, class, "getflags", &mut []) }?;
        // SAFETY: this function's contract.
        let new = unsafe { self.blank(old) }?;
        // SAFETY: the new one is of the same class.
        unsafe { call(new, class, "setflags", &mut [flags.borrowed()]) }?;
        // SAFETY: this function's contract.
        for element in unsafe { storage_elements(old) }? {
            // SAFETY: what a live object holds is live.
            let iterator = unsafe { self.owned_object(element.object) };
            // SAFETY: live as its iterator; the information is a number, a string or null.
            let information = unsafe { *element.information };
            let mut arguments = [iterator.borrowed(), information];
            // SAFETY: the new one is of the same class.
            unsafe { call(new, class, "attachiterator", &mut arguments) }?;
        }
        // SAFETY: both are live and of one class.
        unsafe { self.own_properties(new, old) };
        Some(new)
    }

    /// Makes a reflector of copies of the object or the properties that it has. None, too: it only names what is the process's, and can
    /// be shared.
    ///
    /// # Safety
    /// As for [`Copier::owned`].
    pub(super) unsafe fn reflector(
        &mut self,
        old: *mut Object,
        class: *mut Class,
    ) -> Option<*mut Object> {
        // SAFETY: this function's contract.
        let object = unsafe { inside(old) }.object();
        // SAFETY: a live object.
        if object.is_none() && unsafe { (*old).ce == class && !has_dynamic_properties(old) } {
            return None;
        }
        // SAFETY: this function's contract; what a live object holds is live.
        let arguments = unsafe { self.reflected(old, class, object) };
        let new = arguments.and_then(|arguments| {
            // SAFETY: this function's contract.
            unsafe { self.anew(old, class, &arguments) }
        });
        if new.is_none() {
            self.fail(old);
        }
        new
    }

    /// Returns what a reflector's constructor takes to make it anew.
    ///
    /// # Safety
    /// As for [`Copier::owned`], also for `object`.
    unsafe fn reflected(
        &mut self,
        old: *mut Object,
        class: *mut Class,
        object: Option<*mut Object>,
    ) -> Option<Vec<Owned>> {
        // SAFETY: this function's contract.
        let name = |copier: &mut Self, name| unsafe { copier.property_of(old, class, name) };
        // SAFETY: this function's contract.
        let owned = |copier: &mut Self, object| unsafe { copier.owned_object(object) };
        let name_of_class = zend::class_name(class).to_lowercase();
        Some(match (name_of_class.as_str(), object) {
            ("reflectionclass" | "reflectionenum" | "reflectionfunction", None) => {
                vec![name(self, "name")?]
            }
            (
                "reflectionmethod"
                | "reflectionproperty"
                | "reflectionclassconstant"
                | "reflectionenumunitcase"
                | "reflectionenumbackedcase",
                None,
            ) => vec![name(self, "class")?, name(self, "name")?],
            ("reflectionobject" | "reflectionfunction", Some(object)) => vec![owned(self, object)],
            ("reflectionmethod", Some(object)) => vec![owned(self, object), name(self, "name")?],
            ("reflectionparameter", Some(object)) => {
                // SAFETY: this function's contract.
                let position = unsafe { call(old, class, "getposition", &mut []) }?;
                vec![owned(self, object), position]
            }
            _ => return None,
        })
    }

    /// Makes a new object of the same class by the internal class's own constructor.
    ///
    /// # Safety
    /// As for [`Copier::owned`].
    unsafe fn anew(
        &mut self,
        old: *mut Object,
        class: *mut Class,
        arguments: &[Owned],
    ) -> Option<*mut Object> {
        // SAFETY: this function's contract.
        let new = unsafe { self.blank(old) }?;
        let mut arguments: Vec<Value> = arguments.iter().map(Owned::borrowed).collect();
        // SAFETY: the new one is of the same class; the arguments live as long as the call.
        unsafe { call(new, class, "__construct", &mut arguments) }?;
        // SAFETY: both are live and of one class.
        unsafe { self.own_properties(new, old) };
        Some(new)
    }

    /// # Safety
    /// As for [`Copier::owned`].
    unsafe fn owned_object(&mut self, object: *mut Object) -> Owned {
        // SAFETY: this function's contract.
        Owned::from_raw(object_value(unsafe { self.object(object) }))
    }

    /// Copies a declared property of an internal class, wherever its subclass has it.
    ///
    /// # Safety
    /// As for [`Copier::owned`].
    unsafe fn property_of(
        &mut self,
        object: *mut Object,
        class: *mut Class,
        name: &str,
    ) -> Option<Owned> {
        // SAFETY: a live class and its object, which is at least as large; the name is passed with its length.
        let place =
            unsafe { sys::kq_declared_property(object, class, name.as_ptr().cast(), name.len()) };
        // SAFETY: what a live object holds is live.
        (!place.is_null()).then(|| unsafe { self.owned(place) })
    }
}

/// # Safety
/// The object is live.
unsafe fn has_dynamic_properties(object: *mut Object) -> bool {
    // SAFETY: this function's contract.
    let properties = unsafe { (*object).properties };
    !properties.is_null()
        && zend::entries(properties).any(|entry| zend::kind(entry.value) != sys::IS_INDIRECT)
}

/// Returns the options of a finfo, and the address of its rules.
///
/// # Safety
/// The object is live, and of finfo or a subclass.
unsafe fn finfo_parts(finfo: *mut Object) -> Option<(i64, usize)> {
    let (mut options, mut rules) = (0, std::ptr::null_mut());
    // SAFETY: this function's contract.
    unsafe { sys::kq_finfo_parts(finfo, &raw mut options, &raw mut rules) }
        .then_some((options, rules as usize))
}
