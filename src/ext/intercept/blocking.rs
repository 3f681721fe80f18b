//! PHP's own functions that wait. Where libraries' calls cannot be interposed these stand in for them while a run is under way: a call
//! from a lane suspends it until the function would not wait any more, then the function itself is called.
//!
//! Covered is the wait for what comes first: a line that arrives in two parts holds the process up between them. Not covered is
//! whatever extensions wait for by themselves.
//!
//! `dl` is among them in any case: what it has loaded is to be interposed too.
#![expect(unsafe_code, reason = "replaces handlers of PHP's functions")]

use std::ffi::c_void;
use std::mem;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use kqueue_engine::interpose::{self, Woken};

use crate::zend::{self, Value, sys};
use crate::{hooks, lane, session};

/// What a function waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// As many units of time as its first argument says.
    Time(Duration),
    /// Seconds and nanoseconds.
    TwoTimes,
    /// A moment.
    Moment,
    /// Any of its streams.
    Streams,
    /// Its first argument, a stream.
    Stream,
    /// The same, at most as long as its second argument says.
    Connection,
    /// A lock.
    Lock,
    /// Any transfer of a curl multi handle.
    Transfers,
    /// Nothing: it loads a library.
    Library,
}

static STAND_INS: [(&str, Kind); COUNT] = [
    ("dl", Kind::Library),
    ("sleep", Kind::Time(Duration::from_secs(1))),
    ("usleep", Kind::Time(Duration::from_micros(1))),
    ("time_nanosleep", Kind::TwoTimes),
    ("time_sleep_until", Kind::Moment),
    ("stream_select", Kind::Streams),
    ("fread", Kind::Stream),
    ("fgets", Kind::Stream),
    ("fgetc", Kind::Stream),
    ("stream_get_line", Kind::Stream),
    ("stream_socket_accept", Kind::Connection),
    ("flock", Kind::Lock),
    ("curl_multi_select", Kind::Transfers),
];

const COUNT: usize = 13;

type Handler = unsafe extern "C" fn(*mut sys::zend_execute_data, *mut Value);
type Frame = *mut sys::zend_execute_data;

macro_rules! handlers {
    ($($number:literal)*) => { [$(stand_in::<$number>),*] };
}

static HANDLERS: [Handler; COUNT] = handlers!(0 1 2 3 4 5 6 7 8 9 10 11 12);

/// PHP's own handlers. Written as a run begins, and kept.
static ORIGINALS: [AtomicPtr<c_void>; COUNT] =
    [const { AtomicPtr::new(std::ptr::null_mut()) }; COUNT];

/// They stand in while this lives.
pub(crate) struct StandIns {
    replaced: Vec<(*mut sys::zend_function, usize)>,
}

impl StandIns {
    /// Only for `dl`, or for all.
    pub(crate) fn install(all: bool) -> Self {
        let mut replaced = Vec::new();
        for (number, (name, kind)) in STAND_INS.iter().enumerate() {
            if !all && *kind != Kind::Library {
                continue;
            }
            // SAFETY: the name is passed with its length; internal functions of the table have a handler.
            unsafe {
                let function = sys::kq_find_function(name.as_ptr().cast(), name.len());
                if function.is_null() || u32::from((*function).type_) != sys::ZEND_INTERNAL_FUNCTION
                {
                    continue;
                }
                if let Some(original) = (*function).internal_function.handler {
                    ORIGINALS[number].store(original as *mut c_void, Ordering::Relaxed);
                    (*function).internal_function.handler = Some(HANDLERS[number]);
                    replaced.push((function, number));
                }
            }
        }
        Self { replaced }
    }

    /// The functions.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        let numbers = self.replaced.iter().map(|(_, number)| STAND_INS[*number]);
        let waiting = numbers.filter(|(_, kind)| *kind != Kind::Library);
        waiting.map(|(name, _)| name).collect()
    }
}

impl Drop for StandIns {
    fn drop(&mut self) {
        for (function, number) in self.replaced.drain(..) {
            // SAFETY: functions of extensions live until the request ends.
            unsafe { (*function).internal_function.handler = Some(original(number)) };
        }
    }
}

