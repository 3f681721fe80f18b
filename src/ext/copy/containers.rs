//! Copies of objects of internal classes that hold values: their insides are copied too.
//!
//! All functions here have the contract of [`Copier::owned`] for the objects that they are given, which are of the class that the
//! function is for. None: the object cannot be copied so.
#![expect(unsafe_code, reason = "builds Zend objects")]

use super::copier::{Copier, add, object_value, replace};
use super::inside::{inside, referent, weak_entries};
use super::methods::{call, is_valid, number};
use crate::zend::{self, Class, Ending, Object, Owned, Value, sys};

/// A doubly linked list's mode in which walking takes the elements out.
const IT_MODE_DELETE: i64 = 1;

impl Copier {
    /// # Safety
    /// As for [`Copier::owned`]; the object is a WeakReference.
    pub(super) unsafe fn weak_reference(&mut self, old: *mut Object) -> Option<*mut Object> {
        // SAFETY: this function's contract.
        let referent = unsafe { referent(old) };
        let Some(referent) = referent.filter(|object| !self.only_weak.contains(object)) else {
            // A new one without create() points to nothing.
            // SAFETY: this function's contract.
            return unsafe { self.blank(old) };
        };
        // SAFETY: it is live, and somebody holds it: the audit has seen it elsewhere.
        let copy = unsafe { self.object(referent) };
        self.held.push(copy);
        // SAFETY: a live WeakReference.
        let class = unsafe { (*old).ce };
        let (ending, made) = zend::call_method(None, class, "create", &mut [object_value(copy)]);
        if ending != Ending::Returned {
            zend::take_exception();
            return None;
        }
        let made = made.into_raw();
        let new = zend::object_of(&raw const made);
        self.memo.insert(old.cast(), new.cast());
        Some(new)
    }

    /// # Safety
    /// As for [`Copier::owned`]; the object is a WeakMap.
    pub(super) unsafe fn weak_map(&mut self, old: *mut Object) -> Option<*mut Object> {
        // SAFETY: this function's contract.
        let new = unsafe { self.blank(old) }?;
        // SAFETY: this function's contract.
        for (key, value) in unsafe { weak_entries(old) } {
            if self.only_weak.contains(&key) {
                continue;
            }
            // SAFETY: keys of a live map are live.
            let copy = unsafe { self.object(key) };
            self.held.push(copy);
            let mut new_key = object_value(copy);
            // SAFETY: what a live map holds is live.
            let new_value = unsafe { self.owned(value) };
            // SAFETY: the map is ours, and takes a count of the value.
            unsafe { sys::kq_weakmap_set(new, &raw mut new_key, new_value.as_ptr()) };
        }
        Some(new)
    }

    /// # Safety
    /// As for [`Copier::owned`]; the object's class has a clone handler that runs no PHP code.
    pub(super) unsafe fn by_clone(&mut self, old: *mut Object) -> Option<*mut Object> {
        // What such an object holds would be shared by its copy.
        // SAFETY: this function's contract.
        if !unsafe { inside(old) }.is_empty() {
            return None;
        }
        // SAFETY: this function's contract.
        unsafe { self.cloned(old) }
    }

    /// # Safety
    /// As for [`Copier::by_clone`].
    unsafe fn cloned(&mut self, old: *mut Object) -> Option<*mut Object> {
        // SAFETY: this function's contract.
        let new = unsafe { sys::kq_clone_internal(old) };
        if new.is_null() {
            return None;
        }
        // SAFETY: made just now.
        unsafe { self.made(old, new) };
        // SAFETY: both are live and of one class.
        unsafe { self.own_properties(new, old) };
        Some(new)
    }

    /// Copies properties into the place of those that the engine has given the new object.
    ///
    /// # Safety
    /// As for [`Copier::owned`]; both are of one class, and the new one is ours.
    pub(super) unsafe fn own_properties(&mut self, new: *mut Object, old: *mut Object) {
        // SAFETY: the object is ours; its slots are set below, before anyone looks.
        unsafe { sys::kq_forget_properties(new) };
        // SAFETY: this function's contract; the new one's slots hold nothing now.
        unsafe { self.properties(new, old) };
    }

    /// Makes the class's own clone, and replaces each element by its copy where it lies: nothing is compared, and order and flags stay.
    ///
    /// # Safety
    /// As for [`Copier::by_clone`].
    pub(super) unsafe fn by_elements(&mut self, old: *mut Object) -> Option<*mut Object> {
        // SAFETY: this function's contract.
        let new = unsafe { self.cloned(old) }?;
        // SAFETY: both are live, and nobody changes them.
        let (from, to) = unsafe { (inside(old), inside(new)) };
        if from.values().len() != to.values().len() {
            return None;
        }
        if from.values().is_empty() {
            return Some(new);
        }
        for (place, value) in to.places()?.zip(from.values()) {
            // SAFETY: what a live object holds is live.
            let copy = unsafe { self.value(value) };
            // SAFETY: the new object's own place, with its counted copy of the old value.
            unsafe { replace(place, copy) };
        }
        Some(new)
    }

