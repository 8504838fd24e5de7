//! A node beside YunoHost: apps, the system, plain tars that the webadmin sees, and what it made.

use std::{fs, path::Path, process::Command};

use serde_json::{Value, json};
use tests::support::{Node, Yard, until, yunohost::Machine};

const APP: &str = "nocodb";

/// A machine with one app, and a node that backs it up.
fn scene() -> (Yard, Machine, Node) {
    let yard = Yard::new();
    let machine = Machine::new(&yard.path("machine"));
    machine.install_app(APP);
    let mut jerry = Node::stopped("jerry", &yard.path("jerry"), &machine.archives());
    jerry.env.push(("PATH".to_owned(), machine.path().into()));
    jerry.restart();
    (yard, machine, jerry)
}

fn listed(machine: &Machine) -> Vec<String> {
    let list = machine.ask(&["backup", "list"]);
    let names = list["archives"].as_array().expect("a list").iter();
    names.map(|name| name.as_str().expect("a name").to_owned()).collect()
}

fn sha256(file: &Path) -> String {
    let output = Command::new("sha256sum").arg(file).output().expect("coreutils");
    String::from_utf8(output.stdout).expect("text").chars().take(64).collect()
}

fn foreign(node: &Node) -> Value {
    node.json(&["archive", "list", "--foreign"], "foreign")
}

#[test]
fn an_app_is_archived_and_its_tar_is_what_yunohost_and_the_record_say() {
    let (_yard, machine, jerry) = scene();
    let wrong = jerry.ask(&["job", "add", "ynh_app", "db", "nocodbb"]).exits(1);
    assert!(wrong.err.contains("nocodbb") && wrong.err.contains("there is: nocodb"), "{wrong:#?}");
    jerry.done(&["job", "add", "ynh_app", "db", APP]);
    let archive = jerry.back_up("db");
    assert!(archive.starts_with("jerry_nocodb_"), "{archive}");
    assert_eq!(listed(&machine), [archive.as_str()]);
    let info = machine.ask(&["backup", "info", &archive, "--with-details"]);
    assert_eq!(info["apps"][APP]["version"], "1.0~ynh1");

    let tar = machine.archives().join(format!("{archive}.tar"));
    let shown = jerry.archive(&archive);
    assert_eq!(shown["sha256"], json!(sha256(&tar)), "the tar is the archive, byte by byte");
    assert_eq!(shown["tar"], json!(format!("{archive}.tar")));
    let members = machine.members(&format!("{archive}.tar"));
    assert_eq!(members.last().map(String::as_str), Some("backup_info.json"));

    // A second run of the day has a name of its own, and the tar of the first goes.
    let second = jerry.back_up("db");
    assert_eq!(second, format!("{archive}_2"));
    until("one tar is kept", || listed(&machine) == [second.as_str()]);
    jerry.done(&["archive", "verify", &archive]);
    assert_eq!(foreign(&jerry), json!([]));
}

#[test]
fn what_yunohost_did_only_half_is_no_archive_and_leaves_nothing() {
    let (_yard, machine, jerry) = scene();
    jerry.done(&["job", "add", "ynh_app", "db", APP]);
    machine.fault("fail", &json!("the backup script failed"));
    jerry.run_fails("db", &[]);
    machine.heal();
    assert_eq!(listed(&machine), [""; 0]);
    assert_eq!(foreign(&jerry), json!([]));
    assert_eq!(jerry.json(&["archive", "list"], "archives")["archives"], json!([]));
    jerry.done(&["job", "run", "db", "--wait"]);
}

#[test]
fn a_tar_deleted_in_the_webadmin_is_noticed_and_its_archive_stays() {
    let (_yard, machine, jerry) = scene();
    jerry.done(&["job", "add", "ynh_system", "sys", "data_home"]);
    let archive = jerry.back_up("sys");
    let _ = machine.run(&["backup", "delete", &archive]);
    assert_eq!(listed(&machine), [""; 0]);
    until("it is noticed", || {
        // Something changes, so that the worker looks.
        jerry.done(&["archive", "pin", &archive]);
        jerry.done(&["archive", "unpin", &archive]);
        jerry.archive(&archive)["notes"].to_string().contains("deleted its plain tar")
    });
    assert_eq!(listed(&machine), [""; 0], "it is not written again");
    jerry.done(&["archive", "verify", &archive]);
}

#[test]
fn an_archive_made_in_the_webadmin_is_shown_adopted_and_never_pruned() {
    let (_yard, machine, jerry) = scene();
    let _ = machine.ask(&["backup", "create", "--name", "by-hand", "--apps", APP]);
    let name = format!("{APP}-pre-upgrade1");
    let _ = machine.ask(&["backup", "create", "--name", &name, "--apps", APP]);
    jerry.done(&["job", "add", "ynh_app", "db", APP, "--retention", "count:1"]);
    for _ in 0..2 {
        let _ = jerry.back_up("db");
    }
    jerry.done(&["retention", "apply"]);
    let found = foreign(&jerry);
    let shown = |at: usize| (found[at]["name"].clone(), found[at]["pre_upgrade"].clone());
    assert_eq!(shown(0), (json!("by-hand"), json!(false)));
    assert_eq!(shown(1), (json!(name), json!(true)));
    assert_eq!(found[0]["contains"], json!([APP]));

    jerry.done(&["archive", "adopt", "by-hand", "--wait"]);
    jerry.done(&["archive", "verify", "by-hand"]);
    jerry.done(&["retention", "apply"]);
    assert_eq!(jerry.archive("by-hand")["name"], "by-hand");
    assert_eq!(foreign(&jerry).as_array().expect("a list").len(), 1);
    assert!(listed(&machine).contains(&"by-hand".to_owned()), "its tar stays");
    let again = jerry.ask(&["archive", "adopt", "by-hand", "--wait"]).exits(1);
    assert!(again.err.contains("hint: "), "{again:#?}");
}

