//! Limits of the options, and their defaults in a plain program; those of `kqueue:run` are php/config/kqueue.php.
//!
//! Tests hold stubs, the package, its command and the documents to them.

use std::ops::RangeInclusive;

/// How many lanes a run may have.
pub const LANES: RangeInclusive<i64> = 1..=100_000;

/// How many isolated children a run may have.
pub const CHILDREN: RangeInclusive<i64> = 0..=1024;

/// How many lanes a run has, unless it is told.
pub const DEFAULT_LANES: i64 = 100;

/// How many isolated children a run has, unless it is told.
pub const DEFAULT_CHILDREN: i64 = 2;

/// The megabytes that an isolated job may use, unless it says more; 0 would be no limit.
pub const DEFAULT_MEMORY_MB: i64 = 256;

/// The seconds between SIGTERM and SIGKILL for an isolated child that is over its deadline.
pub const DEFAULT_GRACE: f64 = 2.0;

/// How many jobs a child runs before it is replaced.
pub const DEFAULT_CHILD_JOBS: i64 = 1000;
