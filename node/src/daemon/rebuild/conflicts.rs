//! What stands in the way of a restore, and what will not be as it was. Pure.

use std::{
    collections::BTreeSet,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use protocol::{
    control::{ArchiveRestore, Component, Failure, FailureCode, Issue, Issues, Overwrite, RawPath},
    job::SystemUser,
};

use crate::tasks::database;

use super::{
    known::{Kind, Known},
    plan::{into, is_hostile},
    step::Step,
};

/// Room that YunoHost wants besides the archive itself, bytes.
const YUNOHOST_SPARE_BYTES: u64 = 100 << 20;

/// The longest name of a database that a restore may make, bytes.
const DATABASE_BYTES_MAX: usize = 256;

/// Conflicts that a refusal names.
const NAMED_MAX: usize = 3;

/// Something that stands in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Conflict {
    code: FailureCode,
    issue: Issue,
    hint: &'static str,
}

/// Why a restore is not begun.
///
/// # Errors
/// When there is a conflict.
pub(super) fn refusal(archive: &str, conflicts: &[Conflict]) -> Result<(), Failure> {
    let Some(first) = conflicts.first() else { return Ok(()) };
    let mut why: Vec<_> = conflicts
        .iter()
        .take(NAMED_MAX)
        .map(|conflict| format!("{}: {}", conflict.issue.what, conflict.issue.why))
        .collect();
    if conflicts.len() > NAMED_MAX {
        why.push(format!("and {} more", conflicts.len() - NAMED_MAX));
    }
    let what = format!("cannot restore {archive}");
    Err(Failure::new(first.code, what, why.join("; ")).hint(first.hint))
}

/// Who finds them.
pub(super) struct Judge<'a> {
    known: &'a Known,
    request: &'a ArchiveRestore,
    available: &'a BTreeSet<Component>,
    chosen: &'a BTreeSet<Component>,
    pub(super) conflicts: Vec<Conflict>,
    pub(super) concerns: Issues,
}

impl<'a> Judge<'a> {
    pub(super) fn new(
        known: &'a Known,
        request: &'a ArchiveRestore,
        available: &'a BTreeSet<Component>,
        chosen: &'a BTreeSet<Component>,
    ) -> Self {
        let (conflicts, concerns) = (Vec::new(), Issues::default());
        Self { known, request, available, chosen, conflicts, concerns }
    }

    /// The conflicts as they are shown.
    pub(super) fn issues(&self) -> Issues {
        let mut issues = Issues::default();
        self.conflicts.iter().for_each(|conflict| issues.push(conflict.issue.clone()));
        issues
    }

    pub(super) fn judge(&mut self, steps: &[Step]) {
        self.request();
        self.trust();
        self.reach();
        if self.chosen.contains(&Component::Files) {
            self.files();
        }
        if self.chosen.contains(&Component::Databases) {
            self.databases();
        }
        self.yunohost();
        self.block();
        self.machine();
        if steps.is_empty() && self.conflicts.is_empty() {
            self.conflict(FailureCode::NotFound, "nothing to restore", "nothing is left to do", "");
        }
    }

    fn request(&mut self) {
        let missing: Vec<_> = self.request.components.difference(self.available).collect();
        let missing: Vec<_> = missing.into_iter().map(|part| part.as_str()).collect();
        if !missing.is_empty() {
            let why = match self.request.to {
                Some(_) => "under a folder only files are restored".to_owned(),
                None => format!("it has no {}", missing.join(", ")),
            };
            let hint = "`archive restore --plan` lists what it has";
            self.conflict(FailureCode::NotFound, "component", why, hint);
        }
        let whole = matches!(self.known.kind, Kind::App(_) | Kind::System(_));
        if whole && self.request.to.is_none() && !self.request.patterns.is_empty() {
            let why = "YunoHost restores an app or a part whole";
            let hint = "with --to, single files come out under a folder";
            self.conflict(FailureCode::Invalid, "patterns", why, hint);
        }
        if let (Kind::Unknown(kind), None) = (&self.known.kind, &self.request.to) {
            let why = format!("this version does not know archives of the kind {kind}");
            let hint = "upgrade, or restore its files with --to";
            self.conflict(FailureCode::Unsupported, "kind", why, hint);
        }
    }

    fn trust(&mut self) {
        if is_hostile(self.known, self.request) && self.request.to.is_none() {
            let why = format!(
                "it was made by {}, and what it brings would be done here with the rights of root",
                self.known.origin.name
            );
            let hint = "look into it under a folder with --to, then say --trust";
            self.conflict(FailureCode::Refused, "archive of another node", why, hint);
        }
        let commands = self.chosen.contains(&Component::Commands);
        if commands && !self.known.commands.of_job && !self.request.confirm_commands {
            let count = self.known.commands.lines.len();
            let why =
                format!("{count} commands come from the archive, not from a job of this node");
            let hint = "read them with --plan, then say --confirm-commands, or choose components";
            self.conflict(FailureCode::Refused, "commands", why, hint);
        }
    }

