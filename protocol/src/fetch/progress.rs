//! How far a fetch is, how fast it goes and how long it will still take.

use std::time::Duration;

use crate::Time;

/// How often the rate is measured.
const SAMPLE: Duration = Duration::from_millis(500);

/// How far a fetch is. The totals are what the archive's record says until the end shows better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Objects that are in the store.
    pub done: u64,
    /// Objects of the archive.
    pub total: u64,
    /// Sealed bytes that are in the store.
    pub bytes_done: u64,
    /// Sealed bytes of the archive.
    pub bytes_total: u64,
    /// Objects that came from holders in this session.
    pub fetched: u64,
    /// Sealed bytes that came from holders in this session.
    pub bytes_fetched: u64,
    /// Bytes per second that come from holders.
    pub rate: u64,
    /// How long it will still take at the present pace, once there is one.
    pub eta: Option<Duration>,
}

/// A smoothed rate, bytes per second.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Meter {
    since: Option<Time>,
    bytes: u64,
    rate: u64,
}

impl Meter {
    pub(super) fn rate(&self) -> u64 {
        self.rate
    }

    /// Begins to measure; what was before does not count as idle time.
    pub(super) fn start(&mut self, now: Time) {
        (self.since, self.bytes) = (Some(now), 0);
    }

    pub(super) fn add(&mut self, bytes: u64, now: Time) {
        self.bytes = self.bytes.saturating_add(bytes);
        let since = *self.since.get_or_insert(now);
        let elapsed = now.since(since);
        if elapsed < SAMPLE {
            return;
        }
        let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let sample = self.bytes.saturating_mul(1_000) / millis;
        self.rate = if self.rate == 0 { sample } else { self.rate / 4 * 3 + sample / 4 };
        self.start(now);
    }
}

/// The counts of a session, from which its progress is told.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) held: u64,
    pub(super) held_bytes: u64,
    pub(super) fetched: u64,
    pub(super) fetched_bytes: u64,
    /// Of what came from holders.
    pub(super) arriving: Meter,
    /// Of what is in the store, however it came there.
    pub(super) doing: Meter,
}

impl Tally {
    /// The clock starts.
    pub(super) fn start(&mut self, now: Time) {
        self.arriving.start(now);
        self.doing.start(now);
    }

    pub(super) fn count_held(&mut self, bytes: u32, now: Time) {
        self.held += 1;
        self.held_bytes += u64::from(bytes);
        self.doing.add(u64::from(bytes), now);
    }

    pub(super) fn count_fetched(&mut self, bytes: u32, now: Time) {
        self.fetched += 1;
        self.fetched_bytes += u64::from(bytes);
        self.arriving.add(u64::from(bytes), now);
        self.doing.add(u64::from(bytes), now);
    }

    /// An object that an archive names twice is counted twice, so what is done may exceed what the
    /// record says; it is cut off there.
    pub(super) fn progress(&self, objects: u64, bytes: u64, finished: bool) -> Progress {
        let (done, bytes_done) = (self.held + self.fetched, self.held_bytes + self.fetched_bytes);
        let (total, bytes_total) = (objects.max(self.fetched), bytes.max(self.fetched_bytes));
        let (done, bytes_done) = if finished {
            (total, bytes_total)
        } else {
            (done.min(total), bytes_done.min(bytes_total))
        };
        let pace = self.doing.rate();
        let eta = (pace > 0).then(|| Duration::from_secs((bytes_total - bytes_done) / pace.max(1)));
        Progress {
            done,
            total,
            bytes_done,
            bytes_total,
            fetched: self.fetched,
            bytes_fetched: self.fetched_bytes,
            rate: self.arriving.rate(),
            eta,
        }
    }
}
