use std::sync::Arc;

use protocol::{
    SealedId,
    fetch::wire::{ErrorCode, Frame, object_head},
    object::{Link, sealed_id},
};
use tokio::io::DuplexStream;

use super::{
    holders::{Network, honest, node, scripted},
    runtime,
    store::{Closure, MemoryStore, object},
    transfer::{fetch, full_store, hasty},
};
use crate::replicate::{FetchError, HolderFault, Lie};

/// A liar alone: the error names it. A liar and an honest holder: the fetch succeeds.
fn assert_lie<H>(make: impl Fn(&Closure) -> H, is_it: impl Fn(&HolderFault) -> bool)
where
    H: Fn(DuplexStream) + Send + Sync + 'static,
{
    runtime().block_on(async {
        let closure = Closure::new(9, 2, 30, 20_000);
        let alone = Arc::new(Network::default().with(1, make(&closure)));
        let store = Arc::new(MemoryStore::default());
        let error = fetch(&alone, &store, &closure).await.unwrap_err();
        let FetchError::Missing { holders, .. } = &error else { panic!("{error}") };
        let [(liar, Some(fault))] = &holders[..] else { panic!("{error}") };
        assert!(*liar == node(1) && is_it(fault), "{error}");
        assert!(error.to_string().contains(&node(1).short()), "{error}");
        assert!(store.inner().objects.is_empty());

        let network = Network::default().with(1, make(&closure));
        let network = Arc::new(network.with(2, honest(full_store(&closure))));
        fetch(&network, &store, &closure).await.unwrap();
        store.assert_has_all(&closure);
        assert!(network.opened() <= 5, "a liar is not asked again and again");
    });
}

fn with_object(link: Link, bytes: &[u8]) -> Vec<u8> {
    [&object_head(link)[..], bytes].concat()
}

#[test]
fn wrong_bytes_are_a_lie() {
    let wrong = |_: &Closure| {
        let answer = |links: &[Link]| with_object(links[0], &vec![7; links[0].bytes as usize]);
        scripted(answer, true)
    };
    assert_lie(wrong, |fault| matches!(fault, HolderFault::Lied(Lie::WrongBytes { .. })));
}

#[test]
fn a_shorter_or_longer_object_is_a_lie_before_it_is_read() {
    for change in [-1_i64, 1, 10 << 20] {
        let wrong = move |_: &Closure| {
            let answer = move |links: &[Link]| {
                let bytes = u32::try_from(i64::from(links[0].bytes) + change).unwrap();
                object_head(Link { bytes, ..links[0] }).to_vec()
            };
            scripted(answer, true)
        };
        assert_lie(wrong, |fault| matches!(fault, HolderFault::Lied(Lie::WrongLength { .. })));
    }
}

#[test]
fn another_object_than_the_one_asked_for_is_a_lie() {
    let wrong = |_: &Closure| {
        let other = object(&[], b"something else");
        let link = Link { id: sealed_id(&other), bytes: other.len() as u32 };
        scripted(move |_: &[Link]| with_object(link, &other), true)
    };
    assert_lie(wrong, |fault| matches!(fault, HolderFault::Lied(Lie::NotAsked { .. })));
    let absent =
        |_: &Closure| scripted(|_: &[Link]| Frame::Absent(SealedId([1; 32])).encode(), true);
    assert_lie(absent, |fault| matches!(fault, HolderFault::Lied(Lie::NotAsked { .. })));
}

#[test]
fn garbage_is_a_lie_however_much_of_it_comes() {
    let garbage: [&[u8]; 5] = [
        b"GET / HTTP/1.1\r\n\r\n",
        &[0xff; 4_000],
        &[4, 0xff, 0xff, 0xff, 0xff],
        &[7, 0, 0, 0, 9],
        &Frame::Welcome { version: 1 }.encode(),
    ];
    for bytes in garbage {
        let bytes = bytes.to_vec();
        let wrong = move |_: &Closure| {
            let bytes = bytes.clone();
            scripted(move |_: &[Link]| bytes.repeat(50), true)
        };
        assert_lie(wrong, |fault| matches!(fault, HolderFault::Lied(Lie::Garbage { .. })));
    }
}

#[test]
fn a_truncated_object_is_a_cut_that_is_tried_again_and_then_named() {
    let cut = |closure: &Closure| {
        let root = closure.objects[&closure.root.id].clone();
        scripted(move |links: &[Link]| with_object(links[0], &root[..root.len() / 2]), false)
    };
    assert_lie(cut, |fault| matches!(fault, HolderFault::Broken { .. }));
}

#[test]
fn a_refusal_is_told_and_not_asked_again() {
    runtime().block_on(async {
        let closure = Closure::new(9, 1, 3, 1_000);
        let refusal = Frame::Error { code: ErrorCode::Refused, text: "not a member".into() };
        let refuses = scripted(move |_: &[Link]| refusal.encode(), true);
        let network = Arc::new(Network::default().with(1, refuses));
        let store = Arc::new(MemoryStore::default());
        let error = fetch(&network, &store, &closure).await.unwrap_err();
        let FetchError::Missing { holders, .. } = &error else { panic!("{error}") };
        assert!(matches!(holders[..], [(_, Some(HolderFault::Broken { .. }))]), "{error}");
        assert_eq!(network.opened(), 1);
    });
}

#[test]
fn an_unreachable_holder_and_one_that_lacks_the_rest_are_both_named() {
    runtime().block_on(async {
        let closure = Closure::new(9, 1, 3, 1_000);
        let empty = honest(Arc::new(MemoryStore::default()));
        let network = Arc::new(Network::default().with(1, empty));
        let store = Arc::new(MemoryStore::default());
        let fetcher = crate::replicate::Fetcher::new(Arc::clone(&network), Arc::clone(&store));
        let (nodes, expected) = ([node(1), node(2)], closure.expected());
        let run = fetcher.fetch(closure.root, expected, &nodes, hasty(), |_| {});
        let error = run.await.unwrap_err().to_string();
        let (lacks, away) = (node(1).short(), node(2).short());
        assert_eq!(
            error,
            format!(
                "1 objects are missing, {} first: holder {lacks} has not got it, \
                 holder {away} cannot be reached",
                closure.root.id.short()
            )
        );
    });
}
