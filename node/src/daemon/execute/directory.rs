//! `custom_dir`: a directory, read through the agent.

use std::{os::unix::ffi::OsStrExt as _, path::Path};

use protocol::{
    control::{Failure, FailureCode},
    job::CustomDir,
    key::KeyUse,
};

use super::{Execution, Made};
use crate::{
    agent::AgentError,
    ingest::{Layout, PAYLOAD_PREFIX, Payload},
    source::SourceSpec,
};

impl Execution<'_> {
    pub(super) fn directory(&self, dir: &CustomDir) -> Result<Made, Failure> {
        let spec = self.source(dir);
        let agent = &self.node.agent;
        let totals = agent.measure(&spec).map_err(|error| self.source_failed(&error))?;
        self.line(format!(
            "{} has {} files, {} bytes",
            dir.source_path, totals.files, totals.bytes
        ));
        let plan = self.plan(Path::new(&dir.source_path).as_os_str().as_bytes());
        let payload = Payload::Directory(dir.source_path.clone().into());
        let layout = self.layout(&plan, payload, totals.bytes);
        self.make(&plan, totals.bytes, |fed| {
            layout.begin(fed).map_err(|error| fed.stopped(&error))?;
            agent.read(&spec, fed).map_err(|error| self.source_failed(&error))?;
            Layout::end(fed).map_err(|error| fed.stopped(&error))
        })
    }

    fn source(&self, dir: &CustomDir) -> SourceSpec {
        let key = *self.node.key.derive(KeyUse::Reuse);
        let mut spec = SourceSpec::new(&dir.source_path, PAYLOAD_PREFIX, key);
        spec.excludes.clone_from(&dir.excludes);
        spec.never = vec![self.node.data.path().to_owned()];
        spec
    }

    fn source_failed(&self, error: &AgentError) -> Failure {
        Failure::caused(FailureCode::Invalid, self.what(), error)
            .hint("check the path, and that the daemon (or its agent) may read it")
    }
}
