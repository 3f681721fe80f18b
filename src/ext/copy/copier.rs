//! Makes copies of values, as `fork()` does of a process's memory.
//!
//! Identity inside the graph is kept: one memo per copy, and a value enters it before its children are copied, or a closure that
//! captures itself would recurse for ever. Strings, enums and arrays without objects are shared.
//!
//! A fatal error (memory) jumps over these frames: what matters, the memo, lies in the copier and not in a frame, and the
//! runner ends after a fatal error anyway.
#![expect(unsafe_code, reason = "builds Zend values")]

use std::ffi::c_void;

use rustc_hash::{FxHashMap, FxHashSet};

use super::rules::Rules;
use super::tables::{self, Variables};
use crate::zend::{self, Entry, Object, Owned, Value, sys};

/// How much one copy made, by kind.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) objects: usize,
    pub(crate) closures: usize,
    pub(crate) arrays: usize,
    pub(crate) shared_arrays: usize,
}

/// Copies values by the rules for their classes.
///
/// What it copies from must not change between two copies, unless the copier is told to forget.
pub(crate) struct Copier {
    pub(super) rules: Rules,
    /// Arrays that hold no object, reference or resource at any depth. What is copied from never changes, so this is found out once.
    pub(super) pure: FxHashMap<*mut sys::HashTable, bool>,
    pub(super) memo: FxHashMap<*mut c_void, *mut c_void>,
    /// Objects that only weak references and maps lead to: no copy has them, as if they were gone.
    pub(super) only_weak: FxHashSet<*mut Object>,
    /// Objects that could not be copied.
    pub(super) failed: FxHashSet<*mut Object>,
    /// Whether the copies' destructors are not to be called.
    pub(super) silent: bool,
    /// Whether PHP's collector was on before the copy began.
    collects: bool,
    /// Copies that are only weakly held so far: kept until the copy is whole.
    pub(super) held: Vec<*mut Object>,
    /// Copies that are still empty, and what they are copies of. A chain of objects is as long as it likes, and a call for each link would
    /// not fit onto the stack.
    pub(super) empty: Vec<(*mut Object, *mut Object)>,
    pub(super) counts: Counts,
}

