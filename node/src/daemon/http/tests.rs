use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use protocol::control::{
    ArchiveExport, ArchiveRef, ArchiveRemove, GrantChange, JobRun, KeyCreate, MeshExpel,
    MeshInvite, NodeRef, NoticeList, OrderIssue, Page, Prune, RawPath, Right, Role,
};
use tokio::sync::Notify;
use web::Backend as _;

use super::*;
use crate::{
    daemon::live::tests::node,
    socket::{CancelSwitch, EventSink},
};

/// `Workers` tells and answers; `StoreCheck` and `StoreGc` work until they are let go or stopped.
#[derive(Default)]
struct Script {
    began: Notify,
    go: Notify,
    ended: Notify,
    ends: Mutex<Vec<&'static str>>,
    callers: Mutex<Vec<Caller>>,
}

impl Handler for Script {
    async fn handle(
        &self,
        caller: Caller,
        request: Request,
        events: EventSink,
    ) -> Result<Reply, Failure> {
        self.callers.lock().unwrap().push(caller);
        match request {
            Request::StoreCheck { .. } | Request::StoreGc { .. } => {
                self.began.notify_one();
                let end = tokio::select! {
                    () = events.cancel().wait() => "stopped",
                    () = self.go.notified() => "done",
                };
                self.ends.lock().unwrap().push(end);
                self.ended.notify_one();
            }
            Request::StoreStats => panic!("a fault of the handler"),
            _ => {
                for number in 0..500 {
                    events.line(format!("line {number}"));
                }
                events.warning("a", "changed while it was read");
            }
        }
        Ok(Reply::Done)
    }

    async fn pass_on(
        &self,
        caller: Caller,
        node: NodeRef,
        request: Request,
        events: EventSink,
    ) -> Result<Reply, Failure> {
        events.line(format!("asking {node}"));
        self.handle(caller, request, events).await
    }
}

struct World {
    _dir: tempfile::TempDir,
    script: Arc<Script>,
    behind: Behind<Script>,
    stop: CancelSwitch,
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let node = node(&dir, "jerry").await;
        let (script, (stop, stopped)) = (Arc::<Script>::default(), CancelSwitch::new());
        let behind = Behind::new(Arc::clone(&script), node, stopped);
        Self { _dir: dir, script, behind, stop }
    }

    fn ask(&self, request: Request) -> Later<Result<Reply, Failure>> {
        self.behind.ask(access(false), request, None)
    }

    fn ends(&self) -> Vec<&'static str> {
        self.script.ends.lock().unwrap().clone()
    }
}

fn access(read_only: bool) -> Access {
    Access { key: "01234567".into(), read_only }
}

const CHECK: Request = Request::StoreCheck { read_data: true };
const GC: Request = Request::StoreGc { dry_run: false };

#[tokio::test]
async fn every_event_is_told_in_order_before_the_answer() {
    let world = World::new().await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell: Tell = Arc::new({
        let told = Arc::clone(&told);
        move |event| told.lock().unwrap().push(event)
    });
    let answer = world.behind.ask(access(true), Request::Workers, Some(tell)).await;
    assert_eq!(answer, Ok(Reply::Done));
    let told = std::mem::take(&mut *told.lock().unwrap());
    assert_eq!(told.len(), 501);
    for (number, event) in told.iter().take(500).enumerate() {
        assert_eq!(*event, Event::Line { text: format!("line {number}") });
    }
    assert_eq!(world.ask(Request::Workers).await, Ok(Reply::Done), "nobody has to listen");
    let caller = HttpCaller { key: "01234567".into(), read_only: true };
    assert_eq!(world.script.callers.lock().unwrap()[0], Caller::Http(caller));
}

#[tokio::test]
async fn a_client_that_hangs_up_ends_a_question_and_no_change() {
    let world = World::new().await;
    for (request, end) in [(CHECK, "stopped"), (GC, "done")] {
        let mut asked = world.ask(request);
        tokio::select! {
            _ = &mut asked => panic!("it waits to be let go"),
            () = world.script.began.notified() => {}
        }
        drop(asked);
        if end == "done" {
            world.script.go.notify_one();
        }
        world.script.ended.notified().await;
        assert_eq!(world.ends().last(), Some(&end));
    }
}

#[tokio::test]
async fn work_whose_client_has_gone_keeps_its_place_until_it_ends() {
    let world = World::new().await;
    let mut asked = Vec::new();
    for _ in 0..HTTP_REQUESTS_MAX {
        let mut one = world.ask(GC);
        tokio::select! {
            _ = &mut one => panic!("it waits to be let go"),
            () = world.script.began.notified() => asked.push(one),
        }
    }
    asked.clear();
    let refused = world.ask(Request::Workers).await.unwrap_err();
    assert_eq!((refused.code, refused.hint.is_some()), (FailureCode::Busy, true), "{refused}");
    world.script.go.notify_one();
    world.script.ended.notified().await;
    // The place is given back at the end of the task, which may be a moment later.
    while world.behind.room.available_permits() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.ask(Request::Workers).await, Ok(Reply::Done));
    world.stop.cancel();
    world.behind.ended().await;
    assert_eq!(world.ends().len(), HTTP_REQUESTS_MAX as usize);
}

