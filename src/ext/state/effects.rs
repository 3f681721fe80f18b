//! What the code of a file changes besides what the file declares, as far as it can be seen without a look at everything: macros,
//! bindings, listeners (closures that are kept somewhere), switches; and which global variables it makes.
#![expect(unsafe_code, reason = "walks Zend values")]

use rustc_hash::FxHashSet;

use crate::copy::properties::places;
use crate::zend::{self, Object, Owned, Value, sys};

/// Closures in arrays are looked for to this depth: listeners are three arrays deep.
const DEPTH: u32 = 4;

/// What there was before a file ran. Arrays are held, so that code which changes one gets a copy.
pub(crate) struct Before {
    statics: Vec<Owned>,
    /// The objects that static properties hold themselves, as the container is, with their properties.
    objects: Vec<(*mut Object, Vec<Owned>)>,
    /// The names of the global variables.
    globals: FxHashSet<Vec<u8>>,
}

impl Before {
    /// Notes these values of static properties, and the live globals.
    ///
    /// # Safety
    /// On the PHP thread; the values are live.
    pub(crate) unsafe fn take(statics: impl Iterator<Item = *const Value>) -> Self {
        let statics: Vec<Owned> = statics.map(Owned::copy).collect();
        let mut objects: Vec<*mut Object> = statics
            .iter()
            .filter(|value| zend::kind(value.as_ptr()) == sys::IS_OBJECT)
            .map(|value| zend::object_of(value.as_ptr()))
            .collect();
        objects.sort_unstable();
        objects.dedup();
        let with_properties = |object: *mut Object| {
            // SAFETY: an object that `statics` holds.
            let places = unsafe { places(object) };
            (object, places.map(|place| Owned::copy(place)).collect())
        };
        Self {
            objects: objects.into_iter().map(with_properties).collect(),
            statics,
            globals: globals().map(|(name, _)| name).collect(),
        }
    }

    /// Returns in words what has changed since then. `statics` gives the same properties in the same order, perhaps with new ones after
    /// them, and `name` their names.
    ///
    /// # Safety
    /// On the PHP thread; the values are live.
    pub(crate) unsafe fn changes(
        &self,
        statics: impl Iterator<Item = *const Value>,
        name: impl Fn(usize) -> String,
    ) -> Vec<String> {
        let mut changes = Vec::new();
        for (slot, (before, now)) in self.statics.iter().zip(statics).enumerate() {
            // SAFETY: the one is held here, the other live by this function's contract.
            if unsafe { has_changed(before.as_ptr(), now) } {
                changes.push(name(slot));
            }
        }
        for (object, before) in &self.objects {
            // SAFETY: an object that `statics` holds.
            let mut pairs = before.iter().zip(unsafe { places(*object) });
            // SAFETY: the one is held here, the other by the object.
            if pairs.any(|(before, now)| unsafe { has_changed(before.as_ptr(), now) }) {
                // SAFETY: an object that `statics` holds.
                changes.push(zend::class_name(unsafe { (**object).ce }));
            }
        }
        changes
    }

    /// Returns the live global variables that were not there before.
    pub(crate) fn new_globals(&self) -> Vec<(Vec<u8>, *const Value)> {
        globals()
            .filter(|(name, _)| !self.globals.contains(name))
            .collect()
    }
}

/// Returns the live global variables that have names.
fn globals() -> impl Iterator<Item = (Vec<u8>, *const Value)> {
    // SAFETY: on the PHP thread; the address of a global of the engine.
    let table = unsafe { &raw const sys::executor_globals.symbol_table };
    zend::entries(table)
        .filter(|entry| !entry.key.is_null())
        .map(|entry| (zend::text(entry.key).to_vec(), entry.value.cast_const()))
}

/// Returns whether a switch was turned, or an array has more closures. Other changes are what caches and counters do.
///
/// # Safety
/// Both values are live.
unsafe fn has_changed(before: *const Value, now: *const Value) -> bool {
    match (zend::kind(before), zend::kind(now)) {
        (sys::IS_TRUE, sys::IS_FALSE) | (sys::IS_FALSE, sys::IS_TRUE) => true,
        // SAFETY: the types say array, both live by this function's contract.
        (sys::IS_ARRAY, sys::IS_ARRAY) => unsafe {
            (*before).value.arr != (*now).value.arr
                && closures(now, DEPTH) > closures(before, DEPTH)
        },
        _ => false,
    }
}

/// Counts the closures in a value, down to this depth of arrays.
///
/// # Safety
/// The value is live.
unsafe fn closures(value: *const Value, depth: u32) -> usize {
    match zend::kind(value) {
        sys::IS_OBJECT => {
            // SAFETY: the type says object.
            usize::from(unsafe { (*zend::object_of(value)).ce == sys::zend_ce_closure })
        }
        sys::IS_ARRAY if depth > 0 => {
            // SAFETY: the type says array.
            let array = unsafe { (*value).value.arr };
            zend::entries(array)
                // SAFETY: what a live array holds is live.
                .map(|entry| unsafe { closures(entry.value, depth - 1) })
                .sum()
        }
        _ => 0,
    }
}
