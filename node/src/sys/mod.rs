//! The clock, the random source and the host's facts: the only place that asks for them.

use std::time::{SystemTime, UNIX_EPOCH};

use protocol::{Entropy, Time};

/// The operating system's random source.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    /// # Panics
    /// When the kernel has no random bytes: nothing secret could be made then.
    fn fill(&mut self, out: &mut [u8]) {
        getrandom::fill(out).expect("the kernel gives random bytes");
    }
}

/// The wall clock.
#[must_use]
pub fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Bytes that this process may still write to the file system of `path`; zero when unknown.
#[must_use]
pub fn free_bytes(path: &std::path::Path) -> u64 {
    rustix::fs::statvfs(path).map_or(0, |stat| stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// The size of the file system of `path`, bytes; zero when unknown.
#[must_use]
pub fn disk_bytes(path: &std::path::Path) -> u64 {
    rustix::fs::statvfs(path).map_or(0, |stat| stat.f_blocks.saturating_mul(stat.f_frsize))
}

/// How many threads may work at once.
#[must_use]
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
