//! `waitpid` and its kin: children, by a process descriptor where there is one child to wait for. `pclose` on a helper thread.
//!
//! A wait for any process, or any of a group, is for those that the calling lane has started: others' are not its to reap.
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
use super::started;

pub(super) const HOOKS: &[Hook] = &[
    Hook::new("wait", wait as *const ()),
    Hook::new("wait3", wait3 as *const ()),
    Hook::new("waitid", waitid as *const ()),
    Hook::new("waitpid", waitpid as *const ()),
    Hook::new("wait4", wait4 as *const ()),
    Hook::new("pclose", pclose as *const ()),
];

/// Waits for `pid` as `waitpid` understands it, by `call(pid, options)`, whose result is a process, 0 or -1.
fn wait_by(pid: pid_t, options: c_int, call: impl Fn(pid_t, c_int) -> pid_t) -> pid_t {
    let lane = gate::lane();
    match lane {
        Some(lane) if pid <= 0 => return wait_for_own(lane, pid, options, call),
        Some(lane) if gate::keeps_apart() && started::is_anothers(lane, pid) => {
            set_errno(libc::ECHILD);
            return -1;
        }
        _ => {}
    }
    let found = match gate::open().filter(|_| options & libc::WNOHANG == 0) {
        None => call(pid, options),
        Some(gate) => wait_for_one(gate, pid, options, call),
    };
    if found > 0 && lane.is_some() {
        started::found(found);
    }
    found
}

/// First with `WNOHANG`.
fn wait_for_one(
    gate: Gate,
    pid: pid_t,
    options: c_int,
    call: impl Fn(pid_t, c_int) -> pid_t,
) -> pid_t {
    let saved = errno();
    let mut pauses = Pauses::new();
    loop {
        let found = call(pid, options | libc::WNOHANG);
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
                return call(pid, options);
            }
        }
    }
}

/// Waits for any of the processes that the lane has started, or of those in a group.
fn wait_for_own(
    lane: u32,
    pid: pid_t,
    options: c_int,
    call: impl Fn(pid_t, c_int) -> pid_t,
) -> pid_t {
    let saved = errno();
    let mut pauses = Pauses::new();
    loop {
        let (mut last, mut count) = (0, 0);
        let mut after = 0;
        while let Some(process) = started::next(lane, after) {
            after = process;
            if !belongs(process, pid) {
                continue;
            }
            let found = call(process, options | libc::WNOHANG);
            if found > 0 {
                started::found(found);
                set_errno(saved);
                return found;
            }
            match errno() {
                libc::ECHILD if found < 0 => started::found(process),
                _ if found < 0 => return found,
                _ => (last, count) = (process, count + 1),
            }
        }
        if count == 0 {
            set_errno(libc::ECHILD);
            return -1;
        }
        set_errno(saved);
        if options & libc::WNOHANG != 0 {
            return 0;
        }
        let only = if count == 1 { last } else { pid };
        let waited = gate::open().map(|gate| until_changed(gate, only, options, &mut pauses));
        match waited {
            Some(Waited::Ready | Waited::TimedOut) => {}
            Some(Waited::Cancelled) => {
                set_errno(libc::ECANCELED);
                return -1;
            }
            // The lane may not be suspended here, so all lanes wait.
            Some(Waited::Refused) | None => std::thread::sleep(pauses.next()),
        }
    }
}

/// Whether a wait for `pid` (0 or below) is for this process too.
fn belongs(process: pid_t, pid: pid_t) -> bool {
    // SAFETY: takes a number.
    let group = unsafe { libc::getpgid(process) };
    match pid {
        -1 => true,
        // SAFETY: plain call.
        0 => group == unsafe { libc::getpgrp() },
        _ => group == -pid,
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
    wait_by(pid, options, |pid, options| {
        // SAFETY: the caller's own place.
        unsafe { libc::waitpid(pid, status, options) }
    })
}

unsafe extern "C" fn wait4(
    pid: pid_t,
    status: *mut c_int,
    options: c_int,
    usage: *mut rusage,
) -> pid_t {
    wait_by(pid, options, |pid, options| {
        // SAFETY: the caller's own places.
        unsafe { libc::wait4(pid, status, options, usage) }
    })
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
    // A process descriptor is its holder's; of no other kind is anything known here.
    let pid = match kind {
        libc::P_PID => pid_t::try_from(id).unwrap_or(pid_t::MAX),
        libc::P_ALL => -1,
        libc::P_PGID => pid_t::try_from(id).map_or(pid_t::MAX, |group| -group),
        _ => pid_t::MAX,
    };
    // SAFETY: information of zeros is a valid one to be filled.
    let mut found: siginfo_t = unsafe { std::mem::zeroed() };
    let found = &raw mut found;
    let result = wait_by(pid, options, |pid, options| {
        let (kind, id) = match (kind, pid) {
            (libc::P_ALL | libc::P_PGID, 1..) => (libc::P_PID, pid as id_t),
            _ => (kind, id),
        };
        // SAFETY: the caller's own arguments, or one of its processes instead of any.
        if unsafe { libc::waitid(kind, id, found, options) } != 0 {
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
