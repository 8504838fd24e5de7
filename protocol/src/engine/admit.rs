//! Letting nodes in and turning them out.

use serde_bytes::ByteBuf;

use super::{Engine, EngineError, Event, Output};
use crate::{
    Entropy, NodeId, Time, cbor,
    limits::{FRAME_BYTES_MAX, MEMBERS_MAX},
    membership::{
        JoinAnswer, JoinRefusal, JoinRequest, Outstanding, Ticket, four_words,
        ticket::{TICKET_ADDRESSES_MAX, TICKETS_MAX, TicketSecret},
    },
    record::{Expulsion, Fact, Feed, Invitation, RecordKey, Role},
};

/// Bytes of records in an answer to a join; what is left over comes by reconciliation.
const ANSWER_BYTES_MAX: usize = FRAME_BYTES_MAX - (64 << 10);

impl Engine {
    pub(super) fn invite(
        &mut self,
        (role, quota_bytes, expires): (Role, Option<u64>, Time),
        addresses: Vec<String>,
        now: Time,
        entropy: &mut impl Entropy,
    ) -> Result<(), EngineError> {
        self.must_be_operator()?;
        self.tickets.retain(|ticket| !ticket.is_forgotten(now));
        let full = self.catalog.membership().members().count() >= MEMBERS_MAX;
        if full || self.tickets.len() >= TICKETS_MAX {
            return Err(EngineError::TooMany);
        }
        let ticket = Ticket {
            mesh: self.catalog.mesh(),
            founder: self.catalog.membership().founder(),
            inviter: self.me(),
            addresses: addresses.into_iter().take(TICKET_ADDRESSES_MAX).collect(),
            secret: TicketSecret(entropy.array()),
            role,
            quota_bytes,
            expires,
        };
        let peer = ticket.peer();
        self.tickets.push(Outstanding { peer, role, quota_bytes, expires, used_by: None });
        self.outputs.push_back(Output::Tickets(self.tickets.clone()));
        self.outputs.push_back(Output::Invited(ticket));
        Ok(())
    }

    fn must_be_operator(&self) -> Result<(), EngineError> {
        let operator = self.catalog.membership().is_operator(&self.me());
        operator.then_some(()).ok_or(EngineError::NotAnOperator)
    }

    pub(super) fn cancel_ticket(&mut self, peer: NodeId, now: Time) {
        let before = self.tickets.len();
        self.tickets.retain(|ticket| ticket.peer != peer && !ticket.is_forgotten(now));
        if self.tickets.len() != before {
            self.outputs.push_back(Output::Tickets(self.tickets.clone()));
        }
    }

    pub(super) fn forget_tickets(&mut self, now: Time) {
        if self.tickets.iter().any(|ticket| ticket.is_forgotten(now)) {
            self.tickets.retain(|ticket| !ticket.is_forgotten(now));
            self.outputs.push_back(Output::Tickets(self.tickets.clone()));
        }
    }

    pub(super) fn on_join(&mut self, ticket: NodeId, bytes: &[u8], now: Time) {
        let answer = match self.admit(ticket, bytes, now) {
            Ok(node) => {
                let words = four_words(self.me(), node, self.catalog.mesh(), ticket);
                self.outputs.push_back(Output::Event(Event::Joined { node, ticket, words }));
                JoinAnswer::Accepted { records: self.proof_for(node) }
            }
            Err(code) => JoinAnswer::refused(code),
        };
        let bytes = cbor::encode(&answer);
        self.outputs.push_back(Output::JoinAnswer { ticket, bytes });
    }

    fn admit(&mut self, ticket: NodeId, bytes: &[u8], now: Time) -> Result<NodeId, JoinRefusal> {
        let at = self.tickets.iter().position(|known| known.peer == ticket);
        let at = at.ok_or(JoinRefusal::Unknown)?;
        let (mesh, me) = (self.catalog.mesh(), self.me());
        let request = JoinRequest::open(bytes, mesh, me, ticket).ok_or(JoinRefusal::Damaged)?;
        let outstanding = self.tickets[at].clone();
        let again = outstanding.used_by == Some(request.node);
        if outstanding.used_by.is_some() && !again {
            return Err(JoinRefusal::Used);
        }
        if !outstanding.is_open(now) {
            return Err(JoinRefusal::Expired);
        }
        self.may_join(&request, &outstanding)?;
        if !again {
            self.tickets[at].used_by = Some(request.node);
            self.outputs.push_back(Output::Tickets(self.tickets.clone()));
        }
        self.let_in(&request, &outstanding, now)?;
        Ok(request.node)
    }

