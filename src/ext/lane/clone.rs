//! The copy of a template's object graph: what `fork()` is to a process, this is to a Laravel application.
//!
//! Identity inside the graph is kept: one memo per copy, and a value enters it before its children are copied, or a closure that
//! captures itself would recurse for ever. Strings, enums and arrays without objects are shared.
//!
//! A fatal error (memory) jumps over these frames: what matters, the memo, lies in the template and not in a frame, and the
//! runner ends after a fatal error anyway.
#![expect(unsafe_code, reason = "builds Zend objects")]

use std::ffi::c_void;
use std::ptr;

use rustc_hash::FxHashMap;

use super::functions::{self, Tables, Variables};
use super::handlers::Handlers;
use super::includes::Included;
use super::own::Own;
use super::rules::{Rule, Rules};
use super::statics::{Slots, Statics};
use super::symbols::Symbols;
use crate::zend::{self, Ending, Object, Owned, Value, sys};

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
            held: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// Nothing yet: for copies of single values.
    pub(crate) fn empty(shared: &[String]) -> Self {
        Self {
            values: Vec::new(),
            tables: Vec::new(),
            symbols: Symbols::empty(0),
            at_end: Vec::new(),
            handlers: None,
            rules: Rules::new(shared),
            pure: FxHashMap::default(),
            memo: FxHashMap::default(),
            held: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// One copy begins: what it contains more than once is copied once.
    pub(crate) fn begin(&mut self) {
        self.memo.clear();
        self.counts = Counts::default();
    }

    /// The copy is whole.
    pub(crate) fn end(&mut self) {
        for object in self.held.drain(..) {
            // SAFETY: each was held with one count.
            unsafe { sys::kq_object_release(object) };
        }
    }

    /// What has been copied will change: nothing that was found out about it holds any more.
    pub(crate) fn forget(&mut self) {
        self.memo.clear();
        self.pure.clear();
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

    /// The copy of an object, with a count for the caller.
    fn object(&mut self, old: *mut Object) -> *mut Object {
        if let Some(new) = self.remembered(old) {
            return new;
        }
        let new = match self.rules.of(old) {
            Rule::Properties => self.plain(old),
            Rule::Closure => self.closure(old),
            Rule::WeakMap => self.weak_map(old),
            Rule::WeakReference => self.weak_reference(old),
            Rule::Clone => self.by_clone(old),
            Rule::State(class) => self.by_state(old, class),
            Rule::Share | Rule::Refuse => None,
        };
        new.unwrap_or_else(|| {
            // SAFETY: shared: one more count on the template's own.
            unsafe { sys::kq_addref(old.cast()) };
            self.memo.insert(old.cast(), old.cast());
            old
        })
    }

    fn plain(&mut self, old: *mut Object) -> Option<*mut Object> {
        // SAFETY: zend_objects_new gives an object of the class with room for its declared slots; they are set before anything looks.
        unsafe {
            let new = sys::zend_objects_new((*old).ce);
            (*new).handlers = (*old).handlers;
            self.counts.objects += 1;
            self.memo.insert(old.cast(), new.cast());
            let slots = (*(*old).ce).default_properties_count;
            for slot in 0..slots as usize {
                *property(new, slot) = zend::undef();
            }
            self.properties(new, old);
            Some(new)
        }
    }

    /// Declared and dynamic properties; the new object's slots hold nothing that needs dropping.
    fn properties(&mut self, new: *mut Object, old: *mut Object) {
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
            let flags = (*function).common.fn_flags;
            let scope = (*function).common.scope;
            let fake = flags & sys::ZEND_ACC_FAKE_CLOSURE != 0;
            let mut holder = zend::undef();
            if fake {
                sys::zend_create_fake_closure(
                    &raw mut holder,
                    function,
                    scope,
                    called_scope,
                    ptr::null_mut(),
                );
            } else {
                sys::zend_create_closure(
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

            let mut old_holder = zend::undef();
            zend::set_object(&raw mut old_holder, old);
            let this = sys::zend_get_closure_this_ptr(&raw mut old_holder);
            if zend::kind(this) == sys::IS_OBJECT {
                let copy = self.object(zend::object_of(this));
                zend::set_object(sys::zend_get_closure_this_ptr(&raw mut holder), copy);
            }
            if fake {
                // It uses the function's own variables: those of the lane, where the template's used the template's.
                let (mut scope, mut new_function) = (ptr::null_mut(), ptr::null_mut());
                sys::kq_closure_parts(new, &raw mut scope, &raw mut new_function);
                let table = sys::kq_closure_variables(function);
                if !table.is_null()
                    && let Some(own) = self.memo.get(&table.cast())
                {
                    (*new_function).op_array.static_variables_ptr__ptr = own.cast();
                }
            } else {
                let (mut scope, mut new_function) = (ptr::null_mut(), ptr::null_mut());
                sys::kq_closure_parts(new, &raw mut scope, &raw mut new_function);
                let from = sys::kq_closure_variables(function);
                let to = sys::kq_closure_variables(new_function);
                if !from.is_null() && !to.is_null() {
                    for entry in zend::entries(from) {
                        let mut copy = zend::undef();
                        self.value(&raw mut copy, entry.value);
                        sys::zend_hash_update(to, entry.key, &raw mut copy);
                    }
                }
            }
            Some(new)
        }
    }

    fn weak_reference(&mut self, old: *mut Object) -> Option<*mut Object> {
        // SAFETY: WeakReference::get and ::create are the engine's own methods.
        unsafe {
            let class = (*old).ce;
            let (ending, referent) = zend::call_method(Some(old), class, "get", &mut []);
            if ending != Ending::Returned || zend::kind(referent.as_ptr()) != sys::IS_OBJECT {
                return None;
            }
            let copy = self.object(zend::object_of(referent.as_ptr()));
            self.held.push(copy);
            let mut argument = zend::undef();
            zend::set_object(&raw mut argument, copy);
            let (ending, made) = zend::call_method(None, class, "create", &mut [argument]);
            if ending != Ending::Returned {
                return None;
            }
            let made = made.into_raw();
            let new = zend::object_of(&raw const made);
            self.memo.insert(old.cast(), new.cast());
            Some(new)
        }
    }

    fn weak_map(&mut self, old: *mut Object) -> Option<*mut Object> {
        extern "C" fn collect(list: *mut c_void, key: *mut Value, value: *mut Value) {
            // SAFETY: `list` is the vector below; the walk runs no PHP code and drops nothing.
            unsafe {
                let list = &mut *list.cast::<Vec<(*mut Object, *mut Value)>>();
                let value = if zend::kind(value) == sys::IS_REFERENCE {
                    &raw mut (*(*value).value.ref_).val
                } else {
                    value
                };
                list.push((zend::object_of(key), value));
            }
        }
        // SAFETY: the map is live and does not change while it is walked; keys are alive, or they would not be in it.
        unsafe {
            let mut holder = zend::undef();
            if sys::object_init_ex(&raw mut holder, (*old).ce) != sys::ZEND_RESULT_CODE_SUCCESS {
                return None;
            }
            let new = zend::object_of(&raw const holder);
            self.counts.objects += 1;
            self.memo.insert(old.cast(), new.cast());
            let mut pairs: Vec<(*mut Object, *mut Value)> = Vec::new();
            sys::kq_weakmap_each(old, Some(collect), (&raw mut pairs).cast());
            for (key, value) in pairs {
                let copy = self.object(key);
                self.held.push(copy);
                let (mut new_key, mut new_value) = (zend::undef(), zend::undef());
                zend::set_object(&raw mut new_key, copy);
                self.value(&raw mut new_value, value);
                sys::kq_weakmap_set(new, &raw mut new_key, &raw mut new_value);
                sys::kq_zval_drop(&raw mut new_value);
            }
            Some(new)
        }
    }

    fn by_clone(&mut self, old: *mut Object) -> Option<*mut Object> {
        // SAFETY: the class's own handler; its declared properties are counted copies of the old ones, which are replaced.
        unsafe {
            let new = sys::kq_clone_internal(old);
            if new.is_null() {
                return None;
            }
            self.counts.objects += 1;
            self.memo.insert(old.cast(), new.cast());
            for slot in 0..(*(*old).ce).default_properties_count as usize {
                sys::kq_zval_drop(property(new, slot));
                *property(new, slot) = zend::undef();
            }
            self.properties(new, old);
            Some(new)
        }
    }

    fn by_state(&mut self, old: *mut Object, class: *mut zend::Class) -> Option<*mut Object> {
        // SAFETY: __serialize and __unserialize are the internal class's own; they run no user code on plain state.
        unsafe {
            let (ending, state) = zend::call_method(Some(old), class, "__serialize", &mut []);
            if ending != Ending::Returned {
                sys::zend_clear_exception();
                return None;
            }
            let mut holder = zend::undef();
            if sys::object_init_ex(&raw mut holder, (*old).ce) != sys::ZEND_RESULT_CODE_SUCCESS {
                return None;
            }
            let new = zend::object_of(&raw const holder);
            self.counts.objects += 1;
            self.memo.insert(old.cast(), new.cast());
            let mut copy = zend::undef();
            self.value(&raw mut copy, state.as_ptr());
            // The state was made for this copy alone: nothing of it may be found again by its address.
            self.forget_state(state.as_ptr());
            let copy = zend::Owned::from_raw(copy);
            let (ending, _) =
                zend::call_method(Some(new), class, "__unserialize", &mut [*copy.as_ptr()]);
            if ending != Ending::Returned {
                sys::zend_clear_exception();
            }
            // Declared properties of subclasses: state has them as "members", but not readonly or typed references.
            Some(new)
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

/// Where an object's declared property lies.
fn property(object: *mut Object, slot: usize) -> *mut Value {
    // SAFETY: callers stay below default_properties_count, for which the object was allocated.
    unsafe {
        (&raw mut (*object).properties_table)
            .cast::<Value>()
            .add(slot)
    }
}

pub(super) fn add_type_source(value: &Value, property: *mut sys::zend_property_info) {
    if !property.is_null() {
        // SAFETY: the value is a reference, the property a typed one.
        unsafe { sys::kq_reference_copy_sources(value.value.ref_, property) };
    }
}
