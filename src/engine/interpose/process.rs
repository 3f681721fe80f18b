//! `waitpid` and its kin: children, by a process descriptor where there is one child to wait for. `pclose` on a helper thread.
//!
//! A cancelled wait leaves the child as it is, not reaped: `ECANCELED`. A cancelled `pclose` fails too, but the helper goes on and reaps.
#![expect(
    unsafe_code,
    reason = "hooks have C signatures and make the real calls"
)]

use libc::{FILE, c_int, id_t, idtype_t, pid_t, pollfd, rusage, siginfo_t};

use super::Hook;
use super::gate::{self, Deadline, Gate, Pauses, Waited, errno, set_errno};
use super::helper::{self, Outcome};

pub(super) const HOOKS: &[Hook] = &[
    Hook::new("wait", wait as *const ()),
    Hook::new("wait3", wait3 as *const ()),
    Hook::new("waitid", waitid as *const ()),
    Hook::new("waitpid", waitpid as *const ()),
    Hook::new("wait4", wait4 as *const ()),
    Hook::new("pclose", pclose as *const ()),
];

/// Waits by `call(options)`, first with `WNOHANG`.
fn wait_by(gate: Gate, pid: pid_t, options: c_int, call: impl Fn(c_int) -> pid_t) -> pid_t {
    let saved = errno();
    let mut pauses = Pauses::new();
    loop {
        let found = call(options | libc::WNOHANG);
        if found > 0 {
            set_errno(saved);
        }
        if found != 0 {
            return found;
        }
        match until_changed(gate, pid, options, &mut pauses) {
            Waited::Ready | Waited::TimedOut => {}
            Waited::Cancelled => {
                set_errno(libc::ECANCELED);
                return -1;
            }
            Waited::Refused => {
                set_errno(saved);
                return call(options);
            }
        }
    }
}

/// Waits for the end of the child if that is what the caller waits for and the kernel knows how, else for some time.
fn until_changed(gate: Gate, pid: pid_t, options: c_int, pauses: &mut Pauses) -> Waited {
    let only_the_end = options & (libc::WUNTRACED | libc::WCONTINUED) == 0;
    let descriptor = if pid > 0 && only_the_end {
        open_process(pid)
    } else {
        -1
    };
    if descriptor < 0 {
        return gate.pause(pauses.next());
    }
    let ended = pollfd {
        fd: descriptor,
        events: libc::POLLIN,
        revents: 0,
    };
    let woken = gate.suspend(&[ended], Deadline::NEVER);
    // SAFETY: opened above, and known to nobody else. It is left open if the lane is destroyed while it waits.
    unsafe { libc::close(descriptor) };
    woken
}

/// Negative if the kernel does not know how (before Linux 5.3), or has no descriptor left.
fn open_process(pid: pid_t) -> c_int {
    // SAFETY: takes two numbers.
    let descriptor = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    c_int::try_from(descriptor).unwrap_or(-1)
}

unsafe extern "C" fn waitpid(pid: pid_t, status: *mut c_int, options: c_int) -> pid_t {
    let real = |options| {
        // SAFETY: the caller's own arguments.
        unsafe { libc::waitpid(pid, status, options) }
    };
    match gate::open().filter(|_| options & libc::WNOHANG == 0) {
        None => real(options),
        Some(gate) => wait_by(gate, pid, options, real),
    }
}

unsafe extern "C" fn wait4(
    pid: pid_t,
    status: *mut c_int,
    options: c_int,
    usage: *mut rusage,
) -> pid_t {
    let real = |options| {
        // SAFETY: the caller's own arguments.
        unsafe { libc::wait4(pid, status, options, usage) }
    };
    match gate::open().filter(|_| options & libc::WNOHANG == 0) {
        None => real(options),
        Some(gate) => wait_by(gate, pid, options, real),
    }
}

unsafe extern "C" fn wait(status: *mut c_int) -> pid_t {
    // SAFETY: the caller's own argument; the same call by its general form.
    unsafe { waitpid(-1, status, 0) }
}

unsafe extern "C" fn wait3(status: *mut c_int, options: c_int, usage: *mut rusage) -> pid_t {
    // SAFETY: the caller's own arguments; the same call by its general form.
    unsafe { wait4(-1, status, options, usage) }
}

/// Returns 0 also if no child has changed; `si_pid` tells.
unsafe extern "C" fn waitid(
    kind: idtype_t,
    id: id_t,
    info: *mut siginfo_t,
    options: c_int,
) -> c_int {
    let real = |info, options| {
        // SAFETY: the caller's own arguments, but perhaps for the place of the result.
        unsafe { libc::waitid(kind, id, info, options) }
    };
    let Some(gate) = gate::open().filter(|_| options & libc::WNOHANG == 0) else {
        return real(info, options);
    };
    let pid = if kind == libc::P_PID {
        pid_t::try_from(id).unwrap_or(-1)
    } else {
        -1
    };
    // SAFETY: information of zeros is a valid one to be filled.
    let mut found: siginfo_t = unsafe { std::mem::zeroed() };
    let found = &raw mut found;
    let result = wait_by(gate, pid, options, |options| {
        if real(found, options) != 0 {
            return -1;
        }
        // SAFETY: filled by the call above, for a child or with zeros.
        unsafe { (*found).si_pid() }
    });
    if result < 0 {
        return -1;
    }
    if !info.is_null() {
        // SAFETY: where the caller wants it.
        unsafe { info.write(found.read()) };
    }
    0
}

/// A stream that its caller has given up.
struct Stream(*mut FILE);

// SAFETY: streams have locks, and the caller of `pclose` may not use it any more.
unsafe impl Send for Stream {}

impl Stream {
    fn close(self) -> (c_int, c_int) {
        // SAFETY: a stream of popen's, closed once.
        (unsafe { libc::pclose(self.0) }, errno())
    }
}

/// The child's number is libc's secret, so there is nothing to wait for by descriptor.
unsafe extern "C" fn pclose(stream: *mut FILE) -> c_int {
    let outcome = gate::open().map_or(Outcome::NotStarted, |gate| {
        helper::run(gate, || {
            let stream = Stream(stream);
            move || stream.close()
        })
    });
    match outcome {
        Outcome::Done((status, error)) => {
            if status < 0 {
                set_errno(error);
            }
            status
        }
        Outcome::Cancelled => {
            set_errno(libc::ECANCELED);
            -1
        }
        // SAFETY: the caller's own argument.
        Outcome::NotStarted => unsafe { libc::pclose(stream) },
    }
}
