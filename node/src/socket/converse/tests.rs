use protocol::control::Request;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

const STRICT: Listening = Listening {
    frame: Waits { first: Some(MINUTE), rest: Some(MINUTE) },
    cancel: Some(MINUTE),
    frames_max: Some(100),
};

/// Asks over a pipe, while the other end does this with its side.
async fn asked<F: Future<Output = ()>>(
    cancel: &Cancel,
    other: impl FnOnce(tokio::io::DuplexStream) -> F,
) -> Result<Result<Reply, Failure>, FrameError> {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let (mut reader, mut writer) = tokio::io::split(ours);
    let put = put(&mut reader, &mut writer, Request::Status.into(), cancel, &STRICT, drop);
    tokio::select! {
        answer = put => answer,
        () = async { other(theirs).await; std::future::pending().await } => unreachable!(),
    }
}

async fn tell(stream: &mut tokio::io::DuplexStream, frame: &TellFrame) {
    frames::write(stream, frame, CONTROL_FRAME_BYTES_MAX).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_says_that_it_is_at_work_is_waited_for_and_who_says_nothing_is_not() {
    let began = Instant::now();
    let never = Cancel::never();
    let answer = asked(&never, async |mut theirs| {
        for _ in 0..10 {
            tokio::time::sleep(MINUTE / 2).await;
            tell(&mut theirs, &TellFrame::Alive).await;
        }
        std::future::pending::<()>().await;
    });
    assert!(matches!(answer.await, Err(FrameError::Late)));
    assert_eq!(began.elapsed().as_secs(), 5 * 60 + 60);
}

#[tokio::test(start_paused = true)]
async fn who_tells_for_ever_is_not_listened_to_for_ever() {
    let never = Cancel::never();
    let answer = asked(&never, async |mut theirs| {
        loop {
            tell(&mut theirs, &TellFrame::Alive).await;
        }
    });
    assert!(matches!(answer.await, Err(FrameError::Endless)));
}

#[tokio::test(start_paused = true)]
async fn who_is_asked_to_stop_and_does_not_is_given_up() {
    let (switch, cancel) = CancelSwitch::new();
    switch.cancel();
    let answer = asked(&cancel, async |mut theirs| {
        let waits = Waits::FOREVER;
        let frame: AskFrame = frames::read(&mut theirs, "x", 1 << 16, &waits).await.unwrap();
        assert_eq!(frame, AskFrame::Request(Box::new(Request::Status)));
        let frame: AskFrame = frames::read(&mut theirs, "x", 1 << 16, &waits).await.unwrap();
        assert_eq!(frame, AskFrame::Cancel);
        loop {
            tokio::time::sleep(MINUTE / 4).await;
            tell(&mut theirs, &TellFrame::Alive).await;
        }
    });
    assert!(matches!(answer.await, Err(FrameError::Late)));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_stops_in_its_middle_is_not_waited_for() {
    let (mut ours, mut theirs) = tokio::io::duplex(64);
    theirs.write_all(&[0, 0, 0]).await.unwrap();
    let waits = STRICT.frame;
    assert!(matches!(hear(&mut ours, &waits).await, Err(FrameError::Late)));
    assert!(not_understood(&FrameError::Late).is_none());
    drop(theirs);
    assert_eq!(ours.read(&mut [0; 8]).await.unwrap(), 0);
}
