//! Orders: what this node has others do, and what others have it do.
//!
//! Issuing is saying a sealed record; everything else follows from the catalog. What is to be done
//! here is carried out by the [`worker`], once, by the one handler of all requests, with the rights
//! of whoever issued it.
//!
//! Limits: [`ORDERS_OPEN_MAX`] orders of this node that have not ended, [`ORDERS_LISTED_MAX`] told.

mod answer;
mod worker;

use std::{sync::Arc, time::Duration};

use protocol::{
    Entropy as _, NodeId, OrderId, Time,
    catalog::Catalog,
    control::{Failure, FailureCode, ORDER_TEXT_BYTES_MAX, OrderIssue, OrderReport, OrderState},
    key::NodeSecret,
    order::Which,
    record::{Fact, Order, Outcome, Progress, RecordKey},
};
use tracing::info;

pub(super) use self::worker::run;
use super::{
    mesh::Change,
    node::{Node, blocking},
    view,
};
use crate::sys::{self, OsEntropy};

/// Orders of this node that have not ended.
const ORDERS_OPEN_MAX: usize = 1_000;

/// Orders that are told at once: the newest.
const ORDERS_LISTED_MAX: usize = 1_000;

/// Issues an order. It goes to the node when that can be reached.
///
/// # Errors
/// When there is no such member, it is this node, or the order does not fit.
pub(super) async fn issue(node: Arc<Node>, issue: OrderIssue) -> Result<OrderReport, Failure> {
    let what = format!("cannot order {} anything", issue.node);
    let me = node.id();
    let (to, exchange, open) = node.mesh.look(|catalog| {
        let to = view::find_node(catalog, &issue.node)?;
        let refused = |code, why| Failure::new(code, what.as_str(), why);
        if to == me {
            let why = "it is this node: ask it without an order";
            return Err(refused(FailureCode::Invalid, why));
        }
        if catalog.member(&to).is_none() {
            return Err(refused(FailureCode::Conflict, "it was expelled"));
        }
        let exchange = catalog.node(&to).map(|facts| facts.exchange).ok_or_else(|| {
            refused(FailureCode::Conflict, "this node has not heard anything of it yet")
                .hint("try again when it was connected once")
        })?;
        Ok((to, exchange, open_of(catalog, me, sys::now())))
    })?;
    if open >= ORDERS_OPEN_MAX {
        let why = format!("{open} orders of this node have not ended");
        return Err(Failure::new(FailureCode::Conflict, what, why)
            .hint("`backupmanager order cancel` takes those back that nobody has begun"));
    }
    let which = Which { issuer: me, to, id: OrderId(OsEntropy.array()) };
    let readers = [node.secret.exchange_public(), exchange];
    let request = which
        .seal_request(&issue.request, &readers, &mut OsEntropy)
        .map_err(|error| Failure::caused(FailureCode::Invalid, what.as_str(), &error))?;
    let deadline = sys::now().after(Duration::from_millis(issue.within_ms));
    let order = Order { to, request, deadline };
    node.mesh.publish(vec![Change::Say(Fact::Order(which.id, order))]).await?;
    let word = issue.request.order_word().unwrap_or_default();
    info!(order.id = %which.id, to.id = %to.short(), request = word, "an order was issued");
    show(node, which.id).await
}

/// How many orders of this node have not ended.
fn open_of(catalog: &Catalog, me: NodeId, now: Time) -> usize {
    let own = catalog.tables().orders.iter().filter(|((issuer, _), _)| *issuer == me);
    let state = |id, order: &Order| state(catalog.outcome(me, id), order.deadline, now);
    own.filter(|((_, id), order)| !state(*id, order).has_ended()).count()
}

/// Orders of this node and for it, newest first.
///
/// # Errors
/// Never but when the work is cut off.
pub(super) async fn list(node: Arc<Node>) -> Result<Vec<OrderReport>, Failure> {
    blocking(move || Ok(reports(&node, |_| true))).await
}

/// One order; of two with that id the own one.
///
/// # Errors
/// When there is none.
pub(super) async fn show(node: Arc<Node>, id: OrderId) -> Result<OrderReport, Failure> {
    blocking(move || {
        let me = node.id();
        let mut found = reports(&node, |other| other == id);
        found.sort_by_key(|order| order.by.id != me);
        found.into_iter().next().ok_or_else(|| not_found(id))
    })
    .await
}

