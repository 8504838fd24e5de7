//! `backupmanager archive …`

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use protocol::{
    control::{
        ArchiveContents, ArchiveExport, ArchiveList, ArchiveRef, ArchiveRemove, ArchiveReport,
        ArchiveRestore, ArchiveTransfer, Archives, NodeRef, Overwrite, Page, Reply, Request,
    },
    job::Name,
};

use super::{Exit, Stop, session::Session, value, view};

pub(super) const EXAMPLES: &str = "\
Examples:
  backupmanager archive list
  backupmanager archive contents jerry_notes_20260508 --path '*.md'
  backupmanager archive restore jerry_notes_20260508 --to /tmp/notes
  backupmanager archive export jerry_notes_20260508 --to /tmp";

#[derive(Debug, Subcommand)]
pub(super) enum Archive {
    /// Archives that this node knows of, the newest at the end
    List(List),
    /// One archive and who holds it
    #[command(after_help = "Examples:\n  backupmanager archive show jerry_notes_20260508")]
    Show(Which),
    /// What is in an archive
    Contents(Contents),
    /// Read every byte of an archive that lies here
    #[command(after_help = "\
Examples:
  backupmanager archive verify jerry_notes_20260508

Exit code 0: every object is here and is what its name says; 1: something is missing or damaged.")]
    Verify(Which),
    /// Write an archive as a plain tar, with its info.json beside it
    Export(Export),
    /// Put files back: all, some, or one; where they were or elsewhere
    Restore(Restore),
    /// Have a node hold a copy of an archive
    Transfer(Transfer),
    /// Drop an archive; the next `store gc` frees its chunks
    Remove(Remove),
}

/// Which archive.
#[derive(Clone, Debug, Args)]
pub(super) struct Which {
    /// Name of the archive
    name: Name,
    /// The node that made it, when several have one of that name
    #[arg(long, value_name = "ORIGIN")]
    node_of: Option<NodeRef>,
}

