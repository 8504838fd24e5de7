//! From what is known and what is asked to what will be done. Pure.

use std::{collections::BTreeSet, os::unix::ffi::OsStrExt as _, path::PathBuf};

use protocol::{
    control::{ArchiveRestore, Component, Failure, FailureCode, RawPath, RestorePlan, RestoreStep},
    job::{Command, PortProtocol},
};

use super::{
    conflicts::{Conflict, Judge, refusal},
    consent,
    known::{Dump, Kind, Known},
    step::{Action, Lost, Step},
};
use crate::tasks::yunohost::Selection;

/// Most steps that a plan or a report has, so that it fits in a frame of the control protocol.
pub(super) const STEPS_SHOWN_MAX: usize = 1_000;

/// How much of what a step is called is shown, characters.
const WHAT_CHARS_MAX: usize = 600;

/// Databases that one line names.
const NAMED_MAX: usize = 20;

/// A restore as it would be carried out.
pub(super) struct Plan {
    /// As it is shown.
    pub(super) shown: RestorePlan,
    /// What is done, in order: none while something stands in the way.
    pub(super) steps: Vec<Step>,
    conflicts: Vec<Conflict>,
}

impl Plan {
    /// Plans.
    pub(super) fn of(known: &Known, request: &ArchiveRestore) -> Self {
        let available = available(known, request);
        let chosen = chosen(known, request, &available);
        let steps = Planner { known, request, chosen: &chosen }.steps();
        let mut judge = Judge::new(known, request, &available, &chosen);
        judge.judge(&steps);
        let counts = &known.files;
        let shown = RestorePlan {
            archive: known.title.clone(),
            origin: known.origin.clone(),
            hostile: is_hostile(known, request),
            components: available.iter().copied().collect(),
            destination: RawPath(known.destination.as_os_str().as_bytes().to_vec()),
            entries: counts.members,
            bytes: counts.bytes,
            creates: counts.creates,
            replaces: counts.replaces,
            keeps: counts.keeps,
            fetch_bytes: known.fetch_bytes,
            fetch_from: known.fetch_from.clone(),
            steps: shown(&steps),
            conflicts: judge.issues(),
            concerns: judge.concerns,
            consent: consent::of(known, request, &chosen, &steps),
        };
        Self { shown, steps, conflicts: judge.conflicts }
    }

    /// Why it is not begun.
    ///
    /// # Errors
    /// While there is a conflict.
    pub(super) fn refusal(&self) -> Result<(), Failure> {
        refusal(&self.shown.archive, &self.conflicts)
    }

    /// Whether it is the plan that somebody has agreed to.
    ///
    /// # Errors
    /// When it is another.
    pub(super) fn check_consent(&self, given: Option<&str>) -> Result<(), Failure> {
        if given.is_none_or(|given| given == self.shown.consent) {
            return Ok(());
        }
        let what = format!("cannot restore {}", self.shown.archive);
        let why = "the archive changed since its plan was shown";
        Err(Failure::new(FailureCode::Conflict, what, why).hint(
            "look at the plan again, with the same parts, paths and destination as the restore",
        ))
    }
}

/// The steps as they are shown: what is too long or too many is cut, never a command.
fn shown(steps: &[Step]) -> Vec<RestoreStep> {
    let cut = |step: &Step| {
        let what = step.shown.what.chars().take(WHAT_CHARS_MAX).collect();
        RestoreStep { what, ..step.shown.clone() }
    };
    let is_shown = |(at, step): &(usize, &Step)| {
        *at < STEPS_SHOWN_MAX || matches!(step.action, Action::Command { .. })
    };
    let mut shown: Vec<_> =
        steps.iter().enumerate().filter(is_shown).map(|(_, step)| cut(step)).collect();
    if shown.len() < steps.len() {
        let what = format!("and {} more like these", steps.len() - shown.len());
        shown.push(RestoreStep { component: None, what, detail: Vec::new() });
    }
    shown
}

/// An archive of another node that nobody has vouched for.
pub(super) fn is_hostile(known: &Known, request: &ArchiveRestore) -> bool {
    !known.own && !request.trust
}