#[test]
fn an_installed_app_is_saved_removed_and_restored() {
    let (_yard, machine, jerry) = scene();
    jerry.done(&["job", "add", "ynh_app", "db", APP]);
    let archive = jerry.back_up("db");
    let page = machine.at("var/www").join(APP).join("index.html");
    fs::write(&page, "defaced\n").expect("a file");
    let plan = jerry.json(&["archive", "restore", &archive, "--plan"], "restore_plan");
    let steps = plan["steps"].to_string();
    for word in ["safety", "remove", "restore"] {
        assert!(steps.contains(word), "{word}: {steps}");
    }
    let restored = jerry.json(&["archive", "restore", &archive, "--yes"], "restored");
    assert_eq!(fs::read_to_string(&page).expect("it is back"), "a page\n");
    assert!(restored["safety"].as_str().is_some(), "{restored:#}");
    let words: Vec<_> = machine.changes().iter().map(|call| call["args"][1].clone()).collect();
    assert_eq!(words.iter().filter(|word| **word == "remove").count(), 1, "{words:?}");
}

#[test]
fn a_directory_of_a_yunohost_server_comes_back_in_the_webadmin_too() {
    let (yard, machine, jerry) = scene();
    let source = yard.path("hermes");
    fs::create_dir_all(source.join("data")).expect("a folder");
    fs::write(source.join("data/notes"), "mine").expect("a file");
    jerry.add_job("hermes", &source, &[]);
    let archive = jerry.back_up("hermes");
    until("its tar is written", || listed(&machine) == [archive.as_str()]);
    let info = machine.ask(&["backup", "info", &archive, "--with-details"]);
    assert!(info["system"]["data_custom"].is_object(), "{info:#}");
    fs::remove_dir_all(&source).expect("it can go");
    let said = machine.ask(&["backup", "restore", &archive, "--system", "--force"]);
    assert_eq!(said["system"]["data_custom"], "Success", "{said:#}");
    assert_eq!(fs::read_to_string(source.join("data/notes")).expect("it is back"), "mine");
}

/// An account and a unit of the real machine, taken away again.
struct Service(String);

impl Service {
    fn unit(&self) -> std::path::PathBuf {
        Path::new("/etc/systemd/system").join(format!("{}.service", self.0))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = Command::new("userdel").arg(&self.0).output();
        let _ = Command::new("groupdel").arg(&self.0).output();
        let wants = format!("/etc/systemd/system/multi-user.target.wants/{}.service", self.0);
        let _ = fs::remove_file(wants);
        let _ = fs::remove_file(self.unit());
    }
}

#[test]
fn a_service_is_rebuilt_with_account_unit_owner_port_and_commands() {
    let (yard, machine, jerry) = scene();
    let name = format!("bm-test-{}", std::process::id());
    let service = Service(name.clone());
    let source = yard.path("agent");
    fs::create_dir_all(source.join("data")).expect("a folder");
    fs::write(source.join("data/state"), "precious").expect("a file");
    let unit = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n";
    let file = source.join("agent.service");
    fs::write(&file, unit).expect("a file");
    let done = yard.path("done");
    let config = json!({
        "source_path": source, "excludes": ["*.tmp"],
        "restore": {
            "system_user": { "name": name, "home": source, "shell": "/bin/false" },
            "systemd_service": { "name": name, "service_file": file },
            "permissions": { "owner": format!("{name}:{name}"), "mode": "750" },
            "firewall_ports": [{ "port": 8080 }],
            "post_restore_commands": [format!("touch {}", done.display())],
        },
    });
    let added = ["job", "add", "custom_dir", "agent", "--config", "-"];
    let _ = jerry.tell(&added, &config.to_string()).exits(0);
    let archive = jerry.back_up("agent");
    fs::remove_dir_all(&source).expect("it can go");

    let plan = jerry.json(&["archive", "restore", &archive, "--plan"], "restore_plan");
    let parts: Vec<_> = plan["steps"].as_array().expect("a list").iter().collect();
    assert!(parts.len() >= 6 && !source.exists() && !service.unit().exists(), "{plan:#}");
    // Without systemd the unit is installed and not started, which is worth a warning.
    let restored = jerry.ask(&["archive", "restore", &archive, "--yes", "--json"]);
    assert!(matches!(restored.code, Some(0 | 3)), "{restored:#?}");
    assert_eq!(fs::read_to_string(source.join("data/state")).expect("it is back"), "precious");
    let owner = Command::new("stat").args(["-c", "%U:%G %a"]).arg(&source).output();
    let owner = String::from_utf8(owner.expect("coreutils").stdout).expect("text");
    assert_eq!(owner.trim(), format!("{name}:{name} 750"));
    assert_eq!(fs::read_to_string(service.unit()).expect("it is installed"), unit);
    assert!(done.exists(), "the command ran");
    let opened = machine.changes().iter().any(|call| call["args"].to_string().contains("8080"));
    assert!(opened, "{:?}", machine.changes());

    let again = jerry.ask(&["archive", "restore", &archive, "--yes"]);
    assert!(matches!(again.code, Some(0 | 3)), "{again:#?}");
}