fn original(number: usize) -> Handler {
    // SAFETY: stored before our handler was put in place.
    unsafe { mem::transmute::<*mut c_void, Handler>(ORIGINALS[number].load(Ordering::Relaxed)) }
}

/// The handler of one function. It owns nothing: the lane may be suspended for ever, and PHP's own handler may jump away.
unsafe extern "C" fn stand_in<const NUMBER: usize>(frame: Frame, result: *mut Value) {
    let call = || {
        // SAFETY: the call as it came, its time perhaps taken out.
        unsafe { original(NUMBER)(frame, result) };
    };
    if lane::current().is_none() || session::forked() {
        return call();
    }
    match STAND_INS[NUMBER].1 {
        Kind::Time(unit) => {
            if let Some(number @ 1..) = number(frame, 1)
                && sleep(unit.saturating_mul(u32::try_from(number).unwrap_or(u32::MAX)))
            {
                set(frame, 1, zend::long(0));
            }
            call();
        }
        Kind::TwoTimes => {
            if let (Some(seconds @ 0..), Some(nanos @ 0..1_000_000_000)) =
                (number(frame, 1), number(frame, 2))
                && sleep(Duration::new(seconds as u64, nanos as u32))
            {
                set(frame, 1, zend::long(0));
                set(frame, 2, zend::long(0));
            }
            call();
        }
        Kind::Moment => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            let left = decimal(frame, 1).zip(now.ok());
            let left = left.map_or(0.0, |(moment, now)| moment - now.as_secs_f64());
            if left > 0.0 && sleep(Duration::try_from_secs_f64(left).unwrap_or(Duration::MAX)) {
                // The function would complain of a moment that has passed.
                // SAFETY: the result's place is the caller's.
                unsafe { (*result).u1.type_info = sys::IS_TRUE };
            } else {
                call();
            }
        }
        Kind::Streams => {
            select(frame);
            call();
        }
        Kind::Stream => {
            let limit = |limit: f64| (limit >= 0.0).then_some(limit);
            if await_stream(frame, limit) == Some(Woken::TimedOut) {
                // No time at all would mean that it does not block, and cannot run out of time.
                let mut none = sys::timeval {
                    tv_sec: 0,
                    tv_usec: 1,
                };
                let mut exchange = || {
                    // SAFETY: a live argument of the running function, and a value on this frame.
                    unsafe { sys::kq_stream_exchange_limit(argument(frame, 1), &raw mut none) };
                };
                exchange();
                call();
                exchange();
            } else {
                call();
            }
        }
        Kind::Connection => {
            let limit = decimal(frame, 2).or_else(default_timeout);
            if await_stream(frame, |_| limit) == Some(Woken::TimedOut) {
                set(frame, 2, zend::double(0.0));
            }
            call();
        }
        Kind::Lock => lock(frame, result, &call),
        Kind::Transfers => transfers(frame, result, &call),
        Kind::Library => {
            call();
            hooks::refresh();
        }
    }
}

/// False: the function must sleep itself.
fn sleep(time: Duration) -> bool {
    interpose::wait(&[], Some(time)).is_some()
}

fn argument(frame: Frame, number: u32) -> *mut Value {
    // SAFETY: the running function's frame.
    unsafe { sys::kq_argument(frame, number) }
}

/// None: the function is to say what is wrong with it.
fn number(frame: Frame, place: u32) -> Option<i64> {
    let mut value = 0;
    // SAFETY: the running function's frame.
    unsafe { sys::kq_argument_long(frame, place, &raw mut value) }.then_some(value)
}

fn decimal(frame: Frame, place: u32) -> Option<f64> {
    let value = argument(frame, place);
    if value.is_null() {
        return None;
    }
    match zend::kind(value) {
        // SAFETY: the type says integer.
        sys::IS_LONG => Some(unsafe { (*value).value.lval } as f64),
        // SAFETY: the type says float.
        sys::IS_DOUBLE => Some(unsafe { (*value).value.dval }),
        _ => None,
    }
}

