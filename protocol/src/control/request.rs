//! Everything that can be asked.

use serde::{Deserialize, Serialize};

use super::{
    ArchiveContents, ArchiveExport, ArchiveList, ArchiveRef, ArchiveRemove, ArchiveRestore,
    ArchiveTransfer, CONSENT_CHARS, ForeignAdopt, GrantChange, INSTANCE_TEXT_BYTES_MAX,
    INVITE_MS_MAX, InstanceAdd, InstanceRun, KeyCreate, MeshExpel, MeshInvite, NodeRef, NoticeList,
    OrderIssue, PAGE_ENTRIES_MAX, PATTERN_BYTES_MAX, PATTERNS_MAX, Page, Prune, RawPath, RunList,
    SshAdd, Ticket, TransferStart, UploadStart,
};
use crate::{
    NodeId, OrderId, Time,
    job::{JobError, JobSpec, Name},
    tar::PATH_BYTES_MAX,
};

/// One thing asked of one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// How the node is. Answered by `Reply::Status`.
    Status,
    /// What its long-lived activities do. Answered by `Reply::Workers`.
    Workers,
    /// Let one more node in; founds the mesh when there is none. Answered by `Reply::Invited`.
    MeshInvite(MeshInvite),
    /// Join the mesh of a ticket; refused when the node already has one. `Reply::Joined`.
    MeshJoin {
        /// What the inviter printed.
        ticket: Ticket,
    },
    /// All members. Answered by `Reply::Members`.
    MeshList,
    /// One member. Answered by `Reply::Member`.
    MeshShow {
        /// Which.
        node: NodeRef,
    },
    /// Shut a member out. Answered by `Reply::Expelled`.
    MeshExpel(MeshExpel),
    /// Change what a member may do. Answered by `Reply::Member`.
    MeshGrant(GrantChange),
    /// Add a job. Answered by `Reply::Job`.
    JobAdd(JobSpec),
    /// Replace what a job says. Answered by `Reply::Job`.
    JobEdit(JobEdit),
    /// Jobs of the node, by name. Answered by `Reply::Jobs`.
    JobList(Page),
    /// What a job of a kind could name here. Answered by `Reply::Choices`.
    JobChoices {
        /// As `JobConfig::kind` has it.
        kind: String,
    },
    /// One job. Answered by `Reply::Job`.
    JobShow {
        /// Which.
        job: Name,
    },
    /// The job of a number. Answered by `Reply::Job`.
    JobNumbered {
        /// As `JobReport::number` says.
        number: u64,
    },
    /// Run a job now. Answered by `Reply::RunStarted` or, when waiting, `Reply::RunEnded`.
    JobRun(JobRun),
    /// Forget a job; its archives stay. Answered by `Reply::Done`.
    JobRemove {
        /// Which.
        job: Name,
    },
    /// The last runs. Answered by `Reply::Runs`.
    RunList(RunList),
    /// One run with its transcript. Answered by `Reply::Run`.
    RunShow {
        /// Its number.
        run: u64,
    },
    /// Stop a run; what it had stored stays for the next one. Answered by `Reply::RunEnded`.
    RunCancel {
        /// Its number.
        run: u64,
    },
    /// What the retention of one job or of all keeps and drops, with reasons; unless it is a dry
    /// run it is done at once. Answered by `Reply::Pruned`.
    Prune(Prune),
    /// Archives that the node knows of. Answered by `Reply::Archives`.
    ArchiveList(ArchiveList),
    /// One archive and who holds it. Answered by `Reply::Archive`.
    ArchiveShow(ArchiveRef),
    /// What an archive says of itself. Answered by `Reply::ArchiveInfo`.
    ArchiveInfo(ArchiveRef),
    /// Members of an archive. Answered by `Reply::Contents`.
    ArchiveContents(ArchiveContents),
    /// Read every byte of an archive that lies here. Answered by `Reply::Verified`.
    ArchiveVerify(ArchiveRef),
    /// Write the plain tar. Answered by `Reply::Exported`.
    ArchiveExport(ArchiveExport),
    /// Put files back. Answered by `Reply::RestorePlan` or `Reply::Restored`.
    ArchiveRestore(ArchiveRestore),
    /// Keep an archive whatever the retention says, or no longer. Answered by `Reply::Archive`.
    ArchivePin {
        /// Which.
        archive: ArchiveRef,
        /// Whether it is kept.
        pinned: bool,
    },
    /// Plain tars in the archives folder that no job of this node made. `Reply::Foreign`.
    ForeignList,
    /// Take one of them in as an archive. Answered by `Reply::RunStarted` or `Reply::RunEnded`.
    ForeignAdopt(ForeignAdopt),
    /// Drop an archive. Answered by `Reply::Removed`.
    ArchiveRemove(ArchiveRemove),
    /// Have a node hold a copy, whatever the placement says. Answered by `Reply::Transferred`.
    ArchiveTransfer(ArchiveTransfer),
    /// How full the chunk store is. Answered by `Reply::StoreStats`.
    StoreStats,
    /// Compare packs and index. Answered by `Reply::StoreChecked`.
    StoreCheck {
        /// Read and hash every object too, not only the frames.
        read_data: bool,
    },
    /// Make the index again from the packs alone. Answered by `Reply::StoreRebuilt`.
    StoreRebuild,
    /// Free what no archive needs. Answered by `Reply::StoreCollected`.
    StoreGc {
        /// Only say what would be freed.
        dry_run: bool,
    },
    /// Make a key of the HTTP interface. Answered by `Reply::KeyCreated`.
    KeyCreate(KeyCreate),
    /// Keys of the HTTP interface. Answered by `Reply::Keys`.
    KeyList,
    /// No longer take a key. Answered by `Reply::Done`.
    KeyRevoke {
        /// Its id, or its name where that is not ambiguous.
        key: Name,
    },
    /// Begin to send an archive in parts. Answered by `Reply::Upload`.
    UploadStart(UploadStart),
    /// Uploads that are not forgotten. Answered by `Reply::Uploads`.
    UploadList,
    /// One upload. Answered by `Reply::Upload`.
    UploadShow {
        /// Its id.
        upload: String,
    },
    /// Check all parts and take them in as an archive. Answered by `Reply::Upload` when that is
    /// done; asking again waits for the same end.
    UploadFinish {
        /// Its id.
        upload: String,
    },
    /// Drop an upload. Answered by `Reply::Done`.
    UploadCancel {
        /// Its id.
        upload: String,
    },
    /// Know an instance from now on. Answered by `Reply::Instance`.
    InstanceAdd(InstanceAdd),
    /// All instances, without their jobs. Answered by `Reply::Instances`.
    InstanceList,
    /// One instance with its jobs. Answered by `Reply::Instance`.
    InstanceShow {
        /// Its name or number.
        instance: Name,
    },
    /// Forget an instance and its key. Answered by `Reply::Done`.
    InstanceRemove {
        /// Its name or number.
        instance: Name,
    },
    /// Run a job of an instance there. Answered by `Reply::InstanceRunStarted`.
    InstanceRun(InstanceRun),
    /// Send an archive to an instance. Answered by `Reply::Transfer` at once.
    TransferStart(TransferStart),
    /// One transfer. Answered by `Reply::Transfer`.
    TransferShow {
        /// Its number.
        transfer: u64,
    },
    /// Transfers, newest first. Answered by `Reply::Transfers`.
    TransferList,
    /// Stop a transfer; what the instance had of it is dropped there. `Reply::Transfer`.
    TransferCancel {
        /// Its number.
        transfer: u64,
    },
    /// The node in numbers, as Prometheus reads them. Answered by `Reply::Metrics`.
    Metrics,
    /// Tickets that this node made and still knows of. Answered by `Reply::Invites`.
    InviteList,
    /// A ticket shall let nobody in any more. Answered by `Reply::Done`.
    InviteCancel {
        /// Its id, which is no secret.
        invite: NodeId,
    },
    /// Have another node do one thing once, now or when it can be reached. `Reply::Order`.
    OrderIssue(Box<OrderIssue>),
    /// Orders of this node and for it, newest first. Answered by `Reply::Orders`.
    OrderList,
    /// One of them. Answered by `Reply::Order`.
    OrderShow {
        /// Which.
        order: OrderId,
    },
    /// Take back an order that nobody has begun, as far as is known here. `Reply::Order`.
    OrderCancel {
        /// Which.
        order: OrderId,
    },
    /// Messages for people, newest first. Answered by `Reply::Notices`.
    NoticeList(NoticeList),
    /// Somebody has read a notice. Answered by `Reply::Notice`.
    NoticeRead {
        /// Its number.
        notice: u64,
    },
    /// Somebody has read all that there are. Answered by `Reply::Done`.
    NoticeReadAll,
}

