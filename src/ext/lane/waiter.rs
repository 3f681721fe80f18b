//! What the hooks ask of lanes: whether the running one may be suspended in a call that would wait, and the wait itself.
#![expect(unsafe_code, reason = "looks at the running lane")]

use std::time::Duration;

use kqueue_engine::interpose::{Waiter, Woken};
use kqueue_engine::runner::{Descriptors, Pause, Wake};

use super::{Lane, interrupt, is_midway, is_suspendable, memory, rethrow, running, suspend};
use crate::session;
use crate::zend::sys;

/// The lanes, to the hooks.
pub(crate) struct Hooks;

impl Waiter for Hooks {
    fn can_suspend(&self) -> bool {
        is_suspendable()
    }

    fn wait(&self, fds: &[libc::pollfd], timeout: Option<Duration>) -> Woken {
        if is_midway() {
            return Woken::Refused;
        }
        // SAFETY: the hook's caller, whose array it is, is suspended with us.
        let fds = unsafe { Descriptors::new(fds) };
        match suspend(Pause::Wait { fds, timeout }) {
            Wake::Woken(Woken::Cancelled) => {
                // The exception follows as soon as PHP code runs again.
                rethrow();
                Woken::Cancelled
            }
            Wake::Woken(Woken::Barred) => {
                // SAFETY: stores a flag.
                unsafe { sys::kq_request_interrupt() };
                Woken::Barred
            }
            Wake::Woken(woken) => woken,
            Wake::Start
            | Wake::Granted(_)
            | Wake::News
            | Wake::Tidy
            | Wake::Permit(_)
            | Wake::Child(_) => Woken::Ready,
        }
    }

    fn grew(&self) {
        memory::grew();
    }

    fn lane(&self) -> Option<u32> {
        let lane = running();
        // SAFETY: the running lane, and the one that it helps, which is alive.
        (!lane.is_null()).then(|| unsafe { (*Lane::world(lane)).id })
    }

    fn keeps_apart(&self) -> bool {
        let lane = running();
        // SAFETY: the running lane, and the one that it helps, which is alive.
        !lane.is_null() && unsafe { (*Lane::world(lane)).own.is_some() }
    }

    fn forks_to_go_on(&self) -> bool {
        // SAFETY: on the PHP thread, as the hooks have checked.
        unsafe { sys::kq_forks_itself() }
    }

    fn must_end(&self) -> bool {
        interrupt::must_end()
    }

    fn claim(&self, fd: libc::c_int) -> bool {
        let Some(id) = super::current() else {
            return true;
        };
        while !session::with_desk(|desk| desk.claim(id, fd)).unwrap_or(true) {
            if is_midway() {
                return true;
            }
            if suspend(Pause::Turn) == Wake::Woken(Woken::Cancelled) {
                rethrow();
                return false;
            }
        }
        true
    }
}
