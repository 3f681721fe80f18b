//! Handlers of signals that a lane's code has registered. They are kept for the lane, which finds them there, and never called: see
//! `intercept/signals.rs`.

use crate::zend::Owned;

/// One lane's handlers, by signal.
#[derive(Default)]
pub(crate) struct SignalHandlers(Vec<(i64, Owned)>);

impl SignalHandlers {
    /// Returns the handler of a signal.
    pub(crate) fn find(&self, signal: i64) -> Option<&Owned> {
        let entry = self.0.iter().find(|(number, _)| *number == signal)?;
        Some(&entry.1)
    }

    /// Keeps a signal's handler, and returns the one before: what dropping that runs may look here again.
    pub(crate) fn keep(&mut self, signal: i64, handler: Owned) -> Option<Owned> {
        for (number, kept) in &mut self.0 {
            if *number == signal {
                return Some(std::mem::replace(kept, handler));
            }
        }
        self.0.push((signal, handler));
        None
    }
}
