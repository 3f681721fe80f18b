//! The walk over loaded objects, and the only writer of their slots.
//!
//! Invariant: a slot is written while the dynamic linker's lock is held (inside `dl_iterate_phdr`), so its object cannot be unloaded.
//! Invariant: a slot is written only if it leads to libc or to the lazy binder. If another function took libc's place for everyone
//! (a preloaded profiler), our own object reaches it too, so hooks call it as the real one.
//!
//! Left out: our own object, known by address, as files are renamed; libc and the dynamic linker; name-service modules and libresolv, whose callers inside
//! libc may hold its locks.
#![expect(unsafe_code, reason = "other objects' memory is reached by address")]

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use libc::dl_phdr_info;

use super::elf::{self, Import, Memory};
use super::{Hook, InterposeError, Report};

/// An interposed function: its name, the hook, and what everyone calls without us.
pub(super) struct Target {
    name: &'static str,
    hook: usize,
    real: usize,
}

/// The targets of `hooks`, sorted by name.
pub(super) fn targets<'a>(
    hooks: impl Iterator<Item = &'a Hook>,
) -> Result<Vec<Target>, InterposeError> {
    if cfg!(not(all(
        target_os = "linux",
        target_env = "gnu",
        any(target_arch = "x86_64", target_arch = "aarch64")
    ))) {
        return Err(InterposeError::Unsupported);
    }
    let mut targets = Vec::new();
    for Hook { name, hook } in hooks.copied() {
        // A name that this libc does not have yet is imported by nobody.
        let Some(real) = address_of(name) else {
            continue;
        };
        targets.push(Target {
            name,
            hook: hook as usize,
            real,
        });
    }
    targets.sort_unstable_by_key(|target| target.name);
    Ok(targets)
}

/// What the name means to everyone: libc's function, or what was preloaded in its place.
pub(super) fn address_of(name: &str) -> Option<usize> {
    let mut symbol = [0_u8; 32];
    symbol
        .get_mut(..name.len())?
        .copy_from_slice(name.as_bytes());
    if *symbol.last()? != 0 {
        return None;
    }
    // SAFETY: `symbol` ends in NUL.
    let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, symbol.as_ptr().cast::<c_char>()) };
    (!address.is_null()).then_some(address as usize)
}

/// One object, as the dynamic linker describes it.
struct Object<'a> {
    info: &'a dl_phdr_info,
    headers: &'a [libc::Elf64_Phdr],
}

impl<'a> Object<'a> {
    /// # Safety
    /// `info` comes from `dl_iterate_phdr`, which is still running.
    unsafe fn of(info: &'a dl_phdr_info) -> Self {
        let headers = if info.dlpi_phdr.is_null() {
            &[]
        } else {
            // SAFETY: the linker's own table, says the caller.
            unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) }
        };
        Self { info, headers }
    }

    fn base(&self) -> usize {
        self.info.dlpi_addr as usize
    }

    fn name(&self) -> String {
        if self.info.dlpi_name.is_null() {
            return String::new();
        }
        // SAFETY: the linker's own C string.
        let name = unsafe { CStr::from_ptr(self.info.dlpi_name) }.to_string_lossy();
        if name.is_empty() {
            "the executable".into()
        } else {
            name.into_owned()
        }
    }

    fn ranges(&self, kind: u32, flags: u32) -> impl Iterator<Item = Range<usize>> {
        let base = self.base();
        self.headers
            .iter()
            .filter(move |header| header.p_type == kind && header.p_flags & flags == flags)
            .map(move |header| {
                let start = base.wrapping_add(header.p_vaddr as usize);
                start..start.saturating_add(header.p_memsz as usize)
            })
    }

    fn contains(&self, address: usize) -> bool {
        self.ranges(libc::PT_LOAD, 0)
            .any(|segment| segment.contains(&address))
    }

    /// Pages that the linker has made read-only after filling the slots in them. It rounds both ends down.
    fn protected(&self, page: usize) -> Range<usize> {
        let down = |address: usize| address & !(page - 1);
        self.ranges(libc::PT_GNU_RELRO, 0)
            .next()
            .map_or(0..0, |range| down(range.start)..down(range.end))
    }

    fn is_writable(&self, address: usize, page: usize) -> bool {
        self.protected(page).contains(&address)
            || self
                .ranges(libc::PT_LOAD, libc::PF_W)
                .any(|segment| segment.contains(&address))
    }

    fn is_left_out(&self, known: &Known) -> bool {
        if known
            .addresses
            .iter()
            .any(|address| self.contains(*address))
        {
            return true;
        }
        let name = self.name();
        let file = name.rsplit('/').next().unwrap_or_default();
        const LEFT_OUT: [&str; 7] = [
            "libc.so",
            "libc-2.",
            "ld-",
            "linux-vdso",
            "libpthread",
            "libnss_",
            "libresolv",
        ];
        LEFT_OUT.iter().any(|start| file.starts_with(start))
    }
}

