//! Objects: by their rule, property by property, and closures.
#![expect(unsafe_code, reason = "builds Zend objects")]

use std::ptr;

use super::copier::{Copier, add_type_source};
use super::rules::Rule;
use crate::zend::{self, Object, Value, sys};

impl Copier {
    /// The copy of an object, with a count for the caller.
    pub(super) fn object(&mut self, old: *mut Object) -> *mut Object {
        if let Some(new) = self.remembered(old) {
            return new;
        }
        let rule = self.rules.of(old);
        let new = match rule {
            Rule::Properties => self.plain(old),
            Rule::Closure => self.closure(old),
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
        };
        new.unwrap_or_else(|| {
            if !matches!(rule, Rule::Share | Rule::Refuse | Rule::Reflector(_)) {
                self.fail(old);
            }
            self.shared(old)
        })
    }

    /// The same object for all lanes.
    fn shared(&mut self, old: *mut Object) -> *mut Object {
        // SAFETY: one more count on the template's own.
        unsafe { sys::kq_addref(old.cast()) };
        self.memo.insert(old.cast(), old.cast());
        old
    }

    /// There is a rule, but it could not be followed.
    pub(super) fn fail(&mut self, old: *mut Object) {
        self.failed.insert(old);
    }

    /// Remembers a copy, before anything that it holds is copied.
    pub(super) fn made(&mut self, old: *mut Object, new: *mut Object) {
        self.counts.objects += 1;
        self.memo.insert(old.cast(), new.cast());
        if self.silent {
            // SAFETY: a live object of ours.
            unsafe { sys::kq_never_destruct(new) };
        }
    }

    /// A new object of the same class, made without its constructor.
    pub(super) fn blank(&mut self, old: *mut Object) -> Option<*mut Object> {
        let mut holder = zend::undef();
        // SAFETY: the class of a live object: not abstract, its constants known.
        let made = unsafe { sys::object_init_ex(&raw mut holder, (*old).ce) };
        if made != sys::ZEND_RESULT_CODE_SUCCESS {
            return None;
        }
        let new = zend::object_of(&raw const holder);
        self.made(old, new);
        Some(new)
    }

    fn plain(&mut self, old: *mut Object) -> Option<*mut Object> {
        // SAFETY: zend_objects_new gives an object of the class with room for its declared slots; they are set before anything looks.
        unsafe {
            let new = sys::zend_objects_new((*old).ce);
            (*new).handlers = (*old).handlers;
            self.made(old, new);
            let slots = (*(*old).ce).default_properties_count;
            for slot in 0..slots as usize {
                *property(new, slot) = zend::undef();
            }
            self.empty.push((new, old));
            Some(new)
        }
    }

    /// Fills what `plain()` or `closure()` has made.
    pub(super) fn fill(&mut self, new: *mut Object, old: *mut Object) {
        match self.rules.of(old) {
            Rule::Closure => self.captured(new, old),
            _ => self.properties(new, old),
        }
    }

    /// Declared and dynamic properties; the new object's slots hold nothing that needs dropping.
    pub(super) fn properties(&mut self, new: *mut Object, old: *mut Object) {
        // SAFETY: both are objects of one class, so their slots correspond; slot flags (readonly, uninitialised) live in u2.
        unsafe {
            for slot in 0..(*(*old).ce).default_properties_count as usize {
                let (to, from) = (property(new, slot), property(old, slot));
                if zend::kind(from) == sys::IS_INDIRECT {
                    continue;
                }
                let mut copy = zend::undef();
                self.value(&raw mut copy, from);
                if zend::kind(&raw const copy) == sys::IS_REFERENCE {
                    add_type_source(&copy, sys::kq_property_of_slot(new, slot as u32));
                }
                copy.u2 = (*from).u2;
                *to = copy;
            }
            if (*old).properties.is_null() {
                return;
            }
            for entry in zend::entries((*old).properties) {
                if zend::kind(entry.value) == sys::IS_INDIRECT {
                    continue;
                }
                sys::kq_separate_properties(new);
                let mut copy = zend::undef();
                self.value(&raw mut copy, entry.value);
                if entry.key.is_null() {
                    sys::zend_hash_index_add_new((*new).properties, entry.index, &raw mut copy);
                } else {
                    sys::zend_hash_update((*new).properties, entry.key, &raw mut copy);
                }
            }
        }
    }

    fn closure(&mut self, old: *mut Object) -> Option<*mut Object> {
        // SAFETY: `old` is a Closure. The engine makes the new one without $this, which is set once it exists: it may be the object
        // that holds this very closure.
        unsafe {
            let (mut called_scope, mut function) = (ptr::null_mut(), ptr::null_mut());
            sys::kq_closure_parts(old, &raw mut called_scope, &raw mut function);
            let scope = (*function).common.scope;
            let mut holder = zend::undef();
            let create = if is_fake(function) {
                sys::zend_create_fake_closure
            } else {
                sys::zend_create_closure
            };
            create(
                &raw mut holder,
                function,
                scope,
                called_scope,
                ptr::null_mut(),
            );
            let new = zend::object_of(&raw const holder);
            self.counts.closures += 1;
            self.memo.insert(old.cast(), new.cast());
            self.empty.push((new, old));
            Some(new)
        }
    }

    /// The $this and the variables of a new closure.
    fn captured(&mut self, new: *mut Object, old: *mut Object) {
        let (mut holder, mut old_holder) = (zend::undef(), zend::undef());
        zend::set_object(&raw mut holder, new);
        zend::set_object(&raw mut old_holder, old);
        // SAFETY: both are Closures of one function; the new one has neither yet.
        unsafe {
            let this = sys::zend_get_closure_this_ptr(&raw mut old_holder);
            if zend::kind(this) == sys::IS_OBJECT {
                let copy = self.object(zend::object_of(this));
                zend::set_object(sys::zend_get_closure_this_ptr(&raw mut holder), copy);
            }
            let (mut scope, mut function) = (ptr::null_mut(), ptr::null_mut());
            sys::kq_closure_parts(old, &raw mut scope, &raw mut function);
            let mut new_function = ptr::null_mut();
            sys::kq_closure_parts(new, &raw mut scope, &raw mut new_function);
            let from = sys::kq_closure_variables(function);
            if is_fake(function) {
                // It uses the function's own variables: those of the lane, where the template's used the template's.
                if !from.is_null()
                    && let Some(own) = self.memo.get(&from.cast())
                {
                    (*new_function).op_array.static_variables_ptr__ptr = own.cast();
                }
                return;
            }
            let to = sys::kq_closure_variables(new_function);
            if !from.is_null() && !to.is_null() {
                for entry in zend::entries(from) {
                    let mut copy = zend::undef();
                    self.value(&raw mut copy, entry.value);
                    sys::zend_hash_update(to, entry.key, &raw mut copy);
                }
            }
        }
    }
}

/// Whether this is the function of a first-class callable.
unsafe fn is_fake(function: *mut sys::zend_function) -> bool {
    // SAFETY: the caller has it of a closure that is alive.
    unsafe { (*function).common.fn_flags & sys::ZEND_ACC_FAKE_CLOSURE != 0 }
}

/// Where an object's declared property lies.
pub(super) fn property(object: *mut Object, slot: usize) -> *mut Value {
    // SAFETY: callers stay below default_properties_count, for which the object was allocated.
    unsafe {
        (&raw mut (*object).properties_table)
            .cast::<Value>()
            .add(slot)
    }
}
