//! `connect`, `accept`, `accept4`.
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use kqueue_engine::interpose::Woken;
use libc::{sockaddr, sockaddr_in, sockaddr_un, socklen_t};

use crate::descriptors::{errno, flags, limit, set_errno, set_nonblocking, sockets};
use crate::fixture::{Turn, call};
use crate::lanes::{self, Lanes};
use crate::recorder::RECORDER;

fn socket(family: i32) -> OwnedFd {
    // SAFETY: takes numbers.
    let fd = unsafe { libc::socket(family, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) };
    assert!(fd >= 0);
    // SAFETY: just opened.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

fn address(port: u16) -> sockaddr_in {
    sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr {
            s_addr: u32::from(Ipv4Addr::LOCALHOST).to_be(),
        },
        sin_zero: [0; 8],
    }
}

const ADDRESS_SIZE: socklen_t = size_of::<sockaddr_in>() as socklen_t;

fn listener() -> (TcpListener, sockaddr_in) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = listener.local_addr().expect("bound").port();
    (listener, address(port))
}

#[test]
fn connecting_waits_and_leaves_the_socket_blocking() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    let connect = call!(call_connect(fd: i32, to: *const sockaddr, length: socklen_t) -> i32);
    let (listener, to) = listener();
    let ours = socket(libc::AF_INET);
    let before = flags(&ours);
    set_errno(77);
    assert_eq!(
        connect(ours.as_raw_fd(), (&raw const to).cast(), ADDRESS_SIZE),
        0
    );
    assert_eq!(errno(), 77);
    assert_eq!(flags(&ours), before);
    assert_eq!(RECORDER.wait().fds, [(ours.as_raw_fd(), libc::POLLOUT)]);
    let (_theirs, from) = listener.accept().expect("a connection");
    assert_eq!(TcpStream::from(ours).local_addr().expect("connected"), from);
}

#[test]
fn a_refused_connection_is_reported() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    let connect = call!(call_connect(fd: i32, to: *const sockaddr, length: socklen_t) -> i32);
    let (listener, to) = listener();
    drop(listener);
    let ours = socket(libc::AF_INET);
    assert_eq!(
        (
            connect(ours.as_raw_fd(), (&raw const to).cast(), ADDRESS_SIZE),
            errno()
        ),
        (-1, libc::ECONNREFUSED)
    );
    assert_eq!(flags(&ours) & libc::O_NONBLOCK, 0);
}

#[test]
fn connecting_does_not_wait_where_libc_would_not() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    let connect = call!(call_connect(fd: i32, to: *const sockaddr, length: socklen_t) -> i32);
    let (_listener, to) = listener();
    let ours = socket(libc::AF_INET);
    set_nonblocking(&ours);
    assert_eq!(
        (
            connect(ours.as_raw_fd(), (&raw const to).cast(), ADDRESS_SIZE),
            errno()
        ),
        (-1, libc::EINPROGRESS)
    );
    assert_ne!(flags(&ours) & libc::O_NONBLOCK, 0, "stays as it was");
    assert_eq!(
        (connect(9999, (&raw const to).cast(), ADDRESS_SIZE), errno()),
        (-1, libc::EBADF)
    );
    assert_eq!(RECORDER.waits(), []);
}

/// A listener that nobody can reach any more: its backlog is full.
fn full() -> (OwnedFd, sockaddr_in, Vec<TcpStream>) {
    let listener = socket(libc::AF_INET);
    let mut at = address(0);
    let mut length = ADDRESS_SIZE;
    // SAFETY: an address of the size given, which is written back.
    unsafe {
        assert_eq!(
            libc::bind(listener.as_raw_fd(), (&raw const at).cast(), ADDRESS_SIZE),
            0
        );
        assert_eq!(libc::listen(listener.as_raw_fd(), 0), 0);
        assert_eq!(
            libc::getsockname(listener.as_raw_fd(), (&raw mut at).cast(), &raw mut length),
            0
        );
    }
    let to = SocketAddr::from((Ipv4Addr::LOCALHOST, u16::from_be(at.sin_port)));
    let mut waiting = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&to, Duration::from_millis(100)) {
        waiting.push(stream);
    }
    (listener, at, waiting)
}

#[test]
fn connecting_ends_by_the_sockets_own_time_limit() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    let connect = call!(call_connect(fd: i32, to: *const sockaddr, length: socklen_t) -> i32);
    let (_listener, to, _waiting) = full();
    let ours = socket(libc::AF_INET);
    limit(&ours, libc::SO_SNDTIMEO, 30);
    let begin = Instant::now();
    assert_eq!(
        (
            connect(ours.as_raw_fd(), (&raw const to).cast(), ADDRESS_SIZE),
            errno()
        ),
        (-1, libc::EINPROGRESS)
    );
    assert!(begin.elapsed() >= Duration::from_millis(30));
}

#[test]
fn a_cancelled_connect_fails_and_leaves_the_socket_blocking() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    RECORDER.answers_always(Woken::Cancelled);
    let connect = call!(call_connect(fd: i32, to: *const sockaddr, length: socklen_t) -> i32);
    let (_listener, to, _waiting) = full();
    let ours = socket(libc::AF_INET);
    assert_eq!(
        (
            connect(ours.as_raw_fd(), (&raw const to).cast(), ADDRESS_SIZE),
            errno()
        ),
        (-1, libc::ECANCELED)
    );
    assert_eq!(flags(&ours) & libc::O_NONBLOCK, 0);
}

