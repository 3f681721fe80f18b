//! What extensions keep in globals of their own: a decision for each that is loaded (`list`), and the exchange of those that a lane
//! must have for itself.
//!
//! In a build without threads an extension's globals are a plain piece of memory. Fields that ini settings write to are left out: they
//! follow their settings. What is left is exchanged as bytes, in place, but only for lanes in which it differs from what a request
//! begins with: others cost a comparison.
//!
//! Invariant: while a lane runs, what it holds is the base's, else its own; None is what a request begins with.
#![expect(unsafe_code, reason = "copies memory of extensions")]

mod begin;
mod list;

use std::collections::BTreeMap;
use std::ffi::{CStr, c_void};
use std::ops::Range;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::{ptr, slice};

pub(crate) use self::begin::inherit;
use self::list::{Begins, Ends, Field, Verdict};
use super::omissions::TestOmissions;
use crate::zend::sys;

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

/// What becomes of one loaded extension in lanes.
pub(crate) struct Decision {
    pub(crate) name: String,
    pub(crate) verdict: &'static str,
    pub(crate) reason: &'static str,
    /// Bytes of globals that could be found.
    pub(crate) globals: usize,
}

/// Of this request.
static SET: AtomicPtr<Set> = AtomicPtr::new(ptr::null_mut());

/// An extension's globals as they are found in the process.
struct Found {
    entry: *mut sys::zend_module_entry,
    /// Empty: there are none, or they are not known.
    globals: Range<usize>,
    /// What ini settings write to: name, offset, length.
    ini: Vec<(String, usize, usize)>,
}

extern "C" fn each_module(
    found: *mut c_void,
    entry: *mut sys::zend_module_entry,
    name: *const libc::c_char,
    globals: *mut c_void,
    size: usize,
) {
    // SAFETY: the map of `loaded`, which nothing else uses meanwhile; modules have names.
    let (found, name) = unsafe {
        (
            &mut *found.cast::<BTreeMap<String, Found>>(),
            CStr::from_ptr(name).to_string_lossy().to_lowercase(),
        )
    };
    let start = if size == 0 { 0 } else { globals as usize };
    let mut module = Found {
        entry,
        globals: start..start + size,
        ini: Vec::new(),
    };
    // SAFETY: a module of the registry; the walk changes nothing but the list.
    unsafe { sys::kq_each_ini_field(entry, Some(each_field), (&raw mut module).cast()) };
    found.insert(name, module);
}

extern "C" fn each_field(
    module: *mut c_void,
    name: *const libc::c_char,
    length: usize,
    globals: *mut c_void,
    offset: usize,
    size: usize,
) {
    // SAFETY: the module of `each_module`; names of settings have this length.
    let (module, name) = unsafe {
        (
            &mut *module.cast::<Found>(),
            slice::from_raw_parts(name.cast::<u8>(), length),
        )
    };
    let start = globals as usize;
    if module.globals.is_empty() {
        // Some extensions do not tell the engine of their globals; their settings do.
        module.globals = start..start;
    }
    if module.globals.start == start {
        let name = String::from_utf8_lossy(name).into_owned();
        module.ini.push((name, offset, size));
    }
}

/// By lower-case name.
fn loaded() -> BTreeMap<String, Found> {
    let mut found: BTreeMap<String, Found> = BTreeMap::new();
    // SAFETY: on the PHP thread; the registry does not change meanwhile.
    unsafe { sys::kq_each_module(Some(each_module), (&raw mut found).cast()) };
    found
}

impl Found {
    fn has_globals(&self) -> bool {
        self.globals.start != 0
    }

