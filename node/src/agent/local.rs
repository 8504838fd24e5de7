//! The agent in this process.

use std::{fs::File, io::Read, path::PathBuf};

use super::{Agent, AgentError, ArchiveFile, ArchiveFileName, archives::Archives};
use crate::{
    restore::{Extractor, RestoreReport, RestoreSpec, unpack},
    source::{self, SourceReport, SourceSink, SourceSpec, Totals},
    tasks::{self, Answer, Task, TaskIo, yunohost::Yunohost},
};

/// Does everything itself, with the rights of this process.
pub struct LocalAgent {
    archives: Archives,
    yunohost: Yunohost,
}

impl LocalAgent {
    /// An agent for an archives folder, which need not exist yet.
    #[must_use]
    pub fn new(archives: impl Into<PathBuf>) -> Self {
        let folder = archives.into();
        let yunohost = Yunohost::with_archives(&folder);
        Self { archives: Archives::new(folder), yunohost }
    }
}

impl Agent for LocalAgent {
    fn measure(&self, spec: &SourceSpec) -> Result<Totals, AgentError> {
        Ok(source::measure(spec)?)
    }

    fn read(
        &self,
        spec: &SourceSpec,
        sink: &mut dyn SourceSink,
    ) -> Result<SourceReport, AgentError> {
        Ok(source::read(spec, sink)?)
    }

    fn restore(
        &self,
        spec: &RestoreSpec,
        stream: &mut dyn Read,
    ) -> Result<RestoreReport, AgentError> {
        Ok(unpack(stream, Extractor::new(spec)?)?)
    }

    fn perform(&self, task: &Task, io: TaskIo<'_>) -> Result<Answer, AgentError> {
        match task {
            // What it leaves unfinished lies in the folder that this agent knows.
            Task::Yunohost(task) => Ok(Answer::Yunohost(self.yunohost.perform(task, io)?)),
            task => Ok(tasks::perform(task, io)?),
        }
    }

    fn list_archives(&self) -> Result<Vec<ArchiveFile>, AgentError> {
        Ok(self.archives.list()?)
    }

    fn create_archive(&self, name: &ArchiveFileName) -> Result<File, AgentError> {
        Ok(self.archives.create(name)?)
    }

    fn publish_archive(&self, name: &ArchiveFileName) -> Result<(), AgentError> {
        Ok(self.archives.publish(name)?)
    }

    fn extend_archive(
        &self,
        name: &ArchiveFileName,
        at: u64,
        bytes: &[u8],
    ) -> Result<(), AgentError> {
        Ok(self.archives.extend(name, at, bytes)?)
    }

    fn discard_archive(&self, name: &ArchiveFileName) -> Result<(), AgentError> {
        Ok(self.archives.discard(name)?)
    }

    fn open_archive(&self, name: &ArchiveFileName) -> Result<File, AgentError> {
        Ok(self.archives.open(name)?)
    }

    fn remove_archive(&self, name: &ArchiveFileName) -> Result<(), AgentError> {
        Ok(self.archives.remove(name)?)
    }
}
