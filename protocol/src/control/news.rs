//! What happened on a node, piece by piece, for those who watch it: dashboards and scripts.
//!
//! A piece of news says enough to show it; who wants all asks for the thing itself. Its *kind* is
//! two words, `run.ended`: the *topic* before the dot is what a watcher chooses by.

use serde::{Deserialize, Serialize};

use super::{
    Failure, Health, InstanceState, NodeName, Progress, RunKind, RunReport, TransferReport,
    UploadState,
};
use crate::{ArchiveId, Time};

/// The longest text of a piece of news, bytes; the rest is cut off.
pub const NEWS_TEXT_BYTES_MAX: usize = 1 << 10;

/// Most reasons that a change of the health tells.
pub const NEWS_REASONS_MAX: usize = 20;

/// Every topic, in the order of [`Happened`]. Restores are runs; who asks for them alone says so.
pub const NEWS_TOPICS: [&str; 8] =
    ["run", "job", "archive", "member", "transfer", "upload", "instance", "health"];

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct News {
    /// Its number, growing from 1 since the node started. Some are left out where newer ones say
    /// the same better.
    pub number: u64,
    /// When.
    pub at_ms: Time,
    /// What.
    pub what: Happened,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Happened {
    /// A run began, or its turn came.
    RunStarted(Box<RunReport>),
    /// A run came further.
    RunProgress {
        /// Its number.
        run: u64,
        /// The job's name.
        job: String,
        /// What it does.
        kind: RunKind,
        /// How far it is.
        progress: Progress,
    },
    /// A run ended, one way or the other.
    RunEnded(Box<RunReport>),
    /// A job of this node.
    Job {
        /// What became of it.
        change: Change,
        /// Its number; 0 while it has none.
        number: u64,
        /// What it is called.
        name: String,
    },
    /// An archive of any node that is known here.
    Archive {
        /// What became of it.
        change: ArchiveChange,
        /// Who made it.
        origin: NodeName,
        /// Which.
        id: ArchiveId,
        /// What it is called, where this node can open it.
        name: Option<String>,
    },
    /// A member of the mesh.
    Member {
        /// What became of it.
        change: MemberChange,
        /// Which.
        node: NodeName,
    },
    /// A transfer is new, came further or ended.
    Transfer(Box<TransferReport>),
    /// An upload.
    Upload(UploadNews),
    /// An instance.
    Instance {
        /// What became of it.
        change: Change,
        /// Its number.
        number: u64,
        /// Its name.
        name: String,
        /// How it is.
        state: InstanceState,
        /// Why it is not online.
        why: Option<String>,
    },
    /// The health changed, or the reasons for it.
    Health {
        /// What it is now.
        health: Health,
        /// Why it is not green, the first of it.
        reasons: Vec<String>,
    },
}

/// What became of a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is new.
    Added,
    /// It is other than before.
    Changed,
    /// It is gone.
    Removed,
}

/// What became of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArchiveChange {
    /// It is new here.
    Added,
    /// Its record is another one: it was pinned, or its key is there now.
    Changed,
    /// It was dropped.
    Removed,
    /// Bytes of it were found missing or damaged here.
    Hurt,
    /// They are back.
    Whole,
}

/// What became of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberChange {
    /// It was let in.
    Joined,
    /// It can be talked to.
    Connected,
    /// It cannot, for now.
    Disconnected,
    /// It was turned out.
    Expelled,
}

/// How an upload stands, without the list of what is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadNews {
    /// Its id.
    pub id: String,
    /// What the file is called.
    pub filename: String,
    /// How large it is.
    pub total_bytes: u64,
    /// How many parts it has.
    pub parts: u32,
    /// Parts that have come.
    pub received: u32,
    /// How it stands; none when it was dropped.
    pub state: Option<UploadState>,
    /// The archive that it became.
    pub archive: Option<String>,
    /// Why it was refused.
    pub failure: Option<Failure>,
}

impl Happened {
    /// Topic and what became of it: `run.started`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::RunStarted(_) => "run.started",
            Self::RunProgress { .. } => "run.progress",
            Self::RunEnded(_) => "run.ended",
            Self::Job { change: Change::Added, .. } => "job.added",
            Self::Job { change: Change::Changed, .. } => "job.changed",
            Self::Job { change: Change::Removed, .. } => "job.removed",
            Self::Archive { change, .. } => match change {
                ArchiveChange::Added => "archive.added",
                ArchiveChange::Changed => "archive.changed",
                ArchiveChange::Removed => "archive.removed",
                ArchiveChange::Hurt => "archive.hurt",
                ArchiveChange::Whole => "archive.whole",
            },
            Self::Member { change, .. } => match change {
                MemberChange::Joined => "member.joined",
                MemberChange::Connected => "member.connected",
                MemberChange::Disconnected => "member.disconnected",
                MemberChange::Expelled => "member.expelled",
            },
            Self::Transfer(_) => "transfer.changed",
            Self::Upload(upload) if upload.state.is_none() => "upload.removed",
            Self::Upload(_) => "upload.changed",
            Self::Instance { change: Change::Added, .. } => "instance.added",
            Self::Instance { change: Change::Changed, .. } => "instance.changed",
            Self::Instance { change: Change::Removed, .. } => "instance.removed",
            Self::Health { .. } => "health.changed",
        }
    }

    /// What it is about: the kind before its dot.
    #[must_use]
    pub fn topic(&self) -> &'static str {
        let kind = self.kind();
        kind.split_once('.').map_or(kind, |(topic, _)| topic)
    }

    /// The same with every text and list as long as it may be.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        match &mut self {
            Self::RunStarted(run) | Self::RunEnded(run) => {
                cut(&mut run.job);
                run.failure.iter_mut().for_each(cut_failure);
            }
            Self::RunProgress { job, progress, .. } => {
                cut(job);
                cut(&mut progress.what);
            }
            Self::Transfer(transfer) => transfer.failure.iter_mut().for_each(cut_failure),
            Self::Upload(upload) => {
                cut(&mut upload.filename);
                upload.failure.iter_mut().for_each(cut_failure);
            }
            Self::Instance { why, .. } => why.iter_mut().for_each(cut),
            Self::Health { reasons, .. } => {
                reasons.truncate(NEWS_REASONS_MAX);
                reasons.iter_mut().for_each(cut);
            }
            Self::Job { name, .. } => cut(name),
            Self::Archive { name, .. } => name.iter_mut().for_each(cut),
            Self::Member { node, .. } => cut(&mut node.name),
        }
        self
    }
}

fn cut_failure(failure: &mut Failure) {
    cut(&mut failure.what);
    cut(&mut failure.why);
    failure.hint.iter_mut().for_each(cut);
}

fn cut(text: &mut String) {
    text.truncate(text.floor_char_boundary(NEWS_TEXT_BYTES_MAX));
}
