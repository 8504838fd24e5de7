//! Frames on a byte stream: four bytes of length, big-endian, then one CBOR value.

use std::time::Duration;

use protocol::cbor::{self, CborError};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};

/// A frame that could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    /// The other side has gone, between two frames.
    #[error("the other side has closed the connection")]
    Gone,
    /// The stream broke inside a frame, or the system failed.
    #[error("the connection broke")]
    Io(#[source] std::io::Error),
    /// The announced length is over the bound; nothing of it was read.
    #[error("a frame of {bytes} bytes was announced, at most {bytes_max} are allowed")]
    TooLarge { bytes: usize, bytes_max: usize },
    /// Whole, but not what was expected.
    #[error("a frame makes no sense")]
    Malformed(#[source] CborError),
    /// Whole, and no value at all: no version of this program sends it.
    #[error("a frame is garbage")]
    Garbage(#[source] CborError),
    /// It did not come in time.
    #[error("it has said nothing for too long")]
    Late,
    /// Frame after frame, and no end.
    #[error("it sends more than any answer has")]
    Endless,
}

/// How long a frame may be waited for; no bound where there is none.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Waits {
    /// For its first byte.
    pub(crate) first: Option<Duration>,
    /// For all the others.
    pub(crate) rest: Option<Duration>,
}

impl Waits {
    /// The other side may think.
    pub(crate) const FOREVER: Self = Self { first: None, rest: None };
}

pub(super) async fn read<T: DeserializeOwned>(
    stream: &mut (impl AsyncRead + Unpin),
    what: &'static str,
    bytes_max: usize,
    waits: &Waits,
) -> Result<T, FrameError> {
    let mut first = [0];
    let came = in_time(waits.first, stream.read(&mut first)).await?.map_err(FrameError::Io)?;
    if came == 0 {
        return Err(FrameError::Gone);
    }
    in_time(waits.rest, read_rest(stream, first[0], what, bytes_max)).await?
}

async fn in_time<T>(
    wait: Option<Duration>,
    what: impl Future<Output = T>,
) -> Result<T, FrameError> {
    match wait {
        Some(wait) => timeout(wait, what).await.map_err(|_| FrameError::Late),
        None => Ok(what.await),
    }
}

async fn read_rest<T: DeserializeOwned>(
    stream: &mut (impl AsyncRead + Unpin),
    first: u8,
    what: &'static str,
    bytes_max: usize,
) -> Result<T, FrameError> {
    let mut length = [first, 0, 0, 0];
    stream.read_exact(&mut length[1..]).await.map_err(FrameError::Io)?;
    let bytes = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if bytes > bytes_max {
        return Err(FrameError::TooLarge { bytes, bytes_max });
    }
    // Grows with what arrives, not with what was announced.
    let mut body = Vec::new();
    let took = stream.take(bytes as u64).read_to_end(&mut body).await.map_err(FrameError::Io)?;
    if took < bytes {
        return Err(FrameError::Io(std::io::ErrorKind::UnexpectedEof.into()));
    }
    cbor::decode(what, &body, bytes_max).map_err(|error| {
        if cbor::is_one_value(&body) {
            FrameError::Malformed(error)
        } else {
            FrameError::Garbage(error)
        }
    })
}

pub(super) async fn write<T: Serialize>(
    stream: &mut (impl AsyncWrite + Unpin),
    value: &T,
    bytes_max: usize,
) -> Result<(), FrameError> {
    let body = cbor::encode(value);
    let too_large = FrameError::TooLarge { bytes: body.len(), bytes_max };
    let length = match u32::try_from(body.len()) {
        Ok(length) if body.len() <= bytes_max => length,
        _ => return Err(too_large),
    };
    let mut frame = Vec::with_capacity(4 + body.len());
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&body);
    stream.write_all(&frame).await.map_err(FrameError::Io)?;
    stream.flush().await.map_err(FrameError::Io)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read_text(bytes: &[u8]) -> Result<String, FrameError> {
        read(&mut &*bytes, "text", 64, &Waits::FOREVER).await
    }

    #[tokio::test]
    async fn frames_go_both_ways_one_after_the_other() {
        let mut stream = Vec::new();
        write(&mut stream, &"one", 64).await.unwrap();
        write(&mut stream, &"two", 64).await.unwrap();
        let mut rest = &*stream;
        for text in ["one", "two"] {
            let read = read::<String>(&mut rest, "text", 64, &Waits::FOREVER).await;
            assert_eq!(read.unwrap(), text);
        }
        let read = read::<String>(&mut rest, "text", 64, &Waits::FOREVER).await;
        assert!(matches!(read, Err(FrameError::Gone)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_frame_that_does_not_come_or_stops_in_its_middle_is_late() {
        let (mut ours, mut theirs) = tokio::io::duplex(64);
        let minute = Some(Duration::from_secs(60));
        let waits = Waits { first: minute, rest: minute };
        let late = read::<String>(&mut ours, "text", 64, &waits).await;
        assert!(matches!(late, Err(FrameError::Late)));
        theirs.write_all(&[0, 0, 0, 9, 0x68]).await.unwrap();
        let late = read::<String>(&mut ours, "text", 64, &waits).await;
        assert!(matches!(late, Err(FrameError::Late)));
    }

    #[tokio::test]
    async fn what_is_no_frame_is_refused_by_its_kind() {
        let large = read_text(&[0xff; 12]).await;
        assert!(matches!(large, Err(FrameError::TooLarge { bytes: 0xffff_ffff, bytes_max: 64 })));
        assert!(matches!(read_text(&[0, 0]).await, Err(FrameError::Io(_))));
        assert!(matches!(read_text(&[0, 0, 0, 9, 1]).await, Err(FrameError::Io(_))));
        assert!(matches!(read_text(&[0, 0, 0, 1, 0xff]).await, Err(FrameError::Garbage(_))));
        assert!(matches!(read_text(&[0, 0, 0, 1, 0x01]).await, Err(FrameError::Malformed(_))));
        let two_values = read_text(&[0, 0, 0, 2, 0x60, 0x60]).await;
        assert!(matches!(two_values, Err(FrameError::Garbage(_))));
        let own = write(&mut Vec::new(), &"x".repeat(100), 64).await;
        assert!(matches!(own, Err(FrameError::TooLarge { .. })));
    }
}