    fn reach(&mut self) {
        if self.known.fetch_bytes > 0 && self.known.fetch_from.is_empty() {
            let bytes = self.known.fetch_bytes;
            let why =
                format!("{bytes} sealed bytes of it are not here, and no holder is connected");
            let hint = "`archive show` says who has it; connect to a holder, then try again";
            self.conflict(FailureCode::Unreachable, "not whole", why, hint);
        }
    }

    fn files(&mut self) {
        let (known, counts) = (self.known, &self.known.files);
        if counts.members == 0 {
            let hint = "`archive contents` shows the members and their paths";
            let (what, why) = ("nothing", "nothing matches the patterns");
            return self.conflict(FailureCode::NotFound, what, why, hint);
        }
        let there = known.look.destination;
        if there.exists && !there.is_directory {
            let why = "it is there and is no directory";
            self.at(&known.destination, FailureCode::Conflict, "destination", why, "");
        }
        if there.free_bytes < counts.needed_bytes {
            let why =
                format!("{} bytes are needed, {} are free", counts.needed_bytes, there.free_bytes);
            let hint = "free space there, then run it again";
            self.at(&known.destination, FailureCode::NoSpace, "not enough room", why, hint);
        }
        let top = known.look.top;
        let in_the_way = counts.top_is_directory && top.exists && !top.is_directory;
        if in_the_way && self.request.overwrite != Overwrite::Always {
            let path = below(&known.destination, &known.source);
            let hint = "move it away, or say --overwrite always";
            let why = "something that is no directory is in its place";
            self.at(&path, FailureCode::Conflict, "directory", why, hint);
        }
        let lost = counts.lost.as_ref().filter(|_| self.request.to.is_none());
        if let (Some(lost), true) = (lost, self.request.no_safety) {
            self.concern(lost, "no safety archive", "what is replaced there cannot be had back");
        }
    }

    fn databases(&mut self) {
        let known = self.known;
        if let Err(why) = &known.databases {
            let hint = "start the server here, or restore the dumps as files with --to";
            self.conflict(FailureCode::Unreachable, "database server", why.clone(), hint);
        }
        if known.dumps.is_empty() {
            let hint = "`archive contents` shows what it has";
            self.conflict(FailureCode::NotFound, "nothing", "no dump is chosen", hint);
        }
        for name in self.request.rename_databases.keys() {
            if !known.dumps.iter().any(|dump| dump.database == *name) {
                let why = format!("there is no dump of {name} to load under another name");
                self.conflict(FailureCode::NotFound, "database", why, "");
            }
        }
        let mut targets = BTreeSet::new();
        for dump in &known.dumps {
            let target = into(self.request, dump);
            let why_not = |engine| database::why_not(engine, &dump.database, &target);
            if !is_database_name(&target) {
                let why = format!("{target:?} cannot be the name of a database");
                self.conflict(FailureCode::Invalid, "database", why, "");
            } else if let Some(why) = known.kind.engine().and_then(why_not) {
                let hint = "leave it out with patterns, or choose another name for it";
                self.conflict(FailureCode::Invalid, "database", why, hint);
            } else if !targets.insert(target.clone()) {
                let why = format!("two dumps would go into {target}");
                self.conflict(FailureCode::Invalid, "database", why, "rename one of them");
            }
        }
    }

    fn yunohost(&mut self) {
        if !self.chosen.contains(&Component::App) && !self.chosen.contains(&Component::System) {
            return;
        }
        let known = self.known;
        if known.yunohost.is_none() {
            let hint = "restore it on a YunoHost, or its files with --to";
            let why = "there is no YunoHost on this machine";
            self.conflict(FailureCode::Unsupported, "YunoHost", why, hint);
        }
        let needed = known.stream_bytes.saturating_mul(2).saturating_add(YUNOHOST_SPARE_BYTES);
        let free = known.look.yunohost.free_bytes;
        if free < needed {
            let why = format!("YunoHost needs {needed} bytes to unpack it, {free} are free");
            let path = Path::new(super::gather::YUNOHOST_FOLDER);
            self.at(path, FailureCode::NoSpace, "not enough room", why, "free space there");
        }
        match &known.kind {
            Kind::App(None) => {
                let why = "the archive does not say which app it is of";
                self.conflict(FailureCode::Damaged, "app", why, "look at its info.json");
            }
            Kind::App(Some(id)) => self.app(id),
            _ => {}
        }
    }

    fn app(&mut self, id: &str) {
        let Some(app) = self.known.installed(id) else { return };
        if !app.can_back_up && !self.request.no_safety {
            let why = format!("{id} is installed, would be removed, and cannot be backed up first");
            let hint = "say --no-safety when what it has now may be lost";
            self.conflict(FailureCode::Conflict, "app", why, hint);
        }
        let why = "it is removed, then restored; the data directory that YunoHost leaves behind when \
                   it removes an app stays as it is";
        self.concern(Path::new(id), "installed app", why);
    }

