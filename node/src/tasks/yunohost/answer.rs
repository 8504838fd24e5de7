//! What the command answers, as its JSON has it. Keys that are not needed are not read.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{App, Selection, TargetState};
use crate::tasks::TaskError;

/// How many names a refusal lists.
const LISTED_MAX: usize = 60;

#[derive(Deserialize)]
pub(super) struct Versions {
    pub(super) yunohost: Version,
}

#[derive(Deserialize)]
pub(super) struct Version {
    pub(super) version: String,
}

#[derive(Deserialize)]
pub(super) struct Apps {
    pub(super) apps: Vec<AppTold>,
}

#[derive(Deserialize)]
pub(super) struct AppTold {
    pub(super) id: String,
    name: Option<String>,
    version: Option<String>,
    supports_backup_restore: Option<bool>,
}

impl From<AppTold> for App {
    fn from(told: AppTold) -> Self {
        Self {
            name: told.name.unwrap_or_else(|| told.id.clone()),
            version: told.version.unwrap_or_default(),
            can_back_up: told.supports_backup_restore.unwrap_or(true),
            id: told.id,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Hooks {
    pub(super) hooks: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct Archives {
    pub(super) archives: Vec<String>,
}

/// `backup info --with-details`.
#[derive(Deserialize)]
pub(super) struct Info {
    apps: BTreeMap<String, Value>,
    system: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
pub(super) struct Created {
    pub(super) name: String,
    /// A whole number so far; nothing depends on it.
    size: Value,
    pub(super) results: Results,
}

impl Created {
    pub(super) fn bytes(&self) -> u64 {
        self.size.as_u64().unwrap_or(0)
    }
}

/// How each target fared.
#[derive(Deserialize)]
pub(super) struct Results {
    #[serde(default)]
    system: BTreeMap<String, String>,
    #[serde(default)]
    apps: BTreeMap<String, String>,
}

impl Results {
    /// The states of all that was wanted, and of what else was done. What it does not mention is
    /// [`TargetState::Unknown`].
    pub(super) fn targets(self, what: &Selection) -> BTreeMap<String, TargetState> {
        let wanted = match what {
            Selection::App(app) => std::slice::from_ref(app),
            Selection::System(parts) => parts.as_slice(),
        };
        let unknown = wanted.iter().map(|name| (name.clone(), TargetState::Unknown));
        let mut targets: BTreeMap<_, _> = unknown.collect();
        let told = self.system.into_iter().chain(self.apps);
        targets.extend(told.map(|(name, told)| (name, state(&told))));
        targets
    }
}

fn state(told: &str) -> TargetState {
    match told {
        "Success" => TargetState::Success,
        "Warning" => TargetState::Warning,
        "Error" => TargetState::Error,
        "Skipped" => TargetState::Skipped,
        _ => TargetState::Unknown,
    }
}

/// Whether a target is there afterwards.
pub(super) fn is_done(state: TargetState) -> bool {
    matches!(state, TargetState::Success | TargetState::Warning)
}

/// What was not done, for an error; none when at least one target was.
pub(super) fn nothing_done(targets: &BTreeMap<String, TargetState>) -> Option<String> {
    if targets.values().any(|state| is_done(*state)) {
        return None;
    }
    let told: Vec<_> = targets.iter().map(|(name, state)| format!("{name}: {state:?}")).collect();
    Some(if told.is_empty() { "nothing was done".to_owned() } else { told.join(", ") })
}

impl Info {
    /// Whether an archive has what is wanted of it.
    pub(super) fn check(&self, archive: &str, what: &Selection) -> Result<(), TaskError> {
        let (kind, of, wanted) = match what {
            Selection::App(app) => ("app", &self.apps, std::slice::from_ref(app)),
            Selection::System(parts) => ("part of the system", &self.system, parts.as_slice()),
        };
        let there: Vec<_> = of.keys().cloned().collect();
        if there.is_empty() {
            let what = format!("the archive {archive} has no {kind} in it");
            return Err(TaskError::NotFound { what });
        }
        check(&format!("{kind} in the archive {archive}"), wanted, &there)
    }
}

/// Whether all that is wanted is there; the refusal lists what is.
pub(super) fn check(kind: &str, wanted: &[String], there: &[String]) -> Result<(), TaskError> {
    let Some(missing) = wanted.iter().find(|name| !there.contains(name)) else { return Ok(()) };
    let mut listed = there.iter().take(LISTED_MAX).cloned().collect::<Vec<_>>();
    listed.sort();
    let more = there.len().saturating_sub(LISTED_MAX);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let what = if listed.is_empty() {
        format!("there is no {kind} {missing}, nor any other")
    } else {
        format!("there is no {kind} {missing}; there is {}{more}", listed.join(", "))
    };
    Err(TaskError::NotFound { what })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_mentioned_is_unknown_and_words_that_are_new_too() {
        let told = r#"{"system": {"a": "Success", "b": "Splendid"}, "apps": {}}"#;
        let results: Results = serde_json::from_str(told).expect("results");
        let wanted = Selection::System(["a", "b", "c"].map(str::to_owned).to_vec());
        let targets = results.targets(&wanted);
        assert_eq!(targets["a"], TargetState::Success);
        assert_eq!(targets["b"], TargetState::Unknown);
        assert_eq!(targets["c"], TargetState::Unknown);
        assert_eq!(nothing_done(&targets), None);
        let targets = [("x".to_owned(), TargetState::Error)].into();
        assert_eq!(nothing_done(&targets).as_deref(), Some("x: Error"));
        assert!(nothing_done(&BTreeMap::new()).is_some());
    }

    #[test]
    fn a_refusal_lists_what_there_is() {
        let there = ["b", "a"].map(str::to_owned);
        check("app", &["a".to_owned()], &there).expect("there");
        let error = check("app", &["a".to_owned(), "x".to_owned()], &there).expect_err("not there");
        assert_eq!(error.to_string(), "there is no app x; there is a, b");
        let many: Vec<_> = (0..100).map(|n| format!("app{n}")).collect();
        let error = check("app", &["x".to_owned()], &many).expect_err("not there");
        assert!(error.to_string().ends_with("and 40 more"), "{error}");
        let error = check("app", &["x".to_owned()], &[]).expect_err("not there");
        assert_eq!(error.to_string(), "there is no app x, nor any other");
    }
}
