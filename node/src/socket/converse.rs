//! One request over one connection, at either end: the control socket of this machine, or a stream
//! between two members.
//!
//! The answering end reads the request ([`hear`]), and then tells what the work tells, and its end
//! ([`answer`]). The asking end sends the request and listens until that end ([`put`]). How long
//! each may wait for the other is its caller's business: a person at a terminal may think, another
//! server may not.

use std::{io, time::Duration};

use protocol::control::{
    AskFrame, Asked, CONTROL_FRAME_BYTES_MAX, EndFrame, Event, Failure, FailureCode,
    REQUEST_BYTES_MAX, Reply, TellFrame,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, sleep_until, timeout},
};

use super::{
    Cancel, CancelSwitch,
    events::EventSource,
    frames::{self, FrameError, Waits},
    work::Work,
};

/// Times that a caller may ask the same work to stop; who says it more often is not heard on.
const CANCELS_MAX: usize = 16;

/// How patient the answering end is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// For the request.
    pub(crate) request: Waits,
    /// For one event to be taken while the work goes on; none when the caller may pause.
    pub(crate) event: Option<Duration>,
    /// For all to be taken once the work has ended.
    pub(crate) answer: Duration,
    /// How often it says that it is still at work; none when nobody needs to know.
    pub(crate) alive_every: Option<Duration>,
}

/// How patient the asking end is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Listening {
    /// For each frame of the answer.
    pub(crate) frame: Waits,
    /// From a request to stop to the end.
    pub(crate) cancel: Option<Duration>,
    /// How many frames an answer may have.
    pub(crate) frames_max: Option<u64>,
}

/// Reads what a caller wants.
pub(crate) async fn hear(
    reader: &mut (impl AsyncRead + Unpin),
    waits: &Waits,
) -> Result<Asked, FrameError> {
    let frame: AskFrame = frames::read(reader, "request", REQUEST_BYTES_MAX, waits).await?;
    frame.asked().ok_or(FrameError::Gone)
}

/// What to answer to what is no request. `None` when there is nobody to answer.
pub(crate) fn not_understood(error: &FrameError) -> Option<Failure> {
    if matches!(error, FrameError::Gone | FrameError::Late) {
        return None;
    }
    let what = "the daemon does not understand what was asked";
    let failure = Failure::caused(FailureCode::Invalid, what, error);
    Some(failure.hint("after an upgrade, restart the daemon so that both have the same version"))
}

/// Tells a caller what the work tells, and how it ended. The work is in a task of its own, so that
/// a caller who stops reading stops nothing; returns when it has ended.
pub(crate) async fn answer(
    reader: &mut (impl AsyncRead + Unpin),
    writer: &mut (impl AsyncWrite + Unpin),
    mut work: Work,
    patience: &Patience,
) -> Result<(), FrameError> {
    let (finish, finished) = CancelSwitch::new();
    let source = work.events();
    let result = {
        let mut told = Box::pin(tell_events(writer, &source, finished, patience));
        let mut heard = Box::pin(hear_cancels(reader, work.switch()));
        let (mut listening, mut telling) = (true, None);
        let result = loop {
            tokio::select! {
                result = work.end() => break result,
                result = &mut told, if telling.is_none() => {
                    telling = Some(result);
                    work.caller_has_gone();
                }
                () = &mut heard, if listening => {
                    listening = false;
                    work.caller_has_gone();
                }
            }
        };
        finish.cancel();
        match telling {
            Some(told) => told?,
            None => within(Some(patience.answer), told).await?,
        }
        result
    };
    tell_end(writer, result, patience).await
}

