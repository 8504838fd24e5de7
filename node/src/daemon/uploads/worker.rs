//! The worker that drops uploads that nobody continues, and the ends of others.

use std::{sync::Arc, time::Duration};

use protocol::{Time, control::Failure};
use tracing::info;

use crate::{
    daemon::node::{Node, blocking},
    replicate::Cancel,
    sys,
};

/// Name of the worker.
pub(super) const WORKER: &str = "uploads";

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_secs(600);

/// Runs until the node stops.
pub(in crate::daemon) async fn run(node: Arc<Node>, stop: Cancel) {
    node.workers.idle(WORKER);
    loop {
        let look = {
            let node = Arc::clone(&node);
            blocking(move || expire(&node, sys::now()))
        };
        match look.await {
            Ok(0) => node.workers.idle(WORKER),
            Ok(_) => node.workers.done(WORKER),
            Err(failure) => node.workers.failed(WORKER, failure.to_string()),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Drops what has expired; how many.
pub(super) fn expire(node: &Node, now: Time) -> Result<usize, Failure> {
    // A part that is being written now keeps its upload.
    let old = node.uploads.those(|entry| {
        entry.session.is_expired(now) && entry.writing.is_empty() && entry.finishing.is_none()
    });
    if old.is_empty() {
        return Ok(0);
    }
    node.workers.working(WORKER, "dropping uploads that nobody continues");
    node.uploads.forget(&node.db, &old)?;
    info!(uploads = old.len(), "uploads have expired");
    Ok(old.len())
}
