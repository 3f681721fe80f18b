//! What the lanes of a Laravel run do: one PHP callable each, or booting the template; and the run of them.

use std::cell::RefCell;
use std::io::Stdout;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::time::Instant;

use ext_php_rs::boxed::ZBox;
use ext_php_rs::exception::PhpResult;
use ext_php_rs::types::{ZendHashTable, Zval};
use kqueue_core::scheduler::{LaneId, Scheduler};
use kqueue_engine::interpose;
use kqueue_engine::runner::Desk;
use kqueue_engine::scoreboard::now_ms;
use kqueue_engine::signals::{STOP, Signals};

use crate::convert::{self, Map};
use crate::copy::audit::Audit;
use crate::exceptions::Fault;
use crate::intercept::includes::Watch;
use crate::lane::table::{self, Table};
use crate::lane::{self, Birth, Work, interrupt, names};
use crate::prepared::{After, PREPARED, board};
use crate::run::Run;
use crate::selftest::tested_run;
use crate::session::{self, Session, with_desk};
use crate::zend::{self, Ending, Owned};

/// What a lane of a Laravel run does: one PHP callable, once.
pub(crate) struct LaneWork(pub(crate) Owned);

impl Work for LaneWork {
    fn run(&self, lane: LaneId) {
        interpose::lane_begins(lane);
        let (ending, result) = zend::call(zend::own_callable(&self.0).as_ptr(), &mut []);
        session::leave_if_forked(ending);
        drop(result);
        if ending == Ending::BailedOut || ending == Ending::Threw {
            session::note_ending(ending);
        }
        if ending == Ending::BailedOut {
            // The job stays on the scoreboard: the master has it handled when this process has ended.
            return;
        }
        zend::take_exception();
        names::set(lane, None);
        lane::on_signal(None);
        with_desk(|desk| desk.finished(lane));
        let last = lane::last_job();
        let limit = last.as_ref().map(|(_, seconds)| *seconds);
        note_left(lane, limit.unwrap_or_default());
        let (survived, overdue) = interrupt::within(lane, limit, || {
            let survived = lane::renew_globals();
            if survived {
                table::with(Table::drop_own);
            }
            survived
        });
        if !survived {
            session::note_ending(Ending::BailedOut);
            return;
        }
        if overdue && let Some((job, timeout)) = last {
            tracing::warn!(
                job,
                timeout,
                "what a job left behind at its lane's end, shutdown functions or destructors, ran longer than its timeout allows; it was ended"
            );
        }
        lane::reset_settings();
        if let Some(board) = board() {
            board.clear_job(lane);
        }
    }
}

/// Notes that what runs in the lane from now on is what its jobs have left behind, for so many seconds at most; 0 is no limit.
pub(crate) fn note_left(lane: LaneId, seconds: f64) {
    let jobs = lane::jobs();
    if jobs > 0
        && let Some(board) = board()
    {
        board.end_job(lane, jobs == 1, deadline_ms(seconds));
    }
}

/// When so many seconds are over, for the scoreboard; 0 is no limit.
pub(crate) fn deadline_ms(timeout: f64) -> u64 {
    if timeout > 0.0 {
        now_ms() + (timeout * 1000.0) as u64
    } else {
        0
    }
}

/// Boots the template: a callable whose exception is kept.
struct BootWork {
    callable: Owned,
    ending: RefCell<Option<(Ending, Option<Owned>)>>,
}

impl Work for Rc<BootWork> {
    fn run(&self, _lane: LaneId) {
        let (ending, _) = zend::call(zend::own_callable(&self.callable).as_ptr(), &mut []);
        // An exit's is taken too: nobody else would free it.
        let exception = match ending {
            Ending::Threw | Ending::Exited => zend::take_exception(),
            Ending::Returned | Ending::BailedOut => None,
        };
        *self.ending.borrow_mut() = Some((ending, exception));
    }
}

/// The work of a table that has no lanes yet.
struct Nothing;

impl Work for Nothing {
    fn run(&self, _lane: LaneId) {}
}

