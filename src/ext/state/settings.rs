//! Settings that a lane has changed: ini values, time zone, locale, encodings, working directory, umask, environment, the seed of
//! mt_rand(). They are process-wide in PHP and in libc; a lane that changes one is given its own from then on.
//!
//! No cost unless used: `guards` marks what a lane is about to change; only that is exchanged at its switches.
//!
//! Invariant: while the lane runs, each entry holds the base's value, else the lane's. What becomes equal is forgotten.
#![expect(unsafe_code, reason = "walks settings of the engine")]

use std::mem;

use super::entry::{Entry, IniValue, Mark};
use super::modules::held;
use super::pairs::Pair;
use super::signal_handlers::SignalHandlers;
use crate::builtins::call;
use crate::zend::{self, Owned, sys};

/// What one lane has changed.
#[derive(Default)]
pub(crate) struct Settings {
    entries: Vec<Entry>,
    /// Autoloaders that the lane has registered: taken away at its end. Classes are the process's, so they serve others meanwhile.
    autoloaders: Vec<Owned>,
    /// Handlers of signals that the lane has registered.
    pub(crate) signals: SignalHandlers,
    /// In an isolated child: what extensions keep, to be put back after the job.
    modules: Option<Box<held::Held>>,
}

impl Settings {
    /// Notes that the running lane is about to change something: its present value is the base's.
    pub(crate) fn mark(&mut self, mark: Mark) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.is(&mark)) {
            match entry {
                Entry::Pair { live, .. } => *live = None,
                Entry::Directory { live, .. } => *live = None,
                _ => {}
            }
            return;
        }
        if let Some(entry) = Entry::present(mark) {
            self.entries.push(entry);
        }
    }

    /// Puts the lane's values in force, before it goes on.
    pub(crate) fn enter(&mut self) {
        for entry in &mut self.entries {
            entry.exchange();
        }
    }

    /// Puts the base's values in force, after the lane has left.
    pub(crate) fn leave(&mut self) {
        // The last change goes back first: a variable of the environment may be what a time zone came from.
        for index in (0..self.entries.len()).rev() {
            if self.entries[index].exchange() {
                self.entries.remove(index);
            }
        }
    }

    /// Returns whether the lane has registered this autoloader.
    pub(crate) fn has_autoloader(&self, callable: &Owned) -> bool {
        self.autoloaders
            .iter()
            .any(|own| zend::is_identical(own, callable))
    }

    /// Notes that the lane has registered an autoloader.
    pub(crate) fn note_autoloader(&mut self, callable: Owned) {
        // A list of its own goes back as a whole.
        if self
            .entries
            .iter()
            .any(|entry| entry.is(&Mark::Autoloaders))
        {
            return;
        }
        self.autoloaders.push(callable);
    }

    /// Takes everything back while the lane runs: its end, or, in the plain runtime, its job's.
    ///
    /// # Safety
    /// On the PHP thread. `settings` are live and those of the lane that runs, and nobody has a reference to them: what is put back may
    /// call PHP code, which may change them again.
    pub(crate) unsafe fn reset(settings: *mut Self) {
        // SAFETY: this function's contract; the reference ends here.
        let settings = unsafe { mem::take(&mut *settings) };
        settings.put_back();
    }

    /// Puts back all that has changed.
    fn put_back(mut self) {
        for entry in self.entries.iter_mut().rev() {
            entry.exchange();
        }
        for callable in self.autoloaders.drain(..) {
            call("spl_autoload_unregister", &mut [callable.borrowed()]);
        }
    }
}

/// Notes, in an isolated child before a job, all that may be set, as it is now; what these pairs of functions tell is among it.
/// [`put_back`] puts it back.
pub(crate) fn noted(pairs: impl Iterator<Item = &'static Pair>) -> Settings {
    static ASYNC_SIGNALS: Pair = Pair::plain("pcntl_async_signals", "pcntl_async_signals");
    let mut settings = Settings::default();
    settings.mark(Mark::Locale);
    settings.mark(Mark::Directory);
    for pair in pairs.chain([&ASYNC_SIGNALS]) {
        settings.mark(Mark::Pair(pair));
    }
    for entry in modified() {
        settings.entries.push(Entry::ini(entry));
    }
    settings.modules = held::inherit(None);
    settings
}

/// Puts back, after the job, what it has set, also what had not been set before.
pub(crate) fn put_back(mut settings: Settings) {
    for entry in modified() {
        if !settings
            .entries
            .iter()
            .any(|known| known.is(&Mark::Ini(entry)))
        {
            settings.entries.push(Entry::Ini {
                entry,
                value: IniValue::NONE,
                quietly: false,
            });
        }
    }
    held::end(settings.modules.as_deref());
    held::exchange(&mut settings.modules);
    settings.put_back();
}

/// Returns the ini settings that the program has set, but for the memory limit: each job's own is set as it begins.
fn modified() -> Vec<*mut sys::zend_ini_entry> {
    extern "C" fn each(list: *mut std::ffi::c_void, entry: *mut sys::zend_ini_entry) {
        // SAFETY: the vector below, which nothing else uses meanwhile.
        unsafe { &mut *list.cast::<Vec<*mut sys::zend_ini_entry>>() }.push(entry);
    }
    let mut entries: Vec<*mut sys::zend_ini_entry> = Vec::new();
    // SAFETY: on the PHP thread; the walk changes nothing.
    unsafe { sys::kq_each_modified_ini(Some(each), (&raw mut entries).cast()) };
    // SAFETY: live entries.
    entries.retain(|entry| zend::text(unsafe { (**entry).name }) != b"memory_limit");
    entries
}
