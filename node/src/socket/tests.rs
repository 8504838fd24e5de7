use std::{
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use protocol::control::{
    AskFrame, Asked, CONTROL_FRAME_BYTES_MAX, EndFrame, Event, Failure, FailureCode, Progress,
    REQUEST_BYTES_MAX, RawPath, Reply, Request, TellFrame, Ticket,
};
use tokio::{
    io::AsyncWriteExt,
    net::UnixStream,
    sync::{Notify, Semaphore},
};

use super::*;

/// Answers by fixed rules, and remembers what it saw.
#[derive(Default)]
struct Recorder {
    seen: Mutex<Vec<Request>>,
    answers: Mutex<Vec<Result<Reply, Failure>>>,
    began: Notify,
    ended: Notify,
    go: Option<Semaphore>,
}

impl Handler for Recorder {
    async fn handle(
        &self,
        _: Caller,
        request: Request,
        events: EventSink,
    ) -> Result<Reply, Failure> {
        self.seen.lock().unwrap().push(request.clone());
        self.began.notify_one();
        let result = match request {
            Request::StoreCheck { .. } | Request::StoreRebuild => {
                events.progress(Progress { what: "checking".into(), ..Progress::default() });
                tokio::select! {
                    () = events.cancel().wait() => {
                        Err(Failure::new(FailureCode::Cancelled, "cannot check", "cancelled"))
                    }
                    _ = self.go.as_ref().unwrap().acquire() => Ok(Reply::Done),
                }
            }
            Request::Workers => {
                for number in 0..3_000 {
                    events.line(format!("line {number}"));
                }
                events.warning("a", "changed while it was read");
                Ok(Reply::Done)
            }
            Request::StoreStats => panic!("a fault of the handler"),
            Request::MeshList => {
                let hint = "x".repeat(CONTROL_FRAME_BYTES_MAX);
                Err(Failure::new(FailureCode::Internal, "a", "b").hint(hint))
            }
            _ => Ok(Reply::Done),
        };
        self.answers.lock().unwrap().push(result.clone());
        self.ended.notify_one();
        result
    }

    async fn pass_on(
        &self,
        _: Caller,
        node: NodeRef,
        _: Request,
        events: EventSink,
    ) -> Result<Reply, Failure> {
        self.began.notify_one();
        events.line(format!("asking {node}"));
        if let Some(go) = &self.go {
            drop(go.acquire().await);
        }
        Err(Failure::new(FailureCode::Unreachable, format!("cannot ask {node}"), "it is asleep"))
    }
}

struct Daemon {
    folder: tempfile::TempDir,
    recorder: Arc<Recorder>,
    stop: CancelSwitch,
    served: tokio::task::JoinHandle<()>,
}

impl Daemon {
    async fn start(go: Option<Semaphore>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::bind(&folder.path().join(SOCKET_FILE)).await.unwrap();
        let recorder = Arc::new(Recorder { go, ..Recorder::default() });
        let (stop, stopped) = CancelSwitch::new();
        let served = tokio::spawn(server.serve(Arc::clone(&recorder), stopped));
        Self { folder, recorder, stop, served }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join(SOCKET_FILE)
    }

    async fn ask(&self, request: Request) -> (Result<Reply, Failure>, Vec<Event>) {
        let mut events = Vec::new();
        let socket = self.socket();
        let never = Cancel::never();
        let answer = ask(&socket, request, &never, |event| events.push(event)).await.unwrap();
        (answer, events)
    }

    async fn raw(&self, bytes: &[u8]) -> Failure {
        let mut stream = UnixStream::connect(self.socket()).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        end(&mut stream).await.unwrap_err()
    }
}

async fn end(stream: &mut UnixStream) -> Result<Reply, Failure> {
    loop {
        let frame =
            frames::read(stream, "answer", CONTROL_FRAME_BYTES_MAX, &Waits::FOREVER).await.unwrap();
        if let TellFrame::End(end) = frame {
            return end.into();
        }
    }
}

async fn send(stream: &mut UnixStream, request: Request) {
    let frame = AskFrame::Request(Box::new(request));
    frames::write(stream, &frame, REQUEST_BYTES_MAX).await.unwrap();
}

#[tokio::test]
async fn a_request_comes_through_as_it_is_and_is_answered() {
    let daemon = Daemon::start(None).await;
    let ticket: Ticket = "bm1-secret".parse().unwrap();
    let request = Request::MeshJoin { ticket };
    assert_eq!(daemon.ask(request.clone()).await, (Ok(Reply::Done), vec![]));
    assert_eq!(*daemon.recorder.seen.lock().unwrap(), [request]);
}

#[tokio::test]
async fn events_come_in_order_before_the_answer_and_the_loss_of_some_is_told() {
    let daemon = Daemon::start(None).await;
    let (answer, events) = daemon.ask(Request::Workers).await;
    assert_eq!(answer, Ok(Reply::Done));
    let lines = events.iter().filter(|e| matches!(e, Event::Line { .. })).count();
    let lost: usize = events
        .iter()
        .filter_map(|event| match event {
            Event::Warning { what, why } if what == "output" => why.split(' ').next(),
            _ => None,
        })
        .map(|count| count.parse::<usize>().unwrap())
        .sum();
    let warned = events.iter().any(|e| matches!(e, Event::Warning { what, .. } if what == "a"));
    assert_eq!(lines + lost + usize::from(warned), 3_001);
    assert_eq!(events[0], Event::Line { text: "line 0".into() });
}

#[tokio::test]
async fn a_cancel_reaches_the_work_and_its_answer_comes_back() {
    let daemon = Daemon::start(Some(Semaphore::new(0))).await;
    let (switch, cancel) = CancelSwitch::new();
    let socket = daemon.socket();
    let answer = ask(&socket, Request::StoreRebuild, &cancel, |event| {
        assert!(matches!(event, Event::Progress(_)));
        switch.cancel();
    });
    assert_eq!(answer.await.unwrap().unwrap_err().code, FailureCode::Cancelled);
}

#[tokio::test]
async fn what_is_asked_of_another_member_is_passed_on_and_left_alone_when_the_daemon_stops() {
    let tom: NodeRef = "tom".parse().unwrap();
    let asked = || Asked { of: Some(tom.clone()), request: Request::StoreRebuild };
    let daemon = Daemon::start(None).await;
    let (socket, never, mut told) = (daemon.socket(), Cancel::never(), Vec::new());
    let answer = ask(&socket, asked(), &never, |event| told.push(event)).await.unwrap();
    assert_eq!(answer.unwrap_err().why, "it is asleep");
    assert_eq!(told, [Event::Line { text: "asking tom".into() }]);
    assert!(daemon.recorder.seen.lock().unwrap().is_empty(), "it was done here");

    let daemon = Daemon::start(Some(Semaphore::new(0))).await;
    let mut stream = UnixStream::connect(daemon.socket()).await.unwrap();
    frames::write(&mut stream, &AskFrame::from(asked()), REQUEST_BYTES_MAX).await.unwrap();
    daemon.recorder.began.notified().await;
    daemon.stop.cancel();
    let failure = end(&mut stream).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::Cancelled);
    assert!(failure.why.contains("goes on"), "{failure}");
}