    /// Copies the state that the class gives of an object into a new one. `members` is where the state has the properties: those are copied as all are, since putting them back by name would run hooks,
    /// and fail for readonly ones.
    ///
    /// # Safety
    /// As for [`Copier::owned`]; `class` is the object's internal class.
    pub(super) unsafe fn by_state(
        &mut self,
        old: *mut Object,
        class: *mut Class,
        members: u64,
    ) -> Option<*mut Object> {
        // SAFETY: this function's contract.
        let state = unsafe { call(old, class, "__serialize", &mut []) }?;
        if zend::kind(state.as_ptr()) != sys::IS_ARRAY {
            return None;
        }
        // SAFETY: this function's contract.
        let new = unsafe { self.blank(old) }?;
        // SAFETY: the type says array, which `state` holds.
        let from = unsafe { (*state.as_ptr()).value.arr };
        // SAFETY: on the PHP thread.
        let array = unsafe { sys::kq_new_array((*from).nNumOfElements) };
        let mut holder = zend::undef();
        zend::set_array(&raw mut holder, array);
        let copy = Owned::from_raw(holder);
        for entry in zend::entries(from) {
            let value = if entry.index == members {
                let mut none = zend::undef();
                // SAFETY: on the PHP thread.
                zend::set_array(&raw mut none, unsafe { sys::kq_new_array(0) });
                none
            } else {
                // SAFETY: what the state holds is live.
                unsafe { self.value(entry.value) }
            };
            // SAFETY: the new array is ours, and has no such entry yet; a state's keys are numbers.
            unsafe { add(array, &entry, value) };
        }
        // The state was made for this copy alone: nothing of it may be found again by its address.
        // SAFETY: a live value.
        unsafe { self.forget_state(state.as_ptr()) };
        // SAFETY: the new one is ours, and of a class that extends this one.
        unsafe { call(new, class, "__unserialize", &mut [copy.borrowed()]) }?;
        // SAFETY: both are live and of one class.
        unsafe { self.own_properties(new, old) };
        // SAFETY: as above.
        unsafe { go_to_same_place(new, old, class) };
        Some(new)
    }

    /// Forgets the arrays of a temporary state, which are freed after this: their addresses will be reused by others.
    ///
    /// # Safety
    /// The value is live.
    unsafe fn forget_state(&mut self, value: *const Value) {
        if zend::kind(value) != sys::IS_ARRAY {
            return;
        }
        // SAFETY: the type says array.
        let array = unsafe { (*value).value.arr };
        // A pure one is held by the copy too. What is held by more is the template's own.
        let holders = if self.pure.get(&array) == Some(&true) {
            2
        } else {
            1
        };
        // SAFETY: a live array.
        if unsafe { sys::kq_refcount(array.cast()) } > holders {
            return;
        }
        self.memo.remove(&array.cast());
        self.pure.remove(&array);
        for entry in zend::entries(array) {
            // SAFETY: what a live array holds is live.
            unsafe { self.forget_state(entry.value) };
        }
    }
}

/// Makes a copy of a list or storage that is being walked be walked as well, at the same place. (Asking an ArrayIterator for its place
/// may give it an array of its own.)
///
/// # Safety
/// On the PHP thread; both are live, and of the internal class `class` or subclasses.
unsafe fn go_to_same_place(new: *mut Object, old: *mut Object, class: *mut Class) {
    let is = |name| zend::loaded_class(name) == Some(class);
    if is("splobjectstorage") {
        // SAFETY: this function's contract.
        let steps = unsafe { number(old, class, "key") }.unwrap_or(0);
        if steps > 0 {
            // SAFETY: as above.
            unsafe { call(new, class, "rewind", &mut []) };
            for _ in 0..steps {
                // SAFETY: as above.
                unsafe { call(new, class, "next", &mut []) };
            }
        }
        return;
    }
    // SAFETY: this function's contract.
    if is("spldoublylinkedlist") && unsafe { is_valid(old, class) } {
        // SAFETY: as above.
        unsafe { call(new, class, "rewind", &mut []) };
        // SAFETY: as above.
        let mode = unsafe { number(old, class, "getiteratormode") }.unwrap_or(IT_MODE_DELETE);
        // SAFETY: as above.
        let place = unsafe { number(old, class, "key") };
        // SAFETY: as above; all are calls of the list's methods.
        unsafe {
            while mode & IT_MODE_DELETE == 0
                && is_valid(new, class)
                && number(new, class, "key") != place
            {
                call(new, class, "next", &mut []);
            }
        }
    }
}
