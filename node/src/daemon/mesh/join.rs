//! Leaving one's own mesh for another one.
//!
//! Records carry the mesh they belong to, so the node signs what it said before (jobs, archives)
//! anew for the mesh it joins. The switch is one commit: before it the node is in its old mesh,
//! after it in the new one, whenever it is killed.

use libp2p::Multiaddr;
use protocol::{
    control::{Failure, FailureCode},
    engine::{Engine, Input, Output},
    membership::{self, JoinAnswer, JoinRequest, Ticket},
    record::Fact,
};

use super::{
    Joined, MeshState, driver::Driver, driver::engine, driver::start_net, lock, net_failure,
};
use crate::{
    db::RecordWrite,
    net,
    sys::{self, OsEntropy},
};

const WHAT: &str = "cannot join the mesh";

impl Driver {
    pub(super) async fn join(&mut self, ticket: Ticket) -> Result<Joined, Failure> {
        self.check_alone(&ticket)?;
        let answer = self.ask_inviter(&ticket).await?;
        let state = MeshState { mesh: ticket.mesh, founder: ticket.founder };
        let records = answer.records.iter().map(|signed| signed.bytes().clone()).collect();
        let mut new = engine(&self.config, state, Vec::new(), records);
        let mut writes = Vec::new();
        gather(&mut new, &mut writes);
        for fact in self.own_facts() {
            let said = new.handle(Input::Publish { fact }, sys::now(), &mut OsEntropy);
            said.map_err(|error| Failure::caused(FailureCode::Internal, WHAT, &error))?;
            gather(&mut new, &mut writes);
        }
        let known = answer.records.iter().map(|signed| {
            let record = signed.record();
            let (author, key) = (record.author, record.key.clone());
            RecordWrite::Put { author, key, bytes: signed.bytes().to_vec() }
        });
        writes.extend(known);
        self.config
            .db
            .replace_records(&writes, (super::state::MESH_KEY, &state.encode()))
            .map_err(|error| Failure::caused(FailureCode::Internal, WHAT, &error))?;
        self.switch(new, state, &ticket).await
    }

    fn check_alone(&self, ticket: &Ticket) -> Result<(), Failure> {
        let engine = lock(&self.shared.engine);
        let catalog = engine.catalog();
        let others = catalog.membership().members().filter(|(id, _)| **id != self.me).count();
        if catalog.mesh() == ticket.mesh {
            return Err(Failure::new(FailureCode::Exists, WHAT, "this node is in it already"));
        }
        if others > 0 {
            let why = format!("this node is in a mesh with {others} others");
            return Err(Failure::new(FailureCode::Conflict, WHAT, why)
                .hint("let the other node join this mesh instead: `mesh invite` here"));
        }
        Ok(())
    }

    async fn ask_inviter(&self, ticket: &Ticket) -> Result<membership::Joined, Failure> {
        let addresses: Vec<Multiaddr> =
            ticket.addresses.iter().filter_map(|address| address.parse().ok()).collect();
        let request = JoinRequest::new(ticket, &self.config.secret, &self.config.name);
        let request = request.sign(&self.config.secret);
        let answer = net::join(&ticket.key(), &addresses, ticket.inviter, request).await.map_err(
            |error| {
                net_failure(WHAT, &error).hint(
                "the inviting node must be running and reachable; a ticket works once and expires",
            )
            },
        )?;
        JoinAnswer::open(&answer, ticket, self.me).map_err(|error| {
            Failure::caused(FailureCode::Refused, WHAT, &error)
                .hint("ask for a new ticket: `backupmanager mesh invite` on the inviting node")
        })
    }

    /// What this node said that holds in any mesh.
    fn own_facts(&self) -> Vec<Fact> {
        let engine = lock(&self.shared.engine);
        let (catalog, me) = (engine.catalog(), self.me);
        let jobs = catalog.jobs_of(me).map(|(id, facts)| Fact::Job(*id, facts.clone()));
        let archives = catalog.archives_of(me).map(|(id, facts)| Fact::Archive(*id, facts.clone()));
        jobs.chain(archives).collect()
    }

    async fn switch(
        &mut self,
        new: Engine,
        state: MeshState,
        ticket: &Ticket,
    ) -> Result<Joined, Failure> {
        self.net.shutdown().await;
        let (net, events) =
            start_net(&self.config, state).await.map_err(|error| net_failure(WHAT, &error))?;
        *lock(&self.shared.engine) = new;
        *lock(&self.shared.net) = net.clone();
        lock(&self.shared.peers).clear();
        lock(&self.shared.listening).clear();
        (self.net, self.events) = (net, events);
        let members = lock(&self.shared.engine).catalog().membership().ids();
        self.net.set_members(members).await.map_err(|error| net_failure(WHAT, &error))?;
        let (inviter, peer) = (ticket.inviter, ticket.peer());
        let words = membership::four_words(self.me, inviter, ticket.mesh, peer);
        lock(&self.shared.words).insert(inviter, words);
        self.want(WHAT, Input::Tick).await?;
        self.changed();
        Ok(Joined { inviter, words })
    }
}

/// Takes out what an engine that is not at work yet wants stored; the rest it says again.
fn gather(engine: &mut Engine, writes: &mut Vec<RecordWrite>) {
    while let Some(output) = engine.poll() {
        if let Output::Persist { author, key, bytes } = output {
            writes.push(RecordWrite::Put { author, key: key.to_string(), bytes: bytes.to_vec() });
        }
    }
}
