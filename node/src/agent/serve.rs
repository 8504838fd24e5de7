//! The agent's side of the socket.

use std::{
    fs, io,
    os::{
        fd::AsFd,
        unix::{
            fs::{PermissionsExt, chown},
            net::{UnixListener, UnixStream},
        },
    },
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use rustix::net::sockopt::socket_peercred;

use super::{
    Agent, AgentError, Failure, FailureKind,
    connection::{Connection, invalid},
    perform,
    wire::{self, Opening, Reply, Request, Turn, VERSION},
};
use crate::source::{SegmentEnd, SegmentHead, SourceSink, SourceWarning, Verdict};

/// The largest request or turn: paths, patterns, and a message.
const REQUEST_BYTES_MAX: usize = 10 << 20;

/// How many requests are served at once.
const CONNECTIONS_MAX: usize = 32;

/// How long the agent rests when the system has no room for another request.
const REST: Duration = Duration::from_millis(100);

/// Listens at a path, for one user and root. A socket that nobody listens at any more is replaced.
///
/// # Errors
/// When somebody listens there, or the socket cannot be made.
pub fn bind(path: &Path, allowed_uid: u32) -> io::Result<UnixListener> {
    match UnixStream::connect(path) {
        Ok(_) => return Err(io::ErrorKind::AddrInUse.into()),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path)?,
        Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    if rustix::process::geteuid().as_raw() != allowed_uid {
        chown(path, Some(allowed_uid), None)?;
    }
    Ok(listener)
}

/// Serves an agent until the listener is shut down (`rustix::net::shutdown`). Answers the allowed
/// user and root, nobody else.
///
/// Nothing but that ends it: where the system has no descriptor or thread for a request, it rests
/// and goes on with the next.
///
/// # Errors
/// None so far: what goes wrong with one connection is logged.
pub fn serve(listener: &UnixListener, allowed_uid: u32, agent: &Arc<dyn Agent>) -> io::Result<()> {
    let accept = || listener.accept().map(|(stream, _)| stream);
    serve_all(accept, || thread::sleep(REST), allowed_uid, agent);
    Ok(())
}

/// Serves what is accepted; `rest` is called after each failure of the system.
pub(super) fn serve_all(
    mut accept: impl FnMut() -> io::Result<UnixStream>,
    mut rest: impl FnMut(),
    allowed_uid: u32,
    agent: &Arc<dyn Agent>,
) {
    let served = Arc::new(AtomicUsize::new(0));
    loop {
        let begun = match accept() {
            Ok(stream) => begin(stream, allowed_uid, agent, &served),
            // What accept says of a listener that was shut down.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return,
            Err(error) if is_passing(&error) => continue,
            Err(error) => Err(error),
        };
        if let Err(error) = begun {
            tracing::warn!(%error, "cannot serve a connection to the agent");
            rest();
        }
    }
}

/// Gives a connection a thread of its own, if its peer is somebody to answer.
fn begin(
    stream: UnixStream,
    allowed_uid: u32,
    agent: &Arc<dyn Agent>,
    served: &Arc<AtomicUsize>,
) -> io::Result<()> {
    let peer = socket_peercred(&stream)?.uid.as_raw();
    if peer != 0 && peer != allowed_uid {
        tracing::warn!(user.id = peer, "refused a connection to the agent");
        return Ok(());
    }
    if served.fetch_add(1, Ordering::AcqRel) >= CONNECTIONS_MAX {
        served.fetch_sub(1, Ordering::AcqRel);
        refuse(stream, FailureKind::Busy, "the agent serves as many requests as it can");
        return Ok(());
    }
    let (agent, seat) = (Arc::clone(agent), Seat(Arc::clone(served)));
    thread::Builder::new().name("agent-request".to_owned()).spawn(move || {
        let _seat = seat;
        if let Err(error) = handle(stream, agent.as_ref()) {
            tracing::debug!(%error, "a connection to the agent ended early");
        }
    })?;
    Ok(())
}

/// A request that is served; gives its place back, whatever happens.
struct Seat(Arc<AtomicUsize>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, Interrupted};
    matches!(error.kind(), ConnectionAborted | Interrupted)
}

fn refuse(stream: UnixStream, kind: FailureKind, message: &str) {
    let failure = Failure { kind, message: message.to_owned() };
    let _gone = Connection::new(stream).send(&Reply::Failed(failure), &[]);
}

fn handle(stream: UnixStream, agent: &dyn Agent) -> io::Result<()> {
    let mut connection = Connection::new(stream);
    let (opening, _): (Opening, _) = match connection.receive(REQUEST_BYTES_MAX) {
        Ok(frame) => frame,
        Err(error) => {
            let message = format!("the agent does not understand the request: {error}");
            let failure = Failure { kind: FailureKind::Invalid, message };
            return connection.send(&Reply::Failed(failure), &[]);
        }
    };
    let result = if opening.version == VERSION {
        answer(&mut connection, opening.request, agent)?
    } else {
        Err(Failure {
            kind: FailureKind::Invalid,
            message: format!("the agent speaks version {VERSION}, not {}", opening.version),
        })
    };
    if let Err(failure) = result {
        connection.send(&Reply::Failed(failure), &[])?;
        // The caller may still be sending: it learns that nobody reads, then reads why.
        connection.stream().shutdown(std::net::Shutdown::Read)?;
    }
    Ok(())
}

