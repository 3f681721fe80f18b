//! What crosses a process border: frames between a runner and its children, control messages between a runner and the
//! master. Bytes in, values out; no I/O.
//!
//! Invariant: whatever the bytes, decoding returns; it neither panics nor reserves memory that the bytes do not fill.
//! Invariant: a decoder that has failed once stays failed, since the stream has lost its frame borders.

mod fields;

use thiserror::Error;

pub use self::fields::cut;
use self::fields::{Fields, put};

/// The version of both encodings. Master, runner and children are forks of one image, so a difference means garbage.
pub const VERSION: u8 = 1;

/// The longest frame accepted unless a decoder is told otherwise: 64 MiB of payload.
pub const MAX_FRAME: usize = 64 << 20;

/// The longest control message. They travel as packets, so a receiver needs a buffer of this size and no more.
pub const MAX_CONTROL: usize = 2048;

/// Version, kind, two zero bytes, payload length.
const HEADER: usize = 8;

/// A buffer that held a frame longer than this gives its memory back.
const KEEP: usize = 1 << 20;

/// The reason of a [`Control::SpawnFailed`] is cut to this many bytes, which keeps it below [`MAX_CONTROL`].
const MAX_REASON: usize = 1024;

/// Why bytes are not a message, or a value cannot become one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WireError {
    /// The peer speaks another version, or what arrived is not a frame at all.
    #[error(
        "the frame has version {got}, expected {VERSION}: the process at the other end wrote something else"
    )]
    Version {
        /// The version byte that came.
        got: u8,
    },
    /// The kind is not one of ours.
    #[error("unknown frame kind {0}")]
    Kind(u8),
    /// The payload is longer than the limit.
    #[error(
        "a frame of {length} bytes is over the limit of {limit} bytes; pass less data, or a reference to it"
    )]
    TooLong {
        /// The payload's length, as announced or as given.
        length: usize,
        /// The limit in force.
        limit: usize,
    },
    /// The payload does not fit its kind.
    #[error("malformed {0} message")]
    Malformed(&'static str),
}

/// A job for an isolated child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Milliseconds until the master ends the child; 0 = no limit. The child needs it only to tell the job.
    pub timeout_ms: u64,
    /// PHP's `memory_limit` for this job in MB; 0 = no limit.
    pub memory_mb: u64,
    /// What the child's handler is called with.
    pub request: Vec<u8>,
}

/// What kind of fatal error ended a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FatalKind {
    /// PHP's memory limit.
    OutOfMemory {
        /// The limit in MB.
        limit_mb: u64,
    },
    /// Any other.
    Error,
}

/// One message between a runner and a child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// Runner to child: run this.
    Run(Run),
    /// Child to runner: it has taken up the job. A job whose child ends before that has not begun and costs no attempt.
    Started,
    /// Child to runner: a question for the lane that owns the job.
    Ask(Vec<u8>),
    /// Runner to child: the answer.
    Answer(Vec<u8>),
    /// Child to runner: the handler returned this.
    Done(Vec<u8>),
    /// Child to runner, before [`Frame::Done`]: what the job has left cannot be set back; the child ends and takes no other.
    Spent,
    /// Child to runner: the job called `exit()`; the child is about to end.
    Exited,
    /// Child to runner: a fatal error; the child is about to end.
    Fatal {
        /// What kind of error.
        kind: FatalKind,
        /// PHP's message.
        message: String,
    },
}

impl Frame {
    /// Appends the encoded frame to `out`. A payload over `limit` bytes is refused and `out` stays as it was.
    pub fn encode(&self, out: &mut Vec<u8>, limit: usize) -> Result<(), WireError> {
        let length = self.payload_length();
        if length > limit || u32::try_from(length).is_err() {
            return Err(WireError::TooLong { length, limit });
        }
        out.reserve(HEADER + length);
        out.extend_from_slice(&[VERSION, self.kind(), 0, 0]);
        // Checked above.
        out.extend_from_slice(&(length as u32).to_le_bytes());
        match self {
            Frame::Run(run) => {
                out.extend_from_slice(&run.timeout_ms.to_le_bytes());
                out.extend_from_slice(&run.memory_mb.to_le_bytes());
                out.extend_from_slice(&run.request);
            }
            Frame::Ask(bytes) | Frame::Answer(bytes) | Frame::Done(bytes) => {
                out.extend_from_slice(bytes);
            }
            Frame::Started | Frame::Spent | Frame::Exited => {}
            Frame::Fatal { kind, message } => {
                let (tag, limit_mb) = match kind {
                    FatalKind::OutOfMemory { limit_mb } => (1, *limit_mb),
                    FatalKind::Error => (2, 0),
                };
                out.push(tag);
                out.extend_from_slice(&limit_mb.to_le_bytes());
                out.extend_from_slice(message.as_bytes());
            }
        }
        Ok(())
    }

