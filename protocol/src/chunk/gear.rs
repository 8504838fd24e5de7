//! The rolling hash of FastCDC, keyed.
//!
//! The hash of a place is `Σ table[byte] << distance` over the 64 bytes up to it: older bytes have
//! been shifted out. A cut is made where the hash, as a number, is small. Since it depends on
//! 64 bytes only, four stretches of the input are hashed side by side, which a CPU does in little
//! more time than one.

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{
    key::{ArchiveKey, KeyUse},
    limits::CHUNK_BYTES_MAX,
};

/// How many bytes the hash of a place depends on.
pub(super) const WINDOW_BYTES: usize = 64;

const TABLE_CONTEXT: &str = "backupmanager 2026 gear table v1";
const GROUPS_CONTEXT: &str = "backupmanager 2026 embedded tar groups v1";

/// Cuts are four times rarer before the average length and four times likelier after it, so that
/// lengths gather around it (FastCDC's normalised chunking).
const NORMAL: u64 = 4;

const LANES: usize = 4;
const LANE_BYTES_MIN: usize = 1 << 10;

/// How long chunks are, bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CutSizes {
    /// Never shorter, except at the end of a stream.
    pub min: usize,
    /// About this on average.
    pub avg: usize,
    /// Never longer.
    pub max: usize,
}

impl Default for CutSizes {
    fn default() -> Self {
        Self { min: 64 << 10, avg: 256 << 10, max: CHUNK_BYTES_MAX }
    }
}

/// The table of one origin: where its streams are cut.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Gear {
    table: [u64; 256],
    groups: [u8; 32],
    #[zeroize(skip)]
    sizes: CutSizes,
}

impl Gear {
    /// The table that belongs to an archive key.
    ///
    /// # Panics
    /// When `sizes` are not 64 ≤ min ≤ avg ≤ max ≤ [`CHUNK_BYTES_MAX`].
    #[must_use]
    pub fn new(key: &ArchiveKey, sizes: CutSizes) -> Self {
        let ascending = [WINDOW_BYTES, sizes.min, sizes.avg, sizes.max, CHUNK_BYTES_MAX];
        assert!(ascending.is_sorted(), "lengths of chunks must ascend within the bounds");
        let parent = key.derive(KeyUse::Gear);
        let mut drawn = Zeroizing::new([0; 256 * 8]);
        blake3::Hasher::new_derive_key(TABLE_CONTEXT)
            .update(&*parent)
            .finalize_xof()
            .fill(&mut *drawn);
        let mut table = [0; 256];
        for (entry, bytes) in table.iter_mut().zip(drawn.as_chunks::<8>().0) {
            *entry = u64::from_le_bytes(*bytes);
        }
        Self { table, groups: blake3::derive_key(GROUPS_CONTEXT, &*parent), sizes }
    }

    pub(super) fn sizes(&self) -> CutSizes {
        self.sizes
    }

    pub(super) fn groups_key(&self) -> &[u8; 32] {
        &self.groups
    }

    /// The length of the first chunk of `buffer`, when it ends within it. Lengths up to `scanned`
    /// were judged by an earlier call with less of the same chunk.
    pub(super) fn cut(&self, buffer: &[u8], scanned: usize) -> Option<usize> {
        let CutSizes { min, avg, max } = self.sizes;
        let (end, avg_u64) = (buffer.len().min(max), avg as u64);
        let (rare, likely) = (u64::MAX / (avg_u64 * NORMAL), u64::MAX / (avg_u64 / NORMAL).max(1));
        self.scan(buffer, scanned.max(min - 1), end.min(avg), rare)
            .or_else(|| self.scan(buffer, scanned.max(avg), end, likely))
            .or_else(|| (end == max).then_some(max))
    }

    /// The first length in `from + 1..=to` whose last 64 bytes have a hash of at most `limit`.
    fn scan(&self, buffer: &[u8], from: usize, to: usize, limit: u64) -> Option<usize> {
        let bytes = to.checked_sub(from)?;
        let lane = bytes / LANES;
        let mut at = from;
        if lane >= LANE_BYTES_MIN {
            match self.scan_lanes(buffer, from, lane, limit) {
                Some(length) => return Some(length),
                None => at += LANES * lane,
            }
        }
        self.scan_one(buffer, at, to, limit)
    }

    fn scan_one(&self, buffer: &[u8], from: usize, to: usize, limit: u64) -> Option<usize> {
        let mut hash = self.before(buffer, from);
        buffer[from..to]
            .iter()
            .position(|&byte| {
                hash = self.step(hash, byte);
                hash <= limit
            })
            .map(|at| from + at + 1)
    }

    /// Four stretches of `lane` bytes at a time. A hit in one is the answer only when those before
    /// it have none, so these are then finished one by one.
    fn scan_lanes(&self, buffer: &[u8], from: usize, lane: usize, limit: u64) -> Option<usize> {
        let starts: [usize; LANES] = std::array::from_fn(|n| from + n * lane);
        let mut hashes = starts.map(|start| self.before(buffer, start));
        let lanes = starts.map(|start| &buffer[start..start + lane]);
        let all = lanes[0].iter().zip(lanes[1]).zip(lanes[2].iter().zip(lanes[3]));
        let hit = all.into_iter().position(|((&a, &b), (&c, &d))| {
            hashes = [
                self.step(hashes[0], a),
                self.step(hashes[1], b),
                self.step(hashes[2], c),
                self.step(hashes[3], d),
            ];
            hashes[0].min(hashes[1]).min(hashes[2].min(hashes[3])) <= limit
        })?;
        starts.iter().find_map(|start| self.scan_one(buffer, start + hit, start + lane, limit))
    }

    fn step(&self, hash: u64, byte: u8) -> u64 {
        (hash << 1).wrapping_add(self.table[usize::from(byte)])
    }

    /// The hash of the place before `at`, from the 64 bytes there. `at` is at least `min - 1`.
    fn before(&self, buffer: &[u8], at: usize) -> u64 {
        let window = &buffer[at.saturating_sub(WINDOW_BYTES)..at];
        window.iter().fold(0, |hash, &byte| self.step(hash, byte))
    }

    /// The plain definition, for tests: one length after the other.
    #[cfg(test)]
    pub(super) fn cut_slowly(&self, buffer: &[u8]) -> Option<usize> {
        let CutSizes { min, avg, max } = self.sizes;
        (min..=buffer.len()).find(|&length| {
            let per = if length <= avg { avg as u64 * 4 } else { avg as u64 / 4 };
            length == max || self.before(buffer, length) <= u64::MAX / per.max(1)
        })
    }
}

impl std::fmt::Debug for Gear {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gear").field("sizes", &self.sizes).finish_non_exhaustive()
    }
}
