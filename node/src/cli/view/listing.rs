//! An archive's members, page after page, without ever holding all of them.

use protocol::{
    Time,
    control::{Contents, ContentsEntry, EntryKind},
};

use crate::cli::format::{Style, bytes};

/// Prints pages as they come: as lines of `ls -l`, or as one JSON document.
pub(crate) struct Listing {
    json: bool,
    pages: u64,
    entries: u64,
}

impl Listing {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, pages: 0, entries: 0 }
    }

    /// The text of one page.
    pub(crate) fn page(&mut self, page: &Contents, style: &Style) -> String {
        let mut out = String::new();
        if self.json && self.pages == 0 {
            out += &format!("{{\"contents\":{{\"archive\":{},\"entries\":[", json(&page.archive));
        }
        self.pages += 1;
        for entry in &page.entries {
            if self.json {
                out += if self.entries == 0 { "\n" } else { ",\n" };
                out += &json(entry);
            } else {
                out += &line(entry, style);
            }
            self.entries += 1;
        }
        out
    }

    /// What comes after the last page.
    pub(crate) fn end(&self) -> &'static str {
        match (self.json, self.entries) {
            (true, _) => "\n],\"next\":null}}\n",
            (false, 0) => "nothing matches\n",
            (false, _) => "",
        }
    }
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

fn line(entry: &ContentsEntry, style: &Style) -> String {
    let time = u64::try_from(entry.mtime.seconds)
        .map_or_else(|_| "-".to_owned(), |s| style.time(Time(s.saturating_mul(1_000))));
    let link = match entry.kind {
        EntryKind::Symlink => format!(" -> {}", entry.link),
        EntryKind::HardLink => format!(" link to {}", entry.link),
        _ => String::new(),
    };
    format!(
        "{} {:>6} {:>6} {:>10} {time:>19} {}{link}\n",
        mode(entry),
        entry.uid,
        entry.gid,
        bytes(entry.bytes),
        entry.path
    )
}

/// `drwxr-xr-x`, as ls writes it.
fn mode(entry: &ContentsEntry) -> String {
    let kind = match entry.kind {
        EntryKind::File | EntryKind::HardLink => '-',
        EntryKind::Symlink => 'l',
        EntryKind::Directory => 'd',
        EntryKind::Fifo => 'p',
        EntryKind::CharDevice => 'c',
        EntryKind::BlockDevice => 'b',
    };
    let bit = |shift: u32, letter: char| if entry.mode >> shift & 1 == 1 { letter } else { '-' };
    let special = |shift: u32, x: u32, letter: char| match (
        entry.mode >> shift & 1 == 1,
        entry.mode >> x & 1 == 1,
    ) {
        (true, true) => letter,
        (true, false) => letter.to_ascii_uppercase(),
        (false, true) => 'x',
        (false, false) => '-',
    };
    [
        kind,
        bit(8, 'r'),
        bit(7, 'w'),
        special(11, 6, 's'),
        bit(5, 'r'),
        bit(4, 'w'),
        special(10, 3, 's'),
        bit(2, 'r'),
        bit(1, 'w'),
        special(9, 0, 't'),
    ]
    .into_iter()
    .collect()
}
