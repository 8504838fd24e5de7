//! Strangers, garbage, and members that break the rules.

use std::io::{Read, Write};

use libp2p::multiaddr::Protocol;
use protocol::limits::{FRAME_BYTES_MAX, RECORD_BYTES_MAX};

use super::support::{QUIC, Rogue, TCP, TestNode, pair, protocols, secret, soon, wire_frame};
use crate::net::{NetError, NetEvent, identity::JOIN_PROTOCOL};

/// A frame, a greeting, a gossip message and a request to join, on the protocols of each.
async fn nothing_is_answered(rogue: &mut Rogue) {
    let names = protocols();
    let gossip = libp2p::StreamProtocol::try_from_owned(names.gossip).unwrap();
    for (name, bytes) in
        [(names.control, wire_frame(b"frame")), (names.bulk, vec![1]), (gossip, vec![3; 9])]
    {
        let answer = rogue.say(name.clone(), &bytes, 1).await;
        assert!(answer.is_err(), "{name}: {answer:?}");
    }
}

#[tokio::test]
async fn a_member_whose_program_knows_no_requests_is_told_apart_at_once() {
    let a = TestNode::start(1, TCP).await;
    let member = secret(2);
    a.set_members(&[member.id()]).await;
    let _old = Rogue::connect(&member, &a).await;
    let opened = soon(async {
        loop {
            match a.handle.open_ask(member.id()).await {
                Err(NetError::NotConnected { .. }) => tokio::task::yield_now().await,
                other => break other,
            }
        }
    });
    assert!(matches!(opened.await, Err(NetError::Unknown { .. })));
}

#[tokio::test]
async fn nothing_of_a_stranger_reaches_the_driver() {
    for listen in [TCP, QUIC] {
        let (a, mut b) = pair(listen).await;
        let mut rogue = Rogue::connect(&secret(66), &b).await;
        nothing_is_answered(&mut rogue).await;
        let asked = rogue.say(JOIN_PROTOCOL, &wire_frame(b"join"), 1).await;
        assert!(asked.is_err(), "{asked:?}");
        a.handle.send(b.id, b"marker".to_vec()).await.unwrap();
        let NetEvent::Frame { from, bytes } = b.next().await else { panic!("only the marker") };
        assert_eq!((from, bytes), (a.id, b"marker".to_vec()));
    }
}

#[tokio::test]
async fn a_ticket_opens_the_join_protocol_and_nothing_else() {
    let (a, mut b) = pair(TCP).await;
    let ticket = secret(77);
    b.handle.expect_ticket(ticket.id(), std::time::Duration::from_secs(600)).await.unwrap();
    let mut rogue = Rogue::connect(&ticket, &b).await;
    nothing_is_answered(&mut rogue).await;
    a.handle.send(b.id, b"marker".to_vec()).await.unwrap();
    assert!(matches!(b.next().await, NetEvent::Frame { from, .. } if from == a.id));
    // It was connected all the time: what a ticket is for works.
    let request = wire_frame(b"join");
    let asking = rogue.say(JOIN_PROTOCOL, &request, 6);
    let answering = async {
        let NetEvent::Join { ticket: from, bytes, reply } = b.next().await else { panic!() };
        assert_eq!((from, bytes), (ticket.id(), b"join".to_vec()));
        reply.send(vec![42]).unwrap();
    };
    let (answer, ()) = tokio::join!(asking, answering);
    assert_eq!(answer.unwrap(), [0, 0, 0, 0, 1, 42]);
}

#[tokio::test]
async fn an_oversize_frame_is_refused_unread_and_the_connection_lives_on() {
    let mut a = TestNode::start(1, TCP).await;
    let member = secret(2);
    a.set_members(&[member.id()]).await;
    let mut rogue = Rogue::connect(&member, &a).await;
    let control = protocols().control;
    let too_large = u32::try_from(FRAME_BYTES_MAX + 1).unwrap().to_be_bytes();
    let answer = rogue.say(control.clone(), &too_large, 5).await.unwrap();
    assert_eq!(answer, [2, 0, 0, 0, 0], "code 2 is too large");
    let answer = rogue.say(control, &wire_frame(b"fits"), 5).await.unwrap();
    assert_eq!(answer, [0; 5]);
    assert_eq!(a.until_frame().await, (member.id(), b"fits".to_vec()));
}

#[tokio::test]
async fn what_is_too_large_is_not_even_sent() {
    let (a, b) = pair(TCP).await;
    let frame = a.handle.send(b.id, vec![0; FRAME_BYTES_MAX + 1]).await;
    assert!(matches!(frame, Err(NetError::TooLarge { .. })));
    let record = a.handle.gossip(vec![0; RECORD_BYTES_MAX + 1]).await;
    assert!(matches!(record, Err(NetError::TooLarge { .. })));
}

#[tokio::test]
async fn members_may_not_join_again() {
    let mut a = TestNode::start(1, TCP).await;
    let member = secret(2);
    a.set_members(&[member.id()]).await;
    let mut rogue = Rogue::connect(&member, &a).await;
    let answer = rogue.say(JOIN_PROTOCOL, &wire_frame(b"let me in"), 5).await.unwrap();
    assert_eq!(answer, [3, 0, 0, 0, 0], "code 3 is not allowed");
    rogue.say(protocols().control, &wire_frame(b"marker"), 5).await.unwrap();
    assert!(matches!(a.until_frame().await, (_, bytes) if bytes == b"marker"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_on_the_port_does_no_harm_and_leaves_nothing_behind() {
    let (a, mut b) = pair(TCP).await;
    let tasks = tokio::runtime::Handle::current().metrics();
    let tasks_before = tasks.num_alive_tasks();
    let port = b.address.iter().find_map(|part| match part {
        Protocol::Tcp(port) => Some(port),
        _ => None,
    });
    let port = port.unwrap();
    let shouting = tokio::task::spawn_blocking(move || {
        for n in 0..100_u8 {
            let mut socket = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
            let noise: Vec<u8> =
                (0..4096_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 7) as u8 ^ n).collect();
            // The node may hang up while we still shout.
            let _ = socket.write_all(&noise);
            let _ = socket.read_to_end(&mut Vec::new());
        }
    });
    soon(shouting).await.unwrap();
    a.handle.send(b.id, b"still here".to_vec()).await.unwrap();
    assert!(matches!(b.next().await, NetEvent::Frame { .. }));
    let back_to_before = async {
        while tasks.num_alive_tasks() > tasks_before {
            tokio::task::yield_now().await;
        }
    };
    soon(back_to_before).await;
}
