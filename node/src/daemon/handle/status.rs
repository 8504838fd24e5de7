//! How this node is, in numbers and as one colour with its reasons.

mod health;

use std::{os::unix::ffi::OsStrExt as _, sync::Arc};

use protocol::{
    Time,
    catalog::Catalog,
    control::{Failure, RawPath, StatusReport, WorkerState},
    job::Job,
};

use super::mesh::{is_unfounded, last_heard};
use crate::{
    chunks::StoreStats,
    daemon::{
        failure::{db_failure, store_failure},
        node::{Node, blocking},
        view::{self, Archive},
    },
    sys,
};
use health::{Facts, JobFact, judge};

const WHAT: &str = "cannot tell how the node is";

/// How the node is.
pub(in crate::daemon) async fn status(node: Arc<Node>) -> Result<StatusReport, Failure> {
    blocking(move || look(&node)).await
}

fn look(node: &Node) -> Result<StatusReport, Failure> {
    let now = sys::now();
    let jobs = node.jobs();
    let store = node.store.stats().map_err(|error| store_failure(WHAT, &error))?;
    let own = own_archives(node);
    let facts = facts(node, &jobs, &own, &store, now)?;
    let (health, reasons) = judge(&facts);
    let connected = node.mesh.connected();
    let (mesh, members, replicas, name) = node.mesh.engine(|engine| {
        let (catalog, me) = (engine.catalog(), engine.me());
        let mesh = (!is_unfounded(engine)).then(|| catalog.mesh());
        let replicas = catalog.holds_of(me).filter(|(origin, ..)| *origin != me).count();
        (mesh, catalog.membership().ids(), replicas, view::node_name(catalog, me))
    });
    Ok(StatusReport {
        node: protocol::control::NodeName { name: node.name.clone(), ..name },
        mesh,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_ms: node.started,
        now_ms: now,
        data: RawPath(node.data.path().as_os_str().as_bytes().to_vec()),
        listen: node.mesh.listening().iter().map(ToString::to_string).collect(),
        http: node.http.clone(),
        members: small(members.len()),
        connected: small(connected.keys().filter(|id| members.contains(*id)).count()),
        jobs: small(jobs.len()),
        runs: node.runs.running(),
        archives: own.len() as u64,
        archives_short: facts.archives_short,
        replicas: replicas as u64,
        store_bytes: store.pack_bytes,
        free_bytes: facts.free_bytes,
        disk_bytes: facts.disk_bytes,
        instance_url: node.instance_url.clone(),
        yunohost_version: node.yunohost.version(),
        health,
        reasons,
    })
}

