//! What the processes of a test do: a child that does as the request says, a small runner's loop, a pipe on which every
//! process can report, and numbers that all of them share.

use crate::harness::leave;
use kqueue_core::wire::{FatalKind, Frame, Run};
use kqueue_engine::children::{ChildId, Children, Ending, Notice, Received};
use kqueue_engine::link::{ChildLink, MasterLink};
use kqueue_engine::master::{Lost, Plan, Program};
use kqueue_engine::scoreboard::{Scoreboard, now_ms};
use nix::libc;
use nix::sys::signal::{SigHandler, Signal, kill, signal};
use nix::unistd::{ForkResult, Pid, fork, getpid, write};
use std::collections::{BTreeMap, HashMap};
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

/// Lines from any process of a test to the one that made it.
pub(crate) struct Report {
    reader: PipeReader,
    writer: PipeWriter,
    text: String,
}

impl Report {
    pub(crate) fn new() -> Report {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        Report {
            reader,
            writer,
            text: String::new(),
        }
    }

    pub(crate) fn say(&self, line: &str) {
        (&self.writer)
            .write_all(format!("{line}\n").as_bytes())
            .expect("the pipe has room");
    }

    /// The next line.
    pub(crate) fn line(&mut self) -> String {
        self.try_line(Duration::from_secs(10))
            .expect("a line in time")
    }

    pub(crate) fn try_line(&mut self, limit: Duration) -> Option<String> {
        let until = Instant::now() + limit;
        loop {
            if let Some((line, rest)) = self.text.split_once('\n') {
                let line = line.to_owned();
                self.text = rest.to_owned();
                return Some(line);
            }
            let left = until.saturating_duration_since(Instant::now());
            if !readable(self.reader.as_raw_fd(), left) {
                return None;
            }
            let mut bytes = [0; 4096];
            let count = self.reader.read(&mut bytes).expect("read the pipe");
            self.text += std::str::from_utf8(&bytes[..count]).expect("text");
        }
    }

    /// The next line, which must be this word and a number.
    pub(crate) fn number(&mut self, word: &str) -> i32 {
        let line = self.line();
        let number = line
            .strip_prefix(word)
            .unwrap_or_else(|| panic!("wanted {word}, got {line}"));
        number.trim().parse().expect("a number")
    }

    pub(crate) fn expect(&mut self, line: &str) {
        assert_eq!(self.line(), line);
    }
}

/// Numbers shared by all processes forked after they were made.
#[derive(Clone, Copy)]
pub(crate) struct Shared(&'static [AtomicI64; 64]);

impl Shared {
    pub(crate) fn new() -> Shared {
        use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};
        let length = std::num::NonZero::new(size_of::<[AtomicI64; 64]>()).expect("not zero");
        // SAFETY: a new mapping at an address of the kernel's choice.
        let base = unsafe {
            mmap_anonymous(
                None,
                length,
                ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
                MapFlags::MAP_SHARED,
            )
        };
        // SAFETY: the mapping is large enough, aligned to a page, zeroed, and never unmapped.
        Shared(unsafe { base.expect("a mapping").cast().as_ref() })
    }

    pub(crate) fn get(&self, index: usize) -> i64 {
        self.0[index].load(Ordering::SeqCst)
    }

    pub(crate) fn set(&self, index: usize, value: i64) {
        self.0[index].store(value, Ordering::SeqCst);
    }

    pub(crate) fn add(&self, index: usize) -> i64 {
        self.0[index].fetch_add(1, Ordering::SeqCst) + 1
    }
}

/// A program made of closures.
pub(crate) struct Script<R, S> {
    pub(crate) runner: R,
    pub(crate) rescue: S,
}

impl<R, S> Program for Script<R, S>
where
    R: FnMut(MasterLink) -> i32,
    S: FnMut(Vec<Lost>) -> i32,
{
    fn runner(&mut self, link: MasterLink) -> i32 {
        (self.runner)(link)
    }

    fn child(&mut self, link: ChildLink) -> i32 {
        child(link)
    }

    fn rescue(&mut self, lost: Vec<Lost>) -> i32 {
        (self.rescue)(lost)
    }
}

/// A program whose runner must end well, and which has nothing to rescue.
pub(crate) fn script<R: FnMut(MasterLink) -> i32>(runner: R) -> impl Program {
    Script {
        runner,
        rescue: |lost: Vec<Lost>| panic!("it left {lost:?}"),
    }
}

