//! `backupmanager archive …`

mod list;
mod restore;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use protocol::{
    control::{
        ArchiveExport, ArchiveRef, ArchiveRemove, ArchiveTransfer, Failure, FailureCode,
        ForeignAdopt, NodeRef, Request, TransferMode, TransferStart,
    },
    job::Name,
};

use super::{Exit, Stop, session::Session, value};
use list::{Contents, List};
use restore::Restore;

pub(super) const EXAMPLES: &str = "\
Examples:
  backupmanager archive list
  backupmanager archive contents jerry_notes_20260508 --path '*.md'
  backupmanager archive restore jerry_notes_20260508 --plan
  backupmanager archive restore jerry_notes_20260508 --to /tmp/notes
  backupmanager archive pin jerry_notes_20260508
  backupmanager archive list --foreign
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
    /// Put it back: planned, shown, then done step by step; whole, by component, or one file
    Restore(Box<Restore>),
    /// Keep an archive whatever the retention says
    #[command(after_help = "Examples:\n  backupmanager archive pin jerry_notes_20260508")]
    Pin(Which),
    /// Leave an archive to the retention again
    #[command(after_help = "Examples:\n  backupmanager archive unpin jerry_notes_20260508")]
    Unpin(Which),
    /// Take a plain tar in that no job of this node made
    Adopt(Adopt),
    /// Have a node hold a copy of an archive, or send one to an instance
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
  backupmanager archive adopt nextcloud-pre-upgrade1
  backupmanager archive adopt by_hand --job cloud --wait

Without --job the archive belongs to no job, and no retention ever touches it. With it, the
job's retention may drop it soon, if it is old, and the job's --keep-tar may remove its tar.")]
pub(super) struct Adopt {
    /// Its name, as `archive list --foreign` shows it
    name: Name,
    /// The job it shall belong to from now on
    #[arg(long, value_name = "NAME")]
    job: Option<Name>,
    /// Return when it is taken in
    #[arg(long)]
    wait: bool,
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
  backupmanager archive transfer jerry_notes_20260508 --to tom
      a member of the mesh: sealed; returns when it holds the copy
  backupmanager archive transfer jerry_notes_20260508 --to-instance box
      a server of `instance list`: as a plain tar; `transfer show` says how far it is")]
#[command(group(clap::ArgGroup::new("whom").required(true)))]
pub(super) struct Transfer {
    #[command(flatten)]
    which: Which,
    /// The node that shall hold it
    #[arg(long, value_name = "NODE", group = "whom")]
    to: Option<NodeRef>,
    /// The instance to send it to; goes on by itself over cuts and restarts
    #[arg(long, value_name = "INSTANCE", group = "whom")]
    to_instance: Option<Name>,
    /// How it is sent to the instance
    #[arg(long, value_name = "MODE", conflicts_with = "to", default_value = "auto")]
    mode: ModeWord,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum ModeWord {
    /// As fits whom it is sent to
    Auto,
    /// Sealed, to a member of the mesh
    Mesh,
    /// As a plain tar, in parts
    Http,
    /// As a plain tar, by rsync to the ssh account
    Ssh,
}

impl From<ModeWord> for TransferMode {
    fn from(word: ModeWord) -> Self {
        match word {
            ModeWord::Auto => Self::Auto,
            ModeWord::Mesh => Self::Mesh,
            ModeWord::Http => Self::Http,
            ModeWord::Ssh => Self::Ssh,
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  backupmanager archive remove jerry_notes_20260508 --dry-run
  backupmanager archive remove jerry_notes_20260508 --yes

Its plain tar goes with it. Copies on other nodes are locked for some days and go afterwards; they
are listed. A pinned archive has to be unpinned first.")]
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
            Self::Pin(which) => session.run(pin(which, true)),
            Self::Unpin(which) => session.run(pin(which, false)),
            Self::Adopt(Adopt { name, job, wait }) => {
                session.run(Request::ForeignAdopt(ForeignAdopt { name, job, wait }))
            }
            Self::Transfer(transfer) => session.run(transfer.request()?),
            Self::Remove(remove) => {
                let question = format!("Drop the archive {}?", remove.which.name);
                session.confirm(remove.yes || remove.dry_run, &question)?;
                let (archive, dry_run) = (remove.which.archive(), remove.dry_run);
                session.run(Request::ArchiveRemove(ArchiveRemove { archive, dry_run }))
            }
        }
    }
}

fn pin(which: Which, pinned: bool) -> Request {
    Request::ArchivePin { archive: which.archive(), pinned }
}

impl Transfer {
    fn request(self) -> Result<Request, Stop> {
        let (archive, mode) = (self.which.archive(), self.mode.into());
        if let Some(instance) = self.to_instance {
            return Ok(Request::TransferStart(TransferStart { archive, instance, mode }));
        }
        let to = self.to.ok_or_else(|| {
            let what = format!("cannot transfer archive {}", archive.name);
            Stop::Usage(Failure::new(FailureCode::Invalid, what, "nobody to send it to was named"))
        })?;
        Ok(Request::ArchiveTransfer(ArchiveTransfer { archive, to }))
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
