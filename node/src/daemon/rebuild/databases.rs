//! Dumps in an archive, and loading them.

use protocol::{
    contents::Entry,
    control::{Failure, FailureCode},
    tar::MemberKind,
};

use super::{
    carry_out::{Rebuild, Went, task_failure},
    files::{MemberData, Told},
    known::{Dump, Kind, Known},
};
use crate::{
    agent::AgentError,
    archive::Span,
    daemon::handle::archive::Opened,
    ingest::database_of,
    tasks::{
        Answer, Task,
        database::{self, DatabaseTask, Engine},
    },
};

/// Most dumps that one restore loads: a contents index of another node can name any number.
pub(super) const DUMPS_MAX: usize = 10_000;

/// Dumps that are found in an archive, as many as a restore loads.
#[derive(Debug, Default)]
pub(super) struct Dumps(Vec<Dump>);

impl Dumps {
    /// Adds one; `false` when there are too many, so that nobody need look further.
    pub(super) fn add(&mut self, dump: Option<Dump>) -> bool {
        self.0.extend(dump);
        self.0.len() <= DUMPS_MAX
    }

    /// All of them.
    ///
    /// # Errors
    /// When there are too many.
    pub(super) fn all(self, title: &str) -> Result<Vec<Dump>, Failure> {
        if self.0.len() <= DUMPS_MAX {
            return Ok(self.0);
        }
        let what = format!("cannot restore {title}");
        let why = format!("it has more than {DUMPS_MAX} dumps, which no node makes");
        Err(Failure::new(FailureCode::Damaged, what, why)
            .hint("choose some with --path, or restore them as files with --to"))
    }
}

/// Where dumps lie in an archive of a kind of job.
pub(super) fn folder(kind: &str) -> Option<&'static str> {
    match kind {
        "mysql" => Some(folder_of(Engine::Mysql)),
        "postgresql" => Some(folder_of(Engine::Postgresql)),
        _ => None,
    }
}

/// Where dumps of an engine lie.
pub(super) fn folder_of(engine: Engine) -> &'static str {
    match engine {
        Engine::Mysql => "data/mysql",
        Engine::Postgresql => "data/postgresql",
    }
}

/// The dump that a member is, if it is one: `data/mysql/NAME.sql.zst`.
pub(super) fn dump(folder: &str, entry: &Entry) -> Option<Dump> {
    let (engine, database, format) = database_of(&entry.path)?;
    if folder_of(engine) != folder || entry.kind != MemberKind::File {
        return None;
    }
    Some(Dump {
        database,
        format,
        bytes: entry.real_bytes,
        span: Span { from: entry.offset, to: entry.offset.saturating_add(entry.span) },
    })
}

/// Streams a dump out of the archive into a database.
pub(super) fn load(
    rebuild: &Rebuild<'_>,
    opened: &Opened,
    known: &Known,
    dump: &Dump,
    (into, replace): (&str, bool),
) -> Result<Went, Failure> {
    let what = format!("cannot load the database {into}");
    let Kind::Databases(server) = &known.kind else { return Ok(Went::unchanged()) };
    let task = Task::Database(DatabaseTask::Load {
        server: server.clone(),
        database: into.to_owned(),
        dumped_from: dump.database.clone(),
        format: dump.format,
        replace,
    });
    let stream = opened.reader.stream(vec![dump.span], crate::sys::threads());
    let mut input = Told::new(MemberData::new(stream), dump.bytes, "loading", &rebuild.teller);
    match rebuild.perform(&task, Some(&mut input)) {
        Ok(Answer::Database(database::Answer::Loaded { warnings, .. })) => {
            Ok(Went::with_warnings(warnings))
        }
        Ok(_) => Err(task_failure(&what, &AgentError::Unexpected)),
        Err(error) => Err(task_failure(&what, &error)),
    }
}

#[cfg(test)]
mod tests {
    use protocol::{job::DumpFormat, tar::Member};

    use super::*;

    #[test]
    fn a_dump_says_its_database_and_format_by_its_name() {
        let of = |path: &str| {
            let mut member = Member::new(MemberKind::File, path);
            member.data_bytes = 9;
            let dump = dump("data/mysql", &Entry::of(&member, 512, 1024))?;
            Some((dump.database, dump.format, dump.span.to))
        };
        assert_eq!(of("data/mysql/a.sql"), Some(("a".to_owned(), DumpFormat::None, 1536)));
        assert_eq!(of("data/mysql/é b.sql.gz").unwrap().0, "é b");
        assert_eq!(of("data/mysql/a.sql.zst").unwrap().1, DumpFormat::Zstd);
        assert_eq!(of("data/mysql/a.sql.bz2").unwrap().1, DumpFormat::Bzip2);
        for no in [
            "data/mysql/.sql",
            "data/mysql/a/b.sql",
            "data/mysql/-a.sql",
            "data/mysql/%61.sql",
            "data/mysql/../x.sql",
            "data/postgresql/a.sql",
            "data/mysql/a.txt",
        ] {
            assert_eq!(of(no), None, "{no}");
        }
    }

    #[test]
    fn an_archive_with_more_dumps_than_any_node_makes_is_damaged() {
        let dump = || {
            let (database, format) = ("a".to_owned(), DumpFormat::None);
            Some(Dump { database, format, bytes: 1, span: Span { from: 0, to: 1024 } })
        };
        let mut dumps = Dumps::default();
        assert!((0..DUMPS_MAX).all(|_| dumps.add(dump())) && dumps.add(None));
        assert!(!dumps.add(dump()), "nobody need look further");
        assert_eq!(dumps.all("x").unwrap_err().code, FailureCode::Damaged);
        let mut few = Dumps::default();
        assert!(few.add(dump()));
        assert_eq!(few.all("x").unwrap().len(), 1);
    }
}
