//! The shared mapping that tells every process what each lane and child is doing, also after its writer was killed.
//!
//! Invariant: one writer per slot. The runner writes lanes, children and counters; the master writes only `restarts`, and
//! the rest while no runner lives ([`Scoreboard::reset`]). Readers copy.
//! Invariant: a lane slot is a seqlock: its number is odd while it is being written, so a reader never takes half a job
//! for a whole one, and a writer that died in the middle is seen.
//! Untouched slots cost no memory: the mapping is anonymous and its pages appear when written. 512 bytes per used lane.
#![expect(unsafe_code, reason = "the mapping is reached through a raw pointer")]

mod fatal;
mod info;
mod layout;

pub use self::info::{ChildInfo, Counter, Doing, JobInfo};
use self::layout::{
    BEGUN, ChildSlot, ENDED_ALONE, ENDED_LAST, FatalSlot, Header, LaneSlot, RESERVED, TEXTS, WORDS,
};
use crate::error::EngineError;
use kqueue_core::blame::{InFlight, Stage};
use kqueue_core::wire::cut;
use std::ptr::NonNull;
use std::sync::atomic::{Ordering, fence};

/// Milliseconds of the monotonic clock, the same in all processes. Never 0, which means "none" in slots.
pub fn now_ms() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    (time.tv_sec as u64 * 1000 + time.tv_nsec as u64 / 1_000_000).max(1)
}

/// The mapping, shared by all processes forked after it was made. All numbers in it start as zero.
#[derive(Debug)]
pub struct Scoreboard {
    base: NonNull<libc::c_void>,
    length: usize,
    lanes: u32,
    children: u32,
}

// SAFETY: all that is reached through the pointer is atomic, and the mapping lives as long as the value.
unsafe impl Send for Scoreboard {}
// SAFETY: as above.
unsafe impl Sync for Scoreboard {}

