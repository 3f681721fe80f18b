//! The ends of the sockets between processes: the control socket of runner and master (packets, descriptors), and the
//! child's end of its socket (a stream of frames).
//!
//! Invariant: neither end of the control socket ever blocks. What does not fit the socket waits in order.
//! Invariant: sockets are close-on-exec, and writing to a closed one is an error, never a SIGPIPE.
#![expect(
    unsafe_code,
    reason = "waiting for the zygote, and shutting down a socket by number"
)]

use crate::error::EngineError;
use crate::limits;
use kqueue_core::wire::{Control, Decoder, FatalKind, Frame, MAX_CONTROL, MAX_FRAME, Run};
use nix::cmsg_space;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, Shutdown, SockFlag, SockType,
    recv, recvmsg, send, sendmsg, shutdown, socketpair,
};
use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

/// What a nonblocking read of the control socket gave.
#[derive(Debug)]
pub enum Packet {
    /// A message, and the descriptor that came with it.
    Message(Control, Option<OwnedFd>),
    /// Nothing now.
    WouldBlock,
    /// The other end is gone.
    Closed,
}

/// One end of a control socket.
#[derive(Debug)]
pub(crate) struct ControlSocket {
    socket: OwnedFd,
    out: VecDeque<(Vec<u8>, Option<OwnedFd>)>,
}

impl ControlSocket {
    /// Both ends.
    pub(crate) fn pair() -> Result<(ControlSocket, ControlSocket), EngineError> {
        let (one, other) = pair(SockType::SeqPacket)?;
        Ok((ControlSocket::new(one), ControlSocket::new(other)))
    }

    fn new(socket: OwnedFd) -> ControlSocket {
        ControlSocket {
            socket,
            out: VecDeque::new(),
        }
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Sends, or keeps for later. False if it is kept.
    pub(crate) fn send(&mut self, message: &Control, passed: Option<OwnedFd>) -> bool {
        self.out.push_back((message.encode(), passed));
        self.flush()
    }

    /// Sends what is kept. False if some is left.
    pub(crate) fn flush(&mut self) -> bool {
        while let Some((bytes, passed)) = self.out.front() {
            let numbers = passed.as_ref().map(|socket| [socket.as_raw_fd()]);
            let rights = numbers.as_ref().map(|n| ControlMessage::ScmRights(n));
            let sent = sendmsg::<()>(
                self.socket.as_raw_fd(),
                &[IoSlice::new(bytes)],
                rights.as_slice(),
                MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL,
                None,
            );
            match sent {
                Err(Errno::EINTR) => {}
                // ETOOMANYREFS: too many descriptors in flight; the other end is behind.
                Err(Errno::EAGAIN | Errno::ENOBUFS | Errno::ENOMEM | Errno::ETOOMANYREFS) => {
                    return false;
                }
                // Sent, or the other end is gone: reading will tell.
                Ok(_) | Err(_) => {
                    self.out.pop_front();
                }
            }
        }
        true
    }

    /// Whether something is kept: the owner must call [`ControlSocket::flush`] when the socket is writable.
    pub(crate) fn is_pending(&self) -> bool {
        !self.out.is_empty()
    }

    pub(crate) fn receive(&mut self) -> Result<Packet, EngineError> {
        let mut buffer = [0u8; MAX_CONTROL];
        let (length, passed) = loop {
            let mut space = cmsg_space!([RawFd; 1]);
            let mut parts = [IoSliceMut::new(&mut buffer)];
            // A descriptor that finds no number is lost with its message.
            let lifted = limits::use_reserve(true);
            let received = recvmsg::<()>(
                self.socket.as_raw_fd(),
                &mut parts,
                Some(&mut space),
                MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC,
            );
            limits::use_reserve(lifted);
            match received {
                Ok(message) => break (message.bytes, passed_with(&message)),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(Packet::WouldBlock),
                Err(Errno::ECONNRESET) => return Ok(Packet::Closed),
                Err(errno) => {
                    return Err(EngineError::System {
                        doing: "read the control socket",
                        source: errno.into(),
                    });
                }
            }
        };
        if length == 0 {
            return Ok(Packet::Closed);
        }
        Ok(Packet::Message(Control::decode(&buffer[..length])?, passed))
    }
}

/// The descriptor in a message. If this process has no room for one more, the kernel drops it, and there is none.
fn passed_with(message: &nix::sys::socket::RecvMsg<'_, '_, ()>) -> Option<OwnedFd> {
    let mut owned = message
        .cmsgs()
        .into_iter()
        .flatten()
        .flat_map(|part| match part {
            ControlMessageOwned::ScmRights(numbers) => numbers,
            _ => Vec::new(),
        })
        // SAFETY: the kernel has just put these descriptors into our table; nobody else knows their numbers.
        .map(|number| unsafe { OwnedFd::from_raw_fd(number) })
        .collect::<Vec<_>>();
    owned.pop()
}

/// The runner's end of the control socket. Standalone, it also owns the zygote: dropping it ends and reaps it.
#[derive(Debug)]
pub struct MasterLink {
    packets: ControlSocket,
    zygote: Option<Zygote>,
}

#[derive(Debug)]
struct Zygote {
    pid: i32,
    /// A process forked from the runner by a job must not end the zygote.
    owner: u32,
    patience: Duration,
}

impl MasterLink {
    pub(crate) fn new(packets: ControlSocket) -> MasterLink {
        MasterLink {
            packets,
            zygote: None,
        }
    }

