//! The worker that carries out what others ordered, and tells people what came of own orders.
//!
//! The engine writes down that an order is begun before this worker sees it, and never begins one
//! twice. So whatever is found here is done once; the end is said when it is there. A node that
//! stops in between leaves the note, and after its next start the engine makes an interruption of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use protocol::{
    NodeId, OrderId, Time,
    control::{Failure, FailureCode, NoticeKind, OrderReport, OrderState, Reply},
    order::{Which, read},
    record::{Fact, Order, Outcome, Progress, RecordKey},
};
use tokio::{task::JoinSet, time::timeout};
use tracing::{info, warn};

use super::{answer, reports, state};
use crate::{
    daemon::{
        handle::Answers,
        mesh::Change,
        node::{Node, blocking},
    },
    replicate::Cancel,
    socket::{self, Caller, CancelSwitch, STOP_WAIT, Work},
    sys,
};

/// Name of the worker.
const WORKER: &str = "orders";

/// Orders at work at once. Most of them wait for a run to end.
const AT_WORK_MAX: usize = 64;

/// How often it looks at least: for deadlines that passed, and for what can be forgotten.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// The wait after a result could not be noted: a full disk.
const NOTE_AGAIN: Duration = Duration::from_secs(10);

/// How long an order of this node stays after its deadline, and the result of one that its issuer
/// has dropped: a month, so that who was away learns what came of it.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3_600);

type Key = (NodeId, OrderId);

/// Runs until the node stops.
pub(in crate::daemon) async fn run(node: Arc<Node>, stop: Cancel) {
    let mut changes = node.mesh.changes();
    let (switch, stopped) = CancelSwitch::new();
    let mut worker = Worker {
        // Nobody is told again of what had ended when the node started.
        told: states(&node, sys::now()),
        at_work: BTreeSet::new(),
        tasks: JoinSet::new(),
        stopped,
        node,
    };
    worker.node.workers.idle(WORKER);
    loop {
        changes.mark_unchanged();
        worker.launch();
        worker.tell().await;
        worker.tidy().await;
        tokio::select! {
            () = stop.cancelled() => break,
            Some(ended) = worker.tasks.join_next() => worker.ended(ended),
            () = tokio::time::sleep(LOOK_EVERY) => {}
            changed = changes.changed() => if changed.is_err() { break },
        }
    }
    switch.cancel();
    let rest = async { while worker.tasks.join_next().await.is_some() {} };
    if timeout(STOP_WAIT, rest).await.is_err() {
        warn!("orders did not stop in time");
    }
}

/// How own orders stand.
fn states(node: &Node, now: Time) -> BTreeMap<OrderId, OrderState> {
    let me = node.id();
    node.mesh.look(|catalog| {
        let own = catalog.tables().orders.iter().filter(|((issuer, _), _)| *issuer == me);
        own.map(|((_, id), order)| (*id, state(catalog.outcome(me, *id), order.deadline, now)))
            .collect()
    })
}

/// Tells people when an order came to no good end.
fn notice(node: &Node, order: &OrderReport) {
    let (kind, late) = match order.state {
        OrderState::Refused => (NoticeKind::OrderRefused, None),
        OrderState::Failed | OrderState::Interrupted => (NoticeKind::OrderFailed, None),
        OrderState::Expired => {
            (NoticeKind::OrderFailed, Some("its deadline passed before the node began"))
        }
        _ => return,
    };
    let asked = order.request.as_deref().unwrap_or("?");
    let why = order.failure.as_ref().map(|failure| failure.why.as_str());
    node.notices.note(kind, &format!("{asked} → {}", order.node.name), why.or(late));
}

struct Worker {
    node: Arc<Node>,
    at_work: BTreeSet<Key>,
    tasks: JoinSet<Key>,
    told: BTreeMap<OrderId, OrderState>,
    stopped: socket::Cancel,
}

impl Worker {
    /// Begins what the engine has noted as begun.
    fn launch(&mut self) {
        let begun: Vec<Key> = self.node.mesh.engine(|engine| engine.orders_begun().collect());
        for key in begun {
            if self.at_work.len() >= AT_WORK_MAX {
                return;
            }
            if self.at_work.insert(key) {
                let (node, stop) = (Arc::clone(&self.node), self.stopped.clone());
                self.tasks.spawn(async move {
                    execute(&node, key, stop).await;
                    key
                });
                self.node.workers.working(WORKER, format!("order {}", key.1.short()));
            }
        }
    }

