//! The worker that looks at what holds for a while, and tells people when it begins: a disk that
//! fills up, instances that are away, archives that are hurt or lack copies.
//!
//! It only looks; whoever can do something about it does so elsewhere.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use protocol::{
    ArchiveId, Time,
    control::{InstanceState, NoticeKind},
};
use tracing::warn;

use crate::{
    daemon::{
        node::{Node, blocking},
        view::{self, Archive},
    },
    replicate::Cancel,
    sys,
};

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// How long an archive may lack copies before people are told.
const SHORT_MAX: Duration = Duration::from_secs(24 * 3_600);

/// A disk with less than this share free is nearly full, percent.
const FREE_PERCENT_MIN: u64 = 5;

/// And with less than this, bytes, whatever its size.
const FREE_BYTES_MIN: u64 = 512 << 20;

/// Archives of one kind of trouble that are told of one by one; more are in the lists.
const ARCHIVES_TOLD_MAX: usize = 100;

/// Runs until the node stops.
pub(in crate::daemon) async fn run(node: Arc<Node>, stop: Cancel) {
    let mut watch = Watch::default();
    loop {
        let looked = blocking({
            let node = Arc::clone(&node);
            move || {
                watch.look(&node, sys::now());
                Ok(watch)
            }
        });
        match looked.await {
            Ok(looked) => watch = looked,
            Err(failure) => {
                warn!(%failure, "cannot watch over the node");
                watch = Watch::default();
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// What has to hold for a while.
#[derive(Debug, Default)]
struct Watch {
    /// Since when own archives lack copies, as far as was seen.
    short_since: BTreeMap<ArchiveId, Time>,
}

impl Watch {
    fn look(&mut self, node: &Node, now: Time) {
        let path = node.data.path();
        disk(node, sys::free_bytes(path), sys::disk_bytes(path));
        instances(node);
        hurt(node);
        self.short(node, now);
    }

    /// Own archives that have had fewer copies than wanted for long.
    fn short(&mut self, node: &Node, now: Time) {
        let me = node.id();
        let short: BTreeSet<ArchiveId> = node.mesh.look(|catalog| {
            let own = catalog.archives_of(me).map(|(id, facts)| Archive {
                origin: me,
                id: *id,
                facts: facts.clone(),
                meta: None,
            });
            let is_short = |archive: &Archive| {
                view::copies(catalog, archive) < usize::from(archive.facts.copies)
            };
            own.filter(is_short).map(|archive| archive.id).collect()
        });
        self.short_since.retain(|id, _| short.contains(id));
        for id in &short {
            self.short_since.entry(*id).or_insert(now);
        }
        let long = self.short_since.iter().filter(|(_, since)| now.since(**since) >= SHORT_MAX);
        let keys = node.keys();
        let title = |id: &ArchiveId| node.mesh.look(|catalog| view::title(catalog, &keys, me, *id));
        let told: BTreeSet<String> =
            long.take(ARCHIVES_TOLD_MAX).map(|(id, _)| title(id)).collect();
        // After a restart the day begins anew; what was told before holds while it is short.
        let held = node.notices.held(NoticeKind::CopiesShort);
        let still: BTreeSet<String> =
            if held.is_empty() { BTreeSet::new() } else { short.iter().map(title).collect() };
        for subject in held.iter().filter(|subject| !still.contains(*subject)) {
            node.notices.clear(NoticeKind::CopiesShort, subject);
        }
        for subject in &told {
            node.notices.raise(NoticeKind::CopiesShort, subject, None);
        }
    }
}

fn disk(node: &Node, free: u64, total: u64) {
    let path = node.data.path().display().to_string();
    let percent = u128::from(free) * 100;
    let full = free < FREE_BYTES_MIN || percent < u128::from(total) * u128::from(FREE_PERCENT_MIN);
    // A disk of which nothing is known is no full one.
    if full && total > 0 {
        let why = format!("{} MiB of {} MiB are free", free >> 20, total >> 20);
        node.notices.raise(NoticeKind::DiskFull, &path, Some(&why));
    } else {
        node.notices.clear(NoticeKind::DiskFull, &path);
    }
}

fn instances(node: &Node) {
    for instance in node.instances.list() {
        let name = instance.name.as_str();
        match instance.state {
            InstanceState::Unknown => {}
            InstanceState::Online => {
                if node.notices.clear(NoticeKind::InstanceOffline, name) {
                    node.notices.note(NoticeKind::InstanceBack, name, None);
                }
            }
            InstanceState::Offline | InstanceState::Error => {
                node.notices.raise(NoticeKind::InstanceOffline, name, instance.why.as_deref());
            }
        }
    }
}

fn hurt(node: &Node) {
    let keys = node.keys();
    let hurt = node.hurt.list();
    let title = |(origin, id): &(protocol::NodeId, ArchiveId)| {
        node.mesh.look(|catalog| view::title(catalog, &keys, *origin, *id))
    };
    let now: BTreeSet<String> = hurt.iter().take(ARCHIVES_TOLD_MAX).map(title).collect();
    for subject in node.notices.held(NoticeKind::ArchiveHurt) {
        if !now.contains(&subject) && hurt.len() <= ARCHIVES_TOLD_MAX {
            node.notices.clear(NoticeKind::ArchiveHurt, &subject);
        }
    }
    for subject in &now {
        node.notices.raise(NoticeKind::ArchiveHurt, subject, None);
    }
}

#[cfg(test)]
mod tests {
    use protocol::{NodeId, SealedId, object::Link, record::Fact};

    use super::*;
    use crate::daemon::{
        live::tests::{Sample, node},
        mesh::Change,
    };

    fn told(node: &Node) -> Vec<(NoticeKind, u64)> {
        let list = protocol::control::NoticeList { unread: false, offset: 0, limit: 100 };
        let notices = node.notices.list(list).notices.into_iter();
        let mut told: Vec<_> = notices.map(|one| (one.kind, one.count)).collect();
        told.sort_unstable();
        told
    }

    #[tokio::test]
    async fn a_disk_is_told_of_when_it_fills_up_and_again_after_it_was_emptied() {
        let dir = tempfile::tempdir().unwrap();
        let node = node(&dir, "jerry").await;
        for _ in 0..3 {
            disk(&node, 4 << 30, 100 << 30);
        }
        assert_eq!(told(&node), [(NoticeKind::DiskFull, 1)]);
        disk(&node, 6 << 30, 100 << 30);
        disk(&node, 100 << 20, 1 << 30);
        assert_eq!(told(&node), [(NoticeKind::DiskFull, 2)]);
        let other = tempfile::tempdir().unwrap();
        let unknown = crate::daemon::live::tests::node(&other, "tom").await;
        disk(&unknown, 0, 0);
        assert!(told(&unknown).is_empty());
    }

    #[tokio::test]
    async fn archives_that_are_hurt_are_told_of_until_they_are_whole() {
        let dir = tempfile::tempdir().unwrap();
        let node = node(&dir, "jerry").await;
        let (origin, root) = (NodeId([4; 32]), Link { id: SealedId([1; 32]), bytes: 2 });
        node.hurt.note(origin, ArchiveId([1; 16]), root);
        hurt(&node);
        hurt(&node);
        assert_eq!(told(&node), [(NoticeKind::ArchiveHurt, 1)]);
        node.hurt.forget(origin, ArchiveId([1; 16]));
        hurt(&node);
        assert!(node.notices.held(NoticeKind::ArchiveHurt).is_empty());
    }

    #[tokio::test]
    async fn an_archive_that_lacks_copies_is_told_of_after_a_day() {
        let dir = tempfile::tempdir().unwrap();
        let node = node(&dir, "jerry").await;
        let sample = Sample::put(&node.store, 1);
        let id = ArchiveId([1; 16]);
        let say = Change::Say(Fact::Archive(id, sample.facts()));
        node.mesh.publish(vec![say]).await.unwrap();
        let mut watch = Watch::default();
        let begin = Time(1_000);
        watch.short(&node, begin);
        watch.short(&node, begin.after(SHORT_MAX / 2));
        assert!(told(&node).is_empty());
        watch.short(&node, begin.after(SHORT_MAX));
        watch.short(&node, begin.after(SHORT_MAX * 2));
        assert_eq!(told(&node), [(NoticeKind::CopiesShort, 1)]);
        // A restart forgets since when; the notice still holds.
        let mut anew = Watch::default();
        anew.short(&node, begin.after(SHORT_MAX * 2));
        assert_eq!(node.notices.held(NoticeKind::CopiesShort).len(), 1);
        let gone = Change::Unsay(protocol::record::RecordKey::Archive(id));
        node.mesh.publish(vec![gone]).await.unwrap();
        anew.short(&node, begin.after(SHORT_MAX * 3));
        assert!(node.notices.held(NoticeKind::CopiesShort).is_empty());
    }
}
