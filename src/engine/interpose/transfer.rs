//! Receiving and sending on blocking sockets: loops of attempts that do not block.
//!
//! A blocking `send` on a stream returns when all is sent, and `MSG_WAITALL` when all is there.
//! `SO_RCVTIMEO` and `SO_SNDTIMEO` bound the call as a whole, as in the kernel.
#![expect(unsafe_code, reason = "socket options are read by libc")]

use std::time::Duration;

use libc::{c_int, c_short, size_t, socklen_t, ssize_t, timeval};

use super::gate::{Deadline, Gate, Waited, errno, nonblocking, set_errno, socket_option};

/// How long calls on `fd` may take: `SO_RCVTIMEO` or `SO_SNDTIMEO`. For ever if it is no socket.
pub(super) fn time_limit(fd: c_int, option: c_int) -> Deadline {
    let saved = errno();
    let mut limit = timeval {
        tv_sec: 0,
        tv_usec: 0,
    };
    let mut length = size_of::<timeval>() as socklen_t;
    // SAFETY: `limit` and `length` are on this frame and belong together.
    let failed = unsafe {
        libc::getsockopt(
            fd,
            libc::SOL_SOCKET,
            option,
            (&raw mut limit).cast(),
            &raw mut length,
        )
    };
    set_errno(saved);
    if failed != 0 || (limit.tv_sec, limit.tv_usec) == (0, 0) {
        return Deadline::NEVER;
    }
    let seconds = u64::try_from(limit.tv_sec).unwrap_or_default();
    let micros = u64::try_from(limit.tv_usec).unwrap_or_default();
    Deadline::after(Some(
        Duration::from_secs(seconds).saturating_add(Duration::from_micros(micros)),
    ))
}

/// A call in progress.
struct Transfer {
    gate: Gate,
    fd: c_int,
    /// Bytes moved so far.
    done: size_t,
    /// `MSG_DONTWAIT`, or nothing once a wait was refused: then the real call blocks.
    dont_wait: c_int,
    /// When the socket's own limit is over; asked for at the first wait.
    limit: Option<Deadline>,
    /// `errno` as the caller left it.
    errno: c_int,
}

impl Transfer {
    fn new(gate: Gate, fd: c_int) -> Self {
        Self {
            gate,
            fd,
            done: 0,
            dont_wait: libc::MSG_DONTWAIT,
            limit: None,
            errno: errno(),
        }
    }

    /// May the call that has just failed be made again, later?
    fn may_wait(&self) -> bool {
        errno() == libc::EAGAIN && self.dont_wait != 0 && !nonblocking(self.fd)
    }

    /// Waits as long as the socket allows; an error number if there is no use in another attempt.
    fn wait(&mut self, events: c_short, option: c_int) -> Result<(), c_int> {
        let (gate, fd) = (self.gate, self.fd);
        let deadline = *self.limit.get_or_insert_with(|| time_limit(fd, option));
        match gate.until_ready(fd, events, deadline) {
            Waited::Ready => Ok(()),
            Waited::Refused => {
                self.dont_wait = 0;
                Ok(())
            }
            Waited::TimedOut => Err(libc::EAGAIN),
            Waited::Cancelled => Err(libc::ECANCELED),
        }
    }

    /// What the call returns: the bytes moved, or -1 and `error` if there are none.
    fn end(&self, error: c_int) -> ssize_t {
        if self.done == 0 && error != 0 {
            set_errno(error);
            return -1;
        }
        set_errno(self.errno);
        self.done as ssize_t
    }
}

/// Receives up to `length` bytes by `attempt(done, flags)`, which stores behind the `done` bytes it has stored already.
pub(super) fn receive(
    gate: Gate,
    fd: c_int,
    flags: c_int,
    length: impl Fn() -> size_t,
    attempt: impl Fn(size_t, c_int) -> ssize_t,
) -> ssize_t {
    let mut transfer = Transfer::new(gate, fd);
    loop {
        let received = attempt(transfer.done, flags | transfer.dont_wait);
        match received {
            0 => return transfer.end(0),
            1.. => {
                transfer.done += received as size_t;
                let whole = flags & libc::MSG_WAITALL == 0
                    || transfer.done >= length()
                    || socket_option(fd, libc::SO_TYPE) != Some(libc::SOCK_STREAM);
                if whole || nonblocking(fd) {
                    return transfer.end(0);
                }
            }
            _ if !transfer.may_wait() => return transfer.end(errno()),
            _ => {}
        }
        match transfer.wait(libc::POLLIN, libc::SO_RCVTIMEO) {
            Ok(()) => {}
            Err(libc::ECANCELED) => {
                // The socket is shut down by now: what is left in it, or its end.
                let received = attempt(transfer.done, flags | libc::MSG_DONTWAIT);
                transfer.done += size_t::try_from(received).unwrap_or_default();
                return transfer.end(match received {
                    0.. => 0,
                    _ if errno() == libc::EAGAIN => libc::ECANCELED,
                    _ => errno(),
                });
            }
            Err(error) => return transfer.end(error),
        }
    }
}

/// Sends `length` bytes by `attempt(done, flags)`, which sends what follows the first `done` bytes.
pub(super) fn transmit(
    gate: Gate,
    fd: c_int,
    flags: c_int,
    length: size_t,
    attempt: impl Fn(size_t, c_int) -> ssize_t,
) -> ssize_t {
    let mut transfer = Transfer::new(gate, fd);
    loop {
        let sent = attempt(transfer.done, flags | transfer.dont_wait);
        if sent >= 0 {
            transfer.done += sent as size_t;
            if transfer.done >= length || sent == 0 || nonblocking(fd) {
                return transfer.end(0);
            }
            continue;
        }
        if !transfer.may_wait() {
            return transfer.end(errno());
        }
        match transfer.wait(libc::POLLOUT, libc::SO_SNDTIMEO) {
            Ok(()) => {}
            // Not tried again: on the socket that is now shut it would raise SIGPIPE.
            Err(libc::ECANCELED) => return transfer.end(libc::EPIPE),
            Err(error) => return transfer.end(error),
        }
    }
}
