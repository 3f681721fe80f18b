//! The exchange of global variables: `$GLOBALS`, `global $x`, superglobals.
//!
//! The whole table is exchanged, by its head: the engine always goes by the head's address, and where an opcode remembers the place
//! of a variable in the table it compares the name there before it uses it.
//!
//! The main script's own variables are entries that point into its frame; a lane's table has none of these, since no code at the top
//! level of a script runs in a lane.
#![expect(unsafe_code, reason = "reads and writes the engine's table of globals")]

use std::{mem, ptr};

use crate::zend::{self, Owned, Value, sys};

/// One lane's variables, or, while that lane runs, the base's.
pub(crate) struct Symbols {
    table: sys::HashTable,
}

impl Symbols {
    /// Returns what a new process has: superglobals and the command line, as they are now.
    pub(crate) fn declared() -> Self {
        let mut symbols = Self::empty(0);
        // SAFETY: on the PHP thread; the live table is the base's. The copies have counts of their own.
        unsafe { sys::kq_copy_superglobals(&raw mut symbols.table) };
        symbols
    }

    /// Returns copies of the live variables as they are, those of the main script's frame among them.
    pub(crate) fn live() -> Self {
        let mut symbols = Self::empty(0);
        // SAFETY: on the PHP thread. The copies have counts of their own; references stay references.
        unsafe { sys::kq_copy_symbols(&raw mut symbols.table) };
        symbols
    }

    /// Returns a table with room for so many variables, and none in it.
    pub(crate) fn empty(size: u32) -> Self {
        // SAFETY: all-zero is plain data, which the shim initialises.
        unsafe {
            let mut table = mem::zeroed();
            sys::kq_symbols_init(&raw mut table, size);
            Self { table }
        }
    }

    /// Returns the same variables with each value as `copy` makes it. These must not be live.
    pub(crate) fn map(&self, mut copy: impl FnMut(*const Value) -> Owned) -> Self {
        let from = &raw const self.table;
        let mut symbols = Self::empty(self.table.nNumOfElements);
        for entry in zend::entries(from) {
            let mut value = copy(entry.value).into_raw();
            // SAFETY: names are unique in a table, and the new one owns the copy.
            unsafe { sys::zend_hash_add_new(&raw mut symbols.table, entry.key, &raw mut value) };
        }
        symbols
    }

    /// Adds a variable, unless there is one of this name. These must not be live.
    ///
    /// # Safety
    /// On the PHP thread; the name is a string.
    pub(crate) unsafe fn add(&mut self, name: &Owned, value: Owned) {
        // SAFETY: a string by this function's contract.
        let name = unsafe { (*name.as_ptr()).value.str_ };
        // SAFETY: a live table and a string.
        if unsafe { sys::zend_hash_find(&raw const self.table, name) }.is_null() {
            let mut value = value.into_raw();
            // SAFETY: as above; there is no such name, and the table owns the value.
            unsafe { sys::zend_hash_add_new(&raw mut self.table, name, &raw mut value) };
        }
    }

    /// Returns the table, to read while it is not live.
    pub(crate) fn table(&self) -> *const sys::HashTable {
        &raw const self.table
    }

    /// Exchanges these with the live ones.
    pub(crate) fn exchange(&mut self) {
        // SAFETY: on the PHP thread, from the scheduler's context: no code is between two reads of the table.
        unsafe {
            ptr::swap(
                &raw mut sys::executor_globals.symbol_table,
                &raw mut self.table,
            );
        }
    }
}

impl Drop for Symbols {
    fn drop(&mut self) {
        // SAFETY: an ended lane's own variables, not live.
        unsafe { sys::kq_symbols_destroy(&raw mut self.table) };
    }
}

/// Drops the variables of the lane that is running, destructors and all, the last one first, as at a process's end.
pub(crate) fn drop_live() {
    // SAFETY: the live table is the running lane's. A destructor may wait: the table is then exchanged as always, and comes back.
    unsafe { sys::kq_symbols_clear() };
    if zend::has_exception() {
        // SAFETY: on the PHP thread.
        unsafe { sys::zend_clear_exception() };
    }
}
