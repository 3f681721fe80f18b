//! What is decided about the extensions that are loaded, for people.

use super::list::{self, Verdict};
use super::loaded::loaded;

/// What becomes of one loaded extension in lanes.
pub(crate) struct Decision {
    pub(crate) name: String,
    pub(crate) verdict: &'static str,
    pub(crate) reason: &'static str,
    /// Bytes of globals that could be found.
    pub(crate) globals: usize,
}

/// Returns what becomes of each loaded extension.
pub(crate) fn decisions() -> Vec<Decision> {
    loaded()
        .into_iter()
        .map(|(name, found)| {
            let globals = found.globals.len();
            let (verdict, reason) = match list::of(&name) {
                Some((_, Verdict::Exchanged(exchange))) => match found.pieces(exchange.fields) {
                    Some(_) => ("exchanged", exchange.what),
                    None => ("unknown", "this version of it is laid out in another way"),
                },
                Some((_, Verdict::Harmless(reason))) => ("harmless", *reason),
                Some((_, Verdict::ByParts(reason))) => ("by parts", *reason),
                Some((_, Verdict::Refused(reason))) => ("refused", *reason),
                None if found.has_globals() => {
                    ("unknown", "it has globals, and all lanes share them")
                }
                None => ("unknown", "it has no globals that could be found"),
            };
            Decision {
                name,
                verdict,
                reason,
                globals,
            }
        })
        .collect()
}

/// Returns a word on the extensions with globals that nobody has decided about. None: there are none.
pub(crate) fn notice() -> Option<String> {
    let unknown: Vec<String> = loaded()
        .into_iter()
        .filter(|(name, found)| {
            found.has_globals()
                && match list::of(name) {
                    None => true,
                    Some((_, Verdict::Exchanged(exchange))) => {
                        found.pieces(exchange.fields).is_none()
                    }
                    Some(_) => false,
                }
        })
        .map(|(name, _)| name)
        .collect();
    (!unknown.is_empty()).then(|| {
        format!(
            "these extensions keep state that all lanes of a process share, and KQueue does not know it: {}. Let jobs that use them run \
             isolated ($isolated = true), or leave the extensions out.",
            unknown.join(", ")
        )
    })
}
