//! What is fuzzed: each takes any bytes, hands them to one decoder, and checks what it promises. Shared by libFuzzer's programs
//! (tools/fuzz) and by a short run of the engine's tests that always does the same.
#![allow(dead_code, reason = "each program uses one of these")]

use kqueue_core::wire::{Control, Decoder, FatalKind, Frame, MAX_CONTROL, Run, WireError};
use kqueue_engine::interpose::imports_of;
use kqueue_engine::scoreboard::{ChildInfo, Doing, JobInfo, Scoreboard};

/// A body, and inputs from which to begin.
pub(crate) struct Body {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&[u8]),
    pub(crate) seeds: fn() -> Vec<Vec<u8>>,
}

pub(crate) const BODIES: [Body; 4] = [FRAMES, CONTROL, OBJECT, SCOREBOARD];

pub(crate) const FRAMES: Body = Body {
    name: "frames",
    run: frames,
    seeds: frame_seeds,
};

pub(crate) const CONTROL: Body = Body {
    name: "control",
    run: control,
    seeds: control_seeds,
};

pub(crate) const OBJECT: Body = Body {
    name: "object",
    run: object,
    seeds: object_seeds,
};

pub(crate) const SCOREBOARD: Body = Body {
    name: "scoreboard",
    run: scoreboard,
    seeds: scoreboard_seeds,
};

const LIMIT: usize = 4096;

fn decoded(pieces: impl Iterator<Item = impl AsRef<[u8]>>) -> (Vec<Frame>, Option<WireError>) {
    let mut decoder = Decoder::new(LIMIT);
    let mut frames = Vec::new();
    for piece in pieces {
        decoder.feed(piece.as_ref());
        loop {
            match decoder.take() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(decoder.take(), Err(error.clone()), "failed for good");
                    return (frames, Some(error));
                }
            }
        }
    }
    (frames, None)
}

/// A stream from a child: the pieces in which it arrives make no difference, and what is decoded is all that the bytes said.
fn frames(data: &[u8]) {
    let Some((piece, bytes)) = data.split_first() else {
        return;
    };
    let result = decoded(bytes.chunks(usize::from(*piece) + 1));
    assert_eq!(result, decoded(std::iter::once(bytes)));
    let mut again = Vec::new();
    for frame in &result.0 {
        frame
            .encode(&mut again, LIMIT)
            .expect("it was as long as this");
    }
    assert!(bytes.starts_with(&again));
}

fn frame_seeds() -> Vec<Vec<u8>> {
    let frames = [
        Frame::Run(Run {
            timeout_ms: 60_000,
            memory_mb: 128,
            request: b"a request".to_vec(),
        }),
        Frame::Started,
        Frame::Ask(b"a question".to_vec()),
        Frame::Answer(b"an answer".to_vec()),
        Frame::Done(vec![]),
        Frame::Exited,
        Frame::Fatal {
            kind: FatalKind::OutOfMemory { limit_mb: 128 },
            message: "caf\u{e9}".into(),
        },
        Frame::Fatal {
            kind: FatalKind::Error,
            message: String::new(),
        },
    ];
    let mut all = vec![6];
    let mut seeds = Vec::new();
    for frame in frames {
        let mut one = vec![0];
        for bytes in [&mut one, &mut all] {
            frame.encode(bytes, LIMIT).expect("short");
        }
        seeds.push(one);
    }
    seeds.push(all);
    seeds
}

/// A packet on the control socket.
fn control(data: &[u8]) {
    let Ok(control) = Control::decode(data) else {
        return;
    };
    let packet = control.encode();
    assert!(packet.len() <= MAX_CONTROL);
    // Only a reason that is too long is cut.
    if packet.len() == data.len() {
        assert_eq!(packet, data);
    } else {
        assert!(matches!(control, Control::SpawnFailed { .. }) && packet.len() < data.len());
    }
}

fn control_seeds() -> Vec<Vec<u8>> {
    let (ticket, child) = (7, 3);
    [
        Control::Spawn { ticket },
        Control::Deadline { child, in_ms: 500 },
        Control::Clear { child },
        Control::Kill { child },
        Control::Leave { child },
        Control::Spawned {
            ticket,
            child,
            pid: 4711,
        },
        Control::SpawnFailed {
            ticket,
            reason: "no more processes".into(),
        },
        Control::Exited {
            child,
            status: 9,
            overdue: true,
        },
        Control::Signal { signal: 15 },
    ]
    .iter()
    .map(Control::encode)
    .collect()
}

