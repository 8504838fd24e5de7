//! The daemon: everything a node does while it runs.
//!
//! [`start`] opens the data folder, the state file and the chunk store, joins the network and starts
//! the workers; [`serve`] does that and answers commands until it is told to stop. Everything that
//! was acknowledged is durable, so stopping is quick and being killed is no different.

mod choices;
pub mod data;
mod execute;
mod export;
mod facts;
mod failure;
mod freed;
mod handle;
pub mod hooks;
pub mod hurt;
pub mod keeping;
mod live;
pub mod mesh;
pub mod node;
mod objects;
mod picked;
mod prune;
pub(crate) mod rebuild;
pub mod registry;
mod replicas;
pub mod runs;
mod schedule;
pub mod tars;
mod verify;
pub mod view;
pub mod workers;
mod zone;

use std::{path::Path, sync::Arc};

use libp2p::Multiaddr;
use protocol::{
    NodeId,
    control::{Failure, FailureCode},
    record::Right,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    task::JoinSet,
};
use tracing::{debug, info, warn};

use self::{
    data::DataDir,
    hurt::Hurt,
    keeping::Keeping,
    mesh::{Mesh, MeshConfig},
    node::Node,
    objects::Shelf,
    registry::Registry,
    runs::Runs,
    tars::Tars,
    workers::Workers,
};
use crate::{
    agent::{Agent, LocalAgent, RemoteAgent},
    chunks::{ChunkStore, StoreOptions},
    config::{self, Config},
    db::Db,
    net::BulkStream,
    replicate::{self, Cancel, ServeOptions},
    socket::{CancelSwitch, Server},
    sys,
};

/// Bulk streams that wait to be served.
const BULK_WAITING_MAX: usize = 64;

/// Bulk streams served at once.
const BULK_SERVED_MAX: usize = 32;

/// Where the stored name is kept.
const NAME_KEY: &str = "name";

/// A running daemon.
pub struct Daemon {
    node: Arc<Node>,
    server: Server,
    stop: Cancel,
    tasks: JoinSet<()>,
}

/// Starts a daemon.
///
/// # Errors
/// When the data folder cannot be used, or an address or the socket cannot be listened on.
pub async fn start(config: &Config) -> Result<Daemon, Failure> {
    if config.http.is_some() {
        let why = "this version does not listen for HTTP yet";
        return Err(Failure::new(FailureCode::Unsupported, "cannot start the daemon", why)
            .hint("leave --http out; every command works through the control socket"));
    }
    let (data, db, store) = node::blocking({
        let path = config.data.clone();
        move || open_data(&path)
    })
    .await?;
    let failed = |error: &dyn std::error::Error| {
        Failure::caused(FailureCode::Internal, "cannot start the daemon", error)
    };
    let name = name(&db, config).map_err(|error| failed(&error))?;
    let secret = data.node_secret().map_err(|error| failed(&error).hint(error.hint()))?;
    let key = data.archive_key().map_err(|error| failed(&error).hint(error.hint()))?;
    let tars = Tars::open(&db).map_err(|error| failed(&error))?;
    let runs =
        Runs::open(Arc::clone(&db), config.parallel_runs.get()).map_err(|error| failed(&error))?;
    let hurt = Hurt::open(Arc::clone(&db), secret.id()).map_err(|error| failed(&error))?;
    let (bulk, bulk_streams) = mpsc::channel(BULK_WAITING_MAX);
    let mesh = start_mesh(config, &name, &secret, &db, bulk).await?;
    let agent: Arc<dyn Agent> = match &config.agent {
        Some(socket) => Arc::new(RemoteAgent::new(socket)),
        None => Arc::new(LocalAgent::new(&config.archives)),
    };
    let server = Server::bind(&config.socket)
        .await
        .map_err(|error| Failure::caused(FailureCode::Busy, "cannot start the daemon", &error))?;
    let node = Arc::new(Node {
        name,
        instance_url: config.instance_url.clone(),
        secret,
        key,
        data,
        db,
        store,
        mesh,
        agent,
        runs,
        tars,
        registry: Registry::default(),
        workers: Workers::default(),
        hurt,
        keeping: Keeping::default(),
        started: sys::now(),
    });
    let (stop, mut tasks) = (Cancel::default(), JoinSet::new());
    tasks.spawn(facts::run(Arc::clone(&node), stop.clone()));
    tasks.spawn(replicas::run(Arc::clone(&node), stop.clone()));
    tasks.spawn(tars::run(Arc::clone(&node), stop.clone()));
    tasks.spawn(prune::run(Arc::clone(&node), stop.clone()));
    tasks.spawn(schedule::run(Arc::clone(&node), stop.clone()));
    tasks.spawn(serve_bulk(Arc::clone(&node), bulk_streams, stop.clone()));
    info!(node.name = node.name, node.id = %node.id().short(), "the daemon is up");
    Ok(Daemon { node, server, stop, tasks })
}

