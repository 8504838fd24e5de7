//! Putting an archive back, and removing an app to make room for one.

use super::{
    Answer, Selection, Yunohost,
    answer::{self, Info, Results},
    call::{Heard, Talk},
    create::not_done,
    leftovers::Leftovers,
    names,
};
use crate::tasks::TaskError;

impl Yunohost {
    pub(super) fn restore(
        &self,
        name: &str,
        what: &Selection,
        talk: &Talk<'_>,
    ) -> Result<Answer, TaskError> {
        names::archive(name)?;
        names::selection(what)?;
        let wanted = [name.to_owned()];
        answer::check("archive", &wanted, &self.archive_names(talk)?)?;
        let info = self.question(&["backup", "info", name, "--with-details"]);
        info.ask::<Info>(talk)?.check(name, what)?;
        if let Selection::App(app) = what
            && self.app_ids(talk)?.contains(app)
        {
            return Err(installed(app));
        }
        let call = self.change(&["backup", "restore", name]);
        let call = match what {
            Selection::App(app) => call.arg("--apps").arg(app),
            // Without a terminal it restores no part of the system unless it is told to.
            Selection::System(parts) => call.arg("--system").args(parts).arg("--force"),
        };
        let leftovers = Leftovers::before(&self.archives, name)?;
        let mut heard = Heard::default();
        let ended = call.make(talk, &mut heard);
        if ended.is_err() || heard.code() != 0 {
            leftovers.remove_work(self, &heard, talk);
        }
        ended?;
        if heard.code() != 0 {
            return Err(match what {
                Selection::App(app) if heard.errors().contains("already installed") => {
                    installed(app)
                }
                _ => call.failure(&heard),
            });
        }
        let targets = call.answer::<Results>(&heard)?.targets(what);
        match answer::nothing_done(&targets) {
            None => Ok(Answer::Restored { targets }),
            Some(lost) => Err(not_done(&call, &lost, &heard)),
        }
    }

    /// Without `--purge`: the data directory stays.
    pub(super) fn remove_app(&self, app: &str, talk: &Talk<'_>) -> Result<Answer, TaskError> {
        names::app(app)?;
        answer::check("app", &[app.to_owned()], &self.app_ids(talk)?)?;
        let call = self.change(&["app", "remove", app]);
        let mut heard = Heard::default();
        call.run(talk, &mut heard)?;
        // It ends with 0 also when the app's own script failed.
        if self.app_ids(talk)?.iter().any(|id| id == app) {
            return Err(not_done(&call, &format!("{app} is still installed"), &heard));
        }
        Ok(Answer::Done)
    }
}

fn installed(app: &str) -> TaskError {
    let what =
        format!("the app {app} is installed, and YunoHost restores none that is: remove it first");
    TaskError::Conflict { what }
}
