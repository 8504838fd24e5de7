//! What can be asked of a node, and how it answers: one vocabulary for the command line, the pages,
//! the REST bridge and the orders of other nodes.
//!
//! A [`Request`] is answered by any number of [`Event`]s (progress, lines of a transcript, warnings)
//! and then by exactly one [`Reply`] or [`Failure`]. All are plain values: they carry no rights, so
//! whoever executes a request asks first who sent it. Lists are bounded, and where an answer could
//! be larger than a frame it comes in pages that begin where the last one ended.
//!
//! In CBOR (between processes) paths are byte strings. In JSON (`--json`, REST) they are text, in
//! which [`RawPath`] writes what is not UTF-8 as escapes. Units are part of each field's name:
//! `_bytes`, `_ms` (a [`Time`](crate::Time) is milliseconds since 1970, other `_ms` are durations).

mod archive;
mod event;
mod failure;
mod frame;
mod instance;
mod instance_url;
mod key;
mod mesh;
mod news;
mod notice;
mod notice_text;
mod order;
mod path;
mod reply;
mod request;
mod restore;
mod right;
mod run;
mod ssh;
mod status;
mod store;
mod ticket;
mod transfer;
mod upload;

pub use archive::{
    ArchiveContents, ArchiveInfo, ArchiveList, ArchiveRef, ArchiveRemove, ArchiveReport,
    ArchiveTransfer, Archives, Contents, ContentsEntry, EntryKind, ForeignAdopt, ForeignArchive,
    Holder, HolderState, PATTERN_BYTES_MAX, PATTERNS_MAX, Prune, PruneVerdict, Pruned, Removed,
    Transferred, Verified,
};
pub use event::{Event, Progress};
pub use failure::{Failure, FailureCode};
pub use frame::{
    AskFrame, Asked, CONTROL_FRAME_BYTES_MAX, EVENT_BYTES_MAX, EndFrame, REQUEST_BYTES_MAX,
    TellFrame,
};
pub use instance::{
    INSTANCE_JOBS_MAX, INSTANCE_TEXT_BYTES_MAX, INSTANCES_MAX, InstanceAdd, InstanceJob,
    InstanceJobRun, InstanceReport, InstanceRun, InstanceRunStarted, InstanceState,
};
pub use instance_url::{
    CertificatePin, CertificatePinError, INSTANCE_URL_BYTES_MAX, InstanceUrl, InstanceUrlError,
};
pub use key::{
    API_KEY_DIGITS, API_KEY_ID_DIGITS, API_KEYS_MAX, ApiKey, ApiKeyError, KeyCreate, KeyCreated,
    KeyReport,
};
pub use mesh::{
    Connection, Expelled, GrantChange, INVITE_MS_DEFAULT, INVITE_MS_MAX, InviteReport, InviteState,
    Invited, Joined, MemberReport, MeshExpel, MeshInvite, NodeRef, ReplicaLeft, Right, Role,
};
pub use news::{
    ArchiveChange, Change, Happened, MemberChange, NEWS_REASONS_MAX, NEWS_TEXT_BYTES_MAX,
    NEWS_TOPICS, News, UploadNews,
};
pub use notice::{
    NOTICE_SUBJECT_BYTES_MAX, NOTICE_WHY_BYTES_MAX, NOTICES_MAX, NoticeKind, NoticeLevel,
    NoticeList, NoticeReport, Notices,
};
pub use notice_text::Language;
pub use order::{
    ORDER_MS_DEFAULT, ORDER_MS_MAX, ORDER_TEXT_BYTES_MAX, OrderIssue, OrderReport, OrderState,
};
pub use path::{RawPath, RawPathError};
pub use reply::{Issue, Issues, NodeName, Outcome, PAGE_ENTRIES_MAX, Page, Reply};
pub use request::{JobEdit, JobRun, Request, RequestError};
pub use restore::{
    ArchiveExport, ArchiveRestore, CONSENT_CHARS, Component, Exported, Overwrite, RENAMED_MAX,
    RestorePlan, RestoreStep, Restored, StepReport, StepState,
};
pub use right::{CHANGE_JOBS, Denied, may_ask, right_of};
pub use run::{
    Choice, Choices, JobReport, Jobs, NEXT_RUNS_TOLD, RunDetail, RunKind, RunList, RunReport,
    RunState, TRANSCRIPT_LINES_MAX, TranscriptLine, Trigger,
};
pub use ssh::{SshAccount, SshAdd, SshReport};
pub use status::{Health, StatusReport, WorkerReport, WorkerState};
pub use store::{Damage, StoreChecked, StoreCollected, StoreRebuilt, StoreStats};
pub use ticket::{TICKET_BYTES_MAX, Ticket, TicketError};
pub use transfer::{
    TRANSFERS_ENDED_MAX, TRANSFERS_OPEN_MAX, TransferMode, TransferReport, TransferStart,
    TransferState,
};
pub use upload::{UploadReport, UploadStart, UploadState};

#[cfg(test)]
mod tests;