/// What an archive can bring back; under a folder, files only.
fn available(known: &Known, request: &ArchiveRestore) -> BTreeSet<Component> {
    use Component::{
        App, Commands, Databases, Files, Firewall, Permissions, System, SystemUser, SystemdService,
    };
    if request.to.is_some() {
        return BTreeSet::from([Files]);
    }
    match &known.kind {
        Kind::App(_) => BTreeSet::from([App]),
        Kind::System(_) => BTreeSet::from([System]),
        Kind::Databases(_) => BTreeSet::from([Databases]),
        Kind::Unknown(_) => BTreeSet::new(),
        Kind::Files => {
            let block = &known.block;
            let parts = [
                (SystemUser, block.system_user.is_some()),
                (Files, true),
                (Permissions, block.permissions.is_some()),
                (SystemdService, block.systemd_service.is_some()),
                (Firewall, !block.firewall_ports.is_empty()),
                (Commands, !known.commands.lines.is_empty()),
            ];
            parts.into_iter().filter_map(|(part, has)| has.then_some(part)).collect()
        }
    }
}

/// What is restored: what was asked for; some members are files alone; otherwise all there is.
fn chosen(
    known: &Known,
    request: &ArchiveRestore,
    available: &BTreeSet<Component>,
) -> BTreeSet<Component> {
    if !request.components.is_empty() {
        request.components.intersection(available).copied().collect()
    } else if !request.patterns.is_empty() && known.kind == Kind::Files {
        BTreeSet::from([Component::Files])
    } else {
        available.clone()
    }
}

struct Planner<'a> {
    known: &'a Known,
    request: &'a ArchiveRestore,
    chosen: &'a BTreeSet<Component>,
}

