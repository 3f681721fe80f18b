//! What the code of a file changes besides what the file declares, as far as it can be seen without a look at everything: macros,
//! bindings, listeners (closures that are kept somewhere), switches, global variables.
#![expect(unsafe_code, reason = "walks Zend values")]

use crate::zend::{self, Object, Owned, Value, sys};

/// Closures in arrays are looked for to this depth: listeners are three arrays deep.
const DEPTH: u32 = 4;

/// What there was before. Arrays are held, so that code which changes one gets a copy.
pub(crate) struct Before {
    statics: Vec<Owned>,
    /// The objects that static properties hold themselves, as the container is, with their properties.
    objects: Vec<(*mut Object, Vec<Owned>)>,
    globals: u32,
}

impl Before {
    /// Notes these values of static properties, and the live globals.
    pub(crate) fn take(statics: impl Iterator<Item = *const Value>) -> Self {
        let statics: Vec<Owned> = statics.map(Owned::copy).collect();
        let mut objects: Vec<*mut Object> = statics
            .iter()
            .filter(|value| zend::kind(value.as_ptr()) == sys::IS_OBJECT)
            .map(|value| zend::object_of(value.as_ptr()))
            .collect();
        objects.sort_unstable();
        objects.dedup();
        Self {
            objects: objects
                .into_iter()
                .map(|object| (object, properties(object).map(Owned::copy).collect()))
                .collect(),
            statics,
            globals: globals(),
        }
    }

    /// Returns in words what has changed since then. `statics` gives the same properties in the same order, perhaps with new ones after
    /// them, and `name` their names.
    pub(crate) fn changes(
        &self,
        statics: impl Iterator<Item = *const Value>,
        name: impl Fn(usize) -> String,
    ) -> Vec<String> {
        let mut changes = Vec::new();
        for (slot, (before, now)) in self.statics.iter().zip(statics).enumerate() {
            if has_changed(before.as_ptr(), now) {
                changes.push(name(slot));
            }
        }
        for (object, before) in &self.objects {
            let mut pairs = before.iter().zip(properties(*object));
            if pairs.any(|(before, now)| has_changed(before.as_ptr(), now)) {
                // SAFETY: the statics above keep the object.
                changes.push(zend::class_name(unsafe { (**object).ce }));
            }
        }
        if globals() > self.globals {
            changes.push("global variables".into());
        }
        changes
    }
}

/// The declared properties of an object.
fn properties(object: *mut Object) -> impl Iterator<Item = *const Value> {
    // SAFETY: the caller's object is live, and has as many slots as its class declares.
    let (first, count) = unsafe {
        let first = (&raw const (*object).properties_table).cast::<Value>();
        (first, (*(*object).ce).default_properties_count as usize)
    };
    (0..count).map(move |slot| first.wrapping_add(slot))
}

fn globals() -> u32 {
    // SAFETY: reads a global of the engine.
    unsafe { sys::executor_globals.symbol_table.nNumOfElements }
}

/// Whether a switch was turned, or an array has more closures. Other changes are what caches and counters do.
fn has_changed(before: *const Value, now: *const Value) -> bool {
    match (zend::kind(before), zend::kind(now)) {
        (sys::IS_TRUE, sys::IS_FALSE) | (sys::IS_FALSE, sys::IS_TRUE) => true,
        // SAFETY: the types say array.
        (sys::IS_ARRAY, sys::IS_ARRAY) if unsafe { (*before).value.arr != (*now).value.arr } => {
            closures(now, DEPTH) > closures(before, DEPTH)
        }
        _ => false,
    }
}

fn closures(value: *const Value, depth: u32) -> usize {
    match zend::kind(value) {
        sys::IS_OBJECT => {
            // SAFETY: the type says object.
            usize::from(unsafe { (*zend::object_of(value)).ce == sys::zend_ce_closure })
        }
        // SAFETY: the type says array.
        sys::IS_ARRAY if depth > 0 => zend::entries(unsafe { (*value).value.arr })
            .map(|entry| closures(entry.value, depth - 1))
            .sum(),
        _ => 0,
    }
}
