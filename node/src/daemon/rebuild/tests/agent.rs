//! An agent that reads and writes files as the real one does, and only writes down the tasks.

use std::{
    fs::File,
    io::Read,
    sync::{Arc, Mutex},
};

use crate::{
    agent::{Agent, AgentError, ArchiveFile, ArchiveFileName, LocalAgent},
    restore::{RestoreReport, RestoreSpec},
    source::{SourceReport, SourceSink, SourceSpec, Totals},
    tasks::{
        Answer, Line, Task, TaskError, TaskIo, database::DatabaseTask, system::SystemTask,
        yunohost::YunohostTask,
    },
};

type Play = dyn FnMut(&str, &Task) -> Option<Result<Answer, TaskError>> + Send;

/// The double.
pub(super) struct Scribe {
    files: LocalAgent,
    /// What it was asked, looking left out.
    pub(super) asked: Mutex<Vec<String>>,
    /// What a task answers, when not the usual.
    pub(super) play: Mutex<Box<Play>>,
}

impl Scribe {
    pub(super) fn new(files: LocalAgent) -> Arc<Self> {
        let play: Box<Play> = Box::new(|_, _| None);
        Arc::new(Self { files, asked: Mutex::default(), play: Mutex::new(play) })
    }

    pub(super) fn plays(
        &self,
        play: impl FnMut(&str, &Task) -> Option<Result<Answer, TaskError>> + Send + 'static,
    ) {
        *self.play.lock().unwrap() = Box::new(play);
    }

    /// What it was asked since the last time.
    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

/// A task in few words.
fn word(task: &Task) -> String {
    match task {
        Task::Command(command) => format!("run {}", command.run),
        Task::Yunohost(YunohostTask::Create { what, .. }) => format!("create {what:?}"),
        Task::Yunohost(YunohostTask::Restore { name, .. }) => format!("restore {name}"),
        Task::Yunohost(YunohostTask::RemoveApp { app }) => format!("remove {app}"),
        Task::Yunohost(YunohostTask::OpenPort { port, protocol, .. }) => {
            format!("open {port}/{protocol}")
        }
        Task::Yunohost(YunohostTask::Apps) => "apps".to_owned(),
        Task::Yunohost(other) => format!("{other:?}"),
        Task::Database(DatabaseTask::Load { database, replace, .. }) => {
            format!("load {database} {replace}")
        }
        Task::Database(_) => "databases".to_owned(),
        Task::System(SystemTask::Look(_)) => "look".to_owned(),
        Task::System(SystemTask::MakeUser(user)) => format!("user {}", user.name),
        Task::System(SystemTask::SetPermissions { path, permissions }) => {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            format!("permissions {name} {} {}", permissions.owner, permissions.mode)
        }
        Task::System(SystemTask::InstallUnit { service, file }) => {
            format!("unit {} {}", service.name, file.is_file())
        }
    }
}

impl Agent for Scribe {
    fn perform(&self, task: &Task, io: TaskIo<'_>) -> Result<Answer, AgentError> {
        let word = word(task);
        let played = (self.play.lock().unwrap())(&word, task);
        if word == "look" && played.is_none() {
            return self.files.perform(task, io);
        }
        if !matches!(word.as_str(), "apps" | "databases" | "Version") {
            self.asked.lock().unwrap().push(word);
        }
        if let Some(input) = io.input {
            let mut data = String::new();
            input.read_to_string(&mut data).map_err(TaskError::Data)?;
            self.asked.lock().unwrap().push(format!("data {data}"));
        }
        if (io.cancelled)() {
            return Err(TaskError::Cancelled.into());
        }
        (io.line)(Line { is_error: false, text: "a program said this".to_owned() });
        Ok(played.unwrap_or(Ok(Answer::Done))?)
    }

    fn measure(&self, spec: &SourceSpec) -> Result<Totals, AgentError> {
        self.files.measure(spec)
    }

    fn read(
        &self,
        spec: &SourceSpec,
        sink: &mut dyn SourceSink,
    ) -> Result<SourceReport, AgentError> {
        self.files.read(spec, sink)
    }

    fn restore(
        &self,
        spec: &RestoreSpec,
        stream: &mut dyn Read,
    ) -> Result<RestoreReport, AgentError> {
        self.asked.lock().unwrap().push("files".to_owned());
        self.files.restore(spec, stream)
    }

    fn list_archives(&self) -> Result<Vec<ArchiveFile>, AgentError> {
        self.files.list_archives()
    }

    fn create_archive(&self, name: &ArchiveFileName) -> Result<File, AgentError> {
        self.files.create_archive(name)
    }

    fn publish_archive(&self, name: &ArchiveFileName) -> Result<(), AgentError> {
        self.files.publish_archive(name)
    }

    fn discard_archive(&self, name: &ArchiveFileName) -> Result<(), AgentError> {
        self.files.discard_archive(name)
    }

    fn open_archive(&self, name: &ArchiveFileName) -> Result<File, AgentError> {
        self.files.open_archive(name)
    }

    fn extend_archive(
        &self,
        name: &ArchiveFileName,
        at: u64,
        bytes: &[u8],
    ) -> Result<(), AgentError> {
        self.files.extend_archive(name, at, bytes)
    }

    fn remove_archive(&self, name: &ArchiveFileName) -> Result<(), AgentError> {
        self.files.remove_archive(name)
    }
}
