//! A lane's turn, as the loop asks for it: it is made live, runs until it pauses, and makes way for the next.
#![expect(unsafe_code, reason = "switches to lanes")]

use std::ptr;
use std::sync::atomic::Ordering;
use std::time::Instant;

use kqueue_core::scheduler::LaneId;
use kqueue_engine::limits;
use kqueue_engine::runner::{Conflict, Lanes, Pause, Resolution, Wake};
use kqueue_engine::signals::STOP;

use super::{Table, call_back};
use crate::lane::{self, Birth, CURRENT, Lane, interrupt, memory, names};
use crate::state::globals::Globals;
use crate::zend::{Owned, sys};
use crate::{diagnostics, hooks, session};

/// Puts a lane that may be settling a job before or behind the descriptors that are kept back.
fn use_reserve(lane: *mut Lane, on: bool) {
    // SAFETY: the caller's lane is alive, and it is between two turns.
    if unsafe { (*lane).settling }.is_some() {
        limits::use_reserve(on);
    }
}

impl Lanes for Table {
    fn start(&self) -> Result<LaneId, String> {
        let mut own = self.own();
        let handlers = own.as_mut().and_then(|own| own.handlers.take());
        let work = &raw const *self.work;
        let globals = Globals::fresh(!self.booting.get(), handlers);
        self.make(globals, own, work, ptr::null_mut())
    }

    fn fork(&self, parent: LaneId) -> Option<LaneId> {
        let parent = self.lane(parent);
        if parent.is_null() {
            return None;
        }
        // SAFETY: the parent is alive and suspended.
        let (helpers, owner) = unsafe { ((*parent).helpers?, Lane::world(parent)) };
        // SAFETY: the group lies in the parent's frame until the last of these lanes has ended.
        let group = unsafe { &*helpers };
        if !group.want_lane() {
            return None;
        }
        // SAFETY: the parent is alive and suspended.
        let globals = Globals::beside(unsafe { &(*parent).globals });
        // Without a stack the parent does the rest itself.
        let lane = self.make(globals, None, group, owner).ok()?;
        group.have_lane();
        Some(lane)
    }

    fn resume(&self, id: LaneId, wake: Wake) -> Pause {
        let lane = self.lane(id);
        if lane.is_null() {
            return Pause::Ended;
        }
        // SAFETY: boxed and alive, and suspended.
        unsafe { (*lane).wake = wake };
        // What the last one has loaded may be what this one waits in.
        hooks::refresh();
        let now = Instant::now();
        self.enter(lane, now);
        memory::enter(lane);
        use_reserve(lane, true);
        CURRENT.store(lane, Ordering::Relaxed);
        let measured = self.birth != Birth::Common
            && session::with(|session| session.slices.begin(now)).unwrap_or_default();
        // Of a lane that has not obeyed yet, the alarm may have been set for others meanwhile.
        if measured || lane::cancel_again_at().is_some() {
            interrupt::set_alarm();
        }
        if session::with_desk(|desk| desk.is_cancelled(id)).unwrap_or_default() {
            // What it was woken by may not say so.
            // SAFETY: stores a flag.
            unsafe { sys::kq_request_interrupt() };
        }
        // SAFETY: the lane is alive until it is discarded, which happens between turns. Nothing of the table, the session or the lane is
        // borrowed here but shared: the lane's code uses all of them.
        unsafe { sys::kq_context_enter(&raw mut (*lane).context) };
        // SAFETY: `lane` is alive. The message is still its own, and so is the blame.
        if unsafe { (*lane).context.bailed_out } {
            session::poison();
        }
        CURRENT.store(ptr::null_mut(), Ordering::Relaxed);
        memory::leave(lane);
        use_reserve(lane, false);
        // SAFETY: `lane` and its owner are alive, and neither runs.
        let cost = unsafe { &mut (*Lane::world(lane)).cost };
        session::with(|session| session.slices.leave(cost));
        self.leave(lane);
        self.hand_out_wrappers();
        self.collect_if_due();
        diagnostics::tell();
        // SAFETY: `lane` is alive, and does not run.
        unsafe {
            if (*lane).context.ended {
                Pause::Ended
            } else {
                (*lane).pause
            }
        }
    }

    fn on_conflict(&self, conflict: Conflict) {
        let job = |id: LaneId| {
            let lane = self.lane(id);
            if lane.is_null() {
                return id;
            }
            // SAFETY: the lane is alive, and so is its owner.
            unsafe { (*Lane::world(lane)).id }
        };
        let [first, second] = [conflict.first, conflict.second].map(|id| names::of(job(id)));
        let then = match conflict.then {
            Resolution::Waits => "They wait in turn, and each may get what is meant for the other",
            Resolution::SendsLater => "It sends nothing until the other has its answer",
            Resolution::Fails => "Its call failed",
        };
        let mut message = format!(
            "{second} uses {} while {first} waits for it. {then}. Open a connection inside each job instead of handing one to \
             several, or let the job run isolated.",
            conflict.what()
        );
        if conflict.then == Resolution::Fails {
            // SAFETY: boxed and alive, and none runs.
            if let Some(lane) = unsafe { self.lane(conflict.second).as_mut() } {
                lane.call_error = Some(message.clone());
            }
        }
        let Some(unsaid) = self.conflicts.borrow_mut().allow(Instant::now()) else {
            return;
        };
        if unsaid > 0 {
            message += &format!(" ({unsaid} more such cases since the last message.)");
        }
        session::tell("warning", &message);
    }

    fn signalled(&self, signal: i32) {
        if let Some(callback) = &self.on_signal {
            call_back(callback, signal);
        }
        if !STOP.contains(&signal) {
            return;
        }
        // What is called makes no lanes and ends none.
        for lane in self.all() {
            // SAFETY: the lane is boxed and alive, and none runs.
            let callback = unsafe { &(*lane).on_signal }
                .as_ref()
                .map(|callback| Owned::copy(callback.as_ptr()));
            if let Some(callback) = callback {
                self.call_in(lane, &callback, signal);
            }
        }
    }

    fn dispose(&self, id: LaneId) {
        let lane = self.lane(id);
        // SAFETY: boxed and alive; it has ended.
        let helps = lane.is_null() || unsafe { !(*lane).owner.is_null() };
        self.discard(id);
        if helps {
            return;
        }
        self.count_ended();
        self.collect_if_due();
    }
}
