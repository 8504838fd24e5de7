//! Archives that come over HTTP in parts, as they are reported.

use serde::{Deserialize, Serialize};

use super::Failure;
use crate::Time;

/// An upload to be begun. All of it comes from outside; the bounds are those of
/// `protocol::upload`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadStart {
    /// What the file is called: `tom_nextcloud_20260508.tar`.
    pub filename: String,
    /// How large it is.
    pub total_bytes: u64,
    /// How large each part is, except the last.
    pub part_bytes: u64,
    /// SHA-256 of all of it, 64 hex digits.
    pub sha256: String,
}

/// How an upload stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UploadState {
    /// No part has come.
    Pending,
    /// Some parts have come, or all.
    InProgress,
    /// It is being checked and taken in.
    Finishing,
    /// It is an archive.
    Complete,
    /// It was refused; its bytes are gone.
    Error,
}

/// One upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadReport {
    /// A random UUID.
    pub id: String,
    /// What it was begun with.
    pub start: UploadStart,
    /// How many parts it has.
    pub parts: u32,
    /// Parts that have come.
    pub received: u32,
    /// The numbers of those that have not, the first of them, ascending.
    pub missing: Vec<u32>,
    /// How it stands.
    pub state: UploadState,
    /// When it was begun.
    pub started_ms: Time,
    /// When it will be dropped when nothing more comes.
    pub expires_ms: Time,
    /// The archive that it became.
    pub archive: Option<String>,
    /// Why it was refused.
    pub failure: Option<Failure>,
}

impl UploadReport {
    /// How many missing parts are listed.
    pub const MISSING_LISTED_MAX: usize = 10_000;
}
