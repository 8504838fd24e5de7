//! Asking work to stop, across threads and tasks.

use std::sync::Arc;

use tokio::sync::watch;

/// The side that asks. Dropping it asks for nothing.
#[derive(Clone, Debug)]
pub struct CancelSwitch(Arc<watch::Sender<bool>>);

/// The side that is asked.
#[derive(Clone, Debug)]
pub struct Cancel(watch::Receiver<bool>);

impl CancelSwitch {
    /// A switch and what it switches.
    #[must_use]
    pub fn new() -> (Self, Cancel) {
        let (sender, receiver) = watch::channel(false);
        (Self(Arc::new(sender)), Cancel(receiver))
    }

    /// Asks; asking again changes nothing.
    pub fn cancel(&self) {
        self.0.send_replace(true);
    }
}

impl Cancel {
    /// One that is never asked.
    #[must_use]
    pub fn never() -> Self {
        CancelSwitch::new().1
    }

    /// Whether it was asked: for loops on blocking threads.
    #[must_use]
    pub fn is_set(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns when it is asked, which may be never.
    pub async fn wait(&self) {
        if self.0.clone().wait_for(|set| *set).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everybody_who_waits_hears_it_and_a_dropped_switch_asks_for_nothing() {
        let (switch, cancel) = CancelSwitch::new();
        let other = cancel.clone();
        assert!(!cancel.is_set());
        switch.cancel();
        cancel.wait().await;
        other.wait().await;
        assert!(other.is_set());
        let never = Cancel::never();
        assert!(futures::FutureExt::now_or_never(never.wait()).is_none());
        assert!(!never.is_set());
    }
}
