//! The fatal errors of PHP that jobs ended with, for whoever deals with them when the runner is gone: by then PHP has torn down
//! what could tell. They lie behind all other slots, so that the pages of lanes without one are never written.

use super::Scoreboard;
use super::layout::{ChildSlot, FATAL_TEXT, FatalSlot, Header, LaneSlot};
use kqueue_core::wire::cut;
use std::sync::atomic::Ordering;

impl Scoreboard {
    /// The lane's job has met a fatal error, of which the first counts. For the runner only; at most 504 bytes are kept.
    pub fn set_fatal(&self, lane: u32, message: &str) {
        let Some(slot) = self.fatal_slot(lane) else {
            return;
        };
        if !matches!(self.job(lane), Ok(Some(_))) || slot.length.load(Ordering::Relaxed) != 0 {
            return;
        }
        let message = match message {
            "" => "without a message",
            other => cut(other, FATAL_TEXT),
        };
        for (word, chunk) in slot.text.iter().zip(message.as_bytes().chunks(8)) {
            let mut eight = [0; 8];
            eight[..chunk.len()].copy_from_slice(chunk);
            word.store(u64::from_le_bytes(eight), Ordering::Relaxed);
        }
        slot.length.store(message.len() as u64, Ordering::Release);
    }

    /// What the lane's job has met.
    pub(super) fn fatal(&self, lane: u32) -> Option<String> {
        let slot = self.fatal_slot(lane)?;
        let length = slot.length.load(Ordering::Acquire);
        if length == 0 {
            return None;
        }
        let words = slot.text.iter().map(|word| word.load(Ordering::Relaxed));
        let bytes: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
        let text = &bytes[..FATAL_TEXT.min(length as usize)];
        Some(String::from_utf8_lossy(text).into_owned())
    }

    /// A slot that was never written is only read, which costs no memory.
    pub(super) fn forget_fatal(&self, lane: u32) {
        if let Some(slot) = self.fatal_slot(lane)
            && slot.length.load(Ordering::Relaxed) != 0
        {
            slot.length.store(0, Ordering::Relaxed);
        }
    }

    fn fatal_slot(&self, lane: u32) -> Option<&FatalSlot> {
        if lane >= self.lanes {
            return None;
        }
        let offset = size_of::<Header>()
            + self.lanes as usize * size_of::<LaneSlot>()
            + self.children as usize * size_of::<ChildSlot>()
            + lane as usize * size_of::<FatalSlot>();
        // SAFETY: the offset is below the mapping's length, since `lane < self.lanes`.
        let slot = unsafe { self.base.byte_add(offset) };
        // SAFETY: as for a lane's slot.
        Some(unsafe { slot.cast::<FatalSlot>().as_ref() })
    }
}
