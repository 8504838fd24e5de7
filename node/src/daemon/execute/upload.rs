//! Taking in an archive that came in parts: the bytes are in a file of the data folder.
//!
//! First all of it is read as something hostile, and nothing is stored; then it goes the way of any
//! tar. It becomes an archive of this node that belongs to no job and is pinned, as an adopted one,
//! and gets no plain tar: `archive export` writes one.

use std::{
    fs::File,
    path::PathBuf,
    time::{Duration, Instant},
};

use jiff::Zoned;
use protocol::{
    ArchiveId,
    control::{Failure, FailureCode},
    job::Name,
    key::KeyUse,
};

use super::{Execution, Made, Plan};
use crate::{
    daemon::{
        tars::Reserved,
        uploads::inspect::{Bounds, InspectError, Inspected, inspect},
        workers::Meter,
    },
    ingest::{TarSpec, read_tar},
    sys,
};

/// How often it is told how far checking is.
const TELL_EVERY: Duration = Duration::from_millis(250);

/// What came.
#[derive(Clone, Debug)]
pub(in crate::daemon) struct Incoming {
    /// The archive that it becomes.
    pub(in crate::daemon) archive: ArchiveId,
    /// What that is called.
    pub(in crate::daemon) name: Name,
    /// Where the bytes are.
    pub(in crate::daemon) file: PathBuf,
    /// How many there are.
    pub(in crate::daemon) bytes: u64,
    /// What their SHA-256 must be.
    pub(in crate::daemon) sha256: [u8; 32],
}

impl Execution<'_> {
    /// Checks the bytes and takes them in.
    ///
    /// # Errors
    /// With [`FailureCode::Mismatch`] when they are not what was said or no archive that can be
    /// taken in: that does not change. Otherwise it can be tried again.
    pub(in crate::daemon) fn upload(&self, incoming: &Incoming) -> Result<Made, Failure> {
        let what = format!("cannot take {} in", incoming.name);
        let name = self.reserve(incoming, &what)?;
        self.line(format!("checking {} bytes", incoming.bytes));
        let found = self.inspect(incoming, &what)?;
        self.line(format!("{} members, an archive of the kind {}", found.members, found.kind));
        let now = Zoned::now();
        let spec = TarSpec {
            groups_key: *self.node.key.derive(KeyUse::Reuse),
            backup_info: None,
            created_seconds: now.timestamp().as_second(),
        };
        let plan = Plan {
            archive: incoming.archive,
            name,
            now,
            source: found.source,
            created: Some(found.created.unwrap_or_else(sys::now)),
            kind: found.kind,
        };
        let file = self.open(incoming, &what)?;
        self.make(&plan, incoming.bytes, |fed| {
            let read = read_tar(file, &spec, fed).map(drop);
            // It was read to its end before: now it is the disk.
            read.map_err(|error| Failure::caused(FailureCode::Internal, &what, &error))
        })
    }

    /// The name, unless an archive or a plain tar has it.
    fn reserve(&self, incoming: &Incoming, what: &str) -> Result<Reserved<'_>, Failure> {
        let name = incoming.name.as_str();
        let reserved = self.node.tars.reserve_named(incoming.archive, name);
        reserved.filter(|_| !self.taken_names().has(name)).ok_or_else(|| {
            let why = format!("there is an archive or a plain tar of the name {name}");
            Failure::new(FailureCode::Exists, what, why)
                .hint("remove it and finish the upload again, or send it under another name")
        })
    }

    fn open(&self, incoming: &Incoming, what: &str) -> Result<File, Failure> {
        File::open(&incoming.file)
            .map_err(|error| Failure::caused(FailureCode::Internal, what, &error))
    }

    fn inspect(&self, incoming: &Incoming, what: &str) -> Result<Inspected, Failure> {
        let file = self.open(incoming, what)?;
        let (mut meter, mut told) = (Meter::new(0), Instant::now());
        let mut at = |bytes: u64| {
            if told.elapsed() >= TELL_EVERY {
                told = Instant::now();
                let progress = meter.progress("checking", bytes, Some(incoming.bytes));
                self.node.runs.progress(self.run, progress.clone());
                self.events.progress(progress);
            }
            !self.events.cancel().is_set() && !self.progress.is_cancelled()
        };
        let bounds = Bounds::of(incoming.bytes);
        inspect(file, &incoming.sha256, &bounds, sys::now(), &mut at).map_err(|error| {
            let code = match error {
                InspectError::Stopped => FailureCode::Cancelled,
                InspectError::Read(_) => FailureCode::Internal,
                _ => FailureCode::Mismatch,
            };
            Failure::caused(code, what, &error)
        })
    }
}
