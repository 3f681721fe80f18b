//! The copy of a template's object graph: what `fork()` is to a process, this is to a Laravel application.
//!
//! Identity inside the graph is kept: one memo per copy, and a value enters it before its children are copied, or a closure that
//! captures itself would recurse for ever. Strings, enums and arrays without objects are shared.
//!
//! A fatal error (memory) jumps over these frames: what matters, the memo, lies in the template and not in a frame, and the
//! runner ends after a fatal error anyway.
#![expect(unsafe_code, reason = "builds Zend objects")]

mod containers;
mod inside;
mod objects;
mod rebuilt;

use std::ffi::c_void;

use rustc_hash::{FxHashMap, FxHashSet};

use super::functions::{self, Tables, Variables};
use super::handlers::Handlers;
use super::includes::Included;
use super::own::Own;
use super::rules::Rules;
use super::statics::{Slots, Statics};
use super::symbols::Symbols;
use crate::zend::{self, Object, Owned, Value, sys};

pub(super) use containers::{referent, weak_entries};
pub(super) use inside::inside;

/// What one copy made.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) objects: usize,
    pub(crate) closures: usize,
    pub(crate) arrays: usize,
    pub(crate) shared_arrays: usize,
}

/// The statics of a booted application in which no job has run, and the rules to copy them.
pub(crate) struct Template {
    values: Vec<Value>,
    tables: Vec<Variables>,
    symbols: Symbols,
    at_end: Vec<Vec<Owned>>,
    handlers: Option<Handlers>,
    rules: Rules,
    /// Arrays of the template that hold no object, reference or resource at any depth. They never change, so this is found out once.
    pure: FxHashMap<*mut sys::HashTable, bool>,
    memo: FxHashMap<*mut c_void, *mut c_void>,
    /// Objects that only weak references and maps lead to: no copy has them, as if they were gone.
    only_weak: FxHashSet<*mut Object>,
    /// Objects that could not be copied.
    failed: FxHashSet<*mut Object>,
    /// Whether the copies' destructors are not to be called.
    silent: bool,
    /// Whether PHP's collector was on before the copy began.
    collects: bool,
    /// Copies that are only weakly held so far: kept until the copy is whole.
    held: Vec<*mut Object>,
    counts: Counts,
}

