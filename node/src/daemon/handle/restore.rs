//! Putting an archive back: see [`crate::daemon::rebuild`].

use std::sync::Arc;

use protocol::control::{ArchiveRestore, Failure, Reply};

use crate::{
    daemon::{node::Node, rebuild},
    socket::EventSink,
};

pub(super) async fn restore(
    node: Arc<Node>,
    request: ArchiveRestore,
    events: EventSink,
) -> Result<Reply, Failure> {
    rebuild::restore(node, request, events).await
}
