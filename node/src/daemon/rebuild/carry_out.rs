//! Carrying a plan out, step by step.

use std::{
    io::{self, Read},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use protocol::control::{
    ArchiveRestore, Failure, FailureCode, Issues, Restored, StepReport, StepState,
};

use super::{
    Prepared, databases, files,
    gather::local_job,
    known::Known,
    plan::STEPS_SHOWN_MAX,
    safety::{self, Within},
    step::{Action, Lost, Step},
    teller::Teller,
    yunohost,
};
use crate::{
    agent::{AgentError, FailureKind},
    daemon::{handle::archive::Opened, node::Node, picked::Picked, workers::Meter},
    restore::RestoreReport,
    socket::Cancel,
    tasks::{Answer, Task, TaskIo, system::SystemTask, yunohost::YunohostTask},
};

/// Lines that a step's report keeps.
const SAID_MAX: usize = 100;

/// A restore at work.
pub(super) struct Rebuild<'a> {
    pub(super) node: &'a Node,
    pub(super) request: &'a ArchiveRestore,
    pub(super) teller: Teller<'a>,
    /// Stops a safety archive that is being made.
    pub(super) halt: Arc<crate::ingest::Progress>,
    /// Whether the archives folder has a tar of this restore.
    pub(super) tar_made: AtomicBool,
}

/// How a step went.
pub(super) struct Went {
    state: StepState,
    said: Vec<String>,
}

impl Went {
    pub(super) fn done() -> Self {
        Self { state: StepState::Done, said: Vec::new() }
    }

    pub(super) fn unchanged() -> Self {
        Self { state: StepState::Unchanged, said: Vec::new() }
    }

    pub(super) fn with_warnings(said: Vec<String>) -> Self {
        let state = if said.is_empty() { StepState::Done } else { StepState::Warnings };
        Self { state, said }
    }

    fn of(answer: Answer) -> Self {
        match answer {
            Answer::Unchanged | Answer::Yunohost(crate::tasks::yunohost::Answer::Unchanged) => {
                Self::unchanged()
            }
            Answer::Partly(lines) => Self { state: StepState::Warnings, said: lines },
            _ => Self::done(),
        }
    }
}

/// What the steps found out that later steps and the report need.
#[derive(Default)]
struct Found {
    picked: Option<Picked>,
    safety: Option<String>,
    report: RestoreReport,
    differs: Issues,
    not_set: Issues,
    /// Whether an app is being replaced: from its removal on it is not left alone half-way.
    replacing: bool,
}

/// Carries a plan out.
///
/// # Errors
/// When it fails or is stopped before any step was done: then there is nothing else to report.
pub(super) fn carry_out(rebuild: &Rebuild<'_>, prepared: Prepared) -> Result<Restored, Failure> {
    let Prepared { opened, known, chosen, plan } = prepared;
    let meter = Meter::new(0);
    let mut found = Found { picked: Some(chosen.picked), ..Found::default() };
    let (reports, failure) = steps(rebuild, &opened, &known, plan.steps, &mut found);
    if rebuild.tar_made.load(Ordering::Relaxed) {
        yunohost::take_tar_away(rebuild, &opened);
    }
    if let Some(failure) = failure {
        let begun =
            |report: &&StepReport| matches!(report.state, StepState::Done | StepState::Warnings);
        if failure.code == FailureCode::Cancelled || !reports.iter().any(|r| begun(&r)) {
            return Err(failure);
        }
    }
    let report = found.report;
    Ok(Restored {
        archive: known.title,
        destination: plan.shown.destination,
        entries: report.files
            + report.directories
            + report.symlinks
            + report.hard_links
            + report.specials,
        bytes: report.data_bytes,
        kept: report.kept.count + report.present,
        fetched_bytes: opened.fetched.get(),
        compared: true,
        differs: found.differs,
        not_set: found.not_set,
        steps: reports,
        safety: found.safety,
        run: Some(rebuild.teller.run),
        duration_ms: meter.elapsed_ms(),
    })
}

