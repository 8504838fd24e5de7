//! The reader: walks, groups members into segments, and reads those that the sink wants.

use std::collections::HashMap;

use protocol::chunk::Grouping;
use rustix::time::{ClockId, clock_gettime};

use super::measure::Totals;
use super::owners::Owners;
use super::segment::{MemberGroups, Segment};
use super::walk::{Found, Step, Walk};
use super::{
    SegmentEnd, SegmentHead, SegmentKind, SourceError, SourceSink, SourceSpec, SourceWarning,
    Verdict, attributes,
};

/// What was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceReport {
    /// What the walk found, reused or read, or left out at last.
    pub totals: Totals,
    /// Segments, of both kinds.
    pub segments: u64,
    /// Those that were not read.
    pub segments_reused: u64,
    /// File data that was read, bytes.
    pub bytes_read: u64,
    /// How often something went wrong with one file.
    pub warnings: u64,
}

/// Reads a source as segments of a tar stream, without the two blocks that end it.
///
/// # Errors
/// When the source itself cannot be read, or the sink fails. What goes wrong with single files is
/// told to the sink as a warning.
pub fn read(spec: &SourceSpec, sink: &mut dyn SourceSink) -> Result<SourceReport, SourceError> {
    let mut groups = Grouping::new(&spec.fingerprint_key);
    read_with(spec, &mut groups, &system_seconds, sink)
}

fn system_seconds() -> i64 {
    clock_gettime(ClockId::Realtime).tv_sec
}

/// As [`read`], with what groups the members and the clock as arguments.
pub(super) fn read_with(
    spec: &SourceSpec,
    groups: &mut dyn MemberGroups,
    clock: &dyn Fn() -> i64,
    sink: &mut dyn SourceSink,
) -> Result<SourceReport, SourceError> {
    let mut reader = Reader {
        walk: Walk::new(spec)?,
        key: spec.fingerprint_key,
        groups,
        clock,
        sink,
        owners: Owners::load(),
        first_names: HashMap::new(),
        segment: Segment::default(),
        attributes: attributes::Reader::new(),
        buffer: Vec::new(),
        report: SourceReport::default(),
    };
    reader.run().map_err(SourceError::Sink)?;
    Ok(reader.report)
}

/// Everything a reading needs; `gather` and `send` have the rest of its methods.
pub(super) struct Reader<'a> {
    pub(super) walk: Walk,
    pub(super) key: [u8; 32],
    pub(super) groups: &'a mut dyn MemberGroups,
    pub(super) clock: &'a dyn Fn() -> i64,
    pub(super) sink: &'a mut dyn SourceSink,
    pub(super) owners: Owners,
    /// Files with several names: the path in the tar that has the data.
    pub(super) first_names: HashMap<(u64, u64), Vec<u8>>,
    pub(super) segment: Segment,
    pub(super) attributes: attributes::Reader,
    pub(super) buffer: Vec<u8>,
    pub(super) report: SourceReport,
}

impl Reader<'_> {
    fn run(&mut self) -> std::io::Result<()> {
        // The directories above change with every neighbour of the source: a segment of their own.
        for _ in 0..self.walk.above() {
            self.step()?;
        }
        self.flush()?;
        self.groups.reset();
        while self.step()? {}
        self.flush()
    }

    /// Takes what comes next; false when nothing does.
    fn step(&mut self) -> std::io::Result<bool> {
        match self.walk.next() {
            None => return Ok(false),
            Some(Step::Found(found)) => self.take(found)?,
            Some(Step::Warning(warning)) => {
                self.report.warnings += 1;
                self.sink.warning(warning);
            }
        }
        Ok(true)
    }

    fn take(&mut self, found: Found) -> std::io::Result<()> {
        let Some(mut pending) = self.pending(found) else { return Ok(()) };
        let (kind, mut bytes) = (pending.member.kind, pending.bytes());
        if self.groups.begins_new(&pending.member.path, bytes) {
            self.flush()?;
        } else if self.segment.is_full_for(bytes) {
            self.flush()?;
            self.groups.reset();
            self.groups.begins_new(&pending.member.path, bytes);
        }
        // What the flush could not read is no longer there to link to.
        self.settle(&mut pending);
        if pending.member.kind != kind {
            bytes = pending.bytes();
        }
        self.count(&pending);
        let is_large = pending.is_large;
        self.segment.push(pending, bytes);
        if is_large {
            self.flush()?;
            self.groups.reset();
        }
        Ok(())
    }

    /// Offers the segment to the sink, with the data of the large file it may end with.
    fn flush(&mut self) -> std::io::Result<()> {
        if self.segment.is_empty() {
            return Ok(());
        }
        let segment = std::mem::take(&mut self.segment);
        let head = SegmentHead {
            fingerprint: Some(segment.fingerprint(&self.key)),
            bytes: segment.bytes(),
            kind: SegmentKind::Members,
        };
        if self.offer(head)? == Verdict::Read {
            let large = self.read_members(segment.members)?;
            return large.map_or(Ok(()), |(member, large)| self.large_data(&member, large));
        }
        self.sink.end(SegmentEnd { entries: segment.unplaced(), stable: true })?;
        match segment.members.into_iter().next_back().filter(|last| last.is_large) {
            Some(last) => self.large_data_behind_reused_header(&last),
            None => Ok(()),
        }
    }

    pub(super) fn offer(&mut self, head: SegmentHead) -> std::io::Result<Verdict> {
        self.report.segments += 1;
        let verdict = self.sink.segment(head)?;
        self.report.segments_reused += u64::from(verdict == Verdict::Reused);
        Ok(verdict)
    }

    pub(super) fn warn(&mut self, path: &[u8], what: String) {
        self.report.warnings += 1;
        self.sink.warning(SourceWarning { path: self.walk.real_path(path), what });
    }
}
