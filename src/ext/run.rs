//! One run in this process: the desk, the lanes, the hooks, and what the native classes ask of them.
//!
//! Invariant: at most one run at a time, on the PHP thread. Invariant: the desk is borrowed in closures that cannot switch lanes.
#![expect(
    unsafe_code,
    reason = "hands the run to callbacks that Zend and libc call without arguments"
)]

use std::cell::RefCell;
use std::collections::HashMap;
use std::ptr;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::time::{Duration, Instant};

use kqueue_engine::alarm::Alarm;
use kqueue_engine::runner::{self, Desk, Shared};

use crate::child::call_function;
use crate::descriptors::Descriptors;
use crate::exceptions::Fault;
use crate::hooks::{self, Mode};
use crate::lane::guards::Guards;
use crate::lane::includes::Watch;
use crate::lane::{self, Birth, Hooks, Sentence, Table, slices};
use crate::state;
use crate::zend::{self, Owned, sys};

/// A run and everything it owns.
pub(crate) struct Run {
    pub(crate) desk: Shared,
    pub(crate) table: Table,
    alarm: Option<Alarm>,
    /// What ended the run from inside: an exception that escaped a lane or a callback.
    pub(crate) error: Option<Owned>,
    /// A fatal error happened: nothing may run PHP code here once the lanes have ended.
    pub(crate) poison: Option<String>,
    /// What the run's owner wants to be told of: a level and a text.
    pub(crate) on_message: Option<Owned>,
    /// A word that one leader leaves for the next.
    pub(crate) baton: String,
    /// What lanes have noted for each other, by name.
    pub(crate) notes: HashMap<String, String>,
    pub(crate) descriptors: Descriptors,
    /// The process that runs it.
    owner: u32,
}

/// The run of this process, while it runs.
static RUN: AtomicPtr<Run> = AtomicPtr::new(ptr::null_mut());

/// Whether the hooks have passed their test in this process.
static TESTED: AtomicBool = AtomicBool::new(false);

impl Run {
    /// A run over these lanes.
    pub(crate) fn new(desk: Desk, table: Table) -> Self {
        Self {
            desk: Rc::new(RefCell::new(desk)),
            table,
            alarm: None,
            error: None,
            poison: None,
            on_message: None,
            baton: String::new(),
            notes: HashMap::new(),
            descriptors: Descriptors::new(),
            owner: std::process::id(),
        }
    }

    /// Runs to the end. Hooks are in place only meanwhile.
    pub(crate) fn go(&mut self) -> Result<(), Fault> {
        if current().is_some() {
            return Err(Fault::argument(
                "a run is under way in this process already; call stop() and wait for its end first",
            ));
        }
        let mode = Mode::from_environment()?;
        let mut notices = Vec::new();
        if !TESTED.swap(true, Ordering::Relaxed) {
            let tested = crate::selftest::run(mode);
            notices = tested.inspect_err(|_| TESTED.store(false, Ordering::Relaxed))?;
            notices.extend(state::modules::report::notice());
        }
        self.run_hooked(mode, &notices)
    }

    /// Runs to the end, hooks in place.
    pub(crate) fn run_hooked(&mut self, mode: Mode, notices: &[String]) -> Result<(), Fault> {
        Hooks::prepare();
        let hooks = hooks::install(mode)?;
        // SAFETY: on the PHP thread, in the context that will enter the lanes.
        unsafe {
            sys::kq_scheduler_here();
            sys::kq_reset_blocks();
            sys::kq_runner_hooks(true);
            sys::kq_set_interrupt(Some(on_interrupt));
        }
        self.alarm = Alarm::new(ring)
            .map_err(|error| Fault::engine(format!("no timer for deadlines: {error}")))?
            .into();
        if let (Some(alarm), [_, Some(control)]) =
            (&mut self.alarm, self.desk.borrow().signal_fds())
        {
            // Without it a lane that uses the processor hears of signals when it waits.
            let _ = alarm.watch(control);
        }
        let guards = Guards::install();
        self.descriptors.begin();
        // Lanes that share the process's variables share its list of included files.
        let watch =
            (self.table.birth != Birth::Common).then(|| Watch::new(&raw mut self.table.slots));
        lane::memory::run_begins();
        RUN.store(ptr::from_mut(self), Ordering::Relaxed);
        tell("info", &hooks::line());
        for notice in notices {
            tell("warning", notice);
        }
        let desk = Rc::clone(&self.desk);
        let result = runner::run(&desk, &mut self.table);
        crate::diagnostics::tell();
        RUN.store(ptr::null_mut(), Ordering::Relaxed);
        drop(watch);
        drop(guards);
        self.descriptors.end();
        self.alarm = None;
        // SAFETY: as above.
        unsafe {
            sys::kq_set_interrupt(None);
            sys::kq_runner_hooks(false);
        }
        drop(hooks);
        result.map_err(|error| Fault::engine(format!("the event loop cannot go on: {error}")))
    }

