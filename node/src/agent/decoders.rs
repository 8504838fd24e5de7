//! Doors to what crosses the agent's socket, see [`crate::decoders`].

use std::{io, io::Write as _, net::Shutdown, os::unix::net::UnixStream};

use protocol::cbor::{self, CborError};
use serde::de::DeserializeOwned;

use super::{
    connection::{Connection, HEAD_BYTES_MAX},
    wire::{self, Opening, Reply, Request, Source, Turn},
};
use crate::source::SegmentKind;

/// What a socket takes before anybody reads from it, bytes.
const AT_ONCE_BYTES: usize = 64 << 10;

fn read<T: DeserializeOwned>(head: &[u8]) -> Result<T, CborError> {
    cbor::decode("a frame", head, HEAD_BYTES_MAX)
}

/// The head of an opening, made into plain values where it has some, and written again.
///
/// # Errors
/// When it is none.
pub fn agent_opening(head: &[u8]) -> Result<Vec<u8>, CborError> {
    let Opening { version, request } = read(head)?;
    let plain = |source: Source| {
        let again = cbor::encode(&source);
        source.spec().map_or_else(|| read(&again), |spec| Ok(Source::from(&spec)))
    };
    let request = match request {
        Request::Measure(source) => Request::Measure(plain(source)?),
        Request::Read(source) => Request::Read(plain(source)?),
        other => other,
    };
    Ok(cbor::encode(&Opening { version, request }))
}

/// The head of a turn, written again.
///
/// # Errors
/// When it is none.
pub fn agent_turn(head: &[u8]) -> Result<Vec<u8>, CborError> {
    read::<Turn>(head).map(|turn| cbor::encode(&turn))
}

/// The head of a reply, made into plain values where it has some, and written again.
///
/// # Errors
/// When it is none.
pub fn agent_reply(head: &[u8]) -> Result<Vec<u8>, CborError> {
    let reply = match read(head)? {
        Reply::Segment { fingerprint, bytes, file_data } => {
            match wire::head(fingerprint.clone(), bytes, file_data) {
                Some(head) => {
                    assert_eq!(head.kind == SegmentKind::FileData, file_data);
                    Reply::segment(head)
                }
                None => Reply::Segment { fingerprint, bytes, file_data },
            }
        }
        Reply::SegmentEnd { entries, stable } => {
            Reply::segment_end(wire::segment_end(entries, stable))
        }
        Reply::Warning { path, what } => Reply::warning(wire::warning(path, what)),
        other => other,
    };
    Ok(cbor::encode(&reply))
}

/// A frame with a turn, as it comes out of a socket: its head written again, and its payload.
///
/// # Errors
/// When it is none, or larger than it may be.
pub fn agent_frame(bytes: &[u8]) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let (mut ours, theirs) = UnixStream::pair()?;
    ours.write_all(&bytes[..bytes.len().min(AT_ONCE_BYTES)])?;
    ours.shutdown(Shutdown::Write)?;
    let (turn, payload): (Turn, _) = Connection::new(theirs).receive(HEAD_BYTES_MAX)?;
    Ok((cbor::encode(&turn), payload))
}
