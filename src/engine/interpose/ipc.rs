//! SysV semaphores and message queues: `semop`, `msgrcv`, `msgsnd`, tried until they need not wait, since nothing tells when.
//!
//! A job that blocked here could wait for ever for another job of its own runner.
#![expect(
    unsafe_code,
    reason = "hooks have C signatures and make the real calls"
)]

use libc::{c_int, c_long, c_void, sembuf, size_t, ssize_t};

use super::Hook;
use super::gate;

pub(super) const HOOKS: &[Hook] = &[
    Hook::new("semop", semop as *const ()),
    Hook::new("msgrcv", msgrcv as *const ()),
    Hook::new("msgsnd", msgsnd as *const ()),
];

const NOWAIT: i16 = libc::IPC_NOWAIT as i16;
/// More operations at once than this are left to libc; PHP makes up to three.
const MOST: usize = 8;

unsafe extern "C" fn semop(set: c_int, operations: *mut sembuf, count: size_t) -> c_int {
    let real = |operations: *mut sembuf| {
        // SAFETY: the caller's own arguments, or a copy of its operations.
        unsafe { libc::semop(set, operations, count) }
    };
    let usual = (1..=MOST).contains(&count) && !operations.is_null();
    let Some(gate) = gate::open().filter(|_| usual) else {
        return real(operations);
    };
    // SAFETY: the caller's own array.
    let wanted = unsafe { std::slice::from_raw_parts(operations, count) };
    // What failed would not be known, if some may wait and some may not.
    if wanted
        .iter()
        .any(|operation| operation.sem_flg & NOWAIT != 0)
    {
        return real(operations);
    }
    let mut copies = [wanted[0]; MOST];
    for (copy, operation) in copies.iter_mut().zip(wanted) {
        *copy = sembuf {
            sem_flg: operation.sem_flg | NOWAIT,
            ..*operation
        };
    }
    // The kernel only reads them.
    let copies = &raw const copies;
    gate.until_free(
        &[libc::EAGAIN],
        || real(copies.cast_mut().cast()),
        || real(operations),
    )
}

unsafe extern "C" fn msgrcv(
    queue: c_int,
    into: *mut c_void,
    size: size_t,
    kind: c_long,
    flags: c_int,
) -> ssize_t {
    let real = |flags| {
        // SAFETY: the caller's own arguments.
        unsafe { libc::msgrcv(queue, into, size, kind, flags) }
    };
    match gate::open().filter(|_| flags & libc::IPC_NOWAIT == 0) {
        None => real(flags),
        Some(gate) => gate.until_free(
            &[libc::ENOMSG],
            || real(flags | libc::IPC_NOWAIT),
            || real(flags),
        ),
    }
}

unsafe extern "C" fn msgsnd(
    queue: c_int,
    message: *const c_void,
    size: size_t,
    flags: c_int,
) -> c_int {
    let real = |flags| {
        // SAFETY: the caller's own arguments.
        unsafe { libc::msgsnd(queue, message, size, flags) }
    };
    match gate::open().filter(|_| flags & libc::IPC_NOWAIT == 0) {
        None => real(flags),
        Some(gate) => gate.until_free(
            &[libc::EAGAIN],
            || real(flags | libc::IPC_NOWAIT),
            || real(flags),
        ),
    }
}
