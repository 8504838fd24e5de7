//! Everything a running node has, for those who answer requests and for its workers.

use std::sync::Arc;

use protocol::{
    NodeId, Time,
    catalog::Catalog,
    control::{ArchiveRef, Failure, FailureCode},
    job::{Job, Name},
    key::{ArchiveKey, NodeSecret},
};

use super::{
    asking::Asking,
    data::DataDir,
    hurt::Hurt,
    instances::Instances,
    keeping::Keeping,
    keys::ApiKeys,
    mesh::Mesh,
    metrics::HttpAnswers,
    news::Bus,
    notices::Notices,
    numbers::Numbers,
    registry::{Listing, Registry},
    runs::Runs,
    tars::Tars,
    transfers::Transfers,
    uploads::Uploads,
    view::{self, Archive, Keys},
    workers::Workers,
    yunohost::KnownYunohost,
};
use crate::{agent::Agent, chunks::ChunkStore, db::Db};

/// A running node.
pub struct Node {
    /// Its name.
    pub name: String,
    /// Where people find it, when somebody said so.
    pub instance_url: Option<String>,
    /// Its key.
    pub secret: NodeSecret,
    /// The key of its own archives.
    pub key: ArchiveKey,
    /// Its data folder.
    pub data: DataDir,
    /// Its state file.
    pub db: Arc<Db>,
    /// Its chunk store.
    pub store: ChunkStore,
    /// Its part in the mesh.
    pub mesh: Mesh,
    /// What needs the rights of root.
    pub agent: Arc<dyn Agent>,
    /// The history of runs.
    pub runs: Runs,
    /// Its plain tars.
    pub tars: Tars,
    /// Archives that come in parts.
    pub uploads: Uploads,
    /// Servers that it reaches by the HTTP contract alone.
    pub instances: Instances,
    /// Archives on their way to them.
    pub transfers: Transfers,
    /// Its jobs and all archives, decoded.
    pub registry: Registry,
    /// What its long-lived activities do.
    pub workers: Workers,
    /// Archives that are not whole here any more.
    pub hurt: Hurt,
    /// Archives that must not go now.
    pub keeping: Keeping,
    /// Messages for the people who look after it.
    pub notices: Notices,
    /// The numbers of its jobs.
    pub numbers: Arc<Numbers>,
    /// The keys of its HTTP interface.
    pub api_keys: Arc<ApiKeys>,
    /// Places of requests to other members.
    pub asking: Asking,
    /// Where it serves HTTP, as people write it.
    pub http: Option<String>,
    /// The `YunoHost` that runs here.
    pub yunohost: KnownYunohost,
    /// How its HTTP interface answered.
    pub http_answers: HttpAnswers,
    /// What happens here.
    pub news: Arc<Bus>,
    /// When it started.
    pub started: Time,
}

impl Node {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.secret.id()
    }

    /// The archive keys it can use now.
    #[must_use]
    pub fn keys(&self) -> Keys {
        self.mesh.look(|catalog| self.keys_in(catalog))
    }

    /// The archive keys that a catalog gives it.
    #[must_use]
    pub fn keys_in(&self, catalog: &Catalog) -> Keys {
        Keys::gather(catalog, &self.secret, &self.key)
    }

    /// Its jobs and every archive in the catalog. Not for those who hold the catalog.
    #[must_use]
    pub fn listing(&self) -> Arc<Listing> {
        self.registry.listing(self)
    }

    /// Its jobs, by name.
    #[must_use]
    pub fn jobs(&self) -> Vec<Arc<Job>> {
        self.listing().jobs().iter().map(|listed| Arc::clone(&listed.job)).collect()
    }

    /// The job that somebody names.
    ///
    /// # Errors
    /// When there is none.
    pub fn job(&self, name: &Name) -> Result<Arc<Job>, Failure> {
        let found = self.listing().job(name).map(|listed| Arc::clone(&listed.job));
        found.ok_or_else(|| {
            Failure::new(FailureCode::NotFound, format!("cannot find job {name}"), "there is none")
                .hint("`backupmanager job list` shows the jobs of this node")
        })
    }

    /// Every archive in the catalog, oldest first.
    #[must_use]
    pub fn archive_list(&self) -> Vec<Arc<Archive>> {
        self.listing().archives().to_vec()
    }

    /// The archive that somebody names. Not for those who hold the catalog.
    ///
    /// # Errors
    /// When there is none, or several nodes have one of that name.
    pub fn find_archive(&self, wanted: &ArchiveRef) -> Result<Archive, Failure> {
        let origin = wanted.node_of.as_ref();
        let origin = origin.map(|node| self.mesh.look(|catalog| view::find_node(catalog, node)));
        view::find_archive(&self.listing(), origin.transpose()?, self.id(), &wanted.name)
    }

    /// The key that opens an archive.
    ///
    /// # Errors
    /// When this node holds it for somebody else.
    pub fn key_of(&self, archive: &Archive) -> Result<ArchiveKey, Failure> {
        self.keys().of(&archive.origin).cloned().ok_or_else(|| {
            let what = format!("cannot open archive {}", archive.title());
            let why = "it is sealed, and its origin did not give this node the key";
            Failure::new(FailureCode::Refused, what, why)
                .hint("only the origin and the operators of its mesh can open it")
        })
    }
}

/// Runs blocking work on a thread of its own, away from the network.
///
/// # Errors
/// What the work says; a thread that died is a failure too.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let died = |error: tokio::task::JoinError| {
        Failure::caused(FailureCode::Internal, "the work was not finished", &error)
    };
    tokio::task::spawn_blocking(work).await.map_err(died)?
}