#[tokio::test]
async fn a_question_ends_when_its_caller_goes_away() {
    let daemon = Daemon::start(Some(Semaphore::new(0))).await;
    let mut stream = UnixStream::connect(daemon.socket()).await.unwrap();
    send(&mut stream, Request::StoreCheck { read_data: true }).await;
    daemon.recorder.began.notified().await;
    drop(stream);
    daemon.recorder.ended.notified().await;
}

#[tokio::test]
async fn a_change_goes_on_when_its_caller_goes_away() {
    let daemon = Daemon::start(Some(Semaphore::new(0))).await;
    let mut stream = UnixStream::connect(daemon.socket()).await.unwrap();
    send(&mut stream, Request::StoreRebuild).await;
    daemon.recorder.began.notified().await;
    drop(stream);
    // The next question is answered while the change is still at work.
    assert_eq!(daemon.ask(Request::Status).await.0, Ok(Reply::Done));
    daemon.recorder.ended.notified().await;
    daemon.recorder.go.as_ref().unwrap().add_permits(1);
    daemon.recorder.ended.notified().await;
    assert_eq!(*daemon.recorder.answers.lock().unwrap(), [Ok(Reply::Done), Ok(Reply::Done)]);
}

#[tokio::test]
async fn a_daemon_that_stops_cancels_what_is_at_work_and_removes_its_socket() {
    let daemon = Daemon::start(Some(Semaphore::new(0))).await;
    let mut stream = UnixStream::connect(daemon.socket()).await.unwrap();
    send(&mut stream, Request::StoreRebuild).await;
    daemon.recorder.began.notified().await;
    daemon.stop.cancel();
    assert_eq!(end(&mut stream).await.unwrap_err().code, FailureCode::Cancelled);
    let socket = daemon.socket();
    daemon.served.await.unwrap();
    assert!(!socket.exists());
}

