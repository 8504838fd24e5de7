//! The hooks in our archives, run by bash as YunoHost runs them. The programs of the databases are
//! played by scripts that note what they were asked.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

const CLIENT: &str = r#"#!/bin/bash
printf 'mysql' >>"$NOTES"
printf ' <%s>' "$@" >>"$NOTES"
echo >>"$NOTES"
case "$*" in
*--execute=*) ;;
*) sed 's/^/  /' >>"$NOTES" ;;
esac
[[ "$*" != *--database=broken* ]]
"#;

const RUNUSER: &str = r#"#!/bin/bash
[ "$1 $2 $3" = "-u postgres --" ] || exit 9
shift 3
exec "$@"
"#;

const CREATEDB: &str = r#"#!/bin/bash
printf 'createdb <%s>\n' "${@: -1}" >>"$NOTES"
"#;

/// Knows the database `there`, which is empty, and `full`, which is not.
const PSQL: &str = r#"#!/bin/bash
said="$(cat)"
case "$said" in
*pg_database*) [[ "$*" =~ --set=name=(there|full) ]] && echo 1 ;;
*pg_class*) [ "$PGDATABASE" = full ] && echo 3 || echo 0 ;;
*) printf 'psql <%s>\n  %s\n' "$PGDATABASE" "$said" >>"$NOTES"
    [[ "$said" != *norole* ]] || echo 'ERROR:  role "app" does not exist' >&2
    [[ "$said" != *syntax* ]] || echo 'ERROR:  syntax error at or near "x"' >&2 ;;
esac
exit 0
"#;

struct Stage {
    dir: TempDir,
}