/// Takes the template from what `boot` does in a lane of its own. None: it threw, and that is PHP's to tell.
fn booted(boot: &Zval, shared: &[String]) -> PhpResult<Option<(Table, Audit)>> {
    let work = Rc::new(BootWork {
        callable: convert::own(boot),
        ending: RefCell::new(None),
    });
    let table = Table::new(Box::new(Rc::clone(&work)), Birth::Declared, None);
    table.boot_template().map_err(Fault::engine)?;
    match work.ending.borrow_mut().take() {
        Some((Ending::Returned, _)) => {}
        Some((Ending::Threw, Some(exception))) => {
            zend::throw_object(exception);
            return Ok(None);
        }
        Some((Ending::BailedOut, _)) => zend::bailout(),
        _ => return Err(Fault::engine("booting the template was ended by exit()").into()),
    }
    let found = table.take_booted(shared);
    Ok(Some((table, found)))
}

/// Makes the table that the next run's lanes are copied from: of what `boot` does in a lane, or, if it is null, of the process as it is
/// now. Nothing at all: `boot` threw.
pub(crate) fn make_template(boot: &Zval, shared: &[String]) -> PhpResult<ZBox<ZendHashTable>> {
    let (table, mut found) = if boot.is_null() {
        let table = Table::new(Box::new(Nothing), Birth::Declared, None);
        let found = table.take_process(shared);
        (table, found)
    } else {
        match booted(boot, shared)? {
            Some(made) => made,
            None => return Ok(ZendHashTable::new()),
        }
    };
    let trial = table.trial();
    table.add_failed(&mut found);
    PREPARED.with_borrow_mut(|prepared| {
        prepared.watch = boot.is_null().then(|| Watch::new(table.slots()));
        prepared.table = Some(table);
    });
    Ok(Map::new()
        .long("objects", trial.counts.objects)
        .long("closures", trial.counts.closures)
        .long("arrays", trial.counts.arrays)
        .long("shared_arrays", trial.counts.shared_arrays)
        .long("bytes", trial.bytes)
        .put("seconds", trial.seconds)
        .put("refused", found.refused)
        .put("destructors", found.destructors)
        .done())
}

/// What a run of Laravel's lanes is asked for.
pub(crate) struct Wanted {
    pub(crate) lane: Owned,
    pub(crate) concurrency: usize,
    pub(crate) cloned: bool,
    pub(crate) on_signal: Option<Owned>,
    pub(crate) on_message: Option<Owned>,
}

/// Runs lanes until there is no more to do. The error is one that escaped a lane.
pub(crate) fn run(wanted: Wanted) -> Result<Option<Owned>, Fault> {
    let options = PREPARED.with_borrow(|prepared| prepared.options.clone());
    let board = options.map(|options| options.board);
    let signals = Signals::install(&STOP).map_err(|error| Fault::engine(error.to_string()))?;
    let reactor = PREPARED.with_borrow(|prepared| {
        Desk::reactor(Some(&signals), prepared.children.as_ref()).map_err(Fault::no_loop)
    })?;
    let (table, children) = PREPARED.with_borrow_mut(|prepared| {
        prepared.watch = None;
        (prepared.table.take(), prepared.children.take())
    });
    let work = Box::new(LaneWork(wanted.lane));
    let table = match (wanted.cloned, table) {
        (true, Some(table)) => table.reuse(work, Birth::Cloned, board.clone()),
        (false, Some(table)) => table.reuse(work, Birth::Declared, board.clone()),
        (_, None) => Table::new(work, Birth::Declared, board.clone()),
    };
    let table = table.tell_signals(wanted.on_signal);
    let scheduler = Scheduler::with_leader(wanted.concurrency);
    let mut desk = Desk::new(reactor, scheduler, Instant::now(), Some(signals), children);
    desk.print_to(stdout());
    let run = Run::new(Session::new(desk, board, wanted.on_message), table);
    let result = tested_run(&run);
    {
        let mut desk = run.session.desk.borrow_mut();
        let after = After::of(&desk);
        let children = desk.children.take();
        drop(desk);
        PREPARED.with_borrow_mut(|prepared| {
            prepared.after = after;
            prepared.children = children;
        });
    }
    if run.session.is_poisoned() {
        // PHP has torn itself down: the master replaces this process, and has the guilty job handled.
        zend::flush_output();
        session::exit_now(255);
    }
    result?;
    Ok(run.session.take_error())
}

fn stdout() -> BorrowedFd<'static> {
    let stdout: &'static Stdout = Box::leak(Box::new(std::io::stdout()));
    stdout.as_fd()
}