#[tokio::test]
async fn when_the_daemon_stops_what_is_at_work_is_asked_to_stop() {
    let world = World::new().await;
    let asked = tokio::spawn(world.ask(GC));
    world.script.began.notified().await;
    world.stop.cancel();
    assert_eq!(asked.await.unwrap(), Ok(Reply::Done));
    assert_eq!(world.ends(), ["stopped"]);
}

#[tokio::test]
async fn a_request_that_breaks_a_bound_or_a_handler_that_panics_is_a_failure() {
    let world = World::new().await;
    let refused = world.ask(Request::JobList(Page { from: 0, limit: 0 })).await.unwrap_err();
    assert_eq!(refused.code, FailureCode::Invalid, "{refused}");
    assert!(world.script.callers.lock().unwrap().is_empty(), "it came to the handler");
    let broken = world.ask(Request::StoreStats).await.unwrap_err();
    assert_eq!(broken.code, FailureCode::Internal, "{broken}");
    assert_eq!(world.behind.room.available_permits(), HTTP_REQUESTS_MAX as usize);
}

#[tokio::test]
async fn a_key_is_checked_and_the_epoch_is_that_of_the_keys() {
    let world = World::new().await;
    let node = Arc::clone(&world.behind.node);
    let before = world.behind.keys_epoch();
    let create = KeyCreate { name: "watch".parse().unwrap(), read_only: true, metrics_only: false };
    let created = crate::daemon::keys::create(node, create).await.unwrap();
    assert_ne!(world.behind.keys_epoch(), before);
    let access = world.behind.key(created.key.clone()).await;
    assert_eq!(access, Some(Access { key: created.report.id.into(), read_only: true }));
    let watch = world.behind.metrics_key(created.key.clone()).await;
    assert!(watch.is_some(), "any key reads the metrics");
    let create = KeyCreate { name: "prom".parse().unwrap(), read_only: true, metrics_only: true };
    let node = Arc::clone(&world.behind.node);
    let metrics = crate::daemon::keys::create(node, create).await.unwrap().key;
    assert_eq!(world.behind.key(metrics.clone()).await, None, "it opens nothing else");
    assert!(world.behind.metrics_key(metrics).await.is_some_and(|access| access.read_only));
    let other: ApiKey = "0".repeat(64).parse().unwrap();
    assert_eq!(world.behind.key(other).await, None);
}

