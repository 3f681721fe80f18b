//! What the master writes on stderr.

use crate::scoreboard::Lost;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::Write;
use std::os::fd::AsFd;

/// The line in the log that says how a runner died and what it was doing.
pub(super) fn obituary(pid: i32, how: &str, lost: &[Lost], torn: &[u32]) -> String {
    let jobs = |count: usize, word: &str| match count {
        1 => format!("its {word}job goes back"),
        _ => format!("its {count} {word}jobs go back"),
    };
    let mut line = format!("runner {pid} {how}");
    match lost.iter().find(|job| job.culprit) {
        Some(Lost { info, .. }) => {
            line += &format!(" while running {} (job {})", info.class, info.id);
            if lost.len() > 1 {
                line += &format!("; {}", jobs(lost.len() - 1, "other "));
            }
        }
        None if lost.is_empty() => line += "; no job was in flight",
        None => line += &format!("; {}", jobs(lost.len(), "")),
    }
    if !torn.is_empty() {
        line += &format!(
            "; {} just taken from the queue comes back when its reservation expires (retry_after)",
            torn.len()
        );
    }
    line
}

/// One line on stderr, if somebody reads it: a full pipe must not stop the master.
pub(super) fn say(line: &str) {
    let stderr = std::io::stderr();
    let mut fds = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
    let writable = poll(&mut fds, PollTimeout::ZERO).is_ok_and(|ready| ready > 0);
    if writable {
        let _ = stderr
            .lock()
            .write_all(format!("kqueue: {line}\n").as_bytes());
    }
}
