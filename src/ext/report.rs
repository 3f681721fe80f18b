//! What the native classes tell of a run, as arrays for PHP. The shapes are those of stubs/kqueue.stub.php.

use std::time::Duration;

use ext_php_rs::boxed::ZBox;
use ext_php_rs::types::ZendHashTable;
use kqueue_core::options;
use kqueue_engine::role::{Role, role};
use kqueue_engine::runner::Desk;

use crate::convert::Map;
use crate::hooks;
use crate::lane::table::{self, Table};
use crate::prepared::{After, PREPARED};
use crate::session::{self, with_desk};
use crate::slices::Cost;
use crate::zend;

/// What there is only while a run is under way.
#[derive(Default)]
struct UnderWay {
    paused: bool,
    in_flight: usize,
    lanes: usize,
    idle_lanes: usize,
    static_slots: usize,
    hooks: usize,
    clones: (u64, Duration),
}

impl UnderWay {
    fn of(desk: &Desk, table: &Table) -> Self {
        let scheduler = &desk.scheduler;
        Self {
            paused: scheduler.paused(),
            in_flight: scheduler.in_flight(),
            lanes: scheduler.lanes(),
            idle_lanes: scheduler.idle(),
            static_slots: table.slot_count(),
            hooks: hooks::slots(),
            clones: table.clones(),
        }
    }
}

/// Returns the state of the run, or what the last one has left, for `Engine::state()`.
pub(crate) fn state() -> ZBox<ZendHashTable> {
    let role = match role() {
        Role::None => "none",
        Role::Master => "master",
        Role::Runner => "runner",
        Role::Child => "child",
        Role::Rescue => "rescue",
    };
    let (run, now) = if session::exists() {
        let run = with_desk(|desk| After::of(desk)).unwrap_or_default();
        let now = table::with(|table| with_desk(|desk| UnderWay::of(desk, table))).flatten();
        (run, now.unwrap_or_default())
    } else {
        let run = PREPARED.with_borrow(|prepared| prepared.after.clone());
        (run, UnderWay::default())
    };
    let (clones, clone_time) = now.clones;
    Map::new()
        .put("role", role)
        .put("stopping", run.reason.is_some())
        .put("paused", now.paused)
        .long("status", run.status)
        .put("reason", run.reason)
        .put("signal", run.signal.map(i64::from))
        .long("in_flight", now.in_flight)
        .long("reserved", run.reserved)
        .long("finished", run.finished)
        .put(
            "last_finished",
            run.last_finished
                .map(|moment| moment.elapsed().as_secs_f64()),
        )
        .long("lanes", now.lanes)
        .long("idle_lanes", now.idle_lanes)
        .long("suspensions", run.suspensions)
        .long("static_slots", now.static_slots)
        .long("hooks", now.hooks)
        .long("clones", clones)
        .put("clone_seconds", clone_time.as_secs_f64())
        .done()
}

/// Answers from the run that is under way, or else from what the last one left.
pub(crate) fn of_run<R>(running: impl FnOnce(&Desk) -> R, over: impl FnOnce(&After) -> R) -> R {
    if session::exists()
        && let Some(answer) = with_desk(|desk| running(desk))
    {
        return answer;
    }
    PREPARED.with_borrow(|prepared| over(&prepared.after))
}

/// Returns what a job has cost, for `Engine::usage()`.
pub(crate) fn usage(cost: &Cost) -> ZBox<ZendHashTable> {
    Map::new()
        .put("wall", cost.wall().as_secs_f64())
        .put("cpu", cost.usage.cpu.as_secs_f64())
        .long("slices", cost.usage.slices)
        .put("longest_slice", cost.usage.longest.as_secs_f64())
        .put("longest_cpu", cost.usage.longest_cpu.as_secs_f64())
        .long("memory", cost.usage.memory)
        .put("where", cost.places.clone())
        .put("effects", cost.effects.clone())
        .put("refused", cost.refused.clone().unwrap_or_default())
        .done()
}

/// Returns the limits and defaults of options, for `Engine::options()`.
pub(crate) fn options() -> ZBox<ZendHashTable> {
    let span = |range: &std::ops::RangeInclusive<i64>| {
        Map::new()
            .long("least", *range.start())
            .long("most", *range.end())
    };
    Map::new()
        .map(
            "concurrency",
            span(&options::LANES).long("default", options::DEFAULT_LANES),
        )
        .map(
            "isolated",
            span(&options::CHILDREN).long("default", options::DEFAULT_CHILDREN),
        )
        .map(
            "memory_limit",
            Map::new().long("default", options::DEFAULT_MEMORY_MB),
        )
        .map("grace", Map::new().put("default", options::DEFAULT_GRACE))
        .map(
            "child_jobs",
            Map::new().long("default", options::DEFAULT_CHILD_JOBS),
        )
        .done()
}

/// Returns how a job in an isolated child, or in a fresh application, ended.
pub(crate) fn outcome(status: &str, result: &[u8], reason: String) -> ZBox<ZendHashTable> {
    Map::new()
        .put("status", status)
        .put("result", zend::string(result).to_zval())
        .put("reason", reason)
        .done()
}
