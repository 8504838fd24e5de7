use std::{
    io,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use protocol::NodeId;
use tokio::net::{TcpListener, TcpStream};

use super::{
    holders::{Network, cut_off, honest, node},
    runtime,
    store::{Closure, MemoryStore},
};
use crate::replicate::{
    Dialer, FetchError, FetchOptions, FetchReport, Fetcher, ServeOptions, serve,
};

/// Tries again at once, as nobody wants to wait for tests.
pub(super) fn hasty() -> FetchOptions {
    FetchOptions { try_again: Duration::from_millis(1), ..Default::default() }
}

pub(super) async fn fetch(
    network: &Arc<Network>,
    store: &Arc<MemoryStore>,
    closure: &Closure,
) -> Result<FetchReport, FetchError> {
    fetch_with(network, store, closure, hasty()).await
}

pub(super) async fn fetch_with(
    network: &Arc<Network>,
    store: &Arc<MemoryStore>,
    closure: &Closure,
    options: FetchOptions,
) -> Result<FetchReport, FetchError> {
    let fetcher = Fetcher::new(Arc::clone(network), Arc::clone(store));
    let nodes = network.nodes();
    fetcher.fetch(closure.root, closure.expected(), &nodes, options, |_| {}).await
}

pub(super) fn full_store(closure: &Closure) -> Arc<MemoryStore> {
    Arc::new(MemoryStore::of(closure.objects.values().cloned()))
}

#[test]
fn everything_arrives_and_is_durable() {
    runtime().block_on(async {
        let closure = Closure::new(1, 5, 60, 40_000);
        let network = Arc::new(Network::default().with(1, honest(full_store(&closure))));
        let store = Arc::new(MemoryStore::default());
        let report = fetch(&network, &store, &closure).await.unwrap();
        store.assert_has_all(&closure);
        let progress = report.progress;
        assert_eq!((progress.done, progress.fetched), (306, 306));
        assert_eq!((progress.bytes_done, progress.bytes_total), (closure.bytes(), closure.bytes()));
        let (holder, told) = &report.holders[0];
        assert_eq!((*holder, told.objects, told.bytes), (node(1), 306, closure.bytes()));
        assert!(told.fault.is_none());
    });
}

#[test]
fn a_second_fetch_needs_no_holder() {
    runtime().block_on(async {
        let closure = Closure::new(2, 3, 30, 5_000);
        let store = full_store(&closure);
        let report = fetch(&Arc::new(Network::default()), &store, &closure).await.unwrap();
        assert_eq!((report.progress.fetched, report.progress.done), (0, 94));
        assert_eq!(store.inner().gets, 4, "only branches are read");
    });
}

/// Reaches holders over real sockets.
struct Sockets(std::net::SocketAddr);

impl Dialer for Sockets {
    type Stream = TcpStream;

    async fn open(&self, _: NodeId) -> io::Result<TcpStream> {
        TcpStream::connect(self.0).await
    }
}

#[test]
fn it_works_over_real_sockets() {
    runtime().block_on(async {
        let closure = Closure::new(3, 4, 50, 200_000);
        let holder = full_store(&closure);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            serve(stream, holder, |_| true, ServeOptions::default()).await
        });
        let store = Arc::new(MemoryStore::default());
        let fetcher = Fetcher::new(Arc::new(Sockets(address)), Arc::clone(&store));
        let (mut told, options) = (Vec::new(), FetchOptions::default());
        let tell = |progress: &protocol::fetch::Progress| told.push(*progress);
        fetcher.fetch(closure.root, closure.expected(), &[node(1)], options, tell).await.unwrap();
        store.assert_has_all(&closure);
        let last = told.last().unwrap();
        assert_eq!((last.done, last.bytes_done), (205, closure.bytes()));
        let served = serving.await.unwrap().unwrap();
        assert_eq!((served.objects, served.bytes, served.absent), (205, closure.bytes(), 0));
    });
}

#[test]
fn two_holders_with_half_each_make_a_whole() {
    runtime().block_on(async {
        let closure = Closure::new(4, 6, 50, 20_000);
        let half = |odd: usize| {
            let objects = closure.objects.values().enumerate();
            let chosen = objects.filter(|(n, _)| n % 2 == odd).map(|(_, bytes)| bytes.clone());
            honest(Arc::new(MemoryStore::of(chosen)))
        };
        let network = Arc::new(Network::default().with(1, half(0)).with(2, half(1)));
        let store = Arc::new(MemoryStore::default());
        let report = fetch(&network, &store, &closure).await.unwrap();
        store.assert_has_all(&closure);
        assert!(report.holders.iter().all(|(_, told)| told.objects > 100), "{report:?}");
        assert_eq!(store.inner().put_again, 0);
    });
}

#[test]
fn a_holder_beyond_the_usual_number_is_tried_when_the_others_lack_something() {
    runtime().block_on(async {
        let closure = Closure::new(5, 2, 20, 5_000);
        let mut network = Network::default();
        for n in 1..=6 {
            network = network.with(n, honest(Arc::new(MemoryStore::default())));
        }
        let network = Arc::new(network.with(7, honest(full_store(&closure))));
        let store = Arc::new(MemoryStore::default());
        fetch(&network, &store, &closure).await.unwrap();
        store.assert_has_all(&closure);
    });
}

#[test]
fn cuts_at_random_points_cost_no_object_that_was_stored() {
    runtime().block_on(async {
        for seed in 0..8 {
            let closure = Closure::new(seed, 3, 40, 30_000);
            let holder = cut_off(seed, 1_500_000, full_store(&closure));
            let network = Arc::new(Network::default().with(1, holder));
            let store = Arc::new(MemoryStore::default());
            let mut tries = 0;
            while let Err(error) = fetch(&network, &store, &closure).await {
                assert!(error.may_retry(), "seed {seed}: {error}");
                tries += 1;
                assert!(tries < 50, "seed {seed}");
            }
            store.assert_has_all(&closure);
            assert_eq!(store.inner().put_again, 0, "seed {seed}");
            assert!(network.opened.load(Ordering::Relaxed) > 1, "seed {seed}: it was never cut");
        }
    });
}

#[test]
fn a_fetch_that_is_dropped_and_crashes_goes_on_from_what_was_durable() {
    runtime().block_on(async {
        for seed in 0..6 {
            let closure = Closure::new(100 + seed, 4, 50, 60_000);
            let network = Arc::new(Network::default().with(1, honest(full_store(&closure))));
            let store = Arc::new(MemoryStore::default());
            let dying = Arc::clone(&store);
            let dies_at = 20 + 30 * seed;
            let run = fetch(&network, &store, &closure);
            let death = async {
                while dying.inner().put < dies_at {
                    tokio::task::yield_now().await;
                }
            };
            tokio::select! {
                _ = run => {}
                () = death => {}
            }
            // Half of it was made durable by somebody.
            let kept =
                store.inner().objects.iter().step_by(2).map(|(i, b)| (*i, b.clone())).collect();
            store.inner().durable = kept;
            store.crash();
            fetch(&network, &store, &closure).await.unwrap();
            store.assert_has_all(&closure);
        }
    });
}
