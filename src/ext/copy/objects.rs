//! Copies of objects: by their rule, property by property, and closures.
//!
//! All functions here have the contract of [`Copier::owned`] for the objects that they are given.
#![expect(unsafe_code, reason = "builds Zend objects")]

use std::ptr;

use super::copier::{Copier, add_type_source, object_value};
use super::inside::closure_parts;
use super::properties::{count, place, places};
use super::rules::Rule;
use crate::zend::{self, Object, sys};

impl Copier {
    /// Returns the copy of an object, with a count for the caller.
    ///
    /// # Safety
    /// As for [`Copier::owned`].
    pub(super) unsafe fn object(&mut self, old: *mut Object) -> *mut Object {
        if let Some(new) = self.remembered(old) {
            return new;
        }
        // SAFETY: a live object by this function's contract.
        let rule = unsafe { self.rules.of(old) };
        // SAFETY: this function's contract; the rule is that of the object's class. Of the calls one is made.
        let new = unsafe {
            match rule {
                Rule::Properties => Some(self.plain(old)),
                Rule::Closure => Some(self.closure(old)),
                Rule::WeakMap => self.weak_map(old),
                Rule::WeakReference => self.weak_reference(old),
                Rule::Clone => self.by_clone(old),
                Rule::Elements => self.by_elements(old),
                Rule::State { class, members } => self.by_state(old, class, members),
                Rule::Randomizer(class) => self.randomizer(old, class),
                Rule::Finfo(class) => self.finfo(old, class),
                Rule::MultipleIterator(class) => self.multiple_iterator(old, class),
                Rule::Reflector(class) => self.reflector(old, class),
                Rule::Share | Rule::Refuse => None,
            }
        };
        new.unwrap_or_else(|| {
            if !matches!(rule, Rule::Share | Rule::Refuse | Rule::Reflector(_)) {
                self.fail(old);
            }
            self.memo.insert(old.cast(), old.cast());
            // SAFETY: on the PHP thread; one more count on what is the same object for all lanes.
            unsafe { sys::kq_addref(old.cast()) };
            old
        })
    }

    /// Notes that there is a rule for an object, but that it could not be followed.
    pub(super) fn fail(&mut self, old: *mut Object) {
        self.failed.insert(old);
    }

    /// Remembers a copy, before anything that the object holds is copied.
    ///
    /// # Safety
    /// `new` is a live object of ours.
    pub(super) unsafe fn made(&mut self, old: *mut Object, new: *mut Object) {
        self.counts.objects += 1;
        self.memo.insert(old.cast(), new.cast());
        if self.silent {
            // SAFETY: this function's contract.
            unsafe { sys::kq_never_destruct(new) };
        }
    }

    /// Makes a new object of the same class, without its constructor. None: the engine refuses.
    ///
    /// # Safety
    /// As for [`Copier::owned`].
    pub(super) unsafe fn blank(&mut self, old: *mut Object) -> Option<*mut Object> {
        let mut holder = zend::undef();
        // SAFETY: the class of a live object: not abstract, its constants known.
        let made = unsafe { sys::object_init_ex(&raw mut holder, (*old).ce) };
        if made != sys::ZEND_RESULT_CODE_SUCCESS {
            return None;
        }
        let new = zend::object_of(&raw const holder);
        // SAFETY: made just now.
        unsafe { self.made(old, new) };
        Some(new)
    }

    /// Makes an object whose slots hold nothing yet.
    ///
    /// # Safety
    /// As for [`Copier::owned`].
    unsafe fn plain(&mut self, old: *mut Object) -> *mut Object {
        // SAFETY: the class of a live object; the new one has room for its declared slots, which are set below.
        let new = unsafe { sys::zend_objects_new((*old).ce) };
        // SAFETY: both are live, and of one class.
        unsafe { (*new).handlers = (*old).handlers };
        // SAFETY: made just now.
        unsafe { self.made(old, new) };
        // SAFETY: as above.
        for slot in unsafe { places(new) } {
            // SAFETY: a slot that holds nothing yet.
            unsafe { slot.write(zend::undef()) };
        }
        self.empty.push((new, old));
        new
    }

