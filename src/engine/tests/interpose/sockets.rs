//! `recv`, `send` and their kin.
use std::io::{Read, Write};
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use kqueue_engine::interpose::Woken;
use libc::{c_void, iovec, msghdr, sockaddr, socklen_t};

use crate::descriptors::{errno, fill, limit, pipe, put, set_errno, set_nonblocking, sockets};
use crate::fixture::{Turn, call, fixture};
use crate::lanes::{self, Lanes};
use crate::recorder::RECORDER;

const BIG: usize = 1 << 20;

fn message(buffers: &mut [iovec]) -> msghdr {
    // SAFETY: a header of zeros is an empty message.
    let mut message: msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = buffers.as_mut_ptr();
    message.msg_iovlen = buffers.len();
    message
}

fn buffer(bytes: &mut [u8]) -> iovec {
    iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    }
}

/// The five ways to receive 3 bytes; each returns what the call did, and the bytes.
type Receiver = Box<dyn Fn(i32, i32) -> (isize, Vec<u8>)>;

fn receivers() -> Vec<(&'static str, Receiver)> {
    let recv = call!(call_recv(fd: i32, into: *mut c_void, n: usize, flags: i32) -> isize);
    let recvfrom = call!(call_recvfrom(fd: i32, into: *mut c_void, n: usize, flags: i32, from: *mut sockaddr, length: *mut socklen_t) -> isize);
    let recvmsg = call!(call_recvmsg(fd: i32, message: *mut msghdr, flags: i32) -> isize);
    let checked_recv = call!(checked_recv(fd: i32, n: usize, flags: i32) -> isize);
    let checked_recvfrom = call!(checked_recvfrom(fd: i32, n: usize, flags: i32) -> isize);
    let read = call!(call_read(fd: i32, into: *mut c_void, n: usize) -> isize);
    let checked_read = call!(checked_read(fd: i32, n: usize) -> isize);
    let address = fixture().address("chunk_for_tests");
    // SAFETY: a function of the fixture's that returns its buffer of 64 bytes.
    let buffer_of_fixture =
        unsafe { std::mem::transmute::<*mut c_void, extern "C" fn() -> *mut [u8; 3]>(address) };
    let chunk = move || {
        // SAFETY: as above; nobody else uses it now.
        unsafe { std::mem::take(&mut *buffer_of_fixture()) }.to_vec()
    };
    vec![
        (
            "recv",
            Box::new(move |fd, flags| {
                let mut bytes = vec![0; 3];
                (recv(fd, bytes.as_mut_ptr().cast(), 3, flags), bytes)
            }),
        ),
        (
            "recvfrom",
            Box::new(move |fd, flags| {
                let mut bytes = vec![0; 3];
                (
                    recvfrom(
                        fd,
                        bytes.as_mut_ptr().cast(),
                        3,
                        flags,
                        std::ptr::null_mut(),
                        std::ptr::null_mut(),
                    ),
                    bytes,
                )
            }),
        ),
        (
            "recvmsg",
            Box::new(move |fd, flags| {
                let mut bytes = vec![0; 3];
                let (first, second) = bytes.split_at_mut(1);
                let mut buffers = [buffer(first), buffer(second)];
                (recvmsg(fd, &mut message(&mut buffers), flags), bytes)
            }),
        ),
        (
            "__recv_chk",
            Box::new(move |fd, flags| (checked_recv(fd, 3, flags), chunk())),
        ),
        (
            "__recvfrom_chk",
            Box::new(move |fd, flags| (checked_recvfrom(fd, 3, flags), chunk())),
        ),
        (
            "read",
            Box::new(move |fd, flags| {
                assert_eq!(flags, 0);
                let mut bytes = vec![0; 3];
                (read(fd, bytes.as_mut_ptr().cast(), 3), bytes)
            }),
        ),
        (
            "__read_chk",
            Box::new(move |fd, flags| {
                assert_eq!(flags, 0);
                (checked_read(fd, 3), chunk())
            }),
        ),
    ]
}

