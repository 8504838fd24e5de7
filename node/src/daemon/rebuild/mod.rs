//! Putting an archive back as a service, not only as files.
//!
//! A restore is three things, one after the other:
//!
//! - [`Known`]: all that is known of the archive, the job, and the machine it is restored on. It is
//!   gathered once, and nothing is changed by that.
//! - [`Plan`]: a pure function of what is known and what is asked. It has the *steps* in order, the
//!   *conflicts* (while there is one nothing begins) and the *concerns* (what will not be as it was).
//!   It is shown by `--plan`, and it is what is carried out.
//! - [`carry_out`]: the steps, each with a report. The first that fails ends it; the rest is skipped.
//!   Every step finds what is done already as it is, so a restore that was cut off is repeated whole.
//!
//! A restore is a run in the history, with progress and transcript, and can be stopped like one.
//!
//! *Hostile*: an archive of another node is root's work on this machine as soon as more than files
//! under a folder comes out of it. It is refused until an administrator says that it is trusted; and
//! its commands are shown and run only when they were confirmed. Commands of an archive of this node
//! are those that its job has now, not those that lie in the tar.
//!
//! *Consent*: an archive is found by its name, and its origin may publish another one under that name
//! between the plan that a person reads and the restore. So a plan has a consent, which names all that
//! the archive brings to it, and a restore with that consent does what was shown or nothing.

mod block;
mod carry_out;
mod conflicts;
mod consent;
mod databases;
pub(crate) mod decoders;
mod files;
mod gather;
mod history;
mod known;
mod plan;
mod safety;
mod step;
mod teller;
#[cfg(test)]
mod tests;
mod yunohost;

use std::sync::{Arc, atomic::AtomicBool};

use protocol::control::{ArchiveRestore, Failure, FailureCode, Reply};

pub(super) use self::gather::small as small_member;
use self::{
    carry_out::{Rebuild, carry_out},
    files::Chosen,
    known::Known,
    plan::Plan,
    teller::Teller,
};
use super::{
    handle::archive::{Opened, open},
    node::{Node, blocking},
};
use crate::socket::{CancelSwitch, EventSink};

/// A restore that is known, planned, and not begun.
struct Prepared {
    opened: Opened,
    known: Known,
    chosen: Chosen,
    plan: Plan,
}

/// Plans a restore and, unless only the plan is wanted, carries it out.
///
/// # Errors
/// When it cannot be planned, something stands in its way, or nothing of it could be done.
pub(super) async fn restore(
    node: Arc<Node>,
    request: ArchiveRestore,
    events: EventSink,
) -> Result<Reply, Failure> {
    let opened = open(&node, &request.archive).await?;
    let prepared = blocking({
        let (node, request) = (Arc::clone(&node), request.clone());
        move || {
            let (known, chosen) = gather::gather(&node, &opened, &request)?;
            let plan = Plan::of(&known, &request);
            Ok(Prepared { opened, known, chosen, plan })
        }
    })
    .await?;
    if request.plan {
        return Ok(Reply::RestorePlan(prepared.plan.shown));
    }
    prepared.plan.check_consent(request.consent.as_deref())?;
    prepared.plan.refusal()?;
    begin(node, request, prepared, events).await
}

async fn begin(
    node: Arc<Node>,
    request: ArchiveRestore,
    prepared: Prepared,
    events: EventSink,
) -> Result<Reply, Failure> {
    let (switch, stop) = CancelSwitch::new();
    let started = history::begin(&node, &prepared.opened.archive, switch.clone())?;
    let halt = Arc::new(crate::ingest::Progress::default());
    // It can be stopped by `run cancel` and by the caller who waits for it.
    let watch = tokio::spawn({
        let (stop, caller, halt) = (stop.clone(), events.cancel().clone(), Arc::clone(&halt));
        async move {
            tokio::select! {
                () = stop.wait() => {}
                () = caller.wait(), if request.wait => switch.cancel(),
            }
            halt.cancel();
        }
    });
    let (wait, run) = (request.wait, started.run);
    let at_work = Arc::clone(&node);
    let work = blocking(move || {
        let (node, events) = (&at_work, if wait { events } else { EventSink::deaf() });
        let teller = Teller { node, run, events: &events, stop };
        let tar_made = AtomicBool::new(false);
        let rebuild = Rebuild { node, request: &request, teller, halt, tar_made };
        carry_out(&rebuild, prepared)
    });
    // A task of its own: the end is noted also when the caller is gone, and when the work panics,
    // because a run that is open for ever keeps all others of its job waiting.
    let ended = tokio::spawn(async move {
        let result = work.await;
        watch.abort();
        blocking(move || {
            history::end(&node, run, &result)?;
            result
        })
        .await
    });
    if !wait {
        return Ok(Reply::RunStarted(started));
    }
    let died = |error: tokio::task::JoinError| {
        Failure::caused(FailureCode::Internal, "the restore was not finished", &error)
    };
    ended.await.map_err(died)?.map(Reply::Restored)
}
