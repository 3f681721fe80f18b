//! What this process is: set once after each fork, read from anywhere.
//!
//! Invariant: only `zygote::fork` (in a new process) and `master` (for the process that becomes the master) set it.

use std::sync::atomic::{AtomicU8, Ordering};

/// What a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Role {
    /// A PHP process like any other.
    None = 0,
    /// Forks, watches and reaps; runs no job.
    Master = 1,
    /// Runs lanes.
    Runner = 2,
    /// Runs isolated jobs, one after another.
    Child = 3,
    /// Gives back the jobs of a runner that died.
    Rescue = 4,
}

static ROLE: AtomicU8 = AtomicU8::new(Role::None as u8);

/// This process's role.
pub fn role() -> Role {
    match ROLE.load(Ordering::Relaxed) {
        1 => Role::Master,
        2 => Role::Runner,
        3 => Role::Child,
        4 => Role::Rescue,
        _ => Role::None,
    }
}

/// Changes the role and returns the old one. Public for a process that is a runner without being forked (standalone).
pub fn set(role: Role) -> Role {
    let old = self::role();
    ROLE.store(role as u8, Ordering::Relaxed);
    old
}

impl Role {
    /// The word for messages.
    pub fn name(self) -> &'static str {
        match self {
            Role::None => "none",
            Role::Master => "master",
            Role::Runner => "runner",
            Role::Child => "child",
            Role::Rescue => "rescue",
        }
    }
}
