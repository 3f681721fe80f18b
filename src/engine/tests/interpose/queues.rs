//! SysV semaphores and message queues.
use kqueue_engine::interpose::Woken;
use libc::{c_int, c_long, c_void, sembuf};

use crate::descriptors::{errno, set_errno};
use crate::fixture::{Turn, call};
use crate::recorder::RECORDER;

/// A semaphore of the test's own, gone with it.
struct Semaphore(c_int);

impl Semaphore {
    fn new() -> Self {
        // SAFETY: takes numbers.
        let set = unsafe { libc::semget(libc::IPC_PRIVATE, 1, 0o600) };
        assert!(set >= 0);
        Self(set)
    }

    /// By the real call.
    fn release(&self) {
        let mut operation = change(1, 0);
        // SAFETY: one operation.
        let failed = unsafe { libc::semop(self.0, &raw mut operation, 1) };
        assert_eq!(failed, 0);
    }

    /// By the hook.
    fn acquire(&self, flags: c_int) -> (c_int, c_int) {
        let semop = call!(call_semop(set: c_int, operations: *mut sembuf, count: usize) -> c_int);
        let mut operation = change(-1, flags);
        set_errno(77);
        let result = semop(self.0, &raw mut operation, 1);
        assert_eq!(
            i32::from(operation.sem_flg),
            flags,
            "the caller's own is left alone"
        );
        (result, errno())
    }
}

impl Drop for Semaphore {
    fn drop(&mut self) {
        // SAFETY: a set that this test made.
        unsafe { libc::semctl(self.0, 0, libc::IPC_RMID) };
    }
}

fn change(by: i16, flags: c_int) -> sembuf {
    sembuf {
        sem_num: 0,
        sem_op: by,
        sem_flg: flags as i16,
    }
}

#[repr(C)]
#[derive(Default)]
struct Message {
    kind: c_long,
    text: [u8; 4],
}

/// A queue of the test's own, gone with it.
struct Queue(c_int);

impl Queue {
    fn new() -> Self {
        // SAFETY: takes numbers.
        let queue = unsafe { libc::msgget(libc::IPC_PRIVATE, 0o600) };
        assert!(queue >= 0);
        Self(queue)
    }

    fn receive(&self, flags: c_int) -> (isize, c_int, Message) {
        let msgrcv = call!(call_msgrcv(queue: c_int, into: *mut c_void, size: usize, kind: c_long, flags: c_int) -> isize);
        let mut message = Message::default();
        set_errno(77);
        let length = msgrcv(self.0, (&raw mut message).cast(), 4, 0, flags);
        (length, errno(), message)
    }

    fn send(&self, flags: c_int) -> (c_int, c_int) {
        let msgsnd = call!(call_msgsnd(queue: c_int, message: *const c_void, size: usize, flags: c_int) -> c_int);
        let message = Message {
            kind: 1,
            text: *b"text",
        };
        set_errno(77);
        let result = msgsnd(self.0, (&raw const message).cast(), 4, flags);
        (result, errno())
    }

    /// Sends until no more is taken.
    fn fill(&self) {
        while self.send(libc::IPC_NOWAIT).0 == 0 {}
        assert_eq!(errno(), libc::EAGAIN);
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: a queue that this test made.
        unsafe { libc::msgctl(self.0, libc::IPC_RMID, std::ptr::null_mut()) };
    }
}

/// Does `change` at the third wait.
fn at_the_third_wait(mut change: impl FnMut() + Send + 'static) {
    let mut waits = 0;
    RECORDER.during(move || {
        waits += 1;
        if waits == 3 {
            change();
        }
    });
}

fn assert_three_pauses() {
    let waits = RECORDER.waits();
    assert_eq!(waits.len(), 3, "{waits:?}");
    assert!(
        waits
            .iter()
            .all(|wait| wait.fds.is_empty() && wait.timeout.is_some())
    );
}

#[test]
fn a_semaphore_is_tried_until_it_is_free() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    let semaphore = Semaphore::new();
    let set = semaphore.0;
    at_the_third_wait(move || std::mem::ManuallyDrop::new(Semaphore(set)).release());
    assert_eq!(semaphore.acquire(0), (0, 77));
    assert_three_pauses();
}

#[test]
fn a_message_is_waited_for_and_so_is_room_for_one() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    let queue = Queue::new();
    let number = queue.0;
    at_the_third_wait(move || {
        let message = Message {
            kind: 5,
            text: *b"text",
        };
        // SAFETY: a message of the length given.
        let failed = unsafe { libc::msgsnd(number, (&raw const message).cast(), 4, 0) };
        assert_eq!(failed, 0);
    });
    let (length, error, message) = queue.receive(0);
    assert_eq!(
        (length, error, message.kind, message.text),
        (4, 77, 5, *b"text")
    );
    assert_three_pauses();

    RECORDER.fresh();
    queue.fill();
    assert_eq!(RECORDER.waits(), []);
    at_the_third_wait(move || {
        let mut message = Message::default();
        // SAFETY: room for a message of the length given.
        let length = unsafe { libc::msgrcv(number, (&raw mut message).cast(), 4, 0, 0) };
        assert_eq!(length, 4);
    });
    assert_eq!(queue.send(0), (0, 77));
    assert_three_pauses();
}

#[test]
fn who_does_not_want_to_wait_does_not_and_errors_are_libcs() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    let (semaphore, queue) = (Semaphore::new(), Queue::new());
    assert_eq!(semaphore.acquire(libc::IPC_NOWAIT), (-1, libc::EAGAIN));
    let (length, error, _) = queue.receive(libc::IPC_NOWAIT);
    assert_eq!((length, error), (-1, libc::ENOMSG));
    let gone = std::mem::ManuallyDrop::new(Semaphore(-1));
    assert_eq!(gone.acquire(0), (-1, libc::EINVAL));
    assert_eq!(RECORDER.waits(), []);
}

#[test]
fn cancelled_waits_fail() {
    let turn = Turn::take();
    turn.install(RECORDER.fresh());
    let (semaphore, queue) = (Semaphore::new(), Queue::new());
    RECORDER.answers_always(Woken::Cancelled);
    assert_eq!(semaphore.acquire(0), (-1, libc::ECANCELED));
    let (length, error, _) = queue.receive(0);
    assert_eq!((length, error), (-1, libc::ECANCELED));
    queue.fill();
    assert_eq!(queue.send(0), (-1, libc::ECANCELED));
}
