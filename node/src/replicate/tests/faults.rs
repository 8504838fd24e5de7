use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use protocol::{
    fetch::{
        SessionError,
        wire::{ErrorCode, Frame, HEADER_BYTES, Header, Purpose, VERSION, object_head},
    },
    object::{Link, sealed_id},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::{
    holders::{Network, honest},
    runtime,
    store::{Closure, MemoryStore, object},
    transfer::{fetch, fetch_with, full_store},
};
use crate::replicate::{
    Cancel, FetchError, FetchOptions, ServeError, ServeOptions, StreamError, Throttle, serve,
};

#[test]
fn a_full_disk_is_told_and_the_fetch_goes_on_when_there_is_room() {
    runtime().block_on(async {
        let closure = Closure::new(21, 3, 40, 30_000);
        let network = Arc::new(Network::default().with(1, honest(full_store(&closure))));
        let store = Arc::new(MemoryStore::default());
        store.inner().bytes_max = Some(1_500_000);
        let error = fetch(&network, &store, &closure).await.unwrap_err();
        assert!(matches!(error, FetchError::Full { .. }) && !error.may_retry(), "{error}");
        let kept = store.inner().durable.len();
        assert!(kept > 10, "what arrived is durable");
        store.crash();
        store.inner().bytes_max = None;
        let report = fetch(&network, &store, &closure).await.unwrap();
        assert_eq!(report.progress.fetched as usize, closure.objects.len() - kept);
        store.assert_has_all(&closure);
    });
}

#[test]
fn a_cancelled_fetch_stops_and_keeps_what_arrived() {
    runtime().block_on(async {
        let closure = Closure::new(22, 3, 40, 30_000);
        let network = Arc::new(Network::default().with(1, honest(full_store(&closure))));
        let store = Arc::new(MemoryStore::default());
        let cancel = Cancel::default();
        let options = FetchOptions { cancel: cancel.clone(), ..Default::default() };
        let stopping = async {
            while store.inner().put < 20 {
                tokio::task::yield_now().await;
            }
            cancel.cancel();
        };
        let run = fetch_with(&network, &store, &closure, options);
        let (result, ()) = tokio::join!(run, stopping);
        if let Err(error) = result {
            assert!(matches!(error, FetchError::Cancelled), "{error}");
        }
        let objects = store.inner().objects.len();
        let durable = store.inner().durable.len();
        assert!(objects >= 20 && objects == durable, "{objects} {durable}");
        fetch(&network, &store, &closure).await.unwrap();
        store.assert_has_all(&closure);
    });
}

#[test]
fn a_throttled_fetch_takes_its_time() {
    runtime().block_on(async {
        let closure = Closure::new(23, 1, 10, 20_000);
        let network = Arc::new(Network::default().with(1, honest(full_store(&closure))));
        let store = Arc::new(MemoryStore::default());
        let throttle = Some(Arc::new(Throttle::new(500_000)));
        let options = FetchOptions { throttle, ..Default::default() };
        let begun = Instant::now();
        fetch_with(&network, &store, &closure, options).await.unwrap();
        let least = Duration::from_millis(closure.bytes() * 2 / 1_000);
        assert!(begun.elapsed() >= least, "{:?} instead of {least:?}", begun.elapsed());
        store.assert_has_all(&closure);
    });
}

#[test]
fn an_archive_that_is_none_is_its_origins_fault() {
    runtime().block_on(async {
        let mut closure = Closure::new(24, 1, 3, 1_000);
        let mut chain = object(&[], b"end");
        for _ in 0..3 {
            let link = Link { id: sealed_id(&chain), bytes: chain.len() as u32 };
            closure.objects.insert(link.id, chain.clone());
            chain = object(&[link], b"on");
        }
        closure.root = Link { id: sealed_id(&chain), bytes: chain.len() as u32 };
        closure.objects.insert(closure.root.id, chain);
        let network = Arc::new(Network::default().with(1, honest(full_store(&closure))));
        let store = Arc::new(MemoryStore::default());
        let error = fetch(&network, &store, &closure).await.unwrap_err();
        let deep = |source: &SessionError| matches!(source, SessionError::TooDeep { .. });
        assert!(matches!(&error, FetchError::Closure { source } if deep(source)), "{error}");

        closure.root = Link { id: sealed_id(b"no"), bytes: 2 };
        let holder = Arc::new(MemoryStore::of([b"no".to_vec()]));
        let network = Arc::new(Network::default().with(1, honest(holder)));
        let error = fetch(&network, &store, &closure).await.unwrap_err();
        assert!(matches!(error, FetchError::Unreadable { .. }), "{error}");
    });
}

/// A stream to a responder that has been greeted.
async fn greeted(
    store: Arc<MemoryStore>,
    allows: impl Fn(&protocol::SealedId) -> bool + Send + Sync + 'static,
) -> (DuplexStream, tokio::task::JoinHandle<Result<crate::replicate::ServeReport, ServeError>>) {
    let (mut here, there) = duplex(1 << 20);
    let serving = tokio::spawn(serve(there, store, allows, ServeOptions::default()));
    let hello = Frame::Hello { version: VERSION + 5, purpose: Purpose::Fetch };
    here.write_all(&hello.encode()).await.unwrap();
    assert_eq!(read_frame(&mut here).await, Frame::Welcome { version: VERSION });
    (here, serving)
}

async fn read_frame(stream: &mut DuplexStream) -> Frame {
    let mut head = [0; HEADER_BYTES];
    stream.read_exact(&mut head).await.unwrap();
    let header = Header::decode(&head).unwrap();
    let mut body = vec![0; header.bytes];
    stream.read_exact(&mut body).await.unwrap();
    Frame::decode(header.kind, &body).unwrap()
}

#[test]
fn what_is_not_there_not_allowed_or_of_another_length_is_absent() {
    runtime().block_on(async {
        let (kept, secret) = (object(&[], b"kept"), object(&[], b"secret"));
        let store = Arc::new(MemoryStore::of([kept.clone(), secret.clone()]));
        let of = |bytes: &[u8]| Link { id: sealed_id(bytes), bytes: bytes.len() as u32 };
        let denied = of(&secret).id;
        let (mut stream, serving) = greeted(store, move |id| *id != denied).await;
        let longer = Link { bytes: 999, ..of(&kept) };
        let wants = vec![of(b"nowhere"), of(&secret), longer, of(&kept)];
        stream.write_all(&Frame::Want(wants.clone()).encode()).await.unwrap();
        for want in &wants[..3] {
            assert_eq!(read_frame(&mut stream).await, Frame::Absent(want.id));
        }
        let mut answer = vec![0; object_head(wants[3]).len() + kept.len()];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, [&object_head(wants[3])[..], &kept].concat());
        stream.write_all(&Frame::Bye.encode()).await.unwrap();
        let report = serving.await.unwrap().unwrap();
        assert_eq!((report.objects, report.absent), (1, 3));
    });
}

