//! What a lane says as it gives up the processor, and what it is told as it goes on.

use std::time::Duration;

use kqueue_core::permits::Permit;
use kqueue_core::scheduler::Grant;

use crate::children::ChildId;
use crate::interpose::Woken;

/// Why a lane gave up the processor.
#[derive(Debug, Clone, Copy)]
pub enum Pause {
    /// It waits for descriptors, or for time to pass.
    Wait {
        /// Which; none is a sleep.
        fds: Descriptors,
        /// How long at most; None: for ever.
        timeout: Option<Duration>,
    },
    /// It has no work and stands in line. A job that it had has ended.
    Line,
    /// The same, and after that long in line it is called out of it once, to look after itself.
    LineFor(Duration),
    /// It waits for the permit that it has asked for.
    Permit,
    /// It leads and found nothing: it waits for news, at most this long. What happened since it last looked (since it was granted
    /// the lead, or went on after the last such pause) is news too.
    Idle(Duration),
    /// It wants an isolated child.
    Child {
        /// Among those that want one, the higher first.
        priority: i32,
    },
    /// It waits for the master's word on a child.
    Notice,
    /// It wants to send on a connection that another lane is in the middle of using. See [`Desk::claim`](super::Desk::claim).
    Turn,
    /// It waits until all lanes that run beside it for its job have ended: those that [`Lanes::fork`](super::Lanes::fork) makes for it.
    Join,
    /// It has ended.
    Ended,
}

/// What a lane is told as it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// Its first turn.
    Start,
    /// The wait is over.
    Woken(Woken),
    /// Its place in line led to this.
    Granted(Grant),
    /// There are news, or there were none for long enough.
    News,
    /// It stood in line for long, or others wait for what it has: it puts itself in order and lines up again.
    Tidy,
    /// It has the permit.
    Permit(Permit),
    /// It has a child, or will not get one.
    Child(Result<ChildId, NoChild>),
}

/// Why a lane gets no isolated child.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoChild {
    /// None is ever made.
    #[error("this run has no isolated children")]
    Disabled,
    /// Nobody is left to fork one.
    #[error("the master is gone")]
    MasterGone,
    /// The deadline came first.
    #[error("it waited for a free child until its deadline")]
    Overdue,
}

/// The descriptors of a wait, as poll(2) takes them. They lie on the lane's stack, which is still while it is suspended.
#[derive(Debug, Clone, Copy)]
pub struct Descriptors(*const [libc::pollfd]);

impl Descriptors {
    /// No descriptors: only time passes.
    pub const NONE: Self = Self(&[]);

    /// These.
    ///
    /// # Safety
    /// They stay where they are, unchanged, until the lane that waits for them has been resumed.
    #[expect(unsafe_code, reason = "the caller promises what no lifetime can say")]
    pub unsafe fn new(fds: &[libc::pollfd]) -> Self {
        Self(fds)
    }

    /// For as long as the wait lasts, and no longer.
    #[expect(unsafe_code, reason = "reads what `new` was promised")]
    pub(super) fn get<'a>(self) -> &'a [libc::pollfd] {
        // SAFETY: alive and unchanged by the contract of `new`: the desk asks only while the lane is suspended in this wait.
        unsafe { &*self.0 }
    }
}
