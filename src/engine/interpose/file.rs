//! `read`, `write` and their kin on pipes, terminals and sockets, and locks on files.
//!
//! Regular files are always ready, so they never suspend. Writing to descriptors up to 2 is always the real call: what a job prints is not worth a switch.
//! A pipe that is writable takes `PIPE_BUF` bytes, so a longer `write` goes out in parts of that size; it was never atomic.
#![expect(
    unsafe_code,
    reason = "hooks have C signatures and make the real calls"
)]

use libc::{c_int, c_void, iovec, mode_t, size_t, ssize_t};

use super::Hook;
use super::gate::{self, Deadline, Gate, Waited, errno, nonblocking, ready_now, set_errno};
use super::iov::{self, Rest};
use super::socket;
use super::transfer::time_limit;

pub(super) const HOOKS: &[Hook] = &[
    Hook::new("read", read as *const ()),
    Hook::new("__read_chk", read_chk as *const ()),
    Hook::new("readv", readv as *const ()),
    Hook::new("write", write as *const ()),
    Hook::new("writev", writev as *const ()),
    Hook::new("flock", flock as *const ()),
    Hook::new("fcntl", fcntl as *const ()),
    Hook::new("fcntl64", fcntl as *const ()),
];

unsafe extern "C" {
    fn __read_chk(fd: c_int, into: *mut c_void, length: size_t, size: size_t) -> ssize_t;
}

fn kind(fd: c_int) -> mode_t {
    let saved = errno();
    // SAFETY: a structure of zeros is a valid one to be filled.
    let mut status: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: `status` is on this frame.
    let failed = unsafe { libc::fstat(fd, &raw mut status) };
    set_errno(saved);
    if failed == 0 {
        status.st_mode & libc::S_IFMT
    } else {
        0
    }
}

/// Waits until there is something to read, then makes the real call.
fn read_by(fd: c_int, real: impl Fn() -> ssize_t) -> ssize_t {
    let Some(gate) = gate::open().filter(|_| !ready_now(fd, libc::POLLIN) && !nonblocking(fd))
    else {
        return real();
    };
    match gate.until_ready(fd, libc::POLLIN, time_limit(fd, libc::SO_RCVTIMEO)) {
        Waited::Ready | Waited::Refused => real(),
        Waited::TimedOut => fail(libc::EAGAIN),
        // A socket is shut down by now and reads as ended.
        Waited::Cancelled if ready_now(fd, libc::POLLIN) => real(),
        Waited::Cancelled => fail(libc::ECANCELED),
    }
}

fn fail(error: c_int) -> ssize_t {
    set_errno(error);
    -1
}

unsafe extern "C" fn read(fd: c_int, into: *mut c_void, length: size_t) -> ssize_t {
    read_by(fd, || {
        // SAFETY: the caller's own arguments.
        unsafe { libc::read(fd, into, length) }
    })
}

unsafe extern "C" fn read_chk(
    fd: c_int,
    into: *mut c_void,
    length: size_t,
    size: size_t,
) -> ssize_t {
    if length > size {
        // SAFETY: the caller's own arguments; it reports the overflow and aborts.
        return unsafe { __read_chk(fd, into, length, size) };
    }
    // SAFETY: the caller's own arguments.
    unsafe { read(fd, into, length) }
}

unsafe extern "C" fn readv(fd: c_int, buffers: *const iovec, count: c_int) -> ssize_t {
    read_by(fd, || {
        // SAFETY: the caller's own arguments.
        unsafe { libc::readv(fd, buffers, count) }
    })
}

/// Writes `length` bytes to a pipe by `part(done)`, which writes at most `PIPE_BUF` of what follows the first `done` bytes.
fn write_pipe(gate: Gate, fd: c_int, length: size_t, part: impl Fn(size_t) -> ssize_t) -> ssize_t {
    let saved = errno();
    let mut done: size_t = 0;
    loop {
        if !ready_now(fd, libc::POLLOUT) {
            match gate.until_ready(fd, libc::POLLOUT, Deadline::NEVER) {
                Waited::Cancelled if done > 0 => return done as ssize_t,
                Waited::Cancelled => return fail(libc::ECANCELED),
                Waited::Ready | Waited::TimedOut | Waited::Refused => {}
            }
        }
        let written = part(done);
        if written < 0 && done == 0 {
            return -1;
        }
        if written <= 0 {
            set_errno(saved);
            return done as ssize_t;
        }
        done += written as size_t;
        if done >= length {
            return done as ssize_t;
        }
    }
}

