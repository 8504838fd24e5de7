//! What is taken out of an answer before it goes to another member.
//!
//! Variables of a job's commands are secrets: only who may change jobs sees them. Archives of a
//! third node, which this one can open, are shown as sealed to whom that node does not let open them.

use protocol::{
    NodeId,
    catalog::Catalog,
    control::{ArchiveReport, CHANGE_JOBS, JobReport, Reply},
};

use super::may::shows;
use crate::daemon::node::Node;

/// Takes out of an answer what a member may not see.
pub(in crate::daemon) fn veil(node: &Node, who: NodeId, reply: &mut Reply) {
    let me = node.id();
    node.mesh.look(|catalog| match reply {
        Reply::Job(job) => veil_job(catalog, me, who, job),
        Reply::Jobs(jobs) => {
            jobs.jobs.iter_mut().for_each(|job| veil_job(catalog, me, who, job));
        }
        Reply::Archive(archive) => veil_archive(catalog, me, who, archive),
        Reply::ArchiveInfo(info) => veil_archive(catalog, me, who, &mut info.archive),
        Reply::Archives(archives) => {
            archives.archives.iter_mut().for_each(|one| veil_archive(catalog, me, who, one));
        }
        _ => {}
    });
}

fn veil_job(catalog: &Catalog, me: NodeId, who: NodeId, job: &mut JobReport) {
    let rights = catalog.rights(&me, &who);
    if !CHANGE_JOBS.into_iter().all(|right| rights.allow(right)) {
        job.job.spec.hide_variables();
    }
}

pub(super) fn veil_archive(
    catalog: &Catalog,
    me: NodeId,
    who: NodeId,
    archive: &mut ArchiveReport,
) {
    if shows(catalog, me, who, archive.origin.id) {
        return;
    }
    let ArchiveReport { id, origin, created_ms, sealed_bytes, copies_wanted, .. } = archive.clone();
    *archive = ArchiveReport {
        id,
        origin,
        created_ms,
        sealed_bytes,
        copies_wanted,
        name: None,
        job: None,
        kind: None,
        source: None,
        stream_bytes: None,
        entries: None,
        sha256: None,
        pinned: false,
        tar: None,
        holders: std::mem::take(&mut archive.holders),
        notes: vec!["sealed: its origin does not let the asker open it".to_owned()],
    };
}
