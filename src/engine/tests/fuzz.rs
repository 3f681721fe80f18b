//! Everything that decodes bytes, with damaged ones: a short run that always does the same. tools/fuzz runs longer, and looks for new ones.

#[path = "../../../tests/fuzz/bodies.rs"]
mod bodies;

use bodies::{BODIES, Body};

/// Xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 as usize % limit.max(1)
    }

    fn damage(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len());
        match self.below(6) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, self.below(256) as u8),
            2 => {
                let edge = [
                    0,
                    1,
                    0x7f,
                    0xff,
                    u64::from(u32::MAX),
                    i64::MAX as u64,
                    u64::MAX - 7,
                ];
                let number = edge[self.below(edge.len())].to_le_bytes();
                for (byte, new) in bytes.iter_mut().skip(at).zip(number) {
                    *byte = new;
                }
            }
            3 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
            _ if at < bytes.len() => bytes[at] = self.below(256) as u8,
            _ => {}
        }
    }
}

#[test]
fn damaged_bytes_do_no_harm() {
    for Body { name, run, seeds } in BODIES {
        let seeds = seeds();
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        for round in 0..5_000 {
            let mut bytes = seeds[random.below(seeds.len())].clone();
            for _ in 0..random.below(6) {
                random.damage(&mut bytes);
            }
            let result = std::panic::catch_unwind(|| run(&bytes));
            assert!(result.is_ok(), "{name}, round {round}: {bytes:02x?}");
        }
    }
}
