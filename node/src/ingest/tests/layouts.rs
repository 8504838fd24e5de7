use std::{collections::BTreeMap, fs, io::Write as _, path::Path};

use protocol::job::DumpFormat;
use serde_json::{Value, json};

use super::*;
use crate::tasks::database::Engine;

type Members = Vec<(Entry, Vec<u8>)>;

fn fixture(name: &str) -> Members {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/yunohost").join(name);
    let tar = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    members(&tar)
}

fn layout(kind: &str, app: &str, payload: Payload, bytes: u64) -> Layout {
    let info = BackupInfo {
        instance: "jerry".to_owned(),
        instance_url: Some("https://jerry.mondomaine.fr".to_owned()),
        app: app.to_owned(),
        kind: kind.to_owned(),
        created_local: "2026-05-08T03:00:00".to_owned(),
        yunohost_version: Some("12.1.25".to_owned()),
        databases: Vec::new(),
        restore: None,
    };
    Layout { info, job: "nightly".to_owned(), payload, created_seconds: 1_778_209_200, bytes }
}

fn databases(engine: Engine, format: DumpFormat, names: &[&str]) -> Payload {
    let databases = names.iter().map(ToString::to_string).collect();
    Payload::Databases { engine, format, databases }
}

fn made(layout: &Layout, dumps: &[&str]) -> Members {
    let mut bench = Bench::new();
    let ingested = bench.put(|sink| {
        layout.begin(sink).map_err(failed)?;
        for name in dumps {
            let mut dump = layout.dump(sink, name).map_err(failed)?;
            dump.write_all(b"SELECT 1;\n").map_err(failed)?;
            dump.finish().map_err(failed)?;
        }
        Layout::end(sink).map_err(failed)
    });
    check_contents(&bench, &ingested.unwrap())
}

fn names(members: &Members) -> Vec<String> {
    let name = |(entry, _): &(Entry, Vec<u8>)| String::from_utf8(entry.path.clone()).unwrap();
    members.iter().map(name).collect()
}

fn content<'a>(members: &'a Members, path: &str) -> &'a [u8] {
    let (_, data) = members.iter().find(|(entry, _)| entry.path == path.as_bytes()).unwrap();
    data
}

fn object(members: &Members, path: &str) -> BTreeMap<String, Value> {
    serde_json::from_slice(content(members, path)).unwrap()
}

