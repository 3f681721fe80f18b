//! Files that lanes include while a run is under way, each of which PHP runs once in a process.
//!
//! A file that declares something cannot run again in another lane. What its code leaves in the static variables of the classes and
//! functions that it declares is what every other lane gets for them. A file that declares nothing runs again in each lane that
//! includes it: for the others the process forgets that it was included.
#![expect(
    unsafe_code,
    reason = "is called by the shim, and changes the engine's list of files"
)]

use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use rustc_hash::{FxHashMap, FxHashSet};

use super::clone::Template;
use super::effects::Before;
use super::functions::Variables;
use super::statics::Slots;
use crate::zend::{self, Owned, Value, sys};

/// What one lane has included that is not every lane's; while that lane runs, what the base has.
#[derive(Default)]
pub(crate) struct Included {
    /// Paths of files that declare nothing. The list of the engine has only those of what is live.
    alone: Vec<Owned>,
    /// Paths of files whose declarations it has made.
    declared: FxHashSet<Vec<u8>>,
}

impl Included {
    /// Exchanges these with the live ones.
    pub(crate) fn exchange(&mut self, live: &mut Self) {
        if self.alone.is_empty() && live.alone.is_empty() {
            mem::swap(self, live);
            return;
        }
        for path in &live.alone {
            // SAFETY: a string; the engine's list of included files is there as long as the request.
            unsafe { sys::kq_forget_included((*path.as_ptr()).value.str_) };
        }
        mem::swap(self, live);
        for path in &live.alone {
            // SAFETY: as above; the list takes a count of its own.
            unsafe { sys::kq_add_included((*path.as_ptr()).value.str_) };
        }
    }
}

/// What files have left that lanes have included, for those lanes that have not.
pub(crate) struct Late {
    /// Copies for lanes are made as those of the template are.
    copier: Template,
    statics: FxHashMap<usize, Value>,
    functions: FxHashMap<usize, Variables>,
    /// What each file that declares something has returned, if that can be shared.
    returned: FxHashMap<Vec<u8>, Owned>,
    /// What is live has included these.
    pub(crate) live: Included,
    /// The first slot and the first function that files may have brought which are watched.
    pub(crate) first: Option<(usize, usize)>,
    /// Stream wrappers that files have registered which declare something: for every lane, and not handed out yet.
    pub(crate) wrappers: Vec<sys::kq_wrapper_entry>,
    /// The files whose code has not ended yet.
    pub(crate) running: Running,
}

/// Files that are running: what they declare is nobody's own before they have ended.
#[derive(Default)]
pub(crate) struct Running(Vec<File>);

struct File {
    name: Owned,
    /// Whether it is known to declare something.
    declares: bool,
    /// How many stream wrappers there were before.
    wrappers: u32,
    /// What there was before, if a lane runs it and it does more than declare.
    before: Option<Before>,
}

impl Running {
    /// Whether this one is.
    pub(crate) fn has(&self, file: *const sys::zend_string) -> bool {
        !self.0.is_empty() && {
            let file = zend::text(file);
            self.0.iter().any(|other| is_path(&other.name, file))
        }
    }

    fn ended(&mut self, file: &[u8]) -> Option<File> {
        let index = self
            .0
            .iter()
            .rposition(|other| is_path(&other.name, file))?;
        Some(self.0.remove(index))
    }
}

impl Default for Late {
    fn default() -> Self {
        Self {
            copier: Template::empty(&[]),
            statics: FxHashMap::default(),
            functions: FxHashMap::default(),
            returned: FxHashMap::default(),
            live: Included::default(),
            first: None,
            wrappers: Vec::new(),
            running: Running::default(),
        }
    }
}

impl Late {
    /// Copies are made by these rules from now on.
    pub(crate) fn share(&mut self, shared: &[String]) {
        self.copier = Template::empty(shared);
    }

    /// Copies for one lane begin: what they have in common is copied once.
    pub(crate) fn begin(&mut self) {
        self.copier.begin();
    }

    /// They have all been made.
    pub(crate) fn end(&mut self) {
        self.copier.end();
    }

