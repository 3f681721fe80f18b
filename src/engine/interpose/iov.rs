//! What is left of a caller's scattered buffers after a part of them has been sent or filled.
#![expect(unsafe_code, reason = "the buffers are the caller's C arrays")]

use libc::{iovec, size_t};

/// As many buffers as one further call takes; a longer rest is sent in several calls.
const MOST: usize = 16;

/// The rest of an `iovec` array, as an array of its own on the hook's frame.
pub(super) struct Rest {
    parts: [iovec; MOST],
    count: usize,
    /// Bytes in `parts`.
    pub(super) bytes: size_t,
}

impl Rest {
    /// What follows the first `done` bytes, but at most `most` bytes.
    ///
    /// # Safety
    /// `buffers` points to `count` entries.
    pub(super) unsafe fn of(
        buffers: *const iovec,
        count: usize,
        done: size_t,
        most: size_t,
    ) -> Self {
        let empty = iovec {
            iov_base: std::ptr::null_mut(),
            iov_len: 0,
        };
        let mut rest = Self {
            parts: [empty; MOST],
            count: 0,
            bytes: 0,
        };
        let mut skip = done;
        for index in 0..count {
            // SAFETY: `index` is below `count`.
            let buffer = unsafe { *buffers.add(index) };
            let skipped = skip.min(buffer.iov_len);
            skip -= skipped;
            let length = (buffer.iov_len - skipped).min(most - rest.bytes);
            if length == 0 {
                continue;
            }
            rest.parts[rest.count] = iovec {
                iov_base: buffer.iov_base.wrapping_byte_add(skipped),
                iov_len: length,
            };
            rest.count += 1;
            rest.bytes += length;
            if rest.count == MOST || rest.bytes == most {
                break;
            }
        }
        rest
    }

    pub(super) fn parts(&self) -> &[iovec] {
        &self.parts[..self.count]
    }
}

/// Bytes in all buffers.
///
/// # Safety
/// `buffers` points to `count` entries.
pub(super) unsafe fn total(buffers: *const iovec, count: usize) -> size_t {
    (0..count).fold(0, |sum: size_t, index| {
        // SAFETY: `index` is below `count`.
        sum.saturating_add(unsafe { (*buffers.add(index)).iov_len })
    })
}
