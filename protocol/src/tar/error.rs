//! Why a stream is no tar that we read.

use super::block::BlockError;

/// A stream that breaks the rules of tar, or the bounds of the [`Limits`](super::Limits).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TarError {
    /// A header block that is none.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// A pax record that breaks its grammar, or a value that is not what its key asks for.
    #[error("the pax header of a member has a bad {0}")]
    Pax(&'static str),
    /// Something is larger than the limit for it.
    #[error("the {what} of a member has {found} bytes or pieces, more than {max}")]
    TooLarge {
        /// What it is.
        what: &'static str,
        /// How large it says it is.
        found: u64,
        /// The limit.
        max: u64,
    },
    /// The map of a sparse file contradicts itself or the member.
    #[error("the map of a sparse file is wrong: {0}")]
    Sparse(&'static str),
    /// A kind of member that has no meaning here, such as a piece of a multi-volume archive.
    #[error("the member is of the kind {:?}, which is not supported", char::from(*.0))]
    Kind(u8),
    /// The stream stops within a member.
    #[error("the tar stream stops in the middle of a member")]
    Truncated,
}
