//! The keyed hash of all that would show a change.
//!
//! It is made from what `stat` tells, the path and the target of a link; attributes are not in it,
//! since setting one moves the ctime. The number of the device is not in it either: it changes when
//! a machine starts with its disks in another order, and inode and ctime to the nanosecond are
//! enough to tell two files apart.

use protocol::tar::{FileTime, Member, SparseMap};

use super::Fingerprint;
use super::stat::FileStat;

/// Changes whenever the bytes made from the same files would change.
const VERSION: &[u8] = b"source 1";

/// Collects what a segment is made of.
#[derive(Debug)]
pub(super) struct Fingerprinter(blake3::Hasher);

impl Fingerprinter {
    /// For segments of small members.
    pub(super) fn members(key: &[u8; 32]) -> Self {
        let mut hasher = Self(blake3::Hasher::new_keyed(key));
        hasher.0.update(VERSION).update(b" members");
        hasher
    }

    /// For the data of one file, wherever its name is.
    pub(super) fn file_data(
        key: &[u8; 32],
        stat: &FileStat,
        map: Option<&SparseMap>,
    ) -> Fingerprint {
        let mut hasher = Self(blake3::Hasher::new_keyed(key));
        hasher.0.update(VERSION).update(b" data");
        let mut fields = Vec::new();
        put_stat(&mut fields, stat);
        put_map(&mut fields, map);
        hasher.0.update(&fields);
        hasher.finish()
    }

    /// One member of a segment.
    pub(super) fn member(&mut self, member: &Member, stat: &FileStat) {
        let mut fields = Vec::with_capacity(256);
        for text in [&member.path, &member.link, &member.user, &member.group] {
            put_numbers(&mut fields, &[text.len() as u64]);
            fields.extend_from_slice(text);
        }
        fields.push(member.kind as u8);
        put_stat(&mut fields, stat);
        put_map(&mut fields, member.sparse.as_ref());
        self.0.update(&fields);
    }

    pub(super) fn finish(self) -> Fingerprint {
        let mut out = [0; 16];
        self.0.finalize_xof().fill(&mut out);
        Fingerprint(out)
    }
}

fn put_stat(out: &mut Vec<u8>, stat: &FileStat) {
    let two = |a: u32, b: u32| u64::from(a) << 32 | u64::from(b);
    let numbers = [
        stat.ino,
        stat.bytes,
        u64::from(stat.mode),
        two(stat.uid, stat.gid),
        two(stat.device.0, stat.device.1),
    ];
    put_numbers(out, &numbers);
    for FileTime { seconds, nanos } in [stat.mtime, stat.ctime] {
        put_numbers(out, &[seconds.cast_unsigned(), u64::from(nanos)]);
    }
}

fn put_map(out: &mut Vec<u8>, map: Option<&SparseMap>) {
    let Some(map) = map else { return put_numbers(out, &[u64::MAX]) };
    put_numbers(out, &[map.extents.len() as u64]);
    for extent in &map.extents {
        put_numbers(out, &[extent.offset, extent.bytes]);
    }
}

fn put_numbers(out: &mut Vec<u8>, numbers: &[u64]) {
    for number in numbers {
        out.extend_from_slice(&number.to_le_bytes());
    }
}
