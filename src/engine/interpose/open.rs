//! `open` and its kin of FIFOs, which wait until the other end is opened too. Everything else is opened directly.
//!
//! To write, the lane tries again and again: without blocking, such an open succeeds exactly when there is a reader. To read, that
//! would tell nothing of writers, so a helper thread blocks instead. A lane that is destroyed while it waits leaves its helper behind.
#![expect(
    unsafe_code,
    reason = "hooks have C signatures and make the real calls"
)]

use std::ffi::{CStr, CString};
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};

use libc::{c_char, c_int, mode_t};

use super::Hook;
use super::gate::{self, Gate, Pauses, Waited, errno, set_errno};
use super::helper::{self, Outcome};

pub(super) const HOOKS: &[Hook] = &[
    Hook::new("open", open as *const ()),
    Hook::new("open64", open as *const ()),
    Hook::new("__open_2", open_2 as *const ()),
    Hook::new("__open64_2", open_2 as *const ()),
    Hook::new("openat", openat as *const ()),
    Hook::new("openat64", openat as *const ()),
];

/// Flags with which opening a FIFO does not wait, or fails, or does not open it.
const NEVER_WAITS: c_int = libc::O_NONBLOCK | libc::O_PATH | libc::O_DIRECTORY | libc::O_EXCL;

/// What is to be opened. Copied, so that a helper can own it.
#[derive(Clone, Copy)]
struct Wanted {
    folder: c_int,
    flags: c_int,
    mode: mode_t,
}

impl Wanted {
    fn open(self, path: &CStr, flags: c_int) -> c_int {
        // SAFETY: a C string and numbers; the mode is ignored unless a file is made.
        unsafe { libc::openat(self.folder, path.as_ptr(), flags, self.mode) }
    }

    /// Is there a FIFO that this open would wait for?
    fn waits(self, path: &CStr) -> bool {
        if self.flags & libc::O_ACCMODE == libc::O_RDWR || self.flags & NEVER_WAITS != 0 {
            return false;
        }
        let saved = errno();
        // SAFETY: a structure of zeros is a valid one to be filled.
        let mut status: libc::stat = unsafe { std::mem::zeroed() };
        // SAFETY: a C string, and `status` is on this frame.
        let failed = unsafe { libc::fstatat(self.folder, path.as_ptr(), &raw mut status, 0) };
        set_errno(saved);
        failed == 0 && status.st_mode & libc::S_IFMT == libc::S_IFIFO
    }
}

unsafe extern "C" fn openat(
    folder: c_int,
    path: *const c_char,
    flags: c_int,
    mode: mode_t,
) -> c_int {
    let wanted = Wanted {
        folder,
        flags,
        mode,
    };
    let gate = gate::open().filter(|_| !path.is_null());
    let Some(gate) = gate else {
        // SAFETY: the caller's own arguments.
        return unsafe { libc::openat(folder, path, flags, mode) };
    };
    // SAFETY: the caller's argument, which is not null.
    let path = unsafe { CStr::from_ptr(path) };
    if !wanted.waits(path) {
        return wanted.open(path, flags);
    }
    match flags & libc::O_ACCMODE {
        libc::O_WRONLY => to_write(gate, wanted, path),
        _ => to_read(gate, wanted, path),
    }
}

/// Variadic in C; on both architectures a further argument is passed as if it were named.
unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the caller's own arguments; the same call by its general form.
    unsafe { openat(libc::AT_FDCWD, path, flags, mode) }
}

/// The fortified form for flags that the compiler does not know; it aborts if they need a mode.
unsafe extern "C" fn open_2(path: *const c_char, flags: c_int) -> c_int {
    unsafe extern "C" {
        fn __open_2(path: *const c_char, flags: c_int) -> c_int;
    }
    let makes = libc::O_CREAT | (libc::O_TMPFILE & !libc::O_DIRECTORY);
    if flags & makes != 0 {
        // SAFETY: the caller's own arguments.
        return unsafe { __open_2(path, flags) };
    }
    // SAFETY: the caller's own arguments; the same call by its general form.
    unsafe { openat(libc::AT_FDCWD, path, flags, 0) }
}

/// Tries until there is a reader, since nothing tells when there is.
fn to_write(gate: Gate, wanted: Wanted, path: &CStr) -> c_int {
    let saved = errno();
    let mut pauses = Pauses::new();
    loop {
        let fd = wanted.open(path, wanted.flags | libc::O_NONBLOCK);
        if fd >= 0 {
            // SAFETY: takes numbers; `fd` was opened above.
            unsafe { libc::fcntl(fd, libc::F_SETFL, wanted.flags & !libc::O_NONBLOCK) };
            set_errno(saved);
            return fd;
        }
        if errno() != libc::ENXIO {
            return -1;
        }
        match gate.pause(pauses.next()) {
            Waited::Ready | Waited::TimedOut => {}
            Waited::Cancelled => return fail(libc::ECANCELED),
            Waited::Refused => {
                set_errno(saved);
                return wanted.open(path, wanted.flags);
            }
        }
    }
}

fn to_read(gate: Gate, wanted: Wanted, path: &CStr) -> c_int {
    let saved = errno();
    // A lane that is cancelled already leaves no helper behind, which could not be released before it waits.
    if gate.pause(Pauses::new().next()) == Waited::Cancelled {
        return fail(libc::ECANCELED);
    }
    let outcome = helper::run(gate, || {
        let path: CString = path.to_owned();
        move || open_owned(wanted, &path)
    });
    match outcome {
        Outcome::Done(Ok(fd)) => {
            set_errno(saved);
            fd.into_raw_fd()
        }
        Outcome::Done(Err(error)) => fail(error),
        Outcome::Cancelled => {
            release_reader(wanted, path);
            fail(libc::ECANCELED)
        }
        Outcome::NotStarted => wanted.open(path, wanted.flags),
    }
}

fn open_owned(wanted: Wanted, path: &CStr) -> Result<OwnedFd, c_int> {
    let fd = wanted.open(path, wanted.flags);
    if fd < 0 {
        return Err(errno());
    }
    // SAFETY: just opened, and owned by nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Ends the wait of the helper that a cancelled lane leaves behind: for a moment there is a writer. Whoever else waits for one sees
/// it too, and reads an end of file.
fn release_reader(wanted: Wanted, path: &CStr) {
    let writer = Wanted { mode: 0, ..wanted };
    let flags = libc::O_WRONLY | libc::O_NONBLOCK | libc::O_CLOEXEC;
    let fd = writer.open(path, flags);
    if fd >= 0 {
        // SAFETY: opened above, and known to nobody else.
        unsafe { libc::close(fd) };
    }
}

fn fail(error: c_int) -> c_int {
    set_errno(error);
    -1
}