fn small(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// An archive made here, and the copies of it that stand elsewhere.
struct Own {
    archive: Archive,
    copies: usize,
}

fn own_archives(node: &Node) -> Vec<Own> {
    let me = node.id();
    let own = |catalog: &Catalog| {
        let all = catalog.archives_of(me).map(|(id, facts)| {
            let archive = Archive { origin: me, id: *id, facts: facts.clone(), meta: None };
            Own { copies: view::copies(catalog, &archive), archive }
        });
        all.collect()
    };
    node.mesh.look(own)
}

fn facts(
    node: &Node,
    jobs: &[Arc<Job>],
    own: &[Own],
    store: &StoreStats,
    now: Time,
) -> Result<Facts, Failure> {
    let path = node.data.store();
    let roots: Vec<_> = own.iter().map(|own| own.archive.facts.root.id).collect();
    let here = node.store.has_all(&roots).map_err(|error| store_failure(WHAT, &error))?;
    let not_here = own.iter().zip(&here).filter(|(_, here)| !**here).map(|(own, _)| own);
    let (lost, elsewhere): (Vec<_>, Vec<_>) = not_here.partition(|own| own.copies == 0);
    let is_short = |own: &&Own| own.copies < usize::from(own.archive.facts.copies);
    let failing = node.workers.list().into_iter().filter(|w| w.state == WorkerState::Failing);
    let (offline, history_unknown) = members(node, now);
    Ok(Facts {
        jobs: job_facts(node, jobs)?,
        free_bytes: sys::free_bytes(&path),
        disk_bytes: sys::disk_bytes(&path),
        store_bytes: store.pack_bytes,
        store_bytes_max: store.bytes_max,
        archives_short: own.iter().filter(is_short).count() as u64,
        archives_lost: lost.len() as u64,
        archives_elsewhere: elsewhere.len() as u64,
        offline,
        failing: failing
            .map(|worker| (worker.name, worker.last_error.unwrap_or_default()))
            .collect(),
        history_unknown,
    })
}

/// Names of members that are long offline, and whether this node may be one from an old copy.
fn members(node: &Node, now: Time) -> (Vec<String>, bool) {
    let connected = node.mesh.connected();
    node.mesh.engine(|engine| {
        let (catalog, me) = (engine.catalog(), engine.me());
        let others = || catalog.membership().members().filter(|(id, _)| **id != me);
        let away = others().filter(|(id, member)| {
            let silence = now.since(last_heard(catalog, id, member));
            !connected.contains_key(*id) && silence > health::OFFLINE_MAX
        });
        let names = away.map(|(id, _)| view::node_name(catalog, *id).name).collect();
        (names, others().next().is_some() && !engine.own_feed_known())
    })
}

fn job_facts(node: &Node, jobs: &[Arc<Job>]) -> Result<Vec<JobFact>, Failure> {
    let failed = |error| db_failure(WHAT, &error);
    let mut facts = Vec::with_capacity(jobs.len());
    for job in jobs {
        let last = node.runs.last_backup_of(&job.id).map_err(failed)?;
        let name = job.spec.name.to_string();
        facts.push(JobFact { name, last: last.map(|run| run.state) });
    }
    Ok(facts)
}

#[cfg(test)]
mod tests {
    use protocol::{
        ArchiveId,
        control::{FailureCode, Health, RunKind, RunReport, RunState, Trigger},
        record::Fact,
    };

    use super::*;
    use crate::{
        daemon::{
            live::tests::{Sample, node},
            mesh::Change,
            runs::NewRun,
        },
        socket::CancelSwitch,
    };

    #[tokio::test]
    async fn a_node_alone_counts_what_it_has_and_what_lacks_copies() {
        let dir = tempfile::tempdir().unwrap();
        let node = node(&dir, "jerry").await;
        let fresh = status(Arc::clone(&node)).await.unwrap();
        assert_eq!((fresh.mesh, fresh.members, fresh.archives), (None, 1, 0));
        let sample = Sample::put(&node.store, 1);
        let say = Fact::Archive(ArchiveId([1; 16]), sample.facts());
        node.mesh.publish(vec![Change::Say(say)]).await.unwrap();
        node.workers.failed("replicate", "no holder");
        let report = status(Arc::clone(&node)).await.unwrap();
        assert_eq!((report.archives, report.archives_short), (1, 1));
        assert!(report.store_bytes > 0 && report.free_bytes > 0);
        assert_eq!(report.health, Health::Amber, "{:?}", report.reasons);
        let expected =
            ["1 archive of this node has fewer copies", "the worker replicate fails: no holder"];
        for reason in expected {
            assert!(report.reasons.iter().any(|why| why.starts_with(reason)), "{reason}");
        }
    }

    #[tokio::test]
    async fn the_last_run_that_ended_counts_and_not_the_one_at_work() {
        let dir = tempfile::tempdir().unwrap();
        let node = node(&dir, "jerry").await;
        let name: protocol::job::Name = "docs".parse().unwrap();
        let config =
            protocol::job::JobConfig::CustomDir(protocol::job::CustomDir::new("/srv/docs"));
        let job = Job {
            id: protocol::JobId([1; 16]),
            spec: protocol::job::JobSpec::new(name, config),
            created_ms: Time(1),
            updated_ms: Time(1),
        };
        let new = NewRun {
            job: "docs",
            job_id: Some(job.id),
            kind: RunKind::Backup,
            trigger: Trigger::Hand,
        };
        let run = node.runs.begin(new, CancelSwitch::new().0).unwrap().run;
        let failure = Failure::new(FailureCode::Internal, "x", "y");
        let failed = |run: &mut RunReport| {
            (run.state, run.failure) = (RunState::Failed, Some(failure));
        };
        node.runs.end(run, failed).unwrap();
        node.runs.begin(new, CancelSwitch::new().0).unwrap();
        let facts = job_facts(&node, &[Arc::new(job)]).unwrap();
        assert_eq!(facts[0].last, Some(RunState::Failed));
    }
}
