//! `/api/v1/nodes/{name}/…`: the same resources of another member of the mesh.
//!
//! The prefix is taken off and the request goes to the same handler, which asks that member instead
//! of this node ([`crate::state::Asker`]). What a member can be asked over the mesh is listed here,
//! path by path; everything else of a node is 501, so that nothing is done to the wrong one.

use axum::{
    extract::{Request as HttpRequest, State as Given},
    http::{HeaderValue, Uri, header, uri::PathAndQuery},
    middleware::Next,
    response::{IntoResponse, Response},
};
use protocol::{
    NodeId,
    control::{Connection, NodeRef, Reply, Request},
};

use crate::{Access, ApiError, State};

/// What stands before everything.
const API: &str = "/api/v1";

/// What stands before a node's name.
const NODES: &str = "/api/v1/nodes/";

/// The paths that can be asked of another member. `*` is one segment.
const PASSED_ON: [&str; 23] = [
    "health",
    "jobs",
    "jobs/*",
    "jobs/*/run",
    "jobs/*/runs",
    "jobs/*/retention",
    "runs/*",
    "runs/*/cancel",
    "archives",
    "archives/*",
    "archives/*/info",
    "archives/*/contents",
    "archives/*/pin",
    "archives/*/restore",
    "archives/*/restore/status",
    "archives/*/transfer",
    "transfers",
    "transfers/*",
    "instances",
    "nodes",
    "nodes/*",
    "workers",
    "store",
];

/// Resources of a node that only the node itself gives out.
const ITS_OWN: [&str; 3] = ["events", "keys", "metrics"];

/// Another member, of which all is asked that a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OtherNode {
    /// Which.
    pub(crate) node: NodeId,
    /// What stands before its paths.
    pub(crate) prefix: String,
}

impl OtherNode {
    /// Where something lies that is under this path on the member itself.
    pub(crate) fn place(&self, path: &str) -> String {
        path.strip_prefix(API).map_or_else(|| path.to_owned(), |path| self.prefix.clone() + path)
    }
}

/// Takes the name of a node off a path.
pub(crate) async fn of_a_node(
    Given(state): Given<State>,
    mut request: HttpRequest,
    next: Next,
) -> Response {
    let Some((name, rest)) = split(request.uri().path()) else { return next.run(request).await };
    let (prefix, rest) = (format!("{NODES}{name}"), rest.to_owned());
    let (name, access) = (named(name), request.extensions().get::<Access>().cloned());
    let node = match find(&state, access, name).await {
        Ok(_) if !is_passed_on(&rest) => return cannot().into_response(),
        Ok(node) => node,
        Err(error) => return error.into_response(),
    };
    let Some(uri) = moved(request.uri(), &rest) else {
        return ApiError::not_found("there is nothing under this path").into_response();
    };
    *request.uri_mut() = uri;
    if let Some(node) = node {
        request.extensions_mut().insert(OtherNode { node, prefix: prefix.clone() });
    }
    let mut response = next.run(request).await;
    let place = response.headers().get(header::LOCATION).and_then(|place| place.to_str().ok());
    let place = place.and_then(|place| place.strip_prefix(API));
    if let Some(place) = place.and_then(|p| HeaderValue::from_str(&format!("{prefix}{p}")).ok()) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    response
}

/// The node's name and the rest of a path, where that is a resource of a node.
fn split(path: &str) -> Option<(&str, &str)> {
    let (name, rest) = path.strip_prefix(NODES)?.split_once('/')?;
    let first = rest.split('/').next()?;
    let known = PASSED_ON.iter().any(|path| path.split('/').next() == Some(first));
    (known || ITS_OWN.contains(&first)).then_some((name, rest))
}

fn is_passed_on(rest: &str) -> bool {
    let fits = |pattern: &str| {
        let (mut wanted, mut there) = (pattern.split('/'), rest.split('/'));
        loop {
            match (wanted.next(), there.next()) {
                (None, None) => return true,
                (Some("*"), Some(part)) if !part.is_empty() => {}
                (Some(name), Some(part)) if name == part => {}
                _ => return false,
            }
        }
    };
    PASSED_ON.iter().any(|pattern| fits(pattern))
}

fn cannot() -> ApiError {
    ApiError::unsupported("this cannot be asked of another node over the mesh")
        .hint("ask that node itself over HTTP, with a key of its own")
}

/// The same request without the prefix.
fn moved(uri: &Uri, rest: &str) -> Option<Uri> {
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let path: PathAndQuery = format!("{API}/{rest}{query}").parse().ok()?;
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path);
    Uri::from_parts(parts).ok()
}

/// The member of a name; none when it is the node that is asked.
async fn find(
    state: &State,
    access: Option<Access>,
    node: Result<NodeRef, ApiError>,
) -> Result<Option<NodeId>, ApiError> {
    let (access, node) = (access.ok_or_else(ApiError::unauthorized)?, node?);
    match state.backend.ask(access, Request::MeshShow { node }, None).await? {
        Reply::Member(member) => {
            Ok((member.connection != Connection::This).then_some(member.node.id))
        }
        _ => Err(ApiError::unexpected("member")),
    }
}

/// A name as it stands in a path.
fn named(name: &str) -> Result<NodeRef, ApiError> {
    let named = decoded(name).and_then(|name| name.parse().ok());
    named.ok_or_else(|| ApiError::invalid("a node has a name, or an id of 64 hex digits"))
}

/// Percent-decoded once; names are ASCII.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut plain = Vec::new();
    while let Some(byte) = bytes.next() {
        plain.push(if byte == b'%' {
            let digits = [bytes.next()?, bytes.next()?];
            let digits = digits.iter().all(u8::is_ascii_hexdigit).then_some(digits)?;
            u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
        } else {
            byte
        });
    }
    String::from_utf8(plain).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_resources_of_a_node_have_the_prefix_taken_off() {
        assert_eq!(split("/api/v1/nodes/tom/jobs/3/run"), Some(("tom", "jobs/3/run")));
        assert_eq!(split("/api/v1/nodes/tom/events"), Some(("tom", "events")));
        for path in ["", "/tom", "/tom/", "/tom/orders", "//", "/tom//jobs", "/tom/%6aobs"] {
            assert_eq!(split(&format!("/api/v1/nodes{path}")), None, "{path}");
        }
        assert_eq!(split("/api/v1/jobs/nodes/x/jobs"), None);
    }

    #[test]
    fn what_is_passed_on_is_matched_segment_by_segment() {
        for path in ["jobs", "jobs/3", "archives/a/restore/status", "nodes/ann", "archives/upload"]
        {
            assert!(is_passed_on(path), "{path}");
        }
        for path in [
            "",
            "jobs/",
            "jobs/3/",
            "jobs//run",
            "archives/upload/start",
            "jobs/3/log",
            "archives/a/b/c/d",
            "nodes/ann/jobs",
            "events",
            "keys",
        ] {
            assert!(!is_passed_on(path), "{path}");
        }
    }

    #[test]
    fn a_name_is_decoded_once_and_strictly() {
        assert_eq!(named("t%6Fm").unwrap(), named("tom").unwrap());
        for wrong in ["%", "%6", "%zz", "%+1", "%256f", "a%2fb", "%00", "%ff", "", "..", "."] {
            assert!(named(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_query_stays_as_it_is() {
        let uri: Uri = "/api/v1/nodes/tom/jobs/3/runs?limit=1&x=%2f".parse().unwrap();
        assert_eq!(moved(&uri, "jobs/3/runs").unwrap(), "/api/v1/jobs/3/runs?limit=1&x=%2f");
    }
}
