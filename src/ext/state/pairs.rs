//! Settings that a function of PHP's tells, and one sets.

use crate::builtins::call;
use crate::zend::{self, Owned, sys};

/// A function that tells a setting, and one that sets it.
#[derive(PartialEq, Eq)]
pub(crate) struct Pair {
    get: &'static str,
    set: &'static str,
    /// Whether the first, to tell, wants null where the second has the value.
    null: bool,
}

/// Told and set by a function that PHP 8.3 calls deprecated; a closure cannot be had by its ini setting.
pub(crate) static ASSERT_CALLBACK: Pair = Pair::plain("assert_options", "assert_options");

impl Pair {
    pub(crate) const fn plain(get: &'static str, set: &'static str) -> Self {
        let null = false;
        Self { get, set, null }
    }

    pub(crate) const fn with_null(get: &'static str, set: &'static str) -> Self {
        let null = true;
        Self { get, set, null }
    }

    pub(crate) fn get(&self, key: Option<&Owned>) -> Option<Owned> {
        let null = self.null.then(null);
        let mut arguments: Vec<_> = key.map(Owned::borrowed).into_iter().chain(null).collect();
        call(self.get, &mut arguments)
    }

    pub(crate) fn set(&self, key: Option<&Owned>, value: &Owned) {
        // What libc does for a domain whose texts nobody has asked for in an encoding cannot be asked for again; this is the same.
        let codeset = (self.set == "bind_textdomain_codeset"
            && zend::kind(value.as_ptr()) == sys::IS_FALSE)
            .then(|| call("nl_langinfo", &mut [zend::long(i64::from(libc::CODESET))]))
            .flatten();
        let value = codeset.as_ref().unwrap_or(value).borrowed();
        let mut arguments: Vec<_> = key
            .map(Owned::borrowed)
            .into_iter()
            .chain([value])
            .collect();
        call(self.set, &mut arguments);
    }
}

fn null() -> zend::Value {
    let mut value = zend::undef();
    value.u1.type_info = sys::IS_NULL;
    value
}

/// Returns the ini setting of an option of assert_options(). None: it is the callback, which may be more than its setting can say.
pub(crate) fn assertion(option: i64) -> Option<&'static str> {
    match option {
        1 => Some("assert.active"),
        3 => Some("assert.bail"),
        4 => Some("assert.warning"),
        5 => Some("assert.exception"),
        _ => None,
    }
}
