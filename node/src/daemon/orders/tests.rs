use protocol::{
    control::{
        GrantChange, JobRun, KeyCreate, MeshInvite, Reply, Request, Right, Role, RunReport,
        RunState,
    },
    job::Name,
    record::Right as Granted,
};

use super::*;
use crate::{
    daemon::{handle::Answers, live::tests::node},
    replicate::Cancel,
    socket::{Caller, EventSink, Handler as _},
};

/// Two nodes of one mesh, both with their workers: jerry founded it.
struct World {
    _dirs: [tempfile::TempDir; 2],
    jerry: Arc<Node>,
    tom: Arc<Node>,
    stop: Cancel,
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn ask(node: &Arc<Node>, request: Request) -> Result<Reply, Failure> {
    let caller = Caller::Local { uid: 0, pid: None };
    Answers(Arc::clone(node)).handle(caller, request, EventSink::deaf()).await
}

async fn world(role: Role) -> World {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (jerry, tom) = (node(&dirs[0], "jerry").await, node(&dirs[1], "tom").await);
    let stop = Cancel::default();
    for node in [&jerry, &tom] {
        tokio::spawn(crate::daemon::facts::run(Arc::clone(node), stop.clone()));
        tokio::spawn(run(Arc::clone(node), stop.clone()));
    }
    // Who joins finds the inviter again by what that says of itself.
    let says = |node: &Node| node.mesh.look(|catalog| catalog.node(&node.id()).cloned());
    until(&jerry, |node| says(node).is_some_and(|facts| !facts.addresses.is_empty())).await;
    let invite = MeshInvite { role, quota_bytes: None, expires_ms: 60_000 };
    let Ok(Reply::Invited(invited)) = ask(&jerry, Request::MeshInvite(invite)).await else {
        panic!("a ticket")
    };
    ask(&tom, Request::MeshJoin { ticket: invited.ticket }).await.unwrap();
    let world = World { _dirs: dirs, jerry, tom, stop };
    for (node, other) in [(&world.jerry, &world.tom), (&world.tom, &world.jerry)] {
        until(node, |node| node.mesh.look(|catalog| catalog.node(&other.id()).is_some())).await;
    }
    world
}

/// Looks again and again until something holds.
async fn until(node: &Arc<Node>, holds: impl Fn(&Node) -> bool) {
    let wait = async {
        while !holds(node) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait).await.expect("it comes to hold");
}

fn order_for(name: &str, request: Request) -> OrderIssue {
    OrderIssue { node: name.parse().unwrap(), request, within_ms: 600_000 }
}

fn check() -> Request {
    Request::StoreCheck { read_data: false }
}

/// Issues it, and waits for its end.
async fn ended(from: &Arc<Node>, issue: OrderIssue) -> OrderReport {
    let id = super::issue(Arc::clone(from), issue).await.unwrap().id;
    until(from, |node| reports(node, |one| one == id).iter().any(|one| one.state.has_ended()))
        .await;
    show(Arc::clone(from), id).await.unwrap()
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

#[tokio::test]
async fn an_order_is_done_by_the_other_node_and_both_read_what_came_of_it() {
    let world = world(Role::Operator).await;
    let order = ended(&world.jerry, order_for("tom", check())).await;
    assert_eq!((order.state, order.failure), (OrderState::Done, None));
    assert_eq!(order.text.as_deref(), Some("checked 0 objects: 0 damaged, 0 missing"));
    assert_eq!((order.by.name.as_str(), order.node.name.as_str()), ("jerry", "tom"));
    let there = list(Arc::clone(&world.tom)).await.unwrap();
    assert_eq!(there.len(), 1);
    assert_eq!((there[0].request.as_deref(), &there[0].text), (Some("store_check"), &order.text));
    let failure = cancel(Arc::clone(&world.jerry), order.id).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::Conflict);
    let failure = cancel(Arc::clone(&world.tom), order.id).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::Refused);
}

#[tokio::test]
async fn a_request_that_fails_there_says_why_to_its_issuer_only() {
    let world = world(Role::Operator).await;
    let run = JobRun { job: name("none"), wait: true };
    let order = ended(&world.jerry, order_for("tom", Request::JobRun(run))).await;
    assert_eq!(order.state, OrderState::Failed);
    let failure = order.failure.unwrap();
    assert_eq!(failure.code, FailureCode::NotFound, "{failure}");
    assert!(failure.what.contains("none") && failure.hint.is_some());
    let outcome = world.jerry.mesh.look(|c| c.outcome(world.jerry.id(), order.id).cloned());
    let Some(Progress::Failed { why, reply }) = outcome.map(|outcome| outcome.progress) else {
        panic!("it failed")
    };
    assert_eq!(why, "not_found");
    assert!(!reply.windows(4).any(|bytes| bytes == b"none"));
    let told = |node: &Node| node.notices.held(protocol::control::NoticeKind::OrderFailed);
    assert!(told(&world.jerry).is_empty(), "it is no condition");
    let all = protocol::control::NoticeList { unread: true, offset: 0, limit: 9 };
    until(&world.jerry, |node| node.notices.list(all).total == 1).await;
    let notice = world.jerry.notices.list(all).notices.remove(0);
    assert_eq!(notice.subject, "job_run → tom");
}

