//! How the mapping is laid out: a header, then a slot for each lane, for each child, and for each lane's fatal error.

use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64};

use super::info::COUNTERS;

/// On its own cache line: written at every switch of lanes.
#[repr(C, align(64))]
pub(super) struct Running {
    /// Index of the lane on the CPU, plus one; 0 = none.
    pub(super) lane: AtomicU32,
}

#[repr(C, align(64))]
pub(super) struct Header {
    pub(super) running: Running,
    /// When the runner's loop last went round.
    pub(super) heartbeat_ms: AtomicU64,
    /// 1 when the runner has returned as it should.
    pub(super) goodbye: AtomicU32,
    /// 1 when another process has sent the runner the signal that it dies of.
    pub(super) killed: AtomicU32,
    /// No lane at or above this index was ever used by this runner.
    pub(super) used: AtomicU32,
    pub(super) runner: AtomicI32,
    pub(super) restarts: AtomicU32,
    pub(super) counters: [AtomicU64; COUNTERS],
}

pub(super) const ID: usize = 96;
pub(super) const CLASS: usize = 176;
pub(super) const CONNECTION: usize = 64;
pub(super) const QUEUE: usize = 136;
pub(super) const TEXTS: [usize; 4] = [ID, CLASS, CONNECTION, QUEUE];
pub(super) const WORDS: usize = (ID + CLASS + CONNECTION + QUEUE) / 8;

/// The lane has a job, which has not begun in this process: it is looked at, or runs in an isolated child.
pub(super) const RESERVED: u32 = 1;
/// The lane runs it.
pub(super) const BEGUN: u32 = 2;
/// It has ended, and the lane does what the job has left to do; it has run no other.
pub(super) const ENDED_ALONE: u32 = 3;
/// The same, of the last of several.
pub(super) const ENDED_LAST: u32 = 4;

#[repr(C, align(64))]
pub(super) struct LaneSlot {
    /// Odd while the slot is being written.
    pub(super) sequence: AtomicU32,
    /// [`RESERVED`] or [`BEGUN`] while a job is in flight, [`ENDED_ALONE`] or [`ENDED_LAST`] while what it has left behind may run.
    pub(super) busy: AtomicU32,
    pub(super) started_ms: AtomicU64,
    pub(super) deadline_ms: AtomicU64,
    pub(super) attempts: AtomicU64,
    /// Four lengths of 16 bits.
    pub(super) lengths: AtomicU64,
    pub(super) text: [AtomicU64; WORDS],
}

#[repr(C, align(64))]
pub(super) struct ChildSlot {
    pub(super) pid: AtomicI32,
    pub(super) doing: AtomicU32,
    pub(super) ticket: AtomicU64,
    pub(super) started_ms: AtomicU64,
    pub(super) deadline_ms: AtomicU64,
    pub(super) jobs: AtomicU32,
}

const _: () = assert!(size_of::<LaneSlot>() == 512 && size_of::<ChildSlot>() == 64);

/// How many bytes of a fatal error are kept.
pub(super) const FATAL_TEXT: usize = 504;

/// One lane's.
#[repr(C, align(64))]
pub(super) struct FatalSlot {
    /// 0: the lane's job has met none.
    pub(super) length: AtomicU64,
    pub(super) text: [AtomicU64; FATAL_TEXT / 8],
}

const _: () = assert!(size_of::<FatalSlot>() == size_of::<LaneSlot>());
