//! `backupmanager archive list` and `archive contents`: lists that come page by page.

use clap::Args;
use protocol::{
    control::{
        ArchiveContents, ArchiveList, ArchiveReport, Archives, NodeRef, Page, Reply, Request,
    },
    job::Name,
};

use super::{
    super::{Exit, Stop, session::Session, view},
    Which,
};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  backupmanager archive list
  backupmanager archive list --job notes
  backupmanager archive list --node-of jerry --json | jq -r '.archives.archives[].name'
  backupmanager archive list --foreign
      plain tars in the archives folder that no job of this node made")]
pub(in crate::cli) struct List {
    /// Of this job only
    #[arg(long, value_name = "NAME")]
    job: Option<Name>,
    /// Made by this node only
    #[arg(long, value_name = "ORIGIN")]
    node_of: Option<NodeRef>,
    /// Plain tars of the archives folder instead that no job of this node made; `archive adopt`
    /// takes one in
    #[arg(long, conflicts_with_all = ["job", "node_of"])]
    foreign: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  backupmanager archive contents jerry_notes_20260508
  backupmanager archive contents jerry_notes_20260508 --path '*.md' --path 'drafts/'
  backupmanager archive contents jerry_notes_20260508 --json | jq -r '.contents.entries[].path'")]
pub(in crate::cli) struct Contents {
    #[command(flatten)]
    which: Which,
    /// Only what matches, as in a .gitignore; several times for several
    #[arg(long, value_name = "PATTERN")]
    path: Vec<String>,
}

impl List {
    fn request(&self, from: u64) -> Request {
        Request::ArchiveList(ArchiveList {
            job: self.job.clone(),
            node_of: self.node_of.clone(),
            page: Page { from, ..Page::FIRST },
        })
    }

    /// All pages as one list.
    pub(super) fn run(self, session: &mut Session) -> Result<Exit, Stop> {
        if self.foreign {
            return session.run(Request::ForeignList);
        }
        let mut archives: Vec<ArchiveReport> = Vec::new();
        let mut from = 0;
        loop {
            match session.ask(self.request(from))? {
                Reply::Archives(page) => {
                    archives.extend(page.archives);
                    match page.next {
                        // Another node may say anything.
                        Some(next) if next > from => from = next,
                        _ => break,
                    }
                }
                other => return session.print(&other),
            }
        }
        session.print(&Reply::Archives(Archives { archives, next: None }))
    }
}

impl Contents {
    /// Page after page, each printed before the next is asked for: an archive may have millions.
    pub(super) fn run(self, session: &mut Session) -> Result<Exit, Stop> {
        let archive = self.which.archive();
        let mut from = Some(0);
        let mut listing = view::Listing::new(session.json);
        while let Some(at) = from {
            let request = ArchiveContents {
                archive: archive.clone(),
                patterns: self.path.clone(),
                dir: None,
                search: None,
                page: Page { from: at, ..Page::FIRST },
            };
            match session.ask(Request::ArchiveContents(request))? {
                Reply::Contents(page) => {
                    from = page.next.filter(|next| *next > at);
                    session.print_text(&listing.page(&page, &session.style))?;
                }
                other => return session.print(&other),
            }
        }
        session.print_text(listing.end())?;
        Ok(session.exit(&Reply::Done))
    }
}
