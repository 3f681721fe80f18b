//! What an isolated job could leave in its process, and the next one there would meet: noted before the first job, set back or
//! looked at after each. docs/isolation.md has the whole list; what PHP itself keeps is the caller's.
//!
//! Set back is only what is surely as before then: timers, umask, environment, the handlers of what the master tells. Everything else is compared,
//! and a process in which it differs takes no other job: forking a new one takes some 2 ms.
//!
//! Invariant: what cannot be read counts as a value of its own, so a process that has lost the right to look is replaced.
#![expect(
    unsafe_code,
    reason = "asks the system for what has no safe form, and reads the environment"
)]

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;

use crate::signals::{self, STOP, told};

/// The lines of /proc/self/status that count: who the process is, what it may, and where it may run.
const STATUS: [&str; 13] = [
    "Uid",
    "Gid",
    "Groups",
    "SigBlk",
    "CapInh",
    "CapPrm",
    "CapEff",
    "CapBnd",
    "CapAmb",
    "NoNewPrivs",
    "Seccomp",
    "Cpus_allowed",
    "Mems_allowed",
];

/// Those fields of /proc/self/stat, counted from the state, which is the first after the name.
const STAT: [(usize, &str); 6] = [
    (2, "process group"),
    (3, "session"),
    (4, "terminal"),
    (16, "nice value"),
    (37, "real-time priority"),
    (38, "scheduling policy"),
];

/// Whole files below /proc/self.
const FILES: [&str; 5] = [
    "limits",
    "timers",
    "oom_score_adj",
    "coredump_filter",
    "cgroup",
];

const NAMESPACES: [&str; 8] = [
    "cgroup",
    "ipc",
    "mnt",
    "net",
    "pid_for_children",
    "time_for_children",
    "user",
    "uts",
];

const FLAGS: [(libc::c_int, &str); 5] = [
    (libc::PR_GET_DUMPABLE, "dumpable flag"),
    (libc::PR_GET_KEEPCAPS, "keep-capabilities flag"),
    (libc::PR_GET_SECUREBITS, "secure bits"),
    (libc::PR_GET_TIMERSLACK, "timer slack"),
    (libc::PR_GET_TSC, "time stamp flag"),
];

const TIMERS: [libc::c_int; 3] = [libc::ITIMER_REAL, libc::ITIMER_VIRTUAL, libc::ITIMER_PROF];

/// A process as its first job finds it.
pub struct Pristine {
    facts: BTreeMap<String, String>,
    umask: libc::mode_t,
    environment: Vec<CString>,
    told: Vec<(i32, libc::sigaction)>,
    /// What the ended processes that it had started have used.
    started: [libc::c_long; 2],
}

impl Pristine {
    /// The process as it is now.
    pub fn note() -> Pristine {
        Pristine {
            facts: facts(),
            umask: umask(),
            environment: environment(),
            told: STOP
                .map(told)
                .into_iter()
                .map(|signal| (signal, signals::action_of(signal)))
                .collect(),
            started: started(),
        }
    }

    /// After a job: sets back what can be. What cannot be is told: the process must not run another job.
    pub fn restore(&mut self) -> Result<(), String> {
        // First of all: an alarm would end the process in the middle of what follows.
        for timer in TIMERS {
            stop(timer);
        }
        for (signal, action) in &self.told {
            signals::set_action(*signal, action);
        }
        // SAFETY: cannot fail.
        unsafe { libc::umask(self.umask) };
        self.restore_environment();
        if has_children() {
            return Err("a process that the job started is still there".into());
        }
        let started = started();
        if started != self.started {
            self.started = started;
            if let Some(pid) = shares_group() {
                return Err(format!("process {pid}, which the job started, still runs"));
            }
        }
        let facts = facts();
        match facts
            .iter()
            .find(|(name, value)| self.facts.get(*name) != Some(*value))
        {
            Some((name, _)) => Err(format!("the job changed the {name}")),
            None if facts.len() < self.facts.len() => Err("the job changed its process".into()),
            None => Ok(()),
        }
    }