    fn block(&mut self) {
        let in_place = self.request.to.is_none() && self.request.patterns.is_empty();
        if let (Some(why), true) = (&self.known.block_problem, in_place) {
            let only_files = self.chosen.len() == 1 && !self.request.components.is_empty();
            if only_files {
                self.concern(Path::new("backup_info.json"), "restore block", why);
            } else {
                let hint = "restore the files alone with --component files";
                self.conflict(FailureCode::Invalid, "restore block", why.clone(), hint);
            }
        }
        let unit = self.known.block.systemd_service.as_ref();
        let unit = unit.filter(|_| self.chosen.contains(&Component::SystemdService));
        if let Some(unit) = unit.filter(|unit| !self.known.brings(&unit.service_file)) {
            let path = PathBuf::from(&unit.service_file);
            let why = "it is not among the files of the archive";
            if self.known.own {
                self.concern(&path, "unit file", why);
            } else {
                self.at(&path, FailureCode::Refused, "unit file", why, "choose other components");
            }
        }
        let owner = self.known.block.permissions.as_ref().map(|set| set.owner.as_str());
        let owner = owner.filter(|_| self.chosen.contains(&Component::Permissions));
        let is_root = |owner: &&str| owner.split(':').any(|name| name == "root");
        if let (Some(owner), false) = (owner.filter(is_root), self.known.own) {
            let why = format!("another node's archive gives its files to {owner}");
            self.concern(&self.known.source, "owner", &why);
        }
    }

    /// What this machine has not, or has otherwise.
    fn machine(&mut self) {
        let (known, block, system) = (self.known, &self.known.block, &self.known.look.system);
        let makes = |component| self.chosen.contains(&component);
        let user = block.system_user.as_ref().filter(|_| makes(Component::SystemUser));
        let owner = block.permissions.as_ref().filter(|_| makes(Component::Permissions));
        let unit = block.systemd_service.as_ref().filter(|_| makes(Component::SystemdService));
        let ports = makes(Component::Firewall) && known.yunohost.is_none();
        if let Some(user) = user {
            self.account(user);
        }
        if let Some(set) = owner.filter(|_| !system.owner_exists) {
            let first = set.owner.split(':').next().unwrap_or_default();
            if user.is_none_or(|user| user.name != first) {
                let why = format!("{} is not known on this machine", set.owner);
                self.concern(&known.source, "owner", &why);
            }
        }
        if let Some(unit) = unit {
            let path = PathBuf::from(&unit.name);
            if !system.systemd_runs {
                self.concern(&path, "systemd", "it does not run here: installed, not started");
            }
            if system.unit_installed {
                self.concern(&path, "unit", "one of that name is installed, and is replaced");
            }
        }
        if ports {
            let why = "there is no YunoHost here: open the ports yourself";
            self.concern(Path::new(""), "firewall", why);
        }
    }

    fn account(&mut self, user: &SystemUser) {
        let home = PathBuf::from(&user.home);
        match &self.known.look.system.user {
            Some(there) if *there != format!("{}:{}", user.home, user.shell) => {
                let why = format!("it exists with home and shell {there}, and stays as it is");
                self.concern(Path::new(&user.name), "account", &why);
            }
            None if !self.known.look.home.exists
                && !self.known.source.starts_with(&home)
                && !self.known.brings(&user.home) =>
            {
                self.concern(&home, "home", "nothing makes it");
            }
            _ => {}
        }
    }

    fn conflict(
        &mut self,
        code: FailureCode,
        what: &str,
        why: impl Into<String>,
        hint: &'static str,
    ) {
        self.at(Path::new(""), code, what, why, hint);
    }

    fn at(
        &mut self,
        path: &Path,
        code: FailureCode,
        what: &str,
        why: impl Into<String>,
        hint: &'static str,
    ) {
        let hint = if hint.is_empty() { "`archive restore --plan` shows all of it" } else { hint };
        self.conflicts.push(Conflict { code, issue: issue(path, what, why), hint });
    }

    fn concern(&mut self, path: &Path, what: &str, why: &str) {
        self.concerns.push(issue(path, what, why));
    }
}

fn issue(path: &Path, what: &str, why: impl Into<String>) -> Issue {
    let path = RawPath(path.as_os_str().as_bytes().to_vec());
    Issue { path, what: what.to_owned(), why: why.into() }
}

/// Where an absolute path lies under a folder.
pub(super) fn below(folder: &Path, path: &Path) -> PathBuf {
    folder.join(path.strip_prefix("/").unwrap_or(path))
}

/// As a job's databases are checked: nothing that leads out of a folder or is taken for an option.
pub(super) fn is_database_name(name: &str) -> bool {
    (1..=DATABASE_BYTES_MAX).contains(&name.len())
        && !name.contains('/')
        && !name.chars().any(char::is_control)
        && !name.starts_with(['-', '.'])
}
