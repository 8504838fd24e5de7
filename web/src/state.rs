//! What every handler has at hand: the node behind the API, and who asks.

use std::{io, sync::Arc};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, request::Parts},
    response::Response,
};
use protocol::{
    NodeId,
    control::{Failure, NodeRef, Reply, Request},
};
use serde::Serialize;
use tokio::sync::{OnceCell, watch};

use crate::{
    Access, ApiError, Backend, Later, Tell, answer, auth::Gate, other::OtherNode, stream::Streams,
    v1::Restores,
};

/// What all requests share.
#[derive(Clone)]
pub(crate) struct State {
    /// The node.
    pub(crate) backend: Arc<dyn Backend>,
    /// The door.
    pub(crate) gate: Arc<Gate>,
    /// Restores that were begun here.
    pub(crate) restores: Arc<Restores>,
    /// Answers that have no end of their own.
    pub(crate) streams: Arc<Streams>,
    /// Whether the server stops: whatever has no end of its own ends then.
    pub(crate) stopping: watch::Receiver<bool>,
    this_node: Arc<OnceCell<NodeId>>,
}

impl State {
    /// The state of a server that has just begun.
    pub(crate) fn new(
        backend: Arc<dyn Backend>,
        stopping: watch::Receiver<bool>,
    ) -> io::Result<Self> {
        let gate = Arc::new(Gate::new()?);
        let (restores, streams, this_node) = Default::default();
        Ok(Self { backend, gate, restores, streams, stopping, this_node })
    }
}

/// A client whose key was good: handlers take one, so that none can be reached without a key.
pub(crate) struct Asker {
    /// What all requests share.
    pub(crate) state: State,
    /// Whose key it was.
    pub(crate) access: Access,
    /// The request's headers.
    pub(crate) headers: HeaderMap,
    /// Of whom it asks; none for this node.
    pub(crate) of: Option<OtherNode>,
}

impl FromRequestParts<State> for Asker {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, ApiError> {
        let access = parts.extensions.get::<Access>().cloned();
        let access = access.ok_or_else(ApiError::unauthorized)?;
        let of = parts.extensions.get::<OtherNode>().cloned();
        Ok(Self { state: state.clone(), access, headers: parts.headers.clone(), of })
    }
}

impl Asker {
    /// Asks the node that is meant, after the request's bounds and the key's rights were checked.
    pub(crate) async fn ask(&self, request: Request) -> Result<Reply, ApiError> {
        self.may(&request)?;
        Ok(self.put(request, None).await?)
    }

    /// The same without that check, telling what happens meanwhile.
    pub(crate) fn put(
        &self,
        request: Request,
        tell: Option<Tell>,
    ) -> Later<Result<Reply, Failure>> {
        let (backend, access) = (&self.state.backend, self.access.clone());
        match self.other() {
            None => backend.ask(access, request, tell),
            Some(node) => backend.ask_of(access, NodeRef::Id(node), request, tell),
        }
    }

    /// The member that is asked; none for this node.
    pub(crate) fn other(&self) -> Option<NodeId> {
        self.of.as_ref().map(|of| of.node)
    }

    /// Whether the node may be asked this for the client.
    pub(crate) fn may(&self, request: &Request) -> Result<(), ApiError> {
        if self.access.read_only && !request.only_looks() {
            return Err(ApiError::read_only());
        }
        Ok(request.validate()?)
    }

    /// A list, with a tag so that a client who asks again need not read it again.
    pub(crate) fn list(&self, value: &impl Serialize) -> Response {
        answer::tagged(&self.headers, value)
    }

    /// The id of the node that is asked; it never changes.
    pub(crate) async fn this_node(&self) -> Result<NodeId, ApiError> {
        if let Some(node) = self.other() {
            return Ok(node);
        }
        let ask = || async {
            match self.ask(Request::Status).await? {
                Reply::Status(status) => Ok(status.node.id),
                _ => Err(ApiError::unexpected("status")),
            }
        };
        self.state.this_node.get_or_try_init(ask).await.copied()
    }
}
