//! The exchange of static properties: each lane has its own, as each process has.
//!
//! Contents are exchanged in place, slot by slot, never the table: opcodes cache a slot's address.
//!
//! Invariant: while no lane runs, the slots hold the base's values and each lane its own in `values`; while a lane runs, its
//! `values` hold the base's.
#![expect(unsafe_code, reason = "reads and writes classes' static tables")]

use std::ptr;

use rustc_hash::FxHashSet;

use super::functions::Functions;
use super::included::Running;
use super::late::Late;
use crate::copy::copier;
use crate::zend::{self, Class, Value, sys};

/// All static properties of user classes in this process, in the order in which their classes came.
#[derive(Default)]
pub(crate) struct StaticProperties {
    slots: Vec<Slot>,
    known: FxHashSet<*mut Class>,
    /// How much of the class table has been looked at.
    seen: u32,
    /// Declared but not linked yet (a class inside a condition), or in a file that is still running: looked at again.
    unlinked: Vec<*mut Class>,
}

#[derive(Clone, Copy)]
struct Slot {
    live: *mut Value,
    class: *mut Class,
    index: u32,
}

/// One lane's values, by slot.
#[derive(Default)]
pub(crate) struct Statics {
    values: Vec<Value>,
    /// Slots whose value may still be a constant expression, here or in what is live.
    unevaluated: Vec<usize>,
}

impl StaticProperties {
    /// Returns how many slots there are.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Takes in classes that were loaded since the last look, and gives their methods to `functions`.
    pub(crate) fn scan(&mut self, functions: &mut Functions, running: &Running) {
        // SAFETY: the class table is alive for the whole request; entries are class pointers or aliases of them.
        let (table, used) = unsafe {
            let table = sys::executor_globals.class_table;
            (table, (*table).nNumUsed)
        };
        if used == self.seen && self.unlinked.is_empty() {
            return;
        }
        for class in std::mem::take(&mut self.unlinked) {
            // SAFETY: on the PHP thread; it was met in the class table, and classes live until the request ends.
            unsafe { self.take_in(class, functions, running) };
        }
        // The table shrinks only when a failed declaration is compacted away; `known` makes a full look harmless.
        let start = if used < self.seen { 0 } else { self.seen };
        for position in start..used {
            // SAFETY: positions below nNumUsed are initialised; the class table is never packed.
            let class = unsafe {
                let bucket = (*table).__bindgen_anon_1.arData.add(position as usize);
                if zend::kind(&raw const (*bucket).val) != sys::IS_PTR {
                    continue;
                }
                (*bucket).val.value.ce
            };
            // SAFETY: on the PHP thread; from the class table.
            unsafe { self.take_in(class, functions, running) };
        }
        self.seen = used;
    }

    /// Takes in a class, if it has static properties or methods with static variables, and is whole.
    ///
    /// # Safety
    /// On the PHP thread; a class of the class table.
    unsafe fn take_in(&mut self, class: *mut Class, functions: &mut Functions, running: &Running) {
        // SAFETY: this function's contract.
        let entry = unsafe { &*class };
        let count = entry.default_static_members_count;
        if u32::from(entry.type_ as u8) != sys::ZEND_USER_CLASS
            || (count == 0
                && entry.ce_flags & sys::ZEND_HAS_STATIC_IN_METHODS == 0
                && !may_gain(entry))
            || self.known.contains(&class)
        {
            return;
        }
        // SAFETY: a user class, which names the file that it is declared in.
        let file = unsafe { entry.info.user.filename };
        // SAFETY: a live class's.
        let is_running = unsafe { running.has(file) };
        if entry.ce_flags & sys::ZEND_ACC_LINKED == 0 || is_running {
            self.unlinked.push(class);
            return;
        }
        self.known.insert(class);
        // A trait's statics belong to the classes that use it; Composer's autoloader belongs to the process.
        if entry.ce_flags & sys::ZEND_ACC_TRAIT != 0
            || zend::text(entry.name).starts_with(b"Composer\\")
        {
            return;
        }
        // SAFETY: linked, and of the class table.
        unsafe { functions.take_in_methods(class) };
        if count == 0 {
            return;
        }
        // Linked classes have a table of defaults. What they inherit is their parent's.
        let defaults = entry.default_static_members_table;
        let is_own = |index: &u32| {
            let default = defaults.wrapping_add(*index as usize);
            zend::kind(default) != sys::IS_INDIRECT
        };
        let own: Vec<u32> = (0..count as u32).filter(is_own).collect();
        if own.is_empty() {
            return;
        }
        // SAFETY: a linked class; its live table is made on demand, has as many places, and never moves again.
        let table = unsafe { sys::kq_static_members(class) };
        self.slots.extend(own.into_iter().map(|index| Slot {
            live: table.wrapping_add(index as usize),
            class,
            index,
        }));
    }

