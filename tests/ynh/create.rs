//! Backups by the driver.

use std::{
    fs,
    os::unix::fs::symlink,
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
};

use node::tasks::{
    TaskError,
    yunohost::{Answer, TargetState, YunohostTask},
};
use serde_json::json;
use tests::support::{Yard, yunohost::Machine};

use crate::asked::{app, ask, create, names, parts, stop_when};

fn machine(yard: &Yard) -> Machine {
    let machine = Machine::new(&yard.path("machine"));
    machine.install_app("wiki");
    machine
}

#[test]
fn apps_parts_and_the_version_are_asked_for() {
    let yard = Yard::new();
    let machine = machine(&yard);
    machine.install_app("blog");
    fs::remove_file(machine.at("etc/yunohost/apps/blog/scripts/backup")).expect("removed");
    assert_eq!(
        ask(&machine, &YunohostTask::Version).answer(),
        Answer::Version("12.1.25".to_owned())
    );
    let asked = ask(&machine, &YunohostTask::Apps);
    assert_eq!(asked.told(), "", "the list has secrets in it");
    let Answer::Apps(apps) = asked.answer() else { panic!("no apps") };
    let told: Vec<_> = apps.iter().map(|app| (app.id.as_str(), app.can_back_up)).collect();
    assert_eq!(told, [("blog", false), ("wiki", true)]);
    assert_eq!((apps[1].name.as_str(), apps[1].version.as_str()), ("The wiki", "1.0~ynh1"));
    let Answer::Parts(parts) = ask(&machine, &YunohostTask::Parts).answer() else { panic!("none") };
    assert_eq!(parts.len(), 7);
    assert!(parts.is_sorted() && parts.contains(&"data_home".to_owned()), "{parts:?}");
}

#[test]
fn an_app_is_backed_up_in_english_with_a_time_limit_for_the_lock() {
    let yard = Yard::new();
    let machine = machine(&yard);
    let asked = ask(&machine, &create("jerry_wiki_20260508", app("wiki")));
    assert!(asked.told().contains("SUCCESS Backup created: jerry_wiki_20260508"));
    assert!(!asked.told().contains("results"), "the answer is not for people");
    let Answer::Created { bytes, targets } = asked.answer() else { panic!("not made") };
    assert!(bytes > 10_000);
    assert_eq!(targets, [("wiki".to_owned(), TargetState::Success)].into());
    let call = machine.changes().remove(0);
    let arguments = ["backup", "create", "--name", "jerry_wiki_20260508", "--description"];
    let rest = ["made by a test", "--apps", "wiki", "--output-as", "json", "--timeout", "3600"];
    assert_eq!(call["args"], json!([&arguments[..], &rest].concat()));
    assert_eq!(call["env"]["LC_ALL"], "C.UTF-8");
    assert_eq!(call["env"].get("BACKUP_CORE_ONLY"), None);
    let info = machine.ask(&["backup", "info", "jerry_wiki_20260508"]);
    assert_eq!(info["description"], "made by a test");
    assert!(machine.members("jerry_wiki_20260508.tar").iter().any(|name| name.ends_with(".bin")));
}

#[test]
fn without_its_data_an_app_is_backed_up_by_a_variable() {
    let yard = Yard::new();
    let machine = machine(&yard);
    let mut task = create("core", app("wiki"));
    if let YunohostTask::Create { core_only, description, .. } = &mut task {
        (*core_only, *description) = (true, String::new());
    }
    let asked = ask(&machine, &task);
    assert!(asked.told().contains("'BACKUP_CORE_ONLY' is set"));
    assert_eq!(machine.changes()[0]["env"]["BACKUP_CORE_ONLY"], "1");
    assert!(!machine.members("core.tar").iter().any(|name| name.ends_with(".bin")));
}

#[test]
fn all_parts_are_meant_when_none_is_named_and_some_when_they_are() {
    let yard = Yard::new();
    let machine = machine(&yard);
    assert_eq!(ask(&machine, &create("all", parts(&[]))).targets().len(), 7);
    let some = ask(&machine, &create("some", parts(&["data_home", "conf_ldap"]))).targets();
    assert_eq!(some, ["conf_ldap", "data_home"].map(|p| (p.to_owned(), TargetState::Success)));
}

#[test]
fn what_does_not_exist_is_refused_with_the_list_of_what_does_before_anything_begins() {
    let yard = Yard::new();
    let machine = machine(&yard);
    let error = ask(&machine, &create("x", app("nope"))).error();
    assert_eq!(error.to_string(), "there is no app nope; there is wiki");
    assert!(matches!(error, TaskError::NotFound { .. }));
    let error = ask(&machine, &create("x", parts(&["data_home", "data_nope"]))).error();
    assert!(error.to_string().contains("part of the system data_nope; there is conf_ldap, "));
    assert!(matches!(error, TaskError::NotFound { .. }));
    assert!(machine.changes().is_empty());
    assert!(names(&machine.archives()).is_empty());
}

