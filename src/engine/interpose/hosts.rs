//! `gethostbyname_r`, `getnameinfo`, `res_nsearch`: the other ways to the resolver, on a helper thread with buffers of its own.
//!
//! Cancelled, they fail with `TRY_AGAIN` or `EAI_CANCELED`.
#![expect(
    unsafe_code,
    reason = "hooks have C signatures and make the real calls"
)]

use std::ffi::{CStr, CString};

use libc::{c_char, c_int, c_uchar, c_void, hostent, size_t, sockaddr, socklen_t};

use super::Hook;
use super::dns::{EAI_CANCELED, is_numeric};
use super::gate::{self, errno, set_errno};
use super::got::address_of;
use super::helper::{self, Outcome};

pub(super) const HOOKS: &[Hook] = &[
    Hook::new("gethostbyname_r", gethostbyname_r as *const ()),
    Hook::new("getnameinfo", getnameinfo as *const ()),
    Hook::new("res_nsearch", res_nsearch as *const ()),
    Hook::new("__res_nsearch", res_nsearch as *const ()),
];

/// `<netdb.h>`: a `h_errno`.
const TRY_AGAIN: c_int = 2;

unsafe extern "C" {
    #[link_name = "gethostbyname_r"]
    fn real_gethostbyname_r(
        name: *const c_char,
        host: *mut hostent,
        buffer: *mut c_char,
        size: size_t,
        result: *mut *mut hostent,
        failure: *mut c_int,
    ) -> c_int;
    #[link_name = "getnameinfo"]
    fn real_getnameinfo(
        address: *const sockaddr,
        address_length: socklen_t,
        node: *mut c_char,
        node_size: socklen_t,
        service: *mut c_char,
        service_size: socklen_t,
        flags: c_int,
    ) -> c_int;
    fn __res_ninit(state: *mut c_void) -> c_int;
    fn __res_nclose(state: *mut c_void);
    fn __h_errno_location() -> *mut c_int;
}

/// What `gethostbyname_r` leaves: numbers, and pointers into its buffer.
struct Host {
    host: hostent,
    found: bool,
    buffer: Vec<u64>,
    /// Where in `buffer` libc's part begins: the caller's has the same alignment.
    offset: usize,
    size: usize,
    code: c_int,
    failure: c_int,
    errno: c_int,
}

// SAFETY: the pointers lead into the buffer that moves along, which does not move in memory.
unsafe impl Send for Host {}

impl Host {
    fn look_up(name: &CStr, size: usize, alignment: usize) -> Self {
        // SAFETY: an entry of zeros is a valid one to be filled.
        let host: hostent = unsafe { std::mem::zeroed() };
        let offset = alignment % 16;
        let mut found = Self {
            host,
            found: false,
            buffer: vec![0; (size + offset).div_ceil(8)],
            offset,
            size,
            code: 0,
            failure: 0,
            errno: 0,
        };
        let mut result = std::ptr::null_mut();
        let buffer = found.start();
        set_errno(0);
        // SAFETY: a C string, and a buffer of the size given.
        found.code = unsafe {
            real_gethostbyname_r(
                name.as_ptr(),
                &raw mut found.host,
                buffer.cast(),
                size,
                &raw mut result,
                &raw mut found.failure,
            )
        };
        found.errno = errno();
        found.found = !result.is_null();
        found
    }

    fn start(&mut self) -> *mut u8 {
        self.buffer
            .as_mut_ptr()
            .cast::<u8>()
            .wrapping_add(self.offset)
    }

