//! Asking another member.

use protocol::{
    NodeId,
    control::{EVENT_BYTES_MAX, Event, Failure, FailureCode, NodeRef, Reply, Request, right_of},
};
use tracing::debug;

use super::{ASKING_MAX, LISTENING, WHAT};
use crate::{
    daemon::{node::Node, view},
    net::{NetError, Refusal},
    socket::{self, EventSink, FrameError},
};

/// Where a request is to be carried out.
pub(in crate::daemon) enum Target {
    /// Here, after all.
    Here,
    /// At this member.
    There(NodeId),
}

/// The member that somebody names, if it may be asked this at all.
///
/// # Errors
/// When there is none of that name, it was expelled, or no other node may ask this.
fn target(node: &Node, wanted: &NodeRef, request: &Request) -> Result<Target, Failure> {
    let id = node.mesh.look(|catalog| {
        let id = view::find_node(catalog, wanted)?;
        if catalog.membership().is_member(&id) {
            return Ok(id);
        }
        let why = "it was expelled and is not a member any more";
        Err(Failure::new(FailureCode::Conflict, format!("cannot ask {wanted}"), why))
    })?;
    if id == node.id() {
        return Ok(Target::Here);
    }
    if right_of(request).is_none() {
        let why = "it can be asked on the server itself only";
        return Err(Failure::new(FailureCode::Refused, WHAT, why)
            .hint("run the `backupmanager` command there, as root or as the daemon's user"));
    }
    Ok(Target::There(id))
}

/// Has a member carry a request out; none when the node that is named is this one.
///
/// # Errors
/// What the member says; when it cannot be asked, why.
pub(in crate::daemon) async fn pass_on(
    node: &Node,
    wanted: &NodeRef,
    request: &Request,
    events: &EventSink,
) -> Option<Result<Reply, Failure>> {
    match target(node, wanted, request) {
        Ok(Target::Here) => None,
        Ok(Target::There(peer)) => Some(ask(node, peer, request.clone(), events).await),
        Err(failure) => Some(Err(failure)),
    }
}

/// Asks a member over the mesh. Dropping this hangs up: what is of no use without it ends there.
async fn ask(
    node: &Node,
    peer: NodeId,
    request: Request,
    events: &EventSink,
) -> Result<Reply, Failure> {
    let name = node.mesh.look(|catalog| view::node_name(catalog, peer).name);
    let what = format!("cannot ask {name}");
    let Ok(_place) = node.asking.0.try_acquire() else {
        let why = format!("{ASKING_MAX} requests to other nodes are at work");
        return Err(Failure::new(FailureCode::Busy, what, why).hint("try again later"));
    };
    let looks = request.only_looks();
    let opened = node.mesh.net().open_ask(peer).await;
    let stream = opened.map_err(|error| not_opened(&what, &error))?;
    let (mut reader, mut writer) = tokio::io::split(stream);
    let (asked, cancel) = (request.into(), events.cancel());
    let answer = socket::put(&mut reader, &mut writer, asked, cancel, &LISTENING, |event| {
        tell(events, event);
    });
    match answer.await {
        Ok(answer) => answer.map_err(tidy),
        Err(error) => {
            debug!(peer.id = %peer.short(), %error, "a member did not answer");
            Err(lost(&what, &error, looks))
        }
    }
}

fn not_opened(what: &str, error: &NetError) -> Failure {
    let (code, why, hint) = match error {
        NetError::Refused { refusal: Refusal::Busy, .. } => {
            (FailureCode::Busy, "it has no room for more requests", "try again later")
        }
        NetError::Unknown { .. } => (
            FailureCode::Unsupported,
            "its program is older and does not take requests of other nodes",
            "upgrade backupmanager there",
        ),
        NetError::Timeout { .. } => {
            (FailureCode::Unreachable, "it does not answer", "look at its network, and try again")
        }
        NetError::NotConnected { .. } => (
            FailureCode::Unreachable,
            "it is not connected",
            "`backupmanager mesh show` and the list of nodes say what is known of it; an order \
             waits until it is there",
        ),
        _ => (FailureCode::Unreachable, "the stream to it broke", "try again"),
    };
    Failure::new(code, what, why).hint(hint)
}

fn lost(what: &str, error: &FrameError, looks: bool) -> Failure {
    let why = match error {
        FrameError::Gone | FrameError::Io(_) => "it went away before it answered",
        FrameError::Late => "it has said nothing for too long",
        FrameError::TooLarge { .. }
        | FrameError::Malformed(_)
        | FrameError::Garbage(_)
        | FrameError::Endless => "what it answers makes no sense",
    };
    let hint = if looks {
        "try again when it is connected"
    } else {
        "whether it was done is not known: look at its runs and jobs when it is connected"
    };
    Failure::new(FailureCode::Unreachable, what, why).hint(hint)
}

/// Passes on what the member tells.
fn tell(events: &EventSink, event: Event) {
    match event {
        Event::Progress(mut progress) => {
            cut(&mut progress.what);
            events.progress(progress);
        }
        Event::Line { text } => events.line(text),
        Event::Warning { what, why } => events.warning(what, why),
    }
}

/// A failure as it came, with its texts bounded.
fn tidy(mut failure: Failure) -> Failure {
    cut(&mut failure.what);
    cut(&mut failure.why);
    failure.hint.iter_mut().for_each(cut);
    failure
}

fn cut(text: &mut String) {
    text.truncate(text.floor_char_boundary(EVENT_BYTES_MAX));
}
