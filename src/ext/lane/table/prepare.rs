//! What lanes are copied from: the process as it is, or what a lane of its own has booted.
#![expect(
    unsafe_code,
    reason = "enters a lane with no loop, and runs the collector"
)]

use std::time::Instant;

use kqueue_core::scheduler::LaneId;
use kqueue_engine::runner::{Lanes, Pause, Wake};

use super::Table;
use crate::copy::audit::Audit;
use crate::copy::copier::Counts;
use crate::state::variables::LaneVariables;
use crate::template::Template;
use crate::zend::{self, sys};

/// What a trial copy of the template cost.
#[derive(Default)]
pub(crate) struct Trial {
    pub(crate) counts: Counts,
    pub(crate) bytes: usize,
    pub(crate) seconds: f64,
}

impl Table {
    /// Runs the work in one lane to its end, with no loop: nothing in it waits.
    pub(crate) fn boot_template(&self) -> Result<(), String> {
        // SAFETY: the calling context is the one that enters the lane.
        unsafe { sys::kq_scheduler_here() };
        self.booting.set(true);
        let lane = self.start();
        self.booting.set(false);
        let lane = lane?;
        match self.resume(lane, Wake::Start) {
            Pause::Ended => Ok(()),
            _ => Err("booting the template asked for a lane's service; it must only boot".into()),
        }
    }

    /// Makes the process as it is now the template: what lanes get is what `fork()` would give them. Nothing is made of it if the
    /// audit refuses something in it.
    pub(crate) fn take_process(&self, shared: &[String]) -> Audit {
        let (frozen, found) = self.with_slots(|slots| {
            slots.late.share(shared);
            let mut live = Template::new(LaneVariables::live(slots), shared);
            let found = live.audit(slots);
            // The process goes on with its own; what lanes are copied from must not change any more.
            let frozen = found.refused.is_empty().then(|| live.clone_own(slots));
            live.let_go();
            (frozen, found)
        });
        if let Some(frozen) = frozen {
            self.set_template(Template::new(frozen, shared));
        }
        found
    }

    /// Makes what a lane of its own has booted the template.
    pub(crate) fn take_booted(&self, shared: &[String]) -> Audit {
        let own = self.take_own(0).unwrap_or_else(LaneVariables::declared);
        let mut template = Template::new(own, shared);
        self.with_slots(|slots| slots.late.share(shared));
        self.discard(0);
        let found = self.with_slots(|slots| template.audit(slots));
        self.set_template(template);
        found
    }

    /// Copies the template, if there is one, and drops the copy: what a lane will cost.
    pub(crate) fn trial(&self) -> Trial {
        let before = zend::memory_usage();
        let made = self.template.borrow_mut().as_mut().map(|template| {
            self.with_slots(|slots| slots.scan());
            let started = Instant::now();
            let copy = self.with_slots(|slots| template.clone_silently(slots));
            (copy, started.elapsed(), template.copier().counts())
        });
        let Some((copy, took, counts)) = made else {
            return Trial::default();
        };
        let seconds = took.as_secs_f64();
        let bytes = zend::memory_usage().saturating_sub(before);
        self.retire(copy);
        // Destructors of the copy may have thrown.
        zend::take_exception();
        // SAFETY: on the PHP thread.
        if !unsafe { sys::kq_collect_cycles() } {
            zend::bailout();
        }
        Trial {
            counts,
            bytes,
            seconds,
        }
    }

    /// Takes an ended lane's own variables: they become the template.
    pub(crate) fn take_own(&self, lane: LaneId) -> Option<LaneVariables> {
        // SAFETY: boxed and alive, and it does not run.
        let lane = unsafe { self.lane(lane).as_mut() }?;
        let mut own = lane.own.take()?;
        own.at_end = lane.globals.at_end();
        Some(own)
    }

    /// Makes this what lanes are copied from.
    pub(crate) fn set_template(&self, template: Template) {
        self.template.replace(Some(template));
    }

    /// What copies of the template could not be made of.
    pub(crate) fn add_failed(&self, found: &mut Audit) {
        if let Some(template) = &*self.template.borrow() {
            found.add_failed(template.copier().failed());
        }
    }
}
