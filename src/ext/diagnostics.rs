//! What the machinery below says by `tracing`, from warnings on: in a run its owner is told between two turns of lanes, elsewhere it is
//! written to standard error.

use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::session;

/// A level, as the run's owner is told it, and a text.
type Message = (&'static str, String);

static WAITING: Mutex<Vec<Message>> = Mutex::new(Vec::new());
/// Whether there is one: looked at after each turn.
static ANY: AtomicBool = AtomicBool::new(false);

/// From now on, in this process and those that it forks.
pub(crate) fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Nobody else can have set one: this library's `tracing` is its own.
        let _ = tracing::subscriber::set_global_default(Listener);
    });
}

/// Tells the run's owner what has come up. For the scheduler's context.
pub(crate) fn tell() {
    if !ANY.swap(false, Ordering::Relaxed) {
        return;
    }
    let messages = mem::take(&mut *WAITING.lock().unwrap_or_else(PoisonError::into_inner));
    for (level, text) in messages {
        session::tell(level, &text);
    }
}

struct Listener;

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        let level = match *event.metadata().level() {
            Level::ERROR => "error",
            _ => "warning",
        };
        // The desk may be borrowed here, so nobody can be told at once.
        if session::is_ours() {
            let mut waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.push((level, text.whole()));
            ANY.store(true, Ordering::Relaxed);
        } else {
            let _ = writeln!(io::stderr(), "kqueue: {}", text.whole());
        }
    }

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

/// The message, and what belongs to it in brackets.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Text {
    fn whole(&self) -> String {
        match self.fields.as_str() {
            "" => self.message.clone(),
            fields => format!("{} ({fields})", self.message),
        }
    }
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string cannot fail.
        let _ = match (field.name(), self.fields.is_empty()) {
            ("message", _) => write!(self.message, "{value:?}"),
            (name, true) => write!(self.fields, "{name}: {value:?}"),
            (name, false) => write!(self.fields, ", {name}: {value:?}"),
        };
    }
}
