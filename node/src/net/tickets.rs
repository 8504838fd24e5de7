//! Outstanding tickets, and the short lives of their connections.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use libp2p::swarm::ConnectionId;
use protocol::NodeId;
use tokio::time::Instant;

use super::{
    error::NetError,
    limits::{TICKET_CONNECTION_TIME_MAX, TICKET_LINGER_TIME_MAX, TICKET_TIME_MAX, TICKETS_MAX},
};

/// Every ticket that may be used, with its end.
#[derive(Default)]
pub(super) struct Tickets {
    outstanding: BTreeMap<NodeId, Instant>,
    /// Tickets whose request is with the driver.
    asking: BTreeSet<NodeId>,
    connections: BTreeMap<ConnectionId, Instant>,
}

impl Tickets {
    pub(super) fn expect(
        &mut self,
        ticket: NodeId,
        now: Instant,
        time: Duration,
    ) -> Result<(), NetError> {
        if self.outstanding.len() >= TICKETS_MAX && !self.outstanding.contains_key(&ticket) {
            return Err(NetError::TooManyTickets { tickets_max: TICKETS_MAX });
        }
        self.outstanding.insert(ticket, now + time.min(TICKET_TIME_MAX));
        Ok(())
    }

    pub(super) fn forget(&mut self, ticket: &NodeId) {
        self.outstanding.remove(ticket);
    }

    pub(super) fn is_outstanding(&self, ticket: &NodeId, now: Instant) -> bool {
        self.outstanding.get(ticket).is_some_and(|end| *end > now)
    }

    /// Notes that a request goes to the driver; not if one is there already.
    pub(super) fn begin_asking(&mut self, ticket: NodeId) -> bool {
        self.asking.insert(ticket)
    }

    pub(super) fn end_asking(&mut self, ticket: &NodeId) {
        self.asking.remove(ticket);
    }

    pub(super) fn opened(&mut self, connection: ConnectionId, now: Instant) {
        self.connections.insert(connection, now + TICKET_CONNECTION_TIME_MAX);
    }

    /// Its answer is out: a little time to read it, then it closes.
    pub(super) fn answered(&mut self, connection: ConnectionId, now: Instant) {
        if let Some(end) = self.connections.get_mut(&connection) {
            *end = now + TICKET_LINGER_TIME_MAX;
        }
    }

    pub(super) fn closed(&mut self, connection: ConnectionId) {
        self.connections.remove(&connection);
    }

    /// When to look again.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.outstanding.values().chain(self.connections.values()).min().copied()
    }

    /// Takes out what is over: tickets and connections.
    pub(super) fn take_over(&mut self, now: Instant) -> (Vec<NodeId>, Vec<ConnectionId>) {
        let tickets = self.outstanding.extract_if(.., |_, end| *end <= now);
        let connections = self.connections.extract_if(.., |_, end| *end <= now);
        (tickets.map(|(ticket, _)| ticket).collect(), connections.map(|(id, _)| id).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICKET: NodeId = NodeId([1; 32]);
    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a_ticket_ends_at_its_time_and_its_connection_soon_after_the_answer() {
        let mut tickets = Tickets::default();
        let (now, id) = (Instant::now(), ConnectionId::new_unchecked(1));
        tickets.expect(TICKET, now, HOUR).unwrap();
        assert!(tickets.is_outstanding(&TICKET, now));
        assert!(!tickets.is_outstanding(&TICKET, now + HOUR));
        tickets.opened(id, now);
        assert_eq!(tickets.deadline(), Some(now + TICKET_CONNECTION_TIME_MAX));
        tickets.answered(id, now);
        assert_eq!(tickets.deadline(), Some(now + TICKET_LINGER_TIME_MAX));
        assert_eq!(tickets.take_over(now + TICKET_LINGER_TIME_MAX), (vec![], vec![id]));
        assert_eq!(tickets.take_over(now + HOUR), (vec![TICKET], vec![]));
        assert_eq!(tickets.deadline(), None);
    }

    #[test]
    fn tickets_are_bounded_and_their_time_cannot_overflow() {
        let (mut tickets, now) = (Tickets::default(), Instant::now());
        for n in 0..TICKETS_MAX {
            let ticket = NodeId([u8::try_from(n).unwrap(); 32]);
            tickets.expect(ticket, now, Duration::MAX).unwrap();
        }
        let one_more = tickets.expect(NodeId([255; 32]), now, HOUR);
        assert!(matches!(one_more, Err(NetError::TooManyTickets { .. })));
        assert!(tickets.expect(NodeId([0; 32]), now, HOUR).is_ok(), "a known one is renewed");
    }

    #[test]
    fn only_one_request_of_a_ticket_is_with_the_driver() {
        let mut tickets = Tickets::default();
        assert!(tickets.begin_asking(TICKET));
        assert!(!tickets.begin_asking(TICKET));
        tickets.end_asking(&TICKET);
        assert!(tickets.begin_asking(TICKET));
    }
}
