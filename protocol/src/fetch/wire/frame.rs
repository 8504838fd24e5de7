//! The bodies of frames.

use super::{
    ERROR_TEXT_BYTES_MAX, ErrorCode, Frame, Header, Kind, MAGIC, Purpose, WANT_BYTES, WireError,
};
use crate::{SealedId, fetch::WANT_LINKS_MAX, limits::OBJECT_BYTES_MAX, object::Link};

impl Frame {
    /// Reads what follows a head.
    ///
    /// # Errors
    /// When it is not what the head announced; for an object always, as those are not read whole.
    pub fn decode(kind: Kind, body: &[u8]) -> Result<Self, WireError> {
        let malformed = || WireError::Malformed { kind };
        match kind {
            Kind::Hello => decode_hello(body),
            Kind::Welcome => {
                let version = body.try_into().map(u16::from_be_bytes).map_err(|_| malformed())?;
                Ok(Self::Welcome { version })
            }
            Kind::Want => decode_want(body),
            Kind::Object => Err(malformed()),
            Kind::Absent => {
                body.try_into().map(|id| Self::Absent(SealedId(id))).map_err(|_| malformed())
            }
            Kind::Error => decode_error(body),
            Kind::Bye if body.is_empty() => Ok(Self::Bye),
            Kind::Alive if body.is_empty() => Ok(Self::Alive),
            Kind::Bye | Kind::Alive => Err(malformed()),
        }
    }

    /// Writes the frame, its head included.
    ///
    /// # Panics
    /// When a want-list is empty or longer than [`WANT_LINKS_MAX`].
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        let kind = match self {
            Self::Hello { version, purpose } => {
                body.extend_from_slice(&MAGIC);
                body.extend_from_slice(&version.to_be_bytes());
                body.push(*purpose as u8);
                Kind::Hello
            }
            Self::Welcome { version } => {
                body.extend_from_slice(&version.to_be_bytes());
                Kind::Welcome
            }
            Self::Want(links) => {
                for link in links {
                    body.extend_from_slice(&link.id.0);
                    body.extend_from_slice(&link.bytes.to_be_bytes());
                }
                Kind::Want
            }
            Self::Absent(id) => {
                body.extend_from_slice(&id.0);
                Kind::Absent
            }
            Self::Error { code, text } => {
                body.extend_from_slice(&code.number().to_be_bytes());
                let end = text.floor_char_boundary(ERROR_TEXT_BYTES_MAX);
                body.extend_from_slice(&text.as_bytes()[..end]);
                Kind::Error
            }
            Self::Bye => Kind::Bye,
            Self::Alive => Kind::Alive,
        };
        let mut out = Header { kind, bytes: body.len() }.encode().to_vec();
        out.append(&mut body);
        out
    }
}

fn decode_hello(body: &[u8]) -> Result<Frame, WireError> {
    let Some(rest) = body.strip_prefix(&MAGIC) else {
        return Err(WireError::Malformed { kind: Kind::Hello });
    };
    let &[high, low, purpose] = rest else {
        return Err(WireError::Malformed { kind: Kind::Hello });
    };
    if purpose != Purpose::Fetch as u8 {
        return Err(WireError::UnknownPurpose { purpose });
    }
    Ok(Frame::Hello { version: u16::from_be_bytes([high, low]), purpose: Purpose::Fetch })
}

fn decode_want(body: &[u8]) -> Result<Frame, WireError> {
    let malformed = || WireError::Malformed { kind: Kind::Want };
    let (entries, []) = body.as_chunks::<WANT_BYTES>() else { return Err(malformed()) };
    if entries.is_empty() || entries.len() > WANT_LINKS_MAX {
        return Err(malformed());
    }
    let links = entries.iter().map(|entry| {
        let (id, bytes) = entry.split_first_chunk::<{ SealedId::BYTES }>()?;
        let bytes = u32::from_be_bytes(bytes.try_into().ok()?);
        let sane = bytes > 0 && bytes as usize <= OBJECT_BYTES_MAX;
        sane.then_some(Link { id: SealedId(*id), bytes })
    });
    links.collect::<Option<_>>().map(Frame::Want).ok_or_else(malformed)
}

fn decode_error(body: &[u8]) -> Result<Frame, WireError> {
    let Some((code, text)) = body.split_first_chunk::<2>() else {
        return Err(WireError::Malformed { kind: Kind::Error });
    };
    let text: String = String::from_utf8_lossy(&text[..text.len().min(ERROR_TEXT_BYTES_MAX)])
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    Ok(Frame::Error { code: ErrorCode::from_number(u16::from_be_bytes(*code)), text })
}
