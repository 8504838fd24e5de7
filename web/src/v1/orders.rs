//! Orders: what another node shall do once, now or when it is up again.

use axum::{http::StatusCode, response::Response};
use protocol::{
    OrderId,
    control::{
        NodeName, NodeRef, ORDER_MS_DEFAULT, ORDER_MS_MAX, OrderIssue, OrderReport, OrderState,
        Reply, Request,
    },
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::jobs::located;
use crate::{
    ApiError, answer,
    openapi::Routes,
    state::Asker,
    take::{Args, Json},
    view::{FailureView, Iso, iso, iso_or_none},
};

/// The routes of this file.
pub(super) fn routes() -> Routes {
    Routes::of("Orders", "What another node shall do once, now or when it is up again.")
        .arg("name", "The node that shall do it: its name or id.")
        .arg("id", "The id of the order.")
        .post("/nodes/{name}/orders", "Order something.", issue, |op| {
            op.answers::<Order>(202).located().fails(&[409])
        })
        .get("/orders", "Orders of this node and for it, newest first.", list, |op| {
            op.lists::<Orders>()
        })
        .get("/orders/{id}", "One order.", show, |op| op.answers::<Order>(200))
        .delete("/orders/{id}", "Take an order back that nobody has begun.", cancel, |op| {
            op.answers::<Order>(200).fails(&[409])
        })
}

/// What is ordered.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "OrderIssue")]
struct Issue {
    /// As the control socket has it: `{"job_run": {"job": "docs", "wait": true}}`, or one of
    /// `job_add`, `job_edit`, `job_remove`, `run_cancel`, `prune`, `archive_restore`, `archive_pin`
    /// and the others that API.md names.
    #[schemars(with = "Map<String, Value>", extend("minProperties" = 1, "maxProperties" = 1))]
    request: Request,
    /// In how many seconds it must have begun; seven days when left out.
    #[serde(default)]
    #[schemars(range(min = 1, max = ORDER_MS_MAX / 1_000))]
    within_s: Option<u64>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Orders {
    orders: Vec<Order>,
}

/// An order.
#[derive(Debug, Serialize, JsonSchema)]
struct Order {
    id: OrderId,
    /// Who issued it.
    by: NodeName,
    /// Who shall do it.
    node: NodeName,
    /// What is asked, in a word; null when it cannot be read here.
    request: Option<String>,
    /// By the clock of who issued it.
    issued_at: Iso,
    /// It is not begun after this.
    deadline: Iso,
    state: OrderState,
    /// When the node said so, by its clock.
    said_at: Option<Iso>,
    /// What came of it, for people.
    text: Option<String>,
    failure: Option<FailureView>,
}

async fn issue(
    asker: Asker,
    Args(node): Args<NodeRef>,
    Json(body): Json<Issue>,
) -> Result<Response, ApiError> {
    let within_ms = body.within_s.map_or(ORDER_MS_DEFAULT, |s| s.saturating_mul(1_000));
    let issue = OrderIssue { node, request: body.request, within_ms };
    let order = one(asker.ask(Request::OrderIssue(Box::new(issue))).await?)?;
    let place = format!("/api/v1/orders/{}", order.id);
    Ok(located(answer::json(StatusCode::ACCEPTED, &Order::from(order)), &place))
}

async fn list(asker: Asker) -> Result<Response, ApiError> {
    let Reply::Orders(orders) = asker.ask(Request::OrderList).await? else {
        return Err(ApiError::unexpected("orders"));
    };
    Ok(asker.list(&Orders { orders: orders.into_iter().map(Order::from).collect() }))
}

async fn show(asker: Asker, Args(order): Args<OrderId>) -> Result<Response, ApiError> {
    let order = one(asker.ask(Request::OrderShow { order }).await?)?;
    Ok(answer::json(StatusCode::OK, &Order::from(order)))
}

async fn cancel(asker: Asker, Args(order): Args<OrderId>) -> Result<Response, ApiError> {
    let order = one(asker.ask(Request::OrderCancel { order }).await?)?;
    Ok(answer::json(StatusCode::OK, &Order::from(order)))
}

fn one(reply: Reply) -> Result<OrderReport, ApiError> {
    match reply {
        Reply::Order(order) => Ok(*order),
        _ => Err(ApiError::unexpected("order")),
    }
}

impl From<OrderReport> for Order {
    fn from(order: OrderReport) -> Self {
        Self {
            id: order.id,
            by: order.by,
            node: order.node,
            request: order.request,
            issued_at: iso(order.issued_ms),
            deadline: iso(order.deadline_ms),
            state: order.state,
            said_at: iso_or_none(order.said_ms),
            text: order.text,
            failure: order.failure.map(FailureView::from),
        }
    }
}
