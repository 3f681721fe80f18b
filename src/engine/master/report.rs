//! What the master writes on stderr.

use super::{Blame, Lost};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::Write;
use std::os::fd::AsFd;

/// The line in the log that says how a runner died and what it was doing.
pub(super) fn death_report(pid: i32, how: &str, lost: &[Lost], torn: &[u32]) -> String {
    let count = |blame: Blame| {
        let in_flight = lost.iter().filter(|job| !job.ended);
        in_flight.filter(|job| job.blame == blame).count()
    };
    let jobs = |count: usize, what: &str| match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    };
    let [innocent, suspects] = [Blame::Innocent, Blame::Suspect].map(count);
    let mut line = format!("runner {pid} {how}");
    for (index, job) in lost
        .iter()
        .filter(|job| job.ended || job.blame == Blame::Guilty)
        .enumerate()
    {
        let Lost { info, cause, .. } = job;
        line += if index == 0 { " while running" } else { "," };
        line += match (job.ended, job.blame) {
            (false, _) => "",
            (true, Blame::Guilty) => " what was left behind by",
            (true, _) => " what was left behind by the jobs of a lane, of which the last was",
        };
        line += &format!(" {} (job {})", info.class, info.id);
        if cause.starts_with("fatal error: ") {
            line += &format!(": {cause}");
        }
    }
    if suspects > 0 {
        line += &format!(
            "; nobody knows by which: an attempt is counted for each of the {} that had begun",
            jobs(suspects, "job")
        );
    }
    match innocent {
        0 if lost.iter().all(|job| job.ended) => line += "; no job was in flight",
        0 => {}
        1 => line += "; 1 innocent job goes back",
        _ => line += &format!("; {} go back", jobs(innocent, "innocent job")),
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
