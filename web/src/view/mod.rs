//! What the node reports, with the names and types that clients of 000 know.
//!
//! Fields are called as in 000's tables; what it did not have is added beside, never in place of it.

mod archive;
mod job;
mod news;
mod restore;
mod run;
mod time;
mod transfer;

pub(crate) use archive::{ArchiveView, ContentsView, InfoView, RemovedView};
pub(crate) use job::{JobView, VerdictView, shown_to};
pub(crate) use news::news;
pub(crate) use restore::{PlanView, ReportView};
pub(crate) use run::{FailureView, ProgressView, RunView, log_text};
pub(crate) use time::{Iso, iso, iso_file, iso_or_none};
pub(crate) use transfer::{InstanceView, TransferView};
