//! The agent in another process.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::net::UnixStream,
    path::PathBuf,
};

use serde_bytes::ByteBuf;

use super::{
    Agent, AgentError, ArchiveFile, ArchiveFileName,
    connection::{Connection, HEAD_BYTES_MAX, PAYLOAD_BYTES_MAX},
    perform,
    wire::{self, Opening, Reply, Request, Source, Turn, VERSION},
};
use crate::{
    restore::{RestoreReport, RestoreSpec},
    source::{SourceError, SourceReport, SourceSink, SourceSpec, Totals, Verdict},
    tasks::{Answer, Task, TaskIo},
};

/// Asks the process that listens at a socket; one connection for each request.
#[derive(Clone, Debug)]
pub struct RemoteAgent {
    socket: PathBuf,
}

impl RemoteAgent {
    /// An agent at a socket; nothing is connected yet.
    #[must_use]
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self { socket: socket.into() }
    }

    fn ask(&self, request: Request) -> Result<Connection, AgentError> {
        let unreachable = |source| AgentError::Unreachable { socket: self.socket.clone(), source };
        let stream = UnixStream::connect(&self.socket).map_err(unreachable)?;
        let mut connection = Connection::new(stream);
        match connection.send(&Opening { version: VERSION, request }, &[]) {
            Ok(()) => Ok(connection),
            // It may have said why it does not listen.
            Err(error) => Err(last_words(&mut connection, error)),
        }
    }

    fn ask_done(&self, request: Request) -> Result<(), AgentError> {
        match reply(&mut self.ask(request)?)?.0 {
            Reply::Done => Ok(()),
            _ => Err(AgentError::Unexpected),
        }
    }

    fn ask_file(&self, request: Request) -> Result<File, AgentError> {
        let mut connection = self.ask(request)?;
        let (Reply::File, _) = reply(&mut connection)? else {
            return Err(AgentError::Unexpected);
        };
        connection.take_descriptor().map(File::from).ok_or(AgentError::Unexpected)
    }
}

impl Agent for RemoteAgent {
    fn measure(&self, spec: &SourceSpec) -> Result<Totals, AgentError> {
        match reply(&mut self.ask(Request::Measure(Source::from(spec)))?)?.0 {
            Reply::Totals(counts) => Ok(counts.into()),
            _ => Err(AgentError::Unexpected),
        }
    }

    fn read(
        &self,
        spec: &SourceSpec,
        sink: &mut dyn SourceSink,
    ) -> Result<SourceReport, AgentError> {
        let mut connection = self.ask(Request::Read(Source::from(spec)))?;
        loop {
            let (said, payload) = reply(&mut connection)?;
            let gave_up = |error| AgentError::Source(SourceError::Sink(error));
            match said {
                Reply::Segment { fingerprint, bytes, file_data } => {
                    let head = wire::head(fingerprint, bytes, file_data);
                    let head = head.ok_or(AgentError::Unexpected)?;
                    let read = sink.segment(head).map_err(gave_up)? == Verdict::Read;
                    connection.send(&Turn::Verdict(read), &[]).map_err(AgentError::Broken)?;
                }
                Reply::Data => sink.data(payload).map_err(gave_up)?,
                Reply::SegmentEnd { entries, stable } => {
                    sink.end(wire::segment_end(entries, stable)).map_err(gave_up)?;
                }
                Reply::Warning { path, what } => sink.warning(wire::warning(path, what)),
                Reply::Read(counts) => return Ok(counts.into()),
                _ => return Err(AgentError::Unexpected),
            }
        }
    }

    fn restore(
        &self,
        spec: &RestoreSpec,
        stream: &mut dyn Read,
    ) -> Result<RestoreReport, AgentError> {
        let mut connection = self.ask(Request::Restore(spec.clone()))?;
        let mut buffer = vec![0; PAYLOAD_BYTES_MAX];
        loop {
            let (turn, bytes) = match stream.read(&mut buffer) {
                Ok(0) => (Turn::End, 0),
                Ok(bytes) => (Turn::Data, bytes),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => (Turn::Broken(error.to_string()), 0),
            };
            if let Err(error) = connection.send(&turn, &buffer[..bytes]) {
                return Err(last_words(&mut connection, error));
            }
            if !matches!(turn, Turn::Data) {
                break;
            }
        }
        match reply(&mut connection)?.0 {
            Reply::Restored(report) => Ok(*report),
            _ => Err(AgentError::Unexpected),
        }
    }

    fn perform(&self, task: &Task, io: TaskIo<'_>) -> Result<Answer, AgentError> {
        let (input, output) = (io.input.is_some(), io.output.is_some());
        let request = Request::Perform { task: task.clone(), input, output };
        perform::follow(self.ask(request)?, io, perform::STOP_WAIT)
    }

    fn list_archives(&self) -> Result<Vec<ArchiveFile>, AgentError> {
        match reply(&mut self.ask(Request::List)?)?.0 {
            Reply::Archives(files) => Ok(files),
            _ => Err(AgentError::Unexpected),
        }
    }

    fn create_archive(&self, name: &ArchiveFileName) -> Result<File, AgentError> {
        self.ask_file(Request::Create(name.clone()))
    }

    fn publish_archive(&self, name: &ArchiveFileName) -> Result<(), AgentError> {
        self.ask_done(Request::Publish(name.clone()))
    }

    fn extend_archive(
        &self,
        name: &ArchiveFileName,
        at: u64,
        bytes: &[u8],
    ) -> Result<(), AgentError> {
        let bytes = ByteBuf::from(bytes);
        self.ask_done(Request::Extend { name: name.clone(), at, bytes })
    }

    fn discard_archive(&self, name: &ArchiveFileName) -> Result<(), AgentError> {
        self.ask_done(Request::Discard(name.clone()))
    }

    fn open_archive(&self, name: &ArchiveFileName) -> Result<File, AgentError> {
        self.ask_file(Request::Open(name.clone()))
    }

    fn remove_archive(&self, name: &ArchiveFileName) -> Result<(), AgentError> {
        self.ask_done(Request::Remove(name.clone()))
    }
}

/// The next thing the agent says, when it is not that it failed.
pub(super) fn reply(connection: &mut Connection) -> Result<(Reply, Vec<u8>), AgentError> {
    match connection.receive(HEAD_BYTES_MAX).map_err(AgentError::Broken)? {
        (Reply::Failed(failure), _) => Err(AgentError::Remote(failure)),
        said => Ok(said),
    }
}

/// Why it no longer listens, when it said so.
fn last_words(connection: &mut Connection, error: io::Error) -> AgentError {
    match reply(connection) {
        Err(said @ AgentError::Remote(_)) => said,
        _ => AgentError::Broken(error),
    }
}
