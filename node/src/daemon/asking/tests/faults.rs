//! Members that send what they should not.

use protocol::{
    Entropy as _, cbor,
    control::{AskFrame, EndFrame, TellFrame},
    entropy::SeededEntropy,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::{
    daemon::asking::room::{ASKED_OF_ONE_MAX, FAULTS_MAX},
    net::BulkStream,
};

/// The first frame of a length.
fn framed(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
    [&length[..], bytes].concat()
}

async fn open(jerry: &Peer, tom: &Peer) -> BulkStream {
    soon(jerry.node.mesh.net().open_ask(tom.id())).await.unwrap()
}

/// Sends bytes; the end that comes back, if one does.
async fn says(jerry: &Peer, tom: &Peer, bytes: &[u8]) -> Option<Result<Reply, Failure>> {
    let mut stream = open(jerry, tom).await;
    // Who is not heard has its stream dropped, at any time.
    let sent = async {
        stream.write_all(bytes).await?;
        stream.shutdown().await
    };
    let _ = soon(sent).await;
    let mut came = Vec::new();
    let _ = soon(stream.read_to_end(&mut came)).await;
    let body = came.get(4..)?;
    match cbor::decode("an answer", body, usize::MAX).unwrap() {
        TellFrame::End(EndFrame::Failure(failure)) => Some(Err(failure)),
        TellFrame::End(EndFrame::Reply(reply)) => Some(Ok(*reply)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_asks_for_somebody_else() {
    let (tom, jerry, asks) = pair(Role::Operator).await;
    let script = Arc::new(Script::default());
    let (_switch, _) = serving(Arc::clone(&script), asks);
    for node in ["tom", "jerry", "ann"] {
        let node = node.parse().unwrap();
        let frame = AskFrame::Of { node, request: Box::new(Request::Status) };
        let end = says(&jerry, &tom, &framed(&cbor::encode(&frame))).await;
        let refused = end.unwrap().unwrap_err();
        assert_eq!(refused.code, FailureCode::Invalid, "{refused}");
        assert!(refused.why.contains("not through another one"), "{refused}");
    }
    assert!(script.callers.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_reaches_nobody_and_a_member_that_goes_on_with_it_is_not_heard() {
    let (tom, jerry, asks) = pair(Role::Operator).await;
    let script = Arc::new(Script::default());
    let (_switch, _) = serving(Arc::clone(&script), asks);
    let mut dice = SeededEntropy::new(4711);
    let mut answered = 0;
    for _ in 0..FAULTS_MAX + 1 {
        let mut bytes = [0; 200];
        dice.fill(&mut bytes);
        match says(&jerry, &tom, &framed(&bytes)).await {
            Some(end) => {
                assert_eq!(end.unwrap_err().code, FailureCode::Invalid);
                answered += 1;
            }
            None => panic!("it is not heard already"),
        }
    }
    assert_eq!(answered, FAULTS_MAX + 1);
    let failure = jerry.refused("tom", Request::Workers).await;
    assert_eq!(failure.code, FailureCode::Unreachable, "{failure}");
    assert!(script.callers.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_requests_and_those_of_a_newer_version_do_no_harm() {
    let (tom, jerry, asks) = pair(Role::Operator).await;
    let script = Arc::new(Script::default());
    let (_switch, _) = serving(Arc::clone(&script), asks);
    let whole = framed(&cbor::encode(&AskFrame::Request(Box::new(Request::Workers))));
    let newer = framed(&cbor::encode(&serde_json::json!({ "request": "not_known_yet" })));
    for _ in 0..FAULTS_MAX {
        for cut in [&[][..], &whole[..2], &whole[..whole.len() - 1]] {
            drop(says(&jerry, &tom, cut).await);
        }
        let refused = says(&jerry, &tom, &newer).await.unwrap().unwrap_err();
        assert!(refused.hint.unwrap().contains("same version"));
        let silent = open(&jerry, &tom).await;
        drop(silent);
    }
    assert!(script.callers.lock().unwrap().is_empty());
    assert_eq!(jerry.ask("tom", Request::Workers).await, Ok(Reply::Done));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_has_so_many_requests_at_work_and_is_told_when_it_wants_more() {
    let (_tom, jerry, asks) = pair(Role::Operator).await;
    let script = Arc::new(Script::default());
    let (_switch, _) = serving(Arc::clone(&script), asks);
    let mut works = Vec::new();
    for _ in 0..ASKED_OF_ONE_MAX {
        works.push(jerry.begin("tom", GC));
        soon(script.began.notified()).await;
    }
    let busy = jerry.refused("tom", Request::Workers).await;
    assert_eq!(busy.code, FailureCode::Busy, "{busy}");
    for work in works {
        script.go.notify_one();
        soon(script.ended.notified()).await;
        drop(work);
    }
    let free = async {
        while jerry.ask("tom", Request::Workers).await != Ok(Reply::Done) {
            tokio::task::yield_now().await;
        }
    };
    soon(free).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_makes_no_sense_is_a_failure_of_the_one_that_was_asked() {
    let (_tom, jerry, mut asks) = pair(Role::Operator).await;
    let huge = u32::MAX.to_be_bytes().to_vec();
    let garbage = framed(&[0x9f, 0xfc]);
    let cut = framed(&cbor::encode(&TellFrame::Alive))[..3].to_vec();
    for answer in [huge, garbage, cut, Vec::new()] {
        let work = jerry.begin("tom", GC);
        let tom = async {
            let (_, mut stream) = asks.recv().await.unwrap();
            stream.write_all(&answer).await.unwrap();
            stream.shutdown().await.unwrap();
            stream
        };
        let (end, _stream) = soon(async { tokio::join!(work.told(drop), tom) }).await;
        let failure = end.unwrap_err();
        assert_eq!(failure.code, FailureCode::Unreachable, "{failure}");
        assert!(failure.hint.unwrap().contains("not known"));
    }
}