#[test]
fn receiving_waits_until_there_is_something() {
    let turn = Turn::take();
    let report = turn.install(RECORDER.fresh());
    for (name, receive) in receivers() {
        assert!(report.functions.contains(&name), "{name}: {report:?}");
        let (ours, theirs) = sockets();
        RECORDER.fresh();
        RECORDER.during(move || put(&theirs, b"abc"));
        set_errno(77);
        assert_eq!(receive(ours.as_raw_fd(), 0), (3, b"abc".to_vec()), "{name}");
        assert_eq!(errno(), 77, "{name}");
        let wait = RECORDER.wait();
        assert_eq!(
            (wait.fds, wait.timeout),
            (vec![(ours.as_raw_fd(), libc::POLLIN)], None),
            "{name}"
        );
    }
}

#[test]
fn receiving_does_not_wait_where_libc_would_not() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    for (name, receive) in receivers() {
        let (ours, theirs) = sockets();
        put(&theirs, b"ab");
        assert_eq!(
            receive(ours.as_raw_fd(), 0),
            (2, b"ab\0".to_vec()),
            "{name}: ready"
        );
        if !name.contains("read") {
            assert_eq!(
                (receive(ours.as_raw_fd(), libc::MSG_DONTWAIT).0, errno()),
                (-1, libc::EAGAIN),
                "{name}: MSG_DONTWAIT"
            );
        }
        set_nonblocking(&ours);
        assert_eq!(
            (receive(ours.as_raw_fd(), 0).0, errno()),
            (-1, libc::EAGAIN),
            "{name}: O_NONBLOCK"
        );
        drop(theirs);
        assert_eq!(receive(ours.as_raw_fd(), 0).0, 0, "{name}: ended");
        assert_eq!(
            (receive(9999, 0).0, errno()),
            (-1, libc::EBADF),
            "{name}: no descriptor"
        );
    }
    assert_eq!(RECORDER.waits(), []);
}

#[test]
fn receiving_ends_by_the_sockets_own_time_limit() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    for (name, receive) in receivers() {
        let (ours, _theirs) = sockets();
        limit(&ours, libc::SO_RCVTIMEO, 30);
        RECORDER.fresh();
        RECORDER.answers_first(&[Woken::Ready]);
        let begin = Instant::now();
        assert_eq!(
            (receive(ours.as_raw_fd(), 0).0, errno()),
            (-1, libc::EAGAIN),
            "{name}"
        );
        assert!(begin.elapsed() >= Duration::from_millis(30), "{name}");
        assert_eq!(RECORDER.waits().len(), 2, "{name}");
    }
}

#[test]
fn a_cancelled_receiver_sees_the_end() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    RECORDER.answers_always(Woken::Cancelled);
    for (name, receive) in receivers() {
        let (ours, mut theirs) = sockets();
        assert_eq!(receive(ours.as_raw_fd(), 0).0, 0, "{name}");
        assert_eq!(
            theirs.read(&mut [0]).expect("the end"),
            0,
            "{name}: shut down"
        );
        let waits = RECORDER.waits().len();
        assert_eq!(receive(ours.as_raw_fd(), 0).0, 0, "{name}: again");
        assert_eq!(
            RECORDER.waits().len(),
            waits,
            "{name}: without another wait"
        );
    }
}

#[test]
fn a_refused_receiver_makes_the_real_call() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    for (name, receive) in receivers() {
        let (ours, mut theirs) = sockets();
        RECORDER.fresh().answers_always(Woken::Refused);
        let late = thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            theirs.write_all(b"abc").expect("a reader");
        });
        assert_eq!(receive(ours.as_raw_fd(), 0), (3, b"abc".to_vec()), "{name}");
        assert_eq!(RECORDER.waits().len(), 1, "{name}: and blocks");
        late.join().expect("no panic");
    }
}

#[test]
fn waiting_for_all_collects_the_parts() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    for (name, receive) in receivers()
        .into_iter()
        .filter(|(name, _)| !name.contains("read"))
    {
        let (ours, theirs) = sockets();
        let mut parts = b"abc".iter();
        RECORDER
            .fresh()
            .during(move || put(&theirs, &[*parts.next().expect("three parts")]));
        assert_eq!(
            receive(ours.as_raw_fd(), libc::MSG_WAITALL),
            (3, b"abc".to_vec()),
            "{name}"
        );
        assert_eq!(RECORDER.waits().len(), 3, "{name}");
    }
}

