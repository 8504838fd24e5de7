//! The double says what the real command said, in the same situations.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use tests::support::{
    Yard,
    yunohost::{Machine, real},
};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/yunohost").join(name)
}

fn answer(name: &str) -> Value {
    serde_json::from_str(&real(name)).expect("JSON")
}

/// A machine on which the app of the fixtures was restored from the archive of the fixtures.
fn machine(yard: &Yard) -> Machine {
    let machine = Machine::new(&yard.path("machine"));
    let archive = machine.archives().join("jerry_dummyapp_20260508.tar");
    fs::copy(fixture("dummyapp.tar"), archive).expect("copied");
    let told = machine.ask(&["backup", "restore", "jerry_dummyapp_20260508", "--apps", "dummyapp"]);
    assert_eq!(told, json!({"system": {}, "apps": {"dummyapp": "Success"}}));
    machine
}

/// What differs from run to run becomes `0`: numbers and the times in them.
fn shape(said: &str) -> String {
    let mut shape = String::new();
    for letter in said.chars() {
        match letter {
            '0'..='9' if shape.ends_with('0') => {}
            '0'..='9' => shape.push('0'),
            other => shape.push(other),
        }
    }
    shape
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

fn said(machine: &Machine, arguments: &[&str]) -> String {
    String::from_utf8(machine.run(arguments).stdout).expect("text")
}

#[test]
fn the_lists_have_what_the_real_ones_have() {
    let yard = Yard::new();
    let machine = machine(&yard);
    assert_eq!(machine.ask(&["app", "list"]), answer("json/fx_app_list.json"));
    assert_eq!(machine.ask(&["app", "info", "dummyapp"]), answer("json/app_info.json"));
    let full = machine.ask(&["app", "list", "--full"]);
    assert_eq!(keys(&full["apps"][0]), keys(&answer("json/app_list_full.json")["apps"][0]));
    assert_eq!(machine.ask(&["user", "list"])["users"]["bob"]["username"], "bob");
    let users = [machine.ask(&["user", "list"]), answer("json/user_list.json")];
    assert_eq!(keys(&users[0]["users"]["bob"]), keys(&users[1]["users"]["bob"]));
    let versions = [machine.ask(&["tools", "versions"]), answer("json/tools_versions.json")];
    assert_eq!(keys(&versions[0]), keys(&versions[1]));
    assert_eq!(versions[0]["yunohost"], versions[1]["yunohost"]);
    let hooks = [machine.ask(&["hook", "list", "backup"]), answer("json/hook_list_backup.json")];
    let names = |told: &Value| {
        let names = told["hooks"].as_array().expect("a list").iter();
        names.map(|name| name.as_str().expect("a name").to_owned()).collect::<BTreeSet<_>>()
    };
    assert_eq!(names(&hooks[0]), names(&hooks[1]));
    let setting = ["settings", "get", "misc.backup.backup_compress_tar_archives"];
    assert_eq!(said(&machine, &setting), "0\n");
}

#[test]
fn an_app_is_backed_up_with_the_same_words_into_the_same_members_in_the_same_order() {
    let yard = Yard::new();
    let machine = machine(&yard);
    let name = "jerry_dummyapp_20260508";
    fs::rename(machine.archives().join(format!("{name}.tar")), yard.path("real.tar"))
        .expect("moved");
    let create = ["backup", "create", "--name", name, "--apps", "dummyapp"];
    let create = [&create[..], &["--description", "BackupManager test"]].concat();
    fs::remove_file(machine.archives().join(format!("{name}.info.json"))).expect("removed");
    assert_eq!(shape(&said(&machine, &create)), shape(&real("json/fx_create_app.stdout")));
    let members = machine.members(&format!("{name}.tar"));
    assert_eq!(members, machine.members(yard.path("real.tar").to_str().expect("plain")));
    let mut info = machine.ask(&["backup", "info", name, "-d"]);
    let mut real = answer("json/fx_info_jerry_dummyapp_20260508.json");
    for told in [&mut info, &mut real] {
        for varies in ["path", "created_at", "size"] {
            told[varies] = json!(0);
        }
        told["apps"]["dummyapp"]["size"] = json!(0);
    }
    assert_eq!(info, real);
    let beside = fs::read(machine.archives().join(format!("{name}.info.json"))).expect("read");
    let beside: Value = serde_json::from_slice(&beside).expect("JSON");
    assert_eq!(keys(&beside), keys(&answer("archives/jerry_dummyapp_20260508.info.json")));
    let listed = &machine.ask(&["backup", "list", "-i"])["archives"][name];
    assert_eq!(keys(listed), keys(&answer("json/fx_list_info.json")["archives"][name]));
    let again = machine.run(&create);
    assert_eq!(again.status.code(), Some(1), "the name is taken");
}

#[test]
fn parts_of_the_system_are_backed_up_and_restored_as_the_real_ones() {
    let yard = Yard::new();
    let machine = Machine::new(&yard.path("machine"));
    let parts = ["data_home", "conf_manually_modified_files", "conf_ynh_settings"];
    let create = ["backup", "create", "--name", "jerry_system_20260508", "--system"];
    let words = said(&machine, &[&create[..], &parts].concat());
    assert_eq!(shape(&words), shape(&real("json/fx_create_sys.stdout")));
    let members = machine.members("jerry_system_20260508.tar");
    let real_members = real("archives/jerry_system_20260508.members.txt");
    for hook in ["hooks/restore/17-data_home", "backup.csv", "info.json"] {
        assert!(members.iter().any(|name| name == hook) && real_members.contains(hook), "{hook}");
    }
    let info = machine.ask(&["backup", "info", "jerry_system_20260508", "-d"]);
    let real_info = answer("json/fx_info_jerry_system_20260508.json");
    for part in parts {
        assert_eq!(info["system"][part]["paths"], real_info["system"][part]["paths"]);
    }
    let refused = machine.run(&["backup", "restore", "jerry_system_20260508", "--system"]);
    assert_eq!(refused.status.code(), Some(1), "without a terminal it needs --force");
    let restore =
        ["backup", "restore", "jerry_system_20260508", "--system", "data_home", "--force"];
    let words = said(&machine, &restore).replace("data_home", "data_custom");
    assert_eq!(words, real("json/fx_restore_custom.stdout"));
}

#[test]
fn compressed_archives_lie_beside_a_link_and_links_are_listed_by_their_target() {
    let yard = Yard::new();
    let machine = machine(&yard);
    machine.set("compress", &json!(1));
    let made = machine.ask(&["backup", "create", "--name", "gz", "--apps", "dummyapp"]);
    assert_eq!(keys(&made), keys(&answer("json/fx_create_gz.json")));
    let link = fs::read_link(machine.archives().join("gz.tar")).expect("a link");
    assert_eq!(link, machine.archives().join("gz.tar.gz"), "an absolute one");
    let path = machine.ask(&["backup", "info", "gz"])["path"].clone();
    assert!(path.as_str().is_some_and(|path| path.ends_with("/gz.tar.gz")), "{path}");
    machine.set("compress", &json!(0));
    fs::create_dir(yard.path("out")).expect("a folder");
    let out = yard.path("out").to_str().expect("plain").to_owned();
    let _made =
        machine.ask(&["backup", "create", "--name", "out", "--apps", "dummyapp", "-o", &out]);
    let names = machine.ask(&["backup", "list"])["archives"].clone();
    assert_eq!(names, json!(["jerry_dummyapp_20260508", "gz", "out"]));
    assert!(machine.run(&["backup", "delete", "gz", "out"]).status.success());
    assert_eq!(machine.ask(&["backup", "list"])["archives"], json!(["jerry_dummyapp_20260508"]));
    assert!(!yard.path("out/out.tar").exists());
}

/// The table of what the real command makes of hand-made archives.
#[test]
fn hand_made_archives_are_listed_told_and_restored_or_not_as_by_the_real_command() {
    let hooks = json!(["/etc/yunohost/hooks.d/backup/70-data_custom"]);
    let (with, without) = (json!({"data_custom": hooks}), json!({"data_custom": []}));
    // inner info.json, outer one, system, embedded hook → info, restore, what is said of it
    let table = [
        (false, true, &with, true, 0, 1, "cannot be retrieved"),
        (false, false, &with, true, 1, 1, "cannot be retrieved"),
        (true, true, &json!({}), false, 0, 1, "Nothing was restored"),
        (true, true, &with, false, 0, 1, "KeyError"),
        (true, true, &without, false, 0, 1, "Restoration script for 'data_custom' not available"),
        (true, true, &with, true, 0, 0, ""),
    ];
    for (inner, outer, system, hook, info_code, restore_code, says) in table {
        let yard = Yard::new();
        let machine = Machine::new(&yard.path("machine"));
        let (home, restored) = (yard.path("tree"), yard.path("restored"));
        fs::create_dir_all(home.join("data/custom/srv")).expect("folders");
        fs::create_dir_all(home.join("hooks/restore")).expect("folders");
        fs::write(home.join("data/custom/srv/file"), "precious").expect("a file");
        let info = json!({"description": "", "created_at": 1_778_209_200, "size": 16, "apps": {},
            "system": system, "size_details": {"system": {}, "apps": {}},
            "from_yunohost_version": "12.1.25"});
        let script = format!("cp -a \"$1/data/custom/.\" {}\n", restored.display());
        let mut members = vec!["data"];
        if inner {
            fs::write(home.join("info.json"), info.to_string()).expect("a file");
            members.push("info.json");
        }
        if hook {
            fs::write(home.join("hooks/restore/70-data_custom"), script).expect("a file");
            members.push("hooks");
        }
        if outer {
            fs::write(machine.archives().join("x.info.json"), info.to_string()).expect("a file");
        }
        let mut tar = std::process::Command::new("tar");
        tar.arg("-C").arg(&home).arg("-cf").arg(machine.archives().join("x.tar")).args(members);
        assert!(tar.status().expect("tar").success());
        let row = format!("{inner} {outer} {system} {hook}");
        assert_eq!(machine.ask(&["backup", "list"])["archives"], json!(["x"]), "{row}");
        let told = machine.run(&["backup", "info", "x", "-d"]);
        assert_eq!(told.status.code(), Some(info_code), "{row}");
        let done = machine.run(&["backup", "restore", "x", "--force"]);
        assert_eq!(done.status.code(), Some(restore_code), "{row}: {done:?}");
        let errors = String::from_utf8_lossy(&done.stderr);
        assert!(errors.contains(says), "{row}: {errors}");
        let there = fs::read_to_string(restored.join("srv/file"));
        assert_eq!(there.is_ok_and(|text| text == "precious"), restore_code == 0, "{row}");
    }
}

#[test]
fn arguments_it_does_not_know_are_code_2_and_nothing_is_coloured() {
    let yard = Yard::new();
    let machine = Machine::new(&yard.path("machine"));
    assert_eq!(machine.run(&["firewall", "open", "80"]).status.code(), Some(2));
    assert_eq!(machine.run(&["backup", "create", "--colour"]).status.code(), Some(2));
    let unknown = machine.run(&["backup", "info", "nope"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert_eq!(unknown.stderr, b"ERROR Unknown local backup archive named 'nope'\n");
    assert_eq!(machine.ask(&["firewall", "list"]), json!({"tcp": [22, 25, 80, 443]}));
}

#[test]
fn who_waits_for_the_lock_goes_on_when_its_owner_is_gone() {
    let yard = Yard::new();
    let machine = Machine::new(&yard.path("machine"));
    let held = machine.hold_lock();
    let create = ["backup", "create", "--name", "x", "--system"];
    let late = machine.run(&[&["--timeout", "0"], &create[..]].concat());
    assert_eq!(late.status.code(), Some(1));
    let said = String::from_utf8_lossy(&late.stderr).into_owned();
    assert!(said.contains("ERROR There is already a YunoHost operation running"), "{said}");
    assert!(machine.run(&["backup", "list"]).status.success(), "questions do not wait");
    let done = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| machine.run(&create));
        drop(held);
        waiting.join().expect("no panic")
    });
    assert!(done.status.success(), "{done:?}");
    assert!(!machine.lock().exists());
}
