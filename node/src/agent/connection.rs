//! Frames over a Unix socket, with descriptors beside them.

use std::{
    io::{self, IoSlice, IoSliceMut, Write},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    time::Duration,
};

use protocol::{cbor, limits::CHUNK_BYTES_MAX};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
        SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
    },
};
use serde::{Serialize, de::DeserializeOwned};

/// The largest head: the entries of one segment, or a report with all its lists.
pub(super) const HEAD_BYTES_MAX: usize = 16 << 20;
/// The largest payload.
pub(super) const PAYLOAD_BYTES_MAX: usize = CHUNK_BYTES_MAX;

const PREFIX_BYTES: usize = 8;

/// One side of a connection.
pub(super) struct Connection {
    stream: UnixStream,
    /// The last descriptor that came; at most one is kept.
    descriptor: Option<OwnedFd>,
}

impl Connection {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self { stream, descriptor: None }
    }

    /// The same connection, for another thread: one may send while the other receives.
    pub(super) fn try_clone(&self) -> io::Result<Self> {
        self.stream.try_clone().map(Self::new)
    }

    /// Waits so long for something to receive; the end of the connection is something.
    pub(super) fn wait(&self, patience: Duration) -> io::Result<bool> {
        let nanos = i64::from(patience.subsec_nanos());
        let seconds = i64::try_from(patience.as_secs()).unwrap_or(i64::MAX);
        self.has(PollFlags::IN | PollFlags::RDHUP, Timespec { tv_sec: seconds, tv_nsec: nanos })
    }

    /// Whether the other side sends no more, seen even before all that it sent is received.
    pub(super) fn has_hung_up(&self) -> bool {
        // What cannot even be asked is gone.
        self.has(PollFlags::RDHUP, Timespec::default()).unwrap_or(true)
    }

    fn has(&self, events: PollFlags, patience: Timespec) -> io::Result<bool> {
        let mut fds = [PollFd::new(&self.stream, events)];
        match poll(&mut fds, Some(&patience)) {
            Ok(ready) => Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn stream(&self) -> &UnixStream {
        &self.stream
    }

    /// The descriptor that came with the last frame.
    pub(super) fn take_descriptor(&mut self) -> Option<OwnedFd> {
        self.descriptor.take()
    }

    pub(super) fn send(&mut self, head: &impl Serialize, payload: &[u8]) -> io::Result<()> {
        let front = front(head, payload)?;
        self.stream.write_all(&front)?;
        self.stream.write_all(payload)
    }

    /// The descriptor travels with the first byte.
    pub(super) fn send_with(
        &mut self,
        head: &impl Serialize,
        descriptor: BorrowedFd<'_>,
    ) -> io::Result<()> {
        let front = front(head, &[])?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let descriptors = [descriptor];
        control.push(SendAncillaryMessage::ScmRights(&descriptors));
        let sent =
            sendmsg(&self.stream, &[IoSlice::new(&front)], &mut control, SendFlags::NOSIGNAL)?;
        self.stream.write_all(&front[sent..])
    }

    /// The next frame; its head has at most `head_bytes_max`.
    pub(super) fn receive<T: DeserializeOwned>(
        &mut self,
        head_bytes_max: usize,
    ) -> io::Result<(T, Vec<u8>)> {
        let mut prefix = [0; PREFIX_BYTES];
        self.read_exact(&mut prefix)?;
        let number = |at: usize| {
            let bytes = [prefix[at], prefix[at + 1], prefix[at + 2], prefix[at + 3]];
            usize::try_from(u32::from_be_bytes(bytes)).unwrap_or(usize::MAX)
        };
        let (head_bytes, payload_bytes) = (number(0), number(4));
        if head_bytes > head_bytes_max || payload_bytes > PAYLOAD_BYTES_MAX {
            return Err(invalid("a frame is larger than it may be"));
        }
        let mut head = vec![0; head_bytes];
        self.read_exact(&mut head)?;
        let mut payload = vec![0; payload_bytes];
        self.read_exact(&mut payload)?;
        Ok((cbor::decode("a frame", &head, head_bytes_max).map_err(invalid)?, payload))
    }

    fn read_exact(&mut self, mut bytes: &mut [u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.read_some(bytes) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => bytes = &mut bytes[read..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn read_some(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut into = [IoSliceMut::new(bytes)];
        let flags = RecvFlags::CMSG_CLOEXEC;
        let received = recvmsg(self.stream.as_fd(), &mut into, &mut control, flags)?;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                self.descriptor = descriptors.last();
            }
        }
        Ok(received.bytes)
    }
}

fn front(head: &impl Serialize, payload: &[u8]) -> io::Result<Vec<u8>> {
    let head = cbor::encode(head);
    if head.len() > HEAD_BYTES_MAX || payload.len() > PAYLOAD_BYTES_MAX {
        return Err(invalid("a frame is larger than it may be"));
    }
    let mut front = Vec::with_capacity(PREFIX_BYTES + head.len());
    for bytes in [head.len(), payload.len()] {
        front.extend(u32::try_from(bytes).map_err(invalid)?.to_be_bytes());
    }
    front.extend(head);
    Ok(front)
}

pub(super) fn invalid(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