/// A job as it shall be, and the state it was changed from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobEdit {
    /// The job's name until now.
    pub job: Name,
    /// All of what it shall be; another name renames it.
    pub spec: JobSpec,
    /// `updated_ms` of the job that was read before: when somebody else changed it meanwhile, the
    /// edit is a [`FailureCode::Conflict`](super::FailureCode::Conflict).
    pub based_on_ms: Time,
}

/// A run that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRun {
    /// Which job.
    pub job: Name,
    /// Answer when it has ended, with its progress as events, instead of when it has begun.
    pub wait: bool,
}

/// A request that breaks a bound, whatever the node's state is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The job is refused.
    #[error("the job is refused")]
    Job(#[source] JobError),
    /// A path that is not absolute: the daemon has another working directory than its caller.
    #[error("{what} {path} is not an absolute path")]
    Path {
        /// Which argument.
        what: &'static str,
        /// What it was.
        path: RawPath,
    },
    /// A number out of its range.
    #[error("{what} is {value}, it must be between {min} and {max}")]
    Range {
        /// Which argument.
        what: &'static str,
        /// What it was.
        value: u64,
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// Too many patterns, or one that is too long or empty.
    #[error("at most {PATTERNS_MAX} patterns of 1 to {PATTERN_BYTES_MAX} bytes are allowed")]
    Patterns,
    /// A part of an ssh account that cannot be.
    #[error("the {what} of the ssh account cannot be used")]
    Ssh {
        /// Which part.
        what: &'static str,
    },
    /// A change that changes nothing.
    #[error("nothing to change was named")]
    NoChange,
    /// A consent that no plan gives.
    #[error("a consent is {CONSENT_CHARS} hex digits in lower case, as a plan shows it")]
    Consent,
    /// Something that no other node is told to do.
    #[error(
        "this cannot be ordered: orders change jobs, run them, restore, transfer, pin, prune, \
             and look after the store"
    )]
    NoOrder,
    /// What is ordered breaks a bound itself.
    #[error("what is ordered is refused")]
    Ordered(#[source] Box<Self>),
}