/// A plan in which a failed assertion in the runner is the end of the run, with status 70.
pub(crate) fn plan(children: usize) -> Plan {
    Plan {
        children,
        grace: Duration::from_millis(300),
        restart_limit: 1,
        ..Plan::default()
    }
}

pub(crate) fn board() -> Arc<Scoreboard> {
    Arc::new(Scoreboard::new(100, 16).expect("a scoreboard"))
}

/// Does as each request says.
fn child(mut link: ChildLink) -> i32 {
    while let Some(Run { request, .. }) = link.receive(None) {
        let request = String::from_utf8(request).expect("text");
        let (verb, rest) = request.split_once(' ').unwrap_or((&request, ""));
        let number = || rest.parse::<u64>().expect("a number");
        let result = match verb {
            "echo" => rest.to_owned(),
            "pid" => getpid().to_string(),
            "big" => "x".repeat(number() as usize),
            "length" => rest.len().to_string(),
            "sleep" => {
                std::thread::sleep(Duration::from_millis(number()));
                "slept".to_owned()
            }
            // As sleep, but says first that it has begun.
            "busy" => {
                link.ask(b"ready").expect("answer");
                std::thread::sleep(Duration::from_millis(number()));
                "slept".to_owned()
            }
            // Ends well, but would not have ended when asked to.
            "deaf" => {
                // SAFETY: ignoring a signal installs no handler.
                unsafe { signal(Signal::SIGTERM, SigHandler::SigIgn) }.expect("ignore");
                std::thread::sleep(Duration::from_millis(number()));
                "slept".to_owned()
            }
            "touch" => {
                link.ask(b"ready").expect("answer");
                std::thread::sleep(Duration::from_millis(150));
                std::fs::write(rest, "").expect("a file");
                String::new()
            }
            "ask" => String::from_utf8(link.ask(rest.as_bytes()).expect("answer")).expect("text"),
            "fds" => open_files("self").join(" "),
            "signals" => signals(),
            "status" => return number() as i32,
            "exit" => {
                link.exited().expect("exited");
                return number() as i32;
            }
            "linger" => {
                link.exited().expect("exited");
                hang();
            }
            "oom" => {
                let kind = FatalKind::OutOfMemory { limit_mb: number() };
                link.fatal(kind, "Allowed memory size exhausted")
                    .expect("fatal");
                return 255;
            }
            "fatal" => {
                link.fatal(FatalKind::Error, rest).expect("fatal");
                return 255;
            }
            "raise" => {
                let signal = Signal::try_from(number() as i32).expect("a signal");
                kill(getpid(), signal).expect("kill");
                hang();
            }
            "done-and-die" => {
                link.done(rest.as_bytes()).expect("done");
                kill(getpid(), Signal::SIGKILL).expect("kill");
                hang();
            }
            // Takes no other job, but its own end takes some time.
            "spent" => {
                link.spent().expect("spent");
                link.done(getpid().to_string().as_bytes()).expect("done");
                std::thread::sleep(Duration::from_millis(number()));
                return 0;
            }
            "half-and-die" => {
                raw(&link, &[1, 4, 0, 0, 200, 0, 0, 0, 1, 2, 3]);
                kill(getpid(), Signal::SIGKILL).expect("kill");
                hang();
            }
            "garbage" => {
                raw(&link, b"PHP Warning: hello");
                hang();
            }
            "hang" => hang(),
            "stubborn" => {
                // SAFETY: ignoring a signal installs no handler.
                unsafe { signal(Signal::SIGTERM, SigHandler::SigIgn) }.expect("ignore");
                link.ask(b"ready").expect("answer");
                hang();
            }
            // A process of the job that keeps the child's socket open; its pid is the result's, or the child dies.
            "spawn-and-hang" | "spawn-and-die" => {
                // SAFETY: a child has one thread.
                match unsafe { fork() }.expect("fork") {
                    ForkResult::Child => hang(),
                    ForkResult::Parent { child } => {
                        link.ask(child.to_string().as_bytes()).expect("answer");
                        if verb == "spawn-and-die" {
                            kill(getpid(), Signal::SIGKILL).expect("kill");
                        }
                        hang();
                    }
                }
            }
            // A process of the job that outlives the child for a while.
            // SAFETY: a child has one thread.
            "spawn-and-leave" => match unsafe { fork() }.expect("fork") {
                ForkResult::Child => {
                    std::thread::sleep(Duration::from_millis(number()));
                    leave(0);
                }
                ForkResult::Parent { child } => {
                    link.ask(child.to_string().as_bytes()).expect("answer");
                    return 0;
                }
            },
            other => panic!("no such verb: {other}"),
        };
        if link.done(result.as_bytes()).is_err() {
            return 9;
        }
    }
    0
}

