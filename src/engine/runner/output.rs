//! Lines of the lanes on standard output: collected, and written together.
//!
//! Invariant: what is written ends at a line's end, unless the line itself is too long for one write.
//! Invariant: while whoever reads takes some, nobody waits for it; beyond [`LIMIT`] the run does, as any process would.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::write;

/// How long a line may be held back.
const DELAY: Duration = Duration::from_millis(20);
/// From here on lines are written before that.
const ENOUGH: usize = 32 * 1024;
/// More than this is never held.
const LIMIT: usize = 1024 * 1024;
/// A pipe that takes anything takes this much at once, and does not mix it with what other processes write.
const CHUNK: usize = libc::PIPE_BUF;

/// What waits to be written.
#[derive(Debug)]
pub(super) struct Output {
    to: BorrowedFd<'static>,
    held: Vec<u8>,
    due: Option<Instant>,
}

impl Output {
    pub(super) fn new(to: BorrowedFd<'static>) -> Self {
        Self {
            to,
            held: Vec::new(),
            due: None,
        }
    }

    pub(super) fn write(&mut self, text: &[u8]) {
        self.held.extend_from_slice(text);
        if self.held.len() > LIMIT {
            self.drain(PollTimeout::NONE);
        } else if self.due.is_none() {
            self.due = Some(Instant::now() + DELAY);
        }
    }

    /// When the loop has to look at it again.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Writes if it is time to.
    pub(super) fn tick(&mut self) {
        let Some(due) = self.due else { return };
        let now = Instant::now();
        if now < due && self.held.len() < ENOUGH {
            return;
        }
        self.drain(PollTimeout::ZERO);
        // What nobody takes now is tried again then.
        self.due = (!self.held.is_empty()).then(|| now + DELAY);
    }

    /// Writes all, however long that takes.
    pub(super) fn finish(&mut self) {
        self.drain(PollTimeout::NONE);
        self.due = None;
    }

    fn drain(&mut self, patience: PollTimeout) {
        let mut done = 0;
        while done < self.held.len() {
            let mut fds = [PollFd::new(self.to, PollFlags::POLLOUT)];
            match poll(&mut fds, patience) {
                Ok(0) => break,
                Err(Errno::EINTR) => continue,
                Ok(_) | Err(_) => {}
            }
            match write(self.to, chunk(&self.held[done..])) {
                Ok(written) => done += written,
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) if patience == PollTimeout::ZERO => break,
                Err(Errno::EAGAIN) => {}
                // Nobody reads any more.
                Err(_) => done = self.held.len(),
            }
        }
        self.held.drain(..done);
    }
}

fn chunk(text: &[u8]) -> &[u8] {
    if text.len() <= CHUNK {
        return text;
    }
    let end = text[..CHUNK].iter().rposition(|&byte| byte == b'\n');
    &text[..end.map_or(CHUNK, |end| end + 1)]
}