/// What the fixture says, we say too, apart from keys of ours and the version.
fn check_against(fixture: &Members, ours: &Members) {
    assert_eq!(object(ours, "info.json"), object(fixture, "info.json"));
    assert!(describe(content(ours, "info.json")).is_ok());
    let (theirs, mut info) =
        (object(fixture, "backup_info.json"), object(ours, "backup_info.json"));
    info.remove("databases");
    assert_eq!(info.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
    for (key, value) in theirs.iter().filter(|(key, _)| *key != "backupmanager_version") {
        assert_eq!(&info[key], value, "{key}");
    }
    let csv = |members| String::from_utf8(content(members, "backup.csv").to_vec()).unwrap();
    assert_eq!(csv(ours).trim_end(), csv(fixture).trim_end());
    assert!(csv(ours).ends_with("\r\n"));
}

#[test]
fn archives_of_databases_have_the_members_and_keys_that_yunohost_accepted() {
    for (engine, kind, bytes) in
        [(Engine::Mysql, "mysql", 40), (Engine::Postgresql, "postgresql", 29)]
    {
        let fixture = fixture(&format!("archives/jerry_{kind}_mabase_20260508.tar"));
        let payload = databases(engine, DumpFormat::None, &["mabase"]);
        let ours = made(&layout(kind, "mabase", payload, bytes), &["mabase"]);
        let mut ours_named = names(&ours);
        ours_named.retain(|name| name != "data");
        assert_eq!(ours_named, names(&fixture));
        check_against(&fixture, &ours);
        let dumps = &object(&ours, "backup_info.json")["databases"];
        let file = format!("data/{kind}/mabase.sql");
        assert_eq!(dumps, &json!([{ "name": "mabase", "file": file }]));
        let mode = |members: &Members| -> BTreeMap<Vec<u8>, u32> {
            let payload = members.iter().filter(|(entry, _)| entry.path.starts_with(b"data/"));
            payload.map(|(entry, _)| (entry.path.clone(), entry.mode)).collect()
        };
        assert_eq!(mode(&ours), mode(&fixture));
    }
}

#[test]
fn an_archive_of_a_directory_begins_like_the_one_that_yunohost_accepted() {
    let fixture = fixture("hermes-agent.tar");
    let payload = Payload::Directory("/opt/hermes-agent".into());
    let mut layout = layout("custom_dir", "hermes-agent", payload, 16);
    let permissions = json!({ "owner": "hermes-agent:hermes-agent", "mode": "750" });
    layout.info.restore = Some(json!({ "permissions": permissions }));
    let ours = made(&layout, &[]);
    assert_eq!(names(&ours), names(&fixture)[..4]);
    check_against(&fixture, &ours);
}

#[test]
fn every_database_of_a_job_is_named_in_the_csv_and_in_our_description() {
    let payload = databases(Engine::Mysql, DumpFormat::Zstd, &["a", "b\"c", "d/e"]);
    let ours = made(&layout("mysql", "nightly", payload, 0), &["a", "b\"c", "d/e"]);
    let csv = "\"mysql:a\",\"data/mysql/a.sql.zst\"\r\n\
        \"mysql:b\"\"c\",\"data/mysql/b\"\"c.sql.zst\"\r\n\
        \"mysql:d/e\",\"data/mysql/d%2Fe.sql.zst\"\r\n";
    assert_eq!(content(&ours, "backup.csv"), csv.as_bytes());
    let listed = &object(&ours, "backup_info.json")["databases"];
    let files: Vec<_> = listed.as_array().unwrap().iter().map(|one| &one["file"]).collect();
    assert_eq!(
        files,
        ["data/mysql/a.sql.zst", "data/mysql/b\"c.sql.zst", "data/mysql/d%2Fe.sql.zst"]
    );
}

#[test]
fn names_that_no_file_can_have_are_refused_at_the_beginning() {
    let long = "é".repeat(200);
    let payload = databases(Engine::Mysql, DumpFormat::None, &[&long]);
    let refused =
        Bench::new().put(|sink| layout("mysql", "x", payload, 0).begin(sink).map_err(failed));
    assert!(refused.is_err());
}

#[test]
fn without_yunohost_a_version_is_stated_that_restore_accepts() {
    let mut layout = layout("custom_dir", "docs", Payload::Directory("/srv".into()), 1);
    (layout.info.yunohost_version, layout.info.instance_url) = (None, None);
    assert_eq!(layout.info()["from_yunohost_version"], "12.1.0");
    assert_eq!(layout.info.json()["instance_url"], Value::Null);
}

#[test]
fn a_description_that_would_break_the_list_of_yunohost_is_not_put_beside_a_tar() {
    let good = json!({
        "description": "", "created_at": 1_778_209_200.5, "apps": {}, "system": {},
    });
    assert_eq!(sidecar(good.to_string().as_bytes()).unwrap(), good.to_string().into_bytes());
    for key in ["description", "created_at", "apps", "system"] {
        let mut bad = good.clone();
        bad.as_object_mut().unwrap().remove(key);
        let refused = sidecar(bad.to_string().as_bytes());
        assert!(matches!(refused, Err(InfoError::Key { key: named }) if named == key));
    }
    let mut iso = good;
    iso["created_at"] = "2026-05-08T03:00:00".into();
    assert!(sidecar(iso.to_string().as_bytes()).is_err());
    assert!(matches!(sidecar(b"no"), Err(InfoError::Json(_))));
    assert!(sidecar(b"[]").is_err());
}