/// A loaded object whose dynamic section, tables and names are these bytes: reading them ends, within them.
fn object(data: &[u8]) {
    let Some((head, bytes)) = data.split_first_chunk::<12>() else {
        return;
    };
    let word = u64::from_le_bytes([
        head[0], head[1], head[2], head[3], head[4], head[5], head[6], head[7],
    ]);
    let base = word as usize;
    let dynamic = base.wrapping_add(usize::from(u16::from_le_bytes([head[8], head[9]])));
    // The last byte: sizes that lead far out of the object.
    let size = usize::from(head[10]) << (head[11] % 57);
    let found = imports_of(bytes, base, dynamic, size);
    assert!(found <= 2 * (bytes.len() / 24 + 1));
}

fn object_seeds() -> Vec<Vec<u8>> {
    const BASE: usize = 0x10_0000;
    let (symbols, relocations, dynamic) = (0x20, 0x60, 0xc0);
    let mut bytes = vec![0_u8; 0x180];
    bytes[..6].copy_from_slice(b"\0poll\0");
    let mut put = |at: usize, words: &[usize]| {
        for (index, word) in words.iter().enumerate() {
            bytes[at + index * 8..][..8].copy_from_slice(&word.to_le_bytes());
        }
    };
    put(symbols + 24, &[1, 0, 0]);
    for (index, kind) in [7, 6, 1].into_iter().enumerate() {
        put(
            relocations + index * 24,
            &[0x10 + index * 8, 1 << 32 | kind, 0],
        );
    }
    put(
        dynamic,
        &[
            5,
            BASE,
            10,
            6,
            6,
            BASE + symbols,
            20,
            7,
            23,
            BASE + relocations,
            2,
            24,
            7,
            BASE + relocations + 24,
            8,
            48,
            0,
            0,
        ],
    );
    let mut seed = BASE.to_le_bytes().to_vec();
    seed.extend([0xc0, 0, 0xc0, 0]);
    seed.extend(&bytes);
    // Found: an address relative to a base so high that the sum is none.
    let mut high = seed.clone();
    high[..8].copy_from_slice(&(usize::MAX - 0xfff).to_le_bytes());
    vec![seed, high]
}

const LANES: u32 = 3;

/// The scoreboard of a runner that wrote anything anywhere before it died.
fn scoreboard(data: &[u8]) {
    let board = Scoreboard::new(LANES, LANES).expect("a mapping");
    for lane in 0..LANES {
        board.set_job(lane, &job());
        board.set_child(lane, &child());
    }
    let mut rest = data;
    while let Some(([low, high, length], bytes)) = rest.split_first_chunk() {
        let (part, after) = bytes.split_at(usize::from(*length).min(bytes.len()));
        board.scribble(usize::from(u16::from_le_bytes([*low, *high])), part);
        rest = after;
    }
    let torn = board.torn();
    for lost in board.in_flight() {
        assert!(lost.lane < LANES && !torn.contains(&lost.lane));
        // A byte that is no UTF-8 becomes three.
        assert!(lost.info.id.len() <= 3 * 96 && lost.info.queue.len() <= 3 * 136);
    }
    for lane in 0..=LANES {
        let _ = (board.job(lane), board.child(lane));
    }
    // A new runner finds it usable.
    board.set_job(0, &job());
    assert_eq!(board.job(0), Ok(Some(job())));
}

fn job() -> JobInfo {
    JobInfo {
        id: "an-id".into(),
        class: "App\\Jobs\\One".into(),
        connection: "redis".into(),
        queue: "default".into(),
        attempts: 1,
        started_ms: 2,
        deadline_ms: 3,
    }
}

fn child() -> ChildInfo {
    ChildInfo {
        pid: 1,
        doing: Doing::Busy,
        ticket: 2,
        jobs: 3,
        started_ms: 4,
        deadline_ms: 5,
    }
}

/// Lengths and sequence of the first lane, at about where they lie.
fn scoreboard_seeds() -> Vec<Vec<u8>> {
    vec![
        vec![
            192, 0, 4, 1, 0, 0, 0, 224, 0, 8, 255, 255, 255, 255, 255, 255, 255, 255,
        ],
        vec![0, 0, 8, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 4, 255, 255, 0, 0],
    ]
}
