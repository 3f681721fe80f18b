//! `connect`, `accept`, `accept4`: connections of blocking sockets.
#![expect(
    unsafe_code,
    reason = "hooks have C signatures and make the real calls"
)]

use libc::{c_int, sockaddr, socklen_t};

use super::Hook;
use super::gate::{self, Deadline, Gate, Pauses, Waited, errno, nonblocking, ready_now, set_errno};
use super::transfer::time_limit;

pub(super) const HOOKS: &[Hook] = &[
    Hook::new("connect", connect as *const ()),
    Hook::new("accept", accept as *const ()),
    Hook::new("accept4", accept4 as *const ()),
];

unsafe extern "C" fn connect(fd: c_int, to: *const sockaddr, length: socklen_t) -> c_int {
    let real = || {
        // SAFETY: the caller's own arguments.
        unsafe { libc::connect(fd, to, length) }
    };
    let Some(gate) = gate::open().filter(|_| !nonblocking(fd)) else {
        return real();
    };
    let saved = errno();
    let mut limit = None;
    let mut pauses = Pauses::new();
    loop {
        if without_blocking(fd, real) == 0 {
            set_errno(saved);
            return 0;
        }
        let failure = errno();
        if failure != libc::EINPROGRESS && failure != libc::EAGAIN {
            return -1;
        }
        set_errno(saved);
        let deadline = *limit.get_or_insert_with(|| time_limit(fd, libc::SO_SNDTIMEO));
        if failure == libc::EINPROGRESS {
            return finish(gate, fd, deadline, real);
        }
        // The listener's backlog is full. Only local sockets say so, and nothing tells when there is room.
        match gate.pause(pauses.next()) {
            Waited::Cancelled => return cancelled(fd),
            Waited::Refused => return real(),
            Waited::Ready | Waited::TimedOut if deadline.passed() => {
                set_errno(libc::EAGAIN);
                return -1;
            }
            Waited::Ready | Waited::TimedOut => {}
        }
    }
}

/// Makes the call while the descriptor does not block. The flag belongs to the open socket and not to this process, so it is back
/// before anything else runs: a connection in progress does not need it.
fn without_blocking(fd: c_int, call: impl Fn() -> c_int) -> c_int {
    // SAFETY: takes no third argument and changes nothing.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFL) };
    // SAFETY: a flag that sockets know.
    unsafe { libc::fcntl(fd, libc::F_SETFL, flags | libc::O_NONBLOCK) };
    let result = call();
    let failure = errno();
    // SAFETY: the flags that the descriptor had.
    unsafe { libc::fcntl(fd, libc::F_SETFL, flags) };
    set_errno(failure);
    result
}

/// Waits until the connection is there or has failed.
fn finish(gate: Gate, fd: c_int, deadline: Deadline, real: impl Fn() -> c_int) -> c_int {
    let saved = errno();
    match gate.until_ready(fd, libc::POLLOUT, deadline) {
        Waited::Ready => {
            let failure = socket_error(fd);
            set_errno(if failure == 0 { saved } else { failure });
            if failure == 0 { 0 } else { -1 }
        }
        Waited::TimedOut => {
            // What Linux says when SO_SNDTIMEO has passed.
            set_errno(libc::EINPROGRESS);
            -1
        }
        Waited::Cancelled => cancelled(fd),
        // On a blocking socket with a connection in progress this waits for its end.
        Waited::Refused => real(),
    }
}

fn cancelled(fd: c_int) -> c_int {
    if fd > 2 {
        // SAFETY: the socket that the caller wanted to connect.
        unsafe { libc::shutdown(fd, libc::SHUT_RDWR) };
    }
    set_errno(libc::ECANCELED);
    -1
}

fn socket_error(fd: c_int) -> c_int {
    let mut failure: c_int = 0;
    let mut length = size_of::<c_int>() as socklen_t;
    // SAFETY: `failure` and `length` are on this frame and belong together.
    let failed = unsafe {
        libc::getsockopt(
            fd,
            libc::SOL_SOCKET,
            libc::SO_ERROR,
            (&raw mut failure).cast(),
            &raw mut length,
        )
    };
    if failed == 0 { failure } else { errno() }
}

/// Waits for a connection, then makes the real call. If another process takes it in between, that call blocks.
fn accept_by(fd: c_int, real: impl Fn() -> c_int) -> c_int {
    let Some(gate) = gate::open().filter(|_| !ready_now(fd, libc::POLLIN) && !nonblocking(fd))
    else {
        return real();
    };
    match gate.until_ready(fd, libc::POLLIN, time_limit(fd, libc::SO_RCVTIMEO)) {
        Waited::Ready | Waited::Refused => real(),
        Waited::TimedOut => {
            set_errno(libc::EAGAIN);
            -1
        }
        // The listener is shut down, so this fails at once, if it is one.
        Waited::Cancelled if ready_now(fd, libc::POLLIN) => real(),
        Waited::Cancelled => {
            set_errno(libc::ECANCELED);
            -1
        }
    }
}

unsafe extern "C" fn accept(fd: c_int, from: *mut sockaddr, length: *mut socklen_t) -> c_int {
    accept_by(fd, || {
        // SAFETY: the caller's own arguments.
        unsafe { libc::accept(fd, from, length) }
    })
}

unsafe extern "C" fn accept4(
    fd: c_int,
    from: *mut sockaddr,
    length: *mut socklen_t,
    flags: c_int,
) -> c_int {
    accept_by(fd, || {
        // SAFETY: the caller's own arguments.
        unsafe { libc::accept4(fd, from, length, flags) }
    })
}