    /// Sets the alarm for the earliest deadline, which finds a lane that never waits, for a slice that may become slow, or for a
    /// running lane that was found already. `soon`: for a moment later, as what is due cannot be done now.
    fn set_alarm(&mut self, soon: bool) {
        let next = if soon {
            Some(Instant::now() + SOON)
        } else {
            let desk = self.desk.borrow();
            let running = lane::current();
            let deadline = desk.next_deadline(running);
            // What a lane was told of a timeout that is dealt with is past.
            let again = running
                .filter(|lane| desk.is_cancelled(*lane))
                .and_then(|_| lane::asked_again_at());
            let moments = [deadline, self.table.slices.watch(), again];
            moments.into_iter().flatten().min()
        };
        if let Some(alarm) = &mut self.alarm {
            alarm.set(next);
        }
    }
}

/// The run of this process, if there is one.
pub(crate) fn current<'a>() -> Option<&'a mut Run> {
    let run = RUN.load(Ordering::Relaxed);
    // SAFETY: set while `go` is on the stack below. Everything that asks runs on the PHP thread, in closures of a few lines that
    // neither switch lanes nor call PHP, so no two of these references are in use at once.
    (!run.is_null()).then(|| unsafe { &mut *run })
}

/// Tells the run's owner, outside of all lanes; with nobody to tell, a warning is PHP's.
pub(crate) fn tell(level: &str, text: &str) {
    let Some(run) = current() else { return };
    let [level_value, text_value] = [level, text].map(|text| zend::string(text.as_bytes()));
    let ending = match &run.on_message {
        Some(callback) => {
            let arguments = &mut [level_value.borrowed(), text_value.borrowed()];
            zend::call(callback.as_ptr(), arguments).0
        }
        None if level != "info" => {
            const E_USER_WARNING: i64 = 512;
            let text = zend::string(format!("KQueue: {text}").as_bytes());
            call_function(
                "trigger_error",
                &mut [text.borrowed(), zend::long(E_USER_WARNING)],
            )
            .0
        }
        None => return,
    };
    match ending {
        zend::Ending::BailedOut => poison(),
        // An error handler may throw; there is no job here to throw it in.
        _ => drop(zend::take_exception()),
    }
}

/// In a forked process: the run is the parent's.
pub(crate) fn forget() {
    RUN.store(ptr::null_mut(), Ordering::Relaxed);
    lane::forget_all();
    // SAFETY: on the only thread of the new process.
    unsafe {
        sys::kq_set_interrupt(None);
        sys::kq_runner_hooks(false);
    }
}

/// Whether this is a process that a job forked (`pcntl_fork`): there are no lanes here, though it looks like one, or it looks like an
/// isolated child.
pub(crate) fn forked() -> bool {
    current().is_some_and(|run| run.owner != std::process::id()) || crate::child::forked()
}

