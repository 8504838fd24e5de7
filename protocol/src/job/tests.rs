use super::*;

/// The example of the program whose jobs are taken over, word for word.
const HERMES: &str = r#"{
    "source_path": "/opt/hermes-agent",
    "excludes": ["cache/", "logs/", "*.tmp"],
    "restore": {
        "system_user": { "name": "hermes-agent", "home": "/opt/hermes-agent", "shell": "/bin/false" },
        "systemd_service": { "name": "hermes-agent", "service_file": "/opt/hermes-agent/hermes-agent.service" },
        "permissions": { "owner": "hermes-agent:hermes-agent", "mode": "750" },
        "post_restore_commands": ["systemctl restart hermes-agent"]
    }
}"#;

fn json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|e| e.to_string())
}

fn spec(dir: CustomDir) -> JobSpec {
    JobSpec::new("hermes".parse().unwrap(), JobConfig::CustomDir(dir))
}

fn refusal(dir: CustomDir) -> String {
    spec(dir).validate().unwrap_err().to_string()
}

#[test]
fn the_configuration_of_the_replaced_program_is_taken_as_it_is() {
    let dir: CustomDir = json(HERMES).unwrap();
    assert_eq!(dir.excludes, ["cache/", "logs/", "*.tmp"]);
    let restore = dir.restore.as_ref().unwrap();
    assert_eq!(restore.system_user.as_ref().unwrap().shell, "/bin/false");
    let job = spec(dir);
    assert_eq!(job.validate(), Ok(()));
}

#[test]
fn the_type_key_names_the_kind_and_unknown_kinds_and_keys_are_refused() {
    let config: JobConfig = json(r#"{"type": "custom_dir", "source_path": "/srv"}"#).unwrap();
    assert_eq!(config, JobConfig::CustomDir(CustomDir::new("/srv")));
    let unknown = json::<JobConfig>(r#"{"type": "svn", "database": "x"}"#).unwrap_err();
    assert!(unknown.contains("unknown variant `svn`"), "{unknown}");
    let typo = json::<CustomDir>(r#"{"source_path": "/srv", "exclude": ["x"]}"#).unwrap_err();
    assert!(typo.contains("unknown field `exclude`"), "{typo}");
}

#[test]
fn a_job_keeps_everything_through_cbor() {
    let mut job = spec(json(HERMES).unwrap());
    job.copies = 2;
    job.on = Holders::Named(["tom".parse().unwrap(), "ann".parse().unwrap()].into());
    let bytes = crate::cbor::encode(&job);
    assert_eq!(crate::cbor::decode::<JobSpec>("job", &bytes, 1 << 16).unwrap(), job);
}

#[test]
fn a_source_path_must_be_absolute_and_plain() {
    assert_eq!(
        refusal(CustomDir::new("opt/app")),
        "source_path \"opt/app\" is not an absolute path"
    );
    assert!(refusal(CustomDir::new("/opt/../etc")).ends_with("has '..' in it"));
    assert!(refusal(CustomDir::new("/a\0b")).ends_with("has a zero byte in it"));
    let long = refusal(CustomDir::new(format!("/{}", "x".repeat(PATH_BYTES_MAX))));
    assert!(long.ends_with("is longer than any path can be") && long.len() < 200, "{long}");
    assert_eq!(spec(CustomDir::new("/")).validate(), Ok(()));
}

#[test]
fn excludes_are_bounded_and_not_empty() {
    let with = |excludes| CustomDir { excludes, ..CustomDir::new("/srv") };
    assert!(refusal(with(vec![" ".into()])).ends_with("is empty"));
    assert!(refusal(with(vec!["a\nb".into()])).contains("line break"));
    assert!(refusal(with(vec!["x".repeat(EXCLUDE_BYTES_MAX + 1)])).ends_with("is too long"));
    assert!(refusal(with(vec!["x".into(); EXCLUDES_MAX + 1])).contains("at most 1000"));
}

#[test]
fn the_restore_block_is_checked_key_by_key() {
    let with = |change: fn(&mut RestoreBlock)| {
        let mut dir: CustomDir = json(HERMES).unwrap();
        change(dir.restore.as_mut().unwrap());
        refusal(dir)
    };
    assert!(with(|r| r.system_user.as_mut().unwrap().name = "a b".into()).contains("user or"));
    assert!(with(|r| r.system_user.as_mut().unwrap().home = "home".into()).contains("absolute"));
    assert!(with(|r| r.systemd_service.as_mut().unwrap().name = "a/b".into()).contains("unit"));
    assert!(with(|r| r.permissions.as_mut().unwrap().owner = "a:".into()).contains("group"));
    assert!(with(|r| r.permissions.as_mut().unwrap().mode = "79".into()).contains("octal"));
    assert!(with(|r| r.post_restore_commands.push(String::new())).contains("is empty"));
}

#[test]
fn the_policy_is_bounded() {
    let with = |change: fn(&mut JobSpec)| {
        let mut job = spec(CustomDir::new("/srv"));
        change(&mut job);
        job.validate().unwrap_err()
    };
    assert_eq!(with(|j| j.copies = 21), JobError::Copies { copies: 21 });
    assert_eq!(with(|j| j.level = 0), JobError::Level { level: 0 });
    assert_eq!(with(|j| j.on = Holders::Named(BTreeSet::new())), JobError::Holders { count: 0 });
    let few = with(|j| {
        j.copies = 2;
        j.on = Holders::Named(["tom".parse().unwrap()].into());
    });
    assert_eq!(few.to_string(), "2 copies cannot lie on 1 named nodes");
    assert_eq!(with(|j| j.keep_tar = Some(2_000)), JobError::KeepTar { keep_tar: 2_000 });
}
