//! What is to suspend lanes in this process: `KQUEUE_HOOKS`.

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

    /// Returns its name, as `KQUEUE_HOOKS` has it.
    pub(crate) fn name(self) -> &'static str {
        let known = Self::NAMES.into_iter().find(|(mode, _)| *mode == self);
        known.map_or("", |(_, name)| name)
    }
}
