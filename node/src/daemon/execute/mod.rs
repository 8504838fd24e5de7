//! One execution of a job, from its source to a record that says the archive exists.
//!
//! Blocking; it runs on a thread of its own. The commands of the job come first; one that fails ends
//! the run. Then the kind of the job decides what is read ([`directory`], [`databases`],
//! [`yunohost`]), all of it through the agent and in one pass through ingest. Nothing is said to the
//! mesh before every byte of the archive is durable, and the run is a success only after the record
//! is. The commands after it run in any case.

pub(super) mod adopt;
mod databases;
mod directory;
mod feed;
pub(super) mod upload;
mod yunohost;

use std::{collections::BTreeSet, sync::Arc};

use jiff::Zoned;
use protocol::{
    ArchiveId, Entropy as _, Time,
    archive::ArchiveMeta,
    control::{Failure, FailureCode, RunState},
    job::{Holders, Job, JobConfig, Seal},
    record::{ArchiveFacts, Fact, Place},
};
use tracing::warn;

use self::feed::Fed;
use super::{choices::task_failure, hooks, mesh::Change, node::Node, tars::Reserved, view};
use crate::{
    ingest::{
        BackupInfo, Ingested, Layout, Payload, Progress, TakenNames, archive_name, job_stem,
        safety_name,
    },
    socket::EventSink,
    sys::{self, OsEntropy},
    tasks::{Answer, Line, Task, TaskIo},
};

/// What a run made.
pub(super) struct Made {
    pub(super) name: String,
    pub(super) ingested: Ingested,
    pub(super) warnings: u64,
}

/// A run at work.
pub(super) struct Execution<'a> {
    pub(super) node: &'a Node,
    pub(super) job: &'a Job,
    pub(super) run: u64,
    pub(super) events: &'a EventSink,
    pub(super) progress: Arc<Progress>,
    /// The archive is made before a restore, to be able to go back.
    pub(super) safety: bool,
}

/// What is known of an archive before its first byte.
struct Plan<'a> {
    archive: ArchiveId,
    name: Reserved<'a>,
    now: Zoned,
    /// What was backed up, as this machine calls it.
    source: Vec<u8>,
    /// When it was made, where that was not now.
    created: Option<Time>,
    /// The kind of job that makes such archives.
    kind: &'static str,
}

