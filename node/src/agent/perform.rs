//! Tasks over the socket: both sides.
//!
//! The agent sends lines and output as they come and ends with the answer, or with why there is
//! none. The caller sends input from a thread of its own, so that it always listens: neither side
//! ever waits for the other to read while the other waits for it. Input ends with a turn that says
//! so; a caller that shuts its sending side down without it wants no more. The agent looks for that
//! while its programs are silent too, stops them, and says when they have ended.
//!
//! Limits: a program that is killed has 15 s to end, then the agent gives it up and names its process
//! ([`TaskError::Stuck`]). What a task does after its programs were stopped (removing what they left)
//! may take longer than a caller waits. Then the caller is told that the work may go on, never that it
//! was stopped, and a next run may meet it. The agent does not lock tasks out for that: `YunoHost`
//! locks itself, a load fills a scratch database and a next one begins by removing what was left of
//! it, a dump only reads, and accounts, owners and units are set to what they are to be however often.
//! A job's own commands may not bear it; they are killed as a group.

use std::{
    io::{self, Read, Write},
    net::Shutdown,
    panic::resume_unwind,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use super::{
    Agent, AgentError, Failure, FailureKind,
    connection::{Connection, PAYLOAD_BYTES_MAX},
    remote::reply,
    serve::Incoming,
    wire::{Reply, Turn},
};
use crate::tasks::{Answer, Line, Task, TaskError, TaskIo};

/// How often the caller looks whether it wants no more.
const TICK: Duration = Duration::from_millis(100);

/// How long a caller that wants no more waits for the programs to end: what the agent gives them,
/// and some more.
pub(super) const STOP_WAIT: Duration = Duration::from_secs(20);

/// Carries a task out for a caller; answers, unless it failed.
pub(super) fn serve(
    connection: &mut Connection,
    task: &Task,
    (input, output): (bool, bool),
    agent: &dyn Agent,
) -> io::Result<Result<(), Failure>> {
    let (says, watched) = (Mutex::new(connection.try_clone()?), connection.try_clone()?);
    let mut line = |line| {
        // A broken connection is a hang-up, which stops the task.
        let _gone = lock(&says).send(&Reply::Line(line), &[]);
    };
    let (mut incoming, mut outgoing) = (Incoming::new(connection), Outgoing(&says));
    let io = TaskIo {
        input: input.then_some(&mut incoming as _),
        output: output.then_some(&mut outgoing as _),
        line: &mut line,
        cancelled: &|| watched.has_hung_up(),
    };
    let answer = match agent.perform(task, io) {
        Ok(answer) => answer,
        Err(error) => return Ok(Err(Failure::new(&error))),
    };
    match connection.send(&Reply::Performed(Box::new(answer)), &[]) {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            let message = "the answer is larger than it may be".to_owned();
            return Ok(Err(Failure { kind: FailureKind::Other, message }));
        }
        sent => sent?,
    }
    // The caller may still be sending input that no program wants: it learns that nobody reads.
    let _gone = connection.stream().shutdown(Shutdown::Read);
    Ok(Ok(()))
}

fn lock(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The output of a task, as it goes to the caller.
struct Outgoing<'a>(&'a Mutex<Connection>);

