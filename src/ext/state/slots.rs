//! All that is exchanged slot by slot: static properties, functions' static variables, and what files that lanes include leave in both
//! (and in new global variables).
#![expect(unsafe_code, reason = "reads tables of static variables")]

use rustc_hash::FxHashSet;

use super::functions::Functions;
use super::late::Late;
use super::statics::StaticProperties;
use crate::copy::audit::{self, Roots};
use crate::copy::tables::{self, Variables};
use crate::zend::{self, Object, Value, sys};

/// The slots of this process, and what lanes that come late get in them.
#[derive(Default)]
pub(crate) struct Slots {
    pub(crate) statics: StaticProperties,
    /// The functions with static variables, methods of the classes in `statics` among them.
    pub(crate) functions: Functions,
    /// What files leave in these that are included by lanes.
    pub(crate) late: Late,
}

impl Slots {
    /// Returns how many static properties there are.
    pub(crate) fn len(&self) -> usize {
        self.statics.len()
    }

    /// Takes in classes and functions that were loaded since the last look.
    pub(crate) fn scan(&mut self) {
        let running = &self.late.running;
        self.functions.scan(running);
        self.statics.scan(&mut self.functions, running);
    }

    /// Watches files that are included from now on: the slots and functions that there are now are older. A second call changes nothing.
    pub(crate) fn watch(&mut self) {
        self.scan();
        let now = (self.statics.len(), self.functions.len());
        self.late.first.get_or_insert(now);
    }

    /// Takes what a file that a lane has included, and that has run to its end, has left in its classes and functions, and these global
    /// variables, which it has made: other lanes get that for them. If it cannot be copied or belongs to this lane, nothing is taken,
    /// and its paths come back.
    ///
    /// # Safety
    /// On the PHP thread, in the lane that has included the file; `file` is its name, and live, as are the global variables.
    pub(crate) unsafe fn capture(
        &mut self,
        file: *const sys::zend_string,
        mut globals: Vec<(Vec<u8>, *const Value)>,
    ) -> Vec<String> {
        self.scan();
        let (first_slot, first_function) = self.late.first.unwrap_or_default();
        // SAFETY: this function's contract.
        let mut slots = unsafe { self.statics.changed_by(file, first_slot) };
        slots.retain(|index| !self.late.has_slot(*index));
        let functions: Vec<(usize, Variables)> = (first_function..self.functions.len())
            // SAFETY: this function's contract.
            .filter(|index| unsafe { self.functions.is_of(*index, file) })
            .filter(|index| !self.late.has_table(*index))
            .map(|index| (index, self.functions.live_one(index)))
            .filter(|(_, table)| !table.is_null())
            .collect();
        globals.retain(|(name, _)| !self.late.has_global(name));
        if slots.is_empty() && functions.is_empty() && globals.is_empty() {
            return Vec::new();
        }
        let (mut roots, mut values) = (Roots::default(), Vec::new());
        for index in &slots {
            let value = self.statics.live_one(*index);
            // SAFETY: a slot's live value; no code runs until the copies are made.
            unsafe { roots.push(value, || self.statics.name(*index)) };
            values.push(value);
        }
        for (index, table) in &functions {
            // SAFETY: on the PHP thread, in the lane whose table this is; no code runs until the copies are made.
            for value in unsafe { tables::values(*table) } {
                // SAFETY: as above.
                unsafe { roots.push(value, || format!("{} static", self.functions.name(*index))) };
                values.push(value.cast_const());
            }
        }
        for (name, value) in &globals {
            // SAFETY: this function's contract; no code runs until the copies are made.
            unsafe { roots.push(*value, || format!("${}", String::from_utf8_lossy(name))) };
            values.push(*value);
        }
        let foreign = self.objects_before(first_slot);
        let copier = self.late.copier();
        let mut found = audit::audit(roots, copier, foreign);
        if found.refused.is_empty() {
            // SAFETY: as for the roots, which are the same values.
            let failed = unsafe { copier.try_copy(&values) };
            found.add_failed(&failed);
        }
        if found.refused.is_empty() {
            self.keep(&slots, &functions, &globals);
        }
        self.late.forget();
        found.refused
    }

    /// Remembers the live values of these slots, functions and global variables, as one copy.
    fn keep(
        &mut self,
        slots: &[usize],
        functions: &[(usize, Variables)],
        globals: &[(Vec<u8>, *const Value)],
    ) {
        // Nobody ever has this copy, of which lanes get theirs: its destructors are not the application's.
        self.late.copier().set_silent(true);
        self.late.begin();
        for index in slots {
            // SAFETY: a slot's live value; no code runs until the copy has ended.
            unsafe { self.late.keep(*index, self.statics.live_one(*index)) };
        }
        for (index, table) in functions {
            // SAFETY: the function's live table.
            unsafe { self.late.keep_table(*index, *table) };
        }
        for (name, value) in globals {
            // SAFETY: live by the contract of `capture`, its caller.
            unsafe { self.late.keep_global(name, *value) };
        }
        self.late.end();
        self.late.copier().set_silent(false);
    }

    /// Returns the objects that older static properties hold now: they are the live lane's own.
    fn objects_before(&self, first: usize) -> FxHashSet<*mut Object> {
        self.statics
            .live()
            .take(first)
            .filter(|value| zend::kind(*value) == sys::IS_OBJECT)
            .map(zend::object_of)
            .collect()
    }
}
