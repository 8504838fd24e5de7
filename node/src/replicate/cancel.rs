//! A wish to stop, that many can wait for.

use std::sync::Arc;

use tokio::sync::watch;

/// A switch that goes from on to off once. Clones are the same switch.
#[derive(Clone, Debug)]
pub struct Cancel(Arc<watch::Sender<bool>>);

impl Default for Cancel {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Cancel {
    /// Asks everybody who waits to stop.
    pub fn cancel(&self) {
        self.0.send_replace(true);
    }

    /// Whether it was asked.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns when it is asked, at once when it was.
    pub async fn cancelled(&self) {
        let mut asked = self.0.subscribe();
        // The sender lives as long as this borrow, so the wait ends by the wish alone.
        let _ = asked.wait_for(|asked| *asked).await;
    }
}