impl Daemon {
    /// Answers commands until `stop` is asked.
    pub async fn run(mut self, stop: crate::socket::Cancel) {
        let answers = Arc::new(handle::Answers(Arc::clone(&self.node)));
        self.server.serve(answers, stop).await;
        self.stop.cancel();
        self.node.mesh.stop().await;
        while self.tasks.join_next().await.is_some() {}
        info!("the daemon has stopped");
    }
}

/// Runs a daemon until SIGTERM or SIGINT.
///
/// # Errors
/// As [`start`].
pub async fn serve(config: Config) -> Result<(), Failure> {
    let daemon = start(&config).await?;
    let (switch, stop) = CancelSwitch::new();
    let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    let (Ok(mut terminate), Ok(mut interrupt)) = signals else {
        let why = "the system refuses signal handlers";
        return Err(Failure::new(FailureCode::Internal, "cannot start the daemon", why));
    };
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        info!("stopping");
        switch.cancel();
    });
    daemon.run(stop).await;
    Ok(())
}

fn open_data(path: &Path) -> Result<(DataDir, Arc<Db>, ChunkStore), Failure> {
    const WHAT: &str = "cannot start the daemon";
    let data = DataDir::open(path).map_err(|error| {
        let busy = matches!(error, data::DataError::InUse { .. });
        let code = if busy { FailureCode::Busy } else { FailureCode::Internal };
        Failure::caused(code, WHAT, &error).hint(error.hint())
    })?;
    let (store, report) = ChunkStore::open(&data.store(), StoreOptions::default())
        .map_err(|error| failure::store_failure(WHAT, &error))?;
    if !report.is_clean() {
        warn!(?report, "the chunk store was put in order after it was not closed");
    }
    let db = Db::open(&data.state()).map_err(|error| failure::db_failure(WHAT, &error))?;
    Ok((data, Arc::new(db), store))
}

fn name(db: &Db, config: &Config) -> Result<String, crate::db::DbError> {
    let stored = db.meta(NAME_KEY)?.and_then(|name| String::from_utf8(name).ok());
    let given = config.name.as_ref().map(ToString::to_string);
    let name = given.or_else(|| stored.clone()).unwrap_or_else(|| config::host_name().to_string());
    if stored.as_ref() != Some(&name) {
        db.set_meta(NAME_KEY, name.as_bytes())?;
    }
    Ok(name)
}

/// Starts the mesh; where nobody chose the port and it is taken, on any free one, because many
/// nodes may run on one machine.
async fn start_mesh(
    config: &Config,
    name: &str,
    secret: &protocol::key::NodeSecret,
    db: &Arc<Db>,
    bulk: mpsc::Sender<(NodeId, BulkStream)>,
) -> Result<Mesh, Failure> {
    let with = |listen: Vec<Multiaddr>| MeshConfig {
        secret: secret.clone(),
        name: name.to_owned(),
        listen,
        db: Arc::clone(db),
        serve_bulk: bulk.clone(),
    };
    let first = Mesh::start(with(config.listen.addresses.clone())).await;
    let result = match first {
        Err(mesh::MeshError::Net(crate::net::NetError::Listen { address, .. }))
            if !config.listen.chosen =>
        {
            warn!(%address, "the usual port is taken: listening on a free one");
            Mesh::start(with(config::listen_anywhere())).await
        }
        result => result,
    };
    result.map_err(|error| {
        Failure::caused(FailureCode::Internal, "cannot start the daemon", &error)
            .hint("choose other addresses with --listen")
    })
}

/// Gives sealed objects to members that ask for them.
async fn serve_bulk(
    node: Arc<Node>,
    mut streams: mpsc::Receiver<(NodeId, BulkStream)>,
    stop: Cancel,
) {
    let mut serving = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            Some(_) = serving.join_next() => {}
            stream = streams.recv(), if serving.len() < BULK_SERVED_MAX => {
                let Some((peer, stream)) = stream else { return };
                serving.spawn(serve_one(Arc::clone(&node), peer, stream, stop.clone()));
            }
        }
    }
}

async fn serve_one(node: Arc<Node>, peer: NodeId, stream: BulkStream, stop: Cancel) {
    // Sealed objects tell nothing to who has no key, and are found by their hash only; still, who
    // may neither keep nor open anything here has no business with them.
    let allowed = node.mesh.look(|catalog| {
        let rights = catalog.rights(&node.id(), &peer);
        rights.allow(Right::Store) || rights.allow(Right::Open)
    });
    let shelf = Arc::new(Shelf(node.store.clone()));
    let options = ServeOptions { cancel: stop, ..ServeOptions::default() };
    match replicate::serve(stream, shelf, move |_| allowed, options).await {
        Ok(report) => debug!(peer.id = %peer.short(), ?report, "served a member"),
        Err(error) => debug!(peer.id = %peer.short(), %error, "a member was not served to its end"),
    }
}
