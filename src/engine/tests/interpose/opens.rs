//! `open` and its kin: of FIFOs they wait, of everything else they do not.
use std::ffi::{CStr, CString};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use kqueue_engine::interpose::Woken;
use libc::c_char;

use crate::descriptors::{errno, flags, set_errno};
use crate::fixture::{Turn, call};
use crate::recorder::RECORDER;

/// A FIFO in a folder of its own, which goes with it.
struct Fifo(PathBuf);

impl Fifo {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("kqueue-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("fifo");
        // SAFETY: a C string and a number.
        let failed = unsafe { libc::mkfifo(c_path(&path).as_ptr(), 0o600) };
        assert_eq!(failed, 0);
        Self(path)
    }

    fn path(&self) -> CString {
        c_path(&self.0)
    }

    fn folder(&self) -> &Path {
        self.0.parent().expect("a folder")
    }
}

impl Drop for Fifo {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.folder());
    }
}

fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_encoded_bytes()).expect("no NUL in a path")
}

fn open(path: &CStr, flags: i32) -> i32 {
    call!(call_open(path: *const c_char, flags: i32, mode: u32) -> i32)(path.as_ptr(), flags, 0o600)
}

fn open_2(path: &CStr, flags: i32) -> i32 {
    call!(call_open_2(path: *const c_char, flags: i32) -> i32)(path.as_ptr(), flags)
}

fn openat(folder: i32, path: &CStr, flags: i32) -> i32 {
    call!(call_openat(folder: i32, path: *const c_char, flags: i32, mode: u32) -> i32)(
        folder,
        path.as_ptr(),
        flags,
        0o600,
    )
}

fn own(fd: i32) -> OwnedFd {
    assert!(fd >= 0, "errno {}", errno());
    // SAFETY: the test has just opened it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

fn helpers() -> usize {
    let tasks = fs::read_dir("/proc/self/task").expect("readable");
    tasks
        .filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .filter(|name| name.starts_with("kqueue-helper"))
        .count()
}

#[test]
fn a_reader_waits_for_a_writer_on_a_helper() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    let fifo = Fifo::new("reader");
    for how in [open, open_2] {
        let mut path = Some(fifo.0.clone());
        RECORDER.during(move || {
            let Some(path) = path.take() else { return };
            // Opening to write waits for the reader, so both meet.
            thread::spawn(move || fs::write(path, b"text").expect("written"));
        });
        set_errno(77);
        let reader = own(how(&fifo.path(), libc::O_RDONLY));
        assert_eq!(errno(), 77);
        assert_eq!(flags(&reader) & libc::O_NONBLOCK, 0);
        let mut text = String::new();
        File::from(reader).read_to_string(&mut text).expect("read");
        assert_eq!(text, "text");
    }
    let waits = RECORDER.waits();
    let descriptors: Vec<usize> = waits.iter().map(|wait| wait.fds.len()).collect();
    assert_eq!(descriptors, [0, 1, 0, 1], "{waits:?}");
}

#[test]
fn a_writer_tries_until_there_is_a_reader() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    let fifo = Fifo::new("writer");
    let path = fifo.0.clone();
    let mut rounds = 0;
    let (sender, reader) = std::sync::mpsc::channel();
    RECORDER.during(move || {
        rounds += 1;
        if rounds == 3 {
            let options = fs::OpenOptions::new()
                .read(true)
                .custom_flags(libc::O_NONBLOCK)
                .open(&path);
            sender.send(options.expect("opened")).expect("a receiver");
        }
    });
    set_errno(77);
    let wanted = libc::O_WRONLY | libc::O_APPEND | libc::O_CREAT | libc::O_TRUNC;
    let writer = own(open(&fifo.path(), wanted));
    assert_eq!(errno(), 77);
    assert_eq!(
        flags(&writer) & (libc::O_NONBLOCK | libc::O_APPEND),
        libc::O_APPEND
    );
    File::from(writer).write_all(b"text").expect("written");
    let mut text = String::new();
    let mut reader = reader.recv().expect("opened in the third wait");
    reader.read_to_string(&mut text).expect("read");
    assert_eq!(text, "text");
    let waits = RECORDER.waits();
    assert_eq!(waits.len(), 3);
    assert!(
        waits
            .iter()
            .all(|wait| wait.fds.is_empty() && wait.timeout.is_some())
    );
}

#[test]
fn paths_are_relative_to_the_folder_that_is_given() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    let fifo = Fifo::new("relative");
    let folder = own(open(&c_path(fifo.folder()), libc::O_RDONLY));
    let path = fifo.0.clone();
    let mut path = Some(path);
    RECORDER.during(move || {
        let Some(path) = path.take() else { return };
        thread::spawn(move || fs::write(path, b"text").expect("written"));
    });
    let folder = std::os::fd::AsRawFd::as_raw_fd(&folder);
    own(openat(folder, c"fifo", libc::O_RDONLY));
    assert_eq!(RECORDER.waits().len(), 2);
}

#[test]
fn cancelled_it_fails_and_leaves_no_helper() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    let fifo = Fifo::new("cancelled");
    RECORDER.answers_always(Woken::Cancelled);
    for how in [libc::O_RDONLY, libc::O_WRONLY] {
        assert_eq!((open(&fifo.path(), how), errno()), (-1, libc::ECANCELED));
        assert_eq!(helpers(), 0);
    }
    // Cancelled while its helper waits.
    RECORDER.answers_first(&[Woken::TimedOut]);
    RECORDER.during(|| thread::sleep(Duration::from_millis(100)));
    assert_eq!(
        (open(&fifo.path(), libc::O_RDONLY), errno()),
        (-1, libc::ECANCELED)
    );
    let end = Instant::now() + Duration::from_secs(10);
    while helpers() > 0 {
        assert!(Instant::now() < end, "a helper still waits");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn everything_else_is_opened_directly() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    let fifo = Fifo::new("direct");
    let file = c_path(&fifo.folder().join("file"));
    own(open(&file, libc::O_RDWR | libc::O_CREAT | libc::O_EXCL));
    assert_eq!(
        (open(&file, libc::O_CREAT | libc::O_EXCL), errno()),
        (-1, libc::EEXIST)
    );
    own(open(&file, libc::O_WRONLY | libc::O_TRUNC));
    own(open_2(&file, libc::O_RDONLY));
    own(open(&fifo.path(), libc::O_RDWR));
    own(open(&fifo.path(), libc::O_RDONLY | libc::O_NONBLOCK));
    let missing = c_path(&fifo.folder().join("missing"));
    assert_eq!(
        (open(&missing, libc::O_RDONLY), errno()),
        (-1, libc::ENOENT)
    );
    RECORDER.allows(false);
    let path = fifo.0.clone();
    let writer = thread::spawn(move || fs::write(path, b"text"));
    own(open(&fifo.path(), libc::O_RDONLY));
    writer.join().expect("ended").ok();
    assert_eq!(RECORDER.waits(), []);
}
