//! The jobs of this node and all archives, decoded once for as long as the catalog says the same.
//!
//! The catalog keeps what is private as sealed bytes. A *listing* is all of it opened, in the order
//! in which it is shown; it never changes, so that whoever has one can take its time. The registry
//! makes a new one when the catalog's digest has changed, and opens only what is new in it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use protocol::{
    ArchiveId, JobId, NodeId,
    catalog::Catalog,
    job::{Job, Name},
    key::ArchiveKey,
    record::ArchiveFacts,
};

use super::{
    node::Node,
    view::{self, Archive, Keys},
};

/// Jobs and archives as they were at one moment.
#[derive(Default)]
pub struct Listing {
    opened_jobs: BTreeMap<JobId, OpenedJob>,
    opened_archives: BTreeMap<(NodeId, ArchiveId), OpenedArchive>,
    jobs: Vec<ListedJob>,
    archives: Vec<Arc<Archive>>,
    /// Where those of a name, or of an id, are in the list.
    called: BTreeMap<String, Vec<usize>>,
}

/// A job of this node.
#[derive(Clone, Debug)]
pub struct ListedJob {
    /// The job.
    pub job: Arc<Job>,
    /// Its size when encoded.
    pub bytes: usize,
    /// Archives of this node that it made.
    pub archives: u64,
}

/// A job with the bytes it was read from; none when they cannot be read.
#[derive(Clone)]
struct OpenedJob {
    sealed: Vec<u8>,
    job: Option<(Arc<Job>, usize)>,
}

/// An archive, and whether its key was there when it was opened.
#[derive(Clone)]
struct OpenedArchive {
    archive: Arc<Archive>,
    had_key: bool,
}

/// What the catalog says, with what is not known yet copied out of it: opening takes longer than
/// the catalog may be held.
struct Gathered {
    digest: [u8; 32],
    keys: Keys,
    jobs: Vec<(JobId, Option<Vec<u8>>)>,
    archives: Vec<((NodeId, ArchiveId), Option<ArchiveFacts>)>,
}

/// The newest listing.
#[derive(Default)]
pub struct Registry(Mutex<Newest>);

#[derive(Default)]
struct Newest {
    digest: Option<[u8; 32]>,
    listing: Arc<Listing>,
}

impl Registry {
    /// Jobs and archives as they are now. Not for those who hold the catalog.
    pub(super) fn listing(&self, node: &Node) -> Arc<Listing> {
        let mut newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, old) = (newest.digest, &newest.listing);
        let gathered = node.mesh.look(|catalog| {
            let digest = catalog.digest();
            (known != Some(digest)).then(|| old.gather(catalog, node, digest))
        });
        if let Some(gathered) = gathered {
            newest.digest = Some(gathered.digest);
            newest.listing = Arc::new(newest.listing.changed(gathered, node.id(), &node.key));
            node.numbers.see(newest.listing.jobs().iter().map(|listed| &*listed.job));
        }
        Arc::clone(&newest.listing)
    }
}

impl Listing {
    /// The jobs of this node, by name.
    #[must_use]
    pub fn jobs(&self) -> &[ListedJob] {
        &self.jobs
    }

    /// The job of a name.
    #[must_use]
    pub fn job(&self, name: &Name) -> Option<&ListedJob> {
        let found = self.jobs.binary_search_by(|listed| listed.job.spec.name.cmp(name));
        found.ok().map(|at| &self.jobs[at])
    }

    /// The job of an id.
    #[must_use]
    pub fn job_of(&self, id: &JobId) -> Option<&ListedJob> {
        let (job, _) = self.opened_jobs.get(id)?.job.as_ref()?;
        // Two nodes' worth of edits may give one name to two jobs.
        let named = |listed: &&ListedJob| listed.job.id == *id;
        self.job(&job.spec.name).filter(named).or_else(|| self.jobs.iter().find(named))
    }

    /// Every archive in the catalog, oldest first.
    #[must_use]
    pub fn archives(&self) -> &[Arc<Archive>] {
        &self.archives
    }

    /// Archives of that name or id, of all nodes, oldest first.
    pub fn archives_called(&self, name: &str) -> impl Iterator<Item = &Arc<Archive>> {
        let places = self.called.get(name).map(Vec::as_slice).unwrap_or_default();
        places.iter().map(|place| &self.archives[*place])
    }

    fn gather(&self, catalog: &Catalog, node: &Node, digest: [u8; 32]) -> Gathered {
        let keys = node.keys_in(catalog);
        let jobs = catalog.jobs_of(node.id()).map(|(id, facts)| {
            let known = self.opened_jobs.get(id).is_some_and(|job| job.sealed == facts.sealed);
            (*id, (!known).then(|| facts.sealed.clone()))
        });
        let archives = catalog.tables().archives.iter().map(|(id, facts)| {
            let known = self.opened_archives.get(id).is_some_and(|opened| {
                opened.had_key == keys.of(&id.0).is_some() && opened.archive.facts == *facts
            });
            (*id, (!known).then(|| facts.clone()))
        });
        let (jobs, archives) = (jobs.collect(), archives.collect());
        Gathered { digest, keys, jobs, archives }
    }

    /// The listing after this one.
    fn changed(&self, gathered: Gathered, me: NodeId, key: &ArchiveKey) -> Self {
        let Gathered { keys, jobs, archives, .. } = gathered;
        let opened_jobs = jobs.into_iter().filter_map(|(id, sealed)| {
            let Some(sealed) = sealed else {
                return self.opened_jobs.get(&id).map(|job| (id, job.clone()));
            };
            let job = view::open_job(key, &sealed).map(|(job, bytes)| (Arc::new(job), bytes));
            Some((id, OpenedJob { sealed, job }))
        });
        let opened_archives = archives.into_iter().filter_map(|(id, facts)| {
            let Some(facts) = facts else {
                return self.opened_archives.get(&id).map(|archive| (id, archive.clone()));
            };
            let had_key = keys.of(&id.0).is_some();
            let archive = Arc::new(view::open_archive(&keys, id.0, id.1, facts));
            Some((id, OpenedArchive { archive, had_key }))
        });
        let mut next = Self {
            opened_jobs: opened_jobs.collect(),
            opened_archives: opened_archives.collect(),
            ..Self::default()
        };
        next.arrange(me);
        next
    }

    fn arrange(&mut self, me: NodeId) {
        let archives = self.opened_archives.values().map(|opened| Arc::clone(&opened.archive));
        self.archives = archives.collect();
        self.archives.sort_by_key(|archive| (archive.facts.created, archive.origin, archive.id));
        for (place, archive) in self.archives.iter().enumerate() {
            for name in [archive.title(), archive.id.to_string()] {
                self.called.entry(name).or_default().push(place);
            }
        }
        let mut counts = BTreeMap::<JobId, u64>::new();
        for archive in self.archives.iter().filter(|archive| archive.origin == me) {
            if let Some(meta) = &archive.meta {
                *counts.entry(meta.job).or_default() += 1;
            }
        }
        let jobs = self.opened_jobs.values().filter_map(|opened| opened.job.as_ref());
        let listed = jobs.map(|(job, bytes)| ListedJob {
            archives: counts.get(&job.id).copied().unwrap_or_default(),
            job: Arc::clone(job),
            bytes: *bytes,
        });
        self.jobs = listed.collect();
        self.jobs.sort_by(|a, b| (&a.job.spec.name, a.job.id).cmp(&(&b.job.spec.name, b.job.id)));
    }
}

#[cfg(test)]
mod tests;
