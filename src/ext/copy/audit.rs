//! What of a template cannot be copied, with the path to it: "Container::$instance → instances[redis] → Foo\Client::$socket → resource".
//!
//! Walks breadth first, so the path shown is a shortest one.
#![expect(unsafe_code, reason = "walks Zend values")]

use std::collections::VecDeque;
use std::ffi::c_void;

use rustc_hash::{FxHashMap, FxHashSet};

use super::copier::{Copier, object_value};
use super::inside::{closure_parts, inside, referent, weak_entries};
use super::properties::places;
use super::rules::{self, Rule, Rules};
use crate::zend::{self, Object, Value, sys};

/// What an audit has found.
#[derive(Default)]
pub(crate) struct Audit {
    /// Paths to values that stand for something outside PHP's memory.
    pub(crate) refused: Vec<String>,
    /// Classes with a destructor: it runs once per copy.
    pub(crate) destructors: Vec<String>,
    /// Paths to objects whose copy may turn out to be impossible.
    uncertain: FxHashMap<*mut Object, String>,
}

impl Audit {
    /// Adds what a copy has shown to be impossible: these objects were not copied.
    pub(crate) fn add_failed(&mut self, objects: &FxHashSet<*mut Object>) {
        let paths = (objects.iter()).map(|object| {
            let path = self.uncertain.get(object).cloned();
            format!(
                "{} (it cannot be copied as it is)",
                path.unwrap_or_default()
            )
        });
        let mut paths: Vec<String> = paths.collect();
        paths.sort_unstable();
        self.refused.append(&mut paths);
    }
}

struct Node {
    parent: usize,
    label: String,
    value: Value,
}

const ROOT: usize = usize::MAX;

/// Values to look at, each with what it is for people.
#[derive(Default)]
pub(crate) struct Roots(Vec<(String, Value)>);

impl Roots {
    /// Adds a value, unless nothing can be reached from it.
    ///
    /// # Safety
    /// The value and all that it leads to are live, and nothing changes them before the audit is over.
    pub(crate) unsafe fn push(&mut self, value: *const Value, label: impl FnOnce() -> String) {
        if is_counted(value) {
            // SAFETY: this function's contract; a copy of the bytes, which takes no count.
            let value = unsafe { *value };
            self.0.push((label(), value));
        }
    }
}

/// Looks at everything that can be reached from these values, which are to be copied by `copier`. It learns what only weak references
/// and maps lead to. Objects that are `foreign` belong to somebody else, so they cannot be copied.
pub(crate) fn audit(roots: Roots, copier: &mut Copier, foreign: FxHashSet<*mut Object>) -> Audit {
    let mut walk = Walk {
        foreign,
        ..Walk::default()
    };
    for (label, value) in roots.0 {
        // SAFETY: live until the audit is over, by the contract of `Roots::push`.
        unsafe { walk.push(ROOT, label, &raw const value) };
    }
    walk.all(copier.rules());
    copier.set_only_weak(walk.weak);
    walk.found.destructors.sort_unstable();
    walk.found.destructors.dedup();
    walk.found
}

/// Returns whether a value is of a type from which others can be reached, or which is refused.
fn is_counted(value: *const Value) -> bool {
    matches!(
        zend::kind(value),
        sys::IS_ARRAY | sys::IS_OBJECT | sys::IS_REFERENCE | sys::IS_RESOURCE
    )
}

/// A walk from roots that live until it is over: so does all that it meets.
#[derive(Default)]
struct Walk {
    foreign: FxHashSet<*mut Object>,
    nodes: Vec<Node>,
    queue: VecDeque<usize>,
    seen: FxHashSet<*mut c_void>,
    /// What weak maps have for objects that nothing else has led to so far: the map's node, the value.
    waiting: FxHashMap<*mut Object, Vec<(usize, Value)>>,
    /// Objects that weak references and maps lead to.
    weak: FxHashSet<*mut Object>,
    found: Audit,
}

