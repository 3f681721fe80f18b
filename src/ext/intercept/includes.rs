//! Files that lanes include while a run is under way, each of which PHP runs once in a process.
//!
//! A file that declares something cannot run again in another lane. What its code leaves in the static variables of the classes and
//! functions that it declares, and in new global variables, is what every other lane gets for them. A file that declares nothing runs again in each lane that
//! includes it: for the others the process forgets that it was included.
#![expect(
    unsafe_code,
    reason = "is called by the shim, and changes the engine's list of files"
)]

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::lane;
use crate::state::effects::Before;
use crate::state::included::File;
use crate::state::slots::Slots;
use crate::zend::{self, sys};

/// The table of what is exchanged, while somebody includes files.
static SLOTS: AtomicPtr<Slots> = AtomicPtr::new(ptr::null_mut());

static WATCHER: sys::kq_include_watcher = sys::kq_include_watcher {
    may_run: Some(may_run),
    begins: Some(begins),
    ended: Some(ended),
};

/// Files that are included are watched while this lives.
pub(crate) struct Watch(());

impl Watch {
    /// For a run over these slots, which must not move before the watch ends.
    pub(crate) fn new(slots: *mut Slots) -> Self {
        // SAFETY: the caller's own slots.
        unsafe { (*slots).watch() };
        SLOTS.store(slots, Ordering::Relaxed);
        // SAFETY: on the PHP thread; the watcher is static.
        unsafe { sys::kq_watch_includes(&raw const WATCHER) };
        Self(())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // SAFETY: on the PHP thread.
        unsafe { sys::kq_watch_includes(ptr::null()) };
        SLOTS.store(ptr::null_mut(), Ordering::Relaxed);
    }
}

/// The slots, for moments in which no PHP code runs.
fn with_slots<R>(body: impl FnOnce(&mut Slots) -> R) -> Option<R> {
    let slots = SLOTS.load(Ordering::Relaxed);
    // SAFETY: set while a watch lives, by whoever owns the slots; they are used on the PHP thread only, here in closures that call no
    // PHP code and do not switch lanes.
    (!slots.is_null()).then(|| body(unsafe { &mut *slots }))
}

/// Whether a file is running that cannot run again in another lane: what it registers for the process is every lane's.
pub(crate) fn is_declaring() -> bool {
    with_slots(|slots| slots.late.running.is_declaring()).unwrap_or(false)
}

/// A file that declares something, and has done so in another lane, cannot run here: what it declares is there.
extern "C" fn may_run(include: *const sys::kq_include) -> bool {
    // SAFETY: the shim's, alive during the call.
    let include = unsafe { &*include };
    let path = zend::text(include.path);
    with_slots(|slots| {
        let late = &mut slots.late;
        if include.once || late.live.has_declared(path) {
            return true;
        }
        let Some(returned) = late.returned(path) else {
            return true;
        };
        // SAFETY: the shim's value, a number so far.
        unsafe { sys::kq_zval_copy(include.result, returned.as_ptr()) };
        false
    })
    .unwrap_or(true)
}

extern "C" fn begins(include: *const sys::kq_include) {
    // SAFETY: as in `may_run`.
    let include = unsafe { &*include };
    with_slots(|slots| {
        slots.late.running.begins(File {
            before: None,
            name: zend::string(zend::text(include.file)),
            declares: include.declares,
            // SAFETY: on the PHP thread.
            wrappers: unsafe { sys::kq_wrappers() },
        });
        if !include.declares {
            slots.late.live.note_alone(zend::text(include.path));
        }
        // What the file declares is not among the slots before it has ended.
        if include.acts && lane::current().is_some() {
            slots.scan();
            // SAFETY: on the PHP thread; slots are live until the request ends.
            let before = unsafe { Before::take(slots.statics.live()) };
            if let Some(file) = slots.late.running.last_mut() {
                file.before = Some(before);
            }
        }
    });
}

extern "C" fn ended(include: *const sys::kq_include) {
    // SAFETY: as in `may_run`.
    let include = unsafe { &*include };
    with_slots(|slots| {
        let file = slots.late.running.ended(zend::text(include.file));
        if !include.declares {
            return;
        }
        // SAFETY: on the PHP thread.
        let wrappers = unsafe { sys::kq_wrappers() };
        for index in file.as_ref().map_or(wrappers, |file| file.wrappers)..wrappers {
            // SAFETY: as above; an index below the count.
            slots.late.wrappers.push(unsafe { sys::kq_wrapper(index) });
        }
        let mut globals = Vec::new();
        if let Some(before) = file.and_then(|file| file.before) {
            let statics = &slots.statics;
            // SAFETY: as in `begins`.
            let changes = unsafe { before.changes(statics.live(), |slot| statics.name(slot)) };
            tell_of_effects(include, &changes);
            globals = before.new_globals();
        }
        let path = zend::text(include.path);
        slots.late.live.note_declared(path);
        let returned = match zend::kind(include.result) {
            sys::IS_UNDEF | sys::IS_OBJECT | sys::IS_REFERENCE | sys::IS_RESOURCE => zend::long(1),
            // SAFETY: the result lives until the shim hands it on.
            _ => unsafe { *include.result },
        };
        slots.late.keep_returned(path, &raw const returned);
        // SAFETY: on the PHP thread, where the file was included; its name lives as long as the shim's description of it, and no code has
        // run since the global variables were looked for.
        let lost = unsafe { slots.capture(include.file, globals) };
        if !lost.is_empty() {
            tracing::warn!(
                "{} was included first by a job, and what its code leaves cannot be handed to other jobs: {}. Load the file as the \
                 application boots, or let jobs that need it run isolated.",
                String::from_utf8_lossy(path),
                lost.join("; ")
            );
            lane::note_effects(String::from_utf8_lossy(path).into_owned());
        }
    });
}

/// What such a file does beside declaring happens in one lane only.
fn tell_of_effects(include: &sys::kq_include, changes: &[String]) {
    if changes.is_empty() {
        return;
    }
    let file = String::from_utf8_lossy(zend::text(include.path));
    tracing::warn!(
        "{file} was included first by a job. It declares something, so it runs once in a process, but it changes {} too, which other \
         lanes do not get. Load the file as the application boots, or let jobs that need it run isolated.",
        changes.join(", ")
    );
    lane::note_effects(file.into_owned());
}
