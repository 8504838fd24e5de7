//! The worker that asks instances how they are, and what one round of questions is.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::StreamExt as _;
use protocol::control::{InstanceJob, InstanceJobRun, InstanceReport, InstanceState};
use tokio::time::Instant;

use super::Told;
use crate::{
    daemon::node::{Node, blocking},
    instances::{Client, ClientError, Job, Run},
    replicate::Cancel,
    sys,
};

/// Name of the worker.
const WORKER: &str = "instances";

/// How often an instance is asked how it is.
const ASK_EVERY: Duration = Duration::from_secs(60);

/// How seldom one is asked that did not answer for long.
const ASK_EVERY_MAX: Duration = Duration::from_secs(15 * 60);

/// How old what is known of its jobs may become.
const JOBS_OLD_MS: u64 = 5 * 60 * 1_000;

/// Instances that are asked at once.
const ASKED_AT_ONCE: usize = 4;

/// Jobs of one instance whose runs are asked for one by one, where the list does not tell them.
const RUNS_ASKED_MAX: usize = 50;

/// Runs until the node stops.
pub(in crate::daemon) async fn run(node: Arc<Node>, stop: Cancel) {
    let mut plan = BTreeMap::new();
    node.workers.idle(WORKER);
    loop {
        let due = due(&mut plan, &node.instances.list());
        let round = futures::stream::iter(&due).for_each_concurrent(ASKED_AT_ONCE, |number| {
            let node = &node;
            async move {
                // How it went is noted there.
                let _ = poll(node, *number, false).await;
            }
        });
        tokio::select! {
            () = stop.cancelled() => return,
            () = round => {}
        }
        for number in due {
            let online = node.instances.numbered(number).map(|it| it.state);
            let next = plan.entry(number).or_default();
            next.failures =
                if online == Some(InstanceState::Online) { 0 } else { next.failures + 1 };
            next.at = Some(Instant::now() + jittered(wait(next.failures)));
        }
        tell(&node);
        let next = plan.values().filter_map(|next| next.at).min();
        let next = next.unwrap_or_else(|| Instant::now() + ASK_EVERY_MAX);
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep_until(next) => {}
            () = node.instances.changed.notified() => {}
        }
    }
}

#[derive(Debug, Default)]
struct Next {
    at: Option<Instant>,
    failures: u32,
}

/// Who is to be asked now. Those that were removed are forgotten.
fn due(plan: &mut BTreeMap<u64, Next>, known: &[InstanceReport]) -> Vec<u64> {
    plan.retain(|number, _| known.iter().any(|instance| instance.number == *number));
    let now = Instant::now();
    let is_due =
        |number: &u64| plan.get(number).and_then(|next| next.at).is_none_or(|at| at <= now);
    known.iter().map(|instance| instance.number).filter(is_due).collect()
}

/// How long to wait after so many failures in a row: the first few are as good as none.
fn wait(failures: u32) -> Duration {
    let doubled = failures.saturating_sub(2).min(8);
    (ASK_EVERY * (1 << doubled)).min(ASK_EVERY_MAX)
}

/// Up to a tenth more or less, so that many nodes do not ask in step.
fn jittered(wait: Duration) -> Duration {
    use protocol::Entropy as _;
    let dice = u32::from(sys::OsEntropy.array::<1>()[0]);
    wait * 9 / 10 + wait * dice / (5 * 256)
}

fn tell(node: &Node) {
    let known = node.instances.list();
    if known.is_empty() {
        return node.workers.idle(WORKER);
    }
    let online = known.iter().filter(|it| it.state == InstanceState::Online).count();
    let mut what = format!("{online} of {} online", known.len());
    if let Some(other) = known.iter().find(|it| it.why.is_some()) {
        let why = other.why.as_deref().unwrap_or_default();
        what.push_str(&format!("; {}: {why}", other.name));
    }
    node.workers.done(WORKER);
    node.workers.waiting(WORKER, what);
}

/// Asks one instance how it is, and what its jobs are when that is not known or old.
///
/// # Errors
/// As the call that failed; it is noted too. `None` when it was removed or cannot be called.
pub(in crate::daemon) async fn poll(
    node: &Arc<Node>,
    number: u64,
    jobs_anew: bool,
) -> Result<(), Option<ClientError>> {
    let client = node.instances.client(&node.secret, number).map_err(|failure| {
        node.instances.note_mute(number, &failure);
        None
    })?;
    let told_ms = node.instances.numbered(number).and_then(|instance| instance.jobs_ms);
    let old = told_ms.is_none_or(|at| sys::now().0.saturating_sub(at.0) >= JOBS_OLD_MS);
    let went = ask(&client, jobs_anew || old).await;
    let noted = Arc::clone(node);
    let went = blocking(move || {
        noted.instances.note(number, &went);
        Ok(went)
    });
    went.await.map_err(|_| None)?.map(drop).map_err(Some)
}

async fn ask(client: &Client, with_jobs: bool) -> Result<Told, ClientError> {
    let health = client.health().await?;
    let jobs = if with_jobs { Some(jobs(client).await?) } else { None };
    Ok(Told { health, jobs })
}

async fn jobs(client: &Client) -> Result<Vec<InstanceJob>, ClientError> {
    let (mut jobs, mut asked) = (Vec::new(), 0);
    for job in client.jobs().await? {
        let last_run = match &job.last_run {
            Some(told) => told.clone(),
            None if asked < RUNS_ASKED_MAX => {
                asked += 1;
                client.runs(job.id, 1).await?.into_iter().next()
            }
            None => None,
        };
        jobs.push(known_job(job, last_run));
    }
    Ok(jobs)
}

fn known_job(job: Job, last_run: Option<Run>) -> InstanceJob {
    let last_run = last_run.map(|run| InstanceJobRun {
        run: run.id,
        status: run.status,
        started_ms: run.started,
        ended_ms: run.finished,
        archive: run.archive_name,
        bytes: run.size_bytes,
    });
    let Job { id, name, kind, enabled, .. } = job;
    InstanceJob { number: id, name, kind, enabled, last_run }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_does_not_answer_is_asked_less_and_less_often() {
        let waits: Vec<_> = [0, 1, 2, 3, 4, 50].map(|n| wait(n).as_secs()).into();
        assert_eq!(waits, [60, 60, 60, 120, 240, 900]);
        for _ in 0..100 {
            let wait = jittered(ASK_EVERY);
            assert!((54..=66).contains(&wait.as_secs()), "{wait:?}");
        }
    }
}