/// Passes events on until the work is finished and all is told, or the caller takes no more.
async fn tell_events(
    writer: &mut (impl AsyncWrite + Unpin),
    source: &EventSource,
    finished: Cancel,
    patience: &Patience,
) -> Result<(), FrameError> {
    loop {
        let alive = patience.alive_every.map(|every| Instant::now() + every);
        let frame = tokio::select! {
            biased;
            event = source.next() => TellFrame::Event(event),
            () = finished.wait() => return Ok(()),
            () = sleep_until(alive.unwrap_or_else(Instant::now)), if alive.is_some() => {
                TellFrame::Alive
            }
        };
        let written = frames::write(writer, &frame, CONTROL_FRAME_BYTES_MAX);
        within(patience.event, written).await?;
    }
}

/// Listens for a cancel; returns when the caller has gone or talks nonsense.
async fn hear_cancels(reader: &mut (impl AsyncRead + Unpin), switch: CancelSwitch) {
    for _ in 0..CANCELS_MAX {
        let frame = frames::read(reader, "frame", REQUEST_BYTES_MAX, &Waits::FOREVER).await;
        let Ok(AskFrame::Cancel) = frame else { return };
        switch.cancel();
    }
}

/// Tells how it ended; an answer that is too large for a frame is a failure.
pub(crate) async fn tell_end(
    writer: &mut (impl AsyncWrite + Unpin),
    end: Result<Reply, Failure>,
    patience: &Patience,
) -> Result<(), FrameError> {
    let told = async {
        let frame = TellFrame::End(EndFrame::from(end));
        match frames::write(writer, &frame, CONTROL_FRAME_BYTES_MAX).await {
            Err(FrameError::TooLarge { bytes, .. }) => {
                let why = format!("the answer has {bytes} bytes");
                let failure = Failure::new(FailureCode::Internal, "cannot answer", why)
                    .hint("ask for less at a time");
                let frame = TellFrame::End(EndFrame::Failure(failure));
                frames::write(writer, &frame, CONTROL_FRAME_BYTES_MAX).await
            }
            result => result,
        }
    };
    within(Some(patience.answer), told).await
}

/// Asks, and listens until the end. When `cancel` is set, the other end is asked to stop; its answer
/// is waited for all the same.
pub(crate) async fn put(
    reader: &mut (impl AsyncRead + Unpin),
    writer: &mut (impl AsyncWrite + Unpin),
    asked: Asked,
    cancel: &Cancel,
    listening: &Listening,
    mut on_event: impl FnMut(Event),
) -> Result<Result<Reply, Failure>, FrameError> {
    let frame = AskFrame::from(asked);
    let asked = frames::write(writer, &frame, REQUEST_BYTES_MAX);
    // Who refuses the caller answers at once and closes: then writing fails, reading works.
    if let Err(error @ FrameError::TooLarge { .. }) = within(listening.frame.rest, asked).await {
        return Err(error);
    }
    let mut deadline = None;
    let mut cancelled = false;
    for _ in 0..listening.frames_max.unwrap_or(u64::MAX) {
        let mut frame =
            Box::pin(frames::read(reader, "answer", CONTROL_FRAME_BYTES_MAX, &listening.frame));
        let frame = loop {
            tokio::select! {
                frame = &mut frame => break frame?,
                () = cancel.wait(), if !cancelled => {
                    cancelled = true;
                    deadline = listening.cancel.map(|wait| Instant::now() + wait);
                    let stop = frames::write(writer, &AskFrame::Cancel, REQUEST_BYTES_MAX);
                    within(listening.frame.rest, stop).await?;
                }
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    return Err(FrameError::Late);
                }
            }
        };
        match frame {
            TellFrame::Event(event) => on_event(event),
            TellFrame::Alive => {}
            TellFrame::End(end) => return Ok(end.into()),
        }
    }
    Err(FrameError::Endless)
}

async fn within(
    wait: Option<Duration>,
    told: impl Future<Output = Result<(), FrameError>>,
) -> Result<(), FrameError> {
    let Some(wait) = wait else { return told.await };
    let late = |_| FrameError::Io(io::ErrorKind::TimedOut.into());
    timeout(wait, told).await.map_err(late)?
}

#[cfg(test)]
mod tests;