#[tokio::test]
async fn garbage_and_oversized_frames_are_refused_and_the_daemon_goes_on() {
    let daemon = Daemon::start(None).await;
    for wrong in [&[0xff; 8][..], &[0, 0, 0, 2, 0xff, 0xff], &[0, 0, 0, 3, 0x62, b'h', b'i']] {
        let failure = daemon.raw(wrong).await;
        assert_eq!(failure.code, FailureCode::Invalid, "{wrong:?}");
        assert!(failure.hint.unwrap().contains("same version"));
    }
    assert!(daemon.raw(&[0xff; 8]).await.why.contains("at most 2097152 are allowed"));
    drop(UnixStream::connect(daemon.socket()).await.unwrap());
    let mut stream = UnixStream::connect(daemon.socket()).await.unwrap();
    stream.write_all(&[0, 0]).await.unwrap();
    drop(stream);
    assert_eq!(daemon.ask(Request::Status).await.0, Ok(Reply::Done));
    assert_eq!(daemon.recorder.seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_request_out_of_bounds_never_reaches_the_handler() {
    let daemon = Daemon::start(None).await;
    let export = protocol::control::ArchiveExport {
        archive: protocol::control::ArchiveRef { name: "a".parse().unwrap(), node_of: None },
        to: RawPath(b"relative".to_vec()),
        overwrite: false,
    };
    let failure = daemon.ask(Request::ArchiveExport(export)).await.0.unwrap_err();
    assert_eq!(failure.code, FailureCode::Invalid);
    assert_eq!(failure.why, "the file to write relative is not an absolute path");
    assert!(daemon.recorder.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_fault_in_the_handler_and_an_answer_that_is_too_large_are_failures() {
    let daemon = Daemon::start(None).await;
    let failure = daemon.ask(Request::StoreStats).await.0.unwrap_err();
    assert_eq!(failure.why, "the work ended unexpectedly");
    let failure = daemon.ask(Request::MeshList).await.0.unwrap_err();
    assert_eq!(failure.code, FailureCode::Internal);
    assert!(failure.hint.unwrap().contains("less"));
}

#[tokio::test]
async fn more_callers_than_there_is_room_for_are_told_to_come_back() {
    let daemon = Daemon::start(Some(Semaphore::new(0))).await;
    let mut streams = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        let mut stream = UnixStream::connect(daemon.socket()).await.unwrap();
        send(&mut stream, Request::StoreRebuild).await;
        daemon.recorder.began.notified().await;
        streams.push(stream);
    }
    assert_eq!(daemon.ask(Request::Status).await.0.unwrap_err().code, FailureCode::Busy);
    daemon.recorder.go.as_ref().unwrap().add_permits(CONNECTIONS_MAX);
    for stream in &mut streams {
        assert_eq!(end(stream).await, Ok(Reply::Done));
    }
}

#[tokio::test]
async fn a_second_daemon_is_refused_and_a_dead_ones_socket_is_replaced() {
    let daemon = Daemon::start(None).await;
    let second = Server::bind(&daemon.socket()).await;
    assert!(matches!(second, Err(ServerError::Running { .. })));
    assert_eq!(daemon.ask(Request::Status).await.0, Ok(Reply::Done));

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(SOCKET_FILE);
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let server = Server::bind(&path).await.unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    drop(server);
    std::fs::write(&path, "precious").unwrap();
    assert!(matches!(Server::bind(&path).await, Err(ServerError::InTheWay { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
}

#[tokio::test]
async fn a_path_longer_than_the_kernel_takes_works_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("d".repeat(120));
    std::fs::create_dir(&deep).unwrap();
    let path = deep.join(SOCKET_FILE);
    let server = Server::bind(&path).await.unwrap();
    let (stop, stopped) = CancelSwitch::new();
    let served = tokio::spawn(server.serve(Arc::new(Recorder::default()), stopped));
    let answer = ask(&path, Request::Status, &Cancel::never(), |_| ()).await.unwrap();
    assert_eq!(answer, Ok(Reply::Done));
    stop.cancel();
    served.await.unwrap();
    let name = deep.join("s".repeat(120));
    assert!(matches!(
        Server::bind(&name).await,
        Err(ServerError::Address(AddressError::Name { .. }))
    ));
}

#[tokio::test]
async fn nobody_there_and_gone_half_way_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(SOCKET_FILE);
    let nobody = ask(&path, Request::Status, &Cancel::never(), |_| ()).await;
    assert!(matches!(nobody, Err(ClientError::Unreachable { .. })));
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let gone = async { drop(listener.accept().await.unwrap()) };
    let never = Cancel::never();
    let (asked, ()) = tokio::join!(ask(&path, Request::Status, &never, |_| ()), gone);
    assert!(matches!(asked, Err(ClientError::Lost { .. })));
}

/// Connects as a user who is neither root nor the daemon's, sends nothing, prints what comes back.
const STRANGER: &str = "import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
sys.stdout.buffer.write(s.makefile('rb').read())";

fn as_stranger(socket: &Path) -> std::process::Output {
    std::process::Command::new("/usr/bin/python3")
        .args(["-c", STRANGER])
        .arg(socket)
        .uid(65_534)
        .gid(65_534)
        .output()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_is_refused_even_when_the_file_lets_it_in() {
    if !rustix::process::geteuid().is_root() || !Path::new("/usr/bin/python3").exists() {
        eprintln!("not run: another user's process needs root and python3");
        return;
    }
    let daemon = Daemon::start(None).await;
    let open = |path: &Path| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
    };
    open(daemon.folder.path());
    let shut_out = as_stranger(&daemon.socket());
    assert!(String::from_utf8_lossy(&shut_out.stderr).contains("PermissionError"));

    open(&daemon.socket());
    let refused = as_stranger(&daemon.socket());
    let frame = protocol::cbor::decode("answer", &refused.stdout[4..], CONTROL_FRAME_BYTES_MAX);
    let TellFrame::End(EndFrame::Failure(failure)) = frame.unwrap() else { panic!("no failure") };
    assert_eq!(failure.code, FailureCode::Refused);
    assert_eq!(failure.why, "user 65534 may not talk to this daemon");
    assert!(daemon.recorder.seen.lock().unwrap().is_empty());
}
