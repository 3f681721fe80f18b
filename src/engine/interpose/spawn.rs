//! `fork`, `posix_spawn`, `popen`, `execve` and its kin: programs that jobs start get the limit of descriptors that was there before the run.
//!
//! None of these waits. `vfork` is left alone: it returns twice, and a hook's frame would not survive that.
#![expect(
    unsafe_code,
    reason = "hooks have C signatures and make the real calls"
)]

use std::ffi::{CStr, CString};

use libc::{FILE, c_char, c_int, pid_t, posix_spawn_file_actions_t, posix_spawnattr_t};

use super::Hook;
use super::gate;
use super::started;
use crate::limits;

pub(super) const HOOKS: &[Hook] = &[
    Hook::new("fork", fork as *const ()),
    Hook::new("posix_spawn", posix_spawn as *const ()),
    Hook::new("posix_spawnp", posix_spawnp as *const ()),
    Hook::new("popen", popen as *const ()),
    Hook::new("execv", execv as *const ()),
    Hook::new("execvp", execvp as *const ()),
    Hook::new("execve", execve as *const ()),
];

unsafe extern "C" fn fork() -> pid_t {
    let goes_on = gate::forks_to_go_on();
    // SAFETY: the caller's own call.
    let pid = unsafe { libc::fork() };
    if pid == 0 && !goes_on {
        limits::give_back();
    }
    if pid > 0 {
        started::note(pid);
    }
    pid
}

type Spawn = unsafe extern "C" fn(
    *mut pid_t,
    *const c_char,
    *const posix_spawn_file_actions_t,
    *const posix_spawnattr_t,
    *const *mut c_char,
    *const *mut c_char,
) -> c_int;

/// # Safety
/// As for `posix_spawn`.
unsafe fn spawn_by(
    real: Spawn,
    pid: *mut pid_t,
    path: *const c_char,
    actions: *const posix_spawn_file_actions_t,
    attributes: *const posix_spawnattr_t,
    arguments: *const *mut c_char,
    environment: *const *mut c_char,
) -> c_int {
    let mut started: pid_t = 0;
    // It makes no descriptors in this process, however many are open.
    let result = limits::as_before(|| {
        // SAFETY: the caller's own arguments, but for the place of the number, which may be null.
        unsafe {
            real(
                &raw mut started,
                path,
                actions,
                attributes,
                arguments,
                environment,
            )
        }
    });
    if result == 0 {
        started::note(started);
        if !pid.is_null() {
            // SAFETY: where the caller wants it.
            unsafe { pid.write(started) };
        }
    }
    result
}

unsafe extern "C" fn posix_spawn(
    pid: *mut pid_t,
    path: *const c_char,
    actions: *const posix_spawn_file_actions_t,
    attributes: *const posix_spawnattr_t,
    arguments: *const *mut c_char,
    environment: *const *mut c_char,
) -> c_int {
    // SAFETY: the caller's own arguments.
    unsafe {
        spawn_by(
            libc::posix_spawn,
            pid,
            path,
            actions,
            attributes,
            arguments,
            environment,
        )
    }
}

unsafe extern "C" fn posix_spawnp(
    pid: *mut pid_t,
    file: *const c_char,
    actions: *const posix_spawn_file_actions_t,
    attributes: *const posix_spawnattr_t,
    arguments: *const *mut c_char,
    environment: *const *mut c_char,
) -> c_int {
    // SAFETY: the caller's own arguments.
    unsafe {
        spawn_by(
            libc::posix_spawnp,
            pid,
            file,
            actions,
            attributes,
            arguments,
            environment,
        )
    }
}

/// With too many descriptors open for its pipe under the old limit, it is the shell that sets it.
unsafe extern "C" fn popen(command: *const c_char, mode: *const c_char) -> *mut FILE {
    // SAFETY: the caller's own arguments.
    let call = |command| unsafe { libc::popen(command, mode) };
    let stream = limits::as_before(|| call(command));
    let (false, Some(before)) = (
        !stream.is_null() || gate::errno() != libc::EMFILE,
        limits::before(),
    ) else {
        return stream;
    };
    // SAFETY: a command is a string.
    let told = unsafe { CStr::from_ptr(command) }.to_bytes();
    let mut longer = format!("ulimit -Sn {before}; ").into_bytes();
    longer.extend_from_slice(told);
    match CString::new(longer) {
        Ok(longer) => call(longer.as_ptr()),
        Err(_) => call(command),
    }
}

unsafe extern "C" fn execv(path: *const c_char, arguments: *const *const c_char) -> c_int {
    limits::give_back();
    // SAFETY: the caller's own arguments.
    unsafe { libc::execv(path, arguments) }
}

unsafe extern "C" fn execvp(file: *const c_char, arguments: *const *const c_char) -> c_int {
    limits::give_back();
    // SAFETY: the caller's own arguments.
    unsafe { libc::execvp(file, arguments) }
}

unsafe extern "C" fn execve(
    path: *const c_char,
    arguments: *const *const c_char,
    environment: *const *const c_char,
) -> c_int {
    limits::give_back();
    // SAFETY: the caller's own arguments.
    unsafe { libc::execve(path, arguments, environment) }
}