impl Copier {
    /// Returns a copier that has copied nothing yet. Objects of the classes in `shared` are not copied but shared.
    pub(crate) fn new(shared: &[String]) -> Self {
        Self {
            rules: Rules::new(shared),
            pure: FxHashMap::default(),
            memo: FxHashMap::default(),
            only_weak: FxHashSet::default(),
            failed: FxHashSet::default(),
            silent: false,
            collects: false,
            held: Vec::new(),
            empty: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// Begins one copy: what it contains more than once is copied once. Until its end no code of the application runs, also no destructor
    /// of its garbage.
    pub(crate) fn begin(&mut self) {
        // SAFETY: on the PHP thread; the switch is set back in `end`.
        self.collects = unsafe { sys::gc_enable(false) };
        self.memo.clear();
        self.counts = Counts::default();
    }

    /// Ends the copy: what is still empty is filled, and then it is whole.
    pub(crate) fn end(&mut self) {
        while let Some((new, old)) = self.empty.pop() {
            // SAFETY: on the PHP thread. The old one is live until the copy has ended, by the contract of `owned`.
            unsafe { self.fill(new, old) };
        }
        for object in self.held.drain(..) {
            // SAFETY: on the PHP thread; each was held with one count of ours.
            unsafe { sys::kq_object_release(object) };
        }
        // SAFETY: on the PHP thread, as in `begin`.
        unsafe { sys::gc_enable(self.collects) };
    }

    /// Returns what of these values cannot be copied, as one copy that nobody uses shows.
    ///
    /// # Safety
    /// As for [`Copier::owned`], of each.
    pub(crate) unsafe fn try_copy(&mut self, values: &[*const Value]) -> FxHashSet<*mut Object> {
        self.silent = true;
        self.begin();
        let copies: Vec<Owned> = values
            .iter()
            // SAFETY: this function's contract.
            .map(|value| unsafe { self.owned(*value) })
            .collect();
        self.end();
        self.silent = false;
        drop(copies);
        self.memo.clear();
        std::mem::take(&mut self.failed)
    }

    /// Forgets what was found out about the values that have been copied: they will change.
    pub(crate) fn forget(&mut self) {
        self.memo.clear();
        self.pure.clear();
        self.only_weak.clear();
    }

    /// Remembers the table of static variables that a copy has for another: first-class callables among what is copied use it.
    pub(crate) fn stands_for(&mut self, from: Variables, to: Variables) {
        self.memo.insert(from.cast(), to.cast());
    }

    /// Says whether the copies to come are for nobody: then their objects end without their destructors.
    pub(crate) fn set_silent(&mut self, silent: bool) {
        self.silent = silent;
    }

    /// Returns the rules, for the audit.
    pub(crate) fn rules(&mut self) -> &mut Rules {
        &mut self.rules
    }

    /// Returns what the last copy made.
    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// Takes what the audit has found: the objects to which only weak references and maps lead.
    pub(crate) fn set_only_weak(&mut self, objects: FxHashSet<*mut Object>) {
        self.only_weak = objects;
    }

    /// Returns what copies so far could not copy, although its rule says how: it would be shared if lanes were made of it all the same.
    pub(crate) fn failed(&self) -> &FxHashSet<*mut Object> {
        &self.failed
    }

    /// Copies one value.
    ///
    /// # Safety
    /// On the PHP thread. The value and all that it leads to are live, and nothing changes them before the copy has ended.
    pub(crate) unsafe fn owned(&mut self, from: *const Value) -> Owned {
        // SAFETY: this function's contract.
        Owned::from_raw(unsafe { self.value(from) })
    }

    /// Fills a table of static variables with copies of another's, where the copier finds it again.
    ///
    /// # Safety
    /// As for [`Copier::owned`], of the values in `from`; both are tables of one function.
    pub(crate) unsafe fn fill_table(&mut self, to: Variables, from: Variables) {
        self.stands_for(from, to);
        // SAFETY: this function's contract.
        unsafe { self.table(to, from) };
    }

    /// Fills a table of static variables with copies of another's.
    ///
    /// # Safety
    /// As for [`Copier::fill_table`].
    pub(crate) unsafe fn table(&mut self, to: Variables, from: Variables) {
        // SAFETY: live by this function's contract; tables of one function are of one size.
        let (to, from) = unsafe { (tables::values(to), tables::values(from)) };
        for (to, from) in to.zip(from) {
            // SAFETY: this function's contract.
            let copy = unsafe { self.value(from) };
            // SAFETY: the new table's own value.
            unsafe { replace(to, copy) };
        }
    }

    /// Copies one value, whose count is the caller's.
    ///
    /// # Safety
    /// As for [`Copier::owned`].
    pub(super) unsafe fn value(&mut self, from: *const Value) -> Value {
        match zend::kind(from) {
            // SAFETY: this function's contract, and the type.
            sys::IS_ARRAY => unsafe { self.array(from) },
            // SAFETY: as above.
            sys::IS_OBJECT => object_value(unsafe { self.object(zend::object_of(from)) }),
            // SAFETY: as above.
            sys::IS_REFERENCE => unsafe { self.reference(from) },
            // Scalars, strings and (refused by the audit) resources.
            _ => Owned::copy(from).into_raw(),
        }
    }

    /// Returns the copy that there is already of something counted, with one more count.
    pub(super) fn remembered<T>(&self, old: *mut T) -> Option<*mut T> {
        let new = self.memo.get(&old.cast())?.cast::<T>();
        // SAFETY: on the PHP thread; the memo holds copies that live as long as the copy that is being made.
        unsafe { sys::kq_addref(new.cast()) };
        Some(new)
    }

    /// # Safety
    /// As for [`Copier::owned`]; the value is a reference.
    unsafe fn reference(&mut self, from: *const Value) -> Value {
        // SAFETY: this function's contract.
        let old = unsafe { (*from).value.ref_ };
        let mut copy = zend::undef();
        if let Some(new) = self.remembered(old) {
            zend::set_reference(&raw mut copy, new);
            return copy;
        }
        // SAFETY: on the PHP thread; `copy` has the new one's only count.
        let new = unsafe { sys::kq_new_reference(&raw mut copy) };
        self.memo.insert(old.cast(), new.cast());
        // SAFETY: what the old one holds is live as it is.
        let inner = unsafe { self.value(&raw const (*old).val) };
        // SAFETY: the new one is ours, and holds nothing yet.
        unsafe { (*new).val = inner };
        copy
    }

    /// # Safety
    /// As for [`Copier::owned`]; the value is an array.
    unsafe fn array(&mut self, from: *const Value) -> Value {
        // SAFETY: this function's contract.
        let old = unsafe { (*from).value.arr };
        // SAFETY: as above.
        if unsafe { self.is_pure(old) } {
            self.counts.shared_arrays += 1;
            return Owned::copy(from).into_raw();
        }
        let mut copy = zend::undef();
        if let Some(new) = self.remembered(old) {
            zend::set_array(&raw mut copy, new);
            return copy;
        }
        self.counts.arrays += 1;
        // SAFETY: on the PHP thread; the old one is live.
        let new = unsafe { sys::kq_new_array((*old).nNumOfElements) };
        self.memo.insert(old.cast(), new.cast());
        zend::set_array(&raw mut copy, new);
        // SAFETY: the old one is live; the new one is empty.
        unsafe {
            if sys::kq_is_packed_without_holes(old) {
                sys::zend_hash_real_init_packed(new);
            }
        }
        for entry in zend::entries(old) {
            // SAFETY: what the old one holds is live as it is.
            let value = unsafe { self.value(entry.value) };
            // SAFETY: the new one is ours, and has no such entry yet: those of the old one differ.
            unsafe { add(new, &entry, value) };
        }
        // SAFETY: both are live arrays.
        unsafe { sys::kq_set_next_free(new, sys::kq_next_free(old)) };
        copy
    }

    /// Returns whether an array may be shared: nothing in it can be changed without the array being separated first.
    ///
    /// # Safety
    /// As for [`Copier::owned`].
    unsafe fn is_pure(&mut self, array: *mut sys::HashTable) -> bool {
        // SAFETY: this function's contract.
        if unsafe { sys::kq_gc_flags(array.cast()) } & sys::GC_IMMUTABLE != 0 {
            return true;
        }
        if let Some(pure) = self.pure.get(&array) {
            return *pure;
        }
        // An array cannot contain itself without a reference, which ends the question.
        let pure = zend::entries(array).all(|entry| match zend::kind(entry.value) {
            sys::IS_INDIRECT | sys::IS_REFERENCE | sys::IS_RESOURCE => false,
            // SAFETY: the type says object, which the array keeps alive.
            sys::IS_OBJECT => unsafe {
                (*(*zend::object_of(entry.value)).ce).ce_flags & sys::ZEND_ACC_ENUM != 0
            },
            // SAFETY: the type says array, which the array keeps alive.
            sys::IS_ARRAY => unsafe { self.is_pure((*entry.value).value.arr) },
            _ => true,
        });
        self.pure.insert(array, pure);
        pure
    }
}

/// Returns a value that holds this object, whose count passes over.
pub(super) fn object_value(object: *mut Object) -> Value {
    let mut value = zend::undef();
    zend::set_object(&raw mut value, object);
    value
}

/// Adds a value, whose count passes over, to an array under the key of another array's entry.
///
/// # Safety
/// On the PHP thread; the array is live, nobody else uses it, and it has nothing under this key.
pub(super) unsafe fn add(array: *mut sys::HashTable, entry: &Entry, mut value: Value) {
    // SAFETY: this function's contract; the entry's key is live as its array is.
    unsafe {
        if entry.key.is_null() {
            sys::zend_hash_index_add_new(array, entry.index, &raw mut value);
        } else {
            sys::zend_hash_add_new(array, entry.key, &raw mut value);
        }
    }
}

/// Puts a value, whose count passes over, in the place of another one, which is dropped.
///
/// # Safety
/// On the PHP thread; the place holds a live value that nobody else looks at.
pub(super) unsafe fn replace(place: *mut Value, value: Value) {
    // SAFETY: this function's contract. `u2` stays as it is: it belongs to the table that the place lies in.
    let before = unsafe {
        let before = *place;
        (*place).value = value.value;
        (*place).u1 = value.u1;
        before
    };
    drop(Owned::from_raw(before));
}

/// Binds a reference that is to lie in a typed property to that property's type; null: it has none.
///
/// # Safety
/// On the PHP thread; `value` is a live reference, and the property that of a class that is there until the request ends.
pub(crate) unsafe fn add_type_source(value: &Value, property: *mut sys::zend_property_info) {
    if !property.is_null() {
        // SAFETY: this function's contract.
        unsafe { sys::kq_reference_copy_sources(value.value.ref_, property) };
    }
}