/// Each step in turn; after the first that failed the rest is skipped.
fn steps(
    rebuild: &Rebuild<'_>,
    opened: &Opened,
    known: &Known,
    steps: Vec<Step>,
    found: &mut Found,
) -> (Vec<StepReport>, Option<Failure>) {
    let (mut reports, mut failed, mut ended) = (Vec::new(), None, false);
    for step in steps {
        let (state, said) = if ended {
            (StepState::Skipped, Vec::new())
        } else {
            rebuild.teller.line(step.shown.what.clone());
            match rebuild.step(opened, known, &step.action, found) {
                Ok(went) => (went.state, went.said),
                Err(mut failure) => {
                    go_on(&mut failure, found.safety.as_deref());
                    let said = std::iter::once(failure.why.clone()).chain(failure.hint.clone());
                    let said = said.collect();
                    failed = Some(failure);
                    (StepState::Failed, said)
                }
            }
        };
        said.iter().for_each(|line| rebuild.teller.line(format!("  {line}")));
        ended |= state == StepState::Failed;
        let said = said.into_iter().take(SAID_MAX).collect();
        let matters = matches!(state, StepState::Failed | StepState::Warnings);
        if matters || reports.len() < STEPS_SHOWN_MAX {
            reports.push(StepReport { step: step.shown, state, said });
        }
    }
    (reports, failed)
}

/// How to go on after a failed step.
fn go_on(failure: &mut Failure, safety: Option<&str>) {
    let hint = failure.hint.take();
    let mut hint = hint.unwrap_or_else(|| {
        "run it again when this is mended: what is done is found as it is".to_owned()
    });
    if let Some(safety) = safety.filter(|safety| !hint.contains(*safety)) {
        hint += &format!("; what was there before is in the archive {safety}");
    }
    failure.hint = Some(hint);
}

