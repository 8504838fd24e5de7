//! What can be wrong on a bulk stream, here and as the other side says it.

use std::fmt;

use super::Kind;

/// Why a side ended a stream, as a number on the wire. Unknown numbers are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErrorCode {
    /// 1: the other side does not follow the protocol.
    Protocol,
    /// 2: no common version, or a purpose that is not offered.
    Unsupported,
    /// 3: this node may not fetch here.
    Refused,
    /// 4: too many streams; later may do.
    Busy,
    /// 5: something is wrong on the side that says so.
    Internal,
    /// 6: the other side said nothing for too long.
    Silent,
    /// 7: the side is closing down.
    Closing,
    /// A number of a later version.
    Other(u16),
}

impl ErrorCode {
    const NUMBERED: [Self; 7] = [
        Self::Protocol,
        Self::Unsupported,
        Self::Refused,
        Self::Busy,
        Self::Internal,
        Self::Silent,
        Self::Closing,
    ];

    /// Its number on the wire.
    #[must_use]
    pub fn number(self) -> u16 {
        match self {
            Self::Protocol => 1,
            Self::Unsupported => 2,
            Self::Refused => 3,
            Self::Busy => 4,
            Self::Internal => 5,
            Self::Silent => 6,
            Self::Closing => 7,
            Self::Other(number) => number,
        }
    }

    /// The code of a number.
    #[must_use]
    pub fn from_number(number: u16) -> Self {
        let known = Self::NUMBERED.into_iter().find(|code| code.number() == number);
        known.unwrap_or(Self::Other(number))
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocol => f.write_str("the protocol was not followed"),
            Self::Unsupported => f.write_str("no common version or purpose"),
            Self::Refused => f.write_str("refused"),
            Self::Busy => f.write_str("busy"),
            Self::Internal => f.write_str("internal error"),
            Self::Silent => f.write_str("silent for too long"),
            Self::Closing => f.write_str("closing down"),
            Self::Other(number) => write!(f, "error {number}"),
        }
    }
}

/// Bytes that are no frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// A kind that this version does not know.
    #[error("a frame of unknown kind {kind}")]
    UnknownKind {
        /// The byte.
        kind: u8,
    },
    /// A length that this kind cannot have.
    #[error("a {kind:?} frame of {bytes} bytes")]
    BadLength {
        /// The kind.
        kind: Kind,
        /// The length.
        bytes: u32,
    },
    /// A purpose that this version does not know.
    #[error("a stream for unknown purpose {purpose}")]
    UnknownPurpose {
        /// The byte.
        purpose: u8,
    },
    /// Not what the head announced.
    #[error("a malformed {kind:?} frame")]
    Malformed {
        /// The kind.
        kind: Kind,
    },
}

impl WireError {
    /// What to tell the other side.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::UnknownPurpose { .. } => ErrorCode::Unsupported,
            _ => ErrorCode::Protocol,
        }
    }
}