#[test]
fn garbage_from_a_requester_gets_an_error_and_an_end() {
    runtime().block_on(async {
        for garbage in [&b"\x04\x00\x00\x00\x40"[..], b"GET / HTTP", &[3, 0, 0, 0, 0], &[255; 99]] {
            let (mut stream, serving) = greeted(Arc::default(), |_| true).await;
            stream.write_all(garbage).await.unwrap();
            let Frame::Error { code, .. } = read_frame(&mut stream).await else {
                panic!("no error for {garbage:?}");
            };
            assert_eq!(code, ErrorCode::Protocol);
            assert!(serving.await.unwrap().is_err());
        }
        let (mut here, there) = duplex(4_096);
        let serving = tokio::spawn(serve(
            there,
            Arc::<MemoryStore>::default(),
            |_| true,
            ServeOptions::default(),
        ));
        here.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").await.unwrap();
        assert!(matches!(read_frame(&mut here).await, Frame::Error { .. }));
        let error = serving.await.unwrap().unwrap_err();
        assert!(matches!(error, ServeError::Stream(StreamError::Wire { .. })), "{error}");
    });
}

#[test]
fn a_broken_store_is_told_without_its_secrets() {
    runtime().block_on(async {
        let store = Arc::new(MemoryStore::default());
        store.inner().fails = true;
        let (mut stream, serving) = greeted(store, |_| true).await;
        let link = Link { id: sealed_id(b"x"), bytes: 1 };
        stream.write_all(&Frame::Want(vec![link]).encode()).await.unwrap();
        let Frame::Error { code, text } = read_frame(&mut stream).await else { panic!("no error") };
        assert_eq!((code, text.as_str()), (ErrorCode::Internal, "internal error"));
        assert!(matches!(serving.await.unwrap(), Err(ServeError::Store { .. })));
    });
}
