//! A bound on bytes per second, shared by as many streams as it is handed to.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

/// The slowest that can be asked for. Below, the other side would rightly think we are gone.
const RATE_MIN: u64 = 16 << 10;

/// Lets at most so many bytes pass in a second, evenly.
#[derive(Debug)]
pub struct Throttle {
    bytes_per_second: u64,
    /// When the next byte may pass.
    next: Mutex<Option<Instant>>,
}

impl Throttle {
    /// A bound of so many bytes per second, at least 16 KiB.
    #[must_use]
    pub fn new(bytes_per_second: u64) -> Self {
        Self { bytes_per_second: bytes_per_second.max(RATE_MIN), next: Mutex::new(None) }
    }

    /// Accounts for bytes that passed; returns when there is room for more.
    pub async fn pass(&self, bytes: usize) {
        let until = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let micros = (bytes as u64).saturating_mul(1_000_000) / self.bytes_per_second;
            let until = next.unwrap_or(now).max(now) + Duration::from_micros(micros);
            *next = Some(until);
            until
        };
        sleep_until(until).await;
    }
}
