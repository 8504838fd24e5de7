//! What to say to a peer, from the catalog and what the peer said.

use std::collections::BTreeSet;

use serde_bytes::ByteBuf;

use super::{Frame, Range, pack_entries, unpack_entries};
use crate::{
    NodeId,
    catalog::Catalog,
    limits::FRAME_BYTES_MAX,
    record::{Entry, Feed, Head, Held, Version},
};

/// Records that one digest stands for. A feed of no more is listed outright.
const RANGE_RECORDS: usize = 256;

/// Entries in one frame: 24 bytes each, with room to spare below [`FRAME_BYTES_MAX`].
const LIST_ENTRIES_MAX: usize = 32_768;

/// Ranges in one frame: some 90 bytes each. More than any feed has.
const RANGES_MAX: usize = 4_096;

/// Bytes of records in one frame.
const RECORDS_FRAME_BYTES_MAX: usize = FRAME_BYTES_MAX - (64 << 10);

/// Bytes of records that answer one question. The rest is asked for again.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// Feeds opened after one summary. Bounds what comes back at once.
const FEEDS_OPENED_MAX: usize = 64;

/// What to begin with after a summary.
#[derive(Clone, Debug, Default)]
pub struct Opening {
    /// What to send.
    pub frames: Vec<Frame>,
    /// The feeds that differ, whoever begins with them.
    pub differing: BTreeSet<NodeId>,
    /// Whether there is more to begin with, once these are done.
    pub more: bool,
}

/// How far each feed is known here.
#[must_use]
pub fn summary(catalog: &Catalog, answer: bool) -> Frame {
    let heads = catalog.counting_feeds().map(|(author, feed)| (*author, feed.head()));
    Frame::Summary { heads: heads.filter(|(_, head)| head.count > 0).collect(), answer }
}

/// What to begin with, towards a peer that knows this much.
///
/// A feed that only this side knows is for the peer to begin with: it will see our summary.
#[must_use]
pub fn open(catalog: &Catalog, me: NodeId, peer: NodeId, theirs: &[(NodeId, Head)]) -> Opening {
    let mut opening = Opening::default();
    for (author, head) in theirs {
        let stranger = catalog.membership().last_version_of(author).is_none();
        let mine = catalog.head(author);
        if stranger || head.count == 0 || mine == *head || !opening.differing.insert(*author) {
            continue;
        }
        if (mine.count, me) > (head.count, peer) {
            continue;
        }
        if opening.frames.len() >= FEEDS_OPENED_MAX {
            opening.more = true;
            break;
        }
        opening.frames.push(opening_of(*author, catalog.feed(author)));
    }
    opening
}

fn opening_of(author: NodeId, feed: Option<&Feed>) -> Frame {
    let (from, to) = (Version::default(), Version::MAX);
    let entries: Vec<(Entry, &Held)> =
        feed.into_iter().flat_map(|feed| feed.between(from, to)).collect();
    if entries.len() <= RANGE_RECORDS {
        let entries = pack_entries(entries.iter().map(|(entry, _)| *entry));
        return Frame::List { author, from, to, entries };
    }
    Frame::Ranges { author, ranges: ranges(&entries) }
}

/// Cuts a whole feed into ranges without gaps; records of one version stay together.
fn ranges(entries: &[(Entry, &Held)]) -> Vec<Range> {
    let mut out: Vec<Range> = Vec::new();
    let mut head = Head::default();
    let mut from = Version::default();
    for (at, (entry, held)) in entries.iter().enumerate() {
        head.toggle(&held.hash);
        head.count += 1;
        let next = entries.get(at + 1).map(|(next, _)| next.version);
        let full = head.count >= RANGE_RECORDS as u64 && next != Some(entry.version);
        if full || next.is_none() {
            let to = next.map_or(Version::MAX, |_| entry.version);
            out.push(Range { from, to, count: head.count, digest: head.digest });
            from = after(to);
            head = Head::default();
        }
    }
    out
}

fn after(version: Version) -> Version {
    Version { epoch: version.epoch, seq: version.seq.saturating_add(1) }
}