    fn may_join(&self, request: &JoinRequest, promised: &Outstanding) -> Result<(), JoinRefusal> {
        let membership = self.catalog.membership();
        self.must_be_operator().map_err(|_| JoinRefusal::NoOperator)?;
        if crate::record::bad_name(&request.name).is_some() {
            return Err(JoinRefusal::Name);
        }
        match membership.ever(&request.node) {
            Some(member) if member.expelled.is_some() => Err(JoinRefusal::Expelled),
            Some(member) if member.inviter != self.me() && member.role != promised.role => {
                Err(JoinRefusal::Senior)
            }
            None if membership.members().count() >= MEMBERS_MAX => Err(JoinRefusal::Full),
            _ => Ok(()),
        }
    }

    /// Publishes the invitation, unless the node is a member as promised already.
    fn let_in(
        &mut self,
        request: &JoinRequest,
        promised: &Outstanding,
        now: Time,
    ) -> Result<(), JoinRefusal> {
        let present = self.catalog.membership().get(&request.node);
        let same = |member: &crate::membership::Member| {
            (member.role, member.quota_bytes) == (promised.role, promised.quota_bytes)
                || member.inviter != self.me()
        };
        if present.is_some_and(same) {
            return Ok(());
        }
        let time = present.map_or(now, |member| now.max(Time(member.since.0.saturating_add(1))));
        let invitation = Invitation {
            role: promised.role,
            quota_bytes: promised.quota_bytes,
            name: request.name.clone(),
            exchange: request.exchange,
            time,
        };
        let fact = Fact::Member(request.node, invitation);
        self.publish(&fact, now).map_err(|_| JoinRefusal::NoOperator)
    }

    /// The records that prove to a node that it is a member: first the chain that leads to it,
    /// then who else is, then where this node can be reached.
    fn proof_for(&self, node: NodeId) -> Vec<ByteBuf> {
        let mut chain = Vec::new();
        let mut at = node;
        while let Some(member) = self.catalog.membership().ever(&at) {
            chain.push((member.inviter, RecordKey::Member(at).to_string()));
            if member.inviter == at {
                break;
            }
            at = member.inviter;
        }
        chain.push((self.me(), RecordKey::Node.to_string()));
        let of_chain = chain
            .iter()
            .filter_map(|(author, key)| self.catalog.feed(author).and_then(|feed| feed.get(key)));
        let of_all = self.catalog.counting_feeds().flat_map(|(_, feed): (_, &Feed)| {
            let prefixes = ["expel/", "member/"].into_iter();
            prefixes.flat_map(|prefix| feed.with_prefix(prefix)).map(|(_, held)| held)
        });
        let mut seen = std::collections::BTreeSet::new();
        let mut bytes = 0;
        let within = of_chain.chain(of_all).filter(|held| seen.insert(held.hash));
        let within = within.take_while(|held| {
            bytes += held.bytes.len();
            bytes <= ANSWER_BYTES_MAX
        });
        within.map(|held| ByteBuf::from(held.bytes.to_vec())).collect()
    }

    /// Turns a node out. What it did as an operator is taken over first: whom it expelled stays
    /// out, and whom it invited stays in.
    pub(super) fn expel(&mut self, node: NodeId, now: Time) -> Result<(), EngineError> {
        self.must_be_operator()?;
        if node == self.me() {
            return Err(EngineError::ExpelsItself);
        }
        let membership = self.catalog.membership();
        if !membership.is_member(&node) {
            return Err(EngineError::NotAMember { node });
        }
        let by_it = |(_, by): &(NodeId, NodeId)| *by == node;
        let expelled = membership.expelled();
        let taken_over: Vec<NodeId> = expelled
            .filter_map(|(id, member)| Some((*id, member.expelled?.0)))
            .filter(by_it)
            .map(|(id, _)| id)
            .collect();
        for other in taken_over {
            if let Some(Fact::Expel(_, expulsion)) = self.fact_of(node, RecordKey::Expel(other)) {
                self.publish(&Fact::Expel(other, expulsion), now)?;
            }
        }
        let kept = self.catalog.membership().invited_by(&node).collect();
        let last = self.catalog.head(&node).newest;
        self.publish(&Fact::Expel(node, Expulsion { last, kept, time: now }), now)
    }

    fn fact_of(&self, author: NodeId, key: RecordKey) -> Option<Fact> {
        let held = self.catalog.feed(&author)?.get(&key.to_string())?;
        Fact::read(&key, held.record()?.body.as_deref()?).ok()
    }
}
