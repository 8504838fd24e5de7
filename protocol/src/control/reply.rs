//! Everything that can be answered.

use serde::{Deserialize, Serialize};

use super::{
    ArchiveInfo, ArchiveReport, Archives, Choices, Contents, Expelled, Exported, ForeignArchive,
    InstanceReport, InstanceRunStarted, InviteReport, Invited, JobReport, Jobs, Joined, KeyCreated,
    KeyReport, MemberReport, NoticeReport, Notices, OrderReport, Pruned, RawPath, Removed,
    RequestError, RestorePlan, Restored, RunDetail, RunReport, RunState, StatusReport, StepState,
    StoreChecked, StoreCollected, StoreRebuilt, StoreStats, TransferReport, Transferred,
    UploadReport, Verified, WorkerReport, request::range,
};
use crate::NodeId;

/// Most entries of one page: some hundred bytes each, so that a page fits a frame many times.
pub const PAGE_ENTRIES_MAX: u32 = 4_096;

/// The end of a request that went well, or well enough to have something to report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// It is done, and there is nothing more to say.
    Done,
    /// How the node is.
    Status(StatusReport),
    /// What its activities do.
    Workers(Vec<WorkerReport>),
    /// A ticket for one node.
    Invited(Invited),
    /// The node is a member now.
    Joined(Joined),
    /// All members.
    Members(Vec<MemberReport>),
    /// One member.
    Member(MemberReport),
    /// The member is out, or would be.
    Expelled(Expelled),
    /// A page of jobs, by name.
    Jobs(Jobs),
    /// What a job could name.
    Choices(Choices),
    /// One job.
    Job(Box<JobReport>),
    /// A run has begun.
    RunStarted(RunReport),
    /// A run has ended, one way or the other.
    RunEnded(RunReport),
    /// The last runs, newest first.
    Runs(Vec<RunReport>),
    /// One run.
    Run(RunDetail),
    /// A page of archives, oldest first.
    Archives(Archives),
    /// One archive.
    Archive(ArchiveReport),
    /// What an archive says of itself.
    ArchiveInfo(Box<ArchiveInfo>),
    /// A page of an archive's members.
    Contents(Contents),
    /// What reading every byte found.
    Verified(Verified),
    /// The plain tar is written.
    Exported(Exported),
    /// What a restore would do.
    RestorePlan(RestorePlan),
    /// What a restore did.
    Restored(Restored),
    /// The archive is dropped, or would be.
    Removed(Removed),
    /// What the retention says.
    Pruned(Pruned),
    /// Plain tars that no job of this node made.
    Foreign(Vec<ForeignArchive>),
    /// The copy lies where it was asked to.
    Transferred(Transferred),
    /// How full the store is.
    StoreStats(StoreStats),
    /// What the check found.
    StoreChecked(StoreChecked),
    /// The index is made again.
    StoreRebuilt(StoreRebuilt),
    /// What was freed, or would be.
    StoreCollected(StoreCollected),
    /// A new key.
    KeyCreated(KeyCreated),
    /// Keys of the HTTP interface, by name.
    Keys(Vec<KeyReport>),
    /// One upload.
    Upload(Box<UploadReport>),
    /// Uploads, newest first.
    Uploads(Vec<UploadReport>),
    /// One instance.
    Instance(Box<InstanceReport>),
    /// Instances, by name.
    Instances(Vec<InstanceReport>),
    /// A run has begun on an instance.
    InstanceRunStarted(InstanceRunStarted),
    /// One transfer.
    Transfer(Box<TransferReport>),
    /// Transfers, newest first.
    Transfers(Vec<TransferReport>),
    /// The node in numbers.
    Metrics {
        /// In the text format of Prometheus, version 0.0.4.
        text: String,
    },
    /// Tickets, newest last.
    Invites(Vec<InviteReport>),
    /// One order.
    Order(Box<OrderReport>),
    /// Orders, newest first.
    Orders(Vec<OrderReport>),
    /// Messages for people, newest first.
    Notices(Notices),
    /// One of them.
    Notice(Box<NoticeReport>),
}

/// How well a request went, for an exit code or a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// As asked.
    Done,
    /// Done, and somebody should read what was left out.
    Warnings,
    /// Carried out, and the answer is bad: damage was found, a run failed.
    Failed,
}

impl Reply {
    /// How well it went. Reports about the past (`run show`) are always `Done`.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::RunEnded(run) => match run.state {
                RunState::Success if run.warnings == 0 => Outcome::Done,
                RunState::Success | RunState::Warnings => Outcome::Warnings,
                _ => Outcome::Failed,
            },
            Self::Verified(verified) if !verified.whole() => Outcome::Failed,
            Self::StoreChecked(checked) if !checked.sound() => Outcome::Failed,
            Self::StoreRebuilt(rebuilt) if !rebuilt.damaged.is_empty() => Outcome::Warnings,
            Self::Restored(restored) if restored.differs.total > 0 => Outcome::Failed,
            Self::Restored(restored)
                if restored.steps.iter().any(|step| step.state == StepState::Failed) =>
            {
                Outcome::Failed
            }
            Self::Restored(restored)
                if restored.not_set.total > 0
                    || restored.steps.iter().any(|step| step.state == StepState::Warnings) =>
            {
                Outcome::Warnings
            }
            _ => Outcome::Done,
        }
    }
}

/// A part of a long list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// `next` of the page before; 0 for the first.
    pub from: u64,
    /// Most entries of this page.
    pub limit: u32,
}

impl Page {
    /// The first page, as large as it may be.
    pub const FIRST: Self = Self { from: 0, limit: PAGE_ENTRIES_MAX };

    pub(super) fn validate(self) -> Result<(), RequestError> {
        range("limit", self.limit.into(), 1, PAGE_ENTRIES_MAX.into())
    }
}

/// A node as people and programs name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NodeName {
    /// Its key.
    pub id: NodeId,
    /// Its name, or the short form of its key when nothing is known of it yet.
    pub name: String,
}

/// One thing that did not go as it should.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Issue {
    /// The file it is about.
    pub path: RawPath,
    /// What could not be done: `owner`, `xattr user.note`.
    pub what: String,
    /// The reason.
    pub why: String,
}

/// Issues, of which there may be as many as files: all are counted, the first are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Issues {
    /// How many there were.
    pub total: u64,
    /// The first of them.
    pub first: Vec<Issue>,
}

impl Issues {
    /// How many are listed. They must fit a frame with the longest of paths.
    pub const LISTED_MAX: usize = 500;

    /// Counts one more, and lists it while there is room.
    pub fn push(&mut self, issue: Issue) {
        self.total += 1;
        if self.first.len() < Self::LISTED_MAX {
            self.first.push(issue);
        }
    }
}
