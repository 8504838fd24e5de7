//! News, as events have them.

use protocol::control::{Happened, Health, InstanceState, News, RunKind, UploadNews, UploadState};
use serde::Serialize;

use super::{FailureView, Iso, ProgressView, RunView, TransferView, iso};

/// A piece of news as JSON of one line: the thing as its resource has it, and when.
pub(crate) fn news(news: &News) -> String {
    let told = Told { what: What::from(news.what.clone()), time: iso(news.at_ms) };
    serde_json::to_string(&told).unwrap_or_else(|error| {
        tracing::error!(%error, "an event could not be written as JSON");
        "{}".to_owned()
    })
}

#[derive(Serialize)]
struct Told {
    #[serde(flatten)]
    what: What,
    time: Iso,
}

#[derive(Serialize)]
#[serde(untagged)]
enum What {
    Run(Box<RunView>),
    Progress { id: u64, job_name: String, kind: RunKind, progress: ProgressView },
    Job { id: u64, name: String },
    Archive { id: String, name: Option<String>, instance_name: String, node_id: String },
    Member { id: String, name: String },
    Transfer(Box<TransferView>),
    Upload(UploadTold),
    Instance { id: u64, name: String, status: InstanceState, why: Option<String> },
    Health { status: &'static str, health: Health, reasons: Vec<String> },
}

/// An upload, with the names that it has everywhere.
#[derive(Serialize)]
struct UploadTold {
    upload_id: String,
    filename: String,
    total_size: u64,
    chunks: u32,
    chunks_received: u32,
    status: &'static str,
    archive_name: Option<String>,
    failure: Option<FailureView>,
}

impl From<Happened> for What {
    fn from(what: Happened) -> Self {
        match what {
            Happened::RunStarted(run) | Happened::RunEnded(run) => {
                Self::Run(Box::new(RunView::from(*run)))
            }
            Happened::RunProgress { run, job, kind, progress } => {
                Self::Progress { id: run, job_name: job, kind, progress: progress.into() }
            }
            Happened::Job { number, name, .. } => Self::Job { id: number, name },
            Happened::Archive { origin, id, name, .. } => Self::Archive {
                id: id.to_string(),
                name,
                instance_name: origin.name,
                node_id: origin.id.to_string(),
            },
            Happened::Member { node, .. } => {
                Self::Member { id: node.id.to_string(), name: node.name }
            }
            Happened::Transfer(transfer) => Self::Transfer(Box::new(TransferView::from(*transfer))),
            Happened::Upload(upload) => Self::Upload(upload.into()),
            Happened::Instance { number, name, state, why, .. } => {
                Self::Instance { id: number, name, status: state, why }
            }
            Happened::Health { health, reasons } => {
                let status = if health == Health::Red { "error" } else { "ok" };
                Self::Health { status, health, reasons }
            }
        }
    }
}

impl From<UploadNews> for UploadTold {
    fn from(upload: UploadNews) -> Self {
        let status = match upload.state {
            Some(UploadState::Pending) => "pending",
            Some(UploadState::InProgress | UploadState::Finishing) => "in_progress",
            Some(UploadState::Complete) => "complete",
            Some(UploadState::Error) => "error",
            None => "dropped",
        };
        Self {
            upload_id: upload.id,
            filename: upload.filename,
            total_size: upload.total_bytes,
            chunks: upload.parts,
            chunks_received: upload.received,
            status,
            archive_name: upload.archive,
            failure: upload.failure.map(FailureView::from),
        }
    }
}
