//! The exact mark: where every live object lies, in bounded memory.
//!
//! A mark is pack and offset in 64 bits, in a sorted vector. Objects that many archives name are
//! named many times, so the vector is sorted and freed of doubles whenever it has grown by a quarter:
//! at most 10 bytes per live object and 8 MiB (and as much again for a moment while it grows).

use protocol::id::SealedId;

use crate::chunks::{error::Result, frame::Place, index::Index};

/// Ids that are looked up in one go.
const LOOKUP_BATCH: usize = 4_096;

/// How many marks there may be before doubles are looked for.
const MARKS_BEFORE_SORT: usize = 1 << 20;

/// The places of the live objects.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// Sorted, each once, after `finish`.
    spots: Vec<u64>,
    /// Live ids that the index does not know.
    pub(super) missing: u64,
}

impl Marks {
    pub(super) fn contains(&self, place: Place) -> bool {
        self.spots.binary_search(&place.spot()).is_ok()
    }

    /// Offsets of the live frames of a pack, ascending.
    pub(super) fn of_pack(&self, pack: u32) -> impl Iterator<Item = u32> {
        let from = self.spots.partition_point(|spot| *spot < u64::from(pack) << 32);
        let of_pack = move |spot: &&u64| **spot >> 32 == u64::from(pack);
        self.spots[from..].iter().take_while(of_pack).map(|spot| (spot & 0xffff_ffff) as u32)
    }

    fn tidy(&mut self) {
        self.spots.sort_unstable();
        self.spots.dedup();
    }
}

/// Takes the names of live objects, and looks them up.
pub(super) struct Marker<'a> {
    index: &'a Index,
    waiting: Vec<SealedId>,
    marks: Marks,
    sort_at: usize,
    failed: Result<()>,
}

impl<'a> Marker<'a> {
    pub(super) fn new(index: &'a Index) -> Self {
        let waiting = Vec::with_capacity(LOOKUP_BATCH);
        let sort_at = MARKS_BEFORE_SORT;
        Self { index, waiting, marks: Marks::default(), sort_at, failed: Ok(()) }
    }

    /// This object is live.
    pub(super) fn mark(&mut self, id: &SealedId) {
        self.waiting.push(*id);
        if self.waiting.len() >= LOOKUP_BATCH && self.failed.is_ok() {
            self.failed = self.look_up();
        }
    }

    fn look_up(&mut self) -> Result<()> {
        let ids: Vec<&SealedId> = self.waiting.iter().collect();
        for place in self.index.get_all(&ids)? {
            match place {
                Some(place) => self.marks.spots.push(place.spot()),
                None => self.marks.missing += 1,
            }
        }
        self.waiting.clear();
        if self.marks.spots.len() >= self.sort_at {
            self.marks.tidy();
            let marks = self.marks.spots.len();
            self.sort_at = marks + (marks / 4).max(MARKS_BEFORE_SORT);
            self.marks.spots.reserve_exact(self.sort_at + LOOKUP_BATCH - marks);
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Marks> {
        std::mem::replace(&mut self.failed, Ok(()))?;
        self.look_up()?;
        self.marks.tidy();
        Ok(self.marks)
    }
}