impl Request {
    /// Whether every argument is within its bounds. Whoever takes a request from outside calls it.
    ///
    /// # Errors
    /// The first argument that is not.
    pub fn validate(&self) -> Result<(), RequestError> {
        match self {
            Self::MeshInvite(invite) => range("expires_ms", invite.expires_ms, 1, INVITE_MS_MAX),
            Self::MeshGrant(change) if change.is_empty() => Err(RequestError::NoChange),
            Self::JobAdd(spec) | Self::JobEdit(JobEdit { spec, .. }) => {
                spec.validate().map_err(RequestError::Job)
            }
            Self::RunList(list) => range("limit", list.limit.into(), 1, PAGE_ENTRIES_MAX.into()),
            Self::ArchiveList(list) => list.page.validate(),
            Self::JobList(page) => page.validate(),
            Self::ArchiveContents(contents) => {
                contents.page.validate()?;
                if let Some(text) = &contents.search {
                    let max = ArchiveContents::SEARCH_BYTES_MAX as u64;
                    range("the length of what is searched for", text.len() as u64, 1, max)?;
                }
                if let Some(RawPath(dir)) = &contents.dir {
                    let max = PATH_BYTES_MAX as u64;
                    range("the length of the folder's path", dir.len() as u64, 1, max)?;
                }
                patterns(&contents.patterns)
            }
            Self::InstanceAdd(add) => add.ssh.as_ref().map_or(Ok(()), SshAdd::validate),
            Self::InstanceRun(run) => {
                let bytes = run.job.len() as u64;
                range("the length of the job's name", bytes, 1, INSTANCE_TEXT_BYTES_MAX as u64)
            }
            Self::ArchiveExport(export) => absolute("the file to write", &export.to),
            Self::ArchiveRestore(restore) => {
                patterns(&restore.patterns)?;
                restore.validate()?;
                restore.to.as_ref().map_or(Ok(()), |to| absolute("the destination", to))
            }
            Self::OrderIssue(issue) => issue.validate(),
            Self::NoticeList(list) => list.validate(),
            _ => Ok(()),
        }
    }

