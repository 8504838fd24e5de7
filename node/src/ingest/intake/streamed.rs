//! Members whose header comes last: room is left for it, and it is always as long.

use std::{
    io,
    sync::{Arc, atomic::Ordering, mpsc},
};

use protocol::{
    chunk::Cutter,
    contents::Entry,
    tar::{self, BLOCK_BYTES, Member, MemberKind, STREAMED_HEADER_BYTES},
};

use super::{Intake, Likeness, Slot, Work, out_of_order, stopped};

/// The largest size that any tar reader takes.
const DATA_BYTES_MAX: u64 = u64::MAX >> 1;

/// The streamed member at hand: its size so far is in `member`.
pub(super) struct Streamed {
    member: Member,
    cutter: Cutter,
}

impl Intake<'_> {
    pub(super) fn streamed_begin(&mut self, mut member: Member) -> io::Result<()> {
        if self.segment.is_some() || self.streamed.is_some() {
            return Err(out_of_order());
        }
        self.check_cancelled()?;
        // What fits with the most digits fits with any size.
        member.data_bytes = DATA_BYTES_MAX;
        if member.kind != MemberKind::File || tar::encode_streamed(&member).is_none() {
            return Err(no_header());
        }
        member.data_bytes = 0;
        self.send(Slot::Gap)?;
        self.streamed = Some(Streamed { member, cutter: Cutter::new(Arc::clone(&self.gear)) });
        Ok(())
    }

    pub(super) fn streamed_data(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.check_cancelled()?;
        let Some(mut streamed) = self.streamed.take() else { return Err(out_of_order()) };
        streamed.member.data_bytes += bytes.len() as u64;
        let sent = self.cut(&mut streamed.cutter, bytes);
        self.streamed = Some(streamed);
        sent
    }

    pub(super) fn streamed_end(&mut self) -> io::Result<()> {
        let Some(mut streamed) = self.streamed.take() else { return Err(out_of_order()) };
        let bytes = streamed.member.data_bytes;
        let padding = tar::padding(bytes);
        let zeros = [0; BLOCK_BYTES];
        self.cut(&mut streamed.cutter, &zeros[..usize::try_from(padding).unwrap_or(0)])?;
        self.cut_end(&mut streamed.cutter)?;
        let plain = tar::encode_streamed(&streamed.member).ok_or_else(no_header)?;
        let (done, result) = mpsc::sync_channel(1);
        self.send(Slot::Fill(result))?;
        let work = Work { plain, likeness: Likeness::None, done };
        self.work.send(work).map_err(|_| stopped())?;
        let span = STREAMED_HEADER_BYTES as u64 + bytes + padding;
        self.shared.progress.members.fetch_add(1, Ordering::Relaxed);
        self.send(Slot::End(vec![Entry::of(&streamed.member, 0, span)], None))
    }
}

fn no_header() -> io::Error {
    let why = "a member of unknown size must be a file with a path of at most some hundred bytes";
    io::Error::new(io::ErrorKind::InvalidInput, why)
}
