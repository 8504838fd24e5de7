//! What is other than before, as news.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use protocol::{
    ArchiveId, JobId, NodeId,
    control::{ArchiveChange, Change, Happened, MemberChange, NodeName},
    job::Job,
};

use crate::daemon::{node::Node, registry::Listing, view, view::Archive};

/// What is listed at one moment.
pub(super) struct Seen {
    listing: Arc<Listing>,
    hurt: BTreeSet<(NodeId, ArchiveId)>,
    /// Members, expelled ones included, by what they are called.
    members: BTreeMap<NodeId, Member>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    name: String,
    expelled: bool,
    connected: bool,
}

impl Seen {
    /// Looks. Opens what is new in the catalog, so not on the runtime.
    pub(super) fn look(node: &Node) -> Self {
        let listing = node.listing();
        let connected = node.mesh.connected();
        let me = node.id();
        let members = node.mesh.look(|catalog| {
            let membership = catalog.membership();
            let all = membership.members().chain(membership.expelled());
            let others = all.filter(|(id, _)| **id != me);
            let member = |(id, member): (&NodeId, &protocol::membership::Member)| {
                let name = view::node_name(catalog, *id).name;
                let (expelled, connected) = (member.expelled.is_some(), connected.contains_key(id));
                (*id, Member { name, expelled, connected })
            };
            others.map(member).collect()
        });
        Self { listing, hurt: node.hurt.noted(), members }
    }

    /// What happened since an earlier look.
    pub(super) fn since(&self, before: &Self, node: &Node) -> Vec<Happened> {
        let mut news = members(&before.members, &self.members);
        if !Arc::ptr_eq(&before.listing, &self.listing) {
            let number = |job: &JobId| node.numbers.of(job).unwrap_or_default();
            let listed = |seen: &Self| {
                let jobs = seen.listing.jobs().iter();
                jobs.map(|listed| (listed.job.id, Arc::clone(&listed.job))).collect()
            };
            news.extend(jobs(&listed(before), &listed(self), number));
            news.extend(self.archives(before, node));
        }
        news.extend(self.hurt_and_whole(before, node));
        news
    }

    fn archives(&self, before: &Self, node: &Node) -> Vec<Happened> {
        let (old, new) = (by_id(&before.listing), by_id(&self.listing));
        let gone = old.iter().filter(|(key, _)| !new.contains_key(*key));
        let gone = gone.map(|(_, archive)| (ArchiveChange::Removed, *archive));
        let here = new.iter().filter_map(|(key, archive)| match old.get(key) {
            None => Some((ArchiveChange::Added, *archive)),
            Some(was) if Arc::ptr_eq(was, archive) => None,
            Some(was) if was.facts == archive.facts && named(was) == named(archive) => None,
            Some(_) => Some((ArchiveChange::Changed, *archive)),
        });
        gone.chain(here).map(|(change, archive)| told(node, change, archive)).collect()
    }

    fn hurt_and_whole(&self, before: &Self, node: &Node) -> Vec<Happened> {
        if self.hurt == before.hurt {
            return Vec::new();
        }
        let known = by_id(&self.listing);
        let hurt = self.hurt.difference(&before.hurt).map(|key| (ArchiveChange::Hurt, key));
        let whole = before.hurt.difference(&self.hurt).map(|key| (ArchiveChange::Whole, key));
        // One that was removed is no longer hurt, and not whole either.
        let known = hurt.chain(whole).filter_map(|(change, key)| Some((change, *known.get(key)?)));
        known.map(|(change, archive)| told(node, change, archive)).collect()
    }
}

fn by_id(listing: &Listing) -> BTreeMap<(NodeId, ArchiveId), &Arc<Archive>> {
    listing.archives().iter().map(|archive| ((archive.origin, archive.id), archive)).collect()
}

fn named(archive: &Archive) -> Option<&str> {
    archive.meta.as_ref().map(|meta| meta.name.as_str())
}

fn told(node: &Node, change: ArchiveChange, archive: &Archive) -> Happened {
    let origin = node.mesh.look(|catalog| view::node_name(catalog, archive.origin));
    Happened::Archive { change, origin, id: archive.id, name: named(archive).map(str::to_owned) }
}

