//! The job's last archive, as far as a new run looks at it.

use std::sync::{Arc, Mutex};

use protocol::{
    key::ArchiveKey,
    manifest::{self, Root},
    object::ChunkRef,
    seal::Opener,
};

use super::{IngestError, ReuseIndex, reuse::ChunkRange};
use crate::chunks::ChunkStore;

/// Pages kept open. Reuse walks forward through the manifest; the workers look a little behind.
const PAGES_OPEN_MAX: usize = 8;

/// The manifest of the last archive, page by page, and what can be reused of it.
pub struct Previous {
    pub(super) index: ReuseIndex,
    root: Root,
    store: ChunkStore,
    open: Mutex<Open>,
}

struct Open {
    opener: Opener,
    /// Newest last.
    pages: Vec<(usize, Arc<Vec<ChunkRef>>)>,
}

impl Previous {
    /// Opens the manifest that a reuse index belongs to.
    ///
    /// # Errors
    /// When the root is not in the store or cannot be opened: then nothing can be reused.
    pub fn open(
        store: &ChunkStore,
        key: &ArchiveKey,
        index: ReuseIndex,
    ) -> Result<Self, IngestError> {
        let bytes = store.get(&index.root.link.id).map_err(IngestError::Store)?;
        let mut opener = Opener::new(key);
        let root = Root::open(&mut opener, &index.root, &bytes).map_err(IngestError::Manifest)?;
        let open = Mutex::new(Open { opener, pages: Vec::new() });
        Ok(Self { index, root, store: store.clone(), open })
    }

    /// The chunks of a range.
    pub(super) fn chunks(&self, range: ChunkRange) -> Result<Vec<ChunkRef>, IngestError> {
        let mut found = Vec::with_capacity(range.count as usize);
        while found.len() < range.count as usize {
            let wanted = range.first + found.len() as u64;
            let Some(number) = self.root.page_of_chunk(wanted) else { break };
            let page = self.page(number)?;
            let skip = wanted - self.root.pages[number].first_chunk;
            let skip = usize::try_from(skip).unwrap_or(usize::MAX);
            let before = found.len();
            let left = range.count as usize - before;
            found.extend(page.iter().skip(skip).take(left).copied());
            if found.len() == before {
                break;
            }
        }
        Ok(found)
    }

    fn page(&self, number: usize) -> Result<Arc<Vec<ChunkRef>>, IngestError> {
        let mut open = self.open.lock().expect("no thread panics while it holds this lock");
        if let Some(at) = open.pages.iter().position(|(page, _)| *page == number) {
            let page = open.pages.remove(at);
            open.pages.push(page);
        } else {
            let page = &self.root.pages[number];
            let bytes = self.store.get(&page.link.id).map_err(IngestError::Store)?;
            let refs = manifest::open_page(&mut open.opener, page, &bytes)
                .map_err(IngestError::Manifest)?;
            if open.pages.len() == PAGES_OPEN_MAX {
                open.pages.remove(0);
            }
            open.pages.push((number, Arc::new(refs)));
        }
        let (_, page) = open.pages.last().expect("one was just pushed");
        Ok(Arc::clone(page))
    }
}