    /// Returns the name of a slot, for people: "Foo\Bar::$name".
    pub(crate) fn name(&self, slot: usize) -> String {
        let slot = self.slots[slot];
        let class = zend::class_name(slot.class);
        match slot.declaration() {
            Some((name, _)) => {
                let name = String::from_utf8_lossy(zend::text(name));
                format!("{class}::${name}")
            }
            None => format!("{class}::(static {})", slot.index),
        }
    }

    /// Returns the places of the live values, slot by slot. They stay there until the request ends.
    pub(crate) fn live(&self) -> impl Iterator<Item = *const Value> {
        self.slots.iter().map(|slot| slot.live.cast_const())
    }

    /// Returns the slots from `first` on that a file has left otherwise than its classes declare them.
    ///
    /// # Safety
    /// `file` is live.
    pub(crate) unsafe fn changed_by(
        &self,
        file: *const sys::zend_string,
        first: usize,
    ) -> Vec<usize> {
        (first..self.slots.len())
            .filter(|index| {
                let slot = self.slots[*index];
                // SAFETY: this function's contract.
                let is_of = unsafe { slot.is_of(file) };
                is_of && !slot.is_as_declared()
            })
            .collect()
    }

    /// Returns the place of a slot's live value.
    pub(crate) fn live_one(&self, slot: usize) -> *const Value {
        self.slots[slot].live
    }

    /// Binds a copy that is to lie in a slot to the slot's declared type, if it is a reference.
    pub(crate) fn bind_type(&self, slot: usize, value: &Value) {
        self.slots[slot].bind_type(value);
    }
}

impl Slot {
    /// Returns the place of the value in the class's declaration.
    fn default(self) -> *mut Value {
        // SAFETY: a linked class's table of defaults has as many entries as its live one, and belongs to the class.
        unsafe {
            (*self.class)
                .default_static_members_table
                .add(self.index as usize)
        }
    }

    /// Returns whether the slot's class is declared in this file.
    ///
    /// # Safety
    /// `file` is live.
    unsafe fn is_of(self, file: *const sys::zend_string) -> bool {
        // SAFETY: slots are of user classes, which name the file that they are declared in.
        let own = unsafe { (*self.class).info.user.filename };
        own.cast_const() == file || zend::text(own) == zend::text(file)
    }

    /// Returns a value as declared.
    fn declared(self) -> Value {
        let mut value = zend::undef();
        // SAFETY: the copy takes a count.
        unsafe { sys::kq_zval_copy(&raw mut value, self.default()) };
        value
    }

    /// Returns whether the live value still is the declared one, as far as that can be told without a look into it.
    fn is_as_declared(self) -> bool {
        let (live, default) = (self.live, self.default());
        // SAFETY: both are values of the class.
        unsafe {
            let kind = zend::kind(live);
            // Null and booleans are their kind, and have no value beside it.
            kind == zend::kind(default)
                && (kind <= sys::IS_TRUE || (*live).value.lval == (*default).value.lval)
        }
    }

