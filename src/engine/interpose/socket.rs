//! `recv`, `send` and their kin: each is first tried with `MSG_DONTWAIT`, and the lane waits only if that would block.
//!
//! The loops are in `transfer`; here is what each function passes on.
#![expect(
    unsafe_code,
    reason = "hooks have C signatures and make the real calls"
)]

use libc::{c_int, c_void, msghdr, size_t, sockaddr, socklen_t, ssize_t};

use super::Hook;
use super::gate::{self, Gate};
use super::iov::{self, Rest};
use super::transfer::{receive, transmit};

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
    if !gate::claim(fd) {
        return -1;
    }
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
    if !gate::claim(fd) {
        return -1;
    }
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
    if !gate::claim(fd) {
        return -1;
    }
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
