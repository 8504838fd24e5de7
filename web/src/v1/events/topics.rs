//! What a client wants to hear of.

use std::borrow::Cow;

use protocol::control::{Happened, NEWS_TOPICS, RunKind};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

/// Runs that restore something, for those who want no others.
const RESTORE: &str = "restore";

/// Some topics; all, when none is named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Topics {
    /// One bit for each of [`NEWS_TOPICS`].
    bits: u16,
    restores: bool,
}

impl JsonSchema for Topics {
    fn schema_name() -> Cow<'static, str> {
        "Topics".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let word = format!("(?:{}|{RESTORE})", NEWS_TOPICS.join("|"));
        json_schema!({ "type": "string", "pattern": format!("^{word}(?:,{word})*$") })
    }
}

impl TryFrom<String> for Topics {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut topics = Self::default();
        for word in text.split(',') {
            match NEWS_TOPICS.iter().position(|topic| *topic == word) {
                Some(at) => topics.bits |= 1 << at,
                None if word == RESTORE => topics.restores = true,
                None => {
                    let known = NEWS_TOPICS.join(", ");
                    return Err(format!("types are {known} and {RESTORE}, with commas between"));
                }
            }
        }
        Ok(topics)
    }
}

impl Topics {
    /// Whether this is to be told.
    pub(super) fn have(self, what: &Happened) -> bool {
        let at = NEWS_TOPICS.iter().position(|topic| *topic == what.topic());
        self == Self::default()
            || at.is_some_and(|at| self.bits & (1 << at) != 0)
            || (self.restores && restores(what))
    }
}

fn restores(what: &Happened) -> bool {
    match what {
        Happened::RunStarted(run) | Happened::RunEnded(run) => run.kind == RunKind::Restore,
        Happened::RunProgress { kind, .. } => *kind == RunKind::Restore,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use protocol::{
        Time,
        control::{Change, RunReport, RunState},
    };

    use super::*;

    fn topics(text: &str) -> Result<Topics, String> {
        Topics::try_from(text.to_owned())
    }

    fn run(kind: RunKind) -> Happened {
        let run = RunReport::new(1, "docs", RunState::Running, Time(1));
        Happened::RunStarted(Box::new(RunReport { kind, ..run }))
    }

    #[test]
    fn what_is_named_is_heard_and_nothing_else() {
        let job = Happened::Job { change: Change::Added, number: 1, name: "docs".into() };
        let whats = [run(RunKind::Backup), run(RunKind::Restore), job];
        for (text, heard) in [
            ("run", [true, true, false]),
            ("restore", [false, true, false]),
            ("restore,job", [false, true, true]),
            ("job,job", [false, false, true]),
            ("health", [false, false, false]),
        ] {
            let topics = topics(text).expect("topics");
            assert_eq!(whats.each_ref().map(|what| topics.have(what)), heard, "{text}");
        }
        assert!(whats.iter().all(|what| Topics::default().have(what)));
    }

    #[test]
    fn a_word_that_is_none_is_refused_with_those_that_are() {
        for wrong in ["", "runs", "run,", "run job", "RUN", "run.started"] {
            let refused = topics(wrong).expect_err(wrong);
            assert!(NEWS_TOPICS.iter().all(|topic| refused.contains(topic)), "{refused}");
        }
    }
}
