//! Orders as they are asked for and reported: one thing that another node shall do once, before a
//! deadline, now or when it is up again. How they travel is in [`crate::order`].

use serde::{Deserialize, Serialize};

use super::{
    ArchiveRestore, Failure, NodeName, NodeRef, Prune, Request, RequestError, request::range,
};
use crate::{OrderId, Time};

/// How long an order is good when nothing is said: a week.
pub const ORDER_MS_DEFAULT: u64 = 7 * 24 * 3_600_000;

/// The longest an order may be good: thirty days.
pub const ORDER_MS_MAX: u64 = 30 * 24 * 3_600_000;

/// The longest text of an answer, bytes; the rest is cut off.
pub const ORDER_TEXT_BYTES_MAX: usize = 2 << 10;

/// Something for another node to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderIssue {
    /// Who shall do it.
    pub node: NodeRef,
    /// What: one that [can be ordered](Request::order_word).
    pub request: Request,
    /// For how long from now it may be begun, by the clock of the node that does it.
    pub within_ms: u64,
}

impl OrderIssue {
    pub(super) fn validate(&self) -> Result<(), RequestError> {
        range("within_ms", self.within_ms, 1, ORDER_MS_MAX)?;
        self.request.order_word().ok_or(RequestError::NoOrder)?;
        let ordered = self.request.validate();
        ordered.map_err(|error| RequestError::Ordered(Box::new(error)))
    }
}

/// How far an order is, as far as is known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OrderState {
    /// The node has not said anything of it yet.
    Waiting,
    /// The node has begun.
    Running,
    /// It was done.
    Done,
    /// It was begun and failed.
    Failed,
    /// The node does not do it for this one.
    Refused,
    /// The node stopped while it was at work; what was done is not known, and it is not repeated.
    Interrupted,
    /// Its deadline passed before the node said anything.
    Expired,
    /// It was taken back before the node said anything.
    Cancelled,
}

impl OrderState {
    /// Whether nothing more will come of it.
    #[must_use]
    pub fn has_ended(self) -> bool {
        !matches!(self, Self::Waiting | Self::Running)
    }
}

/// One order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderReport {
    /// Its id.
    pub id: OrderId,
    /// Who issued it.
    pub by: NodeName,
    /// Who shall do it.
    pub node: NodeName,
    /// What it asks for, in a word: `job_run`. None when it cannot be read here.
    pub request: Option<String>,
    /// When it was issued, by the issuer's clock.
    pub issued_ms: Time,
    /// Not to be begun after this.
    pub deadline_ms: Time,
    /// How far it is.
    pub state: OrderState,
    /// When the node said so, by its clock.
    pub said_ms: Option<Time>,
    /// What came of it, for people.
    pub text: Option<String>,
    /// Why it failed.
    pub failure: Option<Failure>,
}

impl Request {
    /// What it is called as an order; none for what no other node is told to do later: questions,
    /// whose answers would come too late, and what is between a node and its own administrator.
    #[must_use]
    pub fn order_word(&self) -> Option<&'static str> {
        Some(match self {
            Self::JobAdd(_) => "job_add",
            Self::JobEdit(_) => "job_edit",
            Self::JobRun(_) => "job_run",
            Self::JobRemove { .. } => "job_remove",
            Self::RunCancel { .. } => "run_cancel",
            Self::Prune(Prune { dry_run: false, .. }) => "prune",
            Self::ArchiveRestore(ArchiveRestore { plan: false, .. }) => "archive_restore",
            Self::ArchivePin { .. } => "archive_pin",
            Self::ArchiveTransfer(_) => "archive_transfer",
            Self::TransferStart(_) => "transfer_start",
            Self::StoreCheck { .. } => "store_check",
            Self::StoreGc { dry_run: false } => "store_gc",
            _ => return None,
        })
    }
}