    fn restore_environment(&self) {
        let present = environment();
        if present == self.environment {
            return;
        }
        for entry in &present {
            if !self.environment.contains(entry) {
                let name = name_of(entry);
                // SAFETY: NUL-terminated; there is one thread that changes the environment.
                unsafe { libc::unsetenv(name.as_ptr()) };
            }
        }
        for entry in &self.environment {
            if !present.contains(entry) {
                let name = name_of(entry);
                let value = &entry.to_bytes()[name.as_bytes().len()..];
                let value = CString::new(value.strip_prefix(b"=").unwrap_or(value));
                if let Ok(value) = value {
                    // SAFETY: as above; libc copies both.
                    unsafe { libc::setenv(name.as_ptr(), value.as_ptr(), 1) };
                }
            }
        }
        unsafe extern "C" {
            fn tzset();
        }
        // SAFETY: as above.
        unsafe { tzset() };
    }
}

/// Everything that is compared, by name.
fn facts() -> BTreeMap<String, String> {
    let mut facts = BTreeMap::new();
    let mut add = |name: &str, value: String| {
        facts.insert(name.to_owned(), value);
    };
    let status = file("status");
    for line in status.lines() {
        if let Some((name, value)) = line.split_once(':')
            && STATUS.contains(&name)
        {
            add(name, value.to_owned());
        }
    }
    let stat = file("stat");
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .map_or("", |(_, rest)| rest)
        .split_ascii_whitespace()
        .collect();
    for (number, name) in STAT {
        add(name, fields.get(number).unwrap_or(&"").to_string());
    }
    for name in FILES {
        add(name, file(name));
    }
    for name in NAMESPACES {
        let link = fs::read_link(format!("/proc/self/ns/{name}"));
        add(
            &format!("{name} namespace"),
            link.map_or_else(
                |error| error.kind().to_string(),
                |link| link.display().to_string(),
            ),
        );
    }
    add("root directory", place("/"));
    for (option, name) in FLAGS {
        add(name, flag(option).to_string());
    }
    for fd in 0..3 {
        add(
            ["standard input", "standard output", "standard error"][fd as usize],
            descriptor(fd),
        );
    }
    add("signal handlers", handlers());
    add(
        "personality, I/O priority, child reaper or signal at the parent's end",
        odds(),
    );
    facts
}

fn file(name: &str) -> String {
    fs::read_to_string(format!("/proc/self/{name}"))
        .unwrap_or_else(|error| error.kind().to_string())
}

fn place(path: &str) -> String {
    match fs::metadata(path) {
        Ok(found) => format!("{}:{}", found.dev(), found.ino()),
        Err(error) => error.kind().to_string(),
    }
}

fn flag(option: libc::c_int) -> i64 {
    let mut value: libc::c_int = 0;
    // SAFETY: one of FLAGS: the time stamp flag is written to an int, the others take no argument.
    let result = unsafe { libc::prctl(option, &raw mut value) };
    i64::from(result) << 32 | i64::from(value)
}

/// What is open there: a job that closes or redirects a standard stream does so for its whole process.
fn descriptor(fd: libc::c_int) -> String {
    // SAFETY: all zero bits are a valid stat.
    let mut found: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: the place is on this frame.
    if unsafe { libc::fstat(fd, &mut found) } != 0 {
        return "closed".into();
    }
    format!("{}:{}:{}", found.st_dev, found.st_ino, found.st_rdev)
}

