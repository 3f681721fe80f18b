//! What the program has set for libxml, which new lanes begin with.

use crate::builtins::call;
use crate::zend::{self, sys};

/// What the program has set for libxml.
pub(crate) struct Kept {
    errors: bool,
    loader: Option<zend::Owned>,
}

impl Kept {
    /// Asks for what is set.
    pub(crate) fn look() -> Self {
        let is = |value: &zend::Owned, kind| zend::kind(value.as_ptr()) == kind;
        Self {
            errors: call("libxml_use_internal_errors", &mut [])
                .is_some_and(|value| is(&value, sys::IS_TRUE)),
            loader: call("libxml_get_external_entity_loader", &mut [])
                .filter(|loader| !is(loader, sys::IS_NULL)),
        }
    }

    /// Sets it again.
    pub(crate) fn set(self) {
        if self.errors {
            call("libxml_use_internal_errors", &mut [zend::long(1)]);
        }
        if let Some(loader) = self.loader {
            call(
                "libxml_set_external_entity_loader",
                &mut [loader.borrowed()],
            );
        }
    }
}