    /// Returns the name and the declaration of the slot's property.
    fn declaration(self) -> Option<(*const sys::zend_string, *mut sys::zend_property_info)> {
        // SAFETY: classes of slots are there until the request ends; nothing changes their tables of properties.
        let table = unsafe { &raw const (*self.class).properties_info };
        zend::entries(table).find_map(|entry| {
            // SAFETY: values of such a table point to descriptions of properties, which live as long as their classes.
            let info = unsafe { (*entry.value).value.ptr.cast::<sys::zend_property_info>() };
            // SAFETY: as above. Static properties have their slot as offset.
            let (flags, offset) = unsafe { ((*info).flags, (*info).offset) };
            (flags & sys::ZEND_ACC_STATIC != 0 && offset == self.index && !entry.key.is_null())
                .then_some((entry.key.cast_const(), info))
        })
    }

    /// Returns the declaration of the slot's property, if it has a type; else null.
    fn typed_property(self) -> *mut sys::zend_property_info {
        let Some((_, info)) = self.declaration() else {
            return ptr::null_mut();
        };
        // SAFETY: as in `declaration`; a type's mask or pointer that is not zero means "typed".
        let typed = unsafe { !(*info).type_.ptr.is_null() || (*info).type_.type_mask != 0 };
        if typed { info } else { ptr::null_mut() }
    }

    /// Binds a reference, which is to lie in this slot, to the slot's declared type.
    fn bind_type(self, value: &Value) {
        if zend::kind(value) == sys::IS_REFERENCE {
            // SAFETY: on the PHP thread; a reference, and a property of a class that is there until the request ends.
            unsafe { copier::add_type_source(value, self.typed_property()) };
        }
    }

    /// Drops a value of this slot. A reference that other holders keep is no longer bound to the slot's type.
    fn drop(self, value: &mut Value) {
        if zend::kind(&raw const *value) == sys::IS_REFERENCE {
            let property = self.typed_property();
            if !property.is_null() {
                // SAFETY: the engine, or the copy, has bound the reference in a typed slot to that slot's declaration.
                unsafe { sys::kq_reference_drop_source(value.value.ref_, property) };
            }
        }
        // SAFETY: the caller's own count.
        unsafe { sys::kq_zval_drop(value) };
    }
}

/// Returns whether a class may have more than it shows before it is linked: from its traits, or in property hooks.
fn may_gain(class: &Class) -> bool {
    // SAFETY: the shim reads the class entry.
    class.num_traits > 0 || unsafe { sys::kq_has_hooked_properties(class) }
}

/// Evaluates a constant expression in place, if the engine takes the class's for evaluated: then it has been, in another lane. Before
/// that the engine evaluates it when it is used, as in any process.
fn evaluate_if_due(value: &mut Value, slot: Slot) {
    if zend::kind(value) != sys::IS_CONSTANT_AST {
        return;
    }
    // SAFETY: on the PHP thread; classes of slots are there until the request ends.
    if !unsafe { sys::kq_constants_evaluated(slot.class) } {
        return;
    }
    // SAFETY: as above; the value is a lane's own.
    let evaluated = unsafe { sys::zval_update_constant_ex(value, slot.class) };
    if evaluated != sys::ZEND_RESULT_CODE_SUCCESS {
        // SAFETY: on the PHP thread; the exception is the expression's.
        unsafe { sys::zend_clear_exception() };
    }
}

impl Statics {
    /// Returns values of which every slot is as declared.
    pub(crate) fn declared() -> Self {
        Self::default()
    }

    /// Copies the live values, each with a count of its own.
    pub(crate) fn live(slots: &StaticProperties) -> Self {
        let copy = |slot: &Slot| {
            let mut value = zend::undef();
            // SAFETY: `live` points into a class's static table, which stays where it is until the request ends.
            unsafe { sys::kq_zval_copy(&raw mut value, slot.live) };
            value
        };
        Self::from_values(slots.slots.iter().map(copy).collect())
    }