impl Template {
    /// Takes over a lane's statics as the template.
    pub(crate) fn new(own: Own, shared: &[String]) -> Self {
        Self {
            values: own.statics.into_values(),
            tables: own.functions.into_tables(),
            symbols: own.symbols,
            at_end: own.at_end,
            handlers: own.handlers,
            rules: Rules::new(shared),
            pure: FxHashMap::default(),
            memo: FxHashMap::default(),
            only_weak: FxHashSet::default(),
            failed: FxHashSet::default(),
            silent: false,
            collects: false,
            held: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// Nothing yet: for copies of single values.
    pub(crate) fn empty(shared: &[String]) -> Self {
        Self::new(Own::empty(), shared)
    }

    /// One copy begins: what it contains more than once is copied once. Until its end no code of the application runs, also no destructor
    /// of its garbage.
    pub(crate) fn begin(&mut self) {
        // SAFETY: on the PHP thread; given back at the end.
        self.collects = unsafe { sys::gc_enable(false) };
        self.memo.clear();
        self.counts = Counts::default();
    }

    /// The copy is whole.
    pub(crate) fn end(&mut self) {
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

    /// Fills a table of static variables with copies of another's.
    pub(crate) fn fill_table(&mut self, to: Variables, from: Variables) {
        self.memo.insert(from.cast(), to.cast());
        self.table(to, from);
    }

    /// Gives back what it took over.
    pub(crate) fn into_own(self) -> Own {
        Own {
            statics: Statics::from_values(self.values),
            functions: Tables::from_tables(self.tables),
            symbols: self.symbols,
            at_end: self.at_end,
            handlers: self.handlers,
            included: Included::default(),
        }
    }

    /// The end of a template that was made of the live values: the tables of functions are the functions' own.
    pub(crate) fn let_go(mut self) {
        self.tables.clear();
        drop(self.into_own());
    }

    /// The handlers that lanes begin with, if they have others than the process.
    pub(crate) fn handlers(&self) -> Option<&Handlers> {
        self.handlers.as_ref()
    }

    /// The template's static variables, by function; null: none used yet.
    pub(crate) fn tables(&self) -> &[Variables] {
        &self.tables
    }

    /// The calls that the template has registered for its end.
    pub(crate) fn at_end(&self) -> &[Vec<Owned>] {
        &self.at_end
    }

    /// The template's global variables.
    pub(crate) fn symbols(&mut self) -> *mut sys::HashTable {
        self.symbols.table()
    }

    /// The template's values, by slot.
    pub(crate) fn values(&self) -> &[Value] {
        &self.values
    }

    /// The rules, for the audit.
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

    /// A copy that nobody will use: its objects end without their destructors.
    pub(crate) fn clone_silently(&mut self, slots: &mut Slots) -> Own {
        self.silent = true;
        let own = self.clone_own(slots);
        self.silent = false;
        own
    }

    /// Copies everything for a new lane.
    pub(crate) fn clone_own(&mut self, slots: &mut Slots) -> Own {
        self.begin();
        let tables = self.prepare_tables(slots);
        let mut values = Vec::with_capacity(self.values.len() + 32);
        for index in 0..self.values.len() {
            let source = &raw const self.values[index];
            let mut copy = zend::undef();
            self.value(&raw mut copy, source);
            if zend::kind(&raw const copy) == sys::IS_REFERENCE {
                add_type_source(&copy, slots.typed_property(index));
            }
            values.push(copy);
        }
        // Without those of functions that came after the template.
        for (from, to) in self.tables.clone().into_iter().zip(&tables) {
            self.table(*to, from);
        }
        let symbols = self.globals();
        let at_end = self.calls();
        let handlers = self.handlers.take();
        let copies = handlers
            .as_ref()
            .map(|handlers| handlers.map(|handler| self.owned(handler)));
        self.handlers = handlers;
        self.end();
        Own {
            statics: Statics::from_values(values),
            functions: Tables::from_tables(tables),
            symbols,
            at_end,
            handlers: copies,
            included: Included::default(),
        }
    }

    /// A copy of one value.
    pub(crate) fn owned(&mut self, from: *const Value) -> Owned {
        let mut copy = zend::undef();
        self.value(&raw mut copy, from);
        Owned::from_raw(copy)
    }

    fn calls(&mut self) -> Vec<Vec<Owned>> {
        let calls: Vec<Vec<*mut Value>> = self
            .at_end
            .iter()
            .map(|call| call.iter().map(Owned::as_ptr).collect())
            .collect();
        calls
            .into_iter()
            .map(|call| call.into_iter().map(|value| self.owned(value)).collect())
            .collect()
    }

    /// Tables for the copy, remembered before anything is copied: first-class callables in the graph use them.
    fn prepare_tables(&mut self, slots: &mut Slots) -> Vec<Variables> {
        let mut tables = Vec::with_capacity(slots.functions.len());
        for index in 0..self.tables.len() {
            let table = self.tables[index];
            if table.is_null() {
                tables.push(slots.functions.declared_one(index));
                continue;
            }
            let new = slots.functions.spare(index, table);
            self.memo.insert(table.cast(), new.cast());
            tables.push(new);
        }
        tables
    }

    fn table(&mut self, to: Variables, from: Variables) {
        if from.is_null() {
            return;
        }
        for (to, from) in functions::values(to).zip(functions::values(from)) {
            let mut copy = zend::undef();
            self.value(&raw mut copy, from);
            // SAFETY: the new table's value gives way to the copy.
            unsafe {
                sys::kq_zval_drop(to);
                *to = copy;
            }
        }
    }

    fn globals(&mut self) -> Symbols {
        let from = self.symbols.table();
        // SAFETY: the template's own table, which nothing changes.
        let mut symbols = Symbols::empty(unsafe { (*from).nNumOfElements });
        for entry in zend::entries(from) {
            let mut copy = zend::undef();
            self.value(&raw mut copy, entry.value);
            // SAFETY: names are unique in a table, and the new one owns the copy.
            unsafe { sys::zend_hash_add_new(symbols.table(), entry.key, &raw mut copy) };
        }
        symbols
    }

    fn value(&mut self, to: *mut Value, from: *const Value) {
        match zend::kind(from) {
            sys::IS_ARRAY => self.array(to, from),
            sys::IS_OBJECT => zend::set_object(to, self.object(zend::object_of(from))),
            sys::IS_REFERENCE => self.reference(to, from),
            // SAFETY: scalars, strings and (refused by the audit) resources: a counted copy.
            _ => unsafe { sys::kq_zval_copy(to, from) },
        }
    }

    fn remembered<T>(&self, old: *mut T) -> Option<*mut T> {
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

pub(super) fn add_type_source(value: &Value, property: *mut sys::zend_property_info) {
    if !property.is_null() {
        // SAFETY: the value is a reference, the property a typed one.
        unsafe { sys::kq_reference_copy_sources(value.value.ref_, property) };
    }
}