    fn ended(&mut self, ended: Result<Key, tokio::task::JoinError>) {
        match ended {
            Ok(key) => drop(self.at_work.remove(&key)),
            // What panicked stays noted as begun, and is never done again.
            Err(error) => warn!(%error, "an order was not carried out to its end"),
        }
        if self.tasks.is_empty() {
            self.node.workers.done(WORKER);
        }
    }

    /// Tells people what came of own orders that they may have forgotten.
    async fn tell(&mut self) {
        let states = states(&self.node, sys::now());
        let news: BTreeSet<OrderId> = states
            .iter()
            .filter(|(id, state)| self.told.get(id) != Some(state))
            .map(|(id, _)| *id)
            .collect();
        self.told = states;
        if news.is_empty() {
            return;
        }
        let node = Arc::clone(&self.node);
        let orders = blocking(move || Ok(reports(&node, |id| news.contains(&id)))).await;
        let me = self.node.id();
        for order in orders.unwrap_or_default().iter().filter(|order| order.by.id == me) {
            notice(&self.node, order);
        }
    }

    /// Forgets what nobody needs any more.
    async fn tidy(&self) {
        let old = old(&self.node, sys::now());
        if old.is_empty() {
            return;
        }
        let changes = old.into_iter().map(Change::Unsay).collect();
        if let Err(failure) = self.node.mesh.publish(changes).await {
            warn!(%failure, "cannot forget old orders");
        }
    }
}

/// Own orders long past their deadline, and own results of orders that are gone.
fn old(node: &Node, now: Time) -> Vec<RecordKey> {
    let me = node.id();
    node.mesh.look(|catalog| {
        let tables = catalog.tables();
        let orders = tables
            .orders
            .iter()
            .filter(|((issuer, _), order)| *issuer == me && now.since(order.deadline) > KEPT);
        let results = tables.results.iter().filter(|(key, by)| {
            let mine = by.get(&me).filter(|outcome| outcome.progress != Progress::Begun);
            !tables.orders.contains_key(key)
                && mine.is_some_and(|outcome| now.since(outcome.time) > KEPT)
        });
        let orders = orders.map(|((_, id), _)| RecordKey::Order(*id));
        orders.chain(results.map(|((by, id), _)| RecordKey::Result(*by, *id))).collect()
    })
}

/// Does what is ordered, and says what came of it.
async fn execute(node: &Arc<Node>, (issuer, id): Key, stop: socket::Cancel) {
    let which = Which { issuer, to: node.id(), id };
    let order = node.mesh.look(|catalog| catalog.tables().orders.get(&(issuer, id)).cloned());
    let went = match order {
        Some(order) => carry_out(node, &which, order, stop.clone()).await,
        None => Err(Failure::new(FailureCode::Cancelled, WHAT, "the order was taken back")),
    };
    if let Err(failure) = &went {
        warn!(order.id = %id, by.id = %issuer.short(), %failure, "an order failed");
    }
    let exchange = node.mesh.look(|catalog| catalog.node(&issuer).map(|facts| facts.exchange));
    let mine = node.secret.exchange_public();
    let progress = answer::progress(&which, &[mine, exchange.unwrap_or(mine)], &went);
    let outcome = Outcome { progress, time: sys::now() };
    let fact = Fact::Result(issuer, id, outcome);
    while let Err(failure) = node.mesh.publish(vec![Change::Say(fact.clone())]).await {
        warn!(order.id = %id, %failure, "cannot note what came of an order");
        tokio::select! {
            () = stop.wait() => return,
            () = tokio::time::sleep(NOTE_AGAIN) => {}
        }
    }
}

const WHAT: &str = "cannot do what was ordered";

async fn carry_out(
    node: &Arc<Node>,
    which: &Which,
    order: Order,
    stop: socket::Cancel,
) -> Result<Reply, Failure> {
    let due = protocol::catalog::DueOrder { issuer: which.issuer, id: which.id, order };
    // The engine has read it before it was begun.
    let request = read(&due, &node.secret).ok_or_else(|| {
        Failure::new(FailureCode::Refused, WHAT, "it cannot be read here, or is not to be ordered")
    })?;
    let (by, word) = (which.issuer.short(), request.order_word().unwrap_or_default());
    info!(order.id = %which.id, by.id = by, request = word, "an order is carried out");
    let caller = Caller::Node(which.issuer);
    let handler = Arc::new(Answers(Arc::clone(node)));
    Work::start(handler, caller, request, stop, ()).told(|_| {}).await
}
