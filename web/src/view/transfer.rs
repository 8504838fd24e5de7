//! Instances, and archives on their way to them.

use protocol::control::{
    InstanceReport, InstanceState, TransferMode, TransferReport, TransferState,
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{FailureView, Iso, iso, iso_or_none};

/// A transfer.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Transfer")]
pub(crate) struct TransferView {
    transfer_id: u64,
    archive_name: String,
    /// The instance, or the node.
    instance: String,
    /// How it was asked for.
    mode: TransferMode,
    /// How it is done.
    way: TransferMode,
    /// `state` says more.
    #[schemars(extend("enum" = ["running", "success", "error"]))]
    status: &'static str,
    state: TransferState,
    sent_bytes: u64,
    size_bytes: u64,
    sha256: Option<String>,
    started_at: Iso,
    finished_at: Option<Iso>,
    /// Attempts that failed since bytes last got through.
    failures: u32,
    failure: Option<FailureView>,
    next_attempt_at: Option<Iso>,
}

impl From<TransferReport> for TransferView {
    fn from(report: TransferReport) -> Self {
        let status = match report.state {
            TransferState::Done => "success",
            TransferState::Failed | TransferState::Cancelled => "error",
            _ => "running",
        };
        Self {
            transfer_id: report.id,
            archive_name: report.archive,
            instance: report.instance.to_string(),
            mode: report.mode,
            way: report.way,
            status,
            state: report.state,
            sent_bytes: report.bytes_done,
            size_bytes: report.bytes_total,
            sha256: report.sha256,
            started_at: iso(report.started_ms),
            finished_at: iso_or_none(report.ended_ms),
            failures: report.failures,
            failure: report.failure.map(FailureView::from),
            next_attempt_at: iso_or_none(report.next_ms),
        }
    }
}

/// An instance, as 000's table `remote_instances` has it; never its key.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Instance")]
pub(crate) struct InstanceView {
    id: u64,
    name: String,
    url: String,
    last_seen: Option<Iso>,
    /// `online`, `offline`, `error`, or `unknown` before it was first asked.
    status: InstanceState,
    created_at: Iso,
    /// Why it is not online.
    why: Option<String>,
    instance_name: Option<String>,
    version: Option<String>,
    /// Whether it has an ssh account for large archives.
    ssh: bool,
}

impl From<InstanceReport> for InstanceView {
    fn from(report: InstanceReport) -> Self {
        Self {
            id: report.number,
            name: report.name.to_string(),
            url: report.url.to_string(),
            last_seen: iso_or_none(report.last_seen_ms),
            status: report.state,
            created_at: iso(report.created_ms),
            why: report.why,
            instance_name: report.instance_name,
            version: report.version,
            ssh: report.ssh.is_some(),
        }
    }
}