    /// A link over a socket of packets whose other end is the caller's: for whoever plays the master.
    pub fn over(socket: OwnedFd) -> MasterLink {
        MasterLink::new(ControlSocket::new(socket))
    }

    pub(crate) fn with_zygote(packets: ControlSocket, pid: i32, patience: Duration) -> MasterLink {
        let zygote = Zygote {
            pid,
            owner: std::process::id(),
            patience,
        };
        MasterLink {
            packets,
            zygote: Some(zygote),
        }
    }

    /// Readable when the master says something.
    pub fn fd(&self) -> RawFd {
        self.packets.fd()
    }

    /// The zygote's process, standalone.
    pub fn zygote(&self) -> Option<i32> {
        self.zygote.as_ref().map(|zygote| zygote.pid)
    }

    /// Sends, or keeps for later if the socket is full. False if it is kept.
    pub fn send(&mut self, message: &Control) -> bool {
        self.packets.send(message, None)
    }

    /// Sends what is kept. False if some is left.
    pub fn flush(&mut self) -> bool {
        self.packets.flush()
    }

    /// Whether something is kept: call [`MasterLink::flush`] when the socket is writable.
    pub fn is_pending(&self) -> bool {
        self.packets.is_pending()
    }

    /// What the master says. Does not block.
    pub fn receive(&mut self) -> Result<Packet, EngineError> {
        self.packets.receive()
    }
}

impl Drop for MasterLink {
    fn drop(&mut self) {
        let Some(zygote) = &self.zygote else { return };
        if zygote.owner != std::process::id() {
            return;
        }
        // Closing alone is not enough: a process that a job forked may hold a copy.
        let _ = shutdown(self.packets.fd(), Shutdown::Both);
        let until = Instant::now() + zygote.patience;
        while !reaped(zygote.pid) {
            if Instant::now() >= until {
                // Its children die with it.
                // SAFETY: plain call; the pid is our child's, which is not reaped yet.
                unsafe { libc::kill(zygote.pid, libc::SIGKILL) };
                // SAFETY: plain call; no status wanted.
                unsafe { libc::waitpid(zygote.pid, std::ptr::null_mut(), 0) };
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Whether the process is gone. User code may have reaped it (`pcntl_wait`): that counts.
fn reaped(pid: i32) -> bool {
    // SAFETY: plain call; no status wanted.
    unsafe { libc::waitpid(pid, std::ptr::null_mut(), libc::WNOHANG) != 0 }
}

/// The child's end of its socket. Every call blocks; a child has nothing else to do.
#[derive(Debug)]
pub struct ChildLink {
    socket: OwnedFd,
    decoder: Decoder,
    max_frame: usize,
}

impl ChildLink {
    pub(crate) fn new(socket: OwnedFd) -> ChildLink {
        ChildLink {
            socket,
            decoder: Decoder::default(),
            max_frame: MAX_FRAME,
        }
    }

    /// The next job; none when it is time to leave, or if none came for as long as `patience`. The runner learns that the job has begun.
    pub fn receive(&mut self, patience: Option<Duration>) -> Option<Run> {
        if patience.is_some_and(|patience| !self.is_readable(patience)) {
            return None;
        }
        match self.read() {
            Ok(Some(Frame::Run(run))) => self.write(&Frame::Started).ok().map(|()| run),
            Ok(None) => None,
            Ok(Some(other)) => {
                tracing::error!(?other, "the runner sent no job; the child leaves");
                None
            }
            Err(error) => {
                tracing::error!(%error, "cannot read from the runner; the child leaves");
                None
            }
        }
    }

    /// Asks the lane that owns the job, and waits for the answer.
    pub fn ask(&mut self, question: &[u8]) -> io::Result<Vec<u8>> {
        self.write(&Frame::Ask(question.to_vec()))?;
        match self.read()? {
            Some(Frame::Answer(answer)) => Ok(answer),
            Some(_) => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the runner sent something that is no answer",
            )),
            None => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the runner is gone; nobody can answer",
            )),
        }
    }

