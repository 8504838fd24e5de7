//! Where a running restore says what it does: the history and whoever waits.

use protocol::control::Progress;

use crate::{
    daemon::node::Node,
    socket::{Cancel, EventSink},
};

/// The ears of a restore.
pub(super) struct Teller<'a> {
    pub(super) node: &'a Node,
    pub(super) run: u64,
    pub(super) events: &'a EventSink,
    /// Whether somebody wants no more, by whichever way.
    pub(super) stop: Cancel,
}

impl Teller<'_> {
    /// A line for the transcript and for who waits.
    pub(super) fn line(&self, text: impl Into<String>) {
        let text = text.into();
        self.node.runs.line(self.run, text.clone());
        self.events.line(text);
    }

    pub(super) fn progress(&self, progress: Progress) {
        self.node.runs.progress(self.run, progress.clone());
        self.events.progress(progress);
    }

    pub(super) fn stopped(&self) -> bool {
        self.stop.is_set()
    }
}