    fn kind(&self) -> u8 {
        match self {
            Frame::Run(_) => 1,
            Frame::Ask(_) => 2,
            Frame::Answer(_) => 3,
            Frame::Done(_) => 4,
            Frame::Exited => 5,
            Frame::Fatal { .. } => 6,
            Frame::Started => 7,
            Frame::Spent => 8,
        }
    }

    fn payload_length(&self) -> usize {
        match self {
            Frame::Run(run) => 16 + run.request.len(),
            Frame::Ask(bytes) | Frame::Answer(bytes) | Frame::Done(bytes) => bytes.len(),
            Frame::Started | Frame::Spent | Frame::Exited => 0,
            Frame::Fatal { message, .. } => 9 + message.len(),
        }
    }

    fn decode(kind: u8, payload: &[u8]) -> Result<Frame, WireError> {
        let mut fields = Fields(payload);
        match kind {
            1 => {
                let malformed = WireError::Malformed("Run");
                Ok(Frame::Run(Run {
                    timeout_ms: fields.u64().ok_or(malformed.clone())?,
                    memory_mb: fields.u64().ok_or(malformed)?,
                    request: fields.rest().to_vec(),
                }))
            }
            2 => Ok(Frame::Ask(payload.to_vec())),
            3 => Ok(Frame::Answer(payload.to_vec())),
            4 => Ok(Frame::Done(payload.to_vec())),
            5 if payload.is_empty() => Ok(Frame::Exited),
            5 => Err(WireError::Malformed("Exited")),
            7 if payload.is_empty() => Ok(Frame::Started),
            7 => Err(WireError::Malformed("Started")),
            8 if payload.is_empty() => Ok(Frame::Spent),
            8 => Err(WireError::Malformed("Spent")),
            6 => decode_fatal(fields).ok_or(WireError::Malformed("Fatal")),
            other => Err(WireError::Kind(other)),
        }
    }
}

fn decode_fatal(mut fields: Fields<'_>) -> Option<Frame> {
    let tag = fields.u8()?;
    let limit_mb = fields.u64()?;
    let kind = match tag {
        1 => FatalKind::OutOfMemory { limit_mb },
        2 if limit_mb == 0 => FatalKind::Error,
        _ => return None,
    };
    let message = String::from_utf8(fields.rest().to_vec()).ok()?;
    Some(Frame::Fatal { kind, message })
}

/// Turns a stream of bytes, in pieces of any size, into frames.
#[derive(Debug)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// Bytes before this index belong to frames already given out.
    taken: usize,
    limit: usize,
    failed: Option<WireError>,
}

impl Decoder {
    /// A decoder that refuses payloads over `limit` bytes.
    pub fn new(limit: usize) -> Decoder {
        Decoder {
            buffer: Vec::new(),
            taken: 0,
            limit,
            failed: None,
        }
    }

    /// Adds bytes that arrived.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.failed.is_none() {
            self.compact();
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// The next whole frame, if it has arrived.
    pub fn take(&mut self) -> Result<Option<Frame>, WireError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        match self.try_take() {
            Ok(frame) => Ok(frame),
            Err(error) => {
                self.buffer = Vec::new();
                self.taken = 0;
                self.failed = Some(error.clone());
                Err(error)
            }
        }
    }

    /// Whether the stream may end here: no frame has begun.
    pub fn is_empty(&self) -> bool {
        self.taken == self.buffer.len()
    }

    fn try_take(&mut self) -> Result<Option<Frame>, WireError> {
        let waiting = &self.buffer[self.taken..];
        // Each part of the header is judged as soon as it is there, so that garbage does not wait for more garbage.
        match waiting.first() {
            None => return Ok(None),
            Some(&VERSION) => {}
            Some(&got) => return Err(WireError::Version { got }),
        }
        let Some((header, rest)) = waiting.split_at_checked(HEADER) else {
            return Ok(None);
        };
        if !(1..=8).contains(&header[1]) {
            return Err(WireError::Kind(header[1]));
        }
        if header[2] != 0 || header[3] != 0 {
            return Err(WireError::Malformed("header of a"));
        }
        let length = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
        if length > self.limit {
            return Err(WireError::TooLong {
                length,
                limit: self.limit,
            });
        }
        let Some(payload) = rest.get(..length) else {
            return Ok(None);
        };
        let frame = Frame::decode(header[1], payload)?;
        self.taken += HEADER + length;
        Ok(Some(frame))
    }

    fn compact(&mut self) {
        if self.taken == self.buffer.len() {
            self.buffer.clear();
            if self.buffer.capacity() > KEEP {
                self.buffer = Vec::new();
            }
        } else if self.taken > 0 {
            self.buffer.drain(..self.taken);
        }
        self.taken = 0;
    }
}

