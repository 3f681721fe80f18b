//! Which slots lead where.
use std::ffi::c_void;

use kqueue_engine::interpose::{self, Reach, Woken};

use crate::fixture::{Fixture, Turn, call, compile, fixture};
use crate::recorder::RECORDER;

/// Sleeps by some build of the fixture, and tells whether that was a wait.
fn is_routed(fixture: &Fixture, name: &str) -> bool {
    // SAFETY: the fixture's function has this signature.
    let usleep = unsafe {
        std::mem::transmute::<*mut c_void, extern "C" fn(u32) -> i32>(fixture.address(name))
    };
    let before = RECORDER.waits().len();
    assert_eq!(usleep(1000), 0);
    RECORDER.waits().len() > before
}

#[test]
fn an_object_loaded_later_is_found_by_refresh() {
    let turn = Turn::take();
    let first = turn.install(RECORDER.fresh());
    assert_eq!(interpose::refresh().expect("installed"), first);
    let late = Fixture::load(&compile("late", &["-Wl,-z,now"]));
    assert!(!is_routed(&late, "call_usleep"));
    let second = interpose::refresh().expect("installed");
    assert_eq!(second.objects, first.objects + 1);
    assert!(second.slots > first.slots);
    assert!(is_routed(&late, "call_usleep") && is_routed(&late, "call_by_table"));
    assert!(is_routed(fixture(), "call_usleep"));
    late.unload();
    assert_eq!(
        interpose::install(&RECORDER, Reach::All).expect("once more"),
        first
    );
}

#[test]
fn the_reach_says_which_calls_are_interposed() {
    let turn = Turn::take();
    let all = turn.install(RECORDER.fresh());
    let poll = call!(call_poll(fds: *mut libc::pollfd, count: libc::nfds_t, timeout: i32) -> i32);
    let polls = || {
        let before = RECORDER.waits().len();
        assert_eq!(poll(std::ptr::null_mut(), 0, 1), 0);
        RECORDER.waits().len() > before
    };
    assert!(polls() && is_routed(fixture(), "call_usleep"));
    let sleeps = interpose::install(&RECORDER, Reach::Sleeps).expect("installed once already");
    assert!(!polls() && is_routed(fixture(), "call_usleep"));
    assert!(sleeps.slots > 0 && sleeps.slots < all.slots);
    let nothing = interpose::install(&RECORDER, Reach::Nothing).expect("installed once already");
    assert!(!polls() && !is_routed(fixture(), "call_usleep"));
    assert_eq!(nothing, interpose::Report::default());
    // Who stands in for functions still suspends.
    let woken = interpose::wait(&[], Some(std::time::Duration::from_millis(1)));
    assert_eq!(woken, Some(Woken::TimedOut));
    assert_eq!(
        interpose::install(&RECORDER, Reach::All).expect("installed once already"),
        all
    );
    assert!(polls());
}

#[test]
fn lazily_bound_slots_are_written_before_the_first_call() {
    let turn = Turn::take();
    let lazy = Fixture::load(&compile("lazy", &["-Wl,-z,lazy"]));
    turn.install(RECORDER.fresh());
    assert!(is_routed(&lazy, "call_usleep"));
    interpose::uninstall();
    assert!(!is_routed(&lazy, "call_usleep"));
    turn.install(&RECORDER);
    assert!(is_routed(&lazy, "call_usleep"), "bound by now");
    interpose::uninstall();
    lazy.unload();
}

#[test]
fn calls_without_a_procedure_table_are_found() {
    let turn = Turn::take();
    let direct = Fixture::load(&compile(
        "direct",
        &["-fno-plt", "-Wl,-z,now", "-Wl,-z,relro"],
    ));
    turn.install(RECORDER.fresh());
    assert!(is_routed(&direct, "call_usleep"));
    interpose::uninstall();
    assert!(!is_routed(&direct, "call_usleep"));
    direct.unload();
}

#[test]
fn an_object_that_is_gone_is_not_written_to() {
    let turn = Turn::take();
    let gone = Fixture::load(&compile("gone", &["-Wl,-z,now"]));
    turn.install(RECORDER.fresh());
    assert!(is_routed(&gone, "call_usleep"));
    gone.unload();
    interpose::uninstall();
    assert!(!is_routed(fixture(), "call_usleep"));
}

/// The pages that this object and others have, with their protection.
fn maps(of: &str) -> Vec<String> {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("proc");
    maps.lines()
        .filter(|line| line.contains(of))
        .map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" "))
        .collect()
}

#[test]
fn protected_pages_are_protected_again() {
    let turn = Turn::take();
    fixture();
    let before = maps("libcaller.so");
    assert!(before.len() >= 4, "{before:?}");
    turn.install(RECORDER.fresh());
    assert_eq!(maps("libcaller.so"), before);
    assert!(is_routed(fixture(), "call_usleep"));
    interpose::uninstall();
    assert_eq!(maps("libcaller.so"), before);
}

#[test]
fn the_own_object_and_libc_are_left_alone() {
    let turn = Turn::take();
    let before = [slots_of("libcaller.so"), slots_of("libc.so"), own_slots()];
    turn.install(RECORDER.fresh());
    // SAFETY: takes a number.
    assert_eq!(unsafe { libc::usleep(1000) }, 0);
    std::thread::sleep(std::time::Duration::from_millis(1));
    assert_eq!(RECORDER.waits(), []);
    let after = [slots_of("libcaller.so"), slots_of("libc.so"), own_slots()];
    assert_ne!(before[0], after[0], "the comparison sees what changes");
    assert!(before[1] == after[1], "libc's data");
    assert!(before[2] == after[2], "our own slots");
    interpose::uninstall();
    assert_eq!(
        before[0],
        slots_of("libcaller.so"),
        "every slot has its old value"
    );
}

/// The read-only data pages of an object, where protected slots lie.
fn slots_of(name: &str) -> Vec<u8> {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("proc");
    let mut bytes = Vec::new();
    let mut after_code = false;
    for line in maps.lines().filter(|line| line.contains(name)) {
        after_code |= line.contains(" r-xp ");
        if after_code && line.contains(" r--p ") {
            let (start, end) = line
                .split(' ')
                .next()
                .and_then(|range| range.split_once('-'))
                .expect("a range");
            let [start, end] = [start, end]
                .map(|address| usize::from_str_radix(address, 16).expect("hexadecimal"));
            // SAFETY: readable pages of an object that stays loaded.
            bytes.extend_from_slice(unsafe {
                std::slice::from_raw_parts(start as *const u8, end - start)
            });
        }
    }
    assert!(!bytes.is_empty(), "{name} has no protected pages");
    bytes
}

fn own_slots() -> Vec<u8> {
    let path = std::env::current_exe().expect("a path");
    slots_of(&path.to_string_lossy())
}
