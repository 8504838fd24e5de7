//! Orders: one node has another do something.

use protocol::control::{OrderReport, OrderState};

use super::word;
use crate::cli::format::{Facts, Style, Table, dash};

pub(super) fn orders(orders: &[OrderReport], style: &Style) -> String {
    let mut table = Table::new(&["ID", "WHAT", "BY", "FOR", "STATE", "ISSUED", "SAID"]);
    for order in orders {
        table.row([
            order.id.to_string(),
            order.request.clone().unwrap_or_else(dash),
            order.by.name.clone(),
            order.node.name.clone(),
            word(order.state),
            style.time(order.issued_ms),
            said(order).unwrap_or_else(dash),
        ]);
    }
    table.or("no orders; `backupmanager order issue NODE job run NAME` issues one")
}

pub(super) fn order(order: &OrderReport, style: &Style) -> String {
    let mut facts = Facts::default();
    facts
        .add("order", order.id.to_string())
        .maybe("what", order.request.clone())
        .add("by", order.by.name.clone())
        .add("for", order.node.name.clone())
        .add("state", word(order.state))
        .add("issued", style.time(order.issued_ms))
        .add("not begun after", style.time(order.deadline_ms))
        .maybe("said on", order.said_ms.map(|at| style.time(at)))
        .maybe("said", said(order))
        .maybe("hint", order.failure.as_ref().and_then(|failure| failure.hint.clone()));
    if order.state == OrderState::Waiting {
        facts.add("note", "it goes there when the node can be reached");
    }
    if order.state == OrderState::Cancelled {
        facts.add("note", "a node that had heard of it before may still have begun");
    }
    facts.text()
}

fn said(order: &OrderReport) -> Option<String> {
    let why = order.failure.as_ref().map(|failure| failure.why.clone());
    why.or_else(|| order.text.clone())
}
