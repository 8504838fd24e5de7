//! Tasks: lines, bytes, failures and hang-ups over the socket.

use std::sync::atomic::{AtomicBool, Ordering};

use protocol::job::Command;

use super::*;
use crate::tasks::{Line, TaskError, process::Program};

/// What does every task with a function.
struct Double(fn(&str, TaskIo<'_>) -> Result<Answer, TaskError>);

impl Agent for Double {
    fn measure(&self, _: &SourceSpec) -> Result<Totals, AgentError> {
        Err(AgentError::Unexpected)
    }

    fn read(&self, _: &SourceSpec, _: &mut dyn SourceSink) -> Result<SourceReport, AgentError> {
        Err(AgentError::Unexpected)
    }

    fn restore(&self, _: &RestoreSpec, _: &mut dyn Read) -> Result<RestoreReport, AgentError> {
        Err(AgentError::Unexpected)
    }

    fn perform(&self, task: &Task, io: TaskIo<'_>) -> Result<Answer, AgentError> {
        let Task::Command(command) = task else { return Err(AgentError::Unexpected) };
        Ok((self.0)(&command.run, io)?)
    }

    fn list_archives(&self) -> Result<Vec<ArchiveFile>, AgentError> {
        Err(AgentError::Unexpected)
    }

    fn create_archive(&self, _: &ArchiveFileName) -> Result<File, AgentError> {
        Err(AgentError::Unexpected)
    }

    fn publish_archive(&self, _: &ArchiveFileName) -> Result<(), AgentError> {
        Err(AgentError::Unexpected)
    }

    fn discard_archive(&self, _: &ArchiveFileName) -> Result<(), AgentError> {
        Err(AgentError::Unexpected)
    }

    fn open_archive(&self, _: &ArchiveFileName) -> Result<File, AgentError> {
        Err(AgentError::Unexpected)
    }

    fn extend_archive(&self, _: &ArchiveFileName, _: u64, _: &[u8]) -> Result<(), AgentError> {
        Err(AgentError::Unexpected)
    }

    fn remove_archive(&self, _: &ArchiveFileName) -> Result<(), AgentError> {
        Err(AgentError::Unexpected)
    }
}

/// An agent that gives a program its caller's input and output.
fn piped() -> Served {
    let run = |script: &str, io: TaskIo<'_>| {
        let program = Program::new("sh").args(["-c", script]);
        let program = program.grace(std::time::Duration::from_millis(200));
        program.run(io)?.success("sh").map(|_| Answer::Done)
    };
    Served::with(tempfile::tempdir().expect("a folder"), Arc::new(Double(run)))
}

fn task(run: &str) -> Task {
    Task::Command(Command::new(run))
}

fn lines_of(agent: &dyn Agent, run: &str) -> (Result<Answer, AgentError>, Vec<Line>) {
    let mut lines = Vec::new();
    let mut line = |said| lines.push(said);
    let io = TaskIo { input: None, output: None, line: &mut line, cancelled: &|| false };
    (agent.perform(&task(run), io), lines)
}

fn pass(
    agent: &dyn Agent,
    run: &str,
    input: Option<&mut (dyn Read + Send)>,
    output: Option<&mut (dyn Write + Send)>,
) -> Result<Answer, AgentError> {
    let mut line = |_| {};
    let (input, output) = (input.map(|input| input as _), output.map(|output| output as _));
    agent.perform(&task(run), TaskIo { input, output, line: &mut line, cancelled: &|| false })
}

/// Whether a process that was killed, but has another parent, ends.
fn ends(pid: &str) -> bool {
    let begun = std::time::Instant::now();
    let is_over = || match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat.contains(") Z ") || stat.contains(") X "),
        Err(_) => true,
    };
    while !is_over() {
        if begun.elapsed() > std::time::Duration::from_secs(60) {
            return false;
        }
        std::thread::yield_now();
    }
    true
}