impl Memory for Object<'_> {
    fn read<const N: usize>(&self, address: usize) -> Option<[u8; N]> {
        let end = address.checked_add(N)?;
        let inside = |segment: Range<usize>| segment.start <= address && end <= segment.end;
        if !self.ranges(libc::PT_LOAD, libc::PF_R).any(inside) {
            return None;
        }
        let mut bytes = [0; N];
        // SAFETY: inside a readable segment of an object that stays loaded while its description is borrowed. Raw copy: others may
        // write there meanwhile.
        unsafe { std::ptr::copy_nonoverlapping(address as *const u8, bytes.as_mut_ptr(), N) };
        Some(bytes)
    }
}

/// Addresses by which objects are recognised.
struct Known {
    /// Ours, libc's, the dynamic linker's.
    addresses: [usize; 3],
    page: usize,
}

impl Known {
    fn new() -> Self {
        // SAFETY: takes a number.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        Self {
            addresses: [
                loads as *const () as usize,
                address_of("gnu_get_libc_version").unwrap_or_default(),
                address_of("__tls_get_addr").unwrap_or_default(),
            ],
            page: usize::try_from(page).unwrap_or(4096),
        }
    }
}

/// Calls `see` for each loaded object until it returns false.
fn each_object<F: FnMut(&Object<'_>) -> bool>(mut see: F) {
    // SAFETY: `visit` gets `see` back, as the type it is, and only until this returns.
    unsafe { libc::dl_iterate_phdr(Some(visit::<F>), (&raw mut see).cast()) };
}

unsafe extern "C" fn visit<F: FnMut(&Object<'_>) -> bool>(
    info: *mut dl_phdr_info,
    _: usize,
    see: *mut c_void,
) -> c_int {
    // SAFETY: `each_object` passes its closure.
    let see = unsafe { &mut *see.cast::<F>() };
    // SAFETY: the linker's description, valid during this call.
    let object = unsafe { Object::of(&*info) };
    c_int::from(!see(&object))
}

/// How many objects have ever been loaded.
pub(super) fn loads() -> u64 {
    let mut loads = 0;
    each_object(|object| {
        loads = object.info.dlpi_adds;
        false
    });
    loads
}

/// Points all slots of `targets` at their hooks. `slots` becomes the list of them, with the values they had before.
pub(super) fn patch(
    targets: &[Target],
    slots: &mut BTreeMap<usize, usize>,
) -> Result<Report, InterposeError> {
    let known = Known::new();
    let libc = ranges_of_libc(&known);
    let leads_to_libc = |value: usize| libc.iter().any(|range| range.contains(&value));
    let mut now = BTreeMap::new();
    let mut reached = vec![false; targets.len()];
    let mut report = Report::default();
    let mut failure = None;
    each_object(|object| {
        if object.is_left_out(&known) {
            return true;
        }
        let mut writes = Vec::new();
        let before = now.len();
        each_slot(object, targets, known.page, |import, index, value| {
            let target = &targets[index];
            let lazy = import.lazy && object.contains(value);
            if value == target.hook {
                now.insert(
                    import.slot,
                    slots.get(&import.slot).copied().unwrap_or(target.real),
                );
            } else if value == target.real || leads_to_libc(value) || lazy {
                now.insert(import.slot, value);
                writes.push(Write {
                    slot: import.slot,
                    old: value,
                    new: target.hook,
                });
            } else {
                report.foreign += 1;
                return;
            }
            reached[index] = true;
        });
        report.objects += usize::from(now.len() > before);
        if let Err(source) = write_all(object, &writes, &known) {
            failure.get_or_insert(InterposeError::Protected {
                object: object.name(),
                source,
            });
        }
        true
    });
    report.slots = now.len();
    report.functions = targets
        .iter()
        .zip(reached)
        .filter(|(_, reached)| *reached)
        .map(|(target, _)| target.name)
        .collect();
    *slots = now;
    failure.map_or(Ok(report), Err)
}