impl Scoreboard {
    /// A mapping with this many slots. To be made before the first fork.
    pub fn new(lanes: u32, children: u32) -> Result<Scoreboard, EngineError> {
        let length = size_of::<Header>()
            + lanes as usize * size_of::<LaneSlot>()
            + children as usize * size_of::<ChildSlot>()
            + lanes as usize * size_of::<FatalSlot>();
        // SAFETY: a new anonymous mapping at an address of the kernel's choice.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        match NonNull::new(base) {
            Some(base) if base.as_ptr() != libc::MAP_FAILED => Ok(Scoreboard {
                base,
                length,
                lanes,
                children,
            }),
            _ => Err(EngineError::system("map the scoreboard")),
        }
    }

    /// How many lane slots there are.
    pub fn lanes(&self) -> u32 {
        self.lanes
    }

    /// How many child slots there are.
    pub fn children(&self) -> u32 {
        self.children
    }

    /// The lane has a job in flight from now on. A lane without a slot is ignored.
    pub fn set_job(&self, lane: u32, info: &JobInfo) {
        let Some(slot) = self.lane(lane) else { return };
        let header = self.header();
        if lane >= header.used.load(Ordering::Relaxed) {
            header.used.store(lane + 1, Ordering::Relaxed);
        }
        // Even, also if a writer of the past died half-way.
        let sequence = slot.sequence.load(Ordering::Relaxed) & !1;
        slot.sequence
            .store(sequence.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        slot.started_ms.store(info.started_ms, Ordering::Relaxed);
        slot.deadline_ms.store(info.deadline_ms, Ordering::Relaxed);
        slot.attempts
            .store(u64::from(info.attempts), Ordering::Relaxed);
        let texts = [&info.id, &info.class, &info.connection, &info.queue];
        let (mut lengths, mut word) = (0u64, 0);
        for (index, (text, room)) in texts.into_iter().zip(TEXTS).enumerate() {
            let bytes = cut(text, room).as_bytes();
            lengths |= (bytes.len() as u64) << (index * 16);
            for (offset, chunk) in bytes.chunks(8).enumerate() {
                let mut eight = [0; 8];
                eight[..chunk.len()].copy_from_slice(chunk);
                slot.text[word + offset].store(u64::from_le_bytes(eight), Ordering::Relaxed);
            }
            word += room / 8;
        }
        slot.lengths.store(lengths, Ordering::Relaxed);
        slot.busy.store(RESERVED, Ordering::Relaxed);
        self.forget_fatal(lane);
        slot.sequence
            .store(sequence.wrapping_add(2), Ordering::Release);
    }

    /// The lane's job begins in this process, and must have ended by then; 0 = no limit.
    pub fn begin_job(&self, lane: u32, deadline_ms: u64) {
        if let Some(slot) = self.lane(lane) {
            slot.deadline_ms.store(deadline_ms, Ordering::Relaxed);
            slot.busy.store(BEGUN, Ordering::Release);
        }
    }

    /// The lane's last job has ended; what it has left behind may run from now on, until then (0 = no limit). `alone`: the lane
    /// has run no other.
    pub fn end_job(&self, lane: u32, alone: bool, deadline_ms: u64) {
        if let Some(slot) = self.lane(lane) {
            slot.deadline_ms.store(deadline_ms, Ordering::Relaxed);
            let ended = if alone { ENDED_ALONE } else { ENDED_LAST };
            slot.busy.store(ended, Ordering::Release);
        }
    }

    /// Nothing of a job runs in the lane.
    pub fn clear_job(&self, lane: u32) {
        if let Some(slot) = self.lane(lane) {
            slot.busy.store(0, Ordering::Release);
        }
    }

    /// The lane is on the CPU from now on. One relaxed store.
    #[inline]
    pub fn enter(&self, lane: u32) {
        self.header()
            .running
            .lane
            .store(lane.wrapping_add(1), Ordering::Relaxed);
    }

    /// No lane is on the CPU. One relaxed store.
    #[inline]
    pub fn leave(&self) {
        self.header().running.lane.store(0, Ordering::Relaxed);
    }

    /// The lane on the CPU.
    pub fn running(&self) -> Option<u32> {
        self.header()
            .running
            .lane
            .load(Ordering::Relaxed)
            .checked_sub(1)
    }

    /// The runner's loop has gone round; to be called once a round.
    pub fn beat(&self, now_ms: u64) {
        self.header().heartbeat_ms.store(now_ms, Ordering::Relaxed);
    }

    /// When the runner's loop last went round; 0 = never.
    pub fn heartbeat(&self) -> u64 {
        self.header().heartbeat_ms.load(Ordering::Relaxed)
    }

    /// Counts. For the runner only.
    pub fn count(&self, counter: Counter, by: u64) {
        let cell = &self.header().counters[counter as usize];
        cell.store(cell.load(Ordering::Relaxed) + by, Ordering::Relaxed);
    }

    /// The sum so far.
    pub fn counter(&self, counter: Counter) -> u64 {
        self.header().counters[counter as usize].load(Ordering::Relaxed)
    }

    /// The jobs in flight, and those that ended while what they have left behind runs. Right while their runner lives, and the last word once it is dead.
    pub fn in_flight(&self) -> Vec<InFlight<JobInfo>> {
        (0..self.used())
            .filter_map(|lane| match self.job(lane) {
                Ok(Some(info)) => Some(InFlight {
                    lane,
                    info,
                    stage: self.stage(lane),
                    fatal: self.fatal(lane),
                }),
                _ => None,
            })
            .collect()
    }

    fn stage(&self, lane: u32) -> Stage {
        match self
            .lane(lane)
            .map(|slot| slot.busy.load(Ordering::Relaxed))
        {
            Some(BEGUN) => Stage::Begun,
            Some(ENDED_ALONE) => Stage::Ended { alone: true },
            Some(ENDED_LAST) => Stage::Ended { alone: false },
            _ => Stage::Reserved,
        }
    }

    /// Lanes whose slot was being written when its writer died: a job that had just been reserved, and can be given back by
    /// nobody. The queue's own `retry_after` brings it back.
    pub fn torn(&self) -> Vec<u32> {
        (0..self.used())
            .filter(|&lane| self.job(lane).is_err())
            .collect()
    }

    /// One lane's job; an error if the slot is being written, or was left half-written.
    pub fn job(&self, lane: u32) -> Result<Option<JobInfo>, Torn> {
        let Some(slot) = self.lane(lane) else {
            return Ok(None);
        };
        // Writing takes less than a microsecond, so a few attempts are enough for a writer that lives.
        for _ in 0..100 {
            let before = slot.sequence.load(Ordering::Acquire);
            if before & 1 == 1 {
                std::thread::yield_now();
                continue;
            }
            if slot.busy.load(Ordering::Relaxed) == 0 {
                return Ok(None);
            }
            let started_ms = slot.started_ms.load(Ordering::Relaxed);
            let deadline_ms = slot.deadline_ms.load(Ordering::Relaxed);
            let attempts = slot.attempts.load(Ordering::Relaxed) as u32;
            let lengths = slot.lengths.load(Ordering::Relaxed);
            let mut bytes = [0u8; WORDS * 8];
            for (chunk, word) in bytes.chunks_exact_mut(8).zip(&slot.text) {
                chunk.copy_from_slice(&word.load(Ordering::Relaxed).to_le_bytes());
            }
            fence(Ordering::Acquire);
            if slot.sequence.load(Ordering::Relaxed) != before {
                continue;
            }
            let mut start = 0;
            let mut texts = TEXTS.into_iter().enumerate().map(|(index, room)| {
                let length = ((lengths >> (index * 16)) & 0xffff) as usize;
                let text = &bytes[start..start + length.min(room)];
                start += room;
                String::from_utf8_lossy(text).into_owned()
            });
            let mut next = || texts.next().unwrap_or_default();
            return Ok(Some(JobInfo {
                id: next(),
                class: next(),
                connection: next(),
                queue: next(),
                attempts,
                started_ms,
                deadline_ms,
            }));
        }
        Err(Torn)
    }

    /// Says what the child with this slot is doing. For the runner only.
    pub fn set_child(&self, slot: u32, info: &ChildInfo) {
        let Some(cell) = self.child_slot(slot) else {
            return;
        };
        cell.pid.store(info.pid, Ordering::Relaxed);
        cell.ticket.store(info.ticket, Ordering::Relaxed);
        cell.started_ms.store(info.started_ms, Ordering::Relaxed);
        cell.deadline_ms.store(info.deadline_ms, Ordering::Relaxed);
        cell.jobs.store(info.jobs, Ordering::Relaxed);
        let doing = match info.doing {
            Doing::Idle => 1,
            Doing::Busy => 2,
            Doing::Leaving => 3,
        };
        cell.doing.store(doing, Ordering::Release);
    }

    /// The slot is free.
    pub fn clear_child(&self, slot: u32) {
        if let Some(cell) = self.child_slot(slot) {
            cell.doing.store(0, Ordering::Release);
        }
    }

    /// What the child with this slot is doing. The fields are each right, if not all of the same instant.
    pub fn child(&self, slot: u32) -> Option<ChildInfo> {
        let cell = self.child_slot(slot)?;
        let doing = match cell.doing.load(Ordering::Acquire) {
            1 => Doing::Idle,
            2 => Doing::Busy,
            3 => Doing::Leaving,
            _ => return None,
        };
        Some(ChildInfo {
            pid: cell.pid.load(Ordering::Relaxed),
            doing,
            ticket: cell.ticket.load(Ordering::Relaxed),
            jobs: cell.jobs.load(Ordering::Relaxed),
            started_ms: cell.started_ms.load(Ordering::Relaxed),
            deadline_ms: cell.deadline_ms.load(Ordering::Relaxed),
        })
    }

    /// The runner's process; 0 before the first.
    pub fn runner(&self) -> i32 {
        self.header().runner.load(Ordering::Relaxed)
    }

    /// How many runners died and were replaced.
    pub fn restarts(&self) -> u32 {
        self.header().restarts.load(Ordering::Relaxed)
    }

    /// The runner has returned as it should. Written as its last act.
    pub(crate) fn say_goodbye(&self) {
        self.header().goodbye.store(1, Ordering::Release);
    }

    pub(crate) fn said_goodbye(&self) -> bool {
        self.header().goodbye.load(Ordering::Acquire) == 1
    }

    /// Another process has sent the runner a signal that it dies of. Async-signal-safe.
    pub(crate) fn set_killed(&self) {
        self.header().killed.store(1, Ordering::Release);
    }

    pub(crate) fn was_killed(&self) -> bool {
        self.header().killed.load(Ordering::Acquire) == 1
    }

    pub(crate) fn set_runner(&self, pid: i32) {
        self.header().runner.store(pid, Ordering::Relaxed);
    }

    pub(crate) fn set_restarts(&self, restarts: u32) {
        self.header().restarts.store(restarts, Ordering::Relaxed);
    }

    /// Forgets jobs and children of a runner that is dead. For the master, while no runner lives.
    pub(crate) fn reset(&self) {
        let header = self.header();
        for lane in 0..self.used() {
            if let Some(slot) = self.lane(lane) {
                slot.busy.store(0, Ordering::Relaxed);
                let even = slot.sequence.load(Ordering::Relaxed).wrapping_add(1) & !1;
                slot.sequence.store(even, Ordering::Release);
            }
            self.forget_fatal(lane);
        }
        for slot in 0..self.children {
            if self.child(slot).is_some() {
                self.clear_child(slot);
            }
        }
        header.running.lane.store(0, Ordering::Relaxed);
        header.heartbeat_ms.store(0, Ordering::Relaxed);
        header.used.store(0, Ordering::Relaxed);
        header.killed.store(0, Ordering::Relaxed);
        header.goodbye.store(0, Ordering::Release);
    }

    /// For tests: what a writer leaves that was killed while it wrote the slot.
    #[doc(hidden)]
    pub fn tear(&self, lane: u32) {
        self.header().used.fetch_max(lane + 1, Ordering::Relaxed);
        if let Some(slot) = self.lane(lane) {
            slot.sequence.fetch_or(1, Ordering::Relaxed);
        }
    }

    /// For fuzzing: what a writer leaves that has lost its way. From this offset, as much as the mapping has.
    #[doc(hidden)]
    pub fn scribble(&self, offset: usize, bytes: &[u8]) {
        let start = offset.min(self.length);
        for (at, byte) in (start..self.length).zip(bytes) {
            // SAFETY: inside the mapping. Nobody else reads or writes it meanwhile, or would do so by whole atomics.
            unsafe { self.base.cast::<u8>().add(at).write_volatile(*byte) };
        }
    }

    fn used(&self) -> u32 {
        self.header().used.load(Ordering::Relaxed).min(self.lanes)
    }

    fn header(&self) -> &Header {
        // SAFETY: the mapping begins with a Header, is aligned to a page, and lives as long as `self`.
        unsafe { self.base.cast::<Header>().as_ref() }
    }

    fn lane(&self, lane: u32) -> Option<&LaneSlot> {
        if lane >= self.lanes {
            return None;
        }
        let offset = size_of::<Header>() + lane as usize * size_of::<LaneSlot>();
        // SAFETY: the offset is below the mapping's length, since `lane < self.lanes`.
        let slot = unsafe { self.base.byte_add(offset) };
        // SAFETY: header and slots are multiples of 64 bytes, so the slot is aligned; it lives as long as `self`.
        Some(unsafe { slot.cast::<LaneSlot>().as_ref() })
    }

    fn child_slot(&self, slot: u32) -> Option<&ChildSlot> {
        if slot >= self.children {
            return None;
        }
        let offset = size_of::<Header>()
            + self.lanes as usize * size_of::<LaneSlot>()
            + slot as usize * size_of::<ChildSlot>();
        // SAFETY: the offset is below the mapping's length, since `slot < self.children`.
        let cell = unsafe { self.base.byte_add(offset) };
        // SAFETY: as for a lane's slot.
        Some(unsafe { cell.cast::<ChildSlot>().as_ref() })
    }
}

impl Drop for Scoreboard {
    fn drop(&mut self) {
        // SAFETY: mapped by `new` with this length, and nobody in this process can reach it any more.
        unsafe { libc::munmap(self.base.as_ptr(), self.length) };
    }
}

/// A slot that is half-written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Torn;
