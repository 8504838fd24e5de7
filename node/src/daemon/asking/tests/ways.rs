//! The way there and back: who is asked, what comes back, what ends when.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_answers_for_itself_and_events_come_before_the_answer() {
    let (tom, jerry, asks) = pair(Role::Operator).await;
    let script = Arc::new(Script::default());
    let (_switch, _) = serving(Arc::clone(&script), asks);
    let told = Mutex::new(Vec::new());
    let work = jerry.begin("tom", Request::Workers);
    let answer = soon(work.told(|event| told.lock().unwrap().push(event))).await;
    assert_eq!(answer, Ok(Reply::Done));
    let told = told.into_inner().unwrap();
    assert_eq!(told.len(), 11, "{told:?}");
    assert_eq!(told[9], Event::Line { text: "line 9".to_owned() });
    assert!(matches!(&told[10], Event::Warning { what, .. } if what == "a"));
    assert_eq!(*script.callers.lock().unwrap(), [Caller::Node(jerry.id())]);
    // By its id, too; and its own name is itself.
    assert_eq!(jerry.ask(&tom.id().to_string(), Request::Workers).await, Ok(Reply::Done));
    let Ok(Reply::Status(own)) = jerry.ask("jerry", Request::Status).await else { panic!() };
    assert_eq!(own.node.name, "jerry");
    assert_eq!(script.callers.lock().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_to_stop_goes_along_and_its_answer_comes_back() {
    let (_tom, jerry, asks) = pair(Role::Operator).await;
    let script = Arc::new(Script::default());
    let (_switch, _) = serving(Arc::clone(&script), asks);
    for request in [CHECK, GC] {
        let (switch, cancel) = CancelSwitch::new();
        let events = EventSink::deaf().stopped_by(cancel);
        let named = "tom".parse().unwrap();
        let local = Caller::Local { uid: 0, pid: None };
        let asked = jerry.answers.pass_on(local, named, request, events);
        let stop = async {
            script.began.notified().await;
            switch.cancel();
        };
        let (answer, ()) = soon(async { tokio::join!(asked, stop) }).await;
        assert_eq!(answer.unwrap_err().code, FailureCode::Cancelled);
    }
    assert_eq!(script.ends(), ["stopped", "stopped"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_asker_that_hangs_up_ends_a_question_there_and_no_change() {
    let (_tom, jerry, asks) = pair(Role::Operator).await;
    let script = Arc::new(Script::default());
    let (_switch, _) = serving(Arc::clone(&script), asks);
    for (request, end) in [(CHECK, "stopped"), (GC, "done")] {
        let local = Caller::Local { uid: 0, pid: None };
        let named = "tom".parse().unwrap();
        let mut asked = Box::pin(jerry.answers.pass_on(local, named, request, EventSink::deaf()));
        tokio::select! {
            _ = &mut asked => panic!("it waits to be let go"),
            () = script.began.notified() => {}
        }
        drop(asked);
        if end == "done" {
            script.go.notify_one();
        }
        soon(script.ended.notified()).await;
        assert_eq!(script.ends().last(), Some(&end));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_is_expelled_is_cut_off_in_the_middle_of_its_request() {
    let (tom, jerry, asks) = pair(Role::Operator).await;
    let script = Arc::new(Script::default());
    let (_switch, _) = serving(Arc::clone(&script), asks);
    let work = jerry.begin("tom", CHECK);
    soon(script.began.notified()).await;
    tom.node.mesh.expel(jerry.id()).await.unwrap();
    let failure = soon(work.told(drop)).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::Unreachable, "{failure}");
    assert_eq!(failure.why, "it went away before it answered");
    soon(script.ended.notified()).await;
    assert_eq!(script.ends(), ["stopped"]);
    tom.until_not_sees(&jerry).await;
    let again = jerry.refused("tom", CHECK).await;
    assert_eq!(again.code, FailureCode::Unreachable, "{again}");
    assert_eq!(script.callers.lock().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_be_asked_is_told_apart() {
    let (tom, jerry, switch) = answering(Role::Operator).await;
    assert_eq!(jerry.refused("nobody", CHECK).await.code, FailureCode::NotFound);
    let local = jerry.refused("tom", Request::KeyList).await;
    assert_eq!((local.code, local.why.contains("itself only")), (FailureCode::Refused, true));
    // Nobody listens there any more: the stream is dropped.
    switch.cancel();
    let gone = soon(async {
        loop {
            match jerry.ask("tom", Request::Status).await {
                Err(failure) if failure.code == FailureCode::Unreachable => break failure,
                _ => tokio::task::yield_now().await,
            }
        }
    });
    assert!(gone.await.hint.is_some());
    tom.node.mesh.stop().await;
    jerry.until_not_sees(&tom).await;
    let away = jerry.refused("tom", Request::Status).await;
    assert_eq!((away.code, &*away.why), (FailureCode::Unreachable, "it is not connected"));
    assert_eq!(away.what, "cannot ask tom");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_asked_daemon_stops_what_is_at_work_is_stopped_and_told() {
    let (_tom, jerry, asks) = pair(Role::Operator).await;
    let script = Arc::new(Script::default());
    let (switch, served) = serving(Arc::clone(&script), asks);
    let work = jerry.begin("tom", GC);
    soon(script.began.notified()).await;
    switch.cancel();
    assert_eq!(soon(work.told(drop)).await.unwrap_err().code, FailureCode::Cancelled);
    soon(served).await.unwrap();
}
