//! `mmap` and `mremap`: PHP's allocator takes more memory of the system, and the lane may have had enough. None of these waits.
#![expect(
    unsafe_code,
    reason = "hooks have C signatures and make the real calls"
)]

use libc::{c_int, c_void, off_t, size_t};

use super::{Hook, gate};

pub(super) const HOOKS: &[Hook] = &[
    Hook::new("mmap", mmap as *const ()),
    Hook::new("mmap64", mmap as *const ()),
    Hook::new("mremap", mremap as *const ()),
];

/// What PHP's allocator takes at once, at least.
const CHUNK: size_t = 2 << 20;

unsafe extern "C" fn mmap(
    address: *mut c_void,
    length: size_t,
    protection: c_int,
    flags: c_int,
    descriptor: c_int,
    offset: off_t,
) -> *mut c_void {
    // SAFETY: the caller's own arguments.
    let place = unsafe { libc::mmap(address, length, protection, flags, descriptor, offset) };
    if length >= CHUNK && flags & libc::MAP_ANONYMOUS != 0 {
        gate::grew();
    }
    place
}

/// The last argument is there or not, as the flags say; it is passed on as it came.
unsafe extern "C" fn mremap(
    address: *mut c_void,
    old: size_t,
    new: size_t,
    flags: c_int,
    place: *mut c_void,
) -> *mut c_void {
    // SAFETY: the caller's own arguments.
    let place = unsafe { libc::mremap(address, old, new, flags, place) };
    if new >= CHUNK {
        gate::grew();
    }
    place
}
