//! One run of lanes in this process: what it needs is put in place, the loop goes round, and all of it is taken away again.
#![expect(unsafe_code, reason = "tells the shim that a run is under way")]

use std::rc::Rc;

use kqueue_engine::runner;

use crate::descriptors::Raised;
use crate::diagnostics;
use crate::exceptions::Fault;
use crate::hooks::{self, Mode};
use crate::intercept::guards::Guards;
use crate::intercept::includes::Watch;
use crate::intercept::install;
use crate::lane::table::{self, Table};
use crate::lane::{self, Birth, interrupt};
use crate::session::{self, Session};
use crate::zend::sys;

/// A run and everything it owns.
pub(crate) struct Run {
    pub(crate) session: Session,
    table: Table,
}

impl Run {
    /// A run of these lanes.
    pub(crate) fn new(session: Session, table: Table) -> Self {
        Self { session, table }
    }

    /// Runs to the end. Hooks are in place only meanwhile. `notices` are told to the run's owner as it begins.
    pub(crate) fn go(&self, mode: Mode, notices: &[String]) -> Result<(), Fault> {
        if session::exists() {
            return Err(Fault::argument(
                "a run is under way in this process already; call stop() and wait for its end first",
            ));
        }
        lane::prepare();
        let hooks = install::install(mode)?;
        // SAFETY: on the PHP thread, in the context that will enter the lanes.
        unsafe {
            sys::kq_scheduler_here();
            sys::kq_reset_blocks();
            sys::kq_runner_hooks(true);
            sys::kq_set_interrupt(Some(interrupt::on_interrupt));
        }
        let result = self.go_hooked(notices);
        // SAFETY: on the PHP thread, where no lane runs any more.
        unsafe {
            sys::kq_set_interrupt(None);
            sys::kq_runner_hooks(false);
        }
        drop(hooks);
        result
    }

    fn go_hooked(&self, notices: &[String]) -> Result<(), Fault> {
        self.session.begin_alarm(interrupt::ring)?;
        let guards = Guards::install();
        let raised = Raised::begin();
        // Lanes that share the process's variables share its list of included files.
        let watch = (self.table.birth() != Birth::Common).then(|| Watch::new(self.table.slots()));
        lane::memory::run_begins();
        let entered = (
            session::Entered::new(&self.session),
            table::Entered::new(&self.table),
        );
        session::tell("info", &hooks::line());
        for notice in notices {
            session::tell("warning", notice);
        }
        let desk = Rc::clone(&self.session.desk);
        let result = runner::run(&desk, &self.table);
        diagnostics::tell();
        drop(entered);
        drop(watch);
        drop(guards);
        drop(raised);
        self.session.end_alarm();
        result.map_err(|error| Fault::engine(format!("the event loop cannot go on: {error}")))
    }
}

/// In a forked process: the run is the parent's.
pub(crate) fn forget() {
    session::forget();
    lane::forget_all();
    // SAFETY: on the only thread of the new process.
    unsafe {
        sys::kq_set_interrupt(None);
        sys::kq_runner_hooks(false);
    }
}
