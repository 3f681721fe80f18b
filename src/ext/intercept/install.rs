//! Puts the hooks in place: into calls of libraries, or, where the system forbids that, into functions of PHP that wait.

use kqueue_engine::interpose::{self, InterposeError, Reach};

use super::blocking::StandIns;
use crate::exceptions::Fault;
use crate::hooks::{self, Mode};
use crate::lane::waiter::Hooks;

/// Hooks in place. They go when this does.
pub(crate) struct Installed {
    _stand_ins: StandIns,
}

static HOOKS: Hooks = Hooks;

/// Puts the hooks in place that the mode wants, or those that the system allows.
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
            hooks::note_refused(format!(
                "calls of libraries cannot be interposed here: {error} (a seccomp filter or SELinux's execmod may forbid it: allow \
                 mprotect() for PHP, or use queue:work)"
            ));
            let report = interpose::install(&HOOKS, Reach::Nothing).map_err(fault)?;
            (Mode::Handlers, report)
        }
        Err(error) => return Err(fault(error)),
    };
    let stand_ins = StandIns::install(mode == Mode::Handlers);
    if mode == Mode::Handlers {
        report.functions = stand_ins.names();
    }
    if mode == Mode::Off {
        interpose::uninstall();
    }
    hooks::note(mode, report);
    Ok(Installed {
        _stand_ins: stand_ins,
    })
}

impl Drop for Installed {
    fn drop(&mut self) {
        interpose::uninstall();
    }
}