#[test]
fn names_are_checked_again_before_they_become_arguments() {
    let yard = Yard::new();
    let machine = machine(&yard);
    for name in ["--help", "../x", "a b", "", "x."] {
        let error = ask(&machine, &create(name, app("wiki"))).error();
        assert!(matches!(error, TaskError::Invalid { .. }), "{name:?}: {error:?}");
        let error = ask(&machine, &crate::asked::restore(name, app("wiki"))).error();
        assert!(matches!(error, TaskError::Invalid { .. }), "{name:?}: {error:?}");
    }
    for what in [app("--purge"), app(""), parts(&["data_home", "-x"])] {
        let error = ask(&machine, &create("x", what)).error();
        assert!(matches!(error, TaskError::Invalid { .. }), "{error:?}");
    }
    let error = ask(&machine, &YunohostTask::RemoveApp { app: "-p".to_owned() }).error();
    assert!(matches!(error, TaskError::Invalid { .. }), "{error:?}");
    assert!(!machine.at("calls.jsonl").exists(), "nothing was started");
}

#[test]
fn an_archive_that_exists_is_a_conflict_and_stays_whatever_it_is() {
    let yard = Yard::new();
    let machine = machine(&yard);
    for file in ["a.tar", "b.tar.gz"] {
        fs::write(machine.archives().join(file), "precious").expect("a file");
    }
    symlink("/nowhere", machine.archives().join("c.tar")).expect("a link");
    for name in ["a", "b", "c"] {
        let error = ask(&machine, &create(name, app("wiki"))).error();
        assert!(matches!(error, TaskError::Conflict { .. }), "{name}: {error:?}");
    }
    assert_eq!(names(&machine.archives()), ["a.tar", "b.tar.gz", "c.tar"]);
}

#[test]
fn an_archive_that_another_made_meanwhile_is_a_conflict_and_stays() {
    let yard = Yard::new();
    let machine = machine(&yard);
    let held = std::sync::Mutex::new(Some(machine.hold_lock()));
    let asked = AtomicUsize::new(0);
    // While it waits for the lock, its owner makes an archive of the same name.
    let made = stop_when(&machine, &create("x", app("wiki")), || {
        let waits = machine.changes().len() == 1;
        if waits && asked.fetch_add(1, Ordering::Relaxed) == 0 {
            fs::write(machine.archives().join("x.tar"), "precious").expect("a file");
            held.lock().expect("not poisoned").take();
        }
        false
    });
    let error = made.error();
    assert!(matches!(error, TaskError::Conflict { .. }), "{error:?}");
    assert_eq!(fs::read(machine.archives().join("x.tar")).expect("there"), b"precious");
}

#[test]
fn a_stopped_backup_leaves_no_half_archive_and_no_work_folder() {
    for place in ["collect", "archive"] {
        for (fault, is_hanging) in [("hang", true), ("die", false)] {
            let yard = Yard::new();
            let machine = machine(&yard);
            fs::write(machine.archives().join("other.tar"), "another's").expect("a file");
            machine.fault("noise", &json!(true));
            machine.fault(fault, &json!(place));
            let hanging = machine.at("hanging");
            let task = create("x", app("wiki"));
            let asked = stop_when(&machine, &task, || is_hanging && hanging.exists());
            let told = asked.told();
            match asked.error() {
                TaskError::Cancelled if is_hanging => {}
                TaskError::Failed { status, .. } if !is_hanging => assert_eq!(status, "signal 9"),
                other => panic!("{other:?}"),
            }
            assert_eq!(names(&machine.archives()), ["other.tar"], "{place} {fault}");
            assert!(!machine.work("x").exists(), "{place} {fault}");
            assert!(told.contains("tmp/x, which was left unfinished"), "{told}");
            assert_eq!(told.contains("x.tar, which was left"), place == "archive", "{told}");
            machine.heal();
            ask(&machine, &create("x", app("wiki"))).answer();
        }
    }
}

#[test]
fn a_backup_of_the_system_that_is_stopped_before_it_says_anything_leaves_no_work_folder() {
    let yard = Yard::new();
    let machine = machine(&yard);
    machine.fault("hang", &json!("collect"));
    let hanging = machine.at("hanging");
    let asked = stop_when(&machine, &create("x", parts(&[])), || {
        assert!(!hanging.exists() || machine.work("x").exists(), "it is there before");
        hanging.exists()
    });
    assert!(asked.told().contains("tmp/x, which was left"), "{}", asked.told());
    assert!(matches!(asked.error(), TaskError::Cancelled));
    assert!(!machine.work("x").exists());
}

#[test]
fn a_work_folder_in_which_something_is_mounted_is_left_alone() {
    let yard = Yard::new();
    let machine = machine(&yard);
    machine.fault("hang", &json!("archive"));
    let (precious, inside) = (yard.path("precious"), machine.work("x").join("bound"));
    fs::create_dir(&precious).expect("a folder");
    fs::write(precious.join("file"), "precious").expect("a file");
    let hanging = machine.at("hanging");
    let asked = stop_when(&machine, &create("x", app("wiki")), || {
        if hanging.exists() && !inside.exists() {
            fs::create_dir(&inside).expect("a folder");
            let mut mount = Command::new("mount");
            mount.arg("--bind").arg(&precious).arg(&inside);
            assert!(mount.status().expect("mount").success());
        }
        hanging.exists()
    });
    let unmounted = Command::new("umount").arg(&inside).status().expect("umount");
    assert!(unmounted.success());
    assert!(asked.told().contains("something is mounted in it"), "{}", asked.told());
    assert_eq!(fs::read(precious.join("file")).expect("there"), b"precious");
    assert!(names(&machine.archives()).is_empty());
}
