//! `getaddrinfo` and the other ways to the resolver: on a helper thread. Only names that need no network are asked for.
use std::ffi::CStr;
use std::time::{Duration, Instant};

use kqueue_engine::interpose::Woken;
use libc::{addrinfo, c_char, hostent, sockaddr, socklen_t};

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
    // The last of the two closes it, so perhaps the helper.
    let begin = Instant::now();
    while is_open(wait.fds[0].0) {
        assert!(begin.elapsed() < Duration::from_secs(10), "left open");
        std::thread::yield_now();
    }
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

#[test]
fn gethostbyname_r_fills_the_callers_buffer() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    let by_name = call!(call_gethostbyname_r(name: *const c_char, host: *mut hostent, buffer: *mut c_char, size: usize, result: *mut *mut hostent, failure: *mut i32) -> i32);
    let mut buffer = [0_u64; 256];
    let space = buffer.as_ptr_range();
    let inside = |pointer: *const c_char| space.contains(&pointer.cast());
    // SAFETY: an entry of zeros is a valid one to be filled.
    let mut host: hostent = unsafe { std::mem::zeroed() };
    let mut result = std::ptr::null_mut();
    let mut failure = -7;
    let start = buffer.as_mut_ptr().cast();
    RECORDER.allows(false);
    assert_eq!(
        by_name(
            c"localhost".as_ptr(),
            &mut host,
            start,
            2048,
            &mut result,
            &mut failure
        ),
        0
    );
    let real_failure = std::mem::replace(&mut failure, -7);
    RECORDER.allows(true);
    assert_eq!(
        by_name(
            c"localhost".as_ptr(),
            &mut host,
            start,
            2048,
            &mut result,
            &mut failure
        ),
        0
    );
    assert_eq!(RECORDER.waits().len(), 1);
    assert_eq!((result, failure), (&raw mut host, real_failure));
    assert!(
        inside(host.h_name) && inside(host.h_aliases.cast()) && inside(host.h_addr_list.cast())
    );
    // SAFETY: filled by the call.
    assert_eq!(unsafe { CStr::from_ptr(host.h_name) }, c"localhost");
    // SAFETY: filled by the call.
    let first = unsafe { *host.h_addr_list };
    assert!(inside(first));
    // SAFETY: filled by the call.
    assert_eq!(unsafe { first.cast::<u8>().read() }, 127);
    let mut alias = host.h_aliases;
    // SAFETY: a list that ends in null.
    while !unsafe { *alias }.is_null() {
        // SAFETY: as above.
        assert!(inside(unsafe { *alias }));
        alias = alias.wrapping_add(1);
    }
    assert_eq!(
        by_name(
            c"localhost".as_ptr(),
            &mut host,
            start,
            16,
            &mut result,
            &mut failure
        ),
        libc::ERANGE,
        "too small"
    );
    by_name(
        c"a..b".as_ptr(),
        &mut host,
        start,
        2048,
        &mut result,
        &mut failure,
    );
    assert!(result.is_null() && failure > 0, "{failure}");
    assert_eq!(RECORDER.waits().len(), 3);
    assert_eq!(
        by_name(
            c"127.0.0.1".as_ptr(),
            &mut host,
            start,
            2048,
            &mut result,
            &mut failure
        ),
        0
    );
    assert_eq!(RECORDER.waits().len(), 3, "numeric");
}

#[test]
fn getnameinfo_fills_the_callers_buffers() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    let getnameinfo = call!(call_getnameinfo(address: *const sockaddr, length: socklen_t, node: *mut c_char, nodes: u32, service: *mut c_char, services: u32, flags: i32) -> i32);
    // SAFETY: an address of zeros is a valid one to be filled.
    let mut address: libc::sockaddr_in = unsafe { std::mem::zeroed() };
    address.sin_family = libc::AF_INET as u16;
    address.sin_port = 80_u16.to_be();
    address.sin_addr.s_addr = u32::from(std::net::Ipv4Addr::LOCALHOST).to_be();
    let (mut node, mut service) = ([0_u8; 64], [0_u8; 16]);
    let mut ask = |flags, size| {
        let code = getnameinfo(
            (&raw const address).cast(),
            16,
            node.as_mut_ptr().cast(),
            size,
            service.as_mut_ptr().cast(),
            16,
            flags,
        );
        let text = |bytes: &[u8]| {
            CStr::from_bytes_until_nul(bytes)
                .expect("an end")
                .to_owned()
        };
        (code, text(&node), text(&service))
    };
    assert_eq!(
        ask(libc::NI_NUMERICSERV, 64),
        (0, c"localhost".to_owned(), c"80".to_owned())
    );
    assert_eq!(RECORDER.waits().len(), 1);
    assert_eq!(ask(libc::NI_NUMERICSERV, 3).0, libc::EAI_OVERFLOW);
    assert_eq!(RECORDER.waits().len(), 2);
    assert_eq!(
        ask(libc::NI_NUMERICHOST | libc::NI_NUMERICSERV, 64),
        (0, c"127.0.0.1".to_owned(), c"80".to_owned())
    );
    assert_eq!(RECORDER.waits().len(), 2);
}

/// Only a name that cannot be sent, since there may be no network: the failure is what libc says.
#[test]
fn a_search_is_made_by_a_helper() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    let search = call!(call_res_nsearch(name: *const c_char, answer: *mut u8, size: i32, failure: *mut i32) -> i32);
    let mut answer = [0; 512];
    let (mut failure, mut real_failure) = (0, 0);
    RECORDER.allows(false);
    let real = search(
        c"a..b".as_ptr(),
        answer.as_mut_ptr(),
        512,
        &mut real_failure,
    );
    RECORDER.allows(true);
    assert_eq!(
        search(c"a..b".as_ptr(), answer.as_mut_ptr(), 512, &mut failure),
        real
    );
    assert_eq!((real, failure), (-1, real_failure));
    assert_eq!(RECORDER.waits().len(), 1);
}
