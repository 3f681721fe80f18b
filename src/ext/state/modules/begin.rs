//! What a new lane begins with of what extensions keep.
#![expect(unsafe_code, reason = "copies memory of extensions")]

use super::list::{self, Begins};
use super::{Held, Known, Set, Span, set};
use crate::builtins::call;
use crate::zend::{self, sys};

/// For a new lane: as a process begins that is forked now, but without what belongs to an open connection. `like`: what the lane that
/// it helps holds; else the live ones are taken.
pub(crate) fn inherit(like: Option<&Held>) -> Option<Box<Held>> {
    let set = set()?;
    let before = like.map(|held| {
        let live = set.read();
        Set::write(&set.spans, &held.0);
        live
    });
    let mine = set
        .differs(&set.spans)
        .then(|| set.heir())
        .filter(|mine| *mine != set.pristine);
    if let Some(before) = before {
        Set::write(&set.spans, &before);
    }
    mine.map(|mine| Box::new(Held(mine)))
}

impl Set {
    fn heir(&self) -> Vec<u8> {
        let mut mine = self.pristine.clone();
        for known in &self.known {
            let spans = &self.spans[known.spans.clone()];
            match known.begins {
                Begins::AsRequest => {}
                Begins::AsProcess => {
                    for span in spans {
                        mine[span.at.clone()].copy_from_slice(span.live());
                    }
                }
                Begins::WithReports => {
                    // The last field but for one that is a setting's.
                    if let Some(field) = self.report_mode(known) {
                        mine[field.at.clone()].copy_from_slice(field.live());
                    }
                }
                Begins::WithLoader if self.differs(spans) => {
                    let live = self.read();
                    let kept = Kept::look();
                    Self::write(spans, &self.pristine);
                    kept.set();
                    for span in spans {
                        mine[span.at.clone()].copy_from_slice(span.live());
                    }
                    Self::write(&self.spans, &live);
                    // The stream context of documents: a resource, the first field.
                    if let Some(first) = spans
                        .first()
                        .filter(|first| first.at.len() >= size_of::<zend::Value>())
                    {
                        // SAFETY: the globals begin with a value; the copy of its bytes gets a count.
                        unsafe { sys::zval_add_ref(first.live.cast()) };
                        let value = first.at.start..first.at.start + size_of::<zend::Value>();
                        mine[value.clone()].copy_from_slice(&first.live()[..value.len()]);
                    }
                }
                Begins::WithLoader => {}
            }
        }
        mine
    }

    pub(super) fn report_mode(&self, known: &Known) -> Option<Span> {
        let last = self.spans[known.spans.clone()]
            .iter()
            .rfind(|span| span.at.len() >= list::REPORT_MODE)?;
        let from = last.at.len() - list::REPORT_MODE;
        Some(Span {
            // SAFETY: within the span.
            live: unsafe { last.live.add(from) },
            at: last.at.start + from..last.at.end,
        })
    }
}

/// What the program has set for libxml.
struct Kept {
    errors: bool,
    loader: Option<zend::Owned>,
}

impl Kept {
    fn look() -> Self {
        let is = |value: &zend::Owned, kind| zend::kind(value.as_ptr()) == kind;
        Self {
            errors: call("libxml_use_internal_errors", &mut [])
                .is_some_and(|value| is(&value, sys::IS_TRUE)),
            loader: call("libxml_get_external_entity_loader", &mut [])
                .filter(|loader| !is(loader, sys::IS_NULL)),
        }
    }

    fn set(self) {
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
