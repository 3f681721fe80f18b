//! A waiter that writes down what it is asked, and then really waits, or behaves as told.
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kqueue_engine::interpose::{Waiter, Woken};
use libc::{c_short, pollfd};

/// A wait as it was asked for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wait {
    pub(crate) fds: Vec<(i32, c_short)>,
    pub(crate) timeout: Option<Duration>,
}

type During = Box<dyn FnMut() + Send>;

pub(crate) struct Recorder(Mutex<State>);

struct State {
    waits: Vec<Wait>,
    /// Answers given before any real waiting.
    answers: Vec<Woken>,
    /// What all further waits answer, if they do not really wait.
    always: Option<Woken>,
    can_suspend: bool,
    must_end: bool,
    /// How often it was asked.
    questions: usize,
    /// What happens in each wait before it begins: the other side of the connection.
    during: Option<During>,
}

pub(crate) static RECORDER: Recorder = Recorder(Mutex::new(State::new()));

impl State {
    const fn new() -> Self {
        Self {
            waits: Vec::new(),
            answers: Vec::new(),
            always: None,
            can_suspend: true,
            must_end: false,
            questions: 0,
            during: None,
        }
    }
}

impl Recorder {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets everything: really waits.
    pub(crate) fn fresh(&'static self) -> &'static Self {
        *self.state() = State::new();
        self
    }

    pub(crate) fn answers_always(&self, woken: Woken) {
        self.state().always = Some(woken);
    }

    pub(crate) fn answers_first(&self, answers: &[Woken]) {
        self.state().answers = answers.iter().rev().copied().collect();
    }

    pub(crate) fn allows(&self, can_suspend: bool) {
        self.state().can_suspend = can_suspend;
    }

    /// Whether a call that blocks is to end.
    pub(crate) fn ends(&self, must_end: bool) {
        self.state().must_end = must_end;
    }

    /// Does `during` at the begin of each wait.
    pub(crate) fn during(&self, during: impl FnMut() + Send + 'static) {
        self.state().during = Some(Box::new(during));
    }

    pub(crate) fn waits(&self) -> Vec<Wait> {
        self.state().waits.clone()
    }

    pub(crate) fn questions(&self) -> usize {
        self.state().questions
    }

    /// The only wait that was asked for.
    pub(crate) fn wait(&self) -> Wait {
        let waits = self.waits();
        assert_eq!(waits.len(), 1, "{waits:?}");
        waits[0].clone()
    }
}

impl Waiter for Recorder {
    fn can_suspend(&self) -> bool {
        let mut state = self.state();
        state.questions += 1;
        state.can_suspend
    }

    fn must_end(&self) -> bool {
        self.state().must_end
    }

    fn wait(&self, fds: &[pollfd], timeout: Option<Duration>) -> Woken {
        let mut state = self.state();
        let wanted = fds.iter().map(|entry| (entry.fd, entry.events)).collect();
        state.waits.push(Wait {
            fds: wanted,
            timeout,
        });
        if let Some(mut during) = state.during.take() {
            during();
            state.during = Some(during);
        }
        if let Some(woken) = state.answers.pop().or(state.always) {
            return woken;
        }
        drop(state);
        let mut fds = fds.to_vec();
        let millis = timeout.map_or(-1, |timeout| timeout.as_micros().div_ceil(1000) as i32);
        // SAFETY: the vector's own entries.
        match unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, millis) } {
            0 => Woken::TimedOut,
            _ => Woken::Ready,
        }
    }
}