    /// The pieces that are exchanged, as offsets. None: this build of the extension is laid out in another way than the list knows.
    fn pieces(&self, fields: &[Field]) -> Option<Vec<Range<usize>>> {
        let setting = |name: &str| self.ini.iter().find(|(other, ..)| other == name);
        let size = self.globals.len();
        let mut pieces = Vec::new();
        for field in fields {
            match field {
                Field::All if size > 0 => {
                    let mut taken: Vec<_> = self
                        .ini
                        .iter()
                        .map(|(_, offset, length)| *offset..(offset + length).min(size))
                        .collect();
                    taken.sort_by_key(|range| range.start);
                    let mut from = 0;
                    for range in taken {
                        if range.start > from {
                            pieces.push(from..range.start);
                        }
                        from = from.max(range.end);
                    }
                    if size > from {
                        pieces.push(from..size);
                    }
                }
                Field::At { size: whole, at } if size == *whole => pieces.push(at.clone()),
                Field::Beside {
                    setting: name,
                    by,
                    length,
                } => {
                    let (_, offset, _) = setting(name)?;
                    let start = offset.checked_add_signed(*by)?;
                    pieces.push(start..start + length);
                }
                Field::From {
                    setting: name,
                    lies,
                    at,
                } if setting(name).is_some_and(|(_, offset, _)| offset == lies) => {
                    pieces.push(at.clone());
                }
                // Another layout's.
                Field::All | Field::At { .. } | Field::From { .. } => {}
            }
        }
        (!pieces.is_empty() && self.has_globals()).then_some(pieces)
    }
}

/// RINIT: what is here now is what a request begins with.
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
    replace(Box::into_raw(Box::new(set)));
}

/// RSHUTDOWN
pub(crate) fn request_ends() {
    replace(ptr::null_mut());
}

fn replace(set: *mut Set) {
    let before = SET.swap(set, Ordering::Relaxed);
    if !before.is_null() {
        // SAFETY: made by `request_begins`; no lane is alive where requests begin and end.
        drop(unsafe { Box::from_raw(before) });
    }
}

fn set<'a>() -> Option<&'a Set> {
    // SAFETY: replaced only where requests begin and end.
    unsafe { SET.load(Ordering::Relaxed).as_ref() }
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
            span.live_mut().swap_with_slice(&mut bytes[span.at.clone()]);
        }
    }

    fn write(spans: &[Span], bytes: &[u8]) {
        for span in spans {
            span.live_mut().copy_from_slice(&bytes[span.at.clone()]);
        }
    }
}

impl Span {
    fn live(&self) -> &[u8] {
        // SAFETY: memory of a loaded extension, which stays; only the PHP thread uses it.
        unsafe { slice::from_raw_parts(self.live, self.at.len()) }
    }

    #[expect(
        clippy::mut_from_ref,
        reason = "the memory is the extension's, not ours"
    )]
    fn live_mut(&self) -> &mut [u8] {
        // SAFETY: as above; callers hold no other reference.
        unsafe { slice::from_raw_parts_mut(self.live, self.at.len()) }
    }
}

/// At each switch: what is held becomes live, and what is live is held.
pub(crate) fn exchange(held: &mut Option<Box<Held>>) {
    let Some(set) = set() else { return };
    match held {
        Some(held) => set.exchange(&mut held.0),
        None if set.differs(&set.spans) => {
            let mut mine = set.pristine.clone();
            set.exchange(&mut mine);
            *held = Some(Box::new(Held(mine)));
        }
        None => {}
    }
}

/// The running lane, or its job, has ended: its own are as they were when it began, and what they held is freed.
pub(crate) fn end(base: Option<&Held>) {
    let Some(set) = set() else { return };
    for known in &set.known {
        let spans = &set.spans[known.spans.clone()];
        if !set.differs(spans) {
            continue;
        }
        known.free(spans);
        Set::write(spans, &set.pristine);
        let field = match known.begins {
            Begins::AsProcess => None,
            Begins::WithReports => set.report_mode(known),
            Begins::AsRequest | Begins::WithLoader => continue,
        };
        let bytes = base.map_or(&set.pristine, |base| &base.0);
        match field {
            Some(field) => Set::write(slice::from_ref(&field), bytes),
            None => Set::write(spans, bytes),
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

/// Whether each lane has this extension's state for itself.
pub(crate) fn is_exchanged(name: &str) -> bool {
    set().is_some_and(|set| set.known.iter().any(|known| known.name == name))
}

/// What becomes of each loaded extension.
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

/// A word on the extensions with globals that nobody has decided about. None: there are none.
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
            "KQueue does not know these extensions, which keep state that all lanes of a process share: {}. Let jobs that use them run \
             isolated ($isolated = true), or leave the extensions out.",
            unknown.join(", ")
        )
    })
}
