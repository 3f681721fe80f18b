//! The tests of kqueue-core.
