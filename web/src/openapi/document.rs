//! All operations together: the document.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{
    Op, examples,
    op::reason,
    routes::{Group, Operation},
    schemas::Schemas,
};
use crate::ApiError;

/// Under which path all others are.
const BASE: &str = "/api/v1";

/// What stands before everything.
const ABOUT: &str = "Everything that a node of backupmanager does can be asked for here. The first \
    routes are those of the first backupmanager_ynh, with its names; what was added stands beside \
    them.\n\nEach request needs a key in the header `X-BackupManager-Key`; `backupmanager key \
    create NAME` makes one. Bodies and answers are JSON in UTF-8, times are ISO 8601 with an \
    offset, sizes are bytes. Unknown keys of a body are refused. `HEAD` is `GET` without a body, \
    `OPTIONS` is 204 with `Allow`. A refusal is always of the same shape: `error` for programs, \
    `message` for people, and often a `hint`.";

/// What can be asked of another member of the mesh.
const OTHERS: &str = "Another member of the mesh, as far as it lets this node: jobs, runs, archives \
    without their files, restores, transfers, instances, nodes, workers, the store. Anything else is \
    501 there.";

/// Headers that come with a refusal.
const HEADERS: [(u16, &str, &str); 2] = [
    (401, "WWW-Authenticate", "The name of the header with the key."),
    (429, "Retry-After", "After how many seconds to try again."),
];

/// The document, and what it lacks.
pub(super) struct Document {
    pub(super) document: Value,
    #[cfg_attr(not(test), expect(dead_code, reason = "a test asks for it"))]
    pub(super) missing: Vec<String>,
}

/// The document that describes these operations.
pub(super) fn of(groups: Vec<Group>) -> Document {
    let (mut schemas, mut missing) = (Schemas::new(), Vec::new());
    let (mut paths, mut tags) = (Map::new(), Vec::new());
    let refusal = schemas.answered::<ApiError>();
    let mut failed = BTreeSet::new();
    for mut group in groups {
        tags.push(json!({ "name": group.tag, "description": group.about }));
        for operation in std::mem::take(&mut group.operations) {
            let op = Op::new(&mut schemas, &group, &operation);
            let Operation { method, path, describe, .. } = operation;
            let op = describe(op);
            missing.extend(op.missing());
            let told = op.told(group.tag);
            let statuses = told["responses"].as_object().into_iter().flatten();
            let refused = statuses.filter(|(_, answer)| answer.get("$ref").is_some());
            failed.extend(refused.map(|(status, _)| status.clone()));
            let path = path.replace("{*", "{");
            let at = paths.entry(path).or_insert_with(|| json!({}));
            at[method] = told;
        }
    }
    let responses: Map<_, _> =
        failed.into_iter().map(|status| (status.clone(), refused(&status, &refusal))).collect();
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "backupmanager",
            "version": "1",
            "description": ABOUT,
            "license": { "name": "AGPL-3.0-or-later", "identifier": "AGPL-3.0-or-later" },
        },
        "servers": [
            { "url": BASE, "description": "This node." },
            {
                "url": format!("{BASE}/nodes/{{node}}"),
                "description": OTHERS,
                "variables": { "node": { "default": "tom", "description": "Its name or id." } },
            },
        ],
        "security": [{ "key": [] }],
        "tags": tags,
        "paths": paths,
        "components": {
            "securitySchemes": {
                "key": {
                    "type": "apiKey", "in": "header", "name": "X-BackupManager-Key",
                    "description": "64 hex digits, as `backupmanager key create NAME` prints them.",
                },
            },
            "responses": responses,
        },
    });
    schemas.finish(&mut document);
    examples::add(&mut document, BASE);
    Document { document, missing }
}

/// How a refusal with this status looks.
fn refused(status: &str, schema: &Value) -> Value {
    let about = match status.parse() {
        Ok(status) => reason(status),
        Err(_) => {
            "Refused for another reason: 405, 414 and 431 by what the request looks like, \
                   500 to 507 when the node could not do it."
        }
    };
    let mut answer = json!({
        "description": about, "content": { "application/json": { "schema": schema } }
    });
    for (of, name, about) in HEADERS {
        if of.to_string() == status {
            let schema = json!({ "type": "string" });
            answer["headers"][name] = json!({ "description": about, "schema": schema });
        }
    }
    answer
}
