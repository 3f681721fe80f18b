//! `getaddrinfo`: on a helper thread. Only names that need no network are asked for.
use std::ffi::CStr;
use std::time::{Duration, Instant};

use kqueue_engine::interpose::Woken;
use libc::{addrinfo, c_char};

use crate::descriptors::{errno, is_open, set_errno};
use crate::fixture::{Turn, call};
use crate::lanes::{self, Lanes};
use crate::recorder::RECORDER;

/// `<netdb.h>`.
const EAI_ADDRFAMILY: i32 = -9;

fn hints(flags: i32) -> addrinfo {
    // SAFETY: hints of zeros ask for anything.
    let mut hints: addrinfo = unsafe { std::mem::zeroed() };
    hints.ai_flags = flags;
    hints.ai_family = libc::AF_INET;
    hints.ai_socktype = libc::SOCK_STREAM;
    hints
}

/// The code, and the ports of the results, which are all of the loopback interface.
fn look_up(node: &CStr, service: &CStr, hints: &addrinfo) -> (i32, Vec<u16>) {
    let getaddrinfo = call!(call_getaddrinfo(node: *const c_char, service: *const c_char, hints: *const addrinfo, result: *mut *mut addrinfo) -> i32);
    let mut list = std::ptr::null_mut();
    let code = getaddrinfo(node.as_ptr(), service.as_ptr(), hints, &mut list);
    let mut ports = Vec::new();
    let mut next = list;
    // SAFETY: a list of IPv4 addresses, as asked for.
    while let Some(entry) = unsafe { next.as_ref() } {
        assert_eq!(
            (entry.ai_family, entry.ai_socktype),
            (libc::AF_INET, libc::SOCK_STREAM)
        );
        // SAFETY: as above.
        let address = unsafe { entry.ai_addr.cast::<libc::sockaddr_in>().read() };
        assert_eq!(u32::from_be(address.sin_addr.s_addr) >> 24, 127);
        ports.push(u16::from_be(address.sin_port));
        next = entry.ai_next;
    }
    if !list.is_null() {
        // SAFETY: the list is whole, and its last use was above.
        unsafe { libc::freeaddrinfo(list) };
    }
    (code, ports)
}

#[test]
fn a_name_is_looked_up_by_a_helper() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    set_errno(77);
    assert_eq!(look_up(c"localhost", c"80", &hints(0)), (0, vec![80]));
    assert_eq!(errno(), 77);
    let wait = RECORDER.wait();
    assert_eq!((wait.fds.len(), wait.timeout), (1, None));
    assert_eq!(wait.fds[0].1, libc::POLLIN);
    assert!(!is_open(wait.fds[0].0), "closed again");
}

#[test]
fn failures_arrive_as_they_are() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    assert_eq!(
        look_up(c"a..b", c"80", &hints(0)),
        (libc::EAI_NONAME, vec![])
    );
    assert_eq!(
        look_up(c"localhost", c"no such service", &hints(0)),
        (libc::EAI_SERVICE, vec![])
    );
    assert_eq!(
        look_up(c"localhost", c"80", &hints(0x4000_0000)),
        (libc::EAI_BADFLAGS, vec![])
    );
    assert_eq!(RECORDER.waits().len(), 3);
}

#[test]
fn numeric_addresses_need_no_helper() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    assert_eq!(look_up(c"127.0.0.1", c"80", &hints(0)), (0, vec![80]));
    assert_eq!(look_up(c"127.1", c"80", &hints(0)), (0, vec![80]));
    assert_eq!(look_up(c"::1", c"80", &hints(0)).0, EAI_ADDRFAMILY);
    assert_eq!(
        look_up(c"localhost", c"80", &hints(libc::AI_NUMERICHOST)),
        (libc::EAI_NONAME, vec![])
    );
    let getaddrinfo = call!(call_getaddrinfo(node: *const c_char, service: *const c_char, hints: *const addrinfo, result: *mut *mut addrinfo) -> i32);
    let mut list = std::ptr::null_mut();
    assert_eq!(
        getaddrinfo(std::ptr::null(), c"80".as_ptr(), &hints(0), &mut list),
        0
    );
    // SAFETY: a list of getaddrinfo's.
    unsafe { libc::freeaddrinfo(list) };
    assert_eq!(RECORDER.waits(), []);
}

#[test]
fn a_cancelled_lookup_fails_and_the_helper_cleans_up() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    RECORDER.answers_always(Woken::Cancelled);
    let before = open_descriptors();
    for _ in 0..20 {
        // The helper may have been faster.
        let (code, _) = look_up(c"localhost", c"80", &hints(0));
        assert!(code == -101 || code == 0, "{code}");
    }
    let begin = Instant::now();
    while open_descriptors() > before {
        assert!(
            begin.elapsed() < Duration::from_secs(10),
            "descriptors are left open"
        );
        std::thread::yield_now();
    }
}

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("proc").count()
}

#[test]
fn a_refused_lookup_blocks_until_the_helper_is_done() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    RECORDER.answers_always(Woken::Refused);
    assert_eq!(look_up(c"localhost", c"80", &hints(0)), (0, vec![80]));
}

#[test]
fn more_lookups_than_helpers_all_end() {
    let turn = Turn::take();
    turn.install(&Lanes);
    let work = || assert_eq!(look_up(c"localhost", c"80", &hints(0)), (0, vec![80]));
    let waits = lanes::run(
        (0..200)
            .map(|_| Box::new(work) as Box<dyn FnOnce()>)
            .collect(),
    );
    assert!(waits.iter().all(|waits| *waits >= 1), "{waits:?}");
}
