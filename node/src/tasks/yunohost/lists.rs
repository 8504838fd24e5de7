//! Questions: what version it is, and which apps, parts and archives there are.

use super::{
    App, Selection, Yunohost,
    answer::{self, Apps, Archives, Hooks, Versions},
    call::Talk,
};
use crate::tasks::TaskError;

impl Yunohost {
    pub(super) fn version(&self, talk: &Talk<'_>) -> Result<String, TaskError> {
        let told: Versions = self.question(&["tools", "versions"]).ask(talk)?;
        Ok(told.yunohost.version)
    }

    pub(super) fn apps(&self, talk: &Talk<'_>) -> Result<Vec<App>, TaskError> {
        let told: Apps = self.question(&["app", "list", "--full"]).ask(talk)?;
        let mut apps: Vec<_> = told.apps.into_iter().map(App::from).collect();
        apps.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(apps)
    }

    pub(super) fn parts(&self, talk: &Talk<'_>) -> Result<Vec<String>, TaskError> {
        let told: Hooks = self.question(&["hook", "list", "backup"]).ask(talk)?;
        let mut parts = told.hooks;
        parts.sort();
        Ok(parts)
    }

    /// The ids of the installed apps; faster than all about them.
    pub(super) fn app_ids(&self, talk: &Talk<'_>) -> Result<Vec<String>, TaskError> {
        let told: Apps = self.question(&["app", "list"]).ask(talk)?;
        Ok(told.apps.into_iter().map(|app| app.id).collect())
    }

    pub(super) fn archive_names(&self, talk: &Talk<'_>) -> Result<Vec<String>, TaskError> {
        let told: Archives = self.question(&["backup", "list"]).ask(talk)?;
        Ok(told.archives)
    }

    /// Whether the machine has what is to be backed up. YunoHost would leave out what it does not
    /// know and call the rest a success.
    pub(super) fn check_exists(&self, what: &Selection, talk: &Talk<'_>) -> Result<(), TaskError> {
        match what {
            Selection::App(app) => {
                answer::check("app", std::slice::from_ref(app), &self.app_ids(talk)?)
            }
            Selection::System(parts) if parts.is_empty() => Ok(()),
            Selection::System(parts) => {
                answer::check("part of the system", parts, &self.parts(talk)?)
            }
        }
    }
}