    /// A static property's value for a lane that has not included the file of its class; None: as declared.
    pub(crate) fn value(&mut self, slot: usize) -> Option<Value> {
        let from = ptr::from_ref(self.statics.get(&slot)?);
        Some(self.copier.owned(from).into_raw())
    }

    /// What a function's static variables are copied from for such a lane; None: they are as declared.
    pub(crate) fn table(&self, function: usize) -> Option<Variables> {
        self.functions.get(&function).copied()
    }

    /// Copies static variables from one table of a function to another.
    pub(crate) fn fill_table(&mut self, to: Variables, from: Variables) {
        self.copier.fill_table(to, from);
    }

    /// Whether a static property's value is remembered.
    pub(crate) fn has_slot(&self, slot: usize) -> bool {
        self.statics.contains_key(&slot)
    }

    /// Whether a function's static variables are remembered.
    pub(crate) fn has_table(&self, function: usize) -> bool {
        self.functions.contains_key(&function)
    }

    /// Remembers a static property's value.
    pub(crate) fn keep(&mut self, slot: usize, live: *const Value) {
        let value = self.copier.owned(live).into_raw();
        self.statics.insert(slot, value);
    }

    /// Remembers a function's static variables.
    pub(crate) fn keep_table(&mut self, function: usize, live: Variables) {
        // SAFETY: a copy of a live table: the same places for the same names.
        let table = unsafe { sys::kq_array_dup(live) };
        self.copier.fill_table(table, live);
        self.functions.insert(function, table);
    }

    /// What was copied since `begin()` goes on to live and change in its lane: nothing of it may be found again by its address.
    pub(crate) fn forget(&mut self) {
        self.copier.forget();
    }

    /// What makes the copies.
    pub(crate) fn copier(&mut self) -> &mut Template {
        &mut self.copier
    }
}

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
    with_slots(|slots| {
        slots
            .late
            .running
            .0
            .last()
            .is_some_and(|file| file.declares)
    })
    .unwrap_or(false)
}

/// A file that declares something, and has done so in another lane, cannot run here: what it declares is there.
extern "C" fn may_run(include: *const sys::kq_include) -> bool {
    // SAFETY: the shim's, alive during the call.
    let include = unsafe { &*include };
    let path = zend::text(include.path);
    with_slots(|slots| {
        let late = &mut slots.late;
        if include.once || late.live.declared.contains(path) {
            return true;
        }
        let Some(returned) = late.returned.get(path) else {
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
        slots.late.running.0.push(File {
            before: None,
            name: zend::string(zend::text(include.file)),
            declares: include.declares,
            // SAFETY: on the PHP thread.
            wrappers: unsafe { sys::kq_wrappers() },
        });
        if !include.declares {
            let path = zend::string(zend::text(include.path));
            slots.late.live.alone.push(path);
        }
        // What the file declares is not among the slots before it has ended.
        if include.acts && super::current().is_some() {
            slots.scan();
            let before = Before::take(slots);
            if let Some(file) = slots.late.running.0.last_mut() {
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
        if let Some(before) = file.and_then(|file| file.before) {
            tell_of_effects(include, &before.changes(slots));
        }
        let path = zend::text(include.path);
        let late = &mut slots.late.live;
        late.alone.retain(|other| !is_path(other, path));
        late.declared.insert(path.to_vec());
        let returned = match zend::kind(include.result) {
            sys::IS_UNDEF | sys::IS_OBJECT | sys::IS_REFERENCE | sys::IS_RESOURCE => zend::long(1),
            // SAFETY: the result lives until the shim hands it on.
            _ => unsafe { *include.result },
        };
        slots
            .late
            .returned
            .entry(path.to_vec())
            .or_insert_with(|| Owned::copy(&raw const returned));
        let lost = slots.capture(include.file);
        if !lost.is_empty() {
            tracing::warn!(
                "{} was included first by a job, and what its code leaves cannot be handed to other jobs: {}. Load the file as the \
                 application boots, or let jobs that need it run isolated.",
                String::from_utf8_lossy(path),
                lost.join("; ")
            );
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
    super::slices::note_effects(file.into_owned());
}

fn is_path(value: &Owned, path: &[u8]) -> bool {
    // SAFETY: these lists hold strings.
    zend::text(unsafe { (*value.as_ptr()).value.str_ }) == path
}
