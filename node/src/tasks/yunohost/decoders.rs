//! A door to the answers of the `yunohost` command, see [`crate::decoders`].

use std::collections::BTreeMap;

use super::{
    App, Selection, TargetState, Yunohost,
    answer::{Apps, Archives, Created, Hooks, Info, Versions},
    call::Heard,
};
use crate::tasks::TaskError;

/// One standard output as the answer to every question, each as far as it is one.
#[derive(Debug)]
pub struct Answered {
    /// `tools versions`.
    pub version: Result<String, TaskError>,
    /// `app list`.
    pub apps: Result<Vec<App>, TaskError>,
    /// `hook list backup`.
    pub parts: Result<Vec<String>, TaskError>,
    /// `backup list`.
    pub archives: Result<Vec<String>, TaskError>,
    /// `backup create`: the name, the size, and how the targets fared.
    pub created: Result<(String, u64, BTreeMap<String, TargetState>), TaskError>,
    /// `backup info --with-details`: whether the archive has what is wanted.
    pub has: Result<(), TaskError>,
}

/// Reads the lines of a standard output, when this was wanted.
pub fn answered(stdout: Vec<String>, wanted: &Selection) -> Answered {
    let call = Yunohost::default().question(&["backup", "list"]);
    let mut heard = Heard::default();
    heard.end(stdout);
    let created = |told: Created| {
        let bytes = told.bytes();
        (told.name, bytes, told.results.targets(wanted))
    };
    Answered {
        version: call.answer(&heard).map(|told: Versions| told.yunohost.version),
        apps: call.answer(&heard).map(|told: Apps| told.apps.into_iter().map(App::from).collect()),
        parts: call.answer(&heard).map(|told: Hooks| told.hooks),
        archives: call.answer(&heard).map(|told: Archives| told.archives),
        created: call.answer(&heard).map(created),
        has: call.answer(&heard).and_then(|told: Info| told.check("an archive", wanted)),
    }
}