impl Write for Outgoing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let bytes = &bytes[..bytes.len().min(PAYLOAD_BYTES_MAX)];
        if !bytes.is_empty() {
            lock(self.0).send(&Reply::Data, bytes)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Takes part in a task that the agent was asked for, to its end, or for `stop_wait` longer than it
/// is wanted.
pub(super) fn follow(
    connection: Connection,
    io: TaskIo<'_>,
    stop_wait: Duration,
) -> Result<Answer, AgentError> {
    let TaskIo { input, output, line, cancelled } = io;
    let mut feeding = connection.try_clone().map_err(AgentError::Broken)?;
    let mut listener = Listener { connection, output, line, cancelled, stopping: None, stop_wait };
    thread::scope(|scope| {
        let feeder = input.map(|input| scope.spawn(move || feed(input, &mut feeding)));
        let result = listener.listen();
        // Whoever is still feeding learns that nobody reads.
        let _gone = listener.connection.stream().shutdown(Shutdown::Both);
        let fed = feeder.map(|feeder| feeder.join().unwrap_or_else(|panic| resume_unwind(panic)));
        match (result, fed) {
            (Err(AgentError::Remote(_)), Some(Err(error))) => Err(TaskError::Data(error).into()),
            (result, _) => result,
        }
    })
}

/// Sends the input as long as somebody reads it.
///
/// # Errors
/// When the input broke, and the agent was told so.
fn feed(input: &mut (dyn Read + Send), connection: &mut Connection) -> io::Result<()> {
    let mut buffer = vec![0; PAYLOAD_BYTES_MAX];
    loop {
        let (turn, bytes, broken) = match input.read(&mut buffer) {
            Ok(0) => (Turn::End, 0, None),
            Ok(bytes) => (Turn::Data, bytes, None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => (Turn::Broken(error.to_string()), 0, Some(error)),
        };
        // Who does not read any more says why to the listener.
        if connection.send(&turn, &buffer[..bytes]).is_err() || matches!(turn, Turn::End) {
            return Ok(());
        }
        if let Some(error) = broken {
            return Err(error);
        }
    }
}

/// The caller's side of what the agent says.
struct Listener<'a> {
    connection: Connection,
    output: Option<&'a mut (dyn Write + Send)>,
    line: &'a mut (dyn FnMut(Line) + Send),
    cancelled: &'a (dyn Fn() -> bool + Sync),
    /// Why and since when the agent was told to stop.
    stopping: Option<(TaskError, Instant)>,
    stop_wait: Duration,
}

impl Listener<'_> {
    fn listen(&mut self) -> Result<Answer, AgentError> {
        loop {
            match &self.stopping {
                None if (self.cancelled)() => self.stop(TaskError::Cancelled),
                Some((_, since)) if since.elapsed() >= self.stop_wait => {
                    tracing::warn!("the agent does not say that a task has stopped");
                    return Err(AgentError::GoesOn { seconds: self.stop_wait.as_secs() });
                }
                _ => {}
            }
            if self.connection.wait(TICK).map_err(AgentError::Broken)?
                && let Some(answer) = self.hear()?
            {
                return Ok(answer);
            }
        }
    }

    /// Takes one frame; the answer is the last.
    fn hear(&mut self) -> Result<Option<Answer>, AgentError> {
        let (said, payload) = reply(&mut self.connection).map_err(|error| self.why_or(error))?;
        match (said, &mut self.output) {
            (Reply::Line(line), _) => (self.line)(line),
            (Reply::Data, Some(_)) if self.stopping.is_some() => {}
            (Reply::Data, Some(output)) => {
                if let Err(error) = output.write_all(&payload) {
                    self.stop(TaskError::Data(error));
                }
            }
            (Reply::Performed(answer), output) => {
                if let (Some((TaskError::Data(_), _)), _) = (&self.stopping, &output) {
                    return Err(self.why_or(AgentError::Unexpected));
                }
                if let Some(output) = output {
                    output.flush().map_err(TaskError::Data)?;
                }
                // It was done before it could be stopped.
                return Ok(Some(*answer));
            }
            _ => return Err(AgentError::Unexpected),
        }
        Ok(None)
    }

    /// Tells the agent that no more is wanted.
    fn stop(&mut self, why: TaskError) {
        let _gone = self.connection.stream().shutdown(Shutdown::Write);
        self.stopping = Some((why, Instant::now()));
    }

    /// Why it was stopped; the error where it was not.
    fn why_or(&mut self, error: AgentError) -> AgentError {
        self.stopping.take().map_or(error, |(why, _)| why.into())
    }
}
