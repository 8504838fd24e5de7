//! One chunk in the making, cut by content.

use std::sync::Arc;

use super::Gear;

/// How much is taken in between two scans: enough for four lanes, little to move after a cut.
const STEP_BYTES: usize = 32 << 10;

pub(super) struct ContentCutter {
    gear: Arc<Gear>,
    chunk: Vec<u8>,
    scanned: usize,
}

impl ContentCutter {
    pub(super) fn new(gear: Arc<Gear>) -> Self {
        Self { gear, chunk: Vec::new(), scanned: 0 }
    }

    pub(super) fn gear(&self) -> &Arc<Gear> {
        &self.gear
    }

    pub(super) fn push(&mut self, bytes: &[u8], out: &mut impl FnMut(Vec<u8>)) {
        for step in bytes.chunks(STEP_BYTES) {
            if self.chunk.capacity() == 0 {
                self.chunk.reserve(self.gear.sizes().avg * 3 / 2);
            }
            self.chunk.extend_from_slice(step);
            while let Some(length) = self.gear.cut(&self.chunk, self.scanned) {
                let rest = self.chunk[length..].to_vec();
                self.chunk.truncate(length);
                out(std::mem::replace(&mut self.chunk, rest));
                self.scanned = 0;
            }
            self.scanned = self.chunk.len();
        }
    }

    pub(super) fn finish(&mut self, out: &mut impl FnMut(Vec<u8>)) {
        self.scanned = 0;
        if !self.chunk.is_empty() {
            out(std::mem::take(&mut self.chunk));
        }
    }
}