impl Which {
    fn archive(self) -> ArchiveRef {
        ArchiveRef { name: self.name, node_of: self.node_of }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  backupmanager archive list
  backupmanager archive list --job notes
  backupmanager archive list --node-of jerry --json | jq -r '.archives.archives[].name'")]
pub(super) struct List {
    /// Of this job only
    #[arg(long, value_name = "NAME")]
    job: Option<Name>,
    /// Made by this node only
    #[arg(long, value_name = "ORIGIN")]
    node_of: Option<NodeRef>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  backupmanager archive contents jerry_notes_20260508
  backupmanager archive contents jerry_notes_20260508 --path '*.md' --path 'drafts/'
  backupmanager archive contents jerry_notes_20260508 --json | jq -r '.contents.entries[].path'")]
pub(super) struct Contents {
    #[command(flatten)]
    which: Which,
    /// Only what matches, as in a .gitignore; several times for several
    #[arg(long, value_name = "PATTERN")]
    path: Vec<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  backupmanager archive export jerry_notes_20260508 --to /tmp
      writes /tmp/jerry_notes_20260508.tar and /tmp/jerry_notes_20260508.info.json
  backupmanager archive export jerry_notes_20260508 --to notes.tar --overwrite")]
pub(super) struct Export {
    #[command(flatten)]
    which: Which,
    /// A file to write, or a folder to write into
    #[arg(long, value_name = "PATH")]
    to: PathBuf,
    /// Replace a file that is there
    #[arg(long)]
    overwrite: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  backupmanager archive restore jerry_notes_20260508 --plan
      only shows what would be done
  backupmanager archive restore jerry_notes_20260508
      puts everything back where it was
  backupmanager archive restore jerry_notes_20260508 --path 'diary.md' --to /tmp/notes
      one file, elsewhere
  backupmanager archive restore jerry_notes_20260508 --node-of jerry --to /srv/notes
      of another server, fetched from whoever holds it")]
pub(super) struct Restore {
    #[command(flatten)]
    which: Which,
    /// Only what matches, as in a .gitignore; several times for several
    #[arg(long, value_name = "PATTERN")]
    path: Vec<String>,
    /// Restore under this folder [default: where it came from]
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// Only show what would be done
    #[arg(long, alias = "dry-run")]
    plan: bool,
    /// What happens to files that are there already
    #[arg(long, value_enum, default_value = "changed", value_name = "WHICH")]
    overwrite: OverwriteWord,
    /// Do not ask before files are replaced where they came from
    #[arg(long, short)]
    yes: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OverwriteWord {
    /// Those that differ from the archive are replaced
    Changed,
    /// All are written again
    Always,
    /// None is touched
    Never,
}

impl From<OverwriteWord> for Overwrite {
    fn from(word: OverwriteWord) -> Self {
        match word {
            OverwriteWord::Changed => Self::Changed,
            OverwriteWord::Always => Self::Always,
            OverwriteWord::Never => Self::Never,
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  backupmanager archive transfer jerry_notes_20260508 --to tom")]
pub(super) struct Transfer {
    #[command(flatten)]
    which: Which,
    /// The node that shall hold it
    #[arg(long, value_name = "NODE")]
    to: NodeRef,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  backupmanager archive remove jerry_notes_20260508 --dry-run
  backupmanager archive remove jerry_notes_20260508 --yes

Copies on other nodes are locked for some days and go afterwards; they are listed.")]
pub(super) struct Remove {
    #[command(flatten)]
    which: Which,
    /// Only say what would be dropped
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

impl Archive {
    pub(super) fn run(self, session: &mut Session) -> Result<Exit, Stop> {
        match self {
            Self::List(list) => list.run(session),
            Self::Contents(contents) => contents.run(session),
            Self::Show(which) => session.run(Request::ArchiveShow(which.archive())),
            Self::Verify(which) => session.run(Request::ArchiveVerify(which.archive())),
            Self::Export(export) => session.run(export.request()?),
            Self::Restore(restore) => restore.run(session),
            Self::Transfer(Transfer { which, to }) => {
                let archive = which.archive();
                session.run(Request::ArchiveTransfer(ArchiveTransfer { archive, to }))
            }
            Self::Remove(remove) => {
                let question = format!("Drop the archive {}?", remove.which.name);
                session.confirm(remove.yes || remove.dry_run, &question)?;
                let (archive, dry_run) = (remove.which.archive(), remove.dry_run);
                session.run(Request::ArchiveRemove(ArchiveRemove { archive, dry_run }))
            }
        }
    }
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
    fn run(self, session: &mut Session) -> Result<Exit, Stop> {
        let mut archives: Vec<ArchiveReport> = Vec::new();
        let mut from = 0;
        loop {
            match session.ask(self.request(from))? {
                Reply::Archives(page) => {
                    archives.extend(page.archives);
                    match page.next {
                        Some(next) => from = next,
                        None => break,
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
    fn run(self, session: &mut Session) -> Result<Exit, Stop> {
        let archive = self.which.archive();
        let mut from = Some(0);
        let mut listing = view::Listing::new(session.json);
        while let Some(at) = from {
            let request = ArchiveContents {
                archive: archive.clone(),
                patterns: self.path.clone(),
                page: Page { from: at, ..Page::FIRST },
            };
            match session.ask(Request::ArchiveContents(request))? {
                Reply::Contents(page) => {
                    from = page.next;
                    session.print_text(&listing.page(&page, &session.style))?;
                }
                other => return session.print(&other),
            }
        }
        session.print_text(listing.end())?;
        Ok(session.exit(&Reply::Done))
    }
}

impl Export {
    fn request(self) -> Result<Request, Stop> {
        Ok(Request::ArchiveExport(ArchiveExport {
            archive: self.which.archive(),
            to: value::raw(&self.to)?,
            overwrite: self.overwrite,
        }))
    }
}

impl Restore {
    fn request(self) -> Result<Request, Stop> {
        Ok(Request::ArchiveRestore(ArchiveRestore {
            archive: self.which.archive(),
            patterns: self.path,
            to: self.to.as_deref().map(value::raw).transpose()?,
            plan: self.plan,
            overwrite: self.overwrite.into(),
        }))
    }

    fn run(self, session: &mut Session) -> Result<Exit, Stop> {
        let harmless = self.plan || self.to.is_some() || self.overwrite == OverwriteWord::Never;
        let question = format!(
            "Put {} back where it came from, in place of what is there now?",
            self.which.name
        );
        session.confirm(self.yes || harmless, &question)?;
        session.run(self.request()?)
    }
}