impl Stage {
    fn new() -> Self {
        let stage = Self { dir: tempfile::tempdir().unwrap() };
        fs::create_dir(stage.path("bin")).unwrap();
        for (name, script) in [
            ("mysql", CLIENT),
            ("mariadb", CLIENT),
            ("runuser", RUNUSER),
            ("createdb", CREATEDB),
            ("psql", PSQL),
        ] {
            let path = stage.path("bin").join(name);
            fs::write(&path, script).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        stage
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn unpacked(&self, path: &str, content: &[u8]) {
        let path = self.path("unpacked").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn run(&self, hook: &str) -> Output {
        let mut command = Command::new("/bin/bash");
        command.arg("-x").arg(hook_file(hook)).arg(self.path("unpacked"));
        command.env_clear().current_dir(self.dir.path()).stdin(Stdio::null());
        command.env("PATH", format!("{}:/usr/bin:/bin", self.path("bin").display()));
        command.env("NOTES", self.path("notes")).env("LC_ALL", "C.UTF-8");
        command.output().unwrap()
    }

    fn notes(&self) -> String {
        fs::read_to_string(self.path("notes")).unwrap_or_default()
    }
}

fn hook_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ingest/layout/hooks").join(name)
}

const HOOKS: [&str; 3] = ["70-data_custom", "71-data_mysql", "72-data_postgresql"];

#[test]
fn an_archive_without_its_payload_is_an_error_in_every_hook() {
    for hook in HOOKS {
        let stage = Stage::new();
        fs::create_dir(stage.path("unpacked")).unwrap();
        let out = stage.run(hook);
        assert!(!out.status.success(), "{hook}");
        assert!(String::from_utf8_lossy(&out.stderr).contains("this archive has no"), "{hook}");
        assert_eq!(stage.notes(), "");
    }
}

#[test]
fn files_are_put_back_with_their_modes() {
    let stage = Stage::new();
    let inside = stage.path("target");
    let below = format!("data/custom{}", inside.display());
    stage.unpacked(&format!("{below}/sub/a b"), b"content");
    let unpacked = stage.path("unpacked").join(&below);
    fs::set_permissions(unpacked.join("sub"), fs::Permissions::from_mode(0o2710)).unwrap();
    let out = stage.run("70-data_custom");
    assert!(out.status.success(), "{out:?}");
    assert_eq!(fs::read(inside.join("sub/a b")).unwrap(), b"content");
    assert_eq!(fs::metadata(inside.join("sub")).unwrap().permissions().mode() & 0o7777, 0o2710);
}

#[test]
fn mysql_databases_are_made_and_loaded_whatever_their_names_are() {
    let stage = Stage::new();
    stage.unpacked("data/mysql/mabase.sql", b"ONE");
    stage.unpacked("data/mysql/a%2Fb `$(touch x)' é.sql", b"TWO");
    stage.unpacked("data/mysql/%2Dx%5Cn.sql", b"THREE");
    stage.unpacked("data/mysql/notes.txt", b"no dump");
    let out = stage.run("71-data_mysql");
    assert!(out.status.success(), "{out:?}");
    let notes = stage.notes();
    for (database, quoted, dump) in [
        ("mabase", "mabase", "ONE"),
        ("a/b `$(touch x)' é", "a/b ``$(touch x)' é", "TWO"),
        ("-x\\n", "-x\\n", "THREE"),
    ] {
        let utf8 = "<--default-character-set=utf8mb4>";
        let create = format!(
            "mysql {utf8} <--execute=CREATE DATABASE IF NOT EXISTS `{quoted}`>\n\
             mysql {utf8} <--database={database}>\n  {dump}"
        );
        assert!(notes.contains(&create), "{notes}");
    }
    assert_eq!(notes.matches("CREATE").count(), 3);
    assert!(!stage.path("x").exists());
}

#[test]
fn compressed_dumps_are_unpacked_by_both_hooks() {
    for (hook, folder) in [("71-data_mysql", "mysql"), ("72-data_postgresql", "postgresql")] {
        let stage = Stage::new();
        for (ending, program) in [("gz", "gzip"), ("bz2", "bzip2"), ("zst", "zstd")] {
            stage.unpacked(&format!("data/{folder}/db.{ending}.sql"), b"PACKED\n");
            let path = stage.path("unpacked/data").join(folder).join(format!("db.{ending}.sql"));
            let packed = Command::new(program).arg("-q").arg("-c").arg(&path).output().unwrap();
            assert!(packed.status.success(), "{packed:?}");
            fs::write(path.with_extension(format!("sql.{ending}")), packed.stdout).unwrap();
            fs::remove_file(path).unwrap();
        }
        let out = stage.run(hook);
        assert!(out.status.success(), "{out:?}");
        assert_eq!(stage.notes().matches("  PACKED").count(), 3, "{}", stage.notes());
    }
}

#[test]
fn one_dump_that_fails_is_an_error_and_the_others_are_loaded() {
    let stage = Stage::new();
    for name in ["a", "broken", "z"] {
        stage.unpacked(&format!("data/mysql/{name}.sql"), b"X");
    }
    stage.unpacked("data/mysql/damaged.sql.gz", b"no gzip");
    let out = stage.run("71-data_mysql");
    assert!(!out.status.success());
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(said.contains("the database broken could not be loaded"), "{said}");
    assert!(said.contains("the database damaged could not be loaded"), "{said}");
    assert!(stage.notes().contains("--database=z"));
}

#[test]
fn postgresql_databases_are_made_when_missing_and_never_loaded_over_another() {
    let stage = Stage::new();
    for name in ["new", "there", "full", "a%2Fb 'c\" é"] {
        stage.unpacked(&format!("data/postgresql/{name}.sql"), b"DUMP");
    }
    let out = stage.run("72-data_postgresql");
    assert!(!out.status.success());
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(said.contains("full exists and is not empty"), "{said}");
    let notes = stage.notes();
    for name in ["new", "a/b 'c\" é"] {
        let made = format!("createdb <{name}>\npsql <{name}>\n  DUMP\n");
        assert!(notes.contains(&made), "{notes}");
    }
    assert!(notes.contains("psql <there>\n  DUMP"), "{notes}");
    assert!(!notes.contains("full") && !notes.contains("createdb <there>"), "{notes}");
}

#[test]
fn an_owner_that_is_missing_is_told_and_other_errors_fail() {
    let missing = Stage::new();
    missing.unpacked("data/postgresql/new.sql", b"norole");
    let out = missing.run("72-data_postgresql");
    assert!(out.status.success(), "{out:?}");
    assert!(String::from_utf8_lossy(&out.stderr).contains("role \"app\" does not exist"));
    let wrong = Stage::new();
    wrong.unpacked("data/postgresql/new.sql", b"norole syntax");
    assert!(!wrong.run("72-data_postgresql").status.success());
}

#[test]
fn shellcheck_has_nothing_to_say() {
    let out = Command::new("shellcheck").args(HOOKS.map(hook_file)).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
}