fn raw(link: &ChildLink, bytes: &[u8]) {
    // SAFETY: the link keeps its socket open.
    let socket = unsafe { BorrowedFd::borrow_raw(link.fd()) };
    write(socket, bytes).expect("write");
}

pub(crate) fn hang() -> ! {
    std::thread::sleep(Duration::from_secs(100));
    leave(99);
}

/// Blocked, ignored and caught signals of this process.
fn signals() -> String {
    let status = std::fs::read_to_string("/proc/self/status").expect("status");
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        line.expect("a field")[name.len()..].trim().to_owned()
    };
    format!(
        "{} {} {}",
        field("SigBlk:"),
        field("SigIgn:"),
        field("SigCgt:")
    )
}

/// What the descriptors of a process point to, but for the standard ones and those made by looking.
pub(crate) fn open_files(pid: &str) -> Vec<String> {
    std::fs::read_dir(format!("/proc/{pid}/fd"))
        .expect("fds")
        .flatten()
        .filter(|entry| {
            let number: i32 = entry
                .file_name()
                .to_str()
                .expect("a number")
                .parse()
                .expect("a number");
            number > 2
        })
        .filter_map(|entry| std::fs::read_link(entry.path()).ok())
        .map(|path| path.display().to_string())
        .filter(|path| !path.starts_with("/proc/"))
        .collect()
}

pub(crate) fn readable(fd: i32, limit: Duration) -> bool {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    // SAFETY: the caller keeps it open.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    let timeout = PollTimeout::from(limit.as_millis().min(60_000) as u16);
    poll(&mut [PollFd::new(fd, PollFlags::POLLIN)], timeout).is_ok_and(|ready| ready > 0)
}

/// What became of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    Done(String),
    Lost(Ending),
}

impl Fate {
    pub(crate) fn text(&self) -> &str {
        match self {
            Fate::Done(text) => text,
            Fate::Lost(ending) => panic!("{ending}"),
        }
    }

