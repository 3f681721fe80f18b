//! Which calls suspend lanes in this process, and how: `KQUEUE_HOOKS`, or what the system allows.

use std::cell::RefCell;

use ext_php_rs::boxed::ZBox;
use ext_php_rs::types::ZendHashTable;
use kqueue_engine::interpose::{self, InterposeError, Reach, Report};

use crate::convert::Map;
use crate::exceptions::Fault;
use crate::lane::Hooks;
use crate::lane::waits::Waits;

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

/// Hooks in place. They go when this does.
pub(crate) struct Installed {
    _waits: Waits,
}

static HOOKS: Hooks = Hooks;

thread_local! {
    /// What is in place, or was in the last run: not what was asked for, if that was refused.
    static LAST: RefCell<(Mode, Report)> = RefCell::default();
    /// Why calls could not be interposed.
    static REFUSED: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Puts them in place.
pub(crate) fn install(mode: Mode) -> Result<Installed, Fault> {
    let fault = |error: InterposeError| Fault::unsupported(error.to_string());
    let reach = match mode {
        Mode::Off | Mode::Handlers => Reach::Nothing,
        Mode::Sleep => Reach::Sleeps,
        Mode::All => Reach::All,
    };
    let (mode, mut report) = match interpose::install(&HOOKS, reach) {
        Ok(report) => (mode, report),
        // What the system forbids here may be allowed elsewhere: jobs can run all the same.
        Err(error @ InterposeError::Protected { .. }) => {
            REFUSED.set(Some(format!(
                "calls of libraries cannot be interposed here: {error} (a seccomp filter or SELinux's execmod may forbid it: allow \
                 mprotect() for PHP, or use queue:work)"
            )));
            let report = interpose::install(&HOOKS, Reach::Nothing).map_err(fault)?;
            (Mode::Handlers, report)
        }
        Err(error) => return Err(fault(error)),
    };
    let waits = Waits::install(mode == Mode::Handlers);
    if mode == Mode::Handlers {
        report.functions = waits.names();
    }
    if mode == Mode::Off {
        interpose::uninstall();
    }
    LAST.set((mode, report));
    Ok(Installed { _waits: waits })
}

impl Drop for Installed {
    fn drop(&mut self) {
        interpose::uninstall();
    }
}

/// A library was loaded: its calls are interposed from now on.
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

/// How many slots lead to hooks.
pub(crate) fn slots() -> usize {
    LAST.with_borrow(|(_, report)| report.slots)
}

/// Why calls could not be interposed in this process, if so.
pub(crate) fn refused() -> Option<String> {
    REFUSED.with_borrow(Clone::clone)
}

/// Those that suspend lanes.
pub(crate) fn functions() -> Vec<&'static str> {
    LAST.with_borrow(|(_, report)| report.functions.clone())
}

/// For PHP.
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

/// In one line.
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
