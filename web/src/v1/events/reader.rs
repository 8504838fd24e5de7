//! One client's way through the news.

use bytes::Bytes;
use protocol::news::Part;

use super::{
    place::{Place, Wish},
    topics::Topics,
};
use crate::{
    State,
    auth::Standing,
    stream::{Frames, PIECE_BYTES, Reader, StreamPlace, Wait, Woken},
    view,
};

/// Pieces of news that are looked at together.
const LOOKED_AT: usize = 64;

/// What a client that has to read everything anew is told.
const RESET: &str = r#"{"message":"what was missed is not kept: read the lists anew"}"#;

/// What a client that begins is told, so that it has a place before the first event.
const HELLO: &str = "{}";

/// A client that follows.
pub(super) struct Following {
    state: State,
    standing: Standing,
    wait: Wait,
    topics: Topics,
    at: Place,
    /// What is said before anything else.
    first: Option<Bytes>,
    _place: StreamPlace,
}

impl Following {
    pub(super) fn new(
        state: State,
        standing: Standing,
        place: StreamPlace,
        topics: Topics,
        wish: Wish,
    ) -> Self {
        let (start, newest) = (state.backend.news_start(), state.backend.newest());
        let now = Place { start, number: newest };
        let mut first = Frames::first();
        let at = match wish {
            Wish::After(place) if place.start == start => place,
            Wish::Now => {
                first.event(now, "hello", HELLO);
                now
            }
            Wish::After(_) | Wish::Nowhere => {
                first.event(now, "reset", RESET);
                now
            }
        };
        let wait = Wait::new(state.backend.clock(), &state);
        let first = Some(first.into_bytes());
        Self { state, standing, wait, topics, at, first, _place: place }
    }

    /// What the client has not read of what is there; empty when it has all.
    fn read(&mut self) -> Frames {
        let mut frames = Frames::default();
        loop {
            let (news, place) = match self.state.backend.news(self.at.number, LOOKED_AT) {
                Part::Next { news, place } => (news, place),
                Part::Lost { place } => {
                    self.at.number = place;
                    frames.event(self.at, "reset", RESET);
                    return frames;
                }
            };
            let all = news.len() < LOOKED_AT;
            for one in news {
                self.at.number = one.number;
                if self.topics.have(&one.what) {
                    frames.event(self.at, one.what.kind(), &view::news(&one));
                }
                if frames.len() >= PIECE_BYTES {
                    return frames;
                }
            }
            self.at.number = place;
            if all {
                return frames;
            }
        }
    }
}

impl Reader for Following {
    async fn next(mut self) -> Option<(Bytes, Self)> {
        if let Some(first) = self.first.take() {
            return Some((first, self));
        }
        loop {
            if self.wait.is_over() || !self.standing.holds(&self.state).await {
                return None;
            }
            self.wait.mark();
            let mut frames = self.read();
            if !frames.is_empty() {
                self.wait.say();
                return Some((frames.into_bytes(), self));
            }
            match self.wait.woken().await {
                Woken::Clock => {}
                Woken::End => return None,
                Woken::Alive => {
                    self.wait.say();
                    frames.alive(self.at);
                    return Some((frames.into_bytes(), self));
                }
            }
        }
    }
}