/// In a process that a job forked: ends it. The lanes and what they do next are the parent's alone.
///
/// It ends as our own children do: output is written, but neither shutdown functions nor destructors of the parent run.
pub(crate) fn leave_if_forked(ending: zend::Ending) {
    if !forked() {
        return;
    }
    let status = match ending {
        zend::Ending::Returned => 0,
        zend::Ending::Exited => zend::exit_status(),
        zend::Ending::Threw => {
            zend::show_exception();
            255
        }
        zend::Ending::BailedOut => 255,
    };
    zend::flush_output();
    crate::process::exit_now(status);
}

/// Whether a run is under way, and it is this very process that runs it.
pub(crate) fn is_ours() -> bool {
    current().is_some_and(|run| run.owner == std::process::id())
}

/// Looks at the desk or changes it; None outside a run.
pub(crate) fn with_desk<R>(body: impl FnOnce(&mut Desk) -> R) -> Option<R> {
    let run = current()?;
    Some(body(&mut run.desk.borrow_mut()))
}

/// The deadline of the running lane's job, in seconds from now.
pub(crate) fn set_deadline(lane: kqueue_core::scheduler::LaneId, seconds: Option<f64>) {
    let deadline = seconds
        .filter(|seconds| *seconds > 0.0)
        .map(|seconds| Instant::now() + Duration::from_secs_f64(seconds.min(1e9)));
    lane::forgive();
    if let Some(run) = current() {
        run.desk.borrow_mut().set_deadline(lane, deadline);
        if deadline.is_some() {
            run.set_alarm(false);
        }
    }
}

/// What comes after a lane's job, shutdown functions and destructors: it may take as long as the job. True: it took longer, and was
/// ended.
pub(crate) fn within<R>(
    lane: kqueue_core::scheduler::LaneId,
    seconds: Option<f64>,
    body: impl FnOnce() -> R,
) -> (R, bool) {
    set_deadline(lane, seconds);
    let result = body();
    let overdue = with_desk(|desk| desk.timed_out(lane)).unwrap_or_default();
    set_deadline(lane, None);
    (result, overdue)
}

/// The alarm has rung, and nobody has looked why.
static RANG: AtomicBool = AtomicBool::new(false);

/// When PHP code that cannot be interrupted just now is asked again.
const SOON: Duration = Duration::from_micros(50);

/// The alarm's signal handler: PHP code that is running gets an interrupt.
extern "C" fn ring(_signal: i32) {
    RANG.store(true, Ordering::Relaxed);
    // SAFETY: one atomic store.
    unsafe { sys::kq_request_interrupt() };
}

/// See `Run::set_alarm`.
pub(crate) fn set_alarm() {
    if let Some(run) = current() {
        run.set_alarm(false);
    }
}

/// If the alarm has rung: whether the running slice is slow, and where it is then. Also as a slice ends, for one that spent its time
/// in a single call of C code.
pub(crate) fn look_at_slice() {
    if RANG.swap(false, Ordering::Relaxed)
        && let Some(run) = current()
    {
        run.table.look_at_slice(lane::current().is_some());
    }
}

/// In a lane: its job begins, or has ended.
pub(crate) fn measure_job(begins: bool) {
    look_at_slice();
    let Some(run) = current() else { return };
    if !begins {
        slices::job_ended(&mut run.table.slices);
    } else if slices::job_began(&mut run.table.slices) {
        run.set_alarm(false);
    }
}