    /// Copies the entry to the caller's, with all pointers into the caller's buffer.
    ///
    /// # Safety
    /// `host` is writable, and `buffer` for as many bytes as were asked for.
    unsafe fn give(mut self, host: *mut hostent, buffer: *mut u8) {
        let own = self.start();
        let size = self.size;
        let moved = move |pointer: *mut c_char| {
            let offset = (pointer as usize).wrapping_sub(own as usize);
            if offset < size {
                buffer.wrapping_add(offset).cast()
            } else {
                pointer
            }
        };
        for list in [self.host.h_aliases, self.host.h_addr_list] {
            let mut entry = list;
            // SAFETY: lists of libc's that end in null.
            while !list.is_null() && !unsafe { *entry }.is_null() {
                // SAFETY: as above; the list is in our buffer if its entries are.
                unsafe { *entry = moved(*entry) };
                entry = entry.wrapping_add(1);
            }
        }
        self.host.h_name = moved(self.host.h_name);
        self.host.h_aliases = moved(self.host.h_aliases.cast()).cast();
        self.host.h_addr_list = moved(self.host.h_addr_list.cast()).cast();
        // SAFETY: both have the size, says the caller, and are apart.
        unsafe { std::ptr::copy_nonoverlapping(own, buffer, size) };
        // SAFETY: writable, says the caller.
        unsafe { host.write(self.host) };
    }
}

unsafe extern "C" fn gethostbyname_r(
    name: *const c_char,
    host: *mut hostent,
    buffer: *mut c_char,
    size: size_t,
    result: *mut *mut hostent,
    failure: *mut c_int,
) -> c_int {
    // SAFETY: null, or a C string.
    let gate = gate::open().filter(|_| !name.is_null() && !unsafe { is_numeric(name) });
    let outcome = gate.map_or(Outcome::NotStarted, |gate| {
        helper::run(gate, || {
            // SAFETY: the caller's argument, a C string.
            let name: CString = unsafe { CStr::from_ptr(name) }.to_owned();
            let alignment = buffer as usize;
            move || Host::look_up(&name, size, alignment)
        })
    });
    match outcome {
        Outcome::Done(found) => {
            let code = found.code;
            if code != 0 {
                set_errno(found.errno);
            }
            // SAFETY: where the caller wants the two results.
            unsafe {
                *failure = found.failure;
                *result = if found.found {
                    host
                } else {
                    std::ptr::null_mut()
                };
            }
            if found.found {
                // SAFETY: the caller's own entry and buffer.
                unsafe { found.give(host, buffer.cast()) };
            }
            code
        }
        Outcome::Cancelled => {
            // SAFETY: where the caller wants the two results.
            unsafe {
                *failure = TRY_AGAIN;
                *result = std::ptr::null_mut();
            }
            libc::ECANCELED
        }
        Outcome::NotStarted => {
            // SAFETY: the caller's own arguments.
            unsafe { real_gethostbyname_r(name, host, buffer, size, result, failure) }
        }
    }
}

/// A buffer of the same size as the caller's, or none.
fn like(buffer: *mut c_char, size: socklen_t) -> Vec<u8> {
    vec![0; if buffer.is_null() { 0 } else { size as usize }]
}

fn pointer(buffer: &mut [u8]) -> *mut c_char {
    if buffer.is_empty() {
        std::ptr::null_mut()
    } else {
        buffer.as_mut_ptr().cast()
    }
}

unsafe extern "C" fn getnameinfo(
    address: *const sockaddr,
    address_length: socklen_t,
    node: *mut c_char,
    node_size: socklen_t,
    service: *mut c_char,
    service_size: socklen_t,
    flags: c_int,
) -> c_int {
    let asks = !address.is_null() && !node.is_null() && flags & libc::NI_NUMERICHOST == 0;
    let outcome = gate::open()
        .filter(|_| asks)
        .map_or(Outcome::NotStarted, |gate| {
            helper::run(gate, || {
                let mut copy = vec![0_u64; (address_length as usize).div_ceil(8)];
                // SAFETY: the caller's address has this length, and the copy is as long.
                unsafe {
                    std::ptr::copy_nonoverlapping(
                        address.cast::<u8>(),
                        copy.as_mut_ptr().cast(),
                        address_length as usize,
                    )
                };
                let (mut own_node, mut own_service) =
                    (like(node, node_size), like(service, service_size));
                move || {
                    set_errno(0);
                    // SAFETY: own buffers, of the sizes given.
                    let code = unsafe {
                        real_getnameinfo(
                            copy.as_ptr().cast(),
                            address_length,
                            pointer(&mut own_node),
                            own_node.len() as socklen_t,
                            pointer(&mut own_service),
                            own_service.len() as socklen_t,
                            flags,
                        )
                    };
                    (code, errno(), own_node, own_service)
                }
            })
        });
    match outcome {
        Outcome::Done((code, error, own_node, own_service)) => {
            if code != 0 {
                set_errno(error);
                return code;
            }
            for (from, to) in [(own_node, node), (own_service, service)] {
                // SAFETY: as long as the caller's, or empty.
                unsafe { std::ptr::copy_nonoverlapping(from.as_ptr().cast(), to, from.len()) };
            }
            0
        }
        Outcome::Cancelled => EAI_CANCELED,
        Outcome::NotStarted => {
            // SAFETY: the caller's own arguments.
            unsafe {
                real_getnameinfo(
                    address,
                    address_length,
                    node,
                    node_size,
                    service,
                    service_size,
                    flags,
                )
            }
        }
    }
}

