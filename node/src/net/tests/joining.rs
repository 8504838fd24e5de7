//! Tickets: they work once, for their holder, at their inviter.

use std::time::Duration;

use super::support::{QUIC, TCP, TestNode, secret};
use crate::net::{NetError, NetEvent, Refusal, join};

const HOUR: Duration = Duration::from_secs(3600);
const TICKET: u8 = 77;

/// Answers the next request to join as a driver does: reply, then forget the ticket.
async fn admit_one(inviter: &mut TestNode) -> Vec<u8> {
    let asking = |e| match e {
        NetEvent::Join { ticket, bytes, reply } => Some((ticket, bytes, reply)),
        _ => None,
    };
    let (ticket, bytes, reply) = inviter.until(asking).await;
    assert_eq!(ticket, secret(TICKET).id());
    reply.send(b"welcome".to_vec()).unwrap();
    inviter.handle.forget_ticket(ticket).await.unwrap();
    bytes
}

#[tokio::test]
async fn a_ticket_works_once() {
    for listen in [TCP, QUIC] {
        let mut inviter = TestNode::start(1, listen).await;
        let (id, addresses) = (inviter.id, [inviter.address.clone()]);
        inviter.handle.expect_ticket(secret(TICKET).id(), HOUR).await.unwrap();
        let ticket = secret(TICKET);
        let (answer, request) = tokio::join!(
            join(&ticket, &addresses, id, b"it is me".to_vec()),
            admit_one(&mut inviter)
        );
        assert_eq!(answer.unwrap(), b"welcome");
        assert_eq!(request, b"it is me");
        let again = join(&ticket, &addresses, id, b"it is me".to_vec()).await;
        assert!(matches!(again, Err(NetError::TicketRefused { .. })), "{again:?}");
    }
}

#[tokio::test]
async fn a_wrong_an_expired_and_a_forgotten_ticket_are_refused() {
    let inviter = TestNode::start(1, TCP).await;
    let ticket = secret(TICKET);
    let ask = || join(&ticket, std::slice::from_ref(&inviter.address), inviter.id, vec![1]);
    let refused = |result| matches!(result, Err(NetError::TicketRefused { .. }));
    inviter.handle.expect_ticket(secret(78).id(), HOUR).await.unwrap();
    assert!(refused(ask().await), "another ticket");
    inviter.handle.expect_ticket(ticket.id(), Duration::ZERO).await.unwrap();
    assert!(refused(ask().await), "expired");
    inviter.handle.expect_ticket(ticket.id(), HOUR).await.unwrap();
    inviter.handle.forget_ticket(ticket.id()).await.unwrap();
    assert!(refused(ask().await), "forgotten");
}

#[tokio::test]
async fn a_driver_that_gives_no_answer_declines() {
    let mut inviter = TestNode::start(1, TCP).await;
    let (ticket, addresses) = (secret(TICKET), [inviter.address.clone()]);
    inviter.handle.expect_ticket(ticket.id(), HOUR).await.unwrap();
    let id = inviter.id;
    let declining = async {
        let asking = |e| if let NetEvent::Join { reply, .. } = e { Some(reply) } else { None };
        drop(inviter.until(asking).await);
    };
    let (answer, ()) = tokio::join!(join(&ticket, &addresses, id, vec![1]), declining);
    let Err(NetError::Refused { refusal: Refusal::Declined, .. }) = answer else {
        panic!("{answer:?}")
    };
}

#[tokio::test]
async fn an_inviter_that_cannot_be_reached_is_named_with_what_was_tried() {
    let (inviter, other) = (TestNode::start(1, TCP).await, TestNode::start(2, TCP).await);
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("/ip4/127.0.0.1/tcp/{}", unused.local_addr().unwrap().port());
    drop(unused);
    let addresses = [nobody.parse().unwrap()];
    let error = join(&secret(TICKET), &addresses, inviter.id, vec![1]).await.unwrap_err();
    assert!(matches!(error, NetError::Unreachable { .. }));
    assert!(error.to_string().contains(&nobody), "{error}");
    // Whoever answers at the inviter's address must have the inviter's key.
    let addresses = [other.address.clone()];
    let error = join(&secret(TICKET), &addresses, inviter.id, vec![1]).await.unwrap_err();
    assert!(error.to_string().contains("another node answers here"), "{error}");
}

#[tokio::test]
async fn an_address_of_somebody_else_does_not_keep_a_ticket_from_working() {
    let mut inviter = TestNode::start(1, TCP).await;
    let other = TestNode::start(2, TCP).await;
    let (ticket, id) = (secret(TICKET), inviter.id);
    let addresses = [other.address.clone(), inviter.address.clone()];
    inviter.handle.expect_ticket(ticket.id(), HOUR).await.unwrap();
    let (answer, _) = tokio::join!(join(&ticket, &addresses, id, vec![1]), admit_one(&mut inviter));
    assert_eq!(answer.unwrap(), b"welcome");
}

#[tokio::test]
async fn an_oversize_request_is_not_even_sent() {
    let inviter = TestNode::start(1, TCP).await;
    let addresses = [inviter.address.clone()];
    let asked = join(&secret(TICKET), &addresses, inviter.id, vec![0; (64 << 10) + 1]).await;
    assert!(matches!(asked, Err(NetError::TooLarge { .. })));
}
