//! What a job costs the process that it shares: processor time, how long it held the loop, memory.
//!
//! A slice is what a lane runs between two suspensions. All that is known of a slice comes from two readings of the system's
//! clock, which cost some nanoseconds; the thread's own clock costs a system call, so it is read only now and then and after long
//! slices, and short slices count as if they had had the processor all the time.
//! No clock here: times are passed in.

use std::time::Duration;

/// Time since some moment; the same one for all readings.
pub type Moment = Duration;

/// How often at most the thread's clock is read as a slice begins.
const MARK_EVERY: Duration = Duration::from_millis(20);

/// A slice of at least this length may have waited for the processor for a good part of it.
const LONG: Duration = Duration::from_millis(10);

/// One resume of a lane, or the part of it that belongs to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Slice {
    /// From its beginning to its end.
    pub wall: Duration,
    /// Of that, on the processor.
    pub cpu: Duration,
    /// Bytes that PHP's allocator had handed out more at its end than at its beginning.
    pub memory: i64,
    /// Of both, what went into code that the process had not had yet. The job that meets it first says nothing of its class by that.
    pub loading: Loading,
}

/// What it took to load code: files that were compiled for the first time, classes that autoloaders found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Loading {
    /// Processor time.
    pub cpu: Duration,
    /// Bytes that stayed.
    pub memory: i64,
}

/// What one job has cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// How many slices.
    pub slices: u64,
    /// Processor time.
    pub cpu: Duration,
    /// The longest slice, with whatever kept it from the processor.
    pub longest: Duration,
    /// The most processor time of one slice, without loading.
    pub longest_cpu: Duration,
    /// The most memory it had beyond what was there before it, in bytes, as seen at the ends of slices; without loaded code.
    pub memory: u64,
    /// What it has now; less than nothing if it freed what was there before.
    held: i64,
}

impl Usage {
    /// What it has now, as of its last slice.
    pub fn held(&self) -> i64 {
        self.held
    }

    /// Counts a slice. True: it is the longest so far.
    pub fn add(&mut self, slice: Slice) -> bool {
        self.slices += 1;
        self.cpu += slice.cpu;
        let own = slice.cpu.saturating_sub(slice.loading.cpu);
        self.longest_cpu = self.longest_cpu.max(own);
        let own = slice.memory.saturating_sub(slice.loading.memory);
        self.held = self.held.saturating_add(own);
        self.memory = self.memory.max(u64::try_from(self.held).unwrap_or(0));
        let longest = slice.wall > self.longest;
        self.longest = self.longest.max(slice.wall);
        longest
    }
}

/// When to read the thread's clock, and what its readings say.
#[derive(Debug, Default)]
pub struct Meter {
    /// The last reading: when it was made, and of the thread's clock.
    mark: Option<(Moment, Duration)>,
}

impl Meter {
    /// As a slice begins: whether the thread's clock should be read for [`Meter::mark`].
    pub fn is_stale(&self, now: Moment) -> bool {
        self.mark
            .is_none_or(|(at, _)| now.saturating_sub(at) >= MARK_EVERY)
    }

    /// The thread's clock was read.
    pub fn mark(&mut self, now: Moment, thread: Duration) {
        self.mark = Some((now, thread));
    }

    /// The processor time of a slice that ends now. `thread` reads the thread's clock, if that is worth it.
    ///
    /// Never more than the slice was long, and too much by [`MARK_EVERY`] at most: what ran between the last mark and the slice.
    pub fn cpu(
        &mut self,
        began: Moment,
        now: Moment,
        thread: impl FnOnce() -> Duration,
    ) -> Duration {
        let wall = now.saturating_sub(began);
        let Some((_, marked)) = self.mark.filter(|_| wall >= LONG) else {
            return wall;
        };
        let thread = thread();
        self.mark = Some((now, thread));
        thread.saturating_sub(marked).min(wall)
    }
}
