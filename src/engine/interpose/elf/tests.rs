//! Reading objects that were made by hand, and damaged ones.
use super::{Import, Memory, imports, relocation};

const BASE: usize = 0x10_0000;
const STRINGS: usize = 0x100;
const SYMBOLS: usize = 0x200;
const JUMP: usize = 0x300;
const DATA: usize = 0x400;
const DYNAMIC: usize = 0x500;
const SIZE: usize = 0x600;

/// One segment of bytes.
#[derive(Clone)]
struct Image(Vec<u8>);

impl Memory for Image {
    fn read<const N: usize>(&self, address: usize) -> Option<[u8; N]> {
        let start = address.checked_sub(BASE)?;
        self.0.get(start..start.checked_add(N)?)?.try_into().ok()
    }
}

impl Image {
    fn put(&mut self, at: usize, words: &[usize]) {
        for (index, word) in words.iter().enumerate() {
            self.0[at + index * 8..][..8].copy_from_slice(&word.to_ne_bytes());
        }
    }

    fn imports(&self) -> Vec<(usize, bool, String)> {
        let mut found = Vec::new();
        imports(
            self,
            BASE,
            BASE + DYNAMIC,
            SIZE - DYNAMIC,
            &mut |Import { slot, lazy, name }| {
                found.push((
                    slot - BASE,
                    lazy,
                    String::from_utf8_lossy(name.as_bytes()).into_owned(),
                ));
            },
        );
        found
    }
}

/// An object that imports `poll` (symbol 1) and a long name (3), and has `send` (2) of its own.
fn object(relocations: &[(usize, [usize; 3])]) -> Image {
    let mut image = Image(vec![0; SIZE]);
    image.0[STRINGS..][..51]
        .copy_from_slice(b"\0poll\0send\0a_name_that_is_longer_than_any_of_ours\0\0");
    image.put(SYMBOLS + 24, &[1, 0, 0]);
    image.put(SYMBOLS + 48, &[6 | 5 << 48, 0x40, 8]);
    image.put(SYMBOLS + 72, &[11, 0, 0]);
    for (at, relocation) in relocations {
        image.put(*at, relocation);
    }
    image.put(
        DYNAMIC,
        &[
            5,
            BASE + STRINGS,
            10,
            51,
            6,
            BASE + SYMBOLS,
            20,
            7,
            23,
            BASE + JUMP,
            2,
            48,
            7,
            BASE + DATA,
            8,
            72,
            0,
            0,
        ],
    );
    image
}

fn info(symbol: usize, kind: usize) -> usize {
    symbol << 32 | kind
}

fn usual() -> Image {
    object(&[
        (JUMP, [0x10, info(1, relocation::JUMP_SLOT), 0]),
        (JUMP + 24, [0x18, info(3, relocation::JUMP_SLOT), 0]),
        (DATA, [0x20, info(1, relocation::GLOB_DAT), 0]),
        (DATA + 24, [0x28, info(1, relocation::ABSOLUTE), 0]),
        (DATA + 48, [0x30, info(1, relocation::ABSOLUTE), 0]),
    ])
}

fn poll(slot: usize, lazy: bool) -> (usize, bool, String) {
    (slot, lazy, "poll".into())
}

#[test]
fn all_kinds_of_slots_are_found() {
    let long = (0x18, true, "a_name_that_is_longer_th".into());
    assert_eq!(
        usual().imports(),
        [
            poll(0x10, true),
            long,
            poll(0x20, false),
            poll(0x28, false),
            poll(0x30, false)
        ]
    );
}

#[test]
fn relative_addresses_are_understood() {
    let mut image = usual();
    let absolute = image.imports();
    image.put(
        DYNAMIC,
        &[
            5, STRINGS, 10, 51, 6, SYMBOLS, 20, 7, 23, JUMP, 2, 48, 7, DATA, 8, 72, 0, 0,
        ],
    );
    assert_eq!(image.imports(), absolute);
}

#[test]
fn what_is_no_import_is_passed_over() {
    let image = object(&[
        (JUMP, [0x10, info(2, relocation::JUMP_SLOT), 0]),
        (JUMP + 24, [0x18, info(0, relocation::JUMP_SLOT), 0]),
        (DATA, [0x20, info(1, relocation::ABSOLUTE), 8]),
        (DATA + 24, [0x24 + 1, info(1, relocation::GLOB_DAT), 0]),
        (DATA + 48, [0x30, info(1, 8), 0]),
    ]);
    assert_eq!(image.imports(), []);
}

#[test]
fn tables_that_are_missing_or_of_another_kind_are_none() {
    let mut image = usual();
    image.put(DYNAMIC + 6 * 8, &[20, 17]);
    assert_eq!(image.imports().len(), 3, "no addends in the jump table");
    image.put(DYNAMIC, &[0, 0]);
    assert_eq!(image.imports(), [], "ends at once");
}

#[test]
fn numbers_that_lead_out_of_the_object_are_refused() {
    let far = usize::MAX - 7;
    for (at, word) in [
        (DYNAMIC + 8, far),          // strings
        (DYNAMIC + 5 * 8, far),      // symbols
        (SYMBOLS + 24, 0xffff_ffff), // a name
        (JUMP + 8, info(0xffff_ffff, relocation::JUMP_SLOT)),
    ] {
        let mut image = usual();
        image.put(at, &[word]);
        assert!(image.imports().len() < 5, "{at:#x}");
    }
    let mut image = usual();
    image.put(DYNAMIC + 11 * 8, &[usize::MAX]);
    assert!(
        image.imports().len() >= 5,
        "a table that is too long is read as far as it goes"
    );
}

/// Whatever the bytes are, reading ends, without a panic.
#[test]
fn damaged_objects_do_no_harm() {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed as usize
    };
    let mut different = 0;
    for _ in 0..20_000 {
        let mut image = usual();
        for _ in 0..1 + random() % 8 {
            let at = STRINGS + random() % (SIZE - STRINGS);
            image.0[at] = random() as u8;
        }
        image.0.truncate(SIZE - random() % 3 * (random() % 0x200));
        different += usize::from(image.imports() != usual().imports());
    }
    assert!(
        different > 1000,
        "{different} of the images were damaged in a place that matters"
    );
}
