//! Cutting the data of one file, of whatever sort it turns out to be.

use std::sync::Arc;

use super::{
    Gear,
    content::ContentCutter,
    members::{MemberCutter, Step},
};
use crate::tar::{BLOCK_BYTES, block::HeaderBlock};

/// Cuts one file's data after the other into chunks: [`Cutter::push`] its bytes as they come,
/// [`Cutter::finish`] at its end, and the cutter is ready for the next file.
///
/// Holds at most two chunks in memory.
pub struct Cutter {
    state: State,
    content: ContentCutter,
}

enum State {
    /// The first block of the file, which tells whether it is a tar.
    Sniffing(Vec<u8>),
    /// Bytes like any others.
    Content,
    /// A tar, walked member by member.
    Members(Box<MemberCutter>),
}

impl Cutter {
    /// A cutter for an origin's files.
    #[must_use]
    pub fn new(gear: Arc<Gear>) -> Self {
        Self { state: State::Sniffing(Vec::new()), content: ContentCutter::new(gear) }
    }

    /// Takes the next bytes; gives each chunk that is complete to `out`.
    pub fn push(&mut self, bytes: &[u8], out: &mut impl FnMut(Vec<u8>)) {
        let mut rest = bytes;
        while !rest.is_empty() {
            match &mut self.state {
                State::Sniffing(first) => {
                    let (now, later) = rest.split_at(rest.len().min(BLOCK_BYTES - first.len()));
                    first.extend_from_slice(now);
                    rest = later;
                    if first.len() == BLOCK_BYTES {
                        let first = std::mem::take(first);
                        self.state = self.state_for(&first);
                        self.push(&first, out);
                    }
                }
                State::Content => {
                    self.content.push(rest, out);
                    return;
                }
                State::Members(members) => match members.step(&mut rest, &mut self.content, out) {
                    Step::Walking => {}
                    Step::Lost(held) => {
                        self.state = State::Content;
                        self.content.push(&held, out);
                    }
                },
            }
        }
    }

    /// The file ends here: gives what is left of it to `out`.
    pub fn finish(&mut self, out: &mut impl FnMut(Vec<u8>)) {
        match std::mem::replace(&mut self.state, State::Sniffing(Vec::new())) {
            State::Sniffing(first) => self.content.push(&first, out),
            State::Content => {}
            State::Members(members) => {
                // While a large member's data is being cut, nothing else is held; otherwise
                // nothing is in the content cutter.
                let held = members.into_held();
                self.content.push(&held, out);
            }
        }
        self.content.finish(out);
    }

    fn state_for(&self, first: &[u8]) -> State {
        let is_tar = first
            .first_chunk::<BLOCK_BYTES>()
            .is_some_and(|block| &block[257..262] == b"ustar" && HeaderBlock::parse(block).is_ok());
        if is_tar {
            State::Members(Box::new(MemberCutter::new(self.content.gear().groups_key())))
        } else {
            State::Content
        }
    }
}
