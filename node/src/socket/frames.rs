//! Frames on a byte stream: four bytes of length, big-endian, then one CBOR value.

use protocol::cbor::{self, CborError};
use serde::{Serialize, de::DeserializeOwned};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// A frame that could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(super) enum FrameError {
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
}

pub(super) async fn read<T: DeserializeOwned>(
    stream: &mut (impl AsyncRead + Unpin),
    what: &'static str,
    bytes_max: usize,
) -> Result<T, FrameError> {
    let mut length = [0; 4];
    if stream.read(&mut length[..1]).await.map_err(FrameError::Io)? == 0 {
        return Err(FrameError::Gone);
    }
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
    cbor::decode(what, &body, bytes_max).map_err(FrameError::Malformed)
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
    stream.write_all(&frame).await.map_err(FrameError::Io)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read_text(bytes: &[u8]) -> Result<String, FrameError> {
        read(&mut &*bytes, "text", 64).await
    }

    #[tokio::test]
    async fn frames_go_both_ways_one_after_the_other() {
        let mut stream = Vec::new();
        write(&mut stream, &"one", 64).await.unwrap();
        write(&mut stream, &"two", 64).await.unwrap();
        let mut rest = &*stream;
        assert_eq!(read::<String>(&mut rest, "text", 64).await.unwrap(), "one");
        assert_eq!(read::<String>(&mut rest, "text", 64).await.unwrap(), "two");
        assert!(matches!(read::<String>(&mut rest, "text", 64).await, Err(FrameError::Gone)));
    }

    #[tokio::test]
    async fn what_is_no_frame_is_refused_by_its_kind() {
        let large = read_text(&[0xff; 12]).await;
        assert!(matches!(large, Err(FrameError::TooLarge { bytes: 0xffff_ffff, bytes_max: 64 })));
        assert!(matches!(read_text(&[0, 0]).await, Err(FrameError::Io(_))));
        assert!(matches!(read_text(&[0, 0, 0, 9, 1]).await, Err(FrameError::Io(_))));
        assert!(matches!(read_text(&[0, 0, 0, 1, 0xff]).await, Err(FrameError::Malformed(_))));
        let two_values = read_text(&[0, 0, 0, 2, 0x60, 0x60]).await;
        assert!(matches!(two_values, Err(FrameError::Malformed(_))));
        let own = write(&mut Vec::new(), &"x".repeat(100), 64).await;
        assert!(matches!(own, Err(FrameError::TooLarge { .. })));
    }
}
