//! What a session is told, and what it wants done.

use crate::{NodeId, SealedId, object::Link};

/// What the archive's record says of its closure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Distinct sealed objects, the root counted.
    pub objects: u64,
    /// Their sealed bytes.
    pub bytes: u64,
}

impl Expected {
    /// What may be fetched before the closure is called a lie: a quarter more than was said.
    pub(super) fn objects_max(&self) -> u64 {
        self.objects.saturating_add(self.objects / 4).saturating_add(64)
    }

    pub(super) fn bytes_max(&self) -> u64 {
        self.bytes.saturating_add(self.bytes / 4).saturating_add(16 << 20)
    }
}

/// What the local store has under an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing, or something damaged.
    Missing,
    /// The object, which is a leaf or was asked for without its links.
    Leaf,
    /// The object, which is a branch with these links.
    Branch(Vec<Link>),
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A connection to this holder is ready.
    Holder(NodeId),
    /// The connection is no more. Objects it delivered and that are still being stored count.
    HolderGone(NodeId),
    /// Answers of the local store, for any part of what was looked for.
    Looked(Vec<(SealedId, Found)>),
    /// Bytes come from this holder, or would come if they could be stored faster.
    Moving(NodeId),
    /// All bytes of an object came, and are now being verified and stored.
    Received {
        /// Who sent it.
        from: NodeId,
        /// What was asked for.
        id: SealedId,
    },
    /// An object was verified and is in the store.
    Arrived {
        /// Who sent it.
        from: NodeId,
        /// Its name, proven by its bytes.
        id: SealedId,
        /// The links, if it is a branch.
        links: Option<Vec<Link>>,
    },
    /// A holder says that it has not got this object.
    Absent {
        /// Who says so.
        from: NodeId,
        /// Which object.
        id: SealedId,
    },
    /// A holder sent bytes of another hash or length, an object that cannot be read, or garbage.
    Lied {
        /// Who.
        from: NodeId,
        /// The object that is still not there, where it had been received.
        id: Option<SealedId>,
    },
    /// Time has passed: `Session::deadline` is reached.
    Tick,
}

/// Why a connection is to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The holder lied; it is not used again in this session.
    Lied,
    /// The holder said nothing for a minute while it was asked.
    Silent,
    /// The holder lied or went silent before, or there are enough others.
    NotWanted,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Look into the local store.
    Look {
        /// For these objects.
        links: Vec<Link>,
        /// The links of those that are branches are wanted; else only whether they are there.
        walk: bool,
    },
    /// Ask a holder for objects.
    Ask {
        /// Whom.
        holder: NodeId,
        /// What.
        links: Vec<Link>,
    },
    /// Close the connection to a holder.
    Close {
        /// Which.
        holder: NodeId,
        /// Why.
        reason: CloseReason,
    },
    /// Nothing is under way, and nobody who is connected has the rest. A new holder may; if it has
    /// not either, this is said again.
    Stuck {
        /// Some of what is missing.
        missing: Vec<Link>,
        /// How much is known to be missing. What lies below a missing branch is not counted.
        count: u64,
    },
    /// Everything is in the store.
    Done,
    /// The closure breaks the rules, so no holder can help.
    Failed(SessionError),
}

/// A closure that no honest origin makes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// A branch lies where leaves are expected.
    #[error("object {id} is a branch at depth {depth}, where only leaves may be")]
    TooDeep {
        /// The branch.
        id: SealedId,
        /// How far below the root.
        depth: u8,
    },
    /// A branch with too many links.
    #[error("branch {id} has {links} links, too many")]
    TooManyLinks {
        /// The branch.
        id: SealedId,
        /// Their number.
        links: usize,
    },
    /// More branches than any archive needs.
    #[error("the archive has more than {branches_max} branches")]
    TooManyBranches {
        /// The bound.
        branches_max: u64,
    },
    /// A link to an object of no possible length.
    #[error("object {id} is said to have {bytes} bytes")]
    BadLength {
        /// The object.
        id: SealedId,
        /// Its alleged length.
        bytes: u32,
    },
    /// One object named as two things at once.
    #[error("object {id} is linked with two lengths or at two depths")]
    Tangled {
        /// The object.
        id: SealedId,
    },
    /// Much more than the record says.
    #[error(
        "the archive has more than {objects} objects or {bytes} bytes, which its record denies"
    )]
    MoreThanExpected {
        /// Objects that were needed.
        objects: u64,
        /// Bytes that were needed.
        bytes: u64,
    },
}
