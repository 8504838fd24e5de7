//! Restores, removals and the firewall by the driver.

use std::fs;

use node::tasks::{
    TaskError,
    yunohost::{Answer, TargetState, YunohostTask},
};
use serde_json::json;
use tests::support::{Yard, yunohost::Machine};

use crate::asked::{Asked, app, ask, create, names, parts, restore, stop_when};

/// A machine with an app and an archive of it, and one of all parts of the system.
fn machine(yard: &Yard) -> Machine {
    let machine = Machine::new(&yard.path("machine"));
    machine.install_app("wiki");
    ask(&machine, &create("of-wiki", app("wiki"))).answer();
    ask(&machine, &create("of-system", parts(&[]))).answer();
    machine
}

fn remove(machine: &Machine, app: &str) -> Asked {
    ask(machine, &YunohostTask::RemoveApp { app: app.to_owned() })
}

#[test]
fn an_app_is_restored_once_it_is_removed_and_its_data_is_kept_meanwhile() {
    let yard = Yard::new();
    let machine = machine(&yard);
    let page = machine.at("var/www/wiki/index.html");
    fs::write(&page, "spoilt").expect("a file");
    let error = ask(&machine, &restore("of-wiki", app("wiki"))).error();
    assert!(matches!(error, TaskError::Conflict { .. }), "{error:?}");
    assert!(error.to_string().contains("remove it first"), "{error}");
    assert_eq!(machine.changes().len(), 2, "nothing was begun");
    assert_eq!(remove(&machine, "wiki").answer(), Answer::Done);
    assert_eq!(machine.changes()[2]["args"][2], "wiki");
    assert!(!machine.changes()[2]["args"].to_string().contains("purge"));
    assert!(!page.exists() && machine.at("home/yunohost.app/wiki/data.bin").exists());
    let asked = ask(&machine, &restore("of-wiki", app("wiki")));
    assert_eq!(asked.targets(), [("wiki".to_owned(), TargetState::Success)]);
    assert_eq!(fs::read_to_string(page).expect("there"), "a page\n");
    let error = remove(&machine, "nope").error();
    assert_eq!(error.to_string(), "there is no app nope; there is wiki");
}

#[test]
fn parts_of_the_system_are_restored_with_force_all_or_some() {
    let yard = Yard::new();
    let machine = machine(&yard);
    assert_eq!(ask(&machine, &restore("of-system", parts(&[]))).targets().len(), 7);
    let some = ask(&machine, &restore("of-system", parts(&["data_home"]))).targets();
    assert_eq!(some, [("data_home".to_owned(), TargetState::Success)]);
    let arguments = machine.changes()[3]["args"].clone();
    let expected = ["backup", "restore", "of-system", "--system", "data_home", "--force"];
    assert_eq!(
        arguments,
        json!([&expected[..], &["--output-as", "json", "--timeout", "3600"]].concat())
    );
}

#[test]
fn what_an_archive_has_not_and_archives_that_are_not_there_are_refused_with_a_list() {
    let yard = Yard::new();
    let machine = machine(&yard);
    for (task, says) in [
        (restore("nope", app("wiki")), "there is no archive nope; there is of-system, of-wiki"),
        (restore("of-wiki", app("blog")), "no app in the archive of-wiki blog; there is wiki"),
        (restore("of-wiki", parts(&[])), "the archive of-wiki has no part of the system in it"),
        (restore("of-system", app("wiki")), "the archive of-system has no app in it"),
        (restore("of-system", parts(&["data_x"])), "data_x; there is conf_ldap, "),
    ] {
        let error = ask(&machine, &task).error();
        assert!(matches!(error, TaskError::NotFound { .. }), "{error:?}");
        assert!(error.to_string().contains(says), "{error}");
    }
    assert_eq!(machine.changes().len(), 2, "nothing was begun");
}

#[test]
fn restores_that_fail_wholly_are_errors_and_those_that_fail_partly_tell_what() {
    let yard = Yard::new();
    let machine = machine(&yard);
    machine.fault("part_fails", &json!(["data_mail"]));
    let error = ask(&machine, &restore("of-system", parts(&["data_mail"]))).error();
    assert!(matches!(error, TaskError::Failed { .. }), "{error:?}");
    assert!(error.to_string().contains("Nothing was restored"), "{error}");
    let targets =
        ask(&machine, &restore("of-system", parts(&["data_home", "data_mail"]))).targets();
    assert_eq!(targets[1], ("data_mail".to_owned(), TargetState::Error));
    machine.heal();
    machine.set("free", &json!(50 << 20));
    let error = ask(&machine, &restore("of-system", parts(&[]))).error();
    assert!(error.to_string().contains("Not enough space"), "{error}");
}

#[test]
fn a_stopped_restore_leaves_no_copy_in_the_work_folder_and_keeps_the_archive() {
    let yard = Yard::new();
    let machine = machine(&yard);
    machine.fault("hang", &json!("restore"));
    let hanging = machine.at("hanging");
    let task = restore("of-system", parts(&[]));
    let asked = stop_when(&machine, &task, || hanging.exists());
    assert!(asked.told().contains("tmp/of-system, which was left unfinished"), "{}", asked.told());
    assert!(matches!(asked.error(), TaskError::Cancelled));
    assert!(!machine.work("of-system").exists());
    assert!(names(&machine.archives()).contains(&"of-system.tar".to_owned()));
}

#[test]
fn an_app_that_is_still_there_after_its_removal_was_not_removed() {
    let yard = Yard::new();
    let machine = machine(&yard);
    for fault in ["remove_fails", "silent_remove"] {
        machine.heal();
        machine.fault(fault, &json!(true));
        let error = remove(&machine, "wiki").error();
        assert!(matches!(error, TaskError::Failed { .. }), "{error:?}");
        assert!(error.to_string().contains("wiki was not properly removed"), "{error}");
    }
}

fn open(machine: &Machine, port: u16, protocol: &str) -> Asked {
    let (protocol, comment) = (protocol.to_owned(), "for the wiki".to_owned());
    ask(machine, &YunohostTask::OpenPort { port, protocol, comment })
}

#[test]
fn ports_are_opened_once_by_the_new_command_or_the_old() {
    let yard = Yard::new();
    let machine = Machine::new(&yard.path("machine"));
    assert_eq!(open(&machine, 443, "tcp").answer(), Answer::Unchanged);
    assert_eq!(open(&machine, 8_443, "tcp").answer(), Answer::Done);
    assert_eq!(open(&machine, 8_443, "tcp").answer(), Answer::Unchanged);
    assert_eq!(open(&machine, 443, "udp").answer(), Answer::Done);
    assert_eq!(machine.setting("firewall")["udp"]["443"], "for the wiki");
    assert_eq!(machine.changes().len(), 2);
    machine.fault("old_firewall", &json!(true));
    assert_eq!(open(&machine, 9_000, "udp").answer(), Answer::Done);
    assert_eq!(machine.setting("firewall")["udp"]["9000"], "");
    machine.fault("fail", &json!("the firewall is broken"));
    assert!(matches!(open(&machine, 9_001, "tcp").error(), TaskError::Failed { .. }));
    for (port, protocol) in [(0, "tcp"), (80, "sctp"), (80, "TCP"), (80, "--help")] {
        assert!(matches!(open(&machine, port, protocol).error(), TaskError::Invalid { .. }));
    }
}
