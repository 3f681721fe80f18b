//! `recv`, `send` and their kin: each is first tried with `MSG_DONTWAIT`, and the lane waits only if that would block.
//!
//! A blocking `send` on a stream returns when all is sent, and `MSG_WAITALL` when all is there: both are loops here.
//! `SO_RCVTIMEO` and `SO_SNDTIMEO` bound the call as a whole, as in the kernel.
#![expect(
    unsafe_code,
    reason = "hooks have C signatures and make the real calls"
)]

use std::time::Duration;

use libc::{c_int, c_short, c_void, msghdr, size_t, sockaddr, socklen_t, ssize_t, timeval};

use super::Hook;
use super::gate::{self, Deadline, Gate, Waited, errno, nonblocking, set_errno};
use super::iov::{self, Rest};

pub(super) const HOOKS: &[Hook] = &[
    Hook::new("recv", recv as *const ()),
    Hook::new("__recv_chk", recv_chk as *const ()),
    Hook::new("recvfrom", recvfrom as *const ()),
    Hook::new("__recvfrom_chk", recvfrom_chk as *const ()),
    Hook::new("recvmsg", recvmsg as *const ()),
    Hook::new("send", send as *const ()),
    Hook::new("sendto", sendto as *const ()),
    Hook::new("sendmsg", sendmsg as *const ()),
];

unsafe extern "C" {
    fn __recv_chk(
        fd: c_int,
        into: *mut c_void,
        length: size_t,
        size: size_t,
        flags: c_int,
    ) -> ssize_t;
    fn __recvfrom_chk(
        fd: c_int,
        into: *mut c_void,
        length: size_t,
        size: size_t,
        flags: c_int,
        from: *mut sockaddr,
        from_length: *mut socklen_t,
    ) -> ssize_t;
}

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
        Duration::from_secs(seconds) + Duration::from_micros(micros),
    ))
}

