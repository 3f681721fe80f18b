//! What of a template cannot be copied, with the path to it: "Container::$instance → instances[redis] → Foo\Client::$socket → resource".
//!
//! Walks breadth first, so the path shown is a shortest one.
#![expect(unsafe_code, reason = "walks Zend values")]

use std::collections::VecDeque;
use std::ffi::c_void;

use rustc_hash::{FxHashMap, FxHashSet};

use super::copier::Copier;
use super::inside::{inside, referent, weak_entries};
use super::rules::{self, Rule, Rules};
use crate::zend::{self, Object, Value, sys};

/// The findings.
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
    /// After a copy: these were not copied.
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
    /// Adds a value, unless nothing can be reached from it. It must live until the audit is over.
    pub(crate) fn push(&mut self, value: *const Value, label: impl FnOnce() -> String) {
        if is_counted(value) {
            // SAFETY: plain data; the caller keeps what it points to alive.
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
        walk.push(ROOT, label, &raw const value);
    }
    walk.all(copier.rules());
    copier.set_only_weak(walk.weak);
    walk.found.destructors.sort_unstable();
    walk.found.destructors.dedup();
    walk.found
}

/// Whether a value is of a type from which others can be reached, or which is refused.
fn is_counted(value: *const Value) -> bool {
    matches!(
        zend::kind(value),
        sys::IS_ARRAY | sys::IS_OBJECT | sys::IS_REFERENCE | sys::IS_RESOURCE
    )
}

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
    fn push(&mut self, parent: usize, label: String, value: *const Value) {
        if !is_counted(value) {
            return;
        }
        // SAFETY: these types are counted: the union holds a pointer, which names the thing.
        let identity = unsafe { (*value).value.ptr };
        if self.seen.insert(identity) {
            self.queue.push_back(self.nodes.len());
            // SAFETY: plain data; the template keeps what it points to alive.
            let value = unsafe { *value };
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
                    self.push(map, "WeakMap[object]".into(), &raw const value);
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

    fn look(&mut self, node: usize, rules: &mut Rules) {
        let value = self.nodes[node].value;
        match zend::kind(&raw const value) {
            // SAFETY: the types say so.
            sys::IS_ARRAY => self.array(node, "", unsafe { value.value.arr }),
            // SAFETY: as above.
            sys::IS_REFERENCE => self.push(node, "&".into(), unsafe {
                &raw const (*value.value.ref_).val
            }),
            sys::IS_OBJECT => self.object(node, zend::object_of(&raw const value), rules),
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

    fn array(&mut self, node: usize, of: &str, array: *const sys::HashTable) {
        for entry in zend::entries(array) {
            if zend::kind(entry.value) == sys::IS_INDIRECT {
                continue;
            }
            let label = if entry.key.is_null() {
                format!("{of}[{}]", entry.index)
            } else {
                format!("{of}[{}]", String::from_utf8_lossy(zend::text(entry.key)))
            };
            self.push(node, label, entry.value);
        }
    }

    fn object(&mut self, node: usize, object: *mut Object, rules: &mut Rules) {
        // SAFETY: a live object of the template.
        let class = unsafe { (*object).ce };
        let name = zend::class_name(class);
        // SAFETY: as above.
        if unsafe { !(*class).destructor.is_null() } {
            self.found.destructors.push(name.clone());
        }
        match rules.of(object) {
            _ if self.foreign.contains(&object) => {
                let path = self.path(node, &format!("{name} of the job's own application"));
                self.found.refused.push(path);
            }
            Rule::Refuse => {
                let decision = rules::decide(class);
                let end = if decision.decided || decision.rule != Rule::Refuse {
                    name
                } else {
                    format!("{name} ({})", decision.why)
                };
                let path = self.path(node, &end);
                self.found.refused.push(path);
            }
            Rule::Share => {}
            Rule::Closure => self.closure(node, object),
            Rule::WeakReference => self.weak.extend(referent(object)),
            Rule::WeakMap => {
                for (key, value) in weak_entries(object) {
                    self.weak.insert(key);
                    // SAFETY: plain data; the map keeps what it points to alive.
                    let value = unsafe { *value };
                    self.waiting.entry(key).or_default().push((node, value));
                }
            }
            Rule::Properties => self.properties(node, object, &name),
            _ => {
                let path = self.path(node, &name);
                self.found.uncertain.insert(object, path);
                self.inside(node, object, &name);
                self.properties(node, object, &name);
            }
        }
    }

    /// What it holds besides properties.
    fn inside(&mut self, node: usize, object: *mut Object, class: &str) {
        for (number, value) in inside(object).values().iter().enumerate() {
            if zend::kind(value) == sys::IS_ARRAY {
                // SAFETY: the type says so.
                self.array(node, class, unsafe { value.value.arr });
            } else {
                self.push(node, format!("{class}[{number}]"), value);
            }
        }
    }

    fn properties(&mut self, node: usize, object: *mut Object, class: &str) {
        // SAFETY: a live object: its table has default_properties_count slots; the info table, if any, has as many entries.
        unsafe {
            let infos = (*(*object).ce).properties_info_table;
            for slot in 0..(*(*object).ce).default_properties_count as usize {
                let value = (&raw const (*object).properties_table)
                    .cast::<Value>()
                    .add(slot);
                let info = if infos.is_null() {
                    std::ptr::null_mut()
                } else {
                    *infos.add(slot)
                };
                let label = if info.is_null() {
                    format!("{class}::#{slot}")
                } else {
                    let name = String::from_utf8_lossy(zend::text((*info).name)).into_owned();
                    // Private and protected names are mangled: "\0Class\0name".
                    format!("{class}::${}", name.rsplit('\0').next().unwrap_or(&name))
                };
                self.push(node, label, value);
            }
            if !(*object).properties.is_null() {
                self.array(node, "", (*object).properties);
            }
        }
    }

    fn closure(&mut self, node: usize, object: *mut Object) {
        // SAFETY: the object is a Closure.
        unsafe {
            let (mut scope, mut function) = (std::ptr::null_mut(), std::ptr::null_mut());
            sys::kq_closure_parts(object, &raw mut scope, &raw mut function);
            let mut holder = zend::undef();
            zend::set_object(&raw mut holder, object);
            self.push(
                node,
                "Closure::$this".into(),
                sys::zend_get_closure_this_ptr(&raw mut holder),
            );
            let variables = sys::kq_closure_variables(function);
            if !variables.is_null() && (*function).common.fn_flags & sys::ZEND_ACC_FAKE_CLOSURE == 0
            {
                for entry in zend::entries(variables) {
                    let name = if entry.key.is_null() {
                        String::new()
                    } else {
                        String::from_utf8_lossy(zend::text(entry.key)).into_owned()
                    };
                    self.push(node, format!("Closure use (${name})"), entry.value);
                }
            }
        }
    }
}
