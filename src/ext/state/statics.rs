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
    /// How many slots there are.
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
            self.take_in(class, functions, running);
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
            self.take_in(class, functions, running);
        }
        self.seen = used;
    }

    fn take_in(&mut self, class: *mut Class, functions: &mut Functions, running: &Running) {
        // SAFETY: a class entry of the class table.
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
        if entry.ce_flags & sys::ZEND_ACC_LINKED == 0 || running.has(file) {
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
        functions.take_in_methods(class);
        if count == 0 {
            return;
        }
        // SAFETY: linked classes have a table of defaults; their live table is made on demand and never moves again.
        unsafe {
            let own: Vec<u32> = (0..count as u32)
                .filter(|index| {
                    zend::kind(entry.default_static_members_table.add(*index as usize))
                        != sys::IS_INDIRECT
                })
                .collect();
            if own.is_empty() {
                return;
            }
            let table = sys::kq_static_members(class);
            for index in own {
                let live = table.add(index as usize);
                self.slots.push(Slot { live, class, index });
            }
        }
    }

    /// The name of a slot, for people: "Foo\Bar::$name".
    pub(crate) fn name(&self, slot: usize) -> String {
        let Slot { class, index, .. } = self.slots[slot];
        // SAFETY: class entries outlive the request's lanes; static properties carry their slot as offset.
        let table = unsafe { &raw const (*class).properties_info };
        for entry in zend::entries(table) {
            // SAFETY: values of properties_info are zend_property_info pointers.
            unsafe {
                let info = (*entry.value).value.ptr.cast::<sys::zend_property_info>();
                if (*info).flags & sys::ZEND_ACC_STATIC != 0
                    && (*info).offset == index
                    && !entry.key.is_null()
                {
                    let name = String::from_utf8_lossy(zend::text(entry.key)).into_owned();
                    return format!("{}::${name}", zend::class_name(class));
                }
            }
        }
        format!("{}::(static {index})", zend::class_name(class))
    }

    /// Returns the places of the live values, slot by slot. They stay there until the request ends.
    pub(crate) fn live(&self) -> impl Iterator<Item = *const Value> {
        self.slots.iter().map(|slot| slot.live.cast_const())
    }

    /// Returns the slots from `first` on that a file has left otherwise than its classes declare them.
    pub(crate) fn changed_by(&self, file: *const sys::zend_string, first: usize) -> Vec<usize> {
        (first..self.slots.len())
            .filter(|index| {
                let slot = self.slots[*index];
                slot.is_of(file) && !slot.is_as_declared()
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
    /// The value in the class's declaration.
    fn default(self) -> *mut Value {
        // SAFETY: a linked class's table of defaults has as many entries as its live one, and belongs to the class.
        unsafe {
            (*self.class)
                .default_static_members_table
                .add(self.index as usize)
        }
    }

    /// Whether its class is declared in this file.
    fn is_of(self, file: *const sys::zend_string) -> bool {
        // SAFETY: slots are of user classes, which name the file that they are declared in.
        let own = unsafe { (*self.class).info.user.filename };
        own.cast_const() == file || zend::text(own) == zend::text(file)
    }

    /// A value as declared.
    fn declared(self) -> Value {
        let mut value = zend::undef();
        // SAFETY: the copy takes a count.
        unsafe { sys::kq_zval_copy(&raw mut value, self.default()) };
        value
    }

    /// Whether the live value still is the declared one, as far as that can be told without a look into it.
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

    fn typed_property(self) -> *mut sys::zend_property_info {
        let Self { class, index, .. } = self;
        // SAFETY: as in `Slots::name`.
        let table = unsafe { &raw const (*class).properties_info };
        for entry in zend::entries(table) {
            // SAFETY: as in `name`; a type mask or pointer that is not zero means "typed".
            unsafe {
                let info = (*entry.value).value.ptr.cast::<sys::zend_property_info>();
                if (*info).flags & sys::ZEND_ACC_STATIC != 0 && (*info).offset == index {
                    let typed = !(*info).type_.ptr.is_null() || (*info).type_.type_mask != 0;
                    return if typed { info } else { ptr::null_mut() };
                }
            }
        }
        ptr::null_mut()
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

/// Whether a class may have more than it shows before it is linked: from its traits, or in property hooks.
fn may_gain(class: &Class) -> bool {
    // SAFETY: the shim reads the class entry.
    class.num_traits > 0 || unsafe { sys::kq_has_hooked_properties(class) }
}

/// Evaluates a constant expression in place, if the engine takes the class's for evaluated: then it has been, in another lane. Before
/// that the engine evaluates it when it is used, as in any process.
fn evaluate_if_due(value: *mut Value, class: *mut Class) {
    if zend::kind(value) != sys::IS_CONSTANT_AST {
        return;
    }
    // SAFETY: the class is alive; the value is ours or live. An exception in the expression is cleared.
    unsafe {
        if sys::kq_constants_evaluated(class)
            && sys::zval_update_constant_ex(value, class) != sys::ZEND_RESULT_CODE_SUCCESS
        {
            sys::zend_clear_exception();
        }
    }
}

impl Statics {
    /// Every slot as declared.
    pub(crate) fn declared() -> Self {
        Self::default()
    }

    /// Copies of the live values, each with a count of its own.
    pub(crate) fn live(slots: &StaticProperties) -> Self {
        let copy = |slot: &Slot| {
            let mut value = zend::undef();
            // SAFETY: `live` points into a class's static table, which stays where it is until the request ends.
            unsafe { sys::kq_zval_copy(&raw mut value, slot.live) };
            value
        };
        Self::from_values(slots.slots.iter().map(copy).collect())
    }

    /// These values, slot by slot.
    pub(crate) fn from_values(values: Vec<Value>) -> Self {
        let is_expression = |value: &Value| zend::kind(value) == sys::IS_CONSTANT_AST;
        let unevaluated = (0..values.len()).filter(|index| is_expression(&values[*index]));
        Self {
            unevaluated: unevaluated.collect(),
            values,
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// Exchanges these with the live ones.
    pub(crate) fn exchange(&mut self, slots: &StaticProperties) {
        for index in &self.unevaluated {
            let class = slots.slots[*index].class;
            evaluate_if_due(&raw mut self.values[*index], class);
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

    /// Classes that came since the last exchange start as their files have left them, else as declared: for a lane that goes on, and
    /// (when the lane that loaded them leaves) for the base.
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

    /// The values of an ended lane, given away.
    pub(crate) fn into_values(mut self) -> Vec<Value> {
        std::mem::take(&mut self.values)
    }

    /// The end of an ended lane's values that were not dropped while they were live.
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