impl Rebuild<'_> {
    fn step(
        &self,
        opened: &Opened,
        known: &Known,
        action: &Action,
        found: &mut Found,
    ) -> Result<Went, Failure> {
        if !(found.replacing && matches!(action, Action::Yunohost(_))) {
            self.check_stop(&known.title)?;
        }
        match action {
            Action::Safety(lost) => self.safety(opened, known, lost, found),
            Action::Files => self.files(opened, known, found),
            Action::Tar => {
                self.tar_made.store(true, Ordering::Relaxed);
                yunohost::put_tar(self, opened)
            }
            Action::RemoveApp(app) => {
                found.replacing = true;
                yunohost::make_room(self, opened, app, found.safety.as_deref())
            }
            Action::Yunohost(what) => {
                let safety = found.safety.as_deref();
                yunohost::restore(self, opened, what, safety, found.replacing)
            }
            Action::Load { dump, into, replace } => {
                databases::load(self, opened, known, dump, (into, *replace))
            }
            Action::Port(port, protocol) => self.port(*port, protocol, known),
            Action::MakeUser(user) => {
                let task = Task::System(SystemTask::MakeUser(user.clone()));
                self.task(&task, &format!("cannot make the account {}", user.name))
            }
            Action::Permissions(path, set) => {
                let (path, permissions) = (path.clone(), set.clone());
                let what = format!("cannot set the permissions of {}", path.display());
                let task = SystemTask::SetPermissions { path, permissions };
                self.task(&Task::System(task), &what)
            }
            Action::Unit(service) => {
                let (service, file) = (service.clone(), Path::new(&service.service_file));
                let what = format!("cannot install the service {}", service.name);
                let task = SystemTask::InstallUnit { service, file: file.to_owned() };
                self.task(&Task::System(task), &what)
            }
            Action::Command { command, number, count } => {
                let what = format!("command {number} of {count} failed");
                self.task(&Task::Command(command.clone()), &what)
            }
        }
    }

    fn safety(
        &self,
        opened: &Opened,
        known: &Known,
        lost: &Lost,
        found: &mut Found,
    ) -> Result<Went, Failure> {
        let local = local_job(self.node, opened).filter(|_| known.own);
        let job = match lost {
            Lost::Files(path) => safety::job_of_files(known, local.as_ref(), path)?,
            Lost::Databases(names) => safety::job_of_databases(known, local.as_ref(), names)?,
            Lost::Yunohost(what) => safety::job_of_yunohost(known, local.as_ref(), what)?,
        };
        let halt = Arc::clone(&self.halt);
        let within = Within { run: self.teller.run, events: self.teller.events, halt };
        found.safety = Some(safety::make(self.node, &job, &within)?);
        let name = found.safety.as_deref().unwrap_or_default();
        let said = vec![format!("the safety archive is {name}")];
        Ok(Went { state: StepState::Done, said })
    }

    fn files(&self, opened: &Opened, known: &Known, found: &mut Found) -> Result<Went, Failure> {
        let what = format!("cannot restore {}", known.title);
        let Some(picked) = found.picked.take() else { return Ok(Went::unchanged()) };
        let spec = files::spec(opened, self.request, &known.kind);
        let total = picked.bytes;
        let stream = picked.stream(opened.reader.clone());
        let mut stream = files::Told::new(stream, total, "restoring", &self.teller);
        let report = self.node.agent.restore(&spec, &mut stream).map_err(|error| {
            self.check_stop(&known.title).err().unwrap_or_else(|| agent_failure(&what, &error))
        })?;
        (found.differs, found.not_set) = files::issues(&report);
        found.report = report;
        let count = |issues: &Issues, what: &str| {
            (issues.total > 0).then(|| format!("{} {what}", issues.total))
        };
        let said = [
            count(&found.differs, "members are not as the archive has them"),
            count(&found.not_set, "owners, modes or attributes could not be set"),
        ];
        let state = match (found.differs.total, found.not_set.total) {
            (0, 0) => StepState::Done,
            (0, _) => StepState::Warnings,
            _ => StepState::Failed,
        };
        Ok(Went { state, said: said.into_iter().flatten().collect() })
    }

    /// A machine without YunoHost has no firewall of YunoHost's to open.
    fn port(&self, port: u16, protocol: &str, known: &Known) -> Result<Went, Failure> {
        if known.yunohost.is_none() {
            let line = format!("there is no YunoHost here: open {port}/{protocol} yourself");
            return Ok(Went::with_warnings(vec![line]));
        }
        let task = YunohostTask::OpenPort {
            port,
            protocol: protocol.to_owned(),
            comment: format!("BackupManager: {}", known.title),
        };
        self.task(&Task::Yunohost(task), &format!("cannot open the port {port}"))
    }

    fn task(&self, task: &Task, what: &str) -> Result<Went, Failure> {
        self.perform(task, None).map(Went::of).map_err(|error| task_failure(what, &error))
    }

    /// Has the agent do something; what its programs say is part of the transcript.
    pub(super) fn perform(
        &self,
        task: &Task,
        input: Option<&mut (dyn Read + Send)>,
    ) -> Result<Answer, AgentError> {
        let mut line = |line: crate::tasks::Line| self.teller.line(format!("  {}", line.text));
        let cancelled = || self.teller.stopped();
        // Tied to this call, like everything else that the task is connected to.
        let input = input.map(|input| input as &mut (dyn Read + Send));
        let io = TaskIo { input, output: None, line: &mut line, cancelled: &cancelled };
        self.node.agent.perform(task, io)
    }

    /// The same restore, for what must not end half-way: nobody stops it.
    pub(super) fn unstoppable(&self) -> Self {
        let (run, events, stop) = (self.teller.run, self.teller.events, Cancel::never());
        let teller = Teller { node: self.node, run, events, stop };
        let (halt, tar_made) = (Arc::default(), AtomicBool::new(false));
        Self { node: self.node, request: self.request, teller, halt, tar_made }
    }

    fn check_stop(&self, title: &str) -> Result<(), Failure> {
        if !self.teller.stopped() {
            return Ok(());
        }
        let what = format!("cannot restore {title}");
        Err(Failure::new(FailureCode::Cancelled, what, "somebody stopped it"))
    }

    /// Why the archive's own stream ended early.
    pub(super) fn stream_failure(&self, what: &str, error: &io::Error) -> Failure {
        if self.teller.stopped() {
            return Failure::new(FailureCode::Cancelled, what, "somebody stopped it");
        }
        Failure::caused(FailureCode::Unreachable, what, error)
            .hint("`archive show` says who has it; connect to a holder, then try again")
    }
}

fn agent_failure(what: &str, error: &AgentError) -> Failure {
    let (code, hint) = match error.kind() {
        FailureKind::DiskFull => (FailureCode::NoSpace, "free space there, then run it again"),
        _ => (FailureCode::Internal, "run it again: what is complete already is found as it is"),
    };
    Failure::caused(code, what, error).hint(hint)
}

/// Why the agent did not do a task.
pub(super) fn task_failure(what: &str, error: &AgentError) -> Failure {
    let code = match error.kind() {
        FailureKind::Cancelled => FailureCode::Cancelled,
        FailureKind::DiskFull => FailureCode::NoSpace,
        FailureKind::Busy => FailureCode::Busy,
        FailureKind::Missing => FailureCode::Unsupported,
        FailureKind::NotFound => FailureCode::NotFound,
        FailureKind::Exists => FailureCode::Conflict,
        FailureKind::Invalid => FailureCode::Invalid,
        _ => FailureCode::Internal,
    };
    Failure::caused(code, what, error)
}
