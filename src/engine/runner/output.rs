//! Lines of the lanes on standard output: collected, and written together.
//!
//! Invariant: what is written ends at a line's end, unless the line itself is too long for one write.
//! Invariant: while whoever reads takes some, nobody waits for it; beyond [`LIMIT`] the run does, as any process would.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
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
    /// What the pipe holds, if it is one.
    pipe: usize,
    held: Vec<u8>,
    due: Option<Instant>,
}

impl Output {
    pub(super) fn new(to: BorrowedFd<'static>) -> Self {
        let pipe = fcntl(to, FcntlArg::F_GETPIPE_SZ).unwrap_or(0);
        Self {
            to,
            pipe: usize::try_from(pipe).unwrap_or(0),
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

    /// How much can be written at once: a pipe that is empty takes all that it can hold, and each system call costs as much as a line.
    #[expect(unsafe_code, reason = "nix has no FIONREAD")]
    fn room(&self) -> usize {
        let mut unread: libc::c_int = 1;
        // SAFETY: writes one int, which is on this frame.
        let asked = unsafe { libc::ioctl(self.to.as_raw_fd(), libc::FIONREAD, &raw mut unread) };
        if self.pipe > CHUNK && asked == 0 && unread == 0 {
            self.pipe
        } else {
            CHUNK
        }
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
            match write(self.to, chunk(&self.held[done..], self.room())) {
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

fn chunk(text: &[u8], room: usize) -> &[u8] {
    if text.len() <= room {
        return text;
    }
    let end = text[..room].iter().rposition(|&byte| byte == b'\n');
    &text[..end.map_or(room, |end| end + 1)]
}