impl Default for Decoder {
    fn default() -> Decoder {
        Decoder::new(MAX_FRAME)
    }
}

/// One packet between a runner and the master.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    /// Runner to master: fork a child. `ticket` comes back with the answer.
    Spawn {
        /// Chosen by the runner.
        ticket: u32,
    },
    /// Runner to master: end this child in `in_ms` milliseconds (TERM, grace, KILL) unless cleared.
    Deadline {
        /// Which child.
        child: u32,
        /// Counted from the receipt of this message.
        in_ms: u64,
    },
    /// Runner to master: the deadline is off.
    Clear {
        /// Which child.
        child: u32,
    },
    /// Runner to master: end this child now (TERM, grace, KILL).
    Kill {
        /// Which child.
        child: u32,
    },
    /// Runner to master: this child was told to leave; if it has not within the grace, end it. It is not overdue then.
    Leave {
        /// Which child.
        child: u32,
    },
    /// Master to runner: the child is there. The runner's end of its socket comes with this packet.
    Spawned {
        /// From [`Control::Spawn`].
        ticket: u32,
        /// Its number from now on; never used twice in a run.
        child: u32,
        /// Its process id.
        pid: i32,
    },
    /// Master to runner: it could not be forked.
    SpawnFailed {
        /// From [`Control::Spawn`].
        ticket: u32,
        /// For the log.
        reason: String,
    },
    /// Master to runner: the child has ended and is reaped.
    Exited {
        /// Which child.
        child: u32,
        /// The raw wait status.
        status: i32,
        /// Its deadline passed while it lived.
        overdue: bool,
    },
    /// Master to runner: a stop, pause or resume signal reached the master. Runner to master: its lanes have been told of this stop
    /// signal, and now the children are to be.
    Signal {
        /// Its number.
        signal: i32,
    },
}

impl Control {
    /// The packet.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        match self {
            Control::Spawn { ticket } => put(&mut out, 1, &[&ticket.to_le_bytes()]),
            Control::Deadline { child, in_ms } => {
                put(&mut out, 2, &[&child.to_le_bytes(), &in_ms.to_le_bytes()]);
            }
            Control::Clear { child } => put(&mut out, 3, &[&child.to_le_bytes()]),
            Control::Kill { child } => put(&mut out, 4, &[&child.to_le_bytes()]),
            Control::Leave { child } => put(&mut out, 5, &[&child.to_le_bytes()]),
            Control::Spawned { ticket, child, pid } => put(
                &mut out,
                6,
                &[
                    &ticket.to_le_bytes(),
                    &child.to_le_bytes(),
                    &pid.to_le_bytes(),
                ],
            ),
            Control::SpawnFailed { ticket, reason } => put(
                &mut out,
                7,
                &[&ticket.to_le_bytes(), cut(reason, MAX_REASON).as_bytes()],
            ),
            Control::Exited {
                child,
                status,
                overdue,
            } => put(
                &mut out,
                8,
                &[
                    &child.to_le_bytes(),
                    &status.to_le_bytes(),
                    &[u8::from(*overdue)],
                ],
            ),
            Control::Signal { signal } => put(&mut out, 9, &[&signal.to_le_bytes()]),
        }
        out
    }

    /// The message in a packet.
    pub fn decode(packet: &[u8]) -> Result<Control, WireError> {
        let mut fields = Fields(packet);
        match fields.u8() {
            Some(VERSION) => {}
            Some(got) => return Err(WireError::Version { got }),
            None => return Err(WireError::Malformed("empty control")),
        }
        let kind = fields.u8().ok_or(WireError::Malformed("control"))?;
        if !(1..=9).contains(&kind) {
            return Err(WireError::Kind(kind));
        }
        decode_control(kind, fields).ok_or(WireError::Malformed("control"))
    }
}

fn decode_control(kind: u8, mut fields: Fields<'_>) -> Option<Control> {
    let number = fields.u32()?;
    let control = match kind {
        1 => Control::Spawn { ticket: number },
        2 => Control::Deadline {
            child: number,
            in_ms: fields.u64()?,
        },
        3 => Control::Clear { child: number },
        4 => Control::Kill { child: number },
        5 => Control::Leave { child: number },
        6 => Control::Spawned {
            ticket: number,
            child: fields.u32()?,
            pid: fields.u32()? as i32,
        },
        7 => Control::SpawnFailed {
            ticket: number,
            reason: String::from_utf8(fields.rest().to_vec()).ok()?,
        },
        8 => Control::Exited {
            child: number,
            status: fields.u32()? as i32,
            overdue: match fields.u8()? {
                0 => false,
                1 => true,
                _ => return None,
            },
        },
        9 => Control::Signal {
            signal: number as i32,
        },
        _ => return None,
    };
    fields.0.is_empty().then_some(control)
}
