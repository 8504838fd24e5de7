//! What lies in an archive, page by page: all of it, or what is searched for.
//!
//! Pages of the index that lie before the one asked for, or that cannot list anything of the folder,
//! are not read. A question looks at [`LOOKED_MAX`] members at most and then says where to go on, so
//! that a search without a find takes many short answers, not a long one.

use std::sync::Arc;

use protocol::{
    contents::{ContentsPageRef, Entry},
    control::{ArchiveContents, Contents, ContentsEntry, Failure, RawPath},
};

use super::{open, selection, unreadable};
use crate::{
    archive::{ArchiveError, ArchiveReader},
    daemon::{
        node::{Node, blocking},
        view::Archive,
    },
    restore::Selection,
    socket::EventSink,
};

/// Bytes of text in one page of contents: the answer must fit a frame.
const PAGE_TEXT_BYTES_MAX: usize = 3 << 20;

/// Members that one question looks at, about: some seconds on a small machine.
const LOOKED_MAX: u64 = 250_000;

pub(in crate::daemon::handle) async fn contents(
    node: Arc<Node>,
    wanted: ArchiveContents,
    events: EventSink,
) -> Result<Contents, Failure> {
    let opened = open(&node, &wanted.archive).await?;
    let filter = Filter::new(&opened.archive, &wanted)?;
    blocking(move || {
        let mut found = Found::new(wanted.page.from, wanted.page.limit as usize);
        let walked = found.walk(&opened.reader, &filter, &|| events.cancel().is_set());
        walked.map_err(|error| unreadable(&opened.archive, &error))?;
        let Found { entries, next, .. } = found;
        Ok(Contents { archive: opened.archive.title(), entries, next })
    })
    .await
}

/// Which members are wanted.
struct Filter {
    selection: Option<Selection>,
    /// A folder with its slash; members below it.
    below: Vec<u8>,
    /// In lower case; empty for all.
    search: String,
}

impl Filter {
    fn new(archive: &Archive, wanted: &ArchiveContents) -> Result<Self, Failure> {
        let below = wanted.dir.as_ref().map(|RawPath(dir)| [dir, &b"/"[..]].concat());
        let search = wanted.search.as_deref().unwrap_or_default().to_lowercase();
        let selection = selection(archive, &wanted.patterns)?;
        Ok(Self { selection, below: below.unwrap_or_default(), search })
    }

    fn may_be_in(&self, page: &ContentsPageRef) -> bool {
        page.may_hold_below(&self.below)
    }

    fn takes(&self, entry: &Entry) -> bool {
        let path = &entry.path;
        // What is no text is searched for as it is shown.
        let has = || RawPath(path.clone()).to_string().to_lowercase().contains(&self.search);
        path.starts_with(&self.below)
            && (self.search.is_empty() || has())
            && self.selection.as_ref().is_none_or(|some| some.takes(path, entry.kind))
    }
}

/// A page that is being filled.
struct Found {
    from: u64,
    limit: usize,
    entries: Vec<ContentsEntry>,
    text_bytes: usize,
    next: Option<u64>,
}

impl Found {
    fn new(from: u64, limit: usize) -> Self {
        Self { from, limit, entries: Vec::new(), text_bytes: 0, next: None }
    }