    /// Takes these values, slot by slot.
    pub(crate) fn from_values(values: Vec<Value>) -> Self {
        let is_expression = |value: &Value| zend::kind(value) == sys::IS_CONSTANT_AST;
        let unevaluated = (0..values.len()).filter(|index| is_expression(&values[*index]));
        Self {
            unevaluated: unevaluated.collect(),
            values,
        }
    }

    /// Returns how many there are.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// Exchanges these with the live ones.
    pub(crate) fn exchange(&mut self, slots: &StaticProperties) {
        for index in &self.unevaluated {
            evaluate_if_due(&mut self.values[*index], slots.slots[*index]);
        }
        let values = &self.values;
        self.unevaluated.retain(|index| {
            let other = slots.slots[*index].live;
            [&raw const values[*index], other]
                .iter()
                .any(|value| zend::kind(*value) == sys::IS_CONSTANT_AST)
        });
        for (slot, value) in slots.slots.iter().zip(&mut self.values) {
            // SAFETY: `live` points into a class's static table, which lives and stays where it is until the request ends.
            unsafe { ptr::swap(slot.live, value) };
        }
    }

    /// Adds values for classes that came since the last exchange: as their files have left them, else as declared; for a lane that goes
    /// on, and (when the lane that loaded them leaves) for the base.
    pub(crate) fn grow(&mut self, slots: &StaticProperties, late: &mut Late) {
        for index in self.values.len()..slots.slots.len() {
            let slot = slots.slots[index];
            let value = match late.value(index) {
                Some(value) => {
                    slot.bind_type(&value);
                    value
                }
                None => slot.declared(),
            };
            if zend::kind(&raw const value) == sys::IS_CONSTANT_AST {
                self.unevaluated.push(index);
            }
            self.values.push(value);
        }
    }

    /// Gives away the values of an ended lane.
    pub(crate) fn into_values(mut self) -> Vec<Value> {
        std::mem::take(&mut self.values)
    }

    /// Drops the values of an ended lane that were not dropped while they were live.
    pub(crate) fn retire(&mut self, slots: &StaticProperties) {
        for (slot, mut value) in slots.slots.iter().zip(self.values.drain(..)) {
            slot.drop(&mut value);
        }
    }
}

/// Drops the values of the lane that is running, destructors and all. The lane runs no other code afterwards.
///
/// What holds objects goes first: their destructors still find names, numbers and settings.
///
/// # Safety
/// On the PHP thread, in a lane; the table of properties outlives the call, and nobody keeps a reference into it meanwhile.
pub(crate) unsafe fn drop_live(properties: *const StaticProperties) {
    for holders in [true, false] {
        // A destructor may wait, and other lanes may load classes meanwhile: so the table is read anew for each slot.
        let mut index = 0;
        loop {
            // SAFETY: this function's contract; the borrow ends with the copy below.
            let slots = unsafe { &(*properties).slots };
            let slot = slots.get(index).copied();
            let Some(slot) = slot else { break };
            index += 1;
            let holds = matches!(
                zend::kind(slot.live),
                sys::IS_OBJECT | sys::IS_ARRAY | sys::IS_REFERENCE
            );
            if holds != holders {
                continue;
            }
            // SAFETY: a slot's live value stays where it is until the request ends.
            let mut value = unsafe { *slot.live };
            // It is taken out of its slot before it is dropped, so a destructor that looks sees null and not a freed value.
            // SAFETY: as above; the value's count is ours now.
            unsafe { sys::kq_zval_null(slot.live) };
            slot.drop(&mut value);
            if zend::has_exception() {
                // SAFETY: on the PHP thread; the exception is a destructor's.
                unsafe { sys::zend_clear_exception() };
            }
        }
    }
}

impl Drop for Statics {
    fn drop(&mut self) {
        for value in &mut self.values {
            // SAFETY: an ended lane's own values, each with one count.
            unsafe { sys::kq_zval_drop(value) };
        }
    }
}