/// Waits until some other device takes output, if it may block.
fn until_writable(gate: Gate, fd: c_int) -> Waited {
    if ready_now(fd, libc::POLLOUT) || nonblocking(fd) {
        return Waited::Ready;
    }
    gate.until_ready(fd, libc::POLLOUT, Deadline::NEVER)
}

unsafe extern "C" fn write(fd: c_int, from: *const c_void, length: size_t) -> ssize_t {
    if fd > 2 && !gate::claim(fd) {
        return -1;
    }
    let real = |from: *const c_void, length| {
        // SAFETY: the caller's own buffer, or a part of it.
        unsafe { libc::write(fd, from, length) }
    };
    let Some(gate) = gate::open().filter(|_| fd > 2 && length > 0) else {
        return real(from, length);
    };
    match kind(fd) {
        // SAFETY: the caller's own buffer.
        libc::S_IFSOCK => unsafe { socket::send_all(gate, fd, from, length) },
        libc::S_IFIFO if !nonblocking(fd) => write_pipe(gate, fd, length, |done| {
            real(
                from.wrapping_byte_add(done),
                (length - done).min(libc::PIPE_BUF),
            )
        }),
        libc::S_IFCHR if until_writable(gate, fd) == Waited::Cancelled => fail(libc::ECANCELED),
        _ => real(from, length),
    }
}

unsafe extern "C" fn writev(fd: c_int, buffers: *const iovec, count: c_int) -> ssize_t {
    if fd > 2 && !gate::claim(fd) {
        return -1;
    }
    let real = |buffers, count| {
        // SAFETY: the caller's own buffers, or parts of them.
        unsafe { libc::writev(fd, buffers, count) }
    };
    let usual = 1..=libc::UIO_MAXIOV;
    let Some(gate) = gate::open().filter(|_| fd > 2 && usual.contains(&count)) else {
        return real(buffers, count);
    };
    let parts = count as usize;
    match kind(fd) {
        // SAFETY: the caller's own buffers.
        libc::S_IFSOCK => unsafe { socket::send_buffers(gate, fd, buffers, parts) },
        libc::S_IFIFO if !nonblocking(fd) => {
            // SAFETY: the caller's own buffers.
            let length = unsafe { iov::total(buffers, parts) };
            write_pipe(gate, fd, length, |done| {
                // SAFETY: the caller's own buffers, of which a part has been written.
                let rest = unsafe { Rest::of(buffers, parts, done, libc::PIPE_BUF) };
                real(rest.parts().as_ptr(), rest.parts().len() as c_int)
            })
        }
        libc::S_IFCHR if until_writable(gate, fd) == Waited::Cancelled => fail(libc::ECANCELED),
        _ => real(buffers, count),
    }
}

/// What the kernel says of a lock that is held.
const HELD: &[c_int] = &[libc::EWOULDBLOCK, libc::EACCES];

unsafe extern "C" fn flock(fd: c_int, operation: c_int) -> c_int {
    let real = |operation| {
        // SAFETY: takes numbers.
        unsafe { libc::flock(fd, operation) }
    };
    let waits = matches!(operation, libc::LOCK_SH | libc::LOCK_EX);
    match gate::open().filter(|_| waits) {
        None => real(operation),
        Some(gate) => gate.until_free(HELD, || real(operation | libc::LOCK_NB), || real(operation)),
    }
}

/// Variadic in C; on both architectures a single further argument is passed as if it were named.
unsafe extern "C" fn fcntl(fd: c_int, command: c_int, argument: *mut c_void) -> c_int {
    let real = |command| {
        // SAFETY: the caller's own arguments.
        unsafe { libc::fcntl(fd, command, argument) }
    };
    let attempt = match command {
        libc::F_SETLKW => libc::F_SETLK,
        libc::F_OFD_SETLKW => libc::F_OFD_SETLK,
        _ => return real(command),
    };
    match gate::open() {
        None => real(command),
        Some(gate) => gate.until_free(HELD, || real(attempt), || real(command)),
    }
}
