//! Dumping one database.

use std::{fs, io::Write};

use protocol::job::DumpFormat;

use super::{
    super::{
        super::{TaskError, process::Program},
        head::{self, Head},
        pipeline::{Guard, Stage},
        unknown,
    },
    Client, DUMPER, parsed,
};

/// What the last line of a whole dump says.
pub(super) const LAST_WORDS: &str = "-- PostgreSQL database dump complete";

/// What tells this machine from others.
const MACHINE: &str = "/etc/machine-id";

/// Everything about the database that `pg_dump` leaves to `pg_dumpall`. What only some versions
/// know is taken from the row as JSON. The first user of a server depends on nothing, so it is
/// added to the roles.
const HEAD: &str = "\
    SELECT json_build_object('database', d.datname, 'owner', pg_get_userbyid(d.datdba), \
    'encoding', pg_encoding_to_char(d.encoding), 'collate', d.datcollate, 'ctype', d.datctype, \
    'provider', to_jsonb(d)->>'datlocprovider', \
    'icu', coalesce(to_jsonb(d)->>'daticulocale', to_jsonb(d)->>'datlocale'), \
    'limit', d.datconnlimit, 'comment', shobj_description(d.oid, 'pg_database'), \
    'settings', (SELECT to_json(setconfig) FROM pg_db_role_setting \
        WHERE setdatabase = d.oid AND setrole = 0), \
    'acl', (SELECT json_agg(json_build_object('to', CASE grantee WHEN 0 THEN NULL \
        ELSE pg_get_userbyid(grantee) END, 'privilege', privilege_type, \
        'may_grant', is_grantable)) FROM aclexplode(d.datacl)), \
    'roles', (SELECT json_agg(rolname ORDER BY rolname) FROM pg_roles r WHERE r.oid = 10 \
        OR r.oid IN (SELECT refobjid FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass \
        AND (dbid = d.oid OR (classid = 'pg_database'::regclass AND objid = d.oid)))), \
    'server', current_setting('server_version')) \
    FROM pg_database d WHERE d.datname = current_database();";

impl Client<'_> {
    /// Dumps a database; bytes of SQL, and warnings.
    pub(in super::super) fn dump(
        &self,
        database: &str,
        format: DumpFormat,
        output: &mut (dyn Write + Send),
    ) -> Result<(u64, Vec<String>), TaskError> {
        let there_are = self.databases()?;
        if !there_are.iter().any(|there| there.name == database) {
            return Err(unknown(database, &there_are));
        }
        let head: head::Postgresql = parsed(&self.ask(database, HEAD)?)?;
        let mut program = self.connected(DUMPER, database).args([
            "--format=plain",
            "--blobs",
            "--no-tablespaces",
        ]);
        if let Some(key) = self.restrict_key(database) {
            program = program.arg(format!("--restrict-key={key}"));
        }
        let stage = Stage { name: DUMPER, program, last_words: LAST_WORDS, guard: Guard::None };
        let bytes = stage.dump(self.talk, &Head::Postgresql(head), format, output)?;
        Ok((bytes, Vec::new()))
    }

    /// Newer versions close a dump with a random key, so that its data cannot contain the words for
    /// `psql` to leave the safe mode. With one that only this machine knows, the same data gives
    /// the same dump.
    fn restrict_key(&self, database: &str) -> Option<String> {
        let help = self.talk.ask(DUMPER, Program::new(DUMPER).arg("--help"), "").ok()?;
        let machine = fs::read(MACHINE).ok().filter(|_| help.contains("--restrict-key"))?;
        let key = blake3::Hasher::new_derive_key("backupmanager 2026 pg_dump restrict key")
            .update(&machine)
            .update(database.as_bytes())
            .finalize()
            .to_hex();
        Some(key.to_string())
    }
}
