//! The template: the variables of a booted process, of which each lane gets a copy.
//!
//! What it copies from never changes: neither PHP code nor a lane's exchange reaches the template's own values.
#![expect(unsafe_code, reason = "reads and fills tables of static variables")]

use rustc_hash::FxHashSet;

use crate::copy::audit::{self, Audit, Roots};
use crate::copy::copier::Copier;
use crate::copy::tables::Variables;
use crate::state::functions::Tables;
use crate::state::handlers::Handlers;
use crate::state::included::Included;
use crate::state::slots::Slots;
use crate::state::statics::Statics;
use crate::state::symbols::Symbols;
use crate::state::variables::LaneVariables;
use crate::zend::{self, Owned, Value};

/// The variables of a booted application in which no job has run, and what copies them.
pub(crate) struct Template {
    values: Vec<Value>,
    tables: Vec<Variables>,
    symbols: Symbols,
    at_end: Vec<Vec<Owned>>,
    handlers: Option<Handlers>,
    copier: Copier,
}

impl Template {
    /// Makes these variables the template. Objects of the classes in `shared` are shared by all lanes.
    pub(crate) fn new(variables: LaneVariables, shared: &[String]) -> Self {
        Self {
            values: variables.statics.into_values(),
            tables: variables.functions.into_tables(),
            symbols: variables.symbols,
            at_end: variables.at_end,
            handlers: variables.handlers,
            copier: Copier::new(shared),
        }
    }

    /// Gives back what it took over.
    pub(crate) fn into_own(self) -> LaneVariables {
        LaneVariables {
            statics: Statics::from_values(self.values),
            functions: Tables::from_tables(self.tables),
            symbols: self.symbols,
            late_globals: 0,
            at_end: self.at_end,
            handlers: self.handlers,
            included: Included::default(),
        }
    }

    /// Ends a template that was made of the live values: the tables of functions are the functions' own.
    pub(crate) fn let_go(mut self) {
        self.tables.clear();
        drop(self.into_own());
    }

    /// Returns the copier, which says what its copies so far have made and could not copy.
    pub(crate) fn copier(&self) -> &Copier {
        &self.copier
    }

    /// Looks for what of the template cannot be copied. Copies leave out what only weak references and maps lead to from now on.
    pub(crate) fn audit(&mut self, slots: &Slots) -> Audit {
        let mut roots = Roots::default();
        for (index, value) in self.values.iter().enumerate() {
            // SAFETY: on the PHP thread, in no lane's context. The template's own value: nothing changes what it leads to.
            unsafe { roots.push(value, || slots.statics.name(index)) };
        }
        for (index, table) in self.tables.iter().enumerate() {
            if table.is_null() {
                continue;
            }
            for entry in zend::entries(*table) {
                let label = || {
                    let name = String::from_utf8_lossy(zend::text(entry.key));
                    format!("{} static ${name}", slots.functions.name(index))
                };
                // SAFETY: as above.
                unsafe { roots.push(entry.value, label) };
            }
        }
        for (index, call) in self.at_end.iter().enumerate() {
            for value in call {
                let label = || format!("register_shutdown_function() #{}", index + 1);
                // SAFETY: as above.
                unsafe { roots.push(value.as_ptr(), label) };
            }
        }
        for handler in self.handlers.iter().flat_map(Handlers::each) {
            // SAFETY: as above.
            unsafe { roots.push(handler.as_ptr(), || "the handler of errors".into()) };
        }
        for entry in zend::entries(self.symbols.table()) {
            let label = || {
                let name = String::from_utf8_lossy(zend::text(entry.key));
                format!("$GLOBALS[{name}]")
            };
            // SAFETY: as above.
            unsafe { roots.push(entry.value, label) };
        }
        audit::audit(roots, &mut self.copier, FxHashSet::default())
    }

    /// Makes a copy that nobody will use: its objects end without their destructors.
    pub(crate) fn clone_silently(&mut self, slots: &mut Slots) -> LaneVariables {
        self.copier.set_silent(true);
        let variables = self.clone_own(slots);
        self.copier.set_silent(false);
        variables
    }

    /// Copies everything for a new lane.
    pub(crate) fn clone_own(&mut self, slots: &mut Slots) -> LaneVariables {
        self.copier.begin();
        let tables = self.prepare_tables(slots);
        let mut values = Vec::with_capacity(self.values.len() + 32);
        for (index, value) in self.values.iter().enumerate() {
            // SAFETY: on the PHP thread, in no lane's context. The template's own value: nothing changes what it leads to.
            let copy = unsafe { self.copier.owned(value) }.into_raw();
            slots.statics.bind_type(index, &copy);
            values.push(copy);
        }
        // Without those of functions that came after the template.
        for (from, to) in self.tables.iter().zip(&tables) {
            if !from.is_null() {
                // SAFETY: on the PHP thread, in no lane's context. The one is the template's, the other was made for this copy from it.
                unsafe { self.copier.table(*to, *from) };
            }
        }
        let copier = &mut self.copier;
        // SAFETY: as above, for all that the template holds.
        let mut copy = |value: *const Value| unsafe { copier.owned(value) };
        let symbols = self.symbols.map(&mut copy);
        let at_end = self
            .at_end
            .iter()
            .map(|call| call.iter().map(|value| copy(value.as_ptr())).collect())
            .collect();
        let handlers = self
            .handlers
            .as_ref()
            .map(|handlers| handlers.map(&mut copy));
        self.copier.end();
        LaneVariables {
            statics: Statics::from_values(values),
            functions: Tables::from_tables(tables),
            symbols,
            late_globals: 0,
            at_end,
            handlers,
            included: Included::default(),
        }
    }

    /// Makes tables for the copy, which are remembered before anything is copied: first-class callables in the graph use them.
    fn prepare_tables(&mut self, slots: &mut Slots) -> Vec<Variables> {
        let mut tables = Vec::with_capacity(slots.functions.len());
        for (index, table) in self.tables.iter().enumerate() {
            if table.is_null() {
                tables.push(slots.functions.declared_one(index));
                continue;
            }
            // SAFETY: the template's own table of this function.
            let new = unsafe { slots.functions.spare(index, *table) };
            self.copier.stands_for(*table, new);
            tables.push(new);
        }
        tables
    }
}
