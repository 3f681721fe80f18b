//! What files that lanes include leave in static properties and variables and in new global variables, for those lanes that do not include them.
//!
//! Such a file declares something, so it cannot run again in another lane. What its code leaves in the static variables of the classes
//! and functions that it declares is what every other lane gets for them, and the global variables that it has made are every lane's that
//! has none of that name.
#![expect(unsafe_code, reason = "copies Zend values")]

use rustc_hash::FxHashMap;

use super::included::{Included, Running};
use super::symbols::Symbols;
use crate::copy::copier::Copier;
use crate::copy::tables::Variables;
use crate::zend::{self, Owned, Value, sys};

/// What files have left that lanes have included, for those lanes that have not.
pub(crate) struct Late {
    /// What makes the copies, as those of the template are made.
    copier: Copier,
    statics: FxHashMap<usize, Owned>,
    functions: FxHashMap<usize, Variables>,
    /// Global variables with their names, in the order in which they came.
    globals: Vec<(Owned, Owned)>,
    /// What each file that declares something has returned, if that can be shared.
    returned: FxHashMap<Vec<u8>, Owned>,
    /// What is live has included these.
    pub(crate) live: Included,
    /// The first slot and the first function that files may have brought which are watched.
    pub(crate) first: Option<(usize, usize)>,
    /// Stream wrappers that files have registered which declare something: for every lane, and not handed out yet.
    pub(crate) wrappers: Vec<sys::kq_wrapper_entry>,
    /// The files whose code has not ended yet.
    pub(crate) running: Running,
}

impl Default for Late {
    fn default() -> Self {
        Self {
            copier: Copier::new(&[]),
            statics: FxHashMap::default(),
            functions: FxHashMap::default(),
            globals: Vec::new(),
            returned: FxHashMap::default(),
            live: Included::default(),
            first: None,
            wrappers: Vec::new(),
            running: Running::default(),
        }
    }
}

impl Late {
    /// Makes copies, from now on, by rules that share objects of these classes.
    pub(crate) fn share(&mut self, shared: &[String]) {
        self.copier = Copier::new(shared);
    }

    /// Begins copies for one lane: what they have in common is copied once.
    pub(crate) fn begin(&mut self) {
        self.copier.begin();
    }

    /// Ends copies for one lane: all have been made.
    pub(crate) fn end(&mut self) {
        self.copier.end();
    }

    /// Returns a static property's value for a lane that has not included the file of its class; None: as declared.
    pub(crate) fn value(&mut self, slot: usize) -> Option<Value> {
        let from = self.statics.get(&slot)?.as_ptr();
        // SAFETY: on the PHP thread; what is remembered is a copy of its own, which nothing changes.
        Some(unsafe { self.copier.owned(from) }.into_raw())
    }

    /// Returns what a function's static variables are copied from for such a lane; None: they are as declared.
    pub(crate) fn table(&self, function: usize) -> Option<Variables> {
        self.functions.get(&function).copied()
    }

    /// Copies static variables from one table of a function to another.
    ///
    /// # Safety
    /// Both are live tables of one function.
    pub(crate) unsafe fn fill_table(&mut self, to: Variables, from: Variables) {
        // SAFETY: this function's contract.
        unsafe { self.copier.fill_table(to, from) };
    }

    /// Returns whether a static property's value is remembered.
    pub(crate) fn has_slot(&self, slot: usize) -> bool {
        self.statics.contains_key(&slot)
    }

    /// Returns whether a function's static variables are remembered.
    pub(crate) fn has_table(&self, function: usize) -> bool {
        self.functions.contains_key(&function)
    }

    /// Remembers a static property's value.
    ///
    /// # Safety
    /// As for [`Copier::owned`].
    pub(crate) unsafe fn keep(&mut self, slot: usize, live: *const Value) {
        // SAFETY: this function's contract.
        let value = unsafe { self.copier.owned(live) };
        self.statics.insert(slot, value);
    }

    /// Remembers a function's static variables.
    ///
    /// # Safety
    /// `live` is the function's live table, and not null.
    pub(crate) unsafe fn keep_table(&mut self, function: usize, live: Variables) {
        // SAFETY: a live table by this function's contract; the copy has the same places for the same names.
        let table = unsafe { sys::kq_array_dup(live) };
        // SAFETY: both are live and of this function.
        unsafe { self.copier.fill_table(table, live) };
        self.functions.insert(function, table);
    }

    /// Whether a global variable's value is remembered.
    pub(crate) fn has_global(&self, name: &[u8]) -> bool {
        self.globals
            .iter()
            // SAFETY: the names are strings.
            .any(|(other, _)| zend::text(unsafe { (*other.as_ptr()).value.str_ }) == name)
    }

    /// Remembers a global variable's value.
    ///
    /// # Safety
    /// As for [`Copier::owned`].
    pub(crate) unsafe fn keep_global(&mut self, name: &[u8], live: *const Value) {
        // SAFETY: this function's contract.
        let value = unsafe { self.copier.owned(live) };
        self.globals.push((zend::string(name), value));
    }

    /// Returns how many global variables are remembered.
    pub(crate) fn globals(&self) -> usize {
        self.globals.len()
    }

    /// Copies the global variables that are remembered, from this one on, to a lane's; a name that the lane has stays as it is.
    pub(crate) fn fill_globals(&mut self, to: &mut Symbols, first: usize) {
        for (name, value) in &self.globals[first..] {
            // SAFETY: on the PHP thread; what is remembered is a copy of its own, which nothing changes.
            let value = unsafe { self.copier.owned(value.as_ptr()) };
            // SAFETY: as above; the names are strings.
            unsafe { to.add(name, value) };
        }
    }

    /// Forgets what was copied since `begin()`: it goes on to live and change in its lane, so nothing of it may be found again by its
    /// address.
    pub(crate) fn forget(&mut self) {
        self.copier.forget();
    }

    /// Returns what makes the copies.
    pub(crate) fn copier(&mut self) -> &mut Copier {
        &mut self.copier
    }

    /// Returns what a file that declares something has returned, if it has ended.
    pub(crate) fn returned(&self, path: &[u8]) -> Option<&Owned> {
        self.returned.get(path)
    }

    /// Remembers what a file has returned that declares something, the first time.
    pub(crate) fn keep_returned(&mut self, path: &[u8], value: *const Value) {
        self.returned
            .entry(path.to_vec())
            .or_insert_with(|| Owned::copy(value));
    }
}
