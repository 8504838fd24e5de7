//! The loop that moves a program's bytes and lines, and sees to its end.

use std::{
    io::{self, ErrorKind, Read, Write},
    os::{fd::AsFd, unix::process::ExitStatusExt as _},
    process::{ChildStderr, ChildStdin, ChildStdout},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{OFlags, fcntl_getfl, fcntl_setfl},
    pipe::fcntl_setpipe_size,
};

use super::{
    super::{Line, TaskError, TaskIo},
    Ended, Program,
    lines::Lines,
    running::Running,
};

/// How often it is looked whether to stop.
const TICK: Duration = Duration::from_millis(100);

/// How long what a program started may keep its pipes open after its end.
const LINGER: Duration = Duration::from_secs(5);

/// How long the kernel may take to end a killed program.
const KILL: Duration = Duration::from_secs(10);

/// The most bytes that are moved at once, and the size of the pipes for data.
const BUFFER_BYTES: usize = 256 << 10;

/// Why and since when a program is being stopped.
struct Stopping {
    why: TaskError,
    since: Instant,
    is_killed: bool,
}

/// What the next step has to look at.
#[derive(Default)]
struct Ready {
    stdin: bool,
    /// The program closed its standard input.
    refused: bool,
    stdout: bool,
    stderr: bool,
    child: bool,
}

/// A program with its pipes and its caller.
pub(super) struct Pump<'a> {
    program: Program,
    io: TaskIo<'a>,
    running: Running,
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    /// Input that the program has not taken yet, from `pending_at` on.
    pending: Vec<u8>,
    pending_at: usize,
    buffer: Vec<u8>,
    out: Lines,
    err: Lines,
    started: Instant,
    looked: Instant,
    /// When it was seen that the program has ended.
    ended: Option<Instant>,
    /// When data last came.
    moved: Instant,
    stopping: Option<Stopping>,
}

impl<'a> Pump<'a> {
    pub(super) fn new(
        program: Program,
        mut running: Running,
        io: TaskIo<'a>,
    ) -> Result<Self, TaskError> {
        let (stdin, stdout, stderr) =
            (running.child.stdin.take(), running.child.stdout.take(), running.child.stderr.take());
        let no_block = |fd: Option<&dyn AsFd>| {
            let Some(fd) = fd else { return Ok(()) };
            fcntl_setfl(fd.as_fd(), fcntl_getfl(fd.as_fd())? | OFlags::NONBLOCK)
        };
        no_block(stdin.as_ref().map(|fd| fd as &dyn AsFd))
            .and_then(|()| no_block(stdout.as_ref().map(|fd| fd as &dyn AsFd)))
            .and_then(|()| no_block(stderr.as_ref().map(|fd| fd as &dyn AsFd)))
            .map_err(|error| program.cannot_start(error.into()))?;
        // Larger pipes only make it faster: whoever may not have them goes on with small ones.
        if let (Some(fd), true) = (&stdout, io.output.is_some()) {
            let _small = fcntl_setpipe_size(fd, BUFFER_BYTES);
        }
        if let Some(fd) = &stdin {
            let _small = fcntl_setpipe_size(fd, BUFFER_BYTES);
        }
        let (now, out) = (Instant::now(), Lines::new(program.secrets.clone()));
        let err = Lines::new(program.secrets.clone());
        Ok(Self {
            program,
            io,
            running,
            stdin,
            stdout,
            stderr,
            pending: Vec::new(),
            pending_at: 0,
            buffer: vec![0; BUFFER_BYTES],
            out,
            err,
            started: now,
            looked: now,
            ended: None,
            moved: now,
            stopping: None,
        })
    }

    /// Moves everything until the program has ended.
    pub(super) fn run(mut self) -> Result<Ended, TaskError> {
        loop {
            let ready = self.wait()?;
            if ready.stdout {
                self.read_stdout();
            }
            // What is wrong is mostly said last.
            if ready.stderr {
                self.read_stderr();
            }
            if ready.refused {
                // Its exit code says whether that is well.
                self.stdin = None;
            }
            if ready.stdin {
                self.write_stdin();
            }
            let is_time = self.looked.elapsed() >= TICK;
            if is_time {
                self.looked = Instant::now();
                self.look();
            }
            if self.ended.is_none() && (ready.child || is_time) && self.running.has_ended() {
                self.ended = Some(Instant::now());
                if self.stopping.is_none() {
                    self.stdin = None;
                }
            }
            if self.is_over() {
                return self.finish();
            }
        }
    }

