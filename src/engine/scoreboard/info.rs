//! What the scoreboard says, in values.

/// What a lane's slot says about its job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobInfo {
    /// The driver's id; at most 96 bytes are kept.
    pub id: String,
    /// The job's class or display name; at most 176 bytes.
    pub class: String,
    /// The queue connection; at most 64 bytes.
    pub connection: String,
    /// The queue; at most 136 bytes.
    pub queue: String,
    /// How often the job has been reserved, this time included.
    pub attempts: u32,
    /// When it started, by [`now_ms`](super::now_ms).
    pub started_ms: u64,
    /// When it must have ended, by [`now_ms`](super::now_ms); 0 = no limit.
    pub deadline_ms: u64,
}

/// Counted since the run began, over all its runners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counter {
    /// Jobs taken from a queue.
    Reserved,
    /// Jobs that ended, in whatever way.
    Finished,
    /// Those of them that failed.
    Failed,
    /// Times a lane was suspended.
    Suspensions,
    /// Jobs that ended in an isolated child.
    Isolated,
}

/// How many counters there are.
pub(super) const COUNTERS: usize = 5;

/// What an isolated child is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// It has no job.
    Idle,
    /// It has one.
    Busy,
    /// It was told to leave.
    Leaving,
}

/// What a child's slot says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChildInfo {
    /// Its process.
    pub pid: i32,
    /// What it is doing.
    pub doing: Doing,
    /// For whom: the ticket its lane lined up with.
    pub ticket: u64,
    /// Jobs it has begun.
    pub jobs: u32,
    /// When its present job started, by [`now_ms`](super::now_ms).
    pub started_ms: u64,
    /// When its present job must have ended; 0 = no limit.
    pub deadline_ms: u64,
}
