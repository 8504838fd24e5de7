//! The holders of a fetch: who is connected, who is tried again, who is done with.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use protocol::{
    NodeId,
    fetch::{CloseReason, HOLDERS_MAX, wire::ErrorCode},
    object::Link,
};
use tokio::{sync::mpsc, task::JoinSet, time::timeout};

use super::{
    Dialer, FetchOptions, HolderFault, HolderReport, Lie, StreamError,
    connection::{Ended, Shared, attend},
};

/// Tries in a row that bring nothing, before a holder is done with.
const TRIES_MAX: u32 = 4;

/// How long connections may need to say goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// One holder.
#[derive(Debug, Default)]
struct Peer {
    /// Where its want-lists go while it is connected.
    asks: Option<mpsc::Sender<Vec<Link>>>,
    /// Its task runs: it is connected, or will be tried.
    runs: bool,
    /// It is not tried again.
    done_with: bool,
    tries: u32,
    report: HolderReport,
}

/// All holders of one fetch.
pub(super) struct Peers<D> {
    dialer: Arc<D>,
    shared: Shared,
    peers: BTreeMap<NodeId, Peer>,
    /// Those who were not tried yet, the best first.
    untried: VecDeque<NodeId>,
    tasks: JoinSet<()>,
    at_once: usize,
    try_again: Duration,
}

impl<D: Dialer> Peers<D> {
    /// Starts with the first of these.
    pub(super) fn start(
        dialer: Arc<D>,
        shared: Shared,
        holders: &[NodeId],
        options: &FetchOptions,
    ) -> Self {
        let untried = holders.iter().copied().collect();
        let at_once = options.holders_at_once.clamp(1, HOLDERS_MAX);
        let (peers, tasks, try_again) = (BTreeMap::new(), JoinSet::new(), options.try_again);
        let mut all = Self { dialer, shared, peers, untried, tasks, at_once, try_again };
        all.fill_up();
        all
    }

    /// Tries holders that were not tried, while fewer than are wanted at once run.
    fn fill_up(&mut self) {
        while self.running() < self.at_once {
            let Some(node) = self.untried.pop_front() else { return };
            if !self.peers.contains_key(&node) {
                self.attend(node, Duration::ZERO);
            }
        }
    }

    /// Tries one holder more than usual, as those who run cannot help; says whether there is one.
    pub(super) fn widen(&mut self) -> bool {
        self.at_once = (self.running() + 1).clamp(self.at_once, HOLDERS_MAX);
        self.fill_up();
        self.is_hopeful()
    }

    fn running(&self) -> usize {
        self.peers.values().filter(|peer| peer.runs && !peer.done_with).count()
    }

    fn attend(&mut self, node: NodeId, wait: Duration) {
        self.peers.entry(node).or_default().runs = true;
        self.tasks.spawn(attend(Arc::clone(&self.dialer), node, wait, self.shared.clone()));
    }

    /// Whether somebody may still turn up.
    pub(super) fn is_hopeful(&self) -> bool {
        self.peers.values().any(|peer| peer.runs && !peer.done_with && peer.asks.is_none())
    }

    /// Connected; says whether it is wanted.
    pub(super) fn ready(&mut self, node: NodeId, asks: mpsc::Sender<Vec<Link>>) -> bool {
        let Some(peer) = self.peers.get_mut(&node).filter(|peer| !peer.done_with) else {
            return false;
        };
        peer.asks = Some(asks);
        true
    }

    /// Sends a want-list; says whether it is on its way.
    pub(super) fn ask(&self, node: NodeId, links: Vec<Link>) -> bool {
        let asks = self.peers.get(&node).and_then(|peer| peer.asks.as_ref());
        asks.is_some_and(|asks| asks.try_send(links).is_ok())
    }

    /// An object came from it, so trying again is worth it.
    pub(super) fn delivered(&mut self, node: NodeId) {
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.tries = 0;
        }
    }

    /// An object of it counts.
    pub(super) fn count(&mut self, node: NodeId, bytes: u32) {
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.report.objects += 1;
            peer.report.bytes += u64::from(bytes);
        }
    }

    /// The session wants this connection closed.
    pub(super) fn close(&mut self, node: NodeId, reason: CloseReason) {
        let Some(peer) = self.peers.get_mut(&node) else { return };
        peer.asks = None;
        match reason {
            CloseReason::Silent => drop(peer.report.fault.get_or_insert(HolderFault::Silent)),
            CloseReason::Lied | CloseReason::NotWanted => peer.done_with = true,
        }
        self.fill_up();
    }

    /// It was caught at a lie.
    pub(super) fn shun(&mut self, node: NodeId, lie: Lie) {
        let Some(peer) = self.peers.get_mut(&node) else { return };
        if !matches!(peer.report.fault, Some(HolderFault::Lied(_))) {
            tracing::warn!(peer.id = %node, "a holder lied: it {lie}");
            peer.report.fault = Some(HolderFault::Lied(lie));
        }
        (peer.asks, peer.done_with) = (None, true);
        self.fill_up();
    }

    /// Its connection ended: it is tried again, or done with.
    pub(super) fn ended(&mut self, node: NodeId, ended: Ended) {
        let Some(peer) = self.peers.get_mut(&node) else { return };
        (peer.asks, peer.runs) = (None, false);
        let fault = match ended {
            Ended::Lied(lie) => return self.shun(node, lie),
            Ended::NotOpened(source) => Some(HolderFault::Unreachable { source }),
            Ended::Broken(StreamError::Silent) => Some(HolderFault::Silent),
            Ended::Broken(source) => {
                peer.done_with |= is_final(&source);
                Some(HolderFault::Broken { source })
            }
            Ended::HungUp => Some(HolderFault::HungUp),
            Ended::Dropped => None,
        };
        peer.tries += 1;
        peer.done_with |= peer.tries >= TRIES_MAX;
        if fault.is_some() && !matches!(peer.report.fault, Some(HolderFault::Lied(_))) {
            peer.report.fault = fault;
        }
        if !peer.done_with {
            let wait = self.try_again * (1 << (peer.tries - 1));
            self.attend(node, wait);
        }
        self.fill_up();
    }

    /// Lets the connections say goodbye, then ends them; what became of each holder.
    pub(super) async fn finish(mut self) -> Vec<(NodeId, HolderReport)> {
        self.peers.values_mut().for_each(|peer| peer.asks = None);
        let goodbye = async { while self.tasks.join_next().await.is_some() {} };
        let _ = timeout(GOODBYE, goodbye).await;
        self.tasks.shutdown().await;
        self.peers.into_iter().map(|(node, peer)| (node, peer.report)).collect()
    }
}

/// What a holder says once is true for the whole fetch.
fn is_final(error: &StreamError) -> bool {
    let StreamError::Told { code, .. } = error else { return false };
    matches!(code, ErrorCode::Protocol | ErrorCode::Unsupported | ErrorCode::Refused)
}