    /// Copies declared and dynamic properties.
    ///
    /// # Safety
    /// As for [`Copier::owned`]. Both objects are of one class, so their slots correspond; those of the new one hold nothing that needs
    /// dropping.
    pub(super) unsafe fn properties(&mut self, new: *mut Object, old: *mut Object) {
        // SAFETY: a live object.
        for slot in 0..unsafe { count(old) } {
            // SAFETY: both have this slot.
            let (to, from) = unsafe { (place(new, slot), place(old, slot)) };
            if zend::kind(from) == sys::IS_INDIRECT {
                continue;
            }
            // SAFETY: what a live object holds is live.
            let mut copy = unsafe { self.value(from) };
            if zend::kind(&raw const copy) == sys::IS_REFERENCE {
                // SAFETY: a live object's slot, and a reference that lies in it.
                unsafe { add_type_source(&copy, sys::kq_property_of_slot(new, slot as u32)) };
            }
            // A slot's flags (readonly, uninitialised) live in u2.
            // SAFETY: a live slot.
            copy.u2 = unsafe { (*from).u2 };
            // SAFETY: a slot that holds nothing.
            unsafe { to.write(copy) };
        }
        // SAFETY: a live object.
        let dynamic = unsafe { (*old).properties };
        if dynamic.is_null() {
            return;
        }
        for entry in zend::entries(dynamic) {
            if zend::kind(entry.value) == sys::IS_INDIRECT {
                continue;
            }
            // SAFETY: the new object is ours.
            unsafe { sys::kq_separate_properties(new) };
            // SAFETY: what a live object holds is live.
            let mut copy = unsafe { self.value(entry.value) };
            // SAFETY: the table is the new object's own now, and owns the copy.
            unsafe {
                if entry.key.is_null() {
                    sys::zend_hash_index_add_new((*new).properties, entry.index, &raw mut copy);
                } else {
                    sys::zend_hash_update((*new).properties, entry.key, &raw mut copy);
                }
            }
        }
    }

    /// Makes a closure that has captured nothing yet: it may be held by what it has captured.
    ///
    /// # Safety
    /// As for [`Copier::owned`]; the object is a Closure.
    unsafe fn closure(&mut self, old: *mut Object) -> *mut Object {
        // SAFETY: this function's contract.
        let (called_scope, function) = unsafe { closure_parts(old) };
        // SAFETY: a live closure's function.
        let scope = unsafe { (*function).common.scope };
        // SAFETY: a live closure's function.
        let create = if unsafe { is_fake(function) } {
            sys::zend_create_fake_closure
        } else {
            sys::zend_create_closure
        };
        let mut holder = zend::undef();
        // SAFETY: on the PHP thread; function and scopes are a live closure's.
        unsafe {
            create(
                &raw mut holder,
                function,
                scope,
                called_scope,
                ptr::null_mut(),
            );
        }
        let new = zend::object_of(&raw const holder);
        self.counts.closures += 1;
        self.memo.insert(old.cast(), new.cast());
        self.empty.push((new, old));
        new
    }

    /// Fills an object that was made empty, by [`Copier::plain`] or [`Copier::closure`].
    ///
    /// # Safety
    /// As for [`Copier::owned`]; `new` is the copy of `old`, and nobody has filled it.
    pub(super) unsafe fn fill(&mut self, new: *mut Object, old: *mut Object) {
        // SAFETY: a live object by this function's contract.
        let rule = unsafe { self.rules.of(old) };
        // SAFETY: this function's contract; only Closures have that rule.
        unsafe {
            match rule {
                Rule::Closure => self.captured(new, old),
                _ => self.properties(new, old),
            }
        }
    }

    /// Gives a new closure its $this and its variables.
    ///
    /// # Safety
    /// As for [`Copier::owned`]; both are Closures of one function, and the new one has neither yet.
    unsafe fn captured(&mut self, new: *mut Object, old: *mut Object) {
        let mut old_holder = object_value(old);
        // SAFETY: a live closure; the place lies in it.
        let this = unsafe { sys::zend_get_closure_this_ptr(&raw mut old_holder) };
        if zend::kind(this) == sys::IS_OBJECT {
            // SAFETY: what a live closure holds is live.
            let copy = unsafe { self.object(zend::object_of(this)) };
            let mut holder = object_value(new);
            // SAFETY: as for the old one.
            let this = unsafe { sys::zend_get_closure_this_ptr(&raw mut holder) };
            zend::set_object(this, copy);
        }
        // SAFETY: this function's contract.
        let (_, function) = unsafe { closure_parts(old) };
        // SAFETY: a live closure's function.
        let from = unsafe { sys::kq_closure_variables(function) };
        if from.is_null() {
            return;
        }
        // SAFETY: this function's contract.
        let (_, new_function) = unsafe { closure_parts(new) };
        // SAFETY: a live closure's function.
        if unsafe { is_fake(function) } {
            // It uses the function's own variables: those of the lane, where the template's used the template's.
            if let Some(table) = self.memo.get(&from.cast()) {
                // SAFETY: the new closure's function, and the table that the lane has for it.
                unsafe { (*new_function).op_array.static_variables_ptr__ptr = table.cast() };
            }
            return;
        }
        // SAFETY: a live closure's function.
        let to = unsafe { sys::kq_closure_variables(new_function) };
        if to.is_null() {
            return;
        }
        for entry in zend::entries(from) {
            // SAFETY: what a live closure has captured is live.
            let mut copy = unsafe { self.value(entry.value) };
            // SAFETY: the new closure's own table, which owns the copy.
            unsafe { sys::zend_hash_update(to, entry.key, &raw mut copy) };
        }
    }
}

/// Returns whether this is the function of a first-class callable.
///
/// # Safety
/// The function is a live closure's.
unsafe fn is_fake(function: *mut sys::zend_function) -> bool {
    // SAFETY: this function's contract.
    unsafe { (*function).common.fn_flags & sys::ZEND_ACC_FAKE_CLOSURE != 0 }
}
