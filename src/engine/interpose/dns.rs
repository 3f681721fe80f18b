//! `getaddrinfo`: names are looked up on a helper thread, numeric addresses directly.
//!
//! A cancelled lookup fails with `EAI_CANCELED`; the thread's result is dropped when it comes.
#![expect(
    unsafe_code,
    reason = "hooks have C signatures and make the real calls"
)]

use std::ffi::{CStr, CString};

use libc::{addrinfo, c_char, c_int};

use super::Hook;
use super::gate::{self, Gate, errno, set_errno};
use super::helper::{self, Outcome};

pub(super) const HOOKS: &[Hook] = &[Hook::new("getaddrinfo", getaddrinfo as *const ())];

/// `<netdb.h>`: "Request canceled".
pub(super) const EAI_CANCELED: c_int = -101;

/// A result list of the resolver's.
struct List(*mut addrinfo);

// SAFETY: an allocation of malloc's that nobody else points to.
unsafe impl Send for List {}

impl List {
    /// Leaves the list to the caller of `getaddrinfo`.
    fn into_raw(mut self) -> *mut addrinfo {
        std::mem::replace(&mut self.0, std::ptr::null_mut())
    }
}

impl Drop for List {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: a list that `getaddrinfo` returned and that nobody has taken.
            unsafe { libc::freeaddrinfo(self.0) };
        }
    }
}

struct Answer {
    code: c_int,
    errno: c_int,
    list: List,
}

/// What is asked, owned.
struct Question {
    node: CString,
    service: Option<CString>,
    /// Flags, family, socket type, protocol: all that hints may hold.
    hints: Option<[c_int; 4]>,
}

impl Question {
    /// # Safety
    /// As for `getaddrinfo`; `node` is not null.
    unsafe fn copy(node: *const c_char, service: *const c_char, hints: *const addrinfo) -> Self {
        Self {
            // SAFETY: a C string, says the caller.
            node: unsafe { CStr::from_ptr(node) }.to_owned(),
            // SAFETY: null or a C string, says the caller.
            service: (!service.is_null()).then(|| unsafe { CStr::from_ptr(service) }.to_owned()),
            // SAFETY: null or readable, says the caller.
            hints: unsafe { hints.as_ref() }.map(|hints| {
                [
                    hints.ai_flags,
                    hints.ai_family,
                    hints.ai_socktype,
                    hints.ai_protocol,
                ]
            }),
        }
    }

    fn ask(&self) -> Answer {
        // SAFETY: hints of zeros ask for anything.
        let mut hints: addrinfo = unsafe { std::mem::zeroed() };
        if let Some([flags, family, kind, protocol]) = self.hints {
            hints.ai_flags = flags;
            hints.ai_family = family;
            hints.ai_socktype = kind;
            hints.ai_protocol = protocol;
        }
        // Without hints libc's defaults are other than zero flags.
        let hints = if self.hints.is_some() {
            &raw const hints
        } else {
            std::ptr::null()
        };
        let service = self
            .service
            .as_ref()
            .map_or(std::ptr::null(), |service| service.as_ptr());
        let mut list = std::ptr::null_mut();
        set_errno(0);
        // SAFETY: strings and hints live until the call returns; `list` is on this frame.
        let code = unsafe { libc::getaddrinfo(self.node.as_ptr(), service, hints, &raw mut list) };
        let list = List(if code == 0 {
            list
        } else {
            std::ptr::null_mut()
        });
        Answer {
            code,
            errno: errno(),
            list,
        }
    }
}

unsafe extern "C" fn getaddrinfo(
    node: *const c_char,
    service: *const c_char,
    hints: *const addrinfo,
    result: *mut *mut addrinfo,
) -> c_int {
    let real = |hints: *const addrinfo| {
        // SAFETY: the caller's own arguments, or a copy of its hints.
        unsafe { libc::getaddrinfo(node, service, hints, result) }
    };
    let Some(gate) = gate::open().filter(|_| !node.is_null()) else {
        return real(hints);
    };
    // SAFETY: the caller's own arguments.
    if unsafe { is_numeric(node) } {
        return real(hints);
    }
    // SAFETY: the caller's argument, null or readable.
    let numeric_only =
        unsafe { hints.as_ref() }.is_some_and(|hints| hints.ai_flags & libc::AI_NUMERICHOST != 0);
    if numeric_only {
        return real(hints);
    }
    // SAFETY: the caller's own arguments.
    unsafe { look_up(gate, node, service, hints, result) }.unwrap_or_else(|| real(hints))
}

/// Is `node` an address in any of the forms that libc knows, scope ids and short forms included?
///
/// # Safety
/// `node` is a C string.
pub(super) unsafe fn is_numeric(node: *const c_char) -> bool {
    let saved = errno();
    // SAFETY: hints of zeros ask for anything.
    let mut hints: addrinfo = unsafe { std::mem::zeroed() };
    hints.ai_flags = libc::AI_NUMERICHOST;
    let mut list = std::ptr::null_mut();
    // SAFETY: a C string, says the caller; hints and list are on this frame. A numeric lookup does not wait.
    let code =
        unsafe { libc::getaddrinfo(node, std::ptr::null(), &raw const hints, &raw mut list) };
    if code == 0 {
        drop(List(list));
    }
    set_errno(saved);
    code == 0
}

/// `None`: no helper could be had.
///
/// # Safety
/// As for `getaddrinfo`; `node` is not null.
unsafe fn look_up(
    gate: Gate,
    node: *const c_char,
    service: *const c_char,
    hints: *const addrinfo,
    result: *mut *mut addrinfo,
) -> Option<c_int> {
    let saved = errno();
    let outcome = helper::run(gate, || {
        // SAFETY: says the caller.
        let question = unsafe { Question::copy(node, service, hints) };
        move || question.ask()
    });
    match outcome {
        Outcome::Done(answer) => {
            if answer.code == 0 {
                // SAFETY: where the caller wants the list.
                unsafe { *result = answer.list.into_raw() };
            }
            set_errno(if answer.code == 0 {
                saved
            } else {
                answer.errno
            });
            Some(answer.code)
        }
        Outcome::Cancelled => {
            set_errno(saved);
            Some(EAI_CANCELED)
        }
        Outcome::NotStarted => None,
    }
}
