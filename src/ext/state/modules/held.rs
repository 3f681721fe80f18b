//! What a lane holds of extensions' globals, and its exchange.
//!
//! Invariant: while a lane runs, what it holds is the base's, else its own; None is what a request begins with.
#![expect(unsafe_code, reason = "copies memory of extensions")]

use std::ffi::c_void;
use std::ops::Range;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::{ptr, slice};

use super::libxml::Kept;
use super::list::{self, Begins, Ends, Verdict};
use super::loaded::loaded;
use crate::state::omissions::TestOmissions;
use crate::zend::{Value, sys};

/// The bytes of one lane, or, while it runs, the base's.
pub(crate) struct Held(Vec<u8>);

/// A piece of memory that is exchanged, and where it lies in what is held.
struct Span {
    live: *mut u8,
    at: Range<usize>,
}

/// An extension that is exchanged.
struct Known {
    name: &'static str,
    entry: *mut sys::zend_module_entry,
    globals: Range<usize>,
    begins: Begins,
    ends: Ends,
    spans: Range<usize>,
}

/// All that is exchanged in this process.
struct Set {
    spans: Vec<Span>,
    known: Vec<Known>,
    /// What a request begins with.
    pristine: Vec<u8>,
}

/// Of this request.
static SET: AtomicPtr<Set> = AtomicPtr::new(ptr::null_mut());

/// Notes, at RINIT, what a request begins with: what is here now.
pub(crate) fn request_begins() {
    let mut set = Set {
        spans: Vec::new(),
        known: Vec::new(),
        pristine: Vec::new(),
    };
    let left_out = TestOmissions::from_environment().modules;
    for (name, found) in loaded() {
        if left_out {
            break;
        }
        let Some((name, Verdict::Exchanged(exchange))) = list::of(&name) else {
            continue;
        };
        let Some(pieces) = found.pieces(exchange.fields) else {
            continue;
        };
        if exchange.ends == Ends::AsRequest {
            // SAFETY: the list says that it touches nothing but the globals, in which nothing is held yet.
            unsafe { sys::kq_module_begin(found.entry) };
        }
        let first = set.spans.len();
        for piece in pieces {
            set.add((found.globals.start + piece.start) as *mut u8, piece.len());
        }
        if exchange.ends == Ends::Libxml {
            for (place, length) in list::LIBXML_PLACES {
                // SAFETY: functions of libxml2 that give the address of a variable.
                let place = unsafe { sys::kq_libxml_place(place.as_ptr()) };
                if !place.is_null() {
                    set.add(place.cast(), *length);
                }
            }
        }
        set.known.push(Known {
            name,
            entry: found.entry,
            globals: found.globals,
            begins: exchange.begins,
            ends: exchange.ends,
            spans: first..set.spans.len(),
        });
    }
    set.pristine = set.read();
    replace(Some(Box::new(set)));
}

/// Forgets it, at RSHUTDOWN.
pub(crate) fn request_ends() {
    replace(None);
}

/// Makes this what is exchanged, and drops what was before.
fn replace(set: Option<Box<Set>>) {
    let set = set.map_or(ptr::null_mut(), Box::into_raw);
    let before = SET.swap(set, Ordering::Relaxed);
    if !before.is_null() {
        // SAFETY: made by `request_begins` of a box; nobody looks at it where requests begin and end, on the PHP thread.
        drop(unsafe { Box::from_raw(before) });
    }
}

/// Looks at what is exchanged. None: no request is under way. The closure must not end the request.
fn with_set<R>(body: impl FnOnce(&Set) -> R) -> Option<R> {
    // SAFETY: made by `request_begins` of a box, and replaced on the PHP thread only, where requests begin and end.
    unsafe { SET.load(Ordering::Relaxed).as_ref() }.map(body)
}

impl Set {
    fn add(&mut self, live: *mut u8, length: usize) {
        let from = self.spans.last().map_or(0, |span| span.at.end);
        self.spans.push(Span {
            live,
            at: from..from + length,
        });
    }

    fn read(&self) -> Vec<u8> {
        self.spans.iter().flat_map(Span::live).copied().collect()
    }

    fn differs(&self, spans: &[Span]) -> bool {
        spans
            .iter()
            .any(|span| span.live() != &self.pristine[span.at.clone()])
    }

    fn exchange(&self, bytes: &mut [u8]) {
        for span in &self.spans {
            span.exchange(&mut bytes[span.at.clone()]);
        }
    }

    /// Returns the last field of an extension's but for one that is a setting's: its mode of reporting errors.
    fn report_mode(&self, known: &Known) -> Option<Span> {
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

    fn write(spans: &[Span], bytes: &[u8]) {
        for span in spans {
            span.write(&bytes[span.at.clone()]);
        }
    }
}

impl Span {
    /// Returns the live bytes. No code of the extension may run as long as they are looked at.
    fn live(&self) -> &[u8] {
        // SAFETY: memory of a loaded extension, which stays; only the PHP thread uses it.
        unsafe { slice::from_raw_parts(self.live, self.at.len()) }
    }

