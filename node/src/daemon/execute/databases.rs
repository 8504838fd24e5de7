//! `mysql` and `postgresql`: each database dumped by its server's own tool, straight into ingest.
//!
//! The dump runs on a thread of its own and hands its bytes over through a short queue, so that the
//! server, the cutting and the sealing work at the same time. A dump that ends early or says that it
//! failed ends the run: no archive is made of half a database.

use std::{
    io::{self, Write as _},
    sync::mpsc::{self, SyncSender},
    thread,
};

use protocol::{
    control::{Failure, FailureCode},
    job::Databases,
};

use super::{Execution, Made, feed::Fed};
use crate::{
    ingest::{Layout, Payload},
    source::{SourceSink as _, SourceWarning},
    tasks::{
        Answer, Task,
        database::{self, Database, DatabaseTask, Engine, Server},
    },
};

/// Pieces of a dump that wait to be cut.
const PIECES_WAITING_MAX: usize = 8;

/// Databases that `all` leaves out: every PostgreSQL server has it for its own use.
const POSTGRES_OWN: &str = "postgres";

impl Execution<'_> {
    pub(super) fn databases(&self, engine: Engine, wanted: &Databases) -> Result<Made, Failure> {
        let server = Server::of(engine, wanted);
        let chosen = self.chosen(&server, wanted)?;
        let bytes = chosen.iter().map(|database| database.bytes).sum();
        let names: Vec<_> = chosen.iter().map(|database| database.name.clone()).collect();
        self.line(format!("dumping {} (about {bytes} bytes)", names.join(", ")));
        let plan = self.plan(names.join(", ").as_bytes());
        let databases = names.clone();
        let payload = Payload::Databases { engine, format: wanted.compress, databases };
        let layout = self.layout(&plan, payload, bytes);
        self.make(&plan, bytes, |fed| {
            layout.begin(fed).map_err(|error| fed.stopped(&error))?;
            for name in &names {
                self.dump(&layout, &server, name, fed)?;
            }
            Layout::end(fed).map_err(|error| fed.stopped(&error))
        })
    }

    /// The databases to dump, as the server has them now.
    fn chosen(&self, server: &Server, wanted: &Databases) -> Result<Vec<Database>, Failure> {
        let task = Task::Database(DatabaseTask::List(server.clone()));
        let Answer::Database(database::Answer::Databases(known)) = self.perform(&task, None)?
        else {
            return Err(self.unexpected());
        };
        let named = wanted.named();
        if let Some(missing) = named.iter().find(|name| known.iter().all(|d| d.name != **name)) {
            let why = format!("the server has no database {missing:?}");
            let list = known.iter().map(|d| d.name.as_str()).collect::<Vec<_>>().join(", ");
            return Err(Failure::new(FailureCode::NotFound, self.what(), why)
                .hint(format!("it has: {list}")));
        }
        let own = |name: &str| server.engine == Engine::Postgresql && name == POSTGRES_OWN;
        let is_wanted = |database: &Database| {
            let name = database.name.as_str();
            if wanted.all {
                !wanted.excludes.contains(name) && !own(name)
            } else {
                named.contains(name)
            }
        };
        let chosen: Vec<_> = known.into_iter().filter(is_wanted).collect();
        if chosen.is_empty() {
            let why = "the server has no database that is not left out";
            return Err(Failure::new(FailureCode::NotFound, self.what(), why));
        }
        Ok(chosen)
    }

    fn dump(
        &self,
        layout: &Layout,
        server: &Server,
        name: &str,
        fed: &mut Fed<'_, '_>,
    ) -> Result<(), Failure> {
        let (server, database) = (server.clone(), name.to_owned());
        let Payload::Databases { format, .. } = layout.payload else {
            return Err(self.unexpected());
        };
        let task = Task::Database(DatabaseTask::Dump { server, database, format });
        let stopped =
            |error: io::Error| Failure::caused(FailureCode::Internal, self.what(), &error);
        let mut member = layout.dump(fed, name).map_err(stopped)?;
        let (pieces, arrived) = mpsc::sync_channel(PIECES_WAITING_MAX);
        let (passed, answer) = thread::scope(|scope| {
            let dumping = scope.spawn(|| {
                let mut out = Handed(pieces);
                self.perform(&task, Some(&mut out))
            });
            // When ingest takes no more, the queue closes and the dump is stopped.
            let passed = arrived.into_iter().try_for_each(|piece| member.write_all(&piece));
            (passed, dumping.join())
        });
        let answer = answer.map_err(|_| self.unexpected())?;
        passed.map_err(stopped)?;
        let Answer::Database(database::Answer::Dumped { bytes, warnings }) = answer? else {
            return Err(self.unexpected());
        };
        member.finish().map_err(stopped)?;
        self.line(format!("{name}: {bytes} bytes of SQL"));
        for what in warnings {
            fed.warning(SourceWarning { path: name.into(), what });
        }
        Ok(())
    }

    pub(super) fn unexpected(&self) -> Failure {
        let why = "the agent answered something else";
        Failure::new(FailureCode::Internal, self.what(), why)
    }
}

/// The writing end of the queue.
struct Handed(SyncSender<Vec<u8>>);

impl io::Write for Handed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let closed = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        self.0.send(bytes.to_vec()).map_err(closed)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