#[tokio::test]
async fn a_key_that_may_only_look_sends_no_part() {
    let world = World::new().await;
    let polled = Arc::new(AtomicUsize::new(0));
    let body: PartBody = Box::pin(futures::stream::poll_fn({
        let polled = Arc::clone(&polled);
        move |_| {
            polled.fetch_add(1, Ordering::Relaxed);
            std::task::Poll::Ready(None)
        }
    }));
    let sent = world.behind.put_part(access(true), "x".into(), 0, None, body).await;
    assert_eq!(sent.unwrap_err().code, FailureCode::Refused);
    assert_eq!(polled.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_part_has_a_place_among_requests_and_ends_with_the_daemon() {
    let world = World::new().await;
    let start = protocol::control::UploadStart {
        filename: "a.tar".to_owned(),
        total_bytes: 10,
        part_bytes: 10,
        sha256: "0".repeat(64),
    };
    let begun = uploads::start(Arc::clone(&world.behind.node), start).await.unwrap();
    let waits = Arc::new(Notify::new());
    let mut first = Some(Ok(bytes::Bytes::from_static(b"abc")));
    let body: PartBody = Box::pin(futures::stream::poll_fn({
        let waits = Arc::clone(&waits);
        move |_| match first.take() {
            Some(bytes) => std::task::Poll::Ready(Some(bytes)),
            None => {
                waits.notify_one();
                std::task::Poll::Pending
            }
        }
    }));
    let part = tokio::spawn(world.behind.put_part(access(false), begun.id, 0, None, body));
    waits.notified().await;
    let free = || world.behind.room.available_permits();
    assert_eq!(free(), HTTP_REQUESTS_MAX as usize - 1);
    world.stop.cancel();
    let ended = part.await.unwrap().unwrap_err();
    assert_eq!((ended.code, ended.hint.is_some()), (FailureCode::Cancelled, true), "{ended}");
    world.behind.ended().await;
    assert_eq!(free(), HTTP_REQUESTS_MAX as usize);
}

#[tokio::test]
async fn downloads_are_bounded_apart_and_one_that_was_not_found_takes_no_place() {
    let world = World::new().await;
    let download = || Download { archive: archive(), part: web::DownloadPart::Tar };
    for _ in 0..2 * DOWNLOADS_MAX {
        let none = world.behind.read(access(true), download()).await.unwrap_err();
        assert_eq!(none.code, FailureCode::NotFound, "{none}");
    }
    assert_eq!(world.behind.room.available_permits(), HTTP_REQUESTS_MAX as usize);
    let all = u32::try_from(DOWNLOADS_MAX).unwrap();
    let _others = world.behind.downloads.acquire_many(all).await.unwrap();
    let refused = world.behind.read(access(true), download()).await.unwrap_err();
    assert_eq!((refused.code, refused.hint.is_some()), (FailureCode::Busy, true), "{refused}");
    assert_eq!(world.ask(Request::Workers).await, Ok(Reply::Done), "others have their place");
}

#[test]
fn the_log_has_the_word_of_a_request_and_nothing_of_what_it_says() {
    let mut spec = protocol::job::JobSpec::new(
        "secretname".parse().unwrap(),
        protocol::job::JobConfig::CustomDir(protocol::job::CustomDir::new("/verysecret")),
    );
    spec.before = vec![protocol::job::Command::new("secret")];
    assert_eq!(word_of(&Request::JobAdd(spec)), "JobAdd");
    assert_eq!(word_of(&Request::RunCancel { run: 7 }), "RunCancel");
    assert_eq!(word_of(&Request::StoreRebuild), "StoreRebuild");
}

fn http(read_only: bool) -> Caller {
    Caller::Http(HttpCaller { key: "01234567".into(), read_only })
}

fn archive() -> ArchiveRef {
    ArchiveRef { name: "a".parse().unwrap(), node_of: None }
}

fn tom() -> NodeRef {
    NodeRef::Name("tom".parse().unwrap())
}

fn local_only() -> Vec<Request> {
    let (name, key) = ("a".parse().unwrap(), "a".parse().unwrap());
    let export = ArchiveExport { archive: archive(), to: RawPath(b"/x".to_vec()), overwrite: true };
    vec![
        Request::KeyCreate(KeyCreate { name, read_only: true, metrics_only: false }),
        Request::KeyList,
        Request::KeyRevoke { key },
        Request::MeshJoin { ticket: "bm1-x".parse().unwrap() },
        Request::StoreRebuild,
        Request::ArchiveExport(export),
    ]
}

#[test]
fn what_is_for_the_server_itself_is_refused_to_every_key_with_a_hint() {
    let local = Caller::Local { uid: 0, pid: None };
    for request in local_only() {
        assert_eq!(may(&local, &request), Ok(()), "{request:?}");
        for read_only in [false, true] {
            let refused = may(&http(read_only), &request).unwrap_err();
            assert_eq!(refused.code, FailureCode::Refused, "{request:?}");
            assert!(refused.hint.is_some_and(|hint| hint.contains("backupmanager")), "{request:?}");
        }
    }
}

#[test]
fn a_key_that_may_only_look_may_ask_and_change_nothing() {
    let job = || "j".parse().unwrap();
    let prune = |dry_run| Request::Prune(Prune { job: None, dry_run });
    let remove = |dry_run| Request::ArchiveRemove(ArchiveRemove { archive: archive(), dry_run });
    let expel = |dry_run| Request::MeshExpel(MeshExpel { node: tom(), dry_run });
    let grant = GrantChange {
        node: tom(),
        allow: [Right::Open].into(),
        deny: Default::default(),
        quota_bytes: None,
        unlimited: false,
    };
    let order = OrderIssue { node: tom(), request: GC, within_ms: 1 };
    let looks = [
        Request::InviteList,
        Request::OrderList,
        Request::NoticeList(NoticeList { unread: true, offset: 0, limit: 1 }),
        expel(true),
        Request::Status,
        Request::Workers,
        Request::JobNumbered { number: 1 },
        Request::ArchiveInfo(archive()),
        Request::RunShow { run: 1 },
        Request::UploadList,
        prune(true),
        remove(true),
        CHECK,
    ];
    let changes = [
        Request::JobRun(JobRun { job: job(), wait: false }),
        Request::JobRemove { job: job() },
        Request::RunCancel { run: 1 },
        Request::ArchivePin { archive: archive(), pinned: false },
        Request::MeshInvite(MeshInvite { role: Role::Operator, quota_bytes: None, expires_ms: 1 }),
        Request::MeshGrant(grant),
        Request::InviteCancel { invite: protocol::NodeId([1; 32]) },
        Request::InstanceRemove { instance: job() },
        Request::OrderIssue(Box::new(order)),
        Request::OrderCancel { order: protocol::OrderId([1; 16]) },
        Request::NoticeRead { notice: 1 },
        Request::NoticeReadAll,
        expel(false),
        Request::UploadFinish { upload: "x".into() },
        Request::UploadCancel { upload: "x".into() },
        prune(false),
        remove(false),
        GC,
    ];
    for request in looks {
        assert_eq!(may(&http(true), &request), Ok(()), "{request:?}");
        assert_eq!(may(&http(false), &request), Ok(()), "{request:?}");
    }
    for request in changes {
        let refused = may(&http(true), &request).unwrap_err();
        assert_eq!((refused.code, refused.hint.is_some()), (FailureCode::Refused, true));
        assert_eq!(may(&http(false), &request), Ok(()), "{request:?}");
    }
}
