//! Which slots of a loaded object lead to functions of other objects: reading only, and every read is checked.
//!
//! Invariant: whatever the tables say, nothing outside of the [`Memory`] is touched and the walk comes to an end.

/// An object's readable memory.
pub(super) trait Memory {
    /// The bytes at `address`, if all of them can be read.
    fn read<const N: usize>(&self, address: usize) -> Option<[u8; N]>;

    fn word(&self, address: usize) -> Option<usize> {
        self.read(address).map(usize::from_ne_bytes)
    }
}

/// A slot that the dynamic linker fills with the address of a function elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Import {
    /// Address of the slot.
    pub(super) slot: usize,
    /// The linker may fill it as late as at the first call.
    pub(super) lazy: bool,
    pub(super) name: Name,
}

/// The first bytes of a symbol's name. Longer names end in no NUL, so they equal no interposed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name([u8; Self::LONGEST]);

impl Name {
    const LONGEST: usize = 24;

    pub(super) fn as_bytes(&self) -> &[u8] {
        let end = self
            .0
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(Self::LONGEST);
        &self.0[..end]
    }

    fn read(memory: &impl Memory, address: usize) -> Option<Self> {
        let mut name = [0; Self::LONGEST];
        for (offset, byte) in name.iter_mut().enumerate() {
            [*byte] = memory.read(address.checked_add(offset)?)?;
            if *byte == 0 {
                break;
            }
        }
        Some(Self(name))
    }
}

mod tag {
    pub(super) const NULL: usize = 0;
    pub(super) const PLTRELSZ: usize = 2;
    pub(super) const STRTAB: usize = 5;
    pub(super) const SYMTAB: usize = 6;
    pub(super) const RELA: usize = 7;
    pub(super) const RELASZ: usize = 8;
    pub(super) const STRSZ: usize = 10;
    pub(super) const PLTREL: usize = 20;
    pub(super) const JMPREL: usize = 23;
}

/// Relocations that put a function's address into a slot.
#[cfg(target_arch = "x86_64")]
mod relocation {
    pub(super) const JUMP_SLOT: usize = 7;
    pub(super) const GLOB_DAT: usize = 6;
    pub(super) const ABSOLUTE: usize = 1;
}
#[cfg(not(target_arch = "x86_64"))]
mod relocation {
    pub(super) const JUMP_SLOT: usize = 1026;
    pub(super) const GLOB_DAT: usize = 1025;
    pub(super) const ABSOLUTE: usize = 257;
}

const WORD: usize = 8;
const DYNAMIC_SIZE: usize = 2 * WORD;
const RELA_SIZE: usize = 3 * WORD;
const SYMBOL_SIZE: usize = 3 * WORD;

/// What the dynamic section says. Addresses are absolute; 0 is absent.
#[derive(Default)]
struct Tables {
    symbols: usize,
    strings: usize,
    strings_size: usize,
    jump: usize,
    jump_size: usize,
    jump_kind: usize,
    data: usize,
    data_size: usize,
}

impl Tables {
    fn read(memory: &impl Memory, base: usize, dynamic: usize, size: usize) -> Self {
        let mut tables = Self::default();
        // glibc has made the addresses absolute, in most objects; others leave them relative.
        let absolute = |value: usize| {
            if value < base {
                value.wrapping_add(base)
            } else {
                value
            }
        };
        for offset in (0..size).step_by(DYNAMIC_SIZE) {
            let Some(entry) = dynamic.checked_add(offset) else {
                break;
            };
            let (Some(kind), Some(value)) =
                (memory.word(entry), memory.word(entry.saturating_add(WORD)))
            else {
                break;
            };
            match kind {
                tag::NULL => break,
                tag::SYMTAB => tables.symbols = absolute(value),
                tag::STRTAB => tables.strings = absolute(value),
                tag::STRSZ => tables.strings_size = value,
                tag::JMPREL => tables.jump = absolute(value),
                tag::PLTRELSZ => tables.jump_size = value,
                tag::PLTREL => tables.jump_kind = value,
                tag::RELA => tables.data = absolute(value),
                tag::RELASZ => tables.data_size = value,
                _ => {}
            }
        }
        tables
    }

    /// The name of an undefined symbol; `None` for the object's own ones.
    fn imported(&self, memory: &impl Memory, symbol: usize) -> Option<Name> {
        let entry = self.symbols.checked_add(symbol.checked_mul(SYMBOL_SIZE)?)?;
        let [
            name0,
            name1,
            name2,
            name3,
            _info,
            _other,
            section0,
            section1,
        ] = memory.read(entry)?;
        if u16::from_ne_bytes([section0, section1]) != 0 {
            return None;
        }
        let name = u32::from_ne_bytes([name0, name1, name2, name3]) as usize;
        if name == 0 || name >= self.strings_size {
            return None;
        }
        Name::read(memory, self.strings.checked_add(name)?)
    }

    fn relocations(
        &self,
        memory: &impl Memory,
        base: usize,
        table: usize,
        size: usize,
        found: &mut impl FnMut(Import),
    ) {
        if table == 0 {
            return;
        }
        for offset in (0..size).step_by(RELA_SIZE) {
            let Some(entry) = table.checked_add(offset) else {
                return;
            };
            let Some(fields) = memory.read::<RELA_SIZE>(entry) else {
                return;
            };
            let [place, info, addend] = words(fields);
            let (symbol, kind) = (info >> 32, info & 0xffff_ffff);
            let wanted = match kind {
                relocation::JUMP_SLOT | relocation::GLOB_DAT => true,
                relocation::ABSOLUTE => addend == 0,
                _ => false,
            };
            if !wanted || symbol == 0 {
                continue;
            }
            let slot = base.wrapping_add(place);
            if let (0, Some(name)) = (slot % WORD, self.imported(memory, symbol)) {
                found(Import {
                    slot,
                    lazy: kind == relocation::JUMP_SLOT,
                    name,
                });
            }
        }
    }
}

fn words(fields: [u8; RELA_SIZE]) -> [usize; 3] {
    let mut words = [0; 3];
    for (word, bytes) in words.iter_mut().zip(fields.chunks_exact(WORD)) {
        let mut whole = [0; WORD];
        whole.copy_from_slice(bytes);
        *word = usize::from_ne_bytes(whole);
    }
    words
}

/// Calls `found` for each import of the object at `base` whose dynamic section has `size` bytes at `dynamic`.
pub(super) fn imports(
    memory: &impl Memory,
    base: usize,
    dynamic: usize,
    size: usize,
    found: &mut impl FnMut(Import),
) {
    let tables = Tables::read(memory, base, dynamic, size);
    if tables.symbols == 0 || tables.strings == 0 {
        return;
    }
    if tables.jump_kind == tag::RELA {
        tables.relocations(memory, base, tables.jump, tables.jump_size, found);
    }
    tables.relocations(memory, base, tables.data, tables.data_size, found);
}

/// For fuzzing: how many imports an object of these bytes has, loaded at `base`.
#[doc(hidden)]
pub fn imports_of(bytes: &[u8], base: usize, dynamic: usize, size: usize) -> usize {
    struct Bytes<'a>(&'a [u8], usize);

    impl Memory for Bytes<'_> {
        fn read<const N: usize>(&self, address: usize) -> Option<[u8; N]> {
            let start = address.checked_sub(self.1)?;
            self.0.get(start..start.checked_add(N)?)?.try_into().ok()
        }
    }

    let mut count = 0;
    imports(&Bytes(bytes, base), base, dynamic, size, &mut |_| {
        count += 1
    });
    count
}

#[cfg(test)]
mod tests;
