//! The worker that finds news where nobody tells them: in the catalog, and in how the node is.

use std::{sync::Arc, time::Duration};

use protocol::control::{Failure, Happened, Health};
use tokio::time::Instant;
use tracing::warn;

use super::differences::Seen;
use crate::{
    daemon::{
        handle,
        node::{Node, blocking},
    },
    replicate::Cancel,
};

/// How long what comes together is gathered.
const GATHER: Duration = Duration::from_millis(500);

/// Most differences that are told one by one. A node that joins a mesh learns of thousands.
const DIFFERENCES_MAX: usize = 1_000;

/// How often the health is judged when nothing happens.
const JUDGE_EVERY: Duration = Duration::from_secs(60);

/// How often it is judged at most: that asks the store and the history.
const JUDGE_EVERY_MIN: Duration = Duration::from_secs(10);

/// Runs until the node stops.
pub(in crate::daemon) async fn run(node: Arc<Node>, stop: Cancel) {
    tokio::select! {
        () = stop.cancelled() => {}
        Err(failure) = watch(&node) => warn!(%failure, "what changes is no longer told"),
    }
}

async fn watch(node: &Arc<Node>) -> Result<(), Failure> {
    let mut changes = node.mesh.changes();
    let mut seen = look(node).await?;
    let mut health = None;
    let mut judged: Option<Instant> = None;
    loop {
        if judged.is_none_or(|at| at.elapsed() >= JUDGE_EVERY_MIN) && is_heard(node, judged) {
            judged = Some(Instant::now());
            judge(node, &mut health).await;
        }
        tokio::select! {
            changed = changes.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                node.news.look();
            }
            () = node.news.stirred.notified() => {}
            () = tokio::time::sleep(JUDGE_EVERY) => {}
        }
        tokio::time::sleep(GATHER).await;
        node.news.flush();
        if node.news.listed_anew.swap(false, std::sync::atomic::Ordering::Relaxed) {
            changes.mark_unchanged();
            let now = look(node).await?;
            tell(node, now.since(&seen, node));
            seen = now;
        }
    }
}

/// The first health is judged in any case, so that a change of it is known as one.
fn is_heard(node: &Node, judged: Option<Instant>) -> bool {
    judged.is_none() || node.news.readers() > 0
}

async fn look(node: &Arc<Node>) -> Result<Seen, Failure> {
    let node = Arc::clone(node);
    blocking(move || Ok(Seen::look(&node))).await
}

fn tell(node: &Node, news: Vec<Happened>) {
    if news.len() > DIFFERENCES_MAX {
        return node.news.lose();
    }
    news.into_iter().for_each(|what| node.news.tell(what));
}

async fn judge(node: &Arc<Node>, known: &mut Option<(Health, Vec<String>)>) {
    // What keeps it from being judged is told to whoever asks for it.
    let Ok(status) = handle::status::status(Arc::clone(node)).await else { return };
    let now = (status.health, status.reasons);
    let before = known.replace(now.clone());
    if before.is_some_and(|before| before != now) {
        let (health, reasons) = now;
        node.news.tell(Happened::Health { health, reasons });
    }
}