    fn walk(
        &mut self,
        reader: &ArchiveReader,
        filter: &Filter,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Result<(), ArchiveError> {
        let (mut at, mut looked) = (0, 0);
        for page in reader.contents_pages() {
            let (first, count) = (at, u64::from(page.entries));
            at += count;
            if at <= self.from || !filter.may_be_in(page) {
                continue;
            }
            if looked >= LOOKED_MAX {
                self.next = Some(first);
                return Ok(());
            }
            looked += count;
            for (number, entry) in (first..).zip(reader.entries_of(page)?) {
                if number >= self.from && filter.takes(&entry) && !self.add(number, entry) {
                    return Ok(());
                }
            }
            if is_cancelled() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// False when it is on the next page.
    fn add(&mut self, number: u64, entry: Entry) -> bool {
        if self.entries.len() == self.limit || self.text_bytes > PAGE_TEXT_BYTES_MAX {
            self.next = Some(number);
            return false;
        }
        self.text_bytes += entry.path.len() + entry.link.len();
        self.entries.push(contents_entry(entry));
        true
    }
}

fn contents_entry(entry: Entry) -> ContentsEntry {
    ContentsEntry {
        path: RawPath(entry.path),
        kind: entry.kind.into(),
        link: RawPath(entry.link),
        mode: entry.mode,
        uid: entry.uid,
        gid: entry.gid,
        bytes: entry.real_bytes,
        mtime: entry.mtime,
    }
}

#[cfg(test)]
mod tests {
    use protocol::{
        contents::CONTENTS_ENTRIES_MAX,
        control::{ArchiveRef, Page},
        tar::MemberKind,
    };

    use super::*;
    use crate::daemon::downloads::tests::{World, file, folder, made};

    struct Asked<'a>(&'a World, ArchiveContents);

    fn all(world: &World) -> Asked<'_> {
        let archive = ArchiveRef { name: "it".parse().unwrap(), node_of: None };
        let page = Page { from: 0, limit: 4_096 };
        let (patterns, dir, search) = (Vec::new(), None, None);
        Asked(world, ArchiveContents { archive, patterns, dir, search, page })
    }

    impl Asked<'_> {
        fn dir(mut self, dir: &str) -> Self {
            self.1.dir = Some(dir.parse().unwrap());
            self
        }

        fn search(mut self, text: &str) -> Self {
            self.1.search = Some(text.to_owned());
            self
        }

        fn page(mut self, from: u64, limit: u32) -> Self {
            self.1.page = Page { from, limit };
            self
        }

        async fn paths(self) -> (Vec<String>, Option<u64>) {
            let node = Arc::clone(&self.0.node);
            let found = contents(node, self.1, EventSink::deaf()).await.unwrap();
            let paths = found.entries.iter().map(|entry| entry.path.to_string());
            (paths.collect(), found.next)
        }
    }

    #[tokio::test]
    async fn members_are_found_below_a_folder_and_by_a_text_in_their_path() {
        let members = [
            folder("data"),
            folder("data/Docs"),
            file("data/Docs/Report.TXT", b"1"),
            file("data/Docs/deep/report.md", b"2"),
            file("data/Docs-old/report.txt", b"3"),
            made(MemberKind::File, "data/\u{c9}t\u{e9}".as_bytes(), b"4"),
            made(MemberKind::File, b"data/raw\xe9", b"5"),
        ];
        let world = World::new(&members).await;
        let below = all(&world).dir("data/Docs").paths().await;
        assert_eq!(below.0, ["data/Docs/Report.TXT", "data/Docs/deep/report.md"]);
        assert_eq!(below.1, None);
        let reports = all(&world).search("REPORT").paths().await.0;
        assert_eq!(reports.len(), 3, "{reports:?}");
        let both = all(&world).dir("data/Docs").search("report.t").paths().await.0;
        assert_eq!(both, ["data/Docs/Report.TXT"]);
        let mut with_pattern = all(&world).search("report");
        with_pattern.1.patterns.push("*.md".to_owned());
        assert_eq!(with_pattern.paths().await.0, ["data/Docs/deep/report.md"]);
        assert_eq!(all(&world).search("\u{e9}T\u{c9}").paths().await.0, ["data/\u{c9}t\u{e9}"]);
        assert_eq!(all(&world).search("\\xe9").paths().await.0, ["data/raw\\xe9"]);
        for dir in ["none", "data/Doc", "data/Docs/Report.TXT", "Docs", "data/Docs/deep/x"] {
            assert_eq!(all(&world).dir(dir).paths().await, (vec![], None), "{dir}");
        }
        assert_eq!(all(&world).paths().await.0.len(), members.len());
    }

    #[tokio::test]
    async fn pages_follow_one_another_over_the_pages_of_the_index() {
        let count = 2 * CONTENTS_ENTRIES_MAX + 100;
        let mut many: Vec<_> = (0..count).map(|n| file(&format!("a/{n:05}"), b"")).collect();
        many.extend((0..10).map(|n| file(&format!("b/{n}"), b"")));
        let world = World::new(&many).await;
        let (mut from, mut paths) = (Some(0), Vec::new());
        while let Some(at) = from {
            let (page, next) = all(&world).page(at, 999).paths().await;
            assert!(page.len() <= 999 && next.is_none_or(|next| next > at));
            paths.extend(page);
            from = next;
        }
        assert_eq!(paths.len(), many.len());
        assert_eq!((paths[4_000].as_str(), paths[count].as_str()), ("a/04000", "b/0"));
        let (page, next) = all(&world).dir("b").page(0, 4).paths().await;
        assert_eq!((page.len(), next), (4, Some(count as u64 + 4)));
        let (page, next) = all(&world).dir("b").page(count as u64 + 4, 9).paths().await;
        assert_eq!((page.len(), next), (6, None));
        assert_eq!(all(&world).page(u64::MAX, 9).paths().await, (vec![], None));
    }
}
