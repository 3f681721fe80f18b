//! Objects of internal classes that hold values: their insides are copied too.
#![expect(unsafe_code, reason = "builds Zend objects")]

use super::copier::Copier;
use super::inside::{inside, referent, weak_entries};
use super::methods::{call, is_valid, number};
use crate::zend::{self, Class, Ending, Object, Owned, Value, sys};

/// A doubly linked list's mode in which walking takes the elements out.
const IT_MODE_DELETE: i64 = 1;

impl Copier {
    pub(super) fn weak_reference(&mut self, old: *mut Object) -> Option<*mut Object> {
        let Some(referent) = referent(old).filter(|object| !self.only_weak.contains(object)) else {
            // A new one without create() points to nothing.
            return self.blank(old);
        };
        let copy = self.object(referent);
        self.held.push(copy);
        let mut argument = zend::undef();
        zend::set_object(&raw mut argument, copy);
        // SAFETY: a live WeakReference.
        let class = unsafe { (*old).ce };
        let (ending, made) = zend::call_method(None, class, "create", &mut [argument]);
        if ending != Ending::Returned {
            zend::take_exception();
            return None;
        }
        let made = made.into_raw();
        let new = zend::object_of(&raw const made);
        self.memo.insert(old.cast(), new.cast());
        Some(new)
    }

    pub(super) fn weak_map(&mut self, old: *mut Object) -> Option<*mut Object> {
        let new = self.blank(old)?;
        for (key, value) in weak_entries(old) {
            if self.only_weak.contains(&key) {
                continue;
            }
            let copy = self.object(key);
            self.held.push(copy);
            let (mut new_key, mut new_value) = (zend::undef(), zend::undef());
            zend::set_object(&raw mut new_key, copy);
            self.value(&raw mut new_value, value);
            // SAFETY: the map is ours, and takes a count of the value.
            unsafe {
                sys::kq_weakmap_set(new, &raw mut new_key, &raw mut new_value);
                sys::kq_zval_drop(&raw mut new_value);
            }
        }
        Some(new)
    }

    pub(super) fn by_clone(&mut self, old: *mut Object) -> Option<*mut Object> {
        // What such an object holds would be shared by its copy.
        if !inside(old).is_empty() {
            return None;
        }
        self.cloned(old)
    }

    fn cloned(&mut self, old: *mut Object) -> Option<*mut Object> {
        // SAFETY: a live object, whose class's handler runs no PHP code.
        let new = unsafe { sys::kq_clone_internal(old) };
        if new.is_null() {
            return None;
        }
        self.made(old, new);
        self.own_properties(new, old);
        Some(new)
    }

    /// Properties in the place of those that the engine has given the new object.
    pub(super) fn own_properties(&mut self, new: *mut Object, old: *mut Object) {
        // SAFETY: the object is ours; its slots are set below, before anyone looks.
        unsafe { sys::kq_forget_properties(new) };
        self.properties(new, old);
    }

    /// The class's own clone, with each element then replaced by its copy where it lies: nothing is compared, and order and flags stay.
    pub(super) fn by_elements(&mut self, old: *mut Object) -> Option<*mut Object> {
        let new = self.cloned(old)?;
        let (from, to) = (inside(old), inside(new));
        if from.values().len() != to.values().len() {
            return None;
        }
        if from.values().is_empty() {
            return Some(new);
        }
        for (place, value) in to.places()?.zip(from.values()) {
            let mut copy = zend::undef();
            self.value(&raw mut copy, value);
            // SAFETY: the new object's own place: its counted copy of the old value gives way.
            unsafe {
                sys::kq_zval_drop(place);
                (*place).value = copy.value;
                (*place).u1 = copy.u1;
            }
        }
        Some(new)
    }

    /// `members` is where the state has the properties: those are copied as all are, since putting them back by name would run hooks,
    /// and fail for readonly ones.
    pub(super) fn by_state(
        &mut self,
        old: *mut Object,
        class: *mut Class,
        members: u64,
    ) -> Option<*mut Object> {
        let state = call(old, class, "__serialize", &mut [])?;
        if zend::kind(state.as_ptr()) != sys::IS_ARRAY {
            return None;
        }
        let new = self.blank(old)?;
        // SAFETY: the type says array; the new one is ours, and filled before anyone else sees it.
        let copy = unsafe {
            let from = (*state.as_ptr()).value.arr;
            let array = sys::kq_new_array((*from).nNumOfElements);
            let mut holder = zend::undef();
            zend::set_array(&raw mut holder, array);
            let copy = Owned::from_raw(holder);
            for entry in zend::entries(from) {
                let mut value = zend::undef();
                if entry.index == members {
                    zend::set_array(&raw mut value, sys::kq_new_array(0));
                } else {
                    self.value(&raw mut value, entry.value);
                }
                sys::zend_hash_index_add_new(array, entry.index, &raw mut value);
            }
            copy
        };
        // The state was made for this copy alone: nothing of it may be found again by its address.
        self.forget_state(state.as_ptr());
        call(new, class, "__unserialize", &mut [copy.borrowed()])?;
        self.own_properties(new, old);
        self.go_to_same_place(new, old, class);
        Some(new)
    }

    /// A list or storage that is being walked is so in the copy. (Asking an ArrayIterator for its place may give it an array of its own.)
    fn go_to_same_place(&mut self, new: *mut Object, old: *mut Object, class: *mut Class) {
        let is = |name| zend::loaded_class(name) == Some(class);
        if is("splobjectstorage") {
            let steps = number(old, class, "key").unwrap_or(0);
            if steps > 0 {
                call(new, class, "rewind", &mut []);
                for _ in 0..steps {
                    call(new, class, "next", &mut []);
                }
            }
        } else if is("spldoublylinkedlist") && is_valid(old, class) {
            call(new, class, "rewind", &mut []);
            let mode = number(old, class, "getiteratormode").unwrap_or(IT_MODE_DELETE);
            let place = number(old, class, "key");
            while mode & IT_MODE_DELETE == 0
                && is_valid(new, class)
                && number(new, class, "key") != place
            {
                call(new, class, "next", &mut []);
            }
        }
    }

    /// Arrays of a temporary state are freed after this: their addresses will be reused by others.
    fn forget_state(&mut self, value: *const Value) {
        // SAFETY: the state is still alive here.
        unsafe {
            if zend::kind(value) != sys::IS_ARRAY {
                return;
            }
            let array = (*value).value.arr;
            // A pure one is held by the copy too. What is held by more is the template's own.
            let holders = if self.pure.get(&array) == Some(&true) {
                2
            } else {
                1
            };
            if sys::kq_refcount(array.cast()) > holders {
                return;
            }
            self.memo.remove(&array.cast());
            self.pure.remove(&array);
            for entry in zend::entries(array) {
                self.forget_state(entry.value);
            }
        }
    }
}