#[test]
fn waiting_for_all_returns_a_part_at_the_end_or_in_time() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    for (name, receive) in receivers()
        .into_iter()
        .filter(|(name, _)| !name.contains("read"))
    {
        let (ours, theirs) = sockets();
        put(&theirs, b"ab");
        limit(&ours, libc::SO_RCVTIMEO, 20);
        assert_eq!(
            receive(ours.as_raw_fd(), libc::MSG_WAITALL).0,
            2,
            "{name}: in time"
        );
        put(&theirs, b"a");
        drop(theirs);
        assert_eq!(
            receive(ours.as_raw_fd(), libc::MSG_WAITALL).0,
            1,
            "{name}: at the end"
        );
    }
}

#[test]
fn a_datagram_is_received_with_its_sender() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    let recvfrom = call!(call_recvfrom(fd: i32, into: *mut c_void, n: usize, flags: i32, from: *mut sockaddr, length: *mut socklen_t) -> isize);
    let ours = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let theirs = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let (to, port) = (
        ours.local_addr().expect("bound"),
        theirs.local_addr().expect("bound").port(),
    );
    RECORDER.during(move || assert_eq!(theirs.send_to(b"abc", to).expect("sent"), 3));
    let mut bytes = [0; 8];
    // SAFETY: an address of zeros is a valid one to be filled.
    let mut from: libc::sockaddr_in = unsafe { std::mem::zeroed() };
    let mut length = size_of_val(&from) as socklen_t;
    let received = recvfrom(
        ours.as_raw_fd(),
        bytes.as_mut_ptr().cast(),
        8,
        libc::MSG_WAITALL,
        (&raw mut from).cast(),
        &mut length,
    );
    assert_eq!((received, &bytes[..3]), (3, &b"abc"[..]));
    assert_eq!(u16::from_be(from.sin_port), port);
    assert_eq!(RECORDER.waits().len(), 1);
}

/// The ways to send bytes; each returns what the call did.
type Sender = Box<dyn Fn(i32, &mut [u8], i32) -> isize>;

fn senders() -> Vec<(&'static str, Sender)> {
    let send = call!(call_send(fd: i32, from: *const c_void, n: usize, flags: i32) -> isize);
    let sendto = call!(call_sendto(fd: i32, from: *const c_void, n: usize, flags: i32, to: *const sockaddr, length: socklen_t) -> isize);
    let sendmsg = call!(call_sendmsg(fd: i32, message: *const msghdr, flags: i32) -> isize);
    let write = call!(call_write(fd: i32, from: *const c_void, n: usize) -> isize);
    let writev = call!(call_writev(fd: i32, buffers: *const iovec, count: i32) -> isize);
    // Many uneven parts, some empty, so that sending goes on in the midst of one.
    fn cut(bytes: &mut [u8]) -> Vec<iovec> {
        let step = bytes.len() / 40 + 1;
        bytes
            .chunks_mut(step)
            .flat_map(|part| [buffer(part), buffer(&mut [])])
            .collect()
    }
    vec![
        (
            "send",
            Box::new(move |fd, bytes, flags| send(fd, bytes.as_ptr().cast(), bytes.len(), flags)),
        ),
        (
            "sendto",
            Box::new(move |fd, bytes, flags| {
                sendto(
                    fd,
                    bytes.as_ptr().cast(),
                    bytes.len(),
                    flags,
                    std::ptr::null(),
                    0,
                )
            }),
        ),
        (
            "sendmsg",
            Box::new(move |fd, bytes, flags| sendmsg(fd, &message(&mut cut(bytes)), flags)),
        ),
        (
            "write",
            Box::new(move |fd, bytes, _| write(fd, bytes.as_ptr().cast(), bytes.len())),
        ),
        (
            "writev",
            Box::new(move |fd, bytes, _| {
                let parts = cut(bytes);
                writev(fd, parts.as_ptr(), parts.len() as i32)
            }),
        ),
    ]
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index % 251) as u8).collect()
}

/// Reads until the end, in its own time.
fn drain(from: impl Read + Send + 'static) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    drain_to(from, sender);
    receiver
}

