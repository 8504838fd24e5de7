//! The daemon: everything a node does while it runs.
//!
//! [`start`] opens the data folder, the state file and the chunk store, joins the network and starts
//! the workers; [`serve`] does that and answers commands until it is told to stop. Everything that
//! was acknowledged is durable, so stopping is quick and being killed is no different.

pub mod asking;
mod choices;
pub mod data;
mod downloads;
mod execute;
mod export;
mod facts;
mod failure;
mod freed;
mod handle;
pub mod hooks;
mod http;
pub mod hurt;
pub mod instances;
pub mod keeping;
pub mod keys;
mod live;
pub mod mesh;
mod metrics;
pub mod news;
pub mod node;
pub mod notices;
pub mod numbers;
mod objects;
mod orders;
mod picked;
mod prune;
pub(crate) mod rebuild;
pub mod registry;
mod replicas;
pub mod runs;
mod schedule;
pub mod tars;
pub mod transfers;
pub mod uploads;
mod verify;
pub mod view;
pub mod workers;
pub mod yunohost;
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
    time::timeout,
};
use tracing::{debug, error, info, warn};

use self::{
    asking::Asking,
    data::DataDir,
    http::{Behind, server::Listening},
    hurt::Hurt,
    instances::Instances,
    keeping::Keeping,
    keys::ApiKeys,
    mesh::{Mesh, MeshConfig},
    metrics::HttpAnswers,
    news::Bus,
    node::Node,
    notices::Notices,
    numbers::Numbers,
    objects::Shelf,
    registry::Registry,
    runs::Runs,
    tars::Tars,
    transfers::Transfers,
    uploads::Uploads,
    workers::Workers,
    yunohost::KnownYunohost,
};
use crate::{
    agent::{Agent, LocalAgent, RemoteAgent},
    chunks::{ChunkStore, StoreOptions},
    config::{self, Config},
    db::{Db, DbError},
    net::BulkStream,
    replicate::{self, Cancel, ServeOptions},
    socket::{CancelSwitch, STOP_WAIT, Server},
    sys,
};

/// Bulk streams that wait to be served.
const BULK_WAITING_MAX: usize = 64;

/// Streams on which members ask that wait to be heard.
const ASKS_WAITING_MAX: usize = 64;

/// Bulk streams served at once.
const BULK_SERVED_MAX: usize = 32;

/// Where the stored name is kept.
const NAME_KEY: &str = "name";

/// A running daemon.
pub struct Daemon {
    node: Arc<Node>,
    server: Server,
    http: Option<Listening>,
    asks: mpsc::Receiver<(NodeId, BulkStream)>,
    stop: Cancel,
    tasks: JoinSet<()>,
}

/// Starts a daemon.
///
/// # Errors
/// When the data folder cannot be used, or an address or the socket cannot be listened on.
pub async fn start(config: &Config) -> Result<Daemon, Failure> {
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
    let kept = Kept::open(&db, config, secret.id()).map_err(|error| failed(&error))?;
    let news = Arc::<Bus>::default();
    let uploads = node::blocking({
        let (db, folder) = (Arc::clone(&db), data.uploads());
        move || Uploads::open(&db, &folder)
    })
    .await?;
    let http = listen_for_http(config).await?;
    let transfers = Transfers::open(Arc::clone(&db), &data.path().join("transfers"))
        .map_err(|error| failed(&error))?;
    let (bulk, bulk_streams) = mpsc::channel(BULK_WAITING_MAX);
    let (serve_asks, asks) = mpsc::channel(ASKS_WAITING_MAX);
    let mesh = start_mesh(config, &name, &secret, &db, Streams { bulk, asks: serve_asks }).await?;
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
        agent: agent(config),
        runs: kept.runs.telling(&news, &kept.numbers),
        tars: kept.tars,
        uploads: uploads.telling(&news),
        instances: kept.instances.telling(&news),
        transfers: transfers.telling(&news),
        registry: Registry::default(),
        workers: Workers::default(),
        hurt: kept.hurt.telling(&news),
        keeping: Keeping::default(),
        notices: kept.notices,
        numbers: kept.numbers,
        api_keys: Arc::new(kept.api_keys.telling(&news)),
        asking: Asking::default(),
        http: http.as_ref().map(|listening| listening.address.clone()),
        yunohost: KnownYunohost::default(),
        http_answers: HttpAnswers::default(),
        news,
        started: sys::now(),
    });
    let stop = Cancel::default();
    let tasks = start_workers(&node, bulk_streams, &stop);
    let address = node.http.as_deref().unwrap_or("nowhere");
    info!(node.name = node.name, node.id = %node.id().short(), http = address, "the daemon is up");
    Ok(Daemon { node, server, http, asks, stop, tasks })
}

/// What is read from the state file at the start.
struct Kept {
    tars: Tars,
    numbers: Arc<Numbers>,
    api_keys: ApiKeys,
    runs: Runs,
    hurt: Hurt,
    instances: Instances,
    notices: Notices,
}

impl Kept {
    fn open(db: &Arc<Db>, config: &Config, me: NodeId) -> Result<Self, DbError> {
        Ok(Self {
            tars: Tars::open(db)?,
            numbers: Arc::new(Numbers::open(Arc::clone(db))?),
            api_keys: ApiKeys::open(Arc::clone(db))?,
            runs: Runs::open(Arc::clone(db), config.parallel_runs.get())?,
            hurt: Hurt::open(Arc::clone(db), me)?,
            instances: Instances::open(Arc::clone(db), config.plain_instances)?,
            notices: Notices::open(Arc::clone(db))?,
        })
    }
}

