//! A member that is written while nobody knows how long it will be: a dump on its way into ingest.

use std::io::{self, Write};

use protocol::tar::Member;

use super::SourceSink;

/// Bytes that are passed on at once.
const PIECE_BYTES: usize = 256 << 10;

/// Takes a file's data and passes it on as one member. It exists only once [`StreamedMember::finish`]
/// was called: a sink refuses to go on behind one that was dropped before, so half a dump never
/// becomes an archive.
pub struct StreamedMember<'a> {
    sink: &'a mut dyn SourceSink,
    piece: Vec<u8>,
    bytes: u64,
}

impl<'a> StreamedMember<'a> {
    /// Begins a member; its `data_bytes` are ignored.
    ///
    /// # Errors
    /// When the sink cannot go on, cannot take members of unknown size, or the names in `member`
    /// are too long for such a header.
    pub fn begin(sink: &'a mut dyn SourceSink, member: Member) -> io::Result<Self> {
        sink.begin_streamed(member)?;
        Ok(Self { sink, piece: Vec::new(), bytes: 0 })
    }

    /// Ends it; says how many bytes it has.
    ///
    /// # Errors
    /// When the sink cannot go on.
    pub fn finish(mut self) -> io::Result<u64> {
        self.flush()?;
        self.sink.end_streamed()?;
        Ok(self.bytes)
    }
}

impl Write for StreamedMember<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.piece.capacity() == 0 {
            self.piece.reserve(PIECE_BYTES);
        }
        let taken = bytes.len().min(PIECE_BYTES - self.piece.len());
        self.piece.extend_from_slice(&bytes[..taken]);
        self.bytes += taken as u64;
        if self.piece.len() == PIECE_BYTES {
            self.flush()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        self.sink.data(std::mem::take(&mut self.piece))
    }
}
