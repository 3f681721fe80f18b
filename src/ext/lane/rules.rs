//! How each kind of object is copied into a lane. One table, read by the copy and by the audit.
#![expect(unsafe_code, reason = "looks into class entries")]

use rustc_hash::FxHashMap;

use crate::zend::{self, Class, Object, sys};

/// What happens to an object of a class when a lane is cloned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// A new object with each property copied.
    Properties,
    /// A new closure over copies of `$this` and of what it captured.
    Closure,
    /// A new map with copied keys and values.
    WeakMap,
    /// A reference to the copy of what it points to.
    WeakReference,
    /// The class's own clone handler, then declared properties copied.
    Clone,
    /// The state that this internal class gives by `__serialize`, copied, put into a new object by `__unserialize`.
    State(*mut Class),
    /// All lanes use the same object: it cannot change, or the user said so.
    Share,
    /// It stands for something outside PHP's memory.
    Refuse,
}

/// Internal classes whose state comes out by `__serialize` and goes in by `__unserialize`, with their subclasses.
const BY_STATE: &[&str] = &[
    "splobjectstorage",
    "arrayobject",
    "arrayiterator",
    "spldoublylinkedlist",
    "splfixedarray",
];

/// Internal classes that are copied by their clone handler: values, or independent machines.
const BY_CLONE: &[&str] = &[
    "splfileinfo",
    "datetimeinterface",
    "datetimezone",
    "dateinterval",
    "dateperiod",
    "splheap",
    "splpriorityqueue",
    "gmp",
    "bcmath\\number",
    "domnode",
    "dom\\node",
    "simplexmlelement",
    "numberformatter",
    "intldateformatter",
    "intltimezone",
    "intlcalendar",
    "messageformatter",
    "collator",
    "transliterator",
    "hashcontext",
    "random\\engine",
    "random\\randomizer",
];

/// Subclasses of the above that hold an open file or a position in a folder.
const REFUSED: &[&str] = &["splfileobject", "directoryiterator"];

/// Internal classes whose objects do not change.
const SHARED: &[&str] = &[
    "reflector",
    "reflectiontype",
    "reflectionattribute",
    "unitenum",
    "opensslasymmetrickey",
    "opensslcertificate",
];

/// The rules, with what was found out about each class so far.
pub(crate) struct Rules {
    /// Classes that the user declared shared, in lower case.
    shared: Vec<String>,
    known: FxHashMap<*mut Class, Rule>,
}

impl Rules {
    /// Rules with these classes (any case, with or without a leading backslash) shared.
    pub(crate) fn new(shared: &[String]) -> Self {
        let shared = shared
            .iter()
            .map(|name| name.trim_start_matches('\\').to_lowercase())
            .collect();
        Self {
            shared,
            known: FxHashMap::default(),
        }
    }

    /// The rule for an object.
    pub(crate) fn of(&mut self, object: *const Object) -> Rule {
        // SAFETY: a live object.
        if unsafe { sys::kq_is_lazy(object.cast_mut()) } {
            // Its state is in the engine's hands: an initializer that has not run, or an instance behind a proxy.
            return Rule::Refuse;
        }
        // SAFETY: as above.
        let class = unsafe { (*object).ce };
        if let Some(rule) = self.known.get(&class) {
            return *rule;
        }
        let rule = self.find(class);
        self.known.insert(class, rule);
        rule
    }

    fn find(&self, class: *mut Class) -> Rule {
        // SAFETY: class entries are alive for the request; parents of linked classes are pointers.
        unsafe {
            if self.shared.iter().any(|name| is_a(class, name))
                || (*class).ce_flags & sys::ZEND_ACC_ENUM != 0
            {
                return Rule::Share;
            }
            if class == sys::zend_ce_closure {
                return Rule::Closure;
            }
            if class == sys::zend_ce_weakref {
                return Rule::WeakReference;
            }
            if zend::text((*class).name).eq_ignore_ascii_case(b"WeakMap") {
                return Rule::WeakMap;
            }
            let creates = (*class).__bindgen_anon_2.create_object;
            if creates.is_none() {
                return Rule::Properties;
            }
            // Exceptions are plain objects that record where they were made.
            if is_a(class, "throwable") {
                return Rule::Properties;
            }
            if REFUSED.iter().any(|name| is_a(class, name)) {
                return Rule::Refuse;
            }
            if let Some(base) = BY_STATE.iter().find(|name| is_a(class, name)) {
                return zend::loaded_class(base).map_or(Rule::Refuse, Rule::State);
            }
            if BY_CLONE.iter().any(|name| is_a(class, name)) {
                return Rule::Clone;
            }
            if SHARED.iter().any(|name| is_a(class, name)) {
                return Rule::Share;
            }
            Rule::Refuse
        }
    }
}

/// Whether a class is, extends or implements the class of this lower-case name. Nothing is autoloaded.
fn is_a(class: *mut Class, lower: &str) -> bool {
    // SAFETY: both are class entries.
    zend::loaded_class(lower)
        .is_some_and(|other| class == other || unsafe { sys::kq_is_instance(class, other) })
}
