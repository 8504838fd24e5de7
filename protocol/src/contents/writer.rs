//! Writing contents while the members of the archive come.

use super::{
    CONTENTS_ENTRIES_MAX, CONTENTS_TEXT_BYTES_MAX, ContentsError, ContentsPageRef, ContentsPages,
    Entry, PATH_BYTES_MAX, codec::encode, page::HINT_BYTES,
};
use crate::seal::{SealedObject, Sealer};

/// Before this many entries a path ends the page once in [`SELDOM`], then once in [`SOON`]: some
/// 480 on average, few pages much shorter or longer.
const NORMAL_ENTRIES: usize = 384;
const SELDOM: u64 = 2_048;
const SOON: u64 = 128;

/// Collects entries and seals a page when the next path begins another.
#[derive(Debug, Default)]
pub struct ContentsWriter {
    entries: Vec<Entry>,
    text_bytes: usize,
    pages: ContentsPages,
}

impl ContentsWriter {
    /// Contents without members.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends the next member of the stream, its offset counted from the beginning of the stream.
    /// When it begins a page, the page before it is what the caller stores next.
    ///
    /// # Errors
    /// When the entry cannot be listed (a path beyond any bound, an offset before the last one), or
    /// sealing fails.
    pub fn push(
        &mut self,
        entry: Entry,
        sealer: &mut Sealer,
    ) -> Result<Option<SealedObject>, ContentsError> {
        self.check(&entry)?;
        let text_bytes = entry.path.len() + entry.link.len();
        let full = self.entries.len() == CONTENTS_ENTRIES_MAX
            || self.text_bytes + text_bytes > CONTENTS_TEXT_BYTES_MAX;
        let per = if self.entries.len() < NORMAL_ENTRIES { SELDOM } else { SOON };
        let begins = full || sealer.page_cut(&entry.path).is_multiple_of(per);
        let page = if begins { self.seal_page(sealer)? } else { None };
        self.text_bytes += text_bytes;
        self.entries.push(entry);
        Ok(page)
    }

    /// Seals the last page, where there is one.
    ///
    /// # Errors
    /// When sealing fails.
    pub fn finish(
        mut self,
        sealer: &mut Sealer,
    ) -> Result<(Option<SealedObject>, ContentsPages), ContentsError> {
        let last = self.seal_page(sealer)?;
        Ok((last, self.pages))
    }

    fn check(&self, entry: &Entry) -> Result<(), ContentsError> {
        let why = if entry.path.len() > PATH_BYTES_MAX || entry.link.len() > PATH_BYTES_MAX {
            "it or its link is longer than 64 KiB"
        } else if entry.offset.checked_add(entry.span).is_none()
            || entry.mtime.nanos >= 1_000_000_000
        {
            "its numbers are impossible"
        } else if self.entries.last().is_some_and(|before| before.offset > entry.offset) {
            "it comes before the member listed last"
        } else {
            return Ok(());
        };
        let path = entry.path.escape_ascii().to_string().chars().take(200).collect();
        Err(ContentsError::Entry { path, why })
    }

    fn seal_page(&mut self, sealer: &mut Sealer) -> Result<Option<SealedObject>, ContentsError> {
        let Some(first) = self.entries.first() else { return Ok(None) };
        let page = sealer.seal_branch(&[], &encode(&self.entries))?;
        let hint = |path: Option<&Entry>| {
            path.map(|e| e.path[..e.path.len().min(HINT_BYTES)].to_vec()).unwrap_or_default()
        };
        self.pages.0.push(ContentsPageRef {
            chunk: page.chunk,
            link: page.link(),
            entries: u32::try_from(self.entries.len()).expect("a page has a bound"),
            offset: first.offset,
            low: hint(self.entries.iter().min_by_key(|e| &e.path)),
            high: hint(self.entries.iter().max_by_key(|e| &e.path)),
        });
        self.entries.clear();
        self.text_bytes = 0;
        Ok(Some(page))
    }
}