#[test]
fn connecting_to_a_busy_local_socket_tries_again() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    let connect = call!(call_connect(fd: i32, to: *const sockaddr, length: socklen_t) -> i32);
    let listener = socket(libc::AF_UNIX);
    // SAFETY: an address of zeros is a valid one to be filled.
    let mut at: sockaddr_un = unsafe { std::mem::zeroed() };
    at.sun_family = libc::AF_UNIX as u16;
    let name = format!("kqueue-test-{}", std::process::id());
    for (to, from) in at.sun_path[1..].iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    let length = (size_of::<u16>() + 1 + name.len()) as socklen_t;
    // SAFETY: an abstract address of the length given.
    unsafe {
        assert_eq!(
            libc::bind(listener.as_raw_fd(), (&raw const at).cast(), length),
            0
        );
        assert_eq!(libc::listen(listener.as_raw_fd(), 0), 0);
    }
    let first = socket(libc::AF_UNIX);
    assert_eq!(
        connect(first.as_raw_fd(), (&raw const at).cast(), length),
        0
    );
    assert_eq!(RECORDER.waits(), []);
    let second = socket(libc::AF_UNIX);
    limit(&second, libc::SO_SNDTIMEO, 20);
    assert_eq!(
        (
            connect(second.as_raw_fd(), (&raw const at).cast(), length),
            errno()
        ),
        (-1, libc::EAGAIN)
    );
    let tried = RECORDER.waits();
    assert!(
        tried.len() > 2 && tried.iter().all(|wait| wait.fds.is_empty()),
        "{tried:?}"
    );
    let accepting = listener.as_raw_fd();
    RECORDER.during(move || {
        // SAFETY: no address is asked for.
        unsafe {
            libc::close(libc::accept4(
                accepting,
                std::ptr::null_mut(),
                std::ptr::null_mut(),
                libc::SOCK_NONBLOCK,
            ))
        };
    });
    assert_eq!(
        connect(second.as_raw_fd(), (&raw const at).cast(), length),
        0
    );
}

type Acceptor = Box<dyn Fn(i32) -> i32>;

fn acceptors() -> Vec<(&'static str, Acceptor)> {
    let accept = call!(call_accept(fd: i32, from: *mut sockaddr, length: *mut socklen_t) -> i32);
    let accept4 = call!(call_accept4(fd: i32, from: *mut sockaddr, length: *mut socklen_t, flags: i32) -> i32);
    vec![
        (
            "accept",
            Box::new(move |fd| accept(fd, std::ptr::null_mut(), std::ptr::null_mut())),
        ),
        (
            "accept4",
            Box::new(move |fd| {
                accept4(
                    fd,
                    std::ptr::null_mut(),
                    std::ptr::null_mut(),
                    libc::SOCK_NONBLOCK,
                )
            }),
        ),
    ]
}

#[test]
fn accepting_waits_for_a_connection() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    for (name, accept) in acceptors() {
        let (listener, to) = listener();
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, u16::from_be(to.sin_port)));
        RECORDER
            .fresh()
            .during(move || drop(TcpStream::connect(to).expect("a listener")));
        let accepted = accept(listener.as_raw_fd());
        assert!(accepted >= 0, "{name}");
        // SAFETY: just accepted.
        let accepted = unsafe { OwnedFd::from_raw_fd(accepted) };
        assert_eq!(
            flags(&accepted) & libc::O_NONBLOCK != 0,
            name == "accept4",
            "{name}"
        );
        assert_eq!(
            RECORDER.wait().fds,
            [(listener.as_raw_fd(), libc::POLLIN)],
            "{name}"
        );
        limit(&listener, libc::SO_RCVTIMEO, 20);
        RECORDER.fresh();
        assert_eq!(
            (accept(listener.as_raw_fd()), errno()),
            (-1, libc::EAGAIN),
            "{name}"
        );
        assert_eq!(RECORDER.waits().len(), 1, "{name}");
        set_nonblocking(&listener);
        assert_eq!(
            (accept(listener.as_raw_fd()), errno()),
            (-1, libc::EAGAIN),
            "{name}"
        );
        assert_eq!(RECORDER.waits().len(), 1, "{name}: O_NONBLOCK");
    }
}

/// Others may wait for the listener too, now or later.
#[test]
fn a_cancelled_accept_fails_and_shuts_nothing() {
    let turn = Turn::take();
    for (name, accept) in acceptors() {
        turn.install(RECORDER.fresh());
        RECORDER.answers_always(Woken::Cancelled);
        let (listener, _) = listener();
        let address = listener.local_addr().expect("bound");
        assert_eq!(
            (accept(listener.as_raw_fd()), errno()),
            (-1, libc::ECANCELED),
            "{name}"
        );
        let _client = TcpStream::connect(address).expect("still listening");
        assert!(accept(listener.as_raw_fd()) >= 0, "{name}");
    }
}

#[test]
fn a_cancelled_lane_lets_its_neighbour_go_on() {
    let turn = Turn::take();
    turn.install(&Lanes);
    let recv = call!(call_recv(fd: i32, into: *mut libc::c_void, n: usize, flags: i32) -> isize);
    let (ours, mut theirs): (UnixStream, UnixStream) = sockets();
    let begin = Instant::now();
    let waits = lanes::run_for(
        Duration::from_millis(50),
        vec![
            Box::new(move || {
                let mut byte = 0_u8;
                assert_eq!(recv(ours.as_raw_fd(), (&raw mut byte).cast(), 1, 0), 0);
            }),
            Box::new(|| {}),
        ],
    );
    assert_eq!(waits, [1, 0]);
    assert!(begin.elapsed() >= Duration::from_millis(50));
    assert_eq!(theirs.read(&mut [0]).expect("the end"), 0);
}
