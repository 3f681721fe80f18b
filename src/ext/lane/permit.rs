//! Permits of which only so many are given at once: a lane that gets none waits for one.

use kqueue_core::permits::Permit;
use kqueue_engine::runner::{Pause, Wake};

use super::{can_suspend, current, interrupt, rethrow, suspend};
use crate::exceptions::Fault;
use crate::session;

/// Acquires a permit for the running lane, which waits for it if it can; 0: it needs none, or is being ended.
pub(crate) fn acquire(name: &str, limit: usize) -> Result<Permit, Fault> {
    let Some(lane) = current() else {
        return Err(Fault::argument("Engine::permit() works inside a lane only"));
    };
    if session::forked() {
        return Ok(0);
    }
    let can_wait = can_suspend();
    match session::with_desk(|desk| desk.permit(lane, name, limit, can_wait)) {
        // While a template is booted nobody else has a lane.
        None => Ok(0),
        Some(Some(permit)) => Ok(permit),
        Some(None) => match suspend(Pause::Permit) {
            Wake::Permit(permit) => Ok(permit),
            _ => {
                rethrow();
                interrupt::on_interrupt(true, false);
                Ok(0)
            }
        },
    }
}
