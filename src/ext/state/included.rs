//! Which files lanes have included, and which are running.
#![expect(unsafe_code, reason = "changes the engine's list of files")]

use std::mem;

use rustc_hash::FxHashSet;

use super::effects::Before;
use crate::zend::{self, Owned, sys};

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

    /// Returns whether the file at this path declares something, and has done so for what is live.
    pub(crate) fn has_declared(&self, path: &[u8]) -> bool {
        self.declared.contains(path)
    }

    /// Notes that a file that declares nothing, as far as is known, begins.
    pub(crate) fn note_alone(&mut self, path: &[u8]) {
        self.alone.push(zend::string(path));
    }

    /// Notes that a file has ended that declares something.
    pub(crate) fn note_declared(&mut self, path: &[u8]) {
        self.alone.retain(|other| !is_path(other, path));
        self.declared.insert(path.to_vec());
    }
}

/// Files that are running: what they declare is nobody's own before they have ended.
#[derive(Default)]
pub(crate) struct Running(Vec<File>);

/// A file that is running.
pub(crate) struct File {
    pub(crate) name: Owned,
    /// Whether it is known to declare something.
    pub(crate) declares: bool,
    /// How many stream wrappers there were before.
    pub(crate) wrappers: u32,
    /// What there was before, if a lane runs it and it does more than declare.
    pub(crate) before: Option<Before>,
}

impl Running {
    /// Returns whether a file is running.
    ///
    /// # Safety
    /// `file`, its name, is live.
    pub(crate) unsafe fn has(&self, file: *const sys::zend_string) -> bool {
        !self.0.is_empty() && {
            let file = zend::text(file);
            self.0.iter().any(|other| is_path(&other.name, file))
        }
    }

    /// Returns whether the innermost declares something.
    pub(crate) fn is_declaring(&self) -> bool {
        self.0.last().is_some_and(|file| file.declares)
    }

    /// Notes that a file begins.
    pub(crate) fn begins(&mut self, file: File) {
        self.0.push(file);
    }

    /// Returns the file that began last.
    pub(crate) fn last_mut(&mut self) -> Option<&mut File> {
        self.0.last_mut()
    }

    /// Takes out a file that has ended.
    pub(crate) fn ended(&mut self, file: &[u8]) -> Option<File> {
        let index = self
            .0
            .iter()
            .rposition(|other| is_path(&other.name, file))?;
        Some(self.0.remove(index))
    }
}

fn is_path(value: &Owned, path: &[u8]) -> bool {
    // SAFETY: these lists hold strings.
    zend::text(unsafe { (*value.as_ptr()).value.str_ }) == path
}