    /// Exchanges the live bytes with these, of which there are as many.
    fn exchange(&self, bytes: &mut [u8]) {
        assert_eq!(bytes.len(), self.at.len(), "a span has one length");
        // SAFETY: memory of a loaded extension, which stays; only the PHP thread uses it, and nobody refers to it here.
        unsafe { ptr::swap_nonoverlapping(self.live, bytes.as_mut_ptr(), bytes.len()) };
    }

    /// Makes these the live bytes, of which there are as many.
    fn write(&self, bytes: &[u8]) {
        assert_eq!(bytes.len(), self.at.len(), "a span has one length");
        // SAFETY: as in `exchange`.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.live, bytes.len()) };
    }
}

/// Returns what a new lane begins with: what a process has that is forked now, but without what belongs to an open connection. `like` is
/// what the lane that it helps holds; without that the live ones are taken.
pub(crate) fn inherit(like: Option<&Held>) -> Option<Box<Held>> {
    with_set(|set| {
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
    })
    .flatten()
}

impl Set {
    /// Returns the bytes of a process that is forked now.
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
                        .filter(|first| first.at.len() >= size_of::<Value>())
                    {
                        // SAFETY: the globals begin with a value; the copy of its bytes gets a count.
                        unsafe { sys::zval_add_ref(first.live.cast()) };
                        let value = first.at.start..first.at.start + size_of::<Value>();
                        mine[value.clone()].copy_from_slice(&first.live()[..value.len()]);
                    }
                }
                Begins::WithLoader => {}
            }
        }
        mine
    }
}

/// Exchanges what is held with what is live, at each switch.
pub(crate) fn exchange(held: &mut Option<Box<Held>>) {
    with_set(|set| match held {
        Some(held) => set.exchange(&mut held.0),
        None if set.differs(&set.spans) => {
            let mut mine = set.pristine.clone();
            set.exchange(&mut mine);
            *held = Some(Box::new(Held(mine)));
        }
        None => {}
    });
}

/// Puts back what the running lane began with, since it or its job has ended, and frees what is live.
pub(crate) fn end(base: Option<&Held>) {
    with_set(|set| {
        for known in &set.known {
            set.end(known, base);
        }
    });
}

impl Set {
    /// Puts one extension back, and frees what it holds.
    fn end(&self, known: &Known, base: Option<&Held>) {
        let spans = &self.spans[known.spans.clone()];
        if !self.differs(spans) {
            return;
        }
        known.free(spans);
        Self::write(spans, &self.pristine);
        let field = match known.begins {
            Begins::AsProcess => None,
            Begins::WithReports => self.report_mode(known),
            Begins::AsRequest | Begins::WithLoader => return,
        };
        let bytes = base.map_or(&self.pristine, |base| &base.0);
        match field {
            Some(field) => Self::write(slice::from_ref(&field), bytes),
            None => Self::write(spans, bytes),
        }
    }
}

impl Known {
    fn free(&self, spans: &[Span]) {
        // What a lane holds of libxml's begins with a value that it counts.
        if self.ends == Ends::Libxml
            && let Some(first) = spans.first()
        {
            // SAFETY: as in `heir`; RSHUTDOWN leaves the value to the list of resources.
            unsafe { sys::kq_zval_drop(first.live.cast()) };
        }
        match self.ends {
            Ends::Nothing => {}
            Ends::AsRequest | Ends::Libxml => {
                // Fields of settings stay: they follow their settings.
                let globals = self.globals.start as *mut u8;
                // SAFETY: the extension's own memory.
                let before = unsafe { slice::from_raw_parts(globals, self.globals.len()) }.to_vec();
                // SAFETY: the list says that the extension may do this while others go on.
                unsafe { sys::kq_module_renew(self.entry) };
                // SAFETY: as above; the spans are written by the caller.
                unsafe { ptr::copy_nonoverlapping(before.as_ptr(), globals, before.len()) };
            }
            Ends::Malloc => {
                for span in spans {
                    for word in span.words() {
                        // SAFETY: the list says that each word is null, or comes from malloc() and is this lane's.
                        unsafe { libc::free(word as *mut c_void) };
                    }
                }
            }
            Ends::Date => {
                for word in spans.iter().flat_map(Span::words).filter(|word| *word != 0) {
                    // SAFETY: the field is a pointer to what the last parser found.
                    unsafe { sys::kq_date_errors_free(word as *mut c_void) };
                }
            }
        }
    }
}

impl Span {
    fn words(&self) -> impl Iterator<Item = usize> {
        self.live().chunks_exact(size_of::<usize>()).map(|word| {
            usize::from_ne_bytes(word.try_into().expect("a chunk is as long as a word"))
        })
    }
}

/// Returns whether each lane has this extension's state for itself.
pub(crate) fn is_exchanged(name: &str) -> bool {
    with_set(|set| set.known.iter().any(|known| known.name == name)).unwrap_or_default()
}