#[test]
fn a_command_says_the_same_lines_and_fails_the_same_over_the_socket() {
    let served = Served::new();
    let [first, second] = served.both().map(|agent| {
        let run = "for i in 1 2 3; do echo $i; done; echo no >&2";
        let (answer, mut lines) = lines_of(agent, run);
        // Two channels: only within each is there an order.
        lines.sort_by_key(|line| line.is_error);
        (answer.expect("done"), lines)
    });
    assert_eq!(first.0, Answer::Done);
    assert_eq!((first.1.len(), &first), (4, &second));
    let [first, second] = served.both().map(|agent| {
        let (answer, lines) = lines_of(agent, "echo why >&2; exit 3");
        (Failure::new(&answer.expect_err("it fails")), lines)
    });
    assert!(first.0.message.contains("(exit code 3): why"), "{first:?}");
    assert_eq!(first, second);
}

#[test]
fn every_kind_of_failure_is_told_over_the_socket() {
    let fail = |which: &str, _: TaskIo<'_>| {
        let (what, program) = (which.to_owned(), "x".to_owned());
        let io = |kind: io::ErrorKind| io::Error::from(kind);
        Err(match which {
            "missing" => TaskError::Missing { program },
            "denied" => TaskError::Start { program, source: io(io::ErrorKind::PermissionDenied) },
            "failed" => TaskError::Failed { program, status: "signal 9".into(), said: what },
            "late" => TaskError::TimedOut { program, seconds: 3 },
            "cancelled" => TaskError::Cancelled,
            "stuck" => TaskError::Stuck { program, pid: 7 },
            "full" => TaskError::Data(io(io::ErrorKind::StorageFull)),
            "not found" => TaskError::NotFound { what },
            "exists" => TaskError::Conflict { what },
            "busy" => TaskError::Busy { what },
            "invalid" => TaskError::Invalid { what },
            "nonsense" => TaskError::Nonsense { program, why: what },
            _ => TaskError::Io { what, source: io(io::ErrorKind::NotFound) },
        })
    };
    let served = Served::with(tempfile::tempdir().expect("a folder"), Arc::new(Double(fail)));
    for (which, kind) in [
        ("missing", FailureKind::Missing),
        ("denied", FailureKind::Denied),
        ("failed", FailureKind::Other),
        ("late", FailureKind::Other),
        ("cancelled", FailureKind::Cancelled),
        ("stuck", FailureKind::Other),
        ("full", FailureKind::DiskFull),
        ("not found", FailureKind::NotFound),
        ("exists", FailureKind::Exists),
        ("busy", FailureKind::Busy),
        ("invalid", FailureKind::Invalid),
        ("nonsense", FailureKind::Other),
        ("gone", FailureKind::NotFound),
    ] {
        let [first, second] = served.both().map(|agent| {
            let error = lines_of(agent, which).0.expect_err("it fails");
            Failure::new(&error)
        });
        assert_eq!((first.kind, &first), (kind, &second), "{which}");
    }
}

#[test]
fn a_caller_that_wants_no_more_stops_a_silent_program_and_waits_for_its_end() {
    let served = Served::new();
    for agent in served.both() {
        let (cancelled, mut pid) = (AtomicBool::new(false), String::new());
        let mut line = |said: Line| {
            pid = said.text;
            cancelled.store(true, Ordering::Relaxed);
        };
        let is_cancelled = || cancelled.load(Ordering::Relaxed);
        let io = TaskIo { input: None, output: None, line: &mut line, cancelled: &is_cancelled };
        let error = agent.perform(&task("echo $$; exec sleep 1000"), io).expect_err("stopped");
        assert!(matches!(error, AgentError::Task(TaskError::Cancelled)), "{error:?}");
        assert!(!Path::new("/proc").join(&pid).exists(), "{pid} has ended and was reaped");
    }
}

#[test]
fn a_caller_that_waits_no_longer_is_told_that_the_work_goes_on() {
    let served = Served::new();
    let stream = UnixStream::connect(served.path("agent.sock")).expect("connected");
    let mut connection = connection::Connection::new(stream);
    // It has seconds to end by itself, and does not take them for a wish to end.
    let task = task("trap '' TERM; echo $$; while :; do sleep 1; done");
    let request = wire::Request::Perform { task, input: false, output: false };
    let opening = wire::Opening { version: wire::VERSION, request };
    connection.send(&opening, &[]).expect("sent");
    let (cancelled, mut pid) = (AtomicBool::new(false), String::new());
    let mut line = |said: Line| {
        pid = said.text;
        cancelled.store(true, Ordering::Relaxed);
    };
    let is_cancelled = || cancelled.load(Ordering::Relaxed);
    let io = TaskIo { input: None, output: None, line: &mut line, cancelled: &is_cancelled };
    let error = crate::agent::perform::follow(connection, io, std::time::Duration::ZERO);
    let error = error.expect_err("it goes on");
    assert!(matches!(error, AgentError::GoesOn { seconds: 0 }), "{error:?}");
    assert_eq!(error.kind(), FailureKind::Other, "nobody may take it for stopped");
    assert!(error.to_string().contains("may go on"), "{error}");
    assert!(ends(&pid), "the agent kills it all the same");
}

