//! The wire format: what goes in comes out, in pieces of any size, and garbage is an error.

use kqueue_core::wire::{
    Control, Decoder, FatalKind, Frame, MAX_CONTROL, MAX_FRAME, Run, VERSION, WireError, cut,
};
use proptest::prelude::*;

fn frames() -> impl Strategy<Value = Frame> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..300);
    prop_oneof![
        (any::<u64>(), any::<u64>(), bytes()).prop_map(|(timeout_ms, memory_mb, request)| {
            Frame::Run(Run {
                timeout_ms,
                memory_mb,
                request,
            })
        }),
        bytes().prop_map(Frame::Ask),
        bytes().prop_map(Frame::Answer),
        bytes().prop_map(Frame::Done),
        Just(Frame::Started),
        Just(Frame::Spent),
        Just(Frame::Exited),
        (any::<Option<u64>>(), "\\PC{0,40}").prop_map(|(limit, message)| Frame::Fatal {
            kind: match limit {
                Some(limit_mb) => FatalKind::OutOfMemory { limit_mb },
                None => FatalKind::Error,
            },
            message,
        }),
    ]
}

fn controls() -> impl Strategy<Value = Control> {
    let number = any::<u32>;
    prop_oneof![
        number().prop_map(|ticket| Control::Spawn { ticket }),
        (number(), any::<u64>()).prop_map(|(child, in_ms)| Control::Deadline { child, in_ms }),
        number().prop_map(|child| Control::Clear { child }),
        number().prop_map(|child| Control::Kill { child }),
        number().prop_map(|child| Control::Leave { child }),
        (number(), number(), any::<i32>()).prop_map(|(ticket, child, pid)| Control::Spawned {
            ticket,
            child,
            pid
        }),
        (number(), "\\PC{0,80}")
            .prop_map(|(ticket, reason)| Control::SpawnFailed { ticket, reason }),
        (number(), any::<i32>(), any::<bool>()).prop_map(|(child, status, overdue)| {
            Control::Exited {
                child,
                status,
                overdue,
            }
        }),
        any::<i32>().prop_map(|signal| Control::Signal { signal }),
    ]
}

fn encoded(frame: &Frame) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame.encode(&mut bytes, MAX_FRAME).unwrap();
    bytes
}

proptest! {
    #[test]
    fn frames_come_out_as_they_went_in(frames in prop::collection::vec(frames(), 0..8), piece in 1usize..64) {
        let mut bytes = Vec::new();
        for frame in &frames {
            frame.encode(&mut bytes, MAX_FRAME).unwrap();
        }
        let mut decoder = Decoder::default();
        let mut out = Vec::new();
        for part in bytes.chunks(piece) {
            decoder.feed(part);
            while let Some(frame) = decoder.take().unwrap() {
                out.push(frame);
            }
        }
        prop_assert_eq!(out, frames);
        prop_assert!(decoder.is_empty());
    }

    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..400), versioned in any::<bool>(), kind in 0u8..9) {
        let mut bytes = bytes;
        if versioned && bytes.len() > 4 {
            bytes[..4].copy_from_slice(&[VERSION, kind, 0, 0]);
        }
        let mut decoder = Decoder::new(1024);
        for part in bytes.chunks(7) {
            decoder.feed(part);
            while let Ok(Some(_)) = decoder.take() {}
        }
        let _ = Control::decode(&bytes);
    }

    #[test]
    fn one_flipped_bit_is_a_frame_or_an_error(frame in frames(), at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let mut bytes = encoded(&frame);
        let index = at.index(bytes.len());
        bytes[index] ^= 1 << bit;
        let mut decoder = Decoder::default();
        decoder.feed(&bytes);
        let _ = decoder.take();
    }

    #[test]
    fn control_messages_come_out_as_they_went_in(control in controls()) {
        let packet = control.encode();
        prop_assert!(packet.len() <= MAX_CONTROL);
        prop_assert_eq!(Control::decode(&packet), Ok(control));
    }

    #[test]
    fn a_longer_or_shorter_packet_is_malformed(control in controls()) {
        // The reason of SpawnFailed is the only field of free length.
        prop_assume!(!matches!(control, Control::SpawnFailed { .. }));
        let mut packet = control.encode();
        packet.push(0);
        prop_assert!(Control::decode(&packet).is_err());
        packet.truncate(packet.len() - 2);
        prop_assert!(Control::decode(&packet).is_err());
    }
}

#[test]
fn a_frame_over_the_limit_is_refused_at_both_ends() {
    let frame = Frame::Done(vec![7; 101]);
    let mut out = vec![1, 2, 3];
    let refused = Err(WireError::TooLong {
        length: 101,
        limit: 100,
    });
    assert_eq!(frame.encode(&mut out, 100), refused);
    assert_eq!(out, [1, 2, 3], "a refused frame leaves no bytes behind");

    let mut decoder = Decoder::new(100);
    // The header alone is enough to refuse it: no payload is waited for.
    decoder.feed(&encoded(&frame)[..8]);
    assert_eq!(decoder.take().map(|_| ()), refused);
    frame.encode(&mut out, 101).unwrap();
}

#[test]
fn a_failed_decoder_stays_failed() {
    let mut decoder = Decoder::default();
    decoder.feed(b"PHP Warning:  something");
    let error = decoder.take().unwrap_err();
    assert_eq!(error, WireError::Version { got: b'P' });
    decoder.feed(&encoded(&Frame::Exited));
    assert_eq!(decoder.take(), Err(error));
}

#[test]
fn an_unknown_kind_is_an_error_at_once() {
    let mut decoder = Decoder::default();
    decoder.feed(&[VERSION, 9, 0, 0, 255, 0, 0, 0]);
    assert_eq!(decoder.take(), Err(WireError::Kind(9)));
}

#[test]
fn half_a_frame_is_not_the_end_of_a_stream() {
    let bytes = encoded(&Frame::Ask(b"delete".to_vec()));
    let mut decoder = Decoder::default();
    decoder.feed(&bytes[..bytes.len() - 1]);
    assert_eq!(decoder.take(), Ok(None));
    assert!(!decoder.is_empty());
}

#[test]
fn a_long_reason_fits_a_packet() {
    let reason = "ä".repeat(4000);
    let packet = Control::SpawnFailed { ticket: 1, reason }.encode();
    assert!(packet.len() <= MAX_CONTROL);
    let Ok(Control::SpawnFailed { reason, .. }) = Control::decode(&packet) else {
        panic!("not a SpawnFailed");
    };
    assert_eq!(reason, "ä".repeat(512));
}

#[test]
fn cut_respects_characters() {
    assert_eq!(cut("aä", 2), "a");
    assert_eq!(cut("aä", 3), "aä");
    assert_eq!(cut("ä", 1), "");
}