impl Planner<'_> {
    fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        if self.has(Component::App) || self.has(Component::System) {
            self.yunohost(&mut steps);
            return steps;
        }
        steps.extend(self.safety());
        self.account(&mut steps);
        if self.has(Component::Files) {
            steps.push(self.files());
        }
        self.permissions(&mut steps);
        if self.has(Component::Databases) {
            steps.extend(self.known.dumps.iter().map(|dump| self.load(dump)));
        }
        self.unit(&mut steps);
        self.ports(&mut steps);
        self.commands(&mut steps);
        steps
    }

    fn has(&self, component: Component) -> bool {
        self.chosen.contains(&component)
    }

    /// An archive of what is replaced: of nothing else, so that one file does not cost a backup of
    /// everything.
    fn safety(&self) -> Option<Step> {
        if self.request.no_safety {
            return None;
        }
        let lost = self.known.files.lost.as_ref();
        let lost = lost.filter(|_| self.has(Component::Files) && self.request.to.is_none());
        if let Some(path) = lost {
            let what = format!("make a safety archive of {}", path.display());
            return Some(Step::new(None, what, Action::Safety(Lost::Files(path.clone()))));
        }
        let there: Vec<_> = self.replaced_databases();
        (!there.is_empty()).then(|| {
            let mut names = there.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
            if there.len() > NAMED_MAX {
                names += &format!(" and {} more", there.len() - NAMED_MAX);
            }
            let what = format!("make a safety archive of {names}");
            Step::new(None, what, Action::Safety(Lost::Databases(there)))
        })
    }

    fn replaced_databases(&self) -> Vec<String> {
        let Ok(there) = &self.known.databases else { return Vec::new() };
        if !self.has(Component::Databases) {
            return Vec::new();
        }
        let targets = self.known.dumps.iter().map(|dump| into(self.request, dump));
        targets.filter(|name| there.contains(name)).collect()
    }

    fn account(&self, steps: &mut Vec<Step>) {
        let user = self.known.block.system_user.as_ref();
        let Some(user) = user.filter(|_| self.has(Component::SystemUser)) else { return };
        let what = format!("make the account {}", user.name);
        let step = Step::new(Component::SystemUser, what, Action::MakeUser(user.clone()));
        steps.push(step.detail(format!("home {}, shell {}", user.home, user.shell)));
    }

    fn files(&self) -> Step {
        let (known, counts) = (self.known, &self.known.files);
        let what =
            format!("write {} members under {}", counts.members, known.destination.display());
        let mut step = Step::new(Component::Files, what, Action::Files)
            .detail("set owners, modes, times, attributes and ACLs, then compare");
        if known.fetch_bytes > 0 {
            let bytes = known.fetch_bytes;
            step = step.detail(format!("fetch {bytes} sealed bytes from other nodes meanwhile"));
        }
        step
    }

    fn permissions(&self, steps: &mut Vec<Step>) {
        let permissions = self.known.block.permissions.as_ref();
        let Some(set) = permissions.filter(|_| self.has(Component::Permissions)) else { return };
        let (path, set) = (self.known.source.clone(), set.clone());
        let what = format!("give {} to {}, mode {}", path.display(), set.owner, set.mode);
        steps.push(Step::new(Component::Permissions, what, Action::Permissions(path, set)));
    }

    fn load(&self, dump: &Dump) -> Step {
        let into = into(self.request, dump);
        let replace = self.known.databases.as_ref().is_ok_and(|there| there.contains(&into));
        let verb = if replace { "replace" } else { "make" };
        let what = format!("{verb} the database {into} from the dump of {}", dump.database);
        let action = Action::Load { dump: dump.clone(), into, replace };
        Step::new(Component::Databases, what, action).detail(format!("{} bytes", dump.bytes))
    }

    fn unit(&self, steps: &mut Vec<Step>) {
        let unit = self.known.block.systemd_service.as_ref();
        let Some(unit) = unit.filter(|_| self.has(Component::SystemdService)) else { return };
        let what = format!("install, enable and start the service {}", unit.name);
        let step = Step::new(Component::SystemdService, what, Action::Unit(unit.clone()));
        steps.push(step.detail(format!("its unit file is {}", unit.service_file)));
    }

    fn ports(&self, steps: &mut Vec<Step>) {
        if !self.has(Component::Firewall) {
            return;
        }
        for open in &self.known.block.firewall_ports {
            let protocols: &[&'static str] = match open.protocol {
                PortProtocol::Tcp => &["tcp"],
                PortProtocol::Udp => &["udp"],
                PortProtocol::Both => &["tcp", "udp"],
            };
            for protocol in protocols {
                let what = format!("open the port {} for {protocol}", open.port);
                let action = Action::Port(open.port, protocol);
                steps.push(Step::new(Component::Firewall, what, action));
            }
        }
    }

    fn commands(&self, steps: &mut Vec<Step>) {
        if !self.has(Component::Commands) {
            return;
        }
        let lines = &self.known.commands.lines;
        for (number, line) in (1..).zip(lines) {
            let command = Command::new(line.clone());
            let action = Action::Command { command, number, count: lines.len() };
            let from = if self.known.commands.of_job { "job" } else { "archive" };
            let what = format!("run a command of the {from}");
            steps.push(Step::new(Component::Commands, what, action).detail(line.clone()));
        }
    }

    fn yunohost(&self, steps: &mut Vec<Step>) {
        let (component, what, installed) = match &self.known.kind {
            Kind::App(Some(id)) => {
                let installed = self.known.installed(id).is_some();
                (Component::App, Selection::App(id.clone()), installed)
            }
            Kind::System(parts) => (Component::System, Selection::System(parts.clone()), true),
            _ => return,
        };
        let name = named(&what);
        steps.push(Step::new(None, "put the tar where YunoHost finds it", Action::Tar));
        if installed && !self.request.no_safety {
            let text = format!("make a safety archive of {name}");
            steps.push(Step::new(None, text, Action::Safety(Lost::Yunohost(what.clone()))));
        }
        if let (Selection::App(id), true) = (&what, installed) {
            let step = Step::new(component, format!("remove {id}"), Action::RemoveApp(id.clone()));
            steps.push(step.detail("YunoHost does not restore an app that is installed"));
        }
        let step =
            Step::new(component, format!("let YunoHost restore {name}"), Action::Yunohost(what));
        let back = "if it fails, the safety archive is put back";
        steps.push(if installed && !self.request.no_safety { step.detail(back) } else { step });
    }
}

/// What YunoHost is asked to restore, for people.
pub(super) fn named(what: &Selection) -> String {
    match what {
        Selection::App(id) => id.clone(),
        Selection::System(parts) if parts.is_empty() => "the system".to_owned(),
        Selection::System(parts) => parts.join(", "),
    }
}

/// The database that a dump goes into.
pub(super) fn into(request: &ArchiveRestore, dump: &Dump) -> String {
    request.rename_databases.get(&dump.database).unwrap_or(&dump.database).clone()
}

/// The destination of a request.
pub(super) fn destination(request: &ArchiveRestore) -> PathBuf {
    let to = request.to.as_ref().map(|to| std::ffi::OsStr::from_bytes(&to.0));
    to.map_or_else(|| PathBuf::from("/"), PathBuf::from)
}
