//! A member out of its plain header and what the extended headers before it said.

use super::block::{HeaderBlock, parse_number};
use super::parser::{Extended, Limits, within};
use super::path::normalise;
use super::pax::Fields;
use super::{BLOCK_BYTES, Extent, FileTime, Member, MemberKind, SparseMap, TarError, padding};

/// A member whose plain header was read.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) member: Member,
    /// Where its first header block is.
    pub(super) offset: u64,
    pub(super) layout: Layout,
    /// Bytes after a header that are no file data (the list in GNU tar's dump directories).
    pub(super) skipped_bytes: u64,
}

/// What lies between the plain header and the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    Plain,
    /// Perhaps extension blocks.
    OldSparse,
    /// A GNU.sparse 1.0 map, which counts as data until it is read.
    Map,
}

pub(super) fn assemble(
    header: &HeaderBlock<'_>,
    extended: Extended,
    global: &Fields,
    begin: u64,
    limits: &Limits,
) -> Result<Started, TarError> {
    let Extended { begin: first, fields, gnu_path, gnu_link, .. } = extended;
    let flag = header.type_flag();
    let header_path = header.path();
    let raw_path = fields.sparse.name.or(fields.path).or(gnu_path).unwrap_or(header_path);
    let kind = kind(flag, &raw_path)?;
    let stored = fields.size.map_or_else(|| header.stored_bytes(), Ok)?;
    if i64::try_from(stored).is_err() {
        return Err(TarError::Pax("size"));
    }
    let link = fields.link.or(gnu_link).unwrap_or_else(|| header.link().to_vec());
    within("link", link.len() as u64, limits.path_bytes)?;
    let mut member = Member::new(kind, normalise(raw_path));
    member.link = match kind {
        MemberKind::HardLink => normalise(link),
        MemberKind::Symlink => link,
        _ => Vec::new(),
    };
    member.mode = header.mode()? & 0o7777;
    member.uid = fields.uid.or(global.uid).map_or_else(|| header.uid(), Ok)?;
    member.gid = fields.gid.or(global.gid).map_or_else(|| header.gid(), Ok)?;
    let or_header = |own: Option<Vec<u8>>, global: &Option<Vec<u8>>, header: &[u8]| {
        own.or_else(|| global.clone()).unwrap_or_else(|| header.to_vec())
    };
    member.user = or_header(fields.user, &global.user, header.user());
    member.group = or_header(fields.group, &global.group, header.group());
    let seconds = header.mtime_seconds()?;
    member.mtime = fields.mtime.or(global.mtime).unwrap_or(FileTime { seconds, nanos: 0 });
    if matches!(kind, MemberKind::CharDevice | MemberKind::BlockDevice) {
        member.device = header.device()?;
    }
    member.xattrs = in_order(fields.xattrs);
    let mut layout = Layout::Plain;
    if kind == MemberKind::File {
        member.data_bytes = stored;
        if flag == b'S' {
            layout = Layout::OldSparse;
            let real = parse_number("realsize", &header.bytes()[483..495])?;
            let real_bytes = u64::try_from(real).map_err(|_| TarError::Sparse("no size"))?;
            member.sparse = Some(SparseMap { real_bytes, extents: Vec::new() });
        } else if let Some(real_bytes) = fields.sparse.real_bytes {
            if fields.sparse.major.is_some_and(|major| major > 0) {
                layout = Layout::Map;
            }
            member.sparse = Some(SparseMap { real_bytes, extents: fields.sparse.extents });
        }
    }
    // The list of a dump directory, or what an old directory should not have.
    let has_content = kind == MemberKind::Directory && flag != b'5';
    let skipped_bytes = if has_content { stored.saturating_add(padding(stored)) } else { 0 };
    Ok(Started { member, offset: first.unwrap_or(begin), layout, skipped_bytes })
}

/// Old writers say `directory` with a slash at the end of the name alone.
fn kind(flag: u8, path: &[u8]) -> Result<MemberKind, TarError> {
    Ok(match flag {
        0 | b'0' if path.ends_with(b"/") => MemberKind::Directory,
        0 | b'0' | b'7' | b'S' => MemberKind::File,
        b'1' => MemberKind::HardLink,
        b'2' => MemberKind::Symlink,
        b'3' => MemberKind::CharDevice,
        b'4' => MemberKind::BlockDevice,
        b'5' | b'D' => MemberKind::Directory,
        b'6' => MemberKind::Fifo,
        flag => return Err(TarError::Kind(flag)),
    })
}

/// Sorted by name; of two with one name the later counts.
fn in_order(mut xattrs: Vec<(Vec<u8>, Vec<u8>)>) -> Vec<(Vec<u8>, Vec<u8>)> {
    xattrs.reverse();
    xattrs.sort_by(|a, b| a.0.cmp(&b.0));
    xattrs.dedup_by(|later, first| later.0 == first.0);
    xattrs
}

/// The four stretches in an old GNU sparse header, and whether extension blocks follow.
pub(super) fn old_sparse_extents(
    block: &[u8; BLOCK_BYTES],
) -> Result<(Vec<Extent>, bool), TarError> {
    Ok((extents(&block[386..482])?, block[482] != 0))
}

/// The 21 stretches in an extension block, and whether another follows.
pub(super) fn extension_extents(
    block: &[u8; BLOCK_BYTES],
) -> Result<(Vec<Extent>, bool), TarError> {
    Ok((extents(&block[..504])?, block[504] != 0))
}

/// Pairs of twelve-byte numbers; an empty field ends them.
fn extents(fields: &[u8]) -> Result<Vec<Extent>, TarError> {
    let number = |field: &[u8]| {
        let number = parse_number("sparse map", field)?;
        u64::try_from(number).map_err(|_| TarError::Sparse("a number of it is negative"))
    };
    let used = fields.chunks_exact(24).take_while(|pair| pair[0] != 0);
    used.map(|pair| Ok(Extent { offset: number(&pair[..12])?, bytes: number(&pair[12..])? }))
        .collect()
}