#[tokio::test]
async fn without_the_right_or_as_a_storage_member_it_is_refused_with_the_reason() {
    let world = world(Role::Storage).await;
    let order = ended(&world.tom, order_for("jerry", check())).await;
    assert_eq!(order.state, OrderState::Refused);
    let why = order.failure.unwrap().why;
    assert!(why.contains("tom") && why.contains("storage member"), "{why}");
    // What nobody may order does not even leave.
    let key =
        Request::KeyCreate(KeyCreate { name: name("x"), read_only: false, metrics_only: false });
    assert!(Request::OrderIssue(Box::new(order_for("jerry", key))).validate().is_err());

    let change = GrantChange {
        node: "jerry".parse().unwrap(),
        allow: Default::default(),
        deny: [Right::Run].into(),
        quota_bytes: None,
        unlimited: false,
    };
    ask(&world.tom, Request::MeshGrant(change)).await.unwrap();
    let order = ended(&world.jerry, order_for("tom", check())).await;
    assert_eq!(order.state, OrderState::Refused);
    let failure = order.failure.unwrap();
    assert!(failure.why.contains("jerry has no right to run-job"), "{failure}");
    assert!(failure.hint.is_some_and(|hint| hint.contains("mesh grant jerry")));
    assert_eq!(Granted::Run.word(), "run-job");
}

#[tokio::test]
async fn an_order_to_nobody_to_itself_or_of_too_much_is_refused_at_once() {
    let world = world(Role::Operator).await;
    let refused = async |to: &str, request: Request| {
        super::issue(Arc::clone(&world.jerry), order_for(to, request)).await.unwrap_err().code
    };
    assert_eq!(refused("eve", check()).await, FailureCode::NotFound);
    assert_eq!(refused("jerry", check()).await, FailureCode::Invalid);
    let mut dir = protocol::job::CustomDir::new("/srv");
    dir.excludes = (0..60).map(|n| format!("{n}{}", "x".repeat(1_000))).collect();
    let spec = protocol::job::JobSpec::new(name("docs"), protocol::job::JobConfig::CustomDir(dir));
    assert_eq!(refused("tom", Request::JobAdd(spec)).await, FailureCode::Invalid);
    ask(
        &world.jerry,
        Request::MeshExpel(protocol::control::MeshExpel {
            node: "tom".parse().unwrap(),
            dry_run: false,
        }),
    )
    .await
    .unwrap();
    assert_eq!(refused("tom", check()).await, FailureCode::Conflict);
    assert!(list(Arc::clone(&world.jerry)).await.unwrap().is_empty());
    let unknown = show(Arc::clone(&world.jerry), OrderId([9; 16])).await.unwrap_err();
    assert_eq!(unknown.code, FailureCode::NotFound);
}

#[tokio::test]
async fn a_member_may_have_nothing_done_beyond_its_grant_whatever_way_it_asks() {
    let world = world(Role::Storage).await;
    let tom = Caller::Node(world.tom.id());
    let answers = Answers(Arc::clone(&world.jerry));
    for request in [Request::Status, check(), Request::KeyList, Request::OrderList] {
        let refused = answers.handle(tom.clone(), request, EventSink::deaf()).await.unwrap_err();
        assert_eq!(refused.code, FailureCode::Refused, "{refused}");
    }
    let eve = Caller::Node(NodeId([9; 32]));
    let refused = answers.handle(eve, Request::Status, EventSink::deaf()).await.unwrap_err();
    assert!(refused.why.contains("no member"), "{refused}");
}

#[test]
fn the_state_follows_from_what_the_node_said_and_from_the_deadline() {
    let said = |progress| Some(Outcome { progress, time: Time(1) });
    let refused = said(Progress::Refused { why: String::new() });
    for (outcome, now, wanted) in [
        (None, 10, OrderState::Waiting),
        (None, 11, OrderState::Expired),
        (said(Progress::Begun), 11, OrderState::Running),
        (said(Progress::Done { reply: Vec::new() }), 99, OrderState::Done),
        (said(Progress::Interrupted), 99, OrderState::Interrupted),
        (refused, 1, OrderState::Refused),
    ] {
        assert_eq!(state(outcome.as_ref(), Time(10), Time(now)), wanted);
    }
}

#[test]
fn a_run_that_failed_is_a_failure_and_its_reason_is_passed_on() {
    let failure = Failure::new(FailureCode::NoSpace, "cannot back up", "the disk is full");
    let mut run = RunReport::new(3, "docs", RunState::Failed, Time(1));
    run.failure = Some(failure.clone());
    let secret = protocol::key::NodeSecret::from_seed(&[1; 32]);
    let which = Which { issuer: secret.id(), to: secret.id(), id: OrderId([1; 16]) };
    let readers = [secret.exchange_public(), secret.exchange_public()];
    let went = Ok(Reply::RunEnded(run));
    let Progress::Failed { why, reply } = answer::progress(&which, &readers, &went) else {
        panic!("a failure")
    };
    assert_eq!(why, "no_space");
    let read = which.open_answer(&reply, &secret).unwrap();
    assert_eq!((read.failure, read.text.as_str()), (Some(failure), "run 3 of docs failed"));
}
