//! Making an archive.

use super::{
    Answer, Selection, TargetState, Yunohost,
    answer::{self, Created},
    call::{Call, Heard, Talk},
    leftovers::Leftovers,
    names,
};
use crate::tasks::TaskError;

impl Yunohost {
    pub(super) fn create(
        &self,
        name: &str,
        description: &str,
        what: &Selection,
        core_only: bool,
        talk: &Talk<'_>,
    ) -> Result<Answer, TaskError> {
        names::archive(name)?;
        names::text("the description", description)?;
        names::selection(what)?;
        self.check_exists(what, talk)?;
        let leftovers = Leftovers::before(&self.archives, name)?;
        if leftovers.is_archive_there() {
            return Err(exists(name));
        }
        // The name goes first: what follows takes any number of values.
        let mut call = self.change(&["backup", "create", "--name", name]);
        if !description.is_empty() {
            call = call.arg("--description").arg(description);
        }
        call = call.core_only(core_only);
        call = match what {
            Selection::App(app) => call.arg("--apps").arg(app),
            Selection::System(parts) => call.arg("--system").args(parts),
        };
        let mut heard = Heard::default();
        let made = make(&call, name, what, talk, &mut heard);
        if made.is_err() {
            leftovers.remove(self, &heard, talk);
        }
        made
    }
}

fn make(
    call: &Call,
    name: &str,
    what: &Selection,
    talk: &Talk<'_>,
    heard: &mut Heard,
) -> Result<Answer, TaskError> {
    call.make(talk, heard)?;
    if heard.code() != 0 {
        let is_taken = heard.errors().contains("already exists") && !heard.begun;
        return Err(if is_taken { exists(name) } else { call.failure(heard) });
    }
    let created: Created = call.answer(heard)?;
    if created.name != name {
        let why = format!("it made the archive {:?}, not {name}", created.name);
        return Err(TaskError::Nonsense { program: call.name(), why });
    }
    let bytes = created.bytes();
    let targets = created.results.targets(what);
    match lost(what, &targets) {
        None => Ok(Answer::Created { bytes, targets }),
        Some(lost) => Err(not_done(call, &lost, heard)),
    }
}

/// What makes a run a failure although it ended well: none of the targets is in the archive.
fn lost(
    what: &Selection,
    targets: &std::collections::BTreeMap<String, TargetState>,
) -> Option<String> {
    match what {
        Selection::App(app) => match targets.get(app) {
            Some(state) if answer::is_done(*state) => None,
            state => Some(format!("{app}: {:?}", state.unwrap_or(&TargetState::Unknown))),
        },
        Selection::System(_) => answer::nothing_done(targets),
    }
}

pub(super) fn not_done(call: &Call, lost: &str, heard: &Heard) -> TaskError {
    let errors = heard.errors();
    let said = if errors.is_empty() { lost.to_owned() } else { format!("{lost}; {errors}") };
    TaskError::Failed { program: call.name(), status: "nothing was done".to_owned(), said }
}

fn exists(name: &str) -> TaskError {
    TaskError::Conflict { what: format!("there is an archive {name} already") }
}
