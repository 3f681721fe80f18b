//! How each kind of object is copied into a lane: read by the copy and by the audit.
//!
//! The nearest internal class decides, by its row in `rows.rs`; an object of none is its properties. A class without a row is refused.
#![expect(unsafe_code, reason = "looks into class entries")]

use rustc_hash::FxHashMap;

use super::rows::{self, Way};
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
    /// The class's own clone handler, then properties copied: a value that holds no other.
    Clone,
    /// The class's own clone handler, then each element copied in its place.
    Elements,
    /// The state that this internal class gives by `__serialize`, copied, put into a new object by `__unserialize`; the state has
    /// the properties at `members`.
    State { class: *mut Class, members: u64 },
    /// Made anew around a copied engine.
    Randomizer(*mut Class),
    /// Made anew with the same options.
    Finfo(*mut Class),
    /// Made anew with copied iterators.
    MultipleIterator(*mut Class),
    /// Shared if it only names a part of the program, made anew if it holds an object.
    Reflector(*mut Class),
    /// All lanes use the same object: it cannot change, or the user said so.
    Share,
    /// It stands for something outside PHP's memory, or nobody knows how it is copied.
    Refuse,
}

/// What is known of a class.
pub(crate) struct Decision {
    pub(crate) rule: Rule,
    /// The rule's name in docs/isolation.md.
    pub(crate) name: &'static str,
    /// Of those that are shared or refused.
    pub(crate) why: String,
    /// Whether somebody has decided: a row names the class, or its extension.
    pub(crate) decided: bool,
}

/// The rules, with what was found out about each class so far.
pub(crate) struct Rules {
    /// Classes that the user declared shared, in lower case.
    shared: Vec<String>,
    known: FxHashMap<*mut Class, Rule>,
}

impl Rules {
    /// Returns rules with these classes (any case, with or without a leading backslash) shared.
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

    /// Returns the rule for an object.
    ///
    /// # Safety
    /// On the PHP thread; the object is live.
    pub(crate) unsafe fn of(&mut self, object: *const Object) -> Rule {
        // SAFETY: this function's contract.
        if unsafe { sys::kq_is_lazy(object.cast_mut()) } {
            // Its state is in the engine's hands: an initializer that has not run, or an instance behind a proxy.
            return Rule::Refuse;
        }
        // SAFETY: as above.
        let class = unsafe { (*object).ce };
        if let Some(rule) = self.known.get(&class) {
            return *rule;
        }
        // SAFETY: a live object's class.
        let mut rule = unsafe { self.find(class) };
        // SAFETY: as above.
        if rule == Rule::Properties && unsafe { (*(*object).handlers).offset } != 0 {
            // It has more than properties, whatever its row says.
            rule = Rule::Refuse;
        }
        self.known.insert(class, rule);
        rule
    }

    /// # Safety
    /// As for [`decide`].
    unsafe fn find(&self, class: *mut Class) -> Rule {
        // SAFETY: this function's contract.
        if self.shared.iter().any(|name| unsafe { is_a(class, name) }) {
            return Rule::Share;
        }
        // SAFETY: this function's contract.
        unsafe { decide(class) }.rule
    }
}

/// Returns what the rows say of the class of this lower-case name. None: none is loaded.
pub(crate) fn named(lower: &str) -> Option<Decision> {
    // SAFETY: on the PHP thread; the classes of the table are linked, and there until the request ends.
    zend::loaded_class(lower).map(|class| unsafe { decide(class) })
}

/// Returns what the rows say of a class.
///
/// # Safety
/// On the PHP thread; the class is linked, and there until the request ends.
pub(crate) unsafe fn decide(class: *mut Class) -> Decision {
    // SAFETY: this function's contract.
    if unsafe { (*class).ce_flags } & sys::ZEND_ACC_ENUM != 0 {
        return decided(Rule::Share, "shared", "an enum's cases do not change");
    }
    // SAFETY: this function's contract.
    let Some(internal) = (unsafe { nearest_internal(class) }) else {
        // SAFETY: as above.
        return if unsafe { (*class).__bindgen_anon_2.create_object }.is_none() {
            decided(Rule::Properties, "properties", "")
        } else {
            refused("its objects are made by an extension", false)
        };
    };
    let name = zend::class_name(internal).to_lowercase();
    if let Some(row) = rows::CLASSES
        .iter()
        .find(|row| row.classes.contains(&name.as_str()))
    {
        // SAFETY: this function's contract.
        return unsafe { row.way.decide(class, internal, row.why) };
    }
    // SAFETY: a class that this one extends is linked too.
    if unsafe { is_a(internal, "throwable") && is_plain_throwable(internal) } {
        return decided(Rule::Properties, "properties", "");
    }
    let module = zend::module_of(internal);
    match rows::EXTENSIONS.iter().find(|(name, _)| *name == module) {
        Some((_, why)) => refused(why, true),
        None => refused(
            &format!("no rule for this class of the extension {module}"),
            false,
        ),
    }
}

