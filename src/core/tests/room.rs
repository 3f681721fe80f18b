//! Descriptors: how many jobs are taken with those that are left.

use kqueue_core::room::{Room, USUAL};

const ROOM: Room = Room {
    usable: 1000,
    open: 20,
    base: 20,
    lanes: 1,
    in_flight: 0,
};

/// Takes jobs until no further one may be taken, none of which has opened anything yet; returns how many.
fn burst(mut room: Room) -> usize {
    let before = room.in_flight;
    while room.allows_another(|| room.in_flight - before) {
        room.in_flight += 1;
        room.lanes = room.lanes.max(room.in_flight);
    }
    room.in_flight - before
}

#[test]
fn a_burst_leaves_each_job_what_jobs_usually_open() {
    assert_eq!(burst(ROOM), 980 / USUAL);
}

#[test]
fn jobs_that_have_opened_nothing_for_a_while_make_room_for_others() {
    let settled = Room {
        in_flight: 400,
        lanes: 400,
        ..ROOM
    };
    assert_eq!(burst(settled), 980 / USUAL);
}

#[test]
fn what_lanes_have_opened_is_expected_of_the_next_jobs_too() {
    let heavy = Room {
        open: 20 + 10 * 50,
        in_flight: 10,
        lanes: 10,
        ..ROOM
    };
    assert_eq!(burst(heavy), 480 / 50);
}

#[test]
fn one_job_may_run_however_little_is_left() {
    let full = Room { open: 1000, ..ROOM };
    assert!(full.allows_another(|| 0));
    let busy = Room {
        in_flight: 1,
        ..full
    };
    assert!(!busy.allows_another(|| 0));
    assert!(busy.is_tight());
}

#[test]
fn with_plenty_of_room_nobody_asks_how_old_the_jobs_are() {
    let room = Room {
        usable: 1 << 20,
        in_flight: 5000,
        lanes: 5000,
        open: 20_000,
        ..ROOM
    };
    assert!(room.allows_another(|| panic!("asked")));
    assert!(!room.is_tight());
}