/// Carries a request out and answers, unless it failed.
fn answer(
    connection: &mut Connection,
    request: Request,
    agent: &dyn Agent,
) -> io::Result<Result<(), Failure>> {
    let result = match request {
        Request::Read(source) => {
            let Some(spec) = source.spec() else {
                return Ok(Err(invalid_request("a key has not 32 bytes")));
            };
            agent.read(&spec, &mut WireSink { connection }).map(|r| Reply::Read(r.into()))
        }
        Request::Measure(source) => {
            let Some(spec) = source.spec() else {
                return Ok(Err(invalid_request("a key has not 32 bytes")));
            };
            agent.measure(&spec).map(|totals| Reply::Totals(totals.into()))
        }
        Request::Restore(spec) if !spec.destination.is_absolute() => {
            return Ok(Err(invalid_request("the destination is not an absolute path")));
        }
        Request::Restore(spec) => {
            let mut stream = Incoming::new(connection);
            agent.restore(&spec, &mut stream).map(|report| Reply::Restored(Box::new(report)))
        }
        Request::Perform { task, input, output } => {
            return perform::serve(connection, &task, (input, output), agent);
        }
        Request::Create(name) => match agent.create_archive(&name) {
            Ok(file) => return connection.send_with(&Reply::File, file.as_fd()).map(Ok),
            Err(error) => Err(error),
        },
        Request::Open(name) => match agent.open_archive(&name) {
            Ok(file) => return connection.send_with(&Reply::File, file.as_fd()).map(Ok),
            Err(error) => Err(error),
        },
        Request::List => agent.list_archives().map(Reply::Archives),
        Request::Publish(name) => agent.publish_archive(&name).map(|()| Reply::Done),
        Request::Extend { name, at, bytes } => {
            agent.extend_archive(&name, at, &bytes).map(|()| Reply::Done)
        }
        Request::Discard(name) => agent.discard_archive(&name).map(|()| Reply::Done),
        Request::Remove(name) => agent.remove_archive(&name).map(|()| Reply::Done),
    };
    send_result(connection, result)
}

fn send_result(
    connection: &mut Connection,
    result: Result<Reply, AgentError>,
) -> io::Result<Result<(), Failure>> {
    match result {
        Ok(reply) => connection.send(&reply, &[]).map(Ok),
        Err(error) => Ok(Err(Failure::new(&error))),
    }
}

fn invalid_request(why: &str) -> Failure {
    let message = format!("the request makes no sense to the agent: {why}");
    Failure { kind: FailureKind::Invalid, message }
}

/// The sink of a source whose segments go to the caller.
struct WireSink<'a> {
    connection: &'a mut Connection,
}

impl SourceSink for WireSink<'_> {
    fn segment(&mut self, head: SegmentHead) -> io::Result<Verdict> {
        self.connection.send(&Reply::segment(head), &[])?;
        match self.connection.receive(REQUEST_BYTES_MAX)?.0 {
            Turn::Verdict(read) => Ok(wire::verdict(read)),
            _ => Err(invalid("the caller did not answer whether to read a segment")),
        }
    }

    fn data(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        self.connection.send(&Reply::Data, &bytes)
    }

    fn end(&mut self, end: SegmentEnd) -> io::Result<()> {
        self.connection.send(&Reply::segment_end(end), &[])
    }

    fn warning(&mut self, warning: SourceWarning) {
        // A broken connection shows at the next segment.
        let _gone = self.connection.send(&Reply::warning(warning), &[]);
    }
}

/// A stream as it comes from the caller: what to restore, or the input of a task.
pub(super) struct Incoming<'a> {
    connection: &'a mut Connection,
    left: Vec<u8>,
    at: usize,
    over: bool,
}

impl<'a> Incoming<'a> {
    pub(super) fn new(connection: &'a mut Connection) -> Self {
        Self { connection, left: Vec::new(), at: 0, over: false }
    }
}

impl io::Read for Incoming<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at == self.left.len() && !self.over {
            let (turn, payload) = self.connection.receive(REQUEST_BYTES_MAX)?;
            match turn {
                Turn::Data => (self.left, self.at) = (payload, 0),
                Turn::End => self.over = true,
                Turn::Broken(why) => return Err(io::Error::other(why)),
                Turn::Verdict(_) => return Err(invalid("an answer came in place of data")),
            }
        }
        let bytes = into.len().min(self.left.len() - self.at);
        into[..bytes].copy_from_slice(&self.left[self.at..self.at + bytes]);
        self.at += bytes;
        Ok(bytes)
    }
}