fn decided(rule: Rule, name: &'static str, why: &str) -> Decision {
    Decision {
        rule,
        name,
        why: why.to_owned(),
        decided: true,
    }
}

fn refused(why: &str, decided: bool) -> Decision {
    Decision {
        rule: Rule::Refuse,
        name: "refused",
        why: why.to_owned(),
        decided,
    }
}

impl Way {
    /// Returns the rule for a class whose nearest internal class has a row.
    ///
    /// # Safety
    /// As for [`decide`], of both classes.
    unsafe fn decide(self, class: *mut Class, internal: *mut Class, why: &str) -> Decision {
        match self {
            Self::Properties => decided(Rule::Properties, "properties", ""),
            Self::Closure => decided(Rule::Closure, "closure", ""),
            Self::WeakMap => decided(Rule::WeakMap, "weak", ""),
            Self::WeakReference => decided(Rule::WeakReference, "weak", ""),
            Self::Clone => decided(Rule::Clone, "cloned", ""),
            Self::Elements => decided(Rule::Elements, "elements", ""),
            // SAFETY: this function's contract.
            Self::State { by, members } => unsafe { state(class, by, members) },
            Self::Randomizer => decided(Rule::Randomizer(internal), "anew", ""),
            Self::Finfo => decided(Rule::Finfo(internal), "anew", ""),
            Self::MultipleIterator => decided(Rule::MultipleIterator(internal), "anew", ""),
            Self::Reflector => decided(Rule::Reflector(internal), "reflectors", ""),
            Self::Share => decided(Rule::Share, "shared", why),
            Self::Refuse => refused(why, true),
        }
    }
}

/// # Safety
/// As for [`decide`].
unsafe fn state(class: *mut Class, by: &str, members: u64) -> Decision {
    // SAFETY: a live class's method, or null.
    if unsafe { sys::kq_is_user_function(zend::method(class, "gethash")) }
        && by == "splobjectstorage"
    {
        return refused(
            "its own getHash() would run while lanes are made, and may be about object ids",
            true,
        );
    }
    match zend::loaded_class(by) {
        Some(class) => decided(Rule::State { class, members }, "state", ""),
        None => refused("its internal class is not there", false),
    }
}

/// Returns the class itself or the nearest parent that PHP or an extension declares.
///
/// # Safety
/// As for [`decide`].
unsafe fn nearest_internal(class: *mut Class) -> Option<*mut Class> {
    let mut class = class;
    // SAFETY: this function's contract; parents of linked classes are pointers to such.
    unsafe {
        while !class.is_null()
            && u32::from((*class).type_.cast_unsigned()) != sys::ZEND_INTERNAL_CLASS
        {
            class = (*class).__bindgen_anon_1.parent;
        }
    }
    (!class.is_null()).then_some(class)
}

/// Returns whether an exception's class makes its objects as PHP's own do, which are plain objects that record where they were made.
///
/// # Safety
/// As for [`decide`].
unsafe fn is_plain_throwable(class: *mut Class) -> bool {
    let makes = |class: *mut Class| {
        // SAFETY: a live class.
        let create = unsafe { (*class).__bindgen_anon_2.create_object };
        create.map(|create| create as usize)
    };
    ["exception", "errorexception", "error"]
        .into_iter()
        .filter_map(zend::loaded_class)
        .any(|base| {
            let name = zend::class_name(base).to_lowercase();
            // SAFETY: this function's contract.
            let is_base = unsafe { is_a(class, &name) };
            is_base && makes(base) == makes(class)
        })
}

/// Returns whether a class is, extends or implements the class of this lower-case name. Nothing is autoloaded.
///
/// # Safety
/// As for [`decide`].
unsafe fn is_a(class: *mut Class, lower: &str) -> bool {
    // SAFETY: both are class entries.
    zend::loaded_class(lower)
        .is_some_and(|other| class == other || unsafe { sys::kq_is_instance(class, other) })
}