    /// Whether it changes nothing on the node, so that a key that may only look may ask it.
    #[must_use]
    pub fn only_looks(&self) -> bool {
        matches!(
            self,
            Self::Status
                | Self::Workers
                | Self::MeshList
                | Self::MeshShow { .. }
                | Self::JobList(_)
                | Self::JobChoices { .. }
                | Self::JobShow { .. }
                | Self::JobNumbered { .. }
                | Self::RunList(_)
                | Self::RunShow { .. }
                | Self::Prune(Prune { dry_run: true, .. })
                | Self::ArchiveList(_)
                | Self::ArchiveShow(_)
                | Self::ArchiveInfo(_)
                | Self::ArchiveContents(_)
                | Self::ArchiveVerify(_)
                | Self::ArchiveRestore(ArchiveRestore { plan: true, .. })
                | Self::ForeignList
                | Self::ArchiveRemove(ArchiveRemove { dry_run: true, .. })
                | Self::StoreStats
                | Self::StoreCheck { .. }
                | Self::StoreGc { dry_run: true }
                | Self::UploadList
                | Self::UploadShow { .. }
                | Self::InstanceList
                | Self::InstanceShow { .. }
                | Self::TransferShow { .. }
                | Self::TransferList
                | Self::Metrics
                | Self::MeshExpel(MeshExpel { dry_run: true, .. })
                | Self::InviteList
                | Self::OrderList
                | Self::OrderShow { .. }
                | Self::NoticeList(_)
        )
    }

    /// Whether it is of no use once its caller has gone: then it is cancelled, while everything that
    /// changes something goes on. A caller who wants a change to stop says so.
    #[must_use]
    pub fn ends_with_its_caller(&self) -> bool {
        matches!(
            self,
            Self::ArchiveContents(_)
                | Self::ArchiveVerify(_)
                | Self::StoreCheck { .. }
                | Self::ArchiveRestore(ArchiveRestore { plan: true, .. })
        )
    }
}

pub(super) fn range(
    what: &'static str,
    value: u64,
    min: u64,
    max: u64,
) -> Result<(), RequestError> {
    if (min..=max).contains(&value) {
        Ok(())
    } else {
        Err(RequestError::Range { what, value, min, max })
    }
}

pub(super) fn absolute(what: &'static str, path: &RawPath) -> Result<(), RequestError> {
    if path.0.first() == Some(&b'/') {
        Ok(())
    } else {
        Err(RequestError::Path { what, path: path.clone() })
    }
}

fn patterns(patterns: &[String]) -> Result<(), RequestError> {
    let fits = |p: &String| (1..=PATTERN_BYTES_MAX).contains(&p.len());
    if patterns.len() <= PATTERNS_MAX && patterns.iter().all(fits) {
        Ok(())
    } else {
        Err(RequestError::Patterns)
    }
}
