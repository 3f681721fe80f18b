//! How values are copied: what `fork()` is to a process's memory, this is to a graph of PHP's objects.
//!
//! `copier` copies, in four files by kind; `rules` and `rows` say how objects of each class are copied; `audit` finds beforehand what
//! cannot be. Nothing here knows what a lane is, or whose the values are.

pub(crate) mod audit;
mod containers;
pub(crate) mod copier;
mod inside;
mod methods;
mod objects;
pub(crate) mod properties;
mod rebuilt;
mod rows;
pub(crate) mod rules;
pub(crate) mod tables;