type Search =
    unsafe extern "C" fn(*mut c_void, *const c_char, c_int, c_int, *mut c_uchar, c_int) -> c_int;

/// In glibc since 2.34 under the first name, before that in libresolv under the second.
fn real_res_nsearch() -> Option<Search> {
    let address = address_of("res_nsearch").or_else(|| address_of("__res_nsearch"))?;
    // SAFETY: the function of this name has this signature.
    Some(unsafe { std::mem::transmute::<usize, Search>(address) })
}

/// A search by a state of its own: as `res_ninit` makes it, without what the caller may have changed in its own.
fn search(name: &CStr, class: c_int, kind: c_int, size: usize) -> (c_int, c_int, Vec<u8>) {
    let mut answer = vec![0; size];
    // `struct __res_state` has 568 bytes.
    let mut state = [0_u64; 256];
    let state = state.as_mut_ptr().cast();
    let Some(real) = real_res_nsearch() else {
        return (-1, TRY_AGAIN, answer);
    };
    // SAFETY: a state of zeros, large enough.
    if unsafe { __res_ninit(state) } != 0 {
        return (-1, TRY_AGAIN, answer);
    }
    // SAFETY: a state just made, a C string, and a buffer of the size given.
    let length = unsafe {
        real(
            state,
            name.as_ptr(),
            class,
            kind,
            answer.as_mut_ptr(),
            size as c_int,
        )
    };
    // SAFETY: this thread's own variable.
    let failure = unsafe { *__h_errno_location() };
    // SAFETY: a state made above, closed once.
    unsafe { __res_nclose(state) };
    (length, failure, answer)
}

unsafe extern "C" fn res_nsearch(
    state: *mut c_void,
    name: *const c_char,
    class: c_int,
    kind: c_int,
    answer: *mut c_uchar,
    size: c_int,
) -> c_int {
    let own_size = usize::try_from(size).unwrap_or_default();
    let outcome = gate::open()
        .filter(|_| !name.is_null())
        .map_or(Outcome::NotStarted, |gate| {
            helper::run(gate, || {
                // SAFETY: the caller's argument, a C string.
                let name: CString = unsafe { CStr::from_ptr(name) }.to_owned();
                move || search(&name, class, kind, own_size)
            })
        });
    let (length, failure) = match outcome {
        Outcome::Done((length, failure, own)) => {
            // SAFETY: as long as the caller's.
            unsafe { std::ptr::copy_nonoverlapping(own.as_ptr(), answer, own.len()) };
            (length, failure)
        }
        Outcome::Cancelled => (-1, TRY_AGAIN),
        Outcome::NotStarted => {
            // SAFETY: the caller's own arguments. It reaches the function, so there is one.
            return real_res_nsearch().map_or(-1, |real| unsafe {
                real(state, name, class, kind, answer, size)
            });
        }
    };
    if length < 0 {
        // SAFETY: this thread's own variable.
        unsafe { *__h_errno_location() = failure };
    }
    length
}
