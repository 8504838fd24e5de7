//! What is known before a restore is planned: plain values, so that plans can be tested by tables.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use protocol::{
    ArchiveId,
    control::NodeName,
    job::{DumpFormat, RestoreBlock},
    manifest::RootRef,
};

use crate::{
    archive::Span,
    tasks::{
        database::{Engine, Server},
        system,
        yunohost::App,
    },
};

/// What an archive was made of, as far as a restore cares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A directory or a file.
    Files,
    /// An app of YunoHost; none when the archive does not say which.
    App(Option<String>),
    /// Parts of the YunoHost system.
    System(Vec<String>),
    /// Databases of a server.
    Databases(Server),
    /// A kind that this version does not know.
    Unknown(String),
}

impl Kind {
    /// What it is called in records.
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Files => "custom_dir",
            Self::App(_) => "ynh_app",
            Self::System(_) => "ynh_system",
            Self::Databases(server) => match server.engine {
                Engine::Mysql => "mysql",
                Engine::Postgresql => "postgresql",
            },
            Self::Unknown(kind) => kind,
        }
    }

    /// The kind of databases, if it is one.
    pub(super) fn engine(&self) -> Option<Engine> {
        match self {
            Self::Databases(server) => Some(server.engine),
            _ => None,
        }
    }
}

/// A dump in an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dump {
    /// The database that it was made of.
    pub(super) database: String,
    /// How it is compressed.
    pub(super) format: DumpFormat,
    /// Its size as it lies there.
    pub(super) bytes: u64,
    /// Where it lies.
    pub(super) span: Span,
}

/// The files that were chosen, and what is where they go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Members.
    pub(super) members: u64,
    /// Their sizes.
    pub(super) bytes: u64,
    /// Not there now.
    pub(super) creates: u64,
    /// There, and to be replaced.
    pub(super) replaces: u64,
    /// There, and left alone.
    pub(super) keeps: u64,
    /// About how many more bytes the disk will hold afterwards.
    pub(super) needed_bytes: u64,
    /// The directory that all of what is replaced lies under, or the one file.
    pub(super) lost: Option<PathBuf>,
    /// Whether what was backed up is a directory.
    pub(super) top_is_directory: bool,
}

/// Commands that end a restore.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Commands {
    /// What they are.
    pub(super) lines: Vec<String>,
    /// Whether the job of this node says them, rather than the archive.
    pub(super) of_job: bool,
}

/// YunoHost on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Yunohost {
    /// Its apps.
    pub(super) apps: Vec<App>,
}

/// All of it.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// The archive's name.
    pub(super) title: String,
    /// Its id.
    pub(super) id: ArchiveId,
    /// Its root: it stands for every byte of it.
    pub(super) root: RootRef,
    /// Who made it.
    pub(super) origin: NodeName,
    /// Whether this node did.
    pub(super) own: bool,
    /// What it is of.
    pub(super) kind: Kind,
    /// What was backed up, where it is a path.
    pub(super) source: PathBuf,
    /// Size of the tar stream.
    pub(super) stream_bytes: u64,
    /// What a restore does besides files; its commands are in `commands`.
    pub(super) block: RestoreBlock,
    /// Why the archive's own block cannot be used.
    pub(super) block_problem: Option<String>,
    /// The commands that end it.
    pub(super) commands: Commands,
    /// The dumps in it that were chosen.
    pub(super) dumps: Vec<Dump>,
    /// Where files go.
    pub(super) destination: PathBuf,
    /// The files that were chosen.
    pub(super) files: Counts,
    /// Sealed bytes that are not here.
    pub(super) fetch_bytes: u64,
    /// Who has them.
    pub(super) fetch_from: Vec<NodeName>,
    /// What there is on the machine.
    pub(super) look: Looked,
    /// YunoHost, where it runs.
    pub(super) yunohost: Option<Yunohost>,
    /// The databases that the server has, or why they cannot be asked for.
    pub(super) databases: Result<BTreeSet<String>, String>,
}

impl Known {
    /// Whether a path lies in what was backed up.
    pub(super) fn brings(&self, path: &str) -> bool {
        Path::new(path).starts_with(&self.source)
    }

    /// The app of an archive of one, where it is installed.
    pub(super) fn installed(&self, id: &str) -> Option<&App> {
        self.yunohost.as_ref()?.apps.iter().find(|app| app.id == id)
    }
}

/// What the agent found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Looked {
    /// Accounts and units.
    pub(super) system: system::Answer,
    /// What is at the destination.
    pub(super) destination: system::Found,
    /// What is where the backed up directory goes.
    pub(super) top: system::Found,
    /// The folder that YunoHost unpacks in.
    pub(super) yunohost: system::Found,
    /// The home of the account that is to be made.
    pub(super) home: system::Found,
}