type Jobs = BTreeMap<JobId, Arc<Job>>;

pub(super) fn jobs(old: &Jobs, new: &Jobs, number: impl Fn(&JobId) -> u64) -> Vec<Happened> {
    let gone = old.values().filter(|job| !new.contains_key(&job.id));
    let gone = gone.map(|job| (Change::Removed, job));
    let here = new.values().filter_map(|job| match old.get(&job.id) {
        None => Some((Change::Added, job)),
        Some(was) if Arc::ptr_eq(was, job) || was == job => None,
        Some(_) => Some((Change::Changed, job)),
    });
    let told = |(change, job): (Change, &Arc<Job>)| Happened::Job {
        change,
        number: number(&job.id),
        name: job.spec.name.to_string(),
    };
    gone.chain(here).map(told).collect()
}

pub(super) fn members(
    old: &BTreeMap<NodeId, Member>,
    new: &BTreeMap<NodeId, Member>,
) -> Vec<Happened> {
    let mut news = Vec::new();
    for (id, now) in new {
        let was = old.get(id);
        let mut tell = |change| {
            let node = NodeName { id: *id, name: now.name.clone() };
            news.push(Happened::Member { change, node });
        };
        if !now.expelled && was.is_none_or(|was| was.expelled) {
            tell(MemberChange::Joined);
        }
        match (was.is_some_and(|was| was.connected), now.connected) {
            (false, true) => tell(MemberChange::Connected),
            (true, false) => tell(MemberChange::Disconnected),
            _ => {}
        }
        if now.expelled && was.is_none_or(|was| !was.expelled) {
            tell(MemberChange::Expelled);
        }
    }
    news
}

#[cfg(test)]
mod tests {
    use protocol::{
        Time,
        job::{CustomDir, JobConfig, JobSpec},
    };

    use super::*;

    fn member(expelled: bool, connected: bool) -> Member {
        Member { name: "tom".into(), expelled, connected }
    }

    fn kinds(news: &[Happened]) -> Vec<&'static str> {
        news.iter().map(Happened::kind).collect()
    }

    #[test]
    fn a_member_comes_is_there_goes_and_is_turned_out() {
        let tom = NodeId([1; 32]);
        let steps = [
            (None, Some(member(false, true)), vec!["member.joined", "member.connected"]),
            (Some(member(false, true)), Some(member(false, true)), vec![]),
            (Some(member(false, true)), Some(member(false, false)), vec!["member.disconnected"]),
            (
                Some(member(false, true)),
                Some(member(true, false)),
                vec!["member.disconnected", "member.expelled"],
            ),
            (Some(member(true, false)), Some(member(false, false)), vec!["member.joined"]),
        ];
        for (was, now, expected) in steps {
            let at = |member: Option<Member>| member.into_iter().map(|it| (tom, it)).collect();
            assert_eq!(kinds(&members(&at(was), &at(now))), expected);
        }
    }

    #[test]
    fn a_job_is_added_changed_and_removed() {
        let job = |name: &str, updated| {
            let config = JobConfig::CustomDir(CustomDir::new("/srv"));
            let spec = JobSpec::new(name.parse().unwrap(), config);
            let id = JobId([7; 16]);
            let job = Job { id, spec, created_ms: Time(1), updated_ms: Time(updated) };
            Jobs::from([(id, Arc::new(job))])
        };
        let (none, first, renamed) = (Jobs::new(), job("docs", 1), job("papers", 2));
        let told = |old: &Jobs, new: &Jobs| jobs(old, new, |_| 3);
        assert_eq!(kinds(&told(&none, &first)), ["job.added"]);
        assert_eq!(kinds(&told(&first, &job("docs", 1))), [""; 0]);
        let news = told(&first, &renamed);
        let Happened::Job { number: 3, name, .. } = &news[0] else { panic!("{news:?}") };
        assert_eq!((name.as_str(), news[0].kind()), ("papers", "job.changed"));
        assert_eq!(kinds(&told(&renamed, &none)), ["job.removed"]);
    }
}
