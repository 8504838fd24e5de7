//! What a command said and how it ended.

use std::process::Output;

use serde_json::Value;

/// A command that has ended.
#[derive(Debug)]
pub struct Ran {
    /// What was typed.
    pub line: String,
    /// Its exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// The answer.
    pub out: String,
    /// Everything else it said.
    pub err: String,
}

impl Ran {
    pub(super) fn new(line: String, output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            line,
            code: output.status.code(),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }

    /// Panics unless it ended so.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// Panics unless it failed, said all of `words`, and gave a hint.
    #[track_caller]
    pub fn fails_with(self, code: i32, words: &[&str]) -> Self {
        let ran = self.exits(code);
        assert!(ran.err.contains("error: "), "{ran:#?}");
        for word in words {
            assert!(ran.err.contains(word), "{word:?} is not said: {ran:#?}");
        }
        assert!(!ran.err.contains("panicked"), "{ran:#?}");
        ran
    }

    /// Panics unless it gave a hint.
    #[track_caller]
    pub fn hints(self) -> Self {
        assert!(self.err.contains("hint: "), "there is no hint: {self:#?}");
        self
    }

    /// The answer as JSON: what stands under `name`.
    #[track_caller]
    #[must_use]
    pub fn json(&self, name: &str) -> Value {
        let parsed: Result<Value, _> = serde_json::from_str(&self.out);
        let Ok(mut document) = parsed else { panic!("this is no JSON: {self:#?}") };
        match document.get_mut(name) {
            Some(value) => value.take(),
            None => panic!("there is no {name:?}: {self:#?}"),
        }
    }
}