    pub(crate) fn reason(&self) -> String {
        match self {
            Fate::Done(text) => panic!("the job ended well: {text}"),
            Fate::Lost(ending) => ending.to_string(),
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Job {
    request: String,
    timeout: Option<Duration>,
    priority: i32,
}

pub(crate) fn job(request: &str) -> Job {
    Job {
        request: request.to_owned(),
        timeout: None,
        priority: 0,
    }
}

impl Job {
    pub(crate) fn timeout(mut self, ms: u64) -> Job {
        self.timeout = Some(Duration::from_millis(ms));
        self
    }

    pub(crate) fn priority(mut self, priority: i32) -> Job {
        self.priority = priority;
        self
    }
}

/// A runner's loop with lanes that are entries in a table.
pub(crate) struct Runner {
    pub(crate) children: Children,
    waiting: HashMap<u64, Job>,
    working: BTreeMap<ChildId, (u64, Job)>,
    pub(crate) fates: BTreeMap<u64, Fate>,
    /// In the order in which they got a child.
    pub(crate) assigned: Vec<(u64, ChildId)>,
    pub(crate) signals: Vec<i32>,
    pub(crate) questions: Vec<String>,
    pub(crate) false_starts: u32,
    next_ticket: u64,
}

impl Runner {
    pub(crate) fn new(
        link: MasterLink,
        board: &Arc<Scoreboard>,
        limit: usize,
        max_jobs: u32,
    ) -> Runner {
        Runner {
            children: Children::new(link, board.clone(), limit, max_jobs),
            waiting: HashMap::new(),
            working: BTreeMap::new(),
            fates: BTreeMap::new(),
            assigned: Vec::new(),
            signals: Vec::new(),
            questions: Vec::new(),
            false_starts: 0,
            next_ticket: 1,
        }
    }

    pub(crate) fn submit(&mut self, job: Job) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        assert!(self.children.line_up(ticket, job.priority));
        self.waiting.insert(ticket, job);
        ticket
    }

    /// Runs one job to its end.
    pub(crate) fn run(&mut self, job: Job) -> Fate {
        let ticket = self.submit(job);
        self.wait(ticket)
    }

    pub(crate) fn wait(&mut self, ticket: u64) -> Fate {
        self.until(|runner| runner.fates.contains_key(&ticket));
        self.fates[&ticket].clone()
    }

    pub(crate) fn wait_all(&mut self) {
        self.until(|runner| runner.waiting.is_empty() && runner.working.is_empty());
    }

    pub(crate) fn until(&mut self, done: impl Fn(&Runner) -> bool) {
        let until = Instant::now() + Duration::from_secs(20);
        while !done(self) {
            assert!(Instant::now() < until, "the runner waits for ever");
            self.turn(Duration::from_millis(100));
        }
    }

    /// The child that works for a ticket.
    pub(crate) fn child_of(&mut self, ticket: u64) -> ChildId {
        self.until(|runner| runner.working.values().any(|(holder, _)| *holder == ticket));
        let found = self
            .working
            .iter()
            .find(|(_, (holder, _))| *holder == ticket);
        *found.expect("just seen").0
    }

    pub(crate) fn turn(&mut self, limit: Duration) {
        while let Some((ticket, child)) = self.children.assign() {
            self.start(ticket, child);
        }
        self.poll(limit);
        for notice in self.children.read_control().expect("the master lives") {
            match notice {
                Notice::Signal(signal) => self.signals.push(signal),
                Notice::Ended(child) => assert!(self.working.contains_key(&child)),
            }
        }
        for child in self.working.keys().copied().collect::<Vec<_>>() {
            self.children.flush(child);
            self.listen(child);
        }
        while let Some((ticket, child)) = self.children.assign() {
            self.start(ticket, child);
        }
    }

    fn start(&mut self, ticket: u64, child: ChildId) {
        let job = self.waiting.remove(&ticket).expect("it waits");
        self.assigned.push((ticket, child));
        self.children.started(child, job.timeout);
        let run = Frame::Run(Run {
            timeout_ms: 0,
            memory_mb: 0,
            request: job.request.clone().into_bytes(),
        });
        self.working.insert(child, (ticket, job));
        self.children
            .send(child, &run)
            .expect("a frame of fair length");
    }

    fn listen(&mut self, child: ChildId) {
        loop {
            match self.children.receive(child) {
                Received::WouldBlock => return,
                Received::Frame(Frame::Ask(question)) => {
                    self.questions
                        .push(String::from_utf8(question).expect("text"));
                    let answer = Frame::Answer(b"yes".to_vec());
                    self.children.send(child, &answer).expect("short");
                }
                Received::Frame(Frame::Done(result)) => {
                    let text = String::from_utf8(result).expect("text");
                    let (ticket, _) = self.working.remove(&child).expect("it works");
                    self.fates.insert(ticket, Fate::Done(text));
                    self.children.finished(child);
                    return;
                }
                Received::Frame(_) => {}
                Received::Closed => {
                    if let Some(ending) = self.children.outcome(child) {
                        let (ticket, job) = self.working.remove(&child).expect("it works");
                        if ending == Ending::NotStarted {
                            self.false_starts += 1;
                            assert!(self.children.line_up(ticket, job.priority));
                            self.waiting.insert(ticket, job);
                        } else {
                            self.fates.insert(ticket, Fate::Lost(ending));
                        }
                    }
                    return;
                }
            }
        }
    }

    fn poll(&self, limit: Duration) {
        let mut fds = vec![libc::pollfd {
            fd: self.children.control_fd(),
            events: libc::POLLIN
                | if self.children.control_wants_write() {
                    libc::POLLOUT
                } else {
                    0
                },
            revents: 0,
        }];
        for child in self.working.keys() {
            let out = if self.children.wants_write(*child) {
                libc::POLLOUT
            } else {
                0
            };
            fds.push(libc::pollfd {
                // A closed child is waited for at the control socket; its own would be readable all the time.
                fd: self.children.fd(*child).unwrap_or(-1),
                events: libc::POLLIN | out,
                revents: 0,
            });
        }
        let mut ms = limit.as_millis() as i32;
        if let Some(wakeup) = self.children.wakeup() {
            ms = ms.min(wakeup.saturating_sub(now_ms()) as i32);
        }
        // SAFETY: the array is as long as it says.
        unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, ms) };
    }
}

pub(crate) fn send(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).expect("the process lives");
}