fn agent(config: &Config) -> Arc<dyn Agent> {
    match &config.agent {
        Some(socket) => Arc::new(RemoteAgent::new(socket)),
        None => Arc::new(LocalAgent::new(&config.archives)),
    }
}

async fn listen_for_http(config: &Config) -> Result<Option<Listening>, Failure> {
    match &config.http {
        Some(on) => http::server::listen(on).await.map(Some),
        None => Ok(None),
    }
}

/// Everything that goes on for as long as the daemon runs.
fn start_workers(
    node: &Arc<Node>,
    bulk_streams: mpsc::Receiver<(NodeId, BulkStream)>,
    stop: &Cancel,
) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(facts::run(Arc::clone(node), stop.clone()));
    tasks.spawn(replicas::run(Arc::clone(node), stop.clone()));
    tasks.spawn(tars::run(Arc::clone(node), stop.clone()));
    tasks.spawn(prune::run(Arc::clone(node), stop.clone()));
    tasks.spawn(uploads::run(Arc::clone(node), stop.clone()));
    tasks.spawn(schedule::run(Arc::clone(node), stop.clone()));
    tasks.spawn(yunohost::run(Arc::clone(node), stop.clone()));
    tasks.spawn(instances::run(Arc::clone(node), stop.clone()));
    tasks.spawn(transfers::run(Arc::clone(node), stop.clone()));
    tasks.spawn(news::run(Arc::clone(node), stop.clone()));
    tasks.spawn(orders::run(Arc::clone(node), stop.clone()));
    tasks.spawn(notices::watch(Arc::clone(node), stop.clone()));
    tasks.spawn(notices::run(Arc::clone(node), stop.clone()));
    tasks.spawn(serve_bulk(Arc::clone(node), bulk_streams, stop.clone()));
    tasks
}

impl Daemon {
    /// Answers commands until `stop` is asked.
    pub async fn run(mut self, stop: crate::socket::Cancel) {
        let answers = Arc::new(handle::Answers(Arc::clone(&self.node)));
        let http = self.http.take().map(|listening| {
            tokio::spawn(serve_http(
                listening,
                Behind::new(Arc::clone(&answers), Arc::clone(&self.node), stop.clone()),
                stop.clone(),
            ))
        });
        let asked = tokio::spawn(asking::serve(Arc::clone(&answers), self.asks, stop.clone()));
        self.server.serve(answers, stop).await;
        // As of HTTP, below.
        drop(asked.await);
        if let Some(http) = http {
            // A panic there is in the log already.
            drop(http.await);
        }
        self.stop.cancel();
        self.node.mesh.stop().await;
        while self.tasks.join_next().await.is_some() {}
        info!("the daemon has stopped");
    }
}

/// Serves HTTP until `stop` is asked, and waits a little for what is at work then.
async fn serve_http(
    listening: Listening,
    behind: Behind<handle::Answers>,
    stop: crate::socket::Cancel,
) {
    let (behind, asked) = (Arc::new(behind), stop.clone());
    let backend: Arc<dyn web::Backend> = Arc::<Behind<handle::Answers>>::clone(&behind);
    let mut served = tokio::spawn(web::serve(listening.listener, backend, async move {
        asked.wait().await;
    }));
    tokio::select! {
        ended = &mut served => match ended {
            Ok(Err(error)) => error!(%error, "HTTP is not served: restart the daemon"),
            _ if !stop.is_set() => error!("HTTP is served no more: restart the daemon"),
            _ => {}
        },
        () = stop.wait() => {
            if timeout(STOP_WAIT, &mut served).await.is_err() {
                warn!("HTTP clients did not go in time");
                served.abort();
            }
        }
    }
    behind.ended().await;
    drop(listening.file);
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

fn name(db: &Db, config: &Config) -> Result<String, DbError> {
    let stored = db.meta(NAME_KEY)?.and_then(|name| String::from_utf8(name).ok());
    let given = config.name.as_ref().map(ToString::to_string);
    let name = given.or_else(|| stored.clone()).unwrap_or_else(|| config::host_name().to_string());
    if stored.as_ref() != Some(&name) {
        db.set_meta(NAME_KEY, name.as_bytes())?;
    }
    Ok(name)
}

/// Where streams go that members open.
struct Streams {
    bulk: mpsc::Sender<(NodeId, BulkStream)>,
    asks: mpsc::Sender<(NodeId, BulkStream)>,
}

/// Starts the mesh; where nobody chose the port and it is taken, on any free one, because many
/// nodes may run on one machine.
async fn start_mesh(
    config: &Config,
    name: &str,
    secret: &protocol::key::NodeSecret,
    db: &Arc<Db>,
    streams: Streams,
) -> Result<Mesh, Failure> {
    let with = |listen: Vec<Multiaddr>| MeshConfig {
        secret: secret.clone(),
        name: name.to_owned(),
        listen,
        db: Arc::clone(db),
        serve_bulk: streams.bulk.clone(),
        serve_asks: streams.asks.clone(),
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
