//! Members: inviting, joining, listing, granting, expelling.

pub(super) mod invites;
mod report;

use std::time::Duration;

use protocol::{
    NodeId,
    catalog::Catalog,
    control::{
        Expelled, Failure, FailureCode, GrantChange, Invited, Joined, MemberReport, MeshExpel,
        MeshInvite, NodeRef, ReplicaLeft, Right, Ticket,
    },
    engine::Engine,
    membership::{self, Member},
    record::{Fact, Grant, Rights},
};
use tracing::warn;

use crate::daemon::{
    mesh::{Change, Invitation},
    node::Node,
    view::{self, Keys},
};
use report::Around;
pub(super) use report::last_heard;

/// How long an invitation waits for the first address to listen on.
const ADDRESS_WAIT: Duration = Duration::from_secs(5);

/// How many of the archives that an expelled node still holds are listed.
const LEFT_LISTED_MAX: usize = 1_000;

/// Makes a ticket.
pub(super) async fn invite(node: &Node, invite: MeshInvite) -> Result<Invited, Failure> {
    const WHAT: &str = "cannot make a ticket";
    listens(node, WHAT).await?;
    let founded = node.mesh.engine(is_unfounded);
    let (role, quota_bytes) = (invite.role, invite.quota_bytes);
    let valid = Duration::from_millis(invite.expires_ms);
    let ticket = node.mesh.invite(Invitation { role, quota_bytes, valid }).await?;
    let text = Ticket::try_from(ticket.to_string())
        .map_err(|error| Failure::caused(FailureCode::Internal, WHAT, &error))?;
    Ok(Invited {
        id: ticket.peer(),
        ticket: text,
        mesh: ticket.mesh,
        founded,
        role: ticket.role,
        quota_bytes: ticket.quota_bytes,
        expires_at_ms: ticket.expires,
        addresses: ticket.addresses.clone(),
    })
}

/// Whether nobody but this node is in its mesh or was ever asked to be.
pub(super) fn is_unfounded(engine: &Engine) -> bool {
    let me = engine.me();
    let alone = engine.catalog().membership().members().all(|(id, _)| *id == me);
    alone && engine.tickets().is_empty()
}