/// Takes an order back that nobody has begun, as far as is known here.
///
/// # Errors
/// When it is none of this node's own, or was answered.
pub(super) async fn cancel(node: Arc<Node>, id: OrderId) -> Result<OrderReport, Failure> {
    let order = show(Arc::clone(&node), id).await?;
    let what = format!("cannot take order {} back", id.short());
    if order.by.id != node.id() {
        let why = format!("{} issued it", order.by.name);
        return Err(Failure::new(FailureCode::Refused, what, why));
    }
    match order.state {
        OrderState::Waiting => {}
        OrderState::Running => {
            let why = format!("{} has begun", order.node.name);
            return Err(Failure::new(FailureCode::Conflict, what, why)
                .hint("order it to cancel the run, where it is one"));
        }
        _ => return Err(Failure::new(FailureCode::Conflict, what, "it has ended")),
    }
    node.mesh.publish(vec![Change::Unsay(RecordKey::Order(id))]).await?;
    info!(order.id = %id, "an order was taken back");
    Ok(OrderReport { state: OrderState::Cancelled, ..order })
}

fn not_found(id: OrderId) -> Failure {
    let what = format!("cannot find order {}", id.short());
    Failure::new(FailureCode::NotFound, what, "it is none of this node's, nor for it")
        .hint("`backupmanager order list` shows them")
}

/// An order as the catalog has it.
struct Found {
    which: Which,
    order: Order,
    issued: Time,
    outcome: Option<Outcome>,
}

fn reports(node: &Node, wanted: impl Fn(OrderId) -> bool) -> Vec<OrderReport> {
    let (me, now) = (node.id(), sys::now());
    let mut found = node.mesh.look(|catalog| {
        let all = catalog.tables().orders.iter();
        let ours =
            all.filter(|((issuer, id), order)| (*issuer == me || order.to == me) && wanted(*id));
        let found = ours.map(|((issuer, id), order)| Found {
            which: Which { issuer: *issuer, to: order.to, id: *id },
            issued: issued(catalog, *issuer, *id),
            outcome: catalog.outcome(*issuer, *id).cloned(),
            order: order.clone(),
        });
        found.collect::<Vec<_>>()
    });
    found.sort_by_key(|one| std::cmp::Reverse((one.issued, one.which.id)));
    found.truncate(ORDERS_LISTED_MAX);
    let names = |id| node.mesh.look(|catalog| view::node_name(catalog, id));
    let report = |one: Found| {
        let (by, to) = (names(one.which.issuer), names(one.which.to));
        let said = answer::said(&node.secret, &one.which, one.outcome.as_ref(), &by, &to);
        OrderReport {
            id: one.which.id,
            by,
            node: to,
            request: word(&node.secret, &one.which, &one.order),
            issued_ms: one.issued,
            deadline_ms: one.order.deadline,
            state: state(one.outcome.as_ref(), one.order.deadline, now),
            said_ms: one.outcome.map(|outcome| outcome.time),
            text: said.0,
            failure: said.1,
        }
    };
    found.into_iter().map(report).collect()
}

/// When an order was issued, by the issuer's clock.
fn issued(catalog: &Catalog, issuer: NodeId, id: OrderId) -> Time {
    let feed = catalog.feed(&issuer);
    let held = feed.and_then(|feed| feed.get(&RecordKey::Order(id).to_string()));
    held.and_then(|held| held.record()).map_or(Time(0), |record| record.time)
}

/// What is ordered, in a word.
fn word(secret: &NodeSecret, which: &Which, order: &Order) -> Option<String> {
    let request = which.open_request(&order.request, secret).ok()?;
    request.order_word().map(str::to_owned)
}

fn state(outcome: Option<&Outcome>, deadline: Time, now: Time) -> OrderState {
    match outcome.map(|outcome| &outcome.progress) {
        None if deadline < now => OrderState::Expired,
        None => OrderState::Waiting,
        Some(Progress::Begun) => OrderState::Running,
        Some(Progress::Done { .. }) => OrderState::Done,
        Some(Progress::Failed { .. }) => OrderState::Failed,
        Some(Progress::Refused { .. }) => OrderState::Refused,
        Some(Progress::Interrupted) => OrderState::Interrupted,
    }
}

/// A text of another node, no longer than it may be.
fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(ORDER_TEXT_BYTES_MAX)].to_owned()
}

#[cfg(test)]
mod tests;
