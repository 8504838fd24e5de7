//! A daemon that remembers what it was asked and answers what the test says.

use std::{
    collections::VecDeque,
    path::PathBuf,
    process::{Command, Output, Stdio},
    sync::{Arc, Mutex, mpsc},
};

use node::socket::{Caller, CancelSwitch, EventSink, Handler, SOCKET_FILE, Server};
use protocol::control::{Event, Failure, FailureCode, NodeRef, Reply, Request};

type Answer = (Vec<Event>, Result<Reply, Failure>);

/// The handler. Without an answer in the script it says `Done`; `StoreRebuild` waits for a cancel.
struct Script {
    seen: Mutex<Vec<Request>>,
    passed_on: Mutex<Vec<NodeRef>>,
    answers: Mutex<VecDeque<Answer>>,
    began: mpsc::Sender<()>,
}

impl Handler for Script {
    async fn handle(&self, _: Caller, request: Request, sink: EventSink) -> Result<Reply, Failure> {
        self.seen.lock().unwrap().push(request.clone());
        if request == Request::StoreRebuild {
            self.began.send(()).unwrap();
            sink.cancel().wait().await;
            return Err(Failure::new(FailureCode::Cancelled, "cannot rebuild", "cancelled"));
        }
        let answer = self.answers.lock().unwrap().pop_front();
        let (events, result) = answer.unwrap_or((Vec::new(), Ok(Reply::Done)));
        for event in events {
            match event {
                Event::Progress(progress) => sink.progress(progress),
                Event::Line { text } => sink.line(text),
                Event::Warning { what, why } => sink.warning(what, why),
            }
        }
        result
    }

    async fn pass_on(
        &self,
        caller: Caller,
        node: NodeRef,
        request: Request,
        sink: EventSink,
    ) -> Result<Reply, Failure> {
        self.passed_on.lock().unwrap().push(node);
        self.handle(caller, request, sink).await
    }
}

pub(crate) struct Daemon {
    pub(crate) folder: tempfile::TempDir,
    script: Arc<Script>,
    pub(crate) began: mpsc::Receiver<()>,
    _stop: CancelSwitch,
    _runtime: tokio::runtime::Runtime,
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// The program, in an environment without surprises.
pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_backupmanager"));
    command.args(arguments).env("TZ", "UTC").stdin(Stdio::null());
    for variable in ["BACKUPMANAGER_DATA", "BACKUPMANAGER_SOCKET", "BACKUPMANAGER_LOG"] {
        command.env_remove(variable);
    }
    command
}

impl Daemon {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let server = runtime.block_on(Server::bind(&folder.path().join(SOCKET_FILE))).unwrap();
        let (sender, began) = mpsc::channel();
        let script = Arc::new(Script {
            seen: Mutex::default(),
            passed_on: Mutex::default(),
            answers: Mutex::default(),
            began: sender,
        });
        let (stop, stopped) = CancelSwitch::new();
        runtime.spawn(server.serve(Arc::clone(&script), stopped));
        Self { folder, script, began, _stop: stop, _runtime: runtime }
    }

    /// A daemon whose next answer is this.
    pub(crate) fn answering(result: Result<Reply, Failure>) -> Self {
        let daemon = Self::start();
        daemon.then(Vec::new(), result);
        daemon
    }

    pub(crate) fn then(&self, events: Vec<Event>, result: Result<Reply, Failure>) {
        self.script.answers.lock().unwrap().push_back((events, result));
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = program(&line.split(' ').collect::<Vec<_>>());
        command.arg("--data").arg(self.data()).current_dir(self.data());
        command
    }

    pub(crate) fn run(&self, line: &str) -> Ended {
        self.command(line).output().unwrap().into()
    }

    /// To whom something was passed on so far, forgotten afterwards.
    pub(crate) fn passed_on(&self) -> Vec<String> {
        let nodes = std::mem::take(&mut *self.script.passed_on.lock().unwrap());
        nodes.into_iter().map(String::from).collect()
    }

    /// All that was asked so far, forgotten afterwards.
    pub(crate) fn seen(&self) -> Vec<Request> {
        std::mem::take(&mut *self.script.seen.lock().unwrap())
    }
}
