//! The mesh over HTTP, between whole nodes: a ticket, a grant, an order, and out.

use serde_json::json;
use tests::support::{Yard, until};

use super::{ask, get, key, post, send, serving};

#[test]
fn a_node_is_invited_narrowed_ordered_and_expelled_over_http() {
    let yard = Yard::new();
    let jerry = serving(&yard, "jerry", "127.0.0.1:0");
    let (full, watch) = (key(&jerry, &["phone"]), key(&jerry, &["watch", "--read-only"]));
    let body = json!({ "role": "operator", "expires_in_s": 600 });
    assert_eq!(post(&jerry, "/invites", &watch, &body).status, 403);
    let made = post(&jerry, "/invites", &full, &body);
    assert_eq!(made.status, 201, "{made:?}");
    let ticket = made.body["ticket"].as_str().expect("a ticket").to_owned();
    let spare = post(&jerry, "/invites", &full, &body).body;
    let spare_id = spare["id"].as_str().expect("an id");
    let withdrawn = ask(&jerry, "DELETE", &format!("/invites/{spare_id}"), &full);
    assert_eq!(withdrawn.status, 200, "{withdrawn:?}");

    let eve = yard.node("eve");
    let spare = spare["ticket"].as_str().expect("a ticket");
    eve.tell(&["mesh", "join", "-"], spare).fails_with(1, &["cannot join"]).hints();
    let tom = yard.node("tom");
    tom.tell(&["mesh", "join", "-"], &ticket).exits(0);
    until("both are connected", || tom.sees(&jerry) && jerry.sees(&tom));
    let invites = get(&jerry, "/invites", &watch).body;
    assert_eq!(invites["invites"].as_array().map(Vec::len), Some(1), "{invites:#}");
    let used = &invites["invites"][0];
    assert_eq!((&used["state"], &used["used_by"]["name"]), (&json!("used"), &json!("tom")));
    let words = tom.json(&["mesh", "show", "jerry"], "member")["words"].clone();
    assert_eq!(used["words"], words);
    let id = used["id"].as_str().expect("an id");
    let late = ask(&jerry, "DELETE", &format!("/invites/{id}"), &full);
    assert_eq!((late.status, &late.body["error"]), (409, &json!("conflict")), "{late:?}");
    assert!(!jerry.log().contains(&ticket[..40]), "the ticket is in the log");

    let grants = json!({ "rights": ["see_status", "store"], "quota_bytes": 5_000_000 });
    let put = send(
        super::connect(&jerry),
        "PUT",
        "/nodes/tom/grants",
        &full,
        "application/json",
        grants.to_string().as_bytes(),
    );
    assert_eq!(put.status, 200, "{put:?}");
    let granted = get(&jerry, "/nodes/tom/grants", &watch).body;
    assert_eq!(
        (&granted["rights"], &granted["quota_bytes"]),
        (&grants["rights"], &json!(5_000_000))
    );

    let order = json!({ "request": { "store_check": { "read_data": false } } });
    let issued = post(&jerry, "/nodes/tom/orders", &full, &order);
    assert_eq!(issued.status, 202, "{issued:?}");
    let path = format!("/orders/{}", issued.body["id"].as_str().expect("an id"));
    until("tom has done it", || get(&jerry, &path, &watch).body["state"] == "done");

    let tried = ask(&jerry, "DELETE", "/nodes/tom?dry_run=1", &watch);
    assert_eq!((tried.status, &tried.body["dry_run"]), (200, &json!(true)));
    assert_eq!(ask(&jerry, "DELETE", "/nodes/tom", &watch).status, 403);
    assert_eq!(ask(&jerry, "DELETE", "/nodes/tom", &full).status, 200);
    until("tom is out", || !jerry.sees(&tom));
    let late = post(&jerry, "/nodes/tom/orders", &full, &order);
    assert_eq!(late.status, 409, "{late:?}");
    assert_eq!(get(&jerry, "/notices", &watch).status, 200);
}