fn default_timeout() -> Option<f64> {
    zend::ini(c"default_socket_timeout")?.parse().ok()
}

/// Only over numbers and null, which need no freeing.
fn set(frame: Frame, place: u32, value: Value) {
    let argument = argument(frame, place);
    if !argument.is_null() {
        // SAFETY: the running function's own argument.
        unsafe { *argument = value };
    }
}

/// Waits as the function would; afterwards it only looks.
fn select(frame: Frame) {
    let mut fds = [libc::pollfd {
        fd: -1,
        events: 0,
        revents: 0,
    }; 64];
    let room = fds.len() as i32;
    // SAFETY: the running function's frame, and as many entries as there is room for; libc's own structure under two names.
    let count =
        unsafe { sys::kq_select_descriptors(frame, fds.as_mut_ptr().cast::<sys::pollfd>(), room) };
    let (Ok(count), false) = (usize::try_from(count), argument(frame, 4).is_null()) else {
        return;
    };
    let seconds = argument(frame, 4);
    let timeout = if zend::kind(seconds) == sys::IS_NULL {
        None
    } else {
        let (Some(seconds @ 0..), micros @ 0..) =
            (number(frame, 4), number(frame, 5).unwrap_or_default())
        else {
            return;
        };
        let seconds = Duration::from_secs(seconds as u64);
        Some(seconds.saturating_add(Duration::from_micros(micros as u64)))
    };
    if count > 0 && interpose::wait(&fds[..count], timeout).is_some() {
        set(frame, 4, zend::long(0));
        set(frame, 5, zend::long(0));
    }
}

/// What the function would wait for first.
fn await_stream(frame: Frame, limit: impl FnOnce(f64) -> Option<f64>) -> Option<Woken> {
    let stream = argument(frame, 1);
    if stream.is_null() {
        return None;
    }
    let mut own = -1.0;
    // SAFETY: a live argument of the running function.
    let fd = unsafe { sys::kq_stream_to_wait_for(stream, &raw mut own) };
    // SAFETY: takes a number; changes nothing.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFL) };
    if fd < 0 || flags < 0 || flags & libc::O_NONBLOCK != 0 {
        return None;
    }
    let timeout = limit(own).and_then(|limit| Duration::try_from_secs_f64(limit).ok());
    let wanted = libc::pollfd {
        fd,
        events: libc::POLLIN | libc::POLLPRI,
        revents: 0,
    };
    interpose::wait(&[wanted], timeout)
}

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(5);

fn lock(frame: Frame, result: *mut Value, call: &dyn Fn()) {
    let Some(operation) = number(frame, 2).filter(|operation| matches!(operation, 1 | 2)) else {
        return call();
    };
    set(frame, 2, zend::long(operation | i64::from(libc::LOCK_NB)));
    loop {
        call();
        let busy = std::io::Error::last_os_error().kind() == std::io::ErrorKind::WouldBlock;
        if zend::kind(result) != sys::IS_FALSE || !busy || zend::has_exception() {
            return;
        }
        match interpose::wait(&[], Some(PAUSE)) {
            Some(Woken::Cancelled) => return,
            Some(_) => {}
            None => {
                set(frame, 2, zend::long(operation));
                return call();
            }
        }
    }
}

fn transfers(frame: Frame, result: *mut Value, call: &dyn Fn()) {
    let Some(limit) = decimal(frame, 2).filter(|limit| *limit > 0.0) else {
        return call();
    };
    let end = Instant::now().checked_add(Duration::try_from_secs_f64(limit).unwrap_or(PAUSE));
    set(frame, 2, zend::double(0.0));
    loop {
        call();
        // SAFETY: the type says integer.
        let none_ready = zend::kind(result) == sys::IS_LONG && unsafe { (*result).value.lval } == 0;
        if !none_ready || end.is_none_or(|end| Instant::now() >= end) {
            return;
        }
        match interpose::wait(&[], Some(PAUSE)) {
            Some(Woken::Cancelled) => return,
            Some(_) => {}
            None => {
                set(frame, 2, zend::double(limit));
                return call();
            }
        }
    }
}
