//! Members among themselves.

use protocol::limits::FRAME_BYTES_MAX;

use super::support::{QUIC, TCP, TestNode, pair};
use crate::net::{NetError, NetEvent, Verdict};

#[tokio::test]
async fn members_exchange_frames_over_tcp_and_quic() {
    for listen in [TCP, QUIC] {
        let (mut a, mut b) = pair(listen).await;
        let large = vec![7; FRAME_BYTES_MAX];
        a.handle.send(b.id, large.clone()).await.unwrap();
        assert_eq!(b.until_frame().await, (a.id, large));
        b.handle.send(a.id, Vec::new()).await.unwrap();
        assert_eq!(a.until_frame().await, (b.id, Vec::new()));
    }
}

#[tokio::test]
async fn many_frames_at_once_all_arrive() {
    let (a, mut b) = pair(TCP).await;
    let sends = (0..60_u8).map(|n| a.handle.send(b.id, vec![n; 1000]));
    let (sent, mut got) = tokio::join!(futures::future::join_all(sends), async {
        let mut got = Vec::new();
        while got.len() < 60 {
            got.push(b.until_frame().await.1[0]);
        }
        got
    });
    assert!(sent.iter().all(Result::is_ok));
    got.sort_unstable();
    assert_eq!(got, (0..60).collect::<Vec<u8>>());
}

#[tokio::test]
async fn a_record_goes_from_member_to_member_once_it_was_judged_good() {
    let mut nodes = [TestNode::start(1, TCP).await, TestNode::start(2, TCP).await];
    let mut last = TestNode::start(3, TCP).await;
    let all = [nodes[0].id, nodes[1].id, last.id];
    let [a, b] = &mut nodes;
    for node in [&*a, &*b, &last] {
        node.set_members(&all).await;
    }
    a.connect(b).await;
    b.connect(&mut last).await;

    let author = a.handle.clone();
    let pushing = tokio::spawn(async move {
        // Until the neighbours have told each other what they listen to, pushes reach nobody.
        for n in 0_u32.. {
            author.gossip(format!("bad {n}").into_bytes()).await.unwrap();
            author.gossip(format!("good {n}").into_bytes()).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    });
    let judge = b.handle.clone();
    let judging = async {
        loop {
            if let NetEvent::Gossip { id, bytes, .. } = b.next().await {
                let good = bytes.starts_with(b"good");
                let verdict = if good { Verdict::Accept } else { Verdict::Reject };
                judge.gossip_verdict(id, verdict).await.unwrap();
            }
        }
    };
    let arriving = async {
        for _ in 0..5 {
            let gossip = |e| match e {
                NetEvent::Gossip { from, bytes, .. } => Some((from, bytes)),
                _ => None,
            };
            let (from, bytes) = last.until(gossip).await;
            assert_eq!(from, all[1], "it came over the middle");
            assert!(bytes.starts_with(b"good"), "{}", String::from_utf8_lossy(&bytes));
        }
    };
    tokio::select! {
        () = judging => {}
        () = arriving => {}
    }
    pushing.abort();
}

#[tokio::test]
async fn dialling_twice_makes_one_connection_and_both_sides_dialling_is_fine() {
    let (mut a, mut b) = (TestNode::start(1, TCP).await, TestNode::start(2, TCP).await);
    a.set_members(&[b.id]).await;
    b.set_members(&[a.id]).await;
    for _ in 0..3 {
        a.handle.dial(b.id, vec![b.address.clone()]).await.unwrap();
        b.handle.dial(a.id, vec![a.address.clone()]).await.unwrap();
    }
    a.until_connected(b.id).await;
    b.until_connected(a.id).await;
    a.handle.dial(b.id, vec![b.address.clone()]).await.unwrap();
    a.handle.send(b.id, vec![1]).await.unwrap();
    assert!(matches!(b.next().await, NetEvent::Frame { .. }), "connected only once");
    a.handle.hang_up(b.id).await.unwrap();
    a.until_disconnected(b.id).await;
    b.until_disconnected(a.id).await;
}

#[tokio::test]
async fn a_failed_dial_says_what_happened_at_each_address() {
    let mut a = TestNode::start(1, TCP).await;
    let (b, other) = (TestNode::start(2, TCP).await, TestNode::start(3, TCP).await);
    a.set_members(&[b.id]).await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = taken.local_addr().unwrap().port();
    drop(taken);
    let nobody = format!("/ip4/127.0.0.1/tcp/{closed}").parse().unwrap();
    a.handle.dial(b.id, vec![nobody]).await.unwrap();
    let why = |e| if let NetEvent::DialFailed { reason, .. } = e { Some(reason) } else { None };
    let reason = a.until(why).await;
    assert!(reason.contains("refused") && reason.contains(&closed.to_string()), "{reason}");

    a.handle.dial(b.id, vec![other.address.clone()]).await.unwrap();
    assert!(a.until(why).await.contains("another node answers here"));
    a.handle.dial(b.id, vec![]).await.unwrap();
    assert!(a.until(why).await.contains("no address"));
    let stranger = a.handle.dial(other.id, vec![other.address.clone()]).await;
    assert!(matches!(stranger, Err(NetError::NotAMember { .. })));
}

#[tokio::test]
async fn an_old_address_where_another_node_lives_does_not_hide_the_right_one() {
    let mut a = TestNode::start(1, TCP).await;
    let (mut b, other) = (TestNode::start(2, TCP).await, TestNode::start(3, TCP).await);
    a.set_members(&[b.id]).await;
    b.set_members(&[a.id]).await;
    a.handle.dial(b.id, vec![other.address.clone(), b.address.clone()]).await.unwrap();
    a.until_connected(b.id).await;
    b.until_connected(a.id).await;
}

#[tokio::test]
async fn an_expelled_member_is_cut_off_and_learns_why() {
    for listen in [TCP, QUIC] {
        let (mut a, mut b) = pair(listen).await;
        a.set_members(&[]).await;
        a.until_disconnected(b.id).await;
        b.until_disconnected(a.id).await;
        let sent = b.handle.send(a.id, vec![1]).await;
        assert!(matches!(sent, Err(NetError::NotConnected { .. })), "{sent:?}");
        b.handle.dial(a.id, vec![a.address.clone()]).await.unwrap();
        let NetEvent::DialFailed { reason, .. } = b.next().await else { panic!() };
        assert!(reason.contains("does not count this node as a member"), "{reason}");
        // And it can come back when it is a member again.
        a.set_members(&[b.id]).await;
        b.connect(&mut a).await;
    }
}

#[tokio::test]
async fn a_port_in_use_is_an_error_that_names_the_address() {
    let a = TestNode::start(1, TCP).await;
    let config = crate::net::NetConfig {
        secret: super::support::secret(2),
        mesh: super::support::MESH,
        listen: vec![a.address.clone()],
    };
    let error = crate::net::start(config).await.map(drop).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot listen on {}", a.address));
}

#[tokio::test]
async fn after_shutdown_events_end_and_commands_fail() {
    let (mut a, mut b) = pair(TCP).await;
    a.handle.shutdown().await;
    b.until_disconnected(a.id).await;
    while let Some(event) = super::support::soon(a.events.recv()).await {
        assert!(!matches!(event, NetEvent::Frame { .. }));
    }
    let gossip = a.handle.gossip(vec![1]).await;
    assert!(matches!(gossip, Err(NetError::Stopped)));
    a.handle.shutdown().await;
}
