//! A driver that reads slowly: senders wait or are told so, and memory stays bounded.

use std::time::Duration;

use protocol::limits::FRAME_BYTES_MAX;
use tokio::time::timeout;

use super::support::{TCP, pair, soon};
use crate::net::{
    NetError, Refusal,
    limits::{EVENTS_MAX, FRAMES_HELD_BYTES_MAX},
};

#[tokio::test]
async fn a_full_queue_refuses_as_busy_until_the_driver_reads() {
    let (a, mut b) = pair(TCP).await;
    for _ in 0..EVENTS_MAX {
        a.handle.send_once(b.id, vec![1]).await.unwrap();
    }
    let one_more = a.handle.send_once(b.id, vec![2]).await;
    let Err(NetError::Refused { refusal: Refusal::Busy, .. }) = one_more else {
        panic!("{one_more:?}")
    };
    // The patient way goes through once there is a place.
    let (sent, _) = tokio::join!(soon(a.handle.send(b.id, vec![3])), b.next());
    sent.unwrap();
}

#[tokio::test]
async fn frames_beyond_the_byte_budget_wait_on_the_wire() {
    let (a, mut b) = pair(TCP).await;
    let fitting = FRAMES_HELD_BYTES_MAX / FRAME_BYTES_MAX;
    for _ in 0..fitting {
        a.handle.send(b.id, vec![1; FRAME_BYTES_MAX]).await.unwrap();
    }
    let mut waiting = Box::pin(a.handle.send(b.id, vec![2; FRAME_BYTES_MAX]));
    assert!(timeout(Duration::from_millis(200), &mut waiting).await.is_err());
    let (sent, _) = tokio::join!(soon(waiting), b.next());
    sent.unwrap();
}