impl Execution<'_> {
    /// Runs the job, with its commands.
    ///
    /// # Errors
    /// When a command before it fails, the source cannot be read, the disk is full, or somebody
    /// stopped it.
    pub(super) fn execute(&self) -> Result<Made, Failure> {
        if self.safety {
            return self.archive();
        }
        let before = hooks::run_before(self.node, self.run, self.job, self.events);
        let mut result = before.and_then(|()| self.archive());
        let (state, archive) = match &result {
            Ok(made) if made.warnings > 0 => (RunState::Warnings, Some(made.name.as_str())),
            Ok(made) => (RunState::Success, Some(made.name.as_str())),
            Err(failure) if failure.code == FailureCode::Cancelled => (RunState::Cancelled, None),
            Err(_) => (RunState::Failed, None),
        };
        let outcome = hooks::Outcome { state, archive };
        let failed = hooks::run_after(self.node, self.run, self.job, self.events, outcome).len();
        if let Ok(made) = &mut result {
            made.warnings += failed as u64;
        }
        result
    }

    fn archive(&self) -> Result<Made, Failure> {
        match &self.job.spec.config {
            JobConfig::CustomDir(dir) => self.directory(dir),
            JobConfig::Mysql(wanted) => {
                self.databases(crate::tasks::database::Engine::Mysql, wanted)
            }
            JobConfig::Postgresql(wanted) => {
                self.databases(crate::tasks::database::Engine::Postgresql, wanted)
            }
            JobConfig::YnhApp(_) | JobConfig::YnhSystem(_) => self.yunohost(),
        }
    }

    /// A new archive of this job: its id, its name, its time.
    fn plan(&self, source: &[u8]) -> Plan<'_> {
        let now = Zoned::now();
        let archive = ArchiveId(OsEntropy.array());
        let name = self.node.tars.reserve(archive, |taken| self.name(&now, taken));
        let kind = self.job.spec.config.kind();
        Plan { archive, name, now, source: source.to_vec(), created: None, kind }
    }

    /// A name that is not taken: not by an archive of this node, not by a file in the archives
    /// folder, not by a run that is at work.
    fn name(&self, now: &Zoned, reserved: &BTreeSet<String>) -> String {
        let date = now.strftime("%Y%m%d").to_string();
        let names = self.taken_names();
        let taken = |name: &str| names.has(name) || reserved.contains(name);
        let stem = job_stem(&self.job.spec);
        if self.safety {
            safety_name(&self.node.name, &stem, &date, taken)
        } else {
            archive_name(&self.node.name, &stem, &date, taken)
        }
    }

    /// Names of archives of this node, and of files in the archives folder.
    fn taken_names(&self) -> TakenNames {
        let (me, archives) = (self.node.id(), self.node.archive_list());
        let mine = archives.iter().filter(|archive| archive.origin == me);
        // A folder that cannot be listed is noticed when the tar is written.
        let files = self.node.agent.list_archives().unwrap_or_default();
        let files = files.iter().map(|file| &file.name);
        TakenNames::new(mine.map(|archive| archive.title()), files)
    }

    fn layout(&self, plan: &Plan<'_>, payload: Payload, bytes: u64) -> Layout {
        Layout {
            info: self.backup_info(plan),
            job: self.job.spec.name.to_string(),
            payload,
            created_seconds: plan.now.timestamp().as_second(),
            bytes,
        }
    }

    /// What the archive says of itself to programs of the kind of 000.
    fn backup_info(&self, plan: &Plan<'_>) -> BackupInfo {
        let spec = &self.job.spec;
        let app = match &spec.config {
            JobConfig::YnhApp(app) => app.app_id.clone(),
            JobConfig::YnhSystem(_) => "system".to_owned(),
            JobConfig::CustomDir(_) => spec.name.to_string(),
            JobConfig::Mysql(_) | JobConfig::Postgresql(_) => {
                String::from_utf8_lossy(&plan.source).into_owned()
            }
        };
        let restore = match &spec.config {
            JobConfig::CustomDir(dir) => {
                dir.restore.as_ref().and_then(|block| serde_json::to_value(block).ok())
            }
            _ => None,
        };
        BackupInfo {
            instance: self.node.name.clone(),
            instance_url: self.node.instance_url.clone(),
            app,
            kind: plan.kind.to_owned(),
            created_local: plan.now.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
            yunohost_version: crate::daemon::yunohost::version(self.node),
            databases: Vec::new(),
            restore,
        }
    }

    /// Says that the archive exists.
    fn announce(&self, plan: &Plan<'_>, made: &Ingested, warnings: u64) -> Result<(), Failure> {
        let spec = &self.job.spec;
        let meta = ArchiveMeta {
            name: plan.name.name.clone(),
            job: self.job.id,
            job_name: spec.name.to_string(),
            kind: plan.kind.to_owned(),
            source: plan.source.clone(),
            root: made.root.chunk,
            stream_bytes: made.stream_bytes,
            members: made.members,
            sha256: made.sha256,
            warnings,
            in_clear: spec.seal == Seal::None,
            // What was foreign is never pruned before somebody says so.
            pinned: plan.created.is_some(),
            safety: self.safety,
        };
        let facts = ArchiveFacts {
            created: plan.created.unwrap_or_else(sys::now),
            root: made.root.link,
            sealed_bytes: made.sealed_bytes,
            objects: made.objects,
            copies: spec.copies,
            place: self.place()?,
            sealed: meta.seal(&self.node.key, &mut OsEntropy),
        };
        self.node.mesh.publish_blocking(vec![Change::Say(Fact::Archive(plan.archive, facts))])
    }

    fn place(&self) -> Result<Place, Failure> {
        let Holders::Named(names) = &self.job.spec.on else { return Ok(Place::Any) };
        self.node.mesh.look(|catalog| {
            let wanted = names.iter().map(|name| {
                view::find_node(catalog, &protocol::control::NodeRef::Name(name.clone()))
            });
            wanted.collect::<Result<_, _>>().map(Place::Named)
        })
    }

    /// Ingests what `feed` gives, announces it, and keeps what the next run reuses.
    fn make(
        &self,
        plan: &Plan<'_>,
        bytes: u64,
        feed: impl FnOnce(&mut Fed<'_, '_>) -> Result<(), Failure>,
    ) -> Result<Made, Failure> {
        // Until the record names the archive, nothing else keeps its chunks from a collection.
        let hold = self.node.store.hold();
        let (warnings, ingested) = self.ingest(hold.clone(), plan.archive, bytes, feed)?;
        // A safety archive has a part of what the job's next run will look for, and an archive that
        // belongs to no job has no next run.
        let has_next = self.node.jobs().iter().any(|job| job.id == self.job.id);
        let reuse = match has_next && !self.safety {
            true => ingested.reuse.save(&self.node.data.reuse(&self.job.id)),
            false => Ok(()),
        };
        self.announce(plan, &ingested, warnings)?;
        drop(hold);
        if let Err(error) = reuse {
            warn!(%error, job = %self.job.spec.name, "the next run will read everything");
        }
        if ingested.payload_new_bytes == 0 {
            self.line("nothing is new: earlier archives have all of it".to_owned());
        }
        Ok(Made { name: plan.name.name.clone(), ingested, warnings })
    }

    /// Has the agent do something; what it says goes into the transcript.
    fn perform(
        &self,
        task: &Task,
        output: Option<&mut (dyn std::io::Write + Send)>,
    ) -> Result<Answer, Failure> {
        let mut line = |line: Line| self.line(line.text);
        let cancelled = || self.events.cancel().is_set() || self.progress.is_cancelled();
        let output = output.map(|output| output as &mut (dyn std::io::Write + Send));
        let io = TaskIo { input: None, output, line: &mut line, cancelled: &cancelled };
        self.node.agent.perform(task, io).map_err(|error| task_failure(&self.what(), &error))
    }

    fn line(&self, text: String) {
        self.node.runs.line(self.run, text.clone());
        self.events.line(text);
    }

    fn what(&self) -> String {
        format!("cannot run {}", self.job.spec.name)
    }
}