/// What to say to a peer's digests of a feed: what I hold where we differ.
///
/// `None` when they are not as they must be.
#[must_use]
pub fn compare(catalog: &Catalog, author: NodeId, theirs: &[Range]) -> Option<Vec<Frame>> {
    let ascending = theirs.windows(2).all(|pair| pair[0].to < pair[1].from);
    if theirs.len() > RANGES_MAX || !ascending || theirs.iter().any(|r| r.from > r.to) {
        return None;
    }
    let Some(feed) = catalog.feed(&author) else { return Some(Vec::new()) };
    let mut frames = Vec::new();
    let mut differing: Option<(Version, Version, Vec<Entry>)> = None;
    for range in theirs {
        let mine = differing_entries(feed, range);
        let full = |d: &(_, _, Vec<_>), more: usize| d.2.len() + more > LIST_ENTRIES_MAX;
        let ends = mine
            .as_ref()
            .is_none_or(|mine| differing.as_ref().is_some_and(|so_far| full(so_far, mine.len())));
        if ends && let Some(so_far) = differing.take() {
            frames.extend(lists(author, so_far));
        }
        if let Some(mine) = mine {
            let so_far = differing.get_or_insert((range.from, range.to, Vec::new()));
            so_far.1 = range.to;
            so_far.2.extend(mine);
        }
    }
    frames.extend(differing.into_iter().flat_map(|rest| lists(author, rest)));
    Some(frames)
}

fn differing_entries(feed: &Feed, range: &Range) -> Option<Vec<Entry>> {
    let mut head = Head::default();
    let mut entries = Vec::new();
    for (entry, held) in feed.between(range.from, range.to) {
        head.toggle(&held.hash);
        entries.push(entry);
    }
    let equal = head.digest == range.digest && entries.len() as u64 == range.count;
    (!equal).then_some(entries)
}

/// One list, or several when it does not fit in a frame. Each is cut between two versions.
fn lists(author: NodeId, (from, to, entries): (Version, Version, Vec<Entry>)) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut from = from;
    let mut rest = &entries[..];
    while rest.len() > LIST_ENTRIES_MAX {
        let boundary = rest[LIST_ENTRIES_MAX].version;
        let cut = rest.partition_point(|entry| entry.version < boundary);
        if cut == 0 {
            // More than a frame of records with one version: an author gone mad. Leave them.
            return frames;
        }
        let (now, later) = rest.split_at(cut);
        let end = now[cut - 1].version;
        let entries = pack_entries(now.iter().copied());
        frames.push(Frame::List { author, from, to: end, entries });
        from = after(end);
        rest = later;
    }
    let entries = pack_entries(rest.iter().copied());
    frames.push(Frame::List { author, from, to, entries });
    frames
}

/// What to say to a peer that holds only `entries` between two versions: the records that it
/// lacks, and the wish for those that I lack.
///
/// `None` when the entries are not as they must be.
#[must_use]
pub fn complete(
    catalog: &Catalog,
    author: NodeId,
    (from, to): (Version, Version),
    entries: &[u8],
) -> Option<Vec<Frame>> {
    let theirs = unpack_entries(entries)?;
    let feed = catalog.feed(&author);
    let known = |entry: &Entry| feed.is_some_and(|feed| feed.find(entry).is_some());
    let lacking: Vec<Entry> = theirs.iter().filter(|entry| !known(entry)).copied().collect();
    let theirs: BTreeSet<Entry> = theirs.into_iter().collect();
    let mine = feed.into_iter().flat_map(|feed| feed.between(from, to));
    let mut frames = records(author, mine.filter(|(e, _)| !theirs.contains(e)).map(|(_, h)| h));
    if !lacking.is_empty() && catalog.membership().last_version_of(&author).is_some() {
        frames.push(Frame::Want { author, entries: pack_entries(lacking) });
    }
    Some(frames)
}

/// The records that a peer wants. `None` when its entries are not as they must be.
#[must_use]
pub fn supply(catalog: &Catalog, author: NodeId, entries: &[u8]) -> Option<Vec<Frame>> {
    let wanted = unpack_entries(entries)?;
    let feed = catalog.feed(&author);
    Some(records(author, wanted.iter().filter_map(|entry| feed?.find(entry))))
}

/// Records in frames; one at least, so that the peer knows that it was answered.
fn records<'a>(author: NodeId, held: impl Iterator<Item = &'a Held>) -> Vec<Frame> {
    let mut frames = Vec::new();
    let (mut records, mut frame_bytes, mut bytes) = (Vec::new(), 0, 0);
    let mut more = false;
    for held in held {
        if bytes + held.bytes.len() > ANSWER_BYTES_MAX {
            more = true;
            break;
        }
        if frame_bytes + held.bytes.len() > RECORDS_FRAME_BYTES_MAX {
            let records = std::mem::take(&mut records);
            frames.push(Frame::Records { author, records, more: false });
            frame_bytes = 0;
        }
        records.push(ByteBuf::from(held.bytes.to_vec()));
        // Each has a head of at most five bytes.
        frame_bytes += held.bytes.len() + 5;
        bytes += held.bytes.len();
    }
    frames.push(Frame::Records { author, records, more });
    frames
}

#[cfg(test)]
mod tests;
