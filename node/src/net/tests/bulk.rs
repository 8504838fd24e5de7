//! Bulk streams: whole, or an error.

use std::io::ErrorKind;

use protocol::NodeId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::support::{QUIC, Rogue, TCP, TestNode, pair, protocols, secret, soon};
use crate::net::{BulkStream, NetError, NetEvent};

async fn until_bulk(node: &mut TestNode) -> (NodeId, BulkStream) {
    let bulk = |e| match e {
        NetEvent::Bulk { from, stream } => Some((from, stream)),
        _ => None,
    };
    node.until(bulk).await
}

async fn open(a: &TestNode, b: &mut TestNode) -> (BulkStream, BulkStream) {
    let (opened, (from, theirs)) = tokio::join!(a.handle.open_bulk(b.id), until_bulk(b));
    assert_eq!(from, a.id);
    (opened.unwrap(), theirs)
}

/// Bytes that are nowhere the same for long.
fn block(n: u64) -> Vec<u8> {
    let mut bytes = vec![0; 100_003];
    blake3::Hasher::new().update(&n.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

async fn passes_whole(listen: &str, blocks: u64) {
    let (a, mut b) = pair(listen).await;
    let (mut ours, mut theirs) = open(&a, &mut b).await;
    let writing = async {
        let mut hash = blake3::Hasher::new();
        for n in 0..blocks {
            let bytes = block(n);
            hash.update(&bytes);
            ours.write_all(&bytes).await.unwrap();
        }
        ours.shutdown().await.unwrap();
        hash.finalize()
    };
    let reading = async {
        let (mut hash, mut buffer) = (blake3::Hasher::new(), vec![0; 70_001]);
        loop {
            let n = theirs.read(&mut buffer).await.unwrap();
            if n == 0 {
                return hash.finalize();
            }
            hash.update(&buffer[..n]);
        }
    };
    let (sent, got) = soon(async { tokio::join!(writing, reading) }).await;
    assert_eq!(sent, got);
    // The other way is open still.
    theirs.write_all(b"got it").await.unwrap();
    theirs.shutdown().await.unwrap();
    let mut answer = String::new();
    ours.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "got it");
}

#[tokio::test]
async fn sixty_four_mebibytes_arrive_whole_over_tcp() {
    passes_whole(TCP, 671).await;
}

#[tokio::test]
async fn bulk_arrives_whole_over_quic() {
    passes_whole(QUIC, 160).await;
}

#[tokio::test]
async fn sixteen_streams_opened_at_once_all_arrive() {
    for listen in [TCP, QUIC] {
        let (a, mut b) = pair(listen).await;
        let opening = futures::future::join_all((0..16_u8).map(async |n| {
            let mut stream = a.handle.open_bulk(b.id).await.unwrap();
            stream.write_all(&[n]).await.unwrap();
            stream.shutdown().await.unwrap();
            stream
        }));
        let b_events = &mut b.events;
        let taking = async {
            let mut seen = Vec::new();
            while seen.len() < 16 {
                if let Some(NetEvent::Bulk { mut stream, .. }) = b_events.recv().await {
                    let mut bytes = Vec::new();
                    stream.read_to_end(&mut bytes).await.unwrap();
                    seen.extend(bytes);
                }
            }
            seen.sort_unstable();
            seen
        };
        let (streams, seen) = soon(async { tokio::join!(opening, taking) }).await;
        assert_eq!(seen, (0..16).collect::<Vec<u8>>());
        drop(streams);
    }
}

#[tokio::test]
async fn a_peer_that_goes_away_in_the_middle_is_an_error_to_the_reader() {
    for listen in [TCP, QUIC] {
        let (a, mut b) = pair(listen).await;
        let (mut ours, mut theirs) = open(&a, &mut b).await;
        ours.write_all(&[1; 200_000]).await.unwrap();
        ours.flush().await.unwrap();
        theirs.read_exact(&mut [0; 100_000]).await.unwrap();
        a.handle.shutdown().await;
        let rest = soon(theirs.read_to_end(&mut Vec::new())).await;
        assert!(rest.is_err(), "{listen}: {rest:?}");
        drop(ours);
    }
}

#[tokio::test]
async fn a_stream_dropped_without_shutdown_is_an_error_to_the_reader() {
    for listen in [TCP, QUIC] {
        let (a, mut b) = pair(listen).await;
        let (mut ours, mut theirs) = open(&a, &mut b).await;
        ours.write_all(b"half").await.unwrap();
        ours.flush().await.unwrap();
        drop(ours);
        let rest = soon(theirs.read_to_end(&mut Vec::new())).await;
        assert!(rest.is_err(), "{listen}: {rest:?}");
    }
}

#[tokio::test]
async fn expelling_a_member_cuts_its_streams() {
    let (a, mut b) = pair(TCP).await;
    let (mut ours, mut theirs) = open(&a, &mut b).await;
    ours.write_all(b"before").await.unwrap();
    ours.flush().await.unwrap();
    theirs.read_exact(&mut [0; 6]).await.unwrap();
    b.set_members(&[]).await;
    let cut = soon(ours.read_u8()).await;
    assert_eq!(cut.unwrap_err().kind(), ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn no_stream_opens_to_whoever_is_not_connected() {
    let a = TestNode::start(1, TCP).await;
    let nobody = secret(9).id();
    let opened = a.handle.open_bulk(nobody).await;
    assert!(matches!(opened, Err(NetError::NotConnected { .. })));
}

#[tokio::test]
async fn pieces_that_lie_about_their_length_are_an_error() {
    let mut a = TestNode::start(1, TCP).await;
    let member = secret(2);
    a.set_members(&[member.id()]).await;
    let mut rogue = Rogue::connect(&member, &a).await;
    let greeting_and_huge_piece = [1, 0xff, 0xff, 0xff, 0xff, 1, 2, 3];
    let said = rogue.say(protocols().bulk, &greeting_and_huge_piece, 1);
    let (code, (_, mut stream)) = tokio::join!(said, until_bulk(&mut a));
    assert_eq!(code.unwrap(), [0]);
    let read = soon(stream.read_to_end(&mut Vec::new())).await;
    assert_eq!(read.unwrap_err().kind(), ErrorKind::InvalidData);
    let wrong_version = rogue.say(protocols().bulk, &[9], 1).await.unwrap();
    assert_eq!(wrong_version, [3]);
}