/// Gives all slots that lead to a hook the value they had.
pub(super) fn restore(targets: &[Target], slots: &BTreeMap<usize, usize>) {
    let known = Known::new();
    each_object(|object| {
        if object.is_left_out(&known) {
            return true;
        }
        let mut writes = Vec::new();
        each_slot(object, targets, known.page, |import, index, value| {
            let target = &targets[index];
            if value == target.hook {
                let new = slots.get(&import.slot).copied().unwrap_or(target.real);
                writes.push(Write {
                    slot: import.slot,
                    old: value,
                    new,
                });
            }
        });
        if let Err(error) = write_all(object, &writes, &known) {
            // The hooks are off, so what stays is a detour.
            tracing::warn!(object = object.name(), %error, "cannot restore the slots of an object");
        }
        true
    });
}

/// Calls `see` with each writable slot of one of `targets`, the target's index, and the slot's value.
fn each_slot(
    object: &Object<'_>,
    targets: &[Target],
    page: usize,
    mut see: impl FnMut(&Import, usize, usize),
) {
    let Some(dynamic) = object.ranges(libc::PT_DYNAMIC, 0).next() else {
        return;
    };
    elf::imports(
        object,
        object.base(),
        dynamic.start,
        dynamic.len(),
        &mut |import| {
            let found = targets
                .binary_search_by(|target| target.name.as_bytes().cmp(import.name.as_bytes()));
            if let (Ok(index), Some(value)) = (found, object.word(import.slot))
                && object.is_writable(import.slot, page)
            {
                see(&import, index, value);
            }
        },
    );
}

/// Where libc's functions lie; before glibc 2.34 many are in libpthread.
fn ranges_of_libc(known: &Known) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    each_object(|object| {
        let is_libc = object.contains(known.addresses[1]);
        if is_libc || object.name().contains("/libpthread") {
            ranges.extend(object.ranges(libc::PT_LOAD, 0));
        }
        true
    });
    ranges
}

struct Write {
    slot: usize,
    old: usize,
    new: usize,
}

/// Writes slots of one object, whose protected pages are writable meanwhile.
fn write_all(object: &Object<'_>, writes: &[Write], known: &Known) -> io::Result<()> {
    let protected = object.protected(known.page);
    let unprotect = writes.iter().any(|write| protected.contains(&write.slot));
    if unprotect {
        protect(&protected, libc::PROT_READ | libc::PROT_WRITE)?;
    }
    for write in writes {
        // SAFETY: an aligned word in a writable segment of an object that stays loaded during the walk. Other threads may read it, or
        // bind it lazily, at the same time: hence atomic, and only if it is still what was seen.
        let slot = unsafe { AtomicUsize::from_ptr(write.slot as *mut usize) };
        let _ = slot.compare_exchange(write.old, write.new, Ordering::Relaxed, Ordering::Relaxed);
    }
    if unprotect {
        protect(&protected, libc::PROT_READ)?;
    }
    Ok(())
}

fn protect(pages: &Range<usize>, protection: c_int) -> io::Result<()> {
    // SAFETY: whole pages of one object's segment that the linker has protected; their contents stay.
    let failed = unsafe { libc::mprotect(pages.start as *mut c_void, pages.len(), protection) };
    if failed == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
