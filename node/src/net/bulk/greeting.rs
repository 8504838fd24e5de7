//! The first bytes of a bulk stream, at both ends.

use std::io;

use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::Stream;

use super::BulkStream;
use crate::net::error::Refusal;

const VERSION: u8 = 1;

/// The opener's part: returns the stream once the peer's driver has it, or the peer's refusal.
pub(in super::super) async fn greet(
    mut stream: Stream,
) -> Result<Result<BulkStream, Refusal>, io::Error> {
    stream.write_all(&[VERSION]).await?;
    stream.flush().await?;
    let mut code = [0];
    stream.read_exact(&mut code).await?;
    Ok(Refusal::from_code(code[0]).map_or_else(|| Ok(BulkStream::new(stream)), Err))
}

/// The acceptor's part, up to its answer: whether the opener speaks our version.
async fn is_ours(stream: &mut Stream) -> io::Result<bool> {
    let mut version = [0];
    stream.read_exact(&mut version).await?;
    Ok(version[0] == VERSION)
}

/// The acceptor's part. The stream is handed over only if `place` is there in time.
pub(in super::super) async fn accept<P>(
    mut stream: Stream,
    place: impl Future<Output = Option<P>>,
) -> io::Result<Option<(P, BulkStream)>> {
    let ours = is_ours(&mut stream).await?;
    let (code, place) = if ours {
        match place.await {
            Some(place) => (Refusal::ACCEPTED, Some(place)),
            None => (Refusal::Busy.code(), None),
        }
    } else {
        (Refusal::NotAllowed.code(), None)
    };
    stream.write_all(&[code]).await?;
    stream.flush().await?;
    match place {
        Some(place) => Ok(Some((place, BulkStream::new(stream)))),
        None => {
            stream.close().await?;
            Ok(None)
        }
    }
}
