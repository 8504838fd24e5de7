//! Who is in the mesh, by this node's hand: tickets, grants, and turning a member out.
//!
//! `/nodes/{name}/grants` and `/nodes/{name}` itself are this node's own: what *it* grants to that
//! member, and *its* word that the member is out.

use std::collections::BTreeSet;

use axum::{http::StatusCode, response::Response};
use protocol::{
    MeshId, NodeId,
    control::{
        Expelled, GrantChange, INVITE_MS_DEFAULT, INVITE_MS_MAX, InviteReport, InviteState,
        MemberReport, MeshExpel, MeshInvite, NodeName, NodeRef, Reply, Request, Right, Role,
    },
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::jobs::located;
use crate::{
    ApiError, answer,
    openapi::Routes,
    state::Asker,
    take::{Args, Flag, Json, Params},
    view::{Iso, iso},
};

/// The routes of this file.
pub(super) fn routes() -> Routes {
    Routes::of("Members", "Who is in the mesh, by this node's hand.")
        .arg("id", "The id of the ticket.")
        .arg("name", "The member: its name or id.")
        .get("/invites", "Tickets that this node made.", invites, |op| op.lists::<Invites>())
        .post("/invites", "Make a ticket for one more node.", invite, |op| {
            op.answers::<Made>(201).located().fails(&[409])
        })
        .delete("/invites/{id}", "Take a ticket back.", withdraw, |op| {
            op.answers::<Withdrawn>(200).fails(&[409])
        })
        .delete("/nodes/{name}", "Expel a member.", expel, |op| {
            op.answers::<Out>(200).fails(&[409])
        })
        .get("/nodes/{name}/grants", "What a member may do here.", grants, |op| {
            op.answers::<Granted>(200)
        })
        .put("/nodes/{name}/grants", "Say what a member may do here.", grant, |op| {
            op.answers::<Granted>(200).fails(&[409])
        })
}

/// What a ticket is to be for.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Invite {
    role: Role,
    /// How much it will hold at most; no bound when left out.
    #[serde(default)]
    quota_bytes: Option<u64>,
    /// For how long it is good; a day when left out.
    #[serde(default)]
    #[schemars(range(min = 1, max = INVITE_MS_MAX / 1_000))]
    expires_in_s: Option<u64>,
}

