//! Which calls suspend lanes in this process, or did in its last run: `KQUEUE_HOOKS`, or what the system allows.

use std::cell::RefCell;

use ext_php_rs::boxed::ZBox;
use ext_php_rs::types::ZendHashTable;
use kqueue_engine::interpose::{self, Report};

use crate::convert::Map;
use crate::exceptions::Fault;

/// What is to suspend lanes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Nothing: every wait stops all lanes.
    Off,
    /// Libraries' calls to sleep.
    Sleep,
    /// PHP's own functions that wait, by their handlers.
    Handlers,
    /// All calls of libraries.
    #[default]
    All,
}

impl Mode {
    const NAMES: [(Self, &str); 4] = [
        (Self::Off, "off"),
        (Self::Sleep, "sleep"),
        (Self::Handlers, "handlers"),
        (Self::All, "all"),
    ];

    /// What the environment says.
    pub(crate) fn from_environment() -> Result<Self, Fault> {
        let Some(wanted) = std::env::var_os("KQUEUE_HOOKS").filter(|wanted| !wanted.is_empty())
        else {
            return Ok(Self::All);
        };
        let known = Self::NAMES.into_iter().find(|(_, name)| wanted == *name);
        known.map(|(mode, _)| mode).ok_or_else(|| {
            Fault::argument(format!(
                "KQUEUE_HOOKS must be off, sleep, handlers or all, not \"{}\"",
                wanted.display()
            ))
        })
    }

    fn name(self) -> &'static str {
        let known = Self::NAMES.into_iter().find(|(mode, _)| *mode == self);
        known.map_or("", |(_, name)| name)
    }
}

thread_local! {
    /// What is in place, or was in the last run: not what was asked for, if that was refused.
    static LAST: RefCell<(Mode, Report)> = RefCell::default();
    /// Why calls could not be interposed.
    static REFUSED: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Notes what is in place now.
pub(crate) fn note(mode: Mode, report: Report) {
    LAST.set((mode, report));
}

/// Notes why calls could not be interposed.
pub(crate) fn note_refused(why: String) {
    REFUSED.set(Some(why));
}

/// Interposes the calls of libraries that were loaded since.
pub(crate) fn refresh() {
    if !interpose::outdated() {
        return;
    }
    // What cannot be interposed stops all lanes when it waits, as what is out of reach does.
    if let Ok(report) = interpose::refresh() {
        LAST.with_borrow_mut(|(mode, last)| {
            if matches!(mode, Mode::Sleep | Mode::All) {
                *last = report;
            }
        });
    }
}

/// Returns how many slots of libraries lead to hooks.
pub(crate) fn slots() -> usize {
    LAST.with_borrow(|(_, report)| report.slots)
}

/// Returns why calls could not be interposed in this process, if so.
pub(crate) fn refused() -> Option<String> {
    REFUSED.with_borrow(Clone::clone)
}

/// Returns the names of the functions whose calls suspend lanes.
pub(crate) fn functions() -> Vec<&'static str> {
    LAST.with_borrow(|(_, report)| report.functions.clone())
}

/// Returns all of it for `Runtime::stats()`.
pub(crate) fn info() -> ZBox<ZendHashTable> {
    LAST.with_borrow(|(mode, report)| {
        Map::new()
            .put("mode", mode.name())
            .long("slots", report.slots)
            .long("libraries", report.objects)
            .put("functions", report.functions.clone())
            .done()
    })
}

/// Returns all of it in one line.
pub(crate) fn line() -> String {
    LAST.with_borrow(|(mode, report)| {
        let functions = report.functions.join(", ");
        match mode {
            Mode::Off => "Hooks are off (KQUEUE_HOOKS=off): every wait stops all lanes.".into(),
            Mode::Handlers => format!("Hooks: {functions} of PHP suspend lanes."),
            Mode::Sleep | Mode::All => format!(
                "Hooks ({}): {} slots in {} libraries lead to {functions}.",
                mode.name(),
                report.slots,
                report.objects,
            ),
        }
    })
}
