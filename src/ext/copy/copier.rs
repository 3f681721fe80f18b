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
use crate::zend::{self, Object, Owned, Value, sys};

/// What one copy made.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) objects: usize,
    pub(crate) closures: usize,
    pub(crate) arrays: usize,
    pub(crate) shared_arrays: usize,
}

/// Copies values by the rules for their classes. What it copies from must not change between two copies, unless it is told to forget.
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

    /// One copy begins: what it contains more than once is copied once. Until its end no code of the application runs, also no destructor
    /// of its garbage.
    pub(crate) fn begin(&mut self) {
        // SAFETY: on the PHP thread; given back at the end.
        self.collects = unsafe { sys::gc_enable(false) };
        self.memo.clear();
        self.counts = Counts::default();
    }

    /// The copy is whole, when what is still empty has been filled.
    pub(crate) fn end(&mut self) {
        while let Some((new, old)) = self.empty.pop() {
            self.fill(new, old);
        }
        for object in self.held.drain(..) {
            // SAFETY: each was held with one count.
            unsafe { sys::kq_object_release(object) };
        }
        // SAFETY: as at the beginning.
        unsafe { sys::gc_enable(self.collects) };
    }

    /// What of these values cannot be copied, as one copy that nobody uses shows.
    pub(crate) fn try_copy(&mut self, values: &[*const Value]) -> FxHashSet<*mut Object> {
        self.silent = true;
        self.begin();
        let copies: Vec<Owned> = values.iter().map(|value| self.owned(*value)).collect();
        self.end();
        self.silent = false;
        drop(copies);
        self.memo.clear();
        std::mem::take(&mut self.failed)
    }

    /// What has been copied will change: nothing that was found out about it holds any more.
    pub(crate) fn forget(&mut self) {
        self.memo.clear();
        self.pure.clear();
        self.only_weak.clear();
    }

    /// Fills a table of static variables with copies of another's, where the copier finds it again.
    ///
    /// # Safety
    /// Both are live tables of one function.
    pub(crate) unsafe fn fill_table(&mut self, to: Variables, from: Variables) {
        self.stands_for(from, to);
        // SAFETY: this function's contract.
        unsafe { self.table(to, from) };
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

    /// What the last copy made.
    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// The audit has found what only weak references and maps lead to.
    pub(crate) fn set_only_weak(&mut self, objects: FxHashSet<*mut Object>) {
        self.only_weak = objects;
    }

    /// What copies so far could not copy, although its rule says how: shared if lanes were copied all the same.
    pub(crate) fn failed(&self) -> &FxHashSet<*mut Object> {
        &self.failed
    }

    /// A copy of one value.
    pub(crate) fn owned(&mut self, from: *const Value) -> Owned {
        let mut copy = zend::undef();
        self.value(&raw mut copy, from);
        Owned::from_raw(copy)
    }

    /// Fills a table of static variables with copies of another's.
    ///
    /// # Safety
    /// Both are live tables of one function.
    pub(crate) unsafe fn table(&mut self, to: Variables, from: Variables) {
        // SAFETY: this function's contract.
        let (to, from) = unsafe { (tables::values(to), tables::values(from)) };
        for (to, from) in to.zip(from) {
            let mut copy = zend::undef();
            self.value(&raw mut copy, from);
            // SAFETY: the new table's value gives way to the copy.
            unsafe {
                sys::kq_zval_drop(to);
                *to = copy;
            }
        }
    }

    pub(super) fn value(&mut self, to: *mut Value, from: *const Value) {
        match zend::kind(from) {
            sys::IS_ARRAY => self.array(to, from),
            sys::IS_OBJECT => zend::set_object(to, self.object(zend::object_of(from))),
            sys::IS_REFERENCE => self.reference(to, from),
            // SAFETY: scalars, strings and (refused by the audit) resources: a counted copy.
            _ => unsafe { sys::kq_zval_copy(to, from) },
        }
    }

    pub(super) fn remembered<T>(&self, old: *mut T) -> Option<*mut T> {
        let new = self.memo.get(&old.cast())?.cast::<T>();
        // SAFETY: the memo holds live copies; each use takes a count.
        unsafe { sys::kq_addref(new.cast()) };
        Some(new)
    }

    fn reference(&mut self, to: *mut Value, from: *const Value) {
        // SAFETY: the type says reference; the new one is owned by `to`.
        unsafe {
            let old = (*from).value.ref_;
            if let Some(new) = self.remembered(old) {
                zend::set_reference(to, new);
                return;
            }
            let new = sys::kq_new_reference(to);
            self.memo.insert(old.cast(), new.cast());
            let mut inner = zend::undef();
            self.value(&raw mut inner, &raw const (*old).val);
            (*new).val = inner;
        }
    }

    fn array(&mut self, to: *mut Value, from: *const Value) {
        // SAFETY: the type says array. The new one is filled before anyone else sees it.
        unsafe {
            let old = (*from).value.arr;
            if self.is_pure(old) {
                self.counts.shared_arrays += 1;
                sys::kq_zval_copy(to, from);
                return;
            }
            if let Some(new) = self.remembered(old) {
                zend::set_array(to, new);
                return;
            }
            self.counts.arrays += 1;
            let new = sys::kq_new_array((*old).nNumOfElements);
            self.memo.insert(old.cast(), new.cast());
            zend::set_array(to, new);
            if sys::kq_is_packed_without_holes(old) {
                sys::zend_hash_real_init_packed(new);
            }
            for entry in zend::entries(old) {
                let mut copy = zend::undef();
                self.value(&raw mut copy, entry.value);
                if entry.key.is_null() {
                    sys::zend_hash_index_add_new(new, entry.index, &raw mut copy);
                } else {
                    sys::zend_hash_add_new(new, entry.key, &raw mut copy);
                }
            }
            sys::kq_set_next_free(new, sys::kq_next_free(old));
        }
    }

    /// Whether an array may be shared: nothing in it can be changed without the array being separated first.
    fn is_pure(&mut self, array: *mut sys::HashTable) -> bool {
        // SAFETY: a live array of the template.
        if unsafe { sys::kq_gc_flags(array.cast()) } & sys::GC_IMMUTABLE != 0 {
            return true;
        }
        if let Some(pure) = self.pure.get(&array) {
            return *pure;
        }
        // An array cannot contain itself without a reference, which ends the question.
        let pure = zend::entries(array).all(|entry| match zend::kind(entry.value) {
            sys::IS_INDIRECT | sys::IS_REFERENCE | sys::IS_RESOURCE => false,
            // SAFETY: the types say object and array.
            sys::IS_OBJECT => unsafe {
                (*(*zend::object_of(entry.value)).ce).ce_flags & sys::ZEND_ACC_ENUM != 0
            },
            // SAFETY: as above.
            sys::IS_ARRAY => self.is_pure(unsafe { (*entry.value).value.arr }),
            _ => true,
        });
        self.pure.insert(array, pure);
        pure
    }
}

pub(crate) fn add_type_source(value: &Value, property: *mut sys::zend_property_info) {
    if !property.is_null() {
        // SAFETY: the value is a reference, the property a typed one.
        unsafe { sys::kq_reference_copy_sources(value.value.ref_, property) };
    }
}
