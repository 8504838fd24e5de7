//! The first frames of a stream.

use std::time::Duration;

use protocol::fetch::wire::{ErrorCode, Frame, Kind, Purpose, VERSION};
use tokio::{io::AsyncRead, io::AsyncWrite, time::timeout};

use super::stream::{FrameReader, StreamError, flush, write};

/// How long the answer to a hello may take.
const HELLO_WAIT: Duration = Duration::from_secs(10);

/// The requester's side.
pub(super) async fn greet<R, W>(reader: &mut FrameReader<R>, out: &mut W) -> Result<(), StreamError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let hello = Frame::Hello { version: VERSION, purpose: Purpose::Fetch };
    write(out, &hello.encode(), HELLO_WAIT).await?;
    flush(out, HELLO_WAIT).await?;
    match first(reader).await? {
        Frame::Welcome { version: VERSION } => Ok(()),
        Frame::Welcome { version } => {
            let text = format!("version {version} is not spoken here");
            Err(StreamError::Told { code: ErrorCode::Unsupported, text })
        }
        Frame::Error { code, text } => Err(StreamError::Told { code, text }),
        _ => Err(StreamError::Unexpected { kind: Kind::Welcome }),
    }
}

/// The responder's side.
pub(super) async fn welcome<R, W>(
    reader: &mut FrameReader<R>,
    out: &mut W,
) -> Result<(), StreamError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    match first(reader).await? {
        Frame::Hello { version, purpose: Purpose::Fetch } if version >= VERSION => {
            write(out, &Frame::Welcome { version: VERSION }.encode(), HELLO_WAIT).await?;
            flush(out, HELLO_WAIT).await
        }
        Frame::Hello { version, .. } => {
            let text = format!("version {version} is not spoken here");
            Err(StreamError::Told { code: ErrorCode::Unsupported, text })
        }
        _ => Err(StreamError::Unexpected { kind: Kind::Hello }),
    }
}

async fn first<R: AsyncRead + Unpin>(reader: &mut FrameReader<R>) -> Result<Frame, StreamError> {
    let read = async {
        let header = reader.header().await?;
        reader.body(header).await
    };
    timeout(HELLO_WAIT, read).await.map_err(|_| StreamError::Silent)?
}