fn is_stream(fd: c_int) -> bool {
    let saved = errno();
    let mut kind: c_int = 0;
    let mut length = size_of::<c_int>() as socklen_t;
    // SAFETY: `kind` and `length` are on this frame and belong together.
    let failed = unsafe {
        libc::getsockopt(
            fd,
            libc::SOL_SOCKET,
            libc::SO_TYPE,
            (&raw mut kind).cast(),
            &raw mut length,
        )
    };
    set_errno(saved);
    failed == 0 && kind == libc::SOCK_STREAM
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
fn receive(
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
                let whole =
                    flags & libc::MSG_WAITALL == 0 || transfer.done >= length() || !is_stream(fd);
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
fn transmit(
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

/// Flags that make a receiving call return at once, or that a loop would get wrong.
fn receives_for_real(flags: c_int) -> bool {
    let peeks_for_all = libc::MSG_PEEK | libc::MSG_WAITALL;
    flags & (libc::MSG_DONTWAIT | libc::MSG_OOB | libc::MSG_ERRQUEUE) != 0
        || flags & peeks_for_all == peeks_for_all
}

fn sends_for_real(flags: c_int) -> bool {
    flags & (libc::MSG_DONTWAIT | libc::MSG_OOB | libc::MSG_FASTOPEN) != 0
}

unsafe extern "C" fn recv(fd: c_int, into: *mut c_void, length: size_t, flags: c_int) -> ssize_t {
    let real = |done: size_t, flags: c_int| {
        // SAFETY: the caller's own buffer, behind what it holds already.
        unsafe { libc::recv(fd, into.wrapping_byte_add(done), length - done, flags) }
    };
    match gate::open().filter(|_| !receives_for_real(flags)) {
        None => real(0, flags),
        Some(gate) => receive(gate, fd, flags, || length, real),
    }
}

unsafe extern "C" fn recv_chk(
    fd: c_int,
    into: *mut c_void,
    length: size_t,
    size: size_t,
    flags: c_int,
) -> ssize_t {
    if length > size {
        // SAFETY: the caller's own arguments; it reports the overflow and aborts.
        return unsafe { __recv_chk(fd, into, length, size, flags) };
    }
    // SAFETY: the caller's own arguments.
    unsafe { recv(fd, into, length, flags) }
}

unsafe extern "C" fn recvfrom(
    fd: c_int,
    into: *mut c_void,
    length: size_t,
    flags: c_int,
    from: *mut sockaddr,
    from_length: *mut socklen_t,
) -> ssize_t {
    let real = |done: size_t, flags: c_int| {
        // SAFETY: the caller's own arguments; its buffer behind what that holds already.
        unsafe {
            libc::recvfrom(
                fd,
                into.wrapping_byte_add(done),
                length - done,
                flags,
                from,
                from_length,
            )
        }
    };
    match gate::open().filter(|_| !receives_for_real(flags)) {
        None => real(0, flags),
        Some(gate) => receive(gate, fd, flags, || length, real),
    }
}

unsafe extern "C" fn recvfrom_chk(
    fd: c_int,
    into: *mut c_void,
    length: size_t,
    size: size_t,
    flags: c_int,
    from: *mut sockaddr,
    from_length: *mut socklen_t,
) -> ssize_t {
    if length > size {
        // SAFETY: the caller's own arguments; it reports the overflow and aborts.
        return unsafe { __recvfrom_chk(fd, into, length, size, flags, from, from_length) };
    }
    // SAFETY: the caller's own arguments.
    unsafe { recvfrom(fd, into, length, flags, from, from_length) }
}

unsafe extern "C" fn recvmsg(fd: c_int, message: *mut msghdr, flags: c_int) -> ssize_t {
    let real = |done: size_t, flags: c_int| {
        if done == 0 {
            // SAFETY: the caller's own arguments.
            return unsafe { libc::recvmsg(fd, message, flags) };
        }
        // SAFETY: the kernel has accepted this message header with its buffers before.
        let rest =
            unsafe { Rest::of((*message).msg_iov, (*message).msg_iovlen, done, size_t::MAX) };
        let mut further = header(&rest);
        // SAFETY: `further` names parts of the caller's buffers, and no address or control data.
        unsafe { libc::recvmsg(fd, &raw mut further, flags) }
    };
    match gate::open().filter(|_| !receives_for_real(flags)) {
        None => real(0, flags),
        Some(gate) => {
            // SAFETY: asked only after the kernel has accepted the header.
            let length = || unsafe { iov::total((*message).msg_iov, (*message).msg_iovlen) };
            receive(gate, fd, flags, length, real)
        }
    }
}

unsafe extern "C" fn send(fd: c_int, from: *const c_void, length: size_t, flags: c_int) -> ssize_t {
    let real = |done: size_t, flags: c_int| {
        // SAFETY: the caller's own buffer, behind what has been sent.
        unsafe { libc::send(fd, from.wrapping_byte_add(done), length - done, flags) }
    };
    match gate::open().filter(|_| !sends_for_real(flags)) {
        None => real(0, flags),
        Some(gate) => transmit(gate, fd, flags, length, real),
    }
}

unsafe extern "C" fn sendto(
    fd: c_int,
    from: *const c_void,
    length: size_t,
    flags: c_int,
    to: *const sockaddr,
    to_length: socklen_t,
) -> ssize_t {
    let real = |done: size_t, flags: c_int| {
        // SAFETY: the caller's own arguments; its buffer behind what has been sent.
        unsafe {
            libc::sendto(
                fd,
                from.wrapping_byte_add(done),
                length - done,
                flags,
                to,
                to_length,
            )
        }
    };
    match gate::open().filter(|_| !sends_for_real(flags)) {
        None => real(0, flags),
        Some(gate) => transmit(gate, fd, flags, length, real),
    }
}

unsafe extern "C" fn sendmsg(fd: c_int, message: *const msghdr, flags: c_int) -> ssize_t {
    let Some(gate) = gate::open().filter(|_| !sends_for_real(flags) && !message.is_null()) else {
        // SAFETY: the caller's own arguments.
        return unsafe { libc::sendmsg(fd, message, flags) };
    };
    // SAFETY: the caller's argument, not null.
    let first = unsafe { *message };
    // SAFETY: the caller's own buffers, which libc would read too.
    let length = unsafe { iov::total(first.msg_iov, first.msg_iovlen) };
    transmit(gate, fd, flags, length, |done, flags| {
        if done == 0 {
            // SAFETY: the caller's own arguments.
            return unsafe { libc::sendmsg(fd, message, flags) };
        }
        // SAFETY: the caller's own buffers, of which a part has been sent.
        unsafe {
            send_rest(
                fd,
                &Rest::of(first.msg_iov, first.msg_iovlen, done, size_t::MAX),
                flags,
            )
        }
    })
}

/// A message of the buffers alone: control data goes with the first bytes only.
fn header(rest: &Rest) -> msghdr {
    // SAFETY: a header of zeros is an empty message.
    let mut header: msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = rest.parts().as_ptr().cast_mut();
    header.msg_iovlen = rest.parts().len();
    header
}

/// # Safety
/// The parts are readable.
unsafe fn send_rest(fd: c_int, rest: &Rest, flags: c_int) -> ssize_t {
    let further = header(rest);
    // SAFETY: `further` names readable parts, and no address or control data.
    unsafe { libc::sendmsg(fd, &raw const further, flags) }
}

/// `write` on a socket.
///
/// # Safety
/// `from` points to `length` bytes.
pub(super) unsafe fn send_all(
    gate: Gate,
    fd: c_int,
    from: *const c_void,
    length: size_t,
) -> ssize_t {
    transmit(gate, fd, 0, length, |done, flags| {
        // SAFETY: the caller's buffer, behind what has been sent.
        unsafe { libc::send(fd, from.wrapping_byte_add(done), length - done, flags) }
    })
}

/// `writev` on a socket.
///
/// # Safety
/// `buffers` points to `count` entries that name readable bytes.
pub(super) unsafe fn send_buffers(
    gate: Gate,
    fd: c_int,
    buffers: *const libc::iovec,
    count: usize,
) -> ssize_t {
    // SAFETY: says the caller.
    let length = unsafe { iov::total(buffers, count) };
    transmit(gate, fd, 0, length, |done, flags| {
        // SAFETY: the caller's own buffers, of which a part has been sent.
        unsafe { send_rest(fd, &Rest::of(buffers, count, done, size_t::MAX), flags) }
    })
}