    /// Waits until there is something to do, or a tick is over.
    fn wait(&self) -> Result<Ready, TaskError> {
        let feeds = self.stdin.as_ref().filter(|_| self.stopping.is_none());
        let ending = self.running.ending.as_ref().filter(|_| self.ended.is_none());
        let entries = [
            feeds.map(|fd| PollFd::new(fd, PollFlags::OUT)),
            self.stdout.as_ref().map(|fd| PollFd::new(fd, PollFlags::IN)),
            self.stderr.as_ref().map(|fd| PollFd::new(fd, PollFlags::IN)),
            ending.map(|fd| PollFd::new(fd, PollFlags::IN)),
        ];
        let present = entries.each_ref().map(Option::is_some);
        let mut fds: Vec<_> = entries.into_iter().flatten().collect();
        let tick = Timespec { tv_sec: 0, tv_nsec: i64::from(TICK.subsec_nanos()) };
        match poll(&mut fds, Some(&tick)) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(Ready::default()),
            Err(error) => return Err(self.program.cannot_start(error.into())),
        }
        let refused = present[0] && fds[0].revents().contains(PollFlags::ERR);
        let mut events = fds.iter().map(|fd| !fd.revents().is_empty());
        let [stdin, stdout, stderr, child] =
            present.map(|is_there| is_there && events.next().unwrap_or_default());
        Ok(Ready { stdin, refused, stdout, stderr, child })
    }

    fn read_stderr(&mut self) {
        let Some(pipe) = &mut self.stderr else { return };
        let Some(bytes) = read_some(pipe, &mut self.buffer) else { return };
        let line = &mut *self.io.line;
        let mut tell = |text| line(Line { is_error: true, text });
        self.err.push(&self.buffer[..bytes], &mut tell);
        if bytes == 0 {
            self.stderr = None;
        }
    }

    fn read_stdout(&mut self) {
        let Some(pipe) = &mut self.stdout else { return };
        let Some(bytes) = read_some(pipe, &mut self.buffer) else { return };
        self.moved = Instant::now();
        if bytes == 0 {
            self.stdout = None;
        }
        let data = &self.buffer[..bytes];
        let Some(output) = &mut self.io.output else {
            let line = &mut *self.io.line;
            self.out.push(data, &mut |text| line(Line { is_error: false, text }));
            return;
        };
        if self.stopping.is_some() {
            return;
        }
        let written = if bytes == 0 { output.flush() } else { output.write_all(data) };
        if let Err(error) = written {
            self.stop(TaskError::Data(error));
        }
    }

    /// Passes input on as far as the program takes it now.
    fn write_stdin(&mut self) {
        let (Some(pipe), Some(input)) = (&mut self.stdin, &mut self.io.input) else { return };
        if self.pending_at == self.pending.len() {
            self.pending.resize(BUFFER_BYTES, 0);
            self.pending_at = 0;
            match input.read(&mut self.pending) {
                Ok(bytes) => self.pending.truncate(bytes),
                Err(error) if error.kind() == ErrorKind::Interrupted => {
                    return self.pending.clear();
                }
                Err(error) => return self.stop(TaskError::Data(error)),
            }
            if self.pending.is_empty() {
                self.stdin = None;
                return;
            }
        }
        match pipe.write(&self.pending[self.pending_at..]) {
            Ok(bytes) => self.pending_at += bytes,
            Err(error) if is_passing(&error) => {}
            Err(error) if error.kind() == ErrorKind::BrokenPipe => self.stdin = None,
            Err(error) => self.stop(TaskError::Data(error)),
        }
    }

    /// Whether the caller or the clock want it to stop, and whether it has to be killed.
    fn look(&mut self) {
        if let Some(stopping) = &mut self.stopping {
            if !stopping.is_killed && stopping.since.elapsed() >= self.program.grace {
                stopping.is_killed = true;
                self.running.kill();
            }
        } else if (self.io.cancelled)() {
            self.stop(TaskError::Cancelled);
        } else if self.started.elapsed() >= self.program.limit {
            let seconds = self.program.limit.as_secs();
            self.stop(TaskError::TimedOut { program: self.program.name.clone(), seconds });
        }
    }

    /// Asks it to end. Its input stays open: it must not take what came for all there is.
    fn stop(&mut self, why: TaskError) {
        if self.stopping.is_none() {
            self.stopping = Some(Stopping { why, since: Instant::now(), is_killed: false });
            self.running.terminate();
        }
    }

    /// Whether there is nothing more to wait for.
    fn is_over(&mut self) -> bool {
        let is_quiet = self.stdout.is_none() && self.stderr.is_none();
        if let Some(stopping) = &self.stopping {
            return (self.ended.is_some() && (is_quiet || stopping.is_killed))
                || stopping.since.elapsed() >= self.program.grace + KILL;
        }
        let Some(ended) = self.ended else { return false };
        if is_quiet {
            return true;
        }
        let gives_data = self.stdout.is_some() && self.io.output.is_some();
        let since = if gives_data { ended.max(self.moved) } else { ended };
        if since.elapsed() < LINGER {
            return false;
        }
        if gives_data {
            let why = "it has ended, but something that it started keeps its output open";
            self.stop(TaskError::Data(io::Error::other(why)));
            return false;
        }
        let text = "(something that it started goes on, and is no longer listened to)".to_owned();
        (self.io.line)(Line { is_error: true, text });
        true
    }

    fn finish(mut self) -> Result<Ended, TaskError> {
        let line = &mut *self.io.line;
        self.out.end(&mut |text| line(Line { is_error: false, text }));
        self.err.end(&mut |text| line(Line { is_error: true, text }));
        if let Some(stopping) = self.stopping {
            if self.ended.is_some() {
                drop(self.running);
            } else {
                tracing::warn!(program = self.program.name, "a killed program does not end");
                let (program, pid) = (self.program.name.clone(), self.running.child.id());
                self.running.abandon();
                return Err(TaskError::Stuck { program, pid });
            }
            return Err(stopping.why);
        }
        let status = self.running.reap().map_err(|error| self.program.cannot_start(error))?;
        let code = status.code().or_else(|| status.signal().map(|signal| -signal));
        let code = code.unwrap_or(i32::MIN);
        Ok(Ended { code, stdout: self.out.kept(), stderr: self.err.kept() })
    }
}

/// None when nothing is there yet. A pipe that cannot be read has ended.
fn read_some(pipe: &mut impl Read, buffer: &mut [u8]) -> Option<usize> {
    match pipe.read(buffer) {
        Ok(bytes) => Some(bytes),
        Err(error) if is_passing(&error) => None,
        Err(_) => Some(0),
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
