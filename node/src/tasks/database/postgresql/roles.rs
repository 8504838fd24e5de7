//! Roles that a dump names and the server has not.
//!
//! They are made without a login for as long as the load takes; a comment tells them from others,
//! so that the next load removes what a killed one left.

use std::collections::BTreeSet;

use super::{
    super::{super::TaskError, head},
    CLIENT, Client, name, parsed, text,
};

/// The comment on a role of ours.
const PLACEHOLDER: &str = "stands in for a role while backupmanager loads a dump";

impl Client<'_> {
    /// The roles of a dump that are not here. Those that stand in for others are not here.
    pub(super) fn missing_roles(
        &self,
        at: &str,
        head: &head::Postgresql,
    ) -> Result<Vec<String>, TaskError> {
        let sql = format!(
            "SELECT coalesce(json_agg(rolname), '[]') FROM pg_roles WHERE \
             coalesce(shobj_description(oid, 'pg_authid'), '') <> {};",
            text(PLACEHOLDER)
        );
        let here: BTreeSet<String> = parsed(&self.ask(at, &sql)?)?;
        let acl = head.acl.iter().flatten().filter_map(|privilege| privilege.to.as_ref());
        let named: BTreeSet<&String> =
            head.roles.iter().flatten().chain([&head.owner]).chain(acl).collect();
        Ok(named.into_iter().filter(|role| !here.contains(*role)).cloned().collect())
    }

    /// Makes roles that stand in for those.
    pub(super) fn stand_in(&self, at: &str, roles: &[String]) -> Result<(), TaskError> {
        let sql = "SELECT coalesce(json_agg(rolname), '[]') FROM pg_roles;";
        let here: BTreeSet<String> = parsed(&self.ask(at, sql)?)?;
        let mut sql = String::from("BEGIN;\n");
        for role in roles.iter().filter(|role| !here.contains(*role)) {
            let (role, comment) = (name(role), text(PLACEHOLDER));
            sql += &format!("CREATE ROLE {role} NOLOGIN; COMMENT ON ROLE {role} IS{comment};\n");
        }
        self.ask(at, &(sql + "COMMIT;\n")).map(|_| ()).map_err(|error| match error {
            TaskError::Failed { said, .. } => TaskError::Conflict {
                what: format!(
                    "the roles {} do not exist here and may not be made by this user: {said}",
                    roles.join(", ")
                ),
            },
            error => error,
        })
    }

    /// Gives what they own in a database to the connecting user, and takes their rights.
    pub(super) fn take_over(&self, database: &str, roles: &[String]) -> Result<(), TaskError> {
        if roles.is_empty() {
            return Ok(());
        }
        let all = roles.iter().map(|role| name(role)).collect::<Vec<_>>().join(", ");
        let sql = format!("REASSIGN OWNED BY {all} TO CURRENT_USER; DROP OWNED BY {all};");
        self.ask(database, &sql).map(|_| ())
    }

    /// Removes roles that stood in for others, ours and those of killed loads. One that is still in
    /// use, by a load that runs at the same time, stays for that to remove.
    pub(super) fn remove_stand_ins(&self, at: &str) {
        let sql = format!(
            "SELECT coalesce(json_agg(rolname), '[]') FROM pg_roles WHERE \
             shobj_description(oid, 'pg_authid') = {};",
            text(PLACEHOLDER)
        );
        let roles = self.insist(at, &sql).and_then(|said| parsed::<Vec<String>>(&said));
        for role in roles.unwrap_or_default() {
            if let Err(error) = self.insist(at, &format!("DROP ROLE {};", name(&role))) {
                tracing::info!(%error, role, program = CLIENT, "a role that stands in for another stays");
            }
        }
    }
}