impl Walk {
    /// Puts a value that `parent` leads to into the queue, if it has not been met.
    ///
    /// # Safety
    /// The value is live until the walk is over.
    unsafe fn push(&mut self, parent: usize, label: String, value: *const Value) {
        if !is_counted(value) {
            return;
        }
        // SAFETY: this function's contract; a copy of the bytes, which takes no count.
        let value = unsafe { *value };
        // SAFETY: these types are counted: the union holds a pointer, which names the thing.
        let identity = unsafe { value.value.ptr };
        if self.seen.insert(identity) {
            self.queue.push_back(self.nodes.len());
            self.nodes.push(Node {
                parent,
                label,
                value,
            });
        }
    }

    /// Follows everything; `weak` is left with those to which only weak references and maps lead.
    fn all(&mut self, rules: &mut Rules) {
        loop {
            while let Some(node) = self.queue.pop_front() {
                self.look(node, rules);
            }
            let there: Vec<*mut Object> = (self.waiting.keys().copied())
                .filter(|key| self.seen.contains(&key.cast()))
                .collect();
            if there.is_empty() {
                break;
            }
            for key in there {
                for (map, value) in self.waiting.remove(&key).unwrap_or_default() {
                    // SAFETY: a map's value, and the map is live until the walk is over.
                    unsafe { self.push(map, "WeakMap[object]".into(), &raw const value) };
                }
            }
        }
        let seen = &self.seen;
        self.weak.retain(|object| !seen.contains(&object.cast()));
    }

    fn path(&self, mut node: usize, end: &str) -> String {
        let mut parts = vec![end.to_owned()];
        while node != ROOT {
            parts.push(self.nodes[node].label.clone());
            node = self.nodes[node].parent;
        }
        parts.reverse();
        parts.join(" → ")
    }

    /// Follows one value.
    fn look(&mut self, node: usize, rules: &mut Rules) {
        let value = self.nodes[node].value;
        match zend::kind(&raw const value) {
            // SAFETY: the type says array; what was met is live until the walk is over.
            sys::IS_ARRAY => unsafe { self.array(node, "", value.value.arr) },
            // SAFETY: the type says reference; as above.
            sys::IS_REFERENCE => unsafe {
                self.push(node, "&".into(), &raw const (*value.value.ref_).val);
            },
            // SAFETY: the type says object; as above.
            sys::IS_OBJECT => unsafe {
                self.object(node, zend::object_of(&raw const value), rules);
            },
            _ => {
                let mut resource = value;
                // SAFETY: what is left is a resource; the shim asks what it is.
                if !unsafe { sys::kq_is_standard_stream(&raw mut resource) } {
                    let path = self.path(node, "resource");
                    self.found.refused.push(path);
                }
            }
        }
    }

    /// # Safety
    /// The array is live until the walk is over.
    unsafe fn array(&mut self, node: usize, of: &str, array: *const sys::HashTable) {
        for entry in zend::entries(array) {
            if zend::kind(entry.value) == sys::IS_INDIRECT {
                continue;
            }
            let label = if entry.key.is_null() {
                format!("{of}[{}]", entry.index)
            } else {
                format!("{of}[{}]", String::from_utf8_lossy(zend::text(entry.key)))
            };
            // SAFETY: what a live array holds is live.
            unsafe { self.push(node, label, entry.value) };
        }
    }

    /// # Safety
    /// The object is live until the walk is over.
    unsafe fn object(&mut self, node: usize, object: *mut Object, rules: &mut Rules) {
        // SAFETY: this function's contract.
        let class = unsafe { (*object).ce };
        let name = zend::class_name(class);
        // SAFETY: a live object's class.
        if unsafe { !(*class).destructor.is_null() } {
            self.found.destructors.push(name.clone());
        }
        // SAFETY: this function's contract.
        let rule = unsafe { rules.of(object) };
        match rule {
            _ if self.foreign.contains(&object) => {
                let path = self.path(node, &format!("{name} of the job's own application"));
                self.found.refused.push(path);
            }
            Rule::Refuse => {
                // SAFETY: a live object's class.
                let decision = unsafe { rules::decide(class) };
                let end = if decision.decided || decision.rule != Rule::Refuse {
                    name
                } else {
                    format!("{name} ({})", decision.why)
                };
                let path = self.path(node, &end);
                self.found.refused.push(path);
            }
            Rule::Share => {}
            // SAFETY: only Closures have this rule.
            Rule::Closure => unsafe { self.closure(node, object) },
            // SAFETY: only WeakReferences have this rule.
            Rule::WeakReference => self.weak.extend(unsafe { referent(object) }),
            Rule::WeakMap => {
                // SAFETY: only WeakMaps have this rule.
                for (key, value) in unsafe { weak_entries(object) } {
                    self.weak.insert(key);
                    // SAFETY: live as the map; a copy of the bytes, which takes no count.
                    let value = unsafe { *value };
                    self.waiting.entry(key).or_default().push((node, value));
                }
            }
            // SAFETY: this function's contract.
            Rule::Properties => unsafe { self.properties(node, object, &name) },
            _ => {
                let path = self.path(node, &name);
                self.found.uncertain.insert(object, path);
                // SAFETY: this function's contract.
                unsafe { self.inside(node, object, &name) };
                // SAFETY: this function's contract.
                unsafe { self.properties(node, object, &name) };
            }
        }
    }

