//! What a member may ask: by the grants of this node, and of the nodes whose archives it names.

use protocol::{
    NodeId,
    catalog::{Catalog, Refusal},
    control::{
        ArchiveContents, ArchiveRef, ArchiveRemove, ArchiveRestore, ArchiveTransfer, Denied,
        Failure, FailureCode, Request, Right, TransferStart, may_ask,
    },
};

use super::WHAT;
use crate::daemon::{node::Node, view};

/// Whether a member may ask this here, now.
///
/// # Errors
/// When it may not, with what would change that.
pub(in crate::daemon) fn may(node: &Node, who: NodeId, request: &Request) -> Result<(), Failure> {
    let me = node.id();
    node.mesh.look(|catalog| {
        may_ask(catalog, &me, &who, request).map_err(|denied| refused(catalog, me, &denied))
    })?;
    let Some(wanted) = opened(request) else { return Ok(()) };
    // What is not found is told by who looks for it.
    let Ok(archive) = node.find_archive(wanted) else { return Ok(()) };
    node.mesh.look(|catalog| {
        if shows(catalog, me, who, archive.origin) {
            return Ok(());
        }
        let origin = view::node_name(catalog, archive.origin).name;
        let why = format!("the archive is of {origin}, which did not let the asker open its own");
        Err(Failure::new(FailureCode::Refused, WHAT, why)
            .hint(format!("on {origin}, `backupmanager mesh grant` changes that")))
    })
}

/// Whether a member may see what is in archives of an origin, which this node can open: its own and
/// this node's it may by the rights it has here; another one's when that one lets it.
pub(super) fn shows(catalog: &Catalog, me: NodeId, who: NodeId, origin: NodeId) -> bool {
    origin == me || origin == who || catalog.allows(&origin, &who, Right::Open).is_ok()
}

/// The archive whose inside a request tells or puts somewhere.
fn opened(request: &Request) -> Option<&ArchiveRef> {
    match request {
        Request::ArchiveInfo(archive)
        | Request::ArchiveVerify(archive)
        | Request::ArchiveContents(ArchiveContents { archive, .. })
        | Request::ArchiveRestore(ArchiveRestore { archive, .. })
        | Request::ArchivePin { archive, .. }
        | Request::ArchiveRemove(ArchiveRemove { archive, .. })
        | Request::ArchiveTransfer(ArchiveTransfer { archive, .. })
        | Request::TransferStart(TransferStart { archive, .. }) => Some(archive),
        _ => None,
    }
}

fn refused(catalog: &Catalog, me: NodeId, denied: &Denied) -> Failure {
    let name = |id| view::node_name(catalog, id).name;
    let here = name(me);
    let (why, hint) = match denied {
        Denied::LocalOnly => (
            "it can be asked on the server itself only".to_owned(),
            format!("run the `backupmanager` command on {here}"),
        ),
        Denied::NotAnOperator { who } => (
            format!("{} keeps copies here and may ask {here} nothing", name(*who)),
            "operators may: expel it and invite it as one if that is meant".to_owned(),
        ),
        Denied::Refused(Refusal::NotGranted { who, right }) => (
            format!("{here} does not allow {} to {right}", name(*who)),
            format!("on {here}: `backupmanager mesh grant {} --allow {right}`", name(*who)),
        ),
        Denied::Refused(Refusal::NotAMember { .. } | Refusal::Unreadable { .. }) => {
            (format!("the asker is no member of the mesh of {here}"), "invite it again".to_owned())
        }
    };
    Failure::new(FailureCode::Refused, WHAT, why).hint(hint)
}
