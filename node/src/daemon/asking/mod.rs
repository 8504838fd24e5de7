//! Requests between members: what another node of the mesh is asked from here (`pass_on`), and
//! what others ask this one (`serve`).
//!
//! Words: the *asker* is the member that wants something done, the *asked* node decides and does it.
//! A request goes over a stream of its own (`net`, "ask"), with the frames of the control socket. It
//! goes one way only: a member that is asked never asks a third one for the asker.
//!
//! The asked node decides by its own grants (`may`), for every request anew, and takes out of its
//! answer what the asker may not see (`veil`). Nothing that comes over the stream is believed: who
//! asks is known from the connection. How many may ask, how often, how long and how much is bounded
//! on both sides; see the constants here and in `room`.

mod ask;
mod may;
mod room;
mod serve;
mod veil;

use std::time::Duration;

use tokio::sync::Semaphore;

pub(super) use self::{ask::pass_on, may::may, serve::serve, veil::veil};
use crate::socket::{Listening, Patience, Waits};

/// Requests to members at once; a page asks for some ten.
const ASKING_MAX: usize = 64;

/// For the first byte of a request, once the stream is open.
const REQUEST_WAIT: Duration = Duration::from_secs(10);

/// For the rest of a request: 2 MiB at 300 kbit/s, and a little.
const REQUEST_REST_WAIT: Duration = Duration::from_secs(90);

/// For an event to be taken by the asker.
const EVENT_WAIT: Duration = Duration::from_secs(60);

/// For the whole of an answer to go: 8 MiB at 300 kbit/s, and a little.
const ANSWER_WAIT: Duration = Duration::from_secs(300);

/// How often the asked node says that it is at work, when it has nothing else to say.
const ALIVE_EVERY: Duration = Duration::from_secs(20);

/// After so long without a word, the asked node is given up.
const SILENCE_MAX: Duration = Duration::from_secs(90);

/// From a request to stop to the answer.
const CANCEL_WAIT: Duration = Duration::from_secs(120);

/// Frames of one answer: a line a second for twelve days.
const FRAMES_MAX: u64 = 1 << 20;

/// How the asked node waits for the asker.
const PATIENCE: Patience = Patience {
    request: Waits { first: Some(REQUEST_WAIT), rest: Some(REQUEST_REST_WAIT) },
    event: Some(EVENT_WAIT),
    answer: ANSWER_WAIT,
    alive_every: Some(ALIVE_EVERY),
};

/// How the asker waits for the asked node.
const LISTENING: Listening = Listening {
    frame: Waits { first: Some(SILENCE_MAX), rest: Some(ANSWER_WAIT) },
    cancel: Some(CANCEL_WAIT),
    frames_max: Some(FRAMES_MAX),
};

/// What could not be done, whatever it was.
const WHAT: &str = "cannot do what was asked";

/// Places of requests to members.
#[derive(Debug)]
pub struct Asking(Semaphore);

impl Default for Asking {
    fn default() -> Self {
        Self(Semaphore::new(ASKING_MAX))
    }
}

#[cfg(test)]
mod tests;
