//! What each lane has of its own of PHP's process-wide state, and how that is exchanged.
//!
//! `variables` is the whole of a lane's variables; below it, static properties (`statics`), functions' static variables (`functions`)
//! and what included files leave in them (`late`) go slot by slot, through `slots`. `globals` holds what the engine and extensions
//! (`modules`) keep in globals, `settings` what a lane has changed. Nothing here knows lanes, or when they are switched.

pub(crate) mod effects;
pub(crate) mod entry;
pub(crate) mod functions;
pub(crate) mod globals;
pub(crate) mod handlers;
pub(crate) mod included;
pub(crate) mod late;
pub(crate) mod modules;
pub(crate) mod omissions;
pub(crate) mod pairs;
pub(crate) mod settings;
pub(crate) mod signal_handlers;
pub(crate) mod slots;
pub(crate) mod statics;
pub(crate) mod symbols;
pub(crate) mod variables;
