//! Descriptors for tests, and what libc says of them.
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use libc::{c_int, timeval};

pub(crate) fn errno() -> c_int {
    std::io::Error::last_os_error()
        .raw_os_error()
        .unwrap_or_default()
}

pub(crate) fn set_errno(value: c_int) {
    // SAFETY: the calling thread's own variable.
    unsafe { *libc::__errno_location() = value };
}

pub(crate) fn pipe() -> (OwnedFd, OwnedFd) {
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors.
    let failed = unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) };
    assert_eq!(failed, 0);
    // SAFETY: just opened.
    unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) }
}

pub(crate) fn sockets() -> (UnixStream, UnixStream) {
    UnixStream::pair().expect("a pair of sockets")
}

/// A pipe or socket that has `bytes` to read.
pub(crate) fn put(into: &impl AsRawFd, bytes: &[u8]) {
    // SAFETY: readable bytes.
    let written = unsafe { libc::write(into.as_raw_fd(), bytes.as_ptr().cast(), bytes.len()) };
    assert_eq!(written, bytes.len() as isize);
}

pub(crate) fn set_nonblocking(fd: &impl AsRawFd) {
    // SAFETY: takes numbers.
    let failed =
        unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags(fd) | libc::O_NONBLOCK) };
    assert_eq!(failed, 0);
}

pub(crate) fn is_open(fd: c_int) -> bool {
    // SAFETY: takes numbers.
    unsafe { libc::fcntl(fd, libc::F_GETFD) >= 0 }
}

pub(crate) fn flags(fd: &impl AsRawFd) -> c_int {
    // SAFETY: takes numbers.
    unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) }
}

/// Sets SO_RCVTIMEO or SO_SNDTIMEO.
pub(crate) fn limit(fd: &impl AsRawFd, option: c_int, millis: i64) {
    let limit = timeval {
        tv_sec: 0,
        tv_usec: millis * 1000,
    };
    // SAFETY: a structure of the size given.
    let failed = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            (&raw const limit).cast(),
            size_of::<timeval>() as u32,
        )
    };
    assert_eq!(failed, 0);
}

/// Fills a pipe or socket until it takes no more.
pub(crate) fn fill(fd: &impl AsRawFd) {
    let before = flags(fd);
    set_nonblocking(fd);
    let block = [b'.'; 4096];
    // SAFETY: readable bytes.
    while unsafe { libc::write(fd.as_raw_fd(), block.as_ptr().cast(), block.len()) } > 0 {}
    // SAFETY: takes numbers.
    unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, before) };
}

/// A file with content, deleted already.
pub(crate) fn file(content: &[u8]) -> File {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("file-{:?}", std::thread::current().id()));
    let mut file = File::create(&path).expect("a file");
    file.write_all(content).expect("room");
    let file = File::options()
        .read(true)
        .write(true)
        .open(&path)
        .expect("the file");
    std::fs::remove_file(&path).expect("the file");
    file
}
