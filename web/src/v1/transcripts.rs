//! Transcripts of runs: as far as they are, or line by line until the run ends.
//!
//! Lines count from 1. Of a transcript that is too long the middle is left out; a line says how much,
//! and has the number of the last of it. Restores and uploads are runs too.

use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use schemars::JsonSchema;
use serde::Deserialize;

use super::events::{last_event_id, streamed};
use crate::{
    ApiError, Said, State,
    auth::Standing,
    openapi::Routes,
    state::Asker,
    stream::{self, Frames, Reader, StreamPlace, Wait, Woken},
    take::{Args, Flag, Params},
    view::RunView,
};

/// Bytes of lines that are sent together: a long transcript is read anew for each.
const PIECE_BYTES: usize = 64 << 10;

/// How long lines are gathered that come one after another.
const GATHER: std::time::Duration = std::time::Duration::from_millis(250);

/// The routes of this file.
pub(super) fn routes() -> Routes {
    Routes::of("Transcripts", "What runs say.").arg("id", "The number of the run.").get(
        "/runs/{id}/transcript",
        "What a run said, or says.",
        transcript,
        |op| {
            streamed(op.raw(200, "text/plain", "What it said so far.").raw(
                200,
                "text/event-stream",
                "With `follow`: a `line` each, then `end` with the run.",
            ))
        },
    )
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct How {
    /// Goes on line by line until the run ends.
    follow: Option<Flag>,
    /// As the header `Last-Event-ID`, which is newer where both are said.
    last_event_id: Option<String>,
}

async fn transcript(
    asker: Asker,
    standing: Standing,
    Args(run): Args<u64>,
    Params(how): Params<How>,
) -> Result<Response, ApiError> {
    let said = said(&asker.state, run, 0).await?;
    if !how.follow.is_some_and(|follow| follow.0) {
        return Ok(plain(&said));
    }
    let place = asker.state.streams.enter(&asker.access)?;
    let line = last_event_id(&asker.headers, how.last_event_id.as_deref());
    // Who names no line gets all.
    let line = line.and_then(|line| line.parse().ok()).unwrap_or(0);
    let state = asker.state;
    let wait = Wait::new(state.backend.said_clock(), &state);
    let (begun, ended) = (false, false);
    let listener = Listener { state, standing, wait, run, line, begun, ended, _place: place };
    Ok(stream::answer(listener))
}

async fn said(state: &State, run: u64, line: u64) -> Result<Said, ApiError> {
    let said = state.backend.said(run, line).await?;
    said.ok_or_else(|| ApiError::not_found(format!("there is no run {run}")))
}

fn plain(said: &Said) -> Response {
    let mut text = String::new();
    for (_, line) in &said.lines {
        text.push_str(&line.text);
        text.push('\n');
    }
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

/// A client that listens to a run.
struct Listener {
    state: State,
    standing: Standing,
    wait: Wait,
    run: u64,
    /// The last line it has.
    line: u64,
    begun: bool,
    ended: bool,
    _place: StreamPlace,
}

impl Listener {
    /// What came since; empty when nothing did. None when the run is no longer known.
    async fn hear(&mut self) -> Option<Frames> {
        let Said { lines, ended } = said(&self.state, self.run, self.line).await.ok()?;
        let mut frames = if self.begun { Frames::default() } else { Frames::first() };
        self.begun = true;
        for (number, line) in lines {
            if frames.len() >= PIECE_BYTES {
                return Some(frames);
            }
            self.line = number;
            frames.event(number, "line", &line.text);
        }
        if let Some(run) = ended {
            // It serialises: nothing in it can fail.
            let run = serde_json::to_string(&RunView::from(run)).unwrap_or_default();
            frames.event(self.line, "end", &run);
            self.ended = true;
        }
        Some(frames)
    }
}

impl Reader for Listener {
    async fn next(mut self) -> Option<(Bytes, Self)> {
        loop {
            let over = self.ended || self.wait.is_over();
            if over || !self.standing.holds(&self.state).await {
                return None;
            }
            self.wait.mark();
            let mut frames = self.hear().await?;
            if !frames.is_empty() {
                self.wait.say();
                return Some((frames.into_bytes(), self));
            }
            match self.wait.woken().await {
                Woken::Clock => tokio::time::sleep(GATHER).await,
                Woken::End => return None,
                Woken::Alive => {
                    self.wait.say();
                    frames.alive(self.line);
                    return Some((frames.into_bytes(), self));
                }
            }
        }
    }
}
