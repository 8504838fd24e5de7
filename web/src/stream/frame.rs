//! Server-sent events as text.

use std::fmt::Display;

use bytes::Bytes;

/// How long a client shall wait before it connects again, milliseconds.
const RETRY_MS: u32 = 2_000;

/// Events one after another.
#[derive(Debug, Default)]
pub(crate) struct Frames(String);

impl Frames {
    /// What a stream begins with.
    pub(crate) fn first() -> Self {
        Self(format!("retry: {RETRY_MS}\n\n"))
    }

    /// One event. A line break in its data makes two lines, which the client joins again.
    pub(crate) fn event(&mut self, id: impl Display, kind: &str, data: &str) {
        self.0.push_str(&format!("id: {id}\nevent: {kind}\n"));
        for line in data.split(['\n', '\r']) {
            self.0.push_str("data: ");
            self.0.push_str(line);
            self.0.push('\n');
        }
        self.0.push('\n');
    }

    /// That the stream is alive, and where it is: a client that connects again begins there, although
    /// it was told nothing.
    pub(crate) fn alive(&mut self, id: impl Display) {
        self.0.push_str(&format!(": alive\nid: {id}\n\n"));
    }

    /// How many bytes it has.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was written.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of it.
    pub(crate) fn into_bytes(self) -> Bytes {
        self.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_data_says_stays_data() {
        let mut frames = Frames::default();
        assert!(frames.is_empty());
        frames.event(7, "line", "a\nid: 9\r\n\nevent: x");
        frames.event("a-1", "b", "");
        frames.alive(8);
        let text = String::from_utf8(frames.into_bytes().into()).expect("text");
        let expected = "id: 7\nevent: line\ndata: a\ndata: id: 9\ndata: \ndata: \ndata: event: x\n\n\
                        id: a-1\nevent: b\ndata: \n\n: alive\nid: 8\n\n";
        assert_eq!(text, expected);
    }
}