/// Each signal's handler and flags, but for those that the master tells of: they are set back. The stack for handlers as well.
fn handlers() -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(1024);
    let told = STOP.map(told);
    for signal in (1..=64).filter(|signal| !told.contains(signal)) {
        let action = signals::action_of(signal);
        let _ = write!(text, "{:x}.{:x} ", action.sa_sigaction, action.sa_flags);
    }
    // SAFETY: all zero bits are a valid stack description.
    let mut stack: libc::stack_t = unsafe { std::mem::zeroed() };
    // SAFETY: only asks.
    unsafe { libc::sigaltstack(std::ptr::null(), &mut stack) };
    let _ = write!(text, "{:p} {:x}", stack.ss_sp, stack.ss_flags);
    text
}

fn odds() -> String {
    const ASK: libc::c_ulong = 0xffff_ffff;
    const PROCESS: libc::c_int = 1;
    // SAFETY: only asks.
    let personality = unsafe { libc::personality(ASK) };
    // SAFETY: takes two numbers; 0 is this process.
    let priority = unsafe { libc::syscall(libc::SYS_ioprio_get, PROCESS, 0) };
    let mut reaper: libc::c_int = 0;
    // SAFETY: writes an int.
    unsafe { libc::prctl(libc::PR_GET_CHILD_SUBREAPER, &raw mut reaper) };
    let mut death: libc::c_int = 0;
    // SAFETY: writes an int.
    unsafe { libc::prctl(libc::PR_GET_PDEATHSIG, &raw mut death) };
    format!("{personality} {priority} {reaper} {death}")
}

fn stop(timer: libc::c_int) {
    // SAFETY: all zero bits are a timer that is off.
    let off: libc::itimerval = unsafe { std::mem::zeroed() };
    // SAFETY: `off` is on this frame; the old value is not asked for.
    unsafe { libc::setitimer(timer as _, &off, std::ptr::null_mut()) };
}

fn umask() -> libc::mode_t {
    // SAFETY: cannot fail; there is no way to only ask.
    unsafe {
        let present = libc::umask(0);
        libc::umask(present);
        present
    }
}

fn environment() -> Vec<CString> {
    unsafe extern "C" {
        static environ: *const *const libc::c_char;
    }
    let mut entries = Vec::new();
    // SAFETY: read on the one thread that changes it.
    let mut next = unsafe { environ };
    // SAFETY: null (after clearenv), or an array of C strings that ends with null.
    while !next.is_null() && !unsafe { *next }.is_null() {
        // SAFETY: as above.
        entries.push(unsafe { CStr::from_ptr(*next) }.to_owned());
        // SAFETY: not past the null at the end.
        next = unsafe { next.add(1) };
    }
    entries
}

fn name_of(entry: &CStr) -> CString {
    let bytes = entry.to_bytes();
    let end = bytes.iter().position(|byte| *byte == b'=');
    CString::new(&bytes[..end.unwrap_or(bytes.len())]).unwrap_or_default()
}

/// Whether there is a process that this one started and has not waited for, running or not.
fn has_children() -> bool {
    // SAFETY: all zero bits are a valid siginfo.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT | libc::__WALL;
    // SAFETY: `info` is on this frame; nothing is reaped.
    let result = unsafe { libc::waitid(libc::P_ALL, 0, &mut info, flags) };
    result == 0 || io::Error::last_os_error().raw_os_error() != Some(libc::ECHILD)
}

/// Counts that grow with each process that this one started and has waited for.
fn started() -> [libc::c_long; 2] {
    // SAFETY: all zero bits are a valid usage.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the place is on this frame.
    unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &mut usage) };
    [usage.ru_minflt, usage.ru_nvcsw + usage.ru_nivcsw]
}

/// Another process of this one's group: when the group is ended with the next job, it would be too.
fn shares_group() -> Option<i32> {
    // SAFETY: plain calls.
    let (own, group) = unsafe { (libc::getpid(), libc::getpgrp()) };
    let entries = fs::read_dir("/proc").ok()?;
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        // SAFETY: takes a number; a process that has ended meanwhile is an error, and no match.
        .find(|pid| *pid != own && unsafe { libc::getpgid(*pid) } == group)
}
