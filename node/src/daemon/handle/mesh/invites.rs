//! Tickets that were given out: what became of them, and taking them back.

use protocol::{
    NodeId,
    control::{Failure, FailureCode, InviteReport, InviteState},
    membership::{Outstanding, four_words},
};

use crate::{
    daemon::{node::Node, view},
    sys,
};

/// Tickets of this node that are not forgotten, oldest first.
pub(in crate::daemon::handle) fn list(node: &Node) -> Vec<InviteReport> {
    let now = sys::now();
    node.mesh.engine(|engine| {
        let (catalog, me) = (engine.catalog(), engine.me());
        let report = |ticket: &Outstanding| InviteReport {
            id: ticket.peer,
            state: match ticket.used_by {
                Some(_) => InviteState::Used,
                None if ticket.is_open(now) => InviteState::Open,
                None => InviteState::Expired,
            },
            role: ticket.role,
            quota_bytes: ticket.quota_bytes,
            expires_at_ms: ticket.expires,
            used_by: ticket.used_by.map(|node| view::node_name(catalog, node)),
            words: ticket
                .used_by
                .map(|node| four_words(me, node, catalog.mesh(), ticket.peer).join(" ")),
        };
        engine.tickets().iter().map(report).collect()
    })
}

/// Takes a ticket back. What it let in stays in.
pub(in crate::daemon::handle) async fn cancel(node: &Node, invite: NodeId) -> Result<(), Failure> {
    let what = format!("cannot withdraw ticket {}", invite.short());
    let found = list(node).into_iter().find(|ticket| ticket.id == invite);
    match found {
        None => Err(Failure::new(FailureCode::NotFound, what, "this node made none of that id")
            .hint("`backupmanager mesh invites` shows its tickets")),
        Some(InviteReport { used_by: Some(by), .. }) => {
            let why = format!("{} joined with it", by.name);
            Err(Failure::new(FailureCode::Conflict, what, why)
                .hint("`backupmanager mesh expel` turns a member out"))
        }
        Some(_) => node.mesh.cancel_ticket(invite).await,
    }
}
