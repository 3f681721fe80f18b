//! Runs cases one by one, each in a process of its own with a time limit, and prints what cargo's harness would print.
//!
//! A case fails if it panics, takes too long, or leaves a process behind: this process is the subreaper, so whatever
//! outlives its parent becomes its child.

use nix::libc;
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};
use std::io::{Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::panic::catch_unwind;
use std::time::{Duration, Instant};

pub(crate) type Case = (&'static str, fn());

const TIME_LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn run(cases: &[Case]) -> ! {
    let (options, filters): (Vec<_>, Vec<_>) = std::env::args()
        .skip(1)
        .partition(|argument| argument.starts_with('-'));
    let wanted: Vec<_> = cases
        .iter()
        .filter(|(name, _)| filters.is_empty() || filters.iter().any(|part| name.contains(part)))
        .collect();
    if options.iter().any(|option| option == "--list") {
        for (name, _) in wanted {
            print(&format!("{name}: test\n"));
        }
        leave(0);
    }
    set_child_subreaper(true).expect("this process can be a subreaper");
    let shown = options.iter().any(|option| option == "--nocapture");
    let start = Instant::now();
    print(&format!("\nrunning {} tests\n", wanted.len()));
    let mut failures = Vec::new();
    for (name, case) in &wanted {
        let started = Instant::now();
        let result = run_case(*case, shown);
        let took = started.elapsed().as_secs_f64();
        match result {
            Ok(()) => print(&format!("test {name} ... ok ({took:.2}s)\n")),
            Err(reason) => {
                print(&format!("test {name} ... FAILED ({took:.2}s)\n"));
                failures.push((name, reason));
            }
        }
    }
    for (name, reason) in &failures {
        print(&format!("\n---- {name} ----\n{reason}\n"));
    }
    print(&format!(
        "\ntest result: {}. {} passed; {} failed; 0 ignored; 0 measured; {} filtered out; finished in {:.2}s\n\n",
        if failures.is_empty() { "ok" } else { "FAILED" },
        wanted.len() - failures.len(),
        failures.len(),
        cases.len() - wanted.len(),
        start.elapsed().as_secs_f64(),
    ));
    leave(i32::from(!failures.is_empty()));
}

fn run_case(case: fn(), shown: bool) -> Result<(), String> {
    let mut output = tempfile();
    // SAFETY: this process has one thread.
    let pid = match unsafe { fork() }.expect("fork a case") {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            if !shown {
                for target in [1, 2] {
                    // SAFETY: both are open descriptors of this process.
                    unsafe { libc::dup2(output.as_raw_fd(), target) };
                }
            }
            let status = i32::from(catch_unwind(case).is_err());
            leave(status);
        }
    };
    let ended = wait_for(pid, TIME_LIMIT);
    let mut reason = match ended {
        Some(WaitStatus::Exited(_, 0)) => String::new(),
        Some(other) => format!("the case ended with {other:?}\n"),
        None => {
            let _ = kill(pid, Signal::SIGKILL);
            let _ = waitpid(pid, None);
            "the case took too long\n".to_owned()
        }
    };
    reason += &leftovers();
    if reason.is_empty() {
        return Ok(());
    }
    let _ = output.rewind();
    let _ = output.read_to_string(&mut reason);
    Err(reason)
}

/// Processes that outlived the case. Dying may take a moment.
fn leftovers() -> String {
    let until = Instant::now() + Duration::from_secs(2);
    while Instant::now() < until {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Err(_) => return String::new(),
            Ok(WaitStatus::StillAlive) => std::thread::sleep(Duration::from_millis(2)),
            Ok(_) => {}
        }
    }
    let mut text = String::new();
    for process in processes().filter(|process| process.parent == std::process::id() as i32) {
        text += &format!("left behind: {process:?}\n");
        let _ = kill(Pid::from_raw(process.pid), Signal::SIGKILL);
    }
    while waitpid(None, None).is_ok() {}
    text
}

/// The status of a process that ends in time.
pub(crate) fn wait_for(pid: Pid, limit: Duration) -> Option<WaitStatus> {
    let until = Instant::now() + limit;
    while Instant::now() < until {
        match waitpid(pid, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => std::thread::sleep(Duration::from_millis(1)),
            Ok(status) => return Some(status),
            Err(_) => return None,
        }
    }
    None
}

#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) parent: i32,
    pub(crate) state: char,
    #[expect(dead_code, reason = "for the message")]
    pub(crate) name: String,
}

/// All processes.
pub(crate) fn processes() -> impl Iterator<Item = Process> {
    std::fs::read_dir("/proc")
        .expect("/proc")
        .flatten()
        .filter_map(|entry| {
            let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            let (before, after) = stat.rsplit_once(')')?;
            let mut fields = after.split_whitespace();
            Some(Process {
                pid,
                state: fields.next()?.chars().next()?,
                parent: fields.next()?.parse().ok()?,
                name: before.split_once('(')?.1.to_owned(),
            })
        })
}

/// Whether the process runs (a zombie does not).
pub(crate) fn lives(pid: i32) -> bool {
    processes().any(|process| process.pid == pid && process.state != 'Z')
}

/// Ends this process without the exit handlers of the one it was forked from.
pub(crate) fn leave(status: i32) -> ! {
    let _ = std::io::stdout().flush();
    // SAFETY: ends the process at once.
    unsafe { libc::_exit(status) }
}

fn print(text: &str) {
    let mut out = std::io::stdout();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

fn tempfile() -> std::fs::File {
    use nix::sys::memfd::{MFdFlags, memfd_create};
    memfd_create(c"output", MFdFlags::MFD_CLOEXEC)
        .expect("a file in memory")
        .into()
}
