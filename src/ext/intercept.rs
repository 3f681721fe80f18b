//! What stands between PHP and what it calls: hooks by which lanes wait, guards of what all lanes share, and files that lanes include.

mod blocking;
pub(crate) mod guards;
pub(crate) mod includes;
pub(crate) mod install;
mod select;
mod signals;