/// Between two opcodes of a lane, after an alarm or a cancelled wait. `may_throw`: an exception may come here. `after_call`: in any case
/// one about the call of C code that has just ended; the shim sees to its result.
pub(crate) extern "C" fn on_interrupt(may_throw: bool, after_call: bool) {
    look_at_slice();
    let Some(run) = current() else { return };
    // Outside of a lane (destructors of a lane that has ended) nobody is overdue, but the next alarm must be set all the same.
    let (cancelled, overdue) = match (run.desk.try_borrow_mut(), lane::current()) {
        (Ok(mut desk), Some(id)) => (desk.check_deadline(id), desk.is_overdue(id)),
        (Ok(_), None) => (false, false),
        // SAFETY: stores a flag: the next interrupt finds the desk free.
        (Err(_), _) => return unsafe { sys::kq_request_interrupt() },
    };
    let to_end = cancelled && lane::is_sentence_due() && !may_throw;
    // Before PHP 8.4 what a lane is told of a call that has failed comes right after that call, or too late: it is not put off there.
    let pending = zend::has_exception() && (lane::has_fault() || called(run));
    let untold = lane::has_fault() && !may_throw && !after_call;
    if to_end || pending || untold {
        return put_off(run);
    }
    let sentence = if cancelled {
        lane::sentence()
    } else {
        Sentence::Patience
    };
    run.set_alarm(false);
    if sentence == Sentence::Patience && called(run) {
        lane::step_aside();
    }
    match sentence {
        Sentence::Patience => {
            if let Some(fault) = lane::take_fault() {
                crate::exceptions::throw("kqueue\\exception\\connectionshared", &fault);
            } else {
                lane::memory::check(may_throw);
            }
        }
        Sentence::Throw => crate::exceptions::throw_cancelled(overdue),
        Sentence::Leave => zend::throw_exit(),
    }
}

/// Where an interrupt was put off last.
static PUT_OFF_AT: AtomicPtr<sys::zend_op> = AtomicPtr::new(ptr::null_mut());

/// The lane cannot be interrupted here: an exception is on its way to its catch, or the arguments of a call are being passed. At the
/// next place it may be, so the next interrupt is asked for at once: an alarm after a time may meet the same place again in each round
/// of a loop. But between two operations the engine looks again before it has done anything; there only an alarm leads on. After a call
/// of C code it does not, and there is no operation that is current.
fn put_off(run: &mut Run) {
    let place = zend::place();
    if PUT_OFF_AT.swap(place, Ordering::Relaxed) == place && !place.is_null() {
        PUT_OFF_AT.store(ptr::null_mut(), Ordering::Relaxed);
    } else {
        // SAFETY: stores a flag.
        unsafe { sys::kq_request_interrupt() };
    }
    run.set_alarm(true);
}

/// In a call that blocks the process, as it begins and when the alarm has rung in it: whether the lane is to end instead.
pub(crate) fn must_end() -> bool {
    look_at_slice();
    let (Some(run), Some(id)) = (current(), lane::current()) else {
        return false;
    };
    let ends = run
        .desk
        .try_borrow_mut()
        .is_ok_and(|mut desk| desk.check_deadline(id));
    if ends {
        lane::insist();
    } else {
        run.set_alarm(false);
    }
    ends
}

/// Whether there may be a signal that the lanes should know of.
fn called(run: &Run) -> bool {
    let mut fds = run.desk.borrow().signal_fds().map(|fd| libc::pollfd {
        fd: fd.unwrap_or(-1),
        events: libc::POLLIN,
        revents: 0,
    });
    // SAFETY: two entries, on this frame; no waiting.
    unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, 0) > 0 }
}

/// A call into PHP that a lane makes as its work: what escapes it is the run's error.
pub(crate) fn note_ending(ending: zend::Ending) {
    let Some(run) = current() else { return };
    match ending {
        zend::Ending::Returned | zend::Ending::Exited => {
            zend::take_exception();
        }
        zend::Ending::Threw => {
            let exception = zend::take_exception();
            if run.error.is_none() {
                run.error = exception;
            }
            run.desk.borrow_mut().stop(1, "error");
        }
        zend::Ending::BailedOut => poison(),
    }
}

/// After a fatal error: reserve nothing, let the others end; the process is replaced. The job in whose world it happened is guilty.
pub(crate) fn poison() {
    let Some(run) = current() else { return };
    let message = zend::last_fatal().unwrap_or_else(|| "a fatal error without a message".into());
    if let (Some(board), Some(lane)) = (crate::prepared::board(), lane::live_owner()) {
        board.set_fatal(lane, &message);
    }
    run.poison.get_or_insert(message);
    // SAFETY: the jump left regions that count themselves.
    unsafe {
        sys::kq_reset_blocks();
        sys::kq_lift_memory_limit();
    }
    run.desk.borrow_mut().stop(255, "fatal");
}
