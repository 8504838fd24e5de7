use std::{collections::BTreeMap, sync::Arc};

use protocol::{NodeId, SealedId, object::Link};

use super::{
    holders::{Network, cut_off, honest, node, scripted},
    runtime,
    store::{Closure, MemoryStore},
    transfer::{full_store, hasty},
};
use crate::replicate::{Cancel, FetchError, FetchOptions, fetch_ordered};

fn links_of(closure: &Closure) -> Vec<Link> {
    let link = |(id, bytes): (&SealedId, &Vec<u8>)| Link { id: *id, bytes: bytes.len() as u32 };
    let mut links: Vec<_> = closure.objects.iter().map(link).collect();
    // Some come again at once, some much later, and none in the order of their names.
    links.rotate_left(7);
    links.insert(3, links[2]);
    links.extend_from_within(..20);
    links
}

fn part(closure: &Closure, chosen: impl Fn(usize) -> bool) -> Arc<MemoryStore> {
    let objects = closure.objects.values().enumerate().filter(|(n, _)| chosen(*n));
    Arc::new(MemoryStore::of(objects.map(|(_, bytes)| bytes.clone())))
}

async fn read(
    network: Network,
    store: Arc<MemoryStore>,
    links: Vec<Link>,
    options: FetchOptions,
) -> Result<Vec<(SealedId, Vec<u8>)>, (usize, FetchError)> {
    let nodes: Vec<NodeId> = network.nodes();
    let network = Arc::new(network);
    let mut ordered = fetch_ordered(network, store, &nodes, links.into_iter(), options);
    let mut objects = Vec::new();
    while let Some(next) = ordered.next().await {
        match next {
            Ok(object) => objects.push(object),
            Err(error) => return Err((objects.len(), error)),
        }
    }
    Ok(objects)
}

fn assert_in_order(objects: &[(SealedId, Vec<u8>)], links: &[Link], closure: &Closure) {
    let wanted: Vec<_> = links.iter().map(|l| (l.id, closure.objects[&l.id].clone())).collect();
    assert!(objects == wanted, "{} objects, not the {} wanted", objects.len(), wanted.len());
}

#[test]
fn objects_come_in_order_from_the_store_and_from_holders_who_have_parts_and_break() {
    runtime().block_on(async {
        for seed in 0..4 {
            let closure = Closure::new(40 + seed, 3, 60, 300_000);
            let links = links_of(&closure);
            let network = Network::default()
                .with(1, honest(part(&closure, |n| n % 3 == 1)))
                .with(2, scripted(|links: &[Link]| vec![9; 40 * links.len()], true))
                .with(3, cut_off(seed, 60_000_000, part(&closure, |n| n % 3 == 2)));
            let store = part(&closure, |n| n % 3 == 0);
            let objects = read(network, Arc::clone(&store), links.clone(), hasty()).await.unwrap();
            assert_in_order(&objects, &links, &closure);
            assert_eq!(store.inner().put, 0, "nothing is stored");
        }
    });
}

#[test]
fn what_is_missing_is_told_after_what_comes_before_it() {
    runtime().block_on(async {
        let closure = Closure::new(50, 1, 40, 10_000);
        let links = links_of(&closure);
        let without: BTreeMap<_, _> =
            closure.objects.iter().filter(|(id, _)| **id != links[17].id).collect();
        let holder = Arc::new(MemoryStore::of(without.into_values().cloned()));
        let network = Network::default().with(1, honest(holder));
        let (came, error) =
            read(network, Arc::default(), links.clone(), hasty()).await.unwrap_err();
        assert_eq!(came, 17);
        let FetchError::Missing { first, holders, .. } = &error else { panic!("{error}") };
        assert!(*first == links[17].id && matches!(holders[..], [(_, None)]), "{error}");
    });
}

#[test]
fn it_works_ahead_by_a_bounded_amount_and_ends_when_it_is_dropped_or_cancelled() {
    runtime().block_on(async {
        let closure = Closure::new(51, 1, 60, 1 << 20);
        let links = links_of(&closure);
        let store = full_store(&closure);
        let cancel = Cancel::default();
        let options = FetchOptions { cancel: cancel.clone(), ..hasty() };
        let endless = links.clone().into_iter().cycle();
        let network = Arc::new(Network::default());
        let mut ordered = fetch_ordered(network, Arc::clone(&store), &[], endless, options);
        for _ in 0..100 {
            ordered.next().await.unwrap().unwrap();
        }
        // Sixteen megabytes of objects of half a megabyte and more, and the one being read.
        assert!(store.inner().gets < 100 + 34, "{}", store.inner().gets);
        cancel.cancel();
        while let Some(next) = ordered.next().await {
            if let Err(error) = next {
                assert!(matches!(error, FetchError::Cancelled));
            }
        }
        drop(ordered);
        let network = Arc::new(Network::default().with(1, honest(store)));
        let links = links.into_iter().cycle();
        let mut ordered =
            fetch_ordered(network, Arc::<MemoryStore>::default(), &[node(1)], links, hasty());
        assert!(ordered.next().await.unwrap().is_ok());
    });
}