fn drain_to(mut from: impl Read + Send + 'static, sender: mpsc::Sender<Vec<u8>>) {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).expect("readable");
        sender.send(bytes)
    });
}

#[test]
fn a_blocking_sender_sends_everything() {
    let turn = Turn::take();
    let report = turn.install(RECORDER.fresh());
    for (name, send) in senders() {
        assert!(report.functions.contains(&name), "{name}: {report:?}");
        let (ours, theirs) = sockets();
        RECORDER.fresh();
        let (sender, drained) = mpsc::channel();
        let mut theirs = Some(theirs);
        RECORDER.during(move || {
            if let Some(theirs) = theirs.take() {
                drain_to(theirs, sender.clone());
            }
        });
        let mut bytes = pattern(BIG);
        set_errno(77);
        assert_eq!(
            send(ours.as_raw_fd(), &mut bytes, 0),
            BIG as isize,
            "{name}"
        );
        assert_eq!(errno(), 77, "{name}");
        drop(ours);
        assert!(
            drained.recv().expect("drained") == bytes,
            "{name}: other bytes arrived"
        );
        let waits = RECORDER.waits();
        assert!(!waits.is_empty(), "{name}");
        assert!(
            waits
                .iter()
                .all(|wait| wait.fds[0].1 == libc::POLLOUT && wait.timeout.is_none()),
            "{name}"
        );
    }
}

#[test]
fn sending_does_not_wait_where_libc_would_not() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    for (name, send) in senders() {
        let (ours, _theirs) = sockets();
        assert_eq!(
            send(ours.as_raw_fd(), &mut pattern(3), 0),
            3,
            "{name}: room"
        );
        if !name.starts_with("write") {
            let sent = send(ours.as_raw_fd(), &mut pattern(BIG), libc::MSG_DONTWAIT);
            assert!(sent > 0 && sent < BIG as isize, "{name}: MSG_DONTWAIT");
        }
        set_nonblocking(&ours);
        if name.starts_with("write") {
            let sent = send(ours.as_raw_fd(), &mut pattern(BIG), 0);
            assert!(
                sent > 0 && sent < BIG as isize,
                "{name}: O_NONBLOCK, {sent}"
            );
        }
        fill(&ours);
        assert_eq!(
            (send(ours.as_raw_fd(), &mut pattern(3), 0), errno()),
            (-1, libc::EAGAIN),
            "{name}: O_NONBLOCK"
        );
        assert_eq!(
            (send(9999, &mut pattern(3), 0), errno()),
            (-1, libc::EBADF),
            "{name}: no descriptor"
        );
    }
    assert_eq!(RECORDER.waits(), []);
}

#[test]
fn sending_ends_by_the_sockets_own_time_limit() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    for (name, send) in senders() {
        let (ours, _theirs) = sockets();
        limit(&ours, libc::SO_SNDTIMEO, 30);
        let begin = Instant::now();
        let sent = send(ours.as_raw_fd(), &mut pattern(BIG), 0);
        assert!(sent > 0 && sent < BIG as isize, "{name}: a part, {sent}");
        assert!(begin.elapsed() >= Duration::from_millis(30), "{name}");
        fill(&ours);
        assert_eq!(
            (send(ours.as_raw_fd(), &mut pattern(3), 0), errno()),
            (-1, libc::EAGAIN),
            "{name}"
        );
    }
}

/// The connection is another lane's just now: it must not notice.
#[test]
fn a_barred_receiver_fails_and_shuts_nothing() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    RECORDER.answers_always(Woken::Barred);
    for (name, receive) in receivers() {
        let (ours, mut theirs) = sockets();
        assert_eq!(
            (receive(ours.as_raw_fd(), 0).0, errno()),
            (-1, libc::ECANCELED),
            "{name}"
        );
        theirs.write_all(b"x").expect("open");
        assert_eq!(receive(ours.as_raw_fd(), 0).0, 1, "{name}");
    }
}