    /// The handler has returned this.
    pub fn done(&mut self, result: &[u8]) -> io::Result<()> {
        self.write(&Frame::Done(result.to_vec()))
    }

    /// Before [`ChildLink::done`]: the process ends after this job, and takes no other.
    pub fn spent(&mut self) -> io::Result<()> {
        self.write(&Frame::Spent)
    }

    /// The job called `exit()`. The process must end now.
    pub fn exited(&mut self) -> io::Result<()> {
        self.write(&Frame::Exited)
    }

    /// A fatal error. The process must end now.
    pub fn fatal(&mut self, kind: FatalKind, message: &str) -> io::Result<()> {
        self.write(&Frame::Fatal {
            kind,
            message: kqueue_core::wire::cut(message, 64 << 10).to_owned(),
        })
    }

    /// The socket, so that the process can tell it from descriptors of its own.
    pub fn fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// Waits until there is something to read, the other end's departure included.
    fn is_readable(&self, patience: Duration) -> bool {
        let until = Instant::now().checked_add(patience);
        loop {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            let timeout = left.map_or(PollTimeout::MAX, |left| {
                PollTimeout::try_from(left.as_millis().saturating_add(1))
                    .unwrap_or(PollTimeout::MAX)
            });
            let mut fds = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
            match poll(&mut fds, timeout) {
                Ok(0) if left.is_some_and(|left| left.is_zero()) => return false,
                Ok(0) | Err(Errno::EINTR) => {}
                // What cannot be waited for is read, and tells more.
                Ok(_) | Err(_) => return true,
            }
        }
    }

    fn read(&mut self) -> io::Result<Option<Frame>> {
        let mut buffer = [0u8; 16 << 10];
        loop {
            let frame = self.decoder.take().map_err(invalid)?;
            if frame.is_some() {
                return Ok(frame);
            }
            match recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Ok(0) | Err(Errno::ECONNRESET) => return Ok(None),
                Ok(length) => self.decoder.feed(&buffer[..length]),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    fn write(&mut self, frame: &Frame) -> io::Result<()> {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes, self.max_frame).map_err(invalid)?;
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            match send(self.socket.as_raw_fd(), rest, MsgFlags::MSG_NOSIGNAL) {
                Ok(length) => rest = &rest[length..],
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }
}

/// Both ends of a child's socket.
pub(crate) fn stream_pair() -> Result<(OwnedFd, OwnedFd), EngineError> {
    pair(SockType::Stream)
}

fn pair(kind: SockType) -> Result<(OwnedFd, OwnedFd), EngineError> {
    socketpair(AddressFamily::Unix, kind, None, SockFlag::SOCK_CLOEXEC).map_err(|errno| {
        EngineError::System {
            doing: "make a pair of sockets",
            source: errno.into(),
        }
    })
}

pub(crate) fn invalid(error: kqueue_core::wire::WireError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