    /// Follows what an object holds besides properties.
    ///
    /// # Safety
    /// The object is live until the walk is over.
    unsafe fn inside(&mut self, node: usize, object: *mut Object, class: &str) {
        // SAFETY: this function's contract; an audit changes nothing.
        let inside = unsafe { inside(object) };
        for (number, value) in inside.values().iter().enumerate() {
            if zend::kind(value) == sys::IS_ARRAY {
                // SAFETY: the type says array, which the object holds.
                unsafe { self.array(node, class, value.value.arr) };
            } else {
                // SAFETY: the object holds it.
                unsafe { self.push(node, format!("{class}[{number}]"), value) };
            }
        }
    }

    /// # Safety
    /// The object is live until the walk is over.
    unsafe fn properties(&mut self, node: usize, object: *mut Object, class: &str) {
        // SAFETY: a live object's class, which has a table of its slots if it has any.
        let infos = unsafe { (*(*object).ce).properties_info_table };
        // SAFETY: this function's contract.
        for (slot, value) in unsafe { places(object) }.enumerate() {
            let info = if infos.is_null() {
                std::ptr::null_mut()
            } else {
                // SAFETY: the table has an entry for each slot.
                unsafe { *infos.add(slot) }
            };
            let label = if info.is_null() {
                format!("{class}::#{slot}")
            } else {
                // SAFETY: a live class's property, which has a name.
                let name = String::from_utf8_lossy(zend::text(unsafe { (*info).name }));
                // Private and protected names are mangled: "\0Class\0name".
                format!("{class}::${}", name.rsplit('\0').next().unwrap_or(&name))
            };
            // SAFETY: what a live object holds is live.
            unsafe { self.push(node, label, value) };
        }
        // SAFETY: this function's contract.
        let dynamic = unsafe { (*object).properties };
        if !dynamic.is_null() {
            // SAFETY: a live object's own table.
            unsafe { self.array(node, "", dynamic) };
        }
    }

    /// # Safety
    /// The object is a Closure that is live until the walk is over.
    unsafe fn closure(&mut self, node: usize, object: *mut Object) {
        // SAFETY: this function's contract.
        let (_, function) = unsafe { closure_parts(object) };
        let mut holder = object_value(object);
        // SAFETY: as above; the place lies in the closure.
        let this = unsafe { sys::zend_get_closure_this_ptr(&raw mut holder) };
        // SAFETY: what a live closure holds is live.
        unsafe { self.push(node, "Closure::$this".into(), this) };
        // SAFETY: a live closure's function.
        let variables = unsafe { sys::kq_closure_variables(function) };
        // SAFETY: as above.
        let is_fake = unsafe { (*function).common.fn_flags } & sys::ZEND_ACC_FAKE_CLOSURE != 0;
        if variables.is_null() || is_fake {
            return;
        }
        for entry in zend::entries(variables) {
            let name = if entry.key.is_null() {
                String::new()
            } else {
                String::from_utf8_lossy(zend::text(entry.key)).into_owned()
            };
            // SAFETY: what a live closure has captured is live.
            unsafe { self.push(node, format!("Closure use (${name})"), entry.value) };
        }
    }
}