#[test]
fn a_cancelled_sender_sees_a_broken_pipe_without_a_signal() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    RECORDER.answers_always(Woken::Cancelled);
    // SAFETY: takes numbers. Rust's runtime ignores SIGPIPE; by default it would end this process.
    let old = unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    for (name, send) in senders() {
        let (ours, _theirs) = sockets();
        fill(&ours);
        assert_eq!(
            (send(ours.as_raw_fd(), &mut pattern(3), 0), errno()),
            (-1, libc::EPIPE),
            "{name}"
        );
    }
    // SAFETY: takes numbers.
    unsafe { libc::signal(libc::SIGPIPE, old) };
}

#[test]
fn a_refused_sender_makes_the_real_call() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    for (name, send) in senders() {
        let (ours, theirs) = sockets();
        RECORDER.fresh().answers_always(Woken::Refused);
        let drained = drain(theirs);
        let mut bytes = pattern(BIG);
        assert_eq!(
            send(ours.as_raw_fd(), &mut bytes, 0),
            BIG as isize,
            "{name}"
        );
        assert!(RECORDER.waits().len() <= 1, "{name}: and blocks");
        drop(ours);
        assert!(
            drained.recv().expect("drained") == bytes,
            "{name}: other bytes arrived"
        );
    }
}

#[test]
fn a_descriptor_is_passed_once() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    let sendmsg = call!(call_sendmsg(fd: i32, message: *const msghdr, flags: i32) -> isize);
    let (ours, theirs) = sockets();
    let (reader, _writer) = pipe();
    let mut bytes = pattern(BIG);
    let mut buffers = [buffer(&mut bytes)];
    let mut control = [0_u64; 8];
    let mut message = message(&mut buffers);
    message.msg_control = control.as_mut_ptr().cast();
    // SAFETY: takes a number.
    message.msg_controllen = unsafe { libc::CMSG_SPACE(4) } as usize;
    // SAFETY: the control buffer has room for a header and one descriptor.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(4) as usize;
        libc::CMSG_DATA(header)
            .cast::<i32>()
            .write_unaligned(reader.as_raw_fd());
    }
    let (sender, passed) = mpsc::channel();
    let mut theirs = Some(theirs);
    RECORDER.during(move || {
        if let Some(theirs) = theirs.take() {
            let sender = sender.clone();
            thread::spawn(move || sender.send(count_passed(&theirs)));
        }
    });
    assert_eq!(sendmsg(ours.as_raw_fd(), &message, 0), BIG as isize);
    drop(ours);
    assert_eq!(passed.recv().expect("counted"), (BIG, 1));
    assert!(!RECORDER.waits().is_empty());
}

/// Bytes and descriptors until the end.
fn count_passed(from: &UnixStream) -> (usize, usize) {
    let (mut bytes, mut descriptors) = (0, 0);
    let mut into = [0; 65536];
    loop {
        let mut control = [0_u64; 8];
        let mut buffers = [buffer(&mut into)];
        let mut message = message(&mut buffers);
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&control);
        // SAFETY: all buffers are on this frame.
        match unsafe { libc::recvmsg(from.as_raw_fd(), &raw mut message, libc::MSG_CMSG_CLOEXEC) } {
            0 => return (bytes, descriptors),
            received => bytes += usize::try_from(received).expect("no error"),
        }
        descriptors += usize::from(message.msg_controllen > 0);
    }
}

#[test]
fn lanes_talk_to_each_other() {
    let turn = Turn::take();
    turn.install(&Lanes);
    let recv = call!(call_recv(fd: i32, into: *mut c_void, n: usize, flags: i32) -> isize);
    let send = call!(call_send(fd: i32, from: *const c_void, n: usize, flags: i32) -> isize);
    let (ours, theirs) = sockets();
    let waits = lanes::run(vec![
        Box::new(move || {
            let mut bytes = vec![0; BIG];
            assert_eq!(
                recv(
                    ours.as_raw_fd(),
                    bytes.as_mut_ptr().cast(),
                    BIG,
                    libc::MSG_WAITALL
                ),
                BIG as isize
            );
            assert!(bytes == pattern(BIG));
        }),
        Box::new(move || {
            let bytes = pattern(BIG);
            assert_eq!(
                send(theirs.as_raw_fd(), bytes.as_ptr().cast(), BIG, 0),
                BIG as isize
            );
        }),
    ]);
    assert!(waits.iter().all(|waits| *waits > 1), "{waits:?}");
}