#[test]
fn a_caller_that_dies_stops_a_silent_program() {
    let served = Served::new();
    let stream = UnixStream::connect(served.path("agent.sock")).expect("connected");
    let mut connection = connection::Connection::new(stream);
    let task = task("echo $$; exec sleep 1000");
    let request = wire::Request::Perform { task, input: false, output: false };
    let opening = wire::Opening { version: wire::VERSION, request };
    connection.send(&opening, &[]).expect("sent");
    let (reply, _): (wire::Reply, _) = connection.receive(1 << 20).expect("a line");
    let wire::Reply::Line(line) = reply else { panic!("{reply:?}") };
    drop(connection);
    assert!(ends(&line.text));
}

#[test]
fn much_data_goes_in_and_out() {
    let served = piped();
    let data: Vec<u8> = (0..10_u32 << 18).flat_map(u32::to_le_bytes).collect();
    let file = served.path("file");
    for agent in served.both() {
        let into = format!("cat > {}", file.display());
        pass(agent, &into, Some(&mut data.as_slice()), None).expect("taken");
        assert!(fs::read(&file).expect("there") == data);
        let mut out = Vec::new();
        let from = format!("cat {}", file.display());
        pass(agent, &from, None, Some(&mut out)).expect("given");
        assert!(out == data, "{} of {} bytes", out.len(), data.len());
    }
}

#[test]
fn a_program_that_talks_about_all_it_reads_does_not_stand_still() {
    let served = piped();
    let text = "a line of a dump that is loaded\n".repeat(100_000);
    let mut told = 0_usize;
    let mut line = |_| told += 1;
    let input = &mut text.as_bytes();
    let io = TaskIo { input: Some(input), output: None, line: &mut line, cancelled: &|| false };
    served.remote.perform(&task("cat >&2"), io).expect("loaded");
    assert_eq!(told, 100_000);
}

#[test]
fn a_program_that_ends_before_its_input_does_gives_its_answer() {
    let served = piped();
    for agent in served.both() {
        let endless = &mut io::repeat(b'y');
        assert_eq!(pass(agent, "head -c 3", Some(endless), None).expect("done"), Answer::Done);
        let error = pass(agent, "echo denied >&2; exit 1", Some(endless), None);
        let error = error.expect_err("it fails");
        assert!(error.to_string().contains("denied"), "{error}");
    }
}

#[test]
fn input_that_breaks_off_is_never_loaded_as_if_it_were_whole() {
    let served = piped();
    let committed = served.path("committed");
    let script = format!("trap '' TERM; cat >/dev/null; touch {}", committed.display());
    for agent in served.both() {
        let mut input = Breaking(io::Cursor::new(vec![b'\n'; 3 << 20]));
        let error = pass(agent, &script, Some(&mut input), None).expect_err("it broke");
        assert!(matches!(error, AgentError::Task(TaskError::Data(_))), "{error:?}");
        assert!(Failure::new(&error).message.contains("bob"), "{error:?}");
        assert!(!committed.exists());
    }
}

/// Has no room.
struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn output_that_the_caller_cannot_take_stops_the_program_also_one_that_has_ended() {
    let served = piped();
    for (agent, script) in served.both().into_iter().flat_map(|a| [(a, "yes"), (a, "echo done")]) {
        let error = pass(agent, script, None, Some(&mut Full)).expect_err("no room");
        assert!(matches!(error, AgentError::Task(TaskError::Data(_))), "{error:?}");
        assert_eq!(error.kind(), FailureKind::DiskFull);
    }
}
