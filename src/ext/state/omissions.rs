//! Exchanges that are left out, for tests: `KQUEUE_TEST_WITHOUT=statics,globals`. A test of isolation must fail without what it tests;
//! nobody else should want that, so only a build with the feature `test-switches` obeys.

/// The exchanges that are left out.
#[derive(Clone, Copy, Default)]
pub(crate) struct TestOmissions {
    /// Static properties.
    pub(crate) statics: bool,
    /// Static variables of functions.
    pub(crate) functions: bool,
    /// Global variables.
    pub(crate) symbols: bool,
    /// Output buffers, handlers, and the other globals of the running code.
    pub(crate) globals: bool,
    /// What extensions keep in globals of their own.
    pub(crate) modules: bool,
    /// Settings.
    pub(crate) settings: bool,
}

impl TestOmissions {
    /// Returns what the environment says, in a build for tests; nothing is left out in any other.
    pub(crate) fn from_environment() -> Self {
        if !cfg!(feature = "test-switches") {
            return Self::default();
        }
        let names = std::env::var("KQUEUE_TEST_WITHOUT").unwrap_or_default();
        let has = |name| names.split(',').any(|other| other == name);
        Self {
            statics: has("statics"),
            functions: has("functions"),
            symbols: has("symbols"),
            globals: has("globals"),
            modules: has("modules"),
            settings: has("settings"),
        }
    }
}
