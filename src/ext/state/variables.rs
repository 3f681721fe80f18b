//! PHP's variables that live as long as a process: what a lane has of its own of them.
#![expect(unsafe_code, reason = "drops live variables")]

use super::functions::{self, Tables};
use super::globals;
use super::handlers::Handlers;
use super::included::Included;
use super::omissions::TestOmissions;
use super::slots::Slots;
use super::statics::{self, Statics};
use super::symbols::{self, Symbols};
use crate::zend::Owned;

/// One lane's variables, or, while that lane runs, the base's.
pub(crate) struct LaneVariables {
    pub(crate) statics: Statics,
    pub(crate) functions: Tables,
    pub(crate) symbols: Symbols,
    /// How many of the global variables that files have left for every lane these have been given.
    pub(crate) late_globals: usize,
    /// Calls (a callable and its arguments) to register for the lane's end, as soon as it runs: the template's.
    pub(crate) at_end: Vec<Vec<Owned>>,
    /// The handlers to begin with; None: those of the process.
    pub(crate) handlers: Option<Handlers>,
    /// The files that are included here alone.
    pub(crate) included: Included,
}

impl LaneVariables {
    /// Returns no variables at all.
    pub(crate) fn empty() -> Self {
        Self {
            statics: Statics::declared(),
            functions: Tables::default(),
            symbols: Symbols::empty(0),
            late_globals: 0,
            at_end: Vec::new(),
            handlers: None,
            included: Included::default(),
        }
    }

    /// Returns the variables of a new process; what is exchanged is filled in as it is used.
    pub(crate) fn declared() -> Self {
        Self {
            symbols: Symbols::declared(),
            ..Self::empty()
        }
    }

    /// Returns those of the process as they are now, in the scheduler's context. The tables of functions stay the functions' own.
    pub(crate) fn live(slots: &mut Slots) -> Self {
        slots.scan();
        Self {
            statics: Statics::live(&slots.statics),
            functions: Tables::from_tables(slots.functions.live()),
            symbols: Symbols::live(),
            late_globals: slots.late.globals(),
            at_end: globals::live_at_end(),
            handlers: Some(Handlers::live()),
            included: Included::default(),
        }
    }

    /// Exchanges these with the live ones.
    pub(crate) fn exchange(&mut self, slots: &mut Slots, omissions: TestOmissions) {
        slots.scan();
        self.included.exchange(&mut slots.late.live);
        if self.statics.len() < slots.len()
            || self.functions.len() < slots.functions.len()
            || self.late_globals < slots.late.globals()
        {
            slots.late.begin();
            self.statics.grow(&slots.statics, &mut slots.late);
            self.functions.grow(&mut slots.functions, &mut slots.late);
            // A lane that has included the file itself comes here first as it leaves, when these are the base's: it keeps what it has.
            slots
                .late
                .fill_globals(&mut self.symbols, self.late_globals);
            self.late_globals = slots.late.globals();
            slots.late.end();
        }
        if !omissions.statics {
            self.statics.exchange(&slots.statics);
        }
        if !omissions.functions {
            self.functions.exchange(&slots.functions);
        }
        if !omissions.symbols {
            self.symbols.exchange();
        }
    }

    /// Drops what is still here, after the lane's end.
    pub(crate) fn retire(mut self, slots: &mut Slots) {
        self.statics.retire(&slots.statics);
        self.functions.retire(&mut slots.functions);
    }
}

/// Drops the running lane's own, as at a process's end. The lane runs no other code afterwards.
///
/// # Safety
/// On the PHP thread, in a lane; the slots outlive the call, and nobody keeps a reference into them meanwhile: destructors may wait, and
/// other lanes then look at them and change them.
pub(crate) unsafe fn drop_live(slots: *mut Slots, omissions: TestOmissions) {
    if !omissions.symbols {
        symbols::drop_live();
    }
    if !omissions.functions {
        // SAFETY: this function's contract; a part of the slots.
        unsafe { functions::drop_live(&raw mut (*slots).functions) };
    }
    if !omissions.statics {
        // SAFETY: as for the functions.
        unsafe { statics::drop_live(&raw const (*slots).statics) };
    }
}
