use super::*;

fn file(text: &str) -> Result<FileConfig, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, text).unwrap();
    FileConfig::read(&path, true)
}

fn whole(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", whole(source)),
        None => error.to_string(),
    }
}

const FULL: &str = r#"
data = "/srv/bm"
name = "jerry"
listen = ["/ip4/192.0.2.1/tcp/4000"]
http = "127.0.0.1:8080"
archives = "/srv/tars"
agent = "/run/bm/agent.sock"
instance_url = "https://jerry.example.org"
parallel_runs = 5
plain_instances = true
"#;

#[test]
fn flags_win_over_the_file_and_the_file_over_defaults() {
    let flags = FileConfig {
        data: Some("/tmp/other".into()),
        http: Some("unix:/run/http.sock".parse().unwrap()),
        listen: Some(Vec::new()),
        ..FileConfig::default()
    };
    let config = Config::resolve(flags, file(FULL).unwrap()).unwrap();
    assert_eq!(config.data, Path::new("/tmp/other"));
    assert_eq!(config.socket, Path::new("/tmp/other/control.sock"));
    assert_eq!(config.http, Some(HttpListen::Unix("/run/http.sock".into())));
    assert_eq!(config.name.unwrap().as_str(), "jerry");
    assert_eq!(config.listen.addresses, ["/ip4/192.0.2.1/tcp/4000".parse().unwrap()]);
    assert!(config.listen.chosen);
    assert_eq!(config.archives, Path::new("/srv/tars"));
    assert_eq!(config.agent.unwrap(), Path::new("/run/bm/agent.sock"));
    assert_eq!(config.instance_url.unwrap(), "https://jerry.example.org");
    assert_eq!(config.parallel_runs.get(), 5);
    assert!(config.plain_instances);
}

#[test]
fn without_anything_the_documented_defaults_hold() {
    let config = Config::resolve(FileConfig::default(), FileConfig::default()).unwrap();
    assert_eq!(config.data, Path::new(DATA_DEFAULT));
    assert_eq!(config.socket, Path::new("/var/lib/backupmanager/control.sock"));
    assert_eq!(config.archives, Path::new(ARCHIVES_DEFAULT));
    assert_eq!((config.name, config.http, config.agent), (None, None, None));
    assert_eq!(config.parallel_runs.get(), 2);
    assert!(!config.plain_instances);
    let listen: Vec<_> = config.listen.addresses.iter().map(ToString::to_string).collect();
    assert_eq!(
        listen,
        [
            "/ip4/0.0.0.0/tcp/7979",
            "/ip4/0.0.0.0/udp/7979/quic-v1",
            "/ip6/::/tcp/7979",
            "/ip6/::/udp/7979/quic-v1"
        ]
    );
    assert!(!config.listen.chosen);
}

#[test]
fn relative_flags_are_made_absolute() {
    let flags = FileConfig { data: Some("node-a".into()), ..FileConfig::default() };
    let config = Config::resolve(flags, FileConfig::default()).unwrap();
    assert_eq!(config.data, std::env::current_dir().unwrap().join("node-a"));
}

#[test]
fn a_wrong_key_or_value_is_named() {
    let error = file("dta = \"/srv\"\n").unwrap_err();
    assert!(whole(&error).contains("unknown field `dta`"), "{}", whole(&error));
    let error = file("name = \"a b\"\n").unwrap_err();
    assert!(whole(&error).contains("' ' cannot be in a name"), "{}", whole(&error));
    let error = file("listen = [\"localhost:1\"]\n").unwrap_err();
    assert!(whole(&error).contains("line 1"), "{}", whole(&error));
    let error = file("http = \"unix:relative\"\n").unwrap_err();
    assert!(whole(&error).contains("unix:/absolute/path"), "{}", whole(&error));
    for wrong in ["0", "33"] {
        let error = file(&format!("parallel_runs = {wrong}\n")).unwrap_err();
        assert!(whole(&error).contains("from 1 to 32"), "{}", whole(&error));
        assert_eq!(wrong.parse::<ParallelRuns>(), Err(ParallelRunsError));
    }
    let error = file("data = \"here\"\n").unwrap_err();
    assert!(whole(&error).starts_with("data in "), "{}", whole(&error));
}

#[test]
fn a_missing_file_matters_only_when_it_was_asked_for() {
    let path = Path::new("/nonexistent/config.toml");
    assert_eq!(FileConfig::read(path, false).unwrap(), FileConfig::default());
    assert!(matches!(FileConfig::read(path, true), Err(ConfigError::Read { .. })));
}

#[test]
fn a_file_that_is_far_too_large_is_not_read_whole() {
    let error = file(&"#".repeat(2 << 20)).unwrap_err();
    assert!(whole(&error).ends_with("the file is too large"), "{}", whole(&error));
}

#[test]
fn a_command_finds_the_daemon_by_socket_then_data() {
    let (socket, data) = (Path::new("/s.sock"), Path::new("/d"));
    assert_eq!(socket_of(Some(socket), Some(data)), socket);
    assert_eq!(socket_of(None, Some(data)), Path::new("/d/control.sock"));
}

#[test]
fn any_host_name_gives_a_node_name() {
    assert_eq!(name_from("jerry.example.org").as_str(), "jerry");
    assert_eq!(name_from("Büro 1").as_str(), "Bro1");
    assert_eq!(name_from("").as_str(), "node");
    assert_eq!(name_from(&"x".repeat(64)).as_str().len(), 50);
}