/// Waits until there is an address to put into a ticket.
async fn listens(node: &Node, what: &str) -> Result<(), Failure> {
    let mut changes = node.mesh.changes();
    let first = async {
        while node.mesh.listening().is_empty() {
            if changes.changed().await.is_err() {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(ADDRESS_WAIT, first).await;
    let addresses = node.mesh.listening();
    if addresses.is_empty() {
        let why = "this node has no address at which another one could reach it";
        return Err(Failure::new(FailureCode::Conflict, what, why).hint(
            "give `serve` an address of this machine with --listen, and look at its network",
        ));
    }
    if addresses.iter().all(report::is_loopback) {
        warn!("the ticket names addresses of this machine only: no other machine can use it");
    }
    Ok(())
}

/// Joins the mesh of a ticket.
pub(super) async fn join(node: &Node, ticket: Ticket) -> Result<Joined, Failure> {
    const WHAT: &str = "cannot join the mesh";
    // Its errors say nothing of what the ticket says.
    let ticket: membership::Ticket = ticket.reveal().parse().map_err(|error| {
        Failure::caused(FailureCode::Invalid, WHAT, &error as &membership::TicketError)
            .hint("paste all of the line that `backupmanager mesh invite` printed")
    })?;
    let (mesh, promised) = (ticket.mesh, ticket.role);
    let joined = node.mesh.join(ticket).await?;
    Ok(node.mesh.look(|catalog| Joined {
        mesh,
        inviter: view::node_name(catalog, joined.inviter),
        role: catalog.member(&node.id()).map_or(promised, |me| me.role),
        words: joined.words.join(" "),
        members: u32::try_from(catalog.membership().members().count()).unwrap_or(u32::MAX),
    }))
}

/// All members: this node first, then by name, expelled ones last.
pub(super) fn list(node: &Node) -> Vec<MemberReport> {
    let around = Around::of(node);
    let me = node.id();
    let mut all: Vec<_> = node.mesh.look(|catalog| {
        let membership = catalog.membership();
        let everybody = membership.members().chain(membership.expelled());
        everybody.map(|(id, member)| around.report(catalog, *id, member)).collect()
    });
    all.sort_by_cached_key(|member| {
        let expelled = member.expelled_ms.is_some();
        (expelled, member.node.id != me, member.node.name.clone(), member.node.id)
    });
    all
}

/// One member, also an expelled one.
pub(super) fn show(node: &Node, wanted: &NodeRef) -> Result<MemberReport, Failure> {
    let id = node.mesh.look(|catalog| view::find_node(catalog, wanted))?;
    report(node, id)
}

fn report(node: &Node, id: NodeId) -> Result<MemberReport, Failure> {
    let around = Around::of(node);
    node.mesh.look(|catalog| {
        let member = catalog.membership().ever(&id);
        member.map(|member| around.report(catalog, id, member)).ok_or_else(|| {
            let what = format!("cannot find node {}", id.short());
            Failure::new(FailureCode::NotFound, what, "it is not a member of the mesh")
        })
    })
}

/// Turns a member out, or only says what that would mean.
pub(super) async fn expel(node: &Node, expel: MeshExpel) -> Result<Expelled, Failure> {
    let what = format!("cannot expel {}", expel.node);
    let plan = node.mesh.look(|catalog| {
        let id = present(catalog, &what, &expel.node)?;
        let refused = |code, why| Err(Failure::new(code, what.as_str(), why));
        if id == node.id() {
            return refused(FailureCode::Conflict, "a node cannot expel itself");
        }
        if !catalog.membership().is_operator(&node.id()) {
            return refused(FailureCode::Refused, "this node is not an operator of the mesh");
        }
        Ok(plan_expulsion(catalog, &node.keys_in(catalog), id))
    })?;
    if !expel.dry_run {
        node.mesh.expel(plan.node.id).await?;
    }
    Ok(Expelled { dry_run: expel.dry_run, ..plan })
}

/// What a node would still have after its expulsion.
fn plan_expulsion(catalog: &Catalog, keys: &Keys, id: NodeId) -> Expelled {
    let left = |(origin, archive, hold): (NodeId, _, &protocol::record::Hold)| {
        let is_there = |node: &NodeId| *node != id && catalog.membership().is_member(node);
        let whole = catalog.holders(origin, archive);
        let replicas = whole.filter(|(holder, other)| is_there(holder) && other.root == hold.root);
        let at_origin = catalog.archive(origin, archive).is_some() && is_there(&origin);
        ReplicaLeft {
            archive: view::title(catalog, keys, origin, archive),
            bytes: hold.bytes,
            copies_elsewhere: u32::try_from(replicas.count()).unwrap_or(u32::MAX)
                + u32::from(at_origin),
        }
    };
    Expelled {
        node: view::node_name(catalog, id),
        dry_run: true,
        still_holds: catalog.holds_of(id).take(LEFT_LISTED_MAX).map(left).collect(),
        still_holds_total: catalog.holds_of(id).count() as u64,
    }
}

/// Changes what a member may do here.
pub(super) async fn grant(node: &Node, change: GrantChange) -> Result<MemberReport, Failure> {
    let what = format!("cannot change the rights of {}", change.node);
    let me = node.id();
    let (id, grant) = node.mesh.look(|catalog| {
        let id = present(catalog, &what, &change.node)?;
        if id == me {
            let why = "it is this node, which may do everything here";
            return Err(Failure::new(FailureCode::Invalid, what.as_str(), why));
        }
        let member = catalog.member(&id).map(|member| member.role);
        let by_role = member.map_or(Rights::NONE, Rights::of);
        let before = catalog.tables().grants.get(&(me, id));
        Ok((id, changed(&what, &change, by_role, before)?))
    })?;
    node.mesh.publish(vec![Change::Say(Fact::Grant(id, grant))]).await?;
    report(node, id)
}

/// The grant that a change leads to. Grants narrow what a role may do, and never widen it.
fn changed(
    what: &str,
    change: &GrantChange,
    by_role: Rights,
    before: Option<&Grant>,
) -> Result<Grant, Failure> {
    if let Some(right) = change.allow.iter().find(|right| !by_role.allow(**right)) {
        let why = format!("its role does not allow {right}, and a grant cannot widen it");
        return Err(Failure::new(FailureCode::Refused, what, why)
            .hint("operators may do everything: expel it and invite it as one if that is meant"));
    }
    let now = before.map_or(by_role, |grant| by_role.narrowed(grant.rights));
    let allowed = |right: &Right| {
        (now.allow(*right) || change.allow.contains(right)) && !change.deny.contains(right)
    };
    Ok(Grant {
        rights: Right::ALL.into_iter().filter(allowed).collect(),
        quota_bytes: match change.unlimited {
            true => None,
            false => change.quota_bytes.or(before.and_then(|grant| grant.quota_bytes)),
        },
    })
}

/// The present member that somebody names.
fn present(catalog: &Catalog, what: &str, wanted: &NodeRef) -> Result<NodeId, Failure> {
    let id = view::find_node(catalog, wanted)?;
    let member: Option<&Member> = catalog.member(&id);
    member.map(|_| id).ok_or_else(|| {
        Failure::new(FailureCode::Conflict, what, "it was expelled and is not a member any more")
    })
}

#[cfg(test)]
mod tests;