/// A ticket that was made.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Invited")]
struct Made {
    id: NodeId,
    /// The secret; no other answer has it.
    ticket: String,
    mesh_id: MeshId,
    /// It is the first one, which founds the mesh.
    founded: bool,
    role: Role,
    quota_bytes: Option<u64>,
    expires_at: Iso,
    /// Where this node can be reached.
    addresses: Vec<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Invites {
    invites: Vec<Shown>,
}

/// A ticket without its secret.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "InviteReport")]
struct Shown {
    id: NodeId,
    state: InviteState,
    role: Role,
    quota_bytes: Option<u64>,
    expires_at: Iso,
    /// Who came with it.
    used_by: Option<NodeName>,
    /// The four words that this one shows too.
    words: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Withdrawn {
    id: NodeId,
}

/// A member that is out, or would be.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Expelled")]
struct Out {
    id: NodeId,
    name: String,
    /// Nothing was changed.
    dry_run: bool,
    /// The first of what it still holds of this node's.
    still_holds: Vec<Left>,
    still_holds_total: u64,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ReplicaLeft")]
struct Left {
    archive_name: String,
    sealed_bytes: u64,
    copies_elsewhere: u32,
}

/// What a member may do here.
#[derive(Debug, Serialize, JsonSchema)]
struct Granted {
    id: NodeId,
    name: String,
    role: Role,
    rights: BTreeSet<Right>,
    /// How much it may keep here at most.
    quota_bytes: Option<u64>,
}

/// Makes a ticket: the one answer that has its secret.
async fn invite(asker: Asker, Json(body): Json<Invite>) -> Result<Response, ApiError> {
    let expires_ms = body.expires_in_s.map_or(INVITE_MS_DEFAULT, |s| s.saturating_mul(1_000));
    let invite = MeshInvite { role: body.role, quota_bytes: body.quota_bytes, expires_ms };
    let Reply::Invited(invited) = asker.ask(Request::MeshInvite(invite)).await? else {
        return Err(ApiError::unexpected("invited"));
    };
    let place = format!("/api/v1/invites/{}", invited.id);
    let made = Made {
        id: invited.id,
        ticket: invited.ticket.reveal().to_owned(),
        mesh_id: invited.mesh,
        founded: invited.founded,
        role: invited.role,
        quota_bytes: invited.quota_bytes,
        expires_at: iso(invited.expires_at_ms),
        addresses: invited.addresses,
    };
    Ok(located(answer::json(StatusCode::CREATED, &made), &place))
}

async fn invites(asker: Asker) -> Result<Response, ApiError> {
    let Reply::Invites(invites) = asker.ask(Request::InviteList).await? else {
        return Err(ApiError::unexpected("invites"));
    };
    Ok(asker.list(&Invites { invites: invites.into_iter().map(Shown::from).collect() }))
}

impl From<InviteReport> for Shown {
    fn from(invite: InviteReport) -> Self {
        Self {
            id: invite.id,
            state: invite.state,
            role: invite.role,
            quota_bytes: invite.quota_bytes,
            expires_at: iso(invite.expires_at_ms),
            used_by: invite.used_by,
            words: invite.words,
        }
    }
}

async fn withdraw(asker: Asker, Args(id): Args<NodeId>) -> Result<Response, ApiError> {
    match asker.ask(Request::InviteCancel { invite: id }).await? {
        Reply::Done => Ok(answer::json(StatusCode::OK, &Withdrawn { id })),
        _ => Err(ApiError::unexpected("done")),
    }
}

/// Whether it is only to be said what it would mean.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Try {
    /// Only says what it would mean.
    dry_run: Option<Flag>,
}

async fn expel(
    asker: Asker,
    Args(node): Args<NodeRef>,
    Params(with): Params<Try>,
) -> Result<Response, ApiError> {
    let dry_run = with.dry_run.is_some_and(|flag| flag.0);
    let request = Request::MeshExpel(MeshExpel { node, dry_run });
    let Reply::Expelled(expelled) = asker.ask(request).await? else {
        return Err(ApiError::unexpected("expelled"));
    };
    Ok(answer::json(StatusCode::OK, &Out::from(expelled)))
}

impl From<Expelled> for Out {
    fn from(expelled: Expelled) -> Self {
        let left = expelled.still_holds.into_iter().map(|left| Left {
            archive_name: left.archive,
            sealed_bytes: left.bytes,
            copies_elsewhere: left.copies_elsewhere,
        });
        Self {
            id: expelled.node.id,
            name: expelled.node.name,
            dry_run: expelled.dry_run,
            still_holds: left.collect(),
            still_holds_total: expelled.still_holds_total,
        }
    }
}

async fn grants(asker: Asker, Args(node): Args<NodeRef>) -> Result<Response, ApiError> {
    granted(&asker, Request::MeshShow { node }).await
}

/// What a member may do here from now on: all of it, not only what changes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Grants {
    rights: BTreeSet<Right>,
    /// How much it may keep here at most; no bound when left out.
    #[serde(default)]
    quota_bytes: Option<u64>,
}

async fn grant(
    asker: Asker,
    Args(node): Args<NodeRef>,
    Json(body): Json<Grants>,
) -> Result<Response, ApiError> {
    let deny = Right::ALL.into_iter().filter(|right| !body.rights.contains(right)).collect();
    let change = GrantChange {
        node,
        allow: body.rights,
        deny,
        quota_bytes: body.quota_bytes,
        unlimited: body.quota_bytes.is_none(),
    };
    granted(&asker, Request::MeshGrant(change)).await
}

async fn granted(asker: &Asker, request: Request) -> Result<Response, ApiError> {
    let Reply::Member(MemberReport { node, role, rights, keeps_here_bytes_max, .. }) =
        asker.ask(request).await?
    else {
        return Err(ApiError::unexpected("member"));
    };
    let granted =
        Granted { id: node.id, name: node.name, role, rights, quota_bytes: keeps_here_bytes_max };
    Ok(answer::json(StatusCode::OK, &granted))
}
