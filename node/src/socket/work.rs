//! A request at work: in a task of its own, whoever asked and however it was asked.
//!
//! The task goes on when its caller goes. It is asked to stop by [`Work::switch`], when the daemon
//! stops, and when the caller of something that is of no use without it has gone.

use std::sync::Arc;

use protocol::control::{Asked, Failure, FailureCode, Reply, Request};
use tokio::task::JoinHandle;

use super::{Caller, Cancel, CancelSwitch, EventSink, Handler, events::EventSource};

/// Refuses a request that breaks a bound.
///
/// # Errors
/// The first argument that does.
pub(crate) fn validate(request: &Request) -> Result<(), Failure> {
    request
        .validate()
        .map_err(|error| Failure::caused(FailureCode::Invalid, "cannot do what was asked", &error))
}

/// A request at work. Dropping it is what a caller does who goes away.
pub(crate) struct Work {
    task: JoinHandle<Result<Reply, Failure>>,
    events: EventSource,
    switch: CancelSwitch,
    ends_with_caller: bool,
}

impl Drop for Work {
    fn drop(&mut self) {
        self.caller_has_gone();
    }
}

impl Work {
    /// Starts it. `held` is dropped when the work has ended: its place among those at work.
    pub(crate) fn start<H: Handler>(
        handler: Arc<H>,
        caller: Caller,
        asked: impl Into<Asked>,
        stop: Cancel,
        held: impl Send + 'static,
    ) -> Self {
        let (switch, cancel) = CancelSwitch::new();
        let (sink, events) = EventSink::new(cancel);
        let Asked { of, request } = asked.into();
        let ends_with_caller = request.ends_with_its_caller();
        let stopped = switch.clone();
        let task = tokio::spawn(async move {
            let _held = held;
            let Some(node) = of else {
                let work = handler.handle(caller, request, sink);
                tokio::pin!(work);
                tokio::select! {
                    result = &mut work => return result,
                    () = stop.wait() => stopped.cancel(),
                }
                return work.await;
            };
            // That this daemon ends is no reason for the other one to stop.
            tokio::select! {
                result = handler.pass_on(caller, node.clone(), request, sink) => result,
                () = stop.wait() => Err(left_alone(&node)),
            }
        });
        Self { task, events, switch, ends_with_caller }
    }

    /// Where its events come out.
    pub(super) fn events(&self) -> EventSource {
        self.events.clone()
    }

    /// What asks it to stop.
    pub(super) fn switch(&self) -> CancelSwitch {
        self.switch.clone()
    }

    /// Nobody waits for it any more.
    pub(super) fn caller_has_gone(&self) {
        if self.ends_with_caller {
            self.switch.cancel();
        }
    }

    /// Waits for its end. Not to be asked again after that.
    pub(super) async fn end(&mut self) -> Result<Reply, Failure> {
        (&mut self.task).await.unwrap_or_else(|_| Err(broken()))
    }

    /// Waits for its end and tells every event before it.
    pub(crate) async fn told(
        mut self,
        tell: impl Fn(protocol::control::Event),
    ) -> Result<Reply, Failure> {
        let events = self.events();
        let result = loop {
            tokio::select! {
                result = self.end() => break result,
                event = events.next() => tell(event),
            }
        };
        while let Some(event) = events.take() {
            tell(event);
        }
        result
    }
}

fn left_alone(node: &protocol::control::NodeRef) -> Failure {
    let why = "this daemon is stopping; what was begun there goes on";
    Failure::new(FailureCode::Cancelled, format!("cannot wait for {node}"), why)
}

fn broken() -> Failure {
    Failure::new(FailureCode::Internal, "cannot do what was asked", "the work ended unexpectedly")
        .hint("the daemon's log says more")
}
