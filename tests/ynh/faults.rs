//! What goes wrong with the command, one by one.

use node::tasks::{
    Task, TaskError,
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
fn a_backup_of_which_half_failed_tells_which_although_it_ended_well() {
    let yard = Yard::new();
    let machine = machine(&yard);
    machine.fault("part_fails", &json!(["data_mail"]));
    let targets = ask(&machine, &create("x", parts(&["data_home", "data_mail"]))).targets();
    let told = [("data_home", TargetState::Success), ("data_mail", TargetState::Error)];
    assert_eq!(targets, told.map(|(name, state)| (name.to_owned(), state)));
    assert_eq!(names(&machine.archives()), ["x.info.json", "x.tar"], "what there is, is kept");
}

#[test]
fn an_app_whose_script_fails_or_that_has_none_is_not_backed_up() {
    let yard = Yard::new();
    let machine = machine(&yard);
    machine.fault("app_fails", &json!(["wiki"]));
    let TaskError::Failed { program, status, said } =
        ask(&machine, &create("x", app("wiki"))).error()
    else {
        panic!("another error")
    };
    assert_eq!((program.as_str(), status.as_str()), ("yunohost backup create", "exit code 1"));
    assert!(said.contains("Could not back up wiki"), "{said}");
    machine.heal();
    std::fs::remove_file(machine.at("etc/yunohost/apps/wiki/scripts/backup")).expect("removed");
    let asked = ask(&machine, &create("x", app("wiki")));
    assert!(asked.told().contains("has no backup script"), "{}", asked.told());
    assert!(matches!(asked.error(), TaskError::Failed { .. }));
    assert!(names(&machine.archives()).is_empty());
}

#[test]
fn no_room_is_told_in_its_words() {
    let yard = Yard::new();
    let machine = machine(&yard);
    machine.set("free", &json!(10));
    let error = ask(&machine, &create("x", app("wiki"))).error();
    assert!(matches!(error, TaskError::Failed { .. }), "{error:?}");
    assert!(error.to_string().contains("Not enough free space on"), "{error}");
    assert!(names(&machine.archives()).is_empty());
}

#[test]
fn another_operation_that_does_not_end_in_time_is_busy_and_nothing_is_removed() {
    let yard = Yard::new();
    let machine = machine(&yard);
    machine.fault("impatient", &json!(true));
    let _held = machine.hold_lock();
    let remove = YunohostTask::RemoveApp { app: "wiki".to_owned() };
    for task in [create("x", app("wiki")), remove] {
        let error = ask(&machine, &task).error();
        assert!(matches!(error, TaskError::Busy { .. }), "{error:?}");
    }
    ask(&machine, &YunohostTask::Apps).answer();
    assert!(machine.lock().exists(), "it is the other's");
}

#[test]
fn who_waits_for_the_lock_can_be_stopped_and_removes_nothing_of_the_owner() {
    let yard = Yard::new();
    let machine = machine(&yard);
    machine.fault("hang", &json!("lock"));
    let _held = machine.hold_lock();
    let (hanging, archive) = (machine.at("hanging"), machine.archives().join("x.tar"));
    let asked = stop_when(&machine, &create("x", app("wiki")), || {
        if hanging.exists() {
            std::fs::write(&archive, "the owner is writing this").expect("a file");
            std::fs::create_dir_all(machine.work("x")).expect("a folder");
        }
        hanging.exists()
    });
    assert!(matches!(asked.error(), TaskError::Cancelled));
    assert!(machine.work("x").exists(), "the owner works in it");
    assert!(archive.exists(), "the owner of the lock may be writing it");
}

#[test]
fn an_archive_without_an_answer_is_no_archive() {
    for (fault, value) in [
        ("no_json", json!(true)),
        ("garbage", json!("{\"name\": \"x\", \"si")),
        ("garbage", json!("{}")),
        ("garbage", json!("{\"name\": \"y\", \"size\": 1, \"results\": {}}")),
        ("garbage", json!("null")),
    ] {
        let yard = Yard::new();
        let machine = machine(&yard);
        machine.set("archives", &json!(machine.archives()));
        let task = create("x", parts(&[]));
        machine.fault(fault, &value);
        let error = ask(&machine, &task).error();
        assert!(matches!(error, TaskError::Nonsense { .. }), "{value}: {error:?}");
        assert!(names(&machine.archives()).is_empty(), "{value}");
    }
}

#[test]
fn an_answer_that_does_not_mention_the_app_is_a_failure() {
    let yard = Yard::new();
    let machine = machine(&yard);
    let answer = "{\"apps\": [{\"id\": \"wiki\"}], \"name\": \"x\", \"size\": 1, \"results\": {}}";
    machine.fault("garbage", &json!(answer));
    let error = ask(&machine, &create("x", app("wiki"))).error();
    let TaskError::Failed { status, said, .. } = &error else { panic!("{error:?}") };
    assert_eq!((status.as_str(), said.as_str()), ("nothing was done", "wiki: Unknown"));
    assert!(names(&machine.archives()).is_empty());
}

#[test]
fn a_traceback_and_an_error_at_the_start_are_told() {
    let yard = Yard::new();
    let machine = machine(&yard);
    machine.fault("traceback", &json!(true));
    let error = ask(&machine, &create("x", app("wiki"))).error();
    assert!(error.to_string().contains("KeyError: '70-data_custom'"), "{error}");
    machine.heal();
    machine.fault("fail", &json!("YunoHost is not correctly installed yet."));
    let error = ask(&machine, &create("x", app("wiki"))).error();
    let said =
        "yunohost backup create failed (exit code 1): YunoHost is not correctly installed yet.";
    assert_eq!(error.to_string(), said);
}

#[test]
fn noise_of_any_sort_does_not_hide_the_answer() {
    let yard = Yard::new();
    let machine = machine(&yard);
    machine.fault("noise", &json!(true));
    let asked = ask(&machine, &create("x", app("wiki")));
    assert!(asked.lines.iter().all(|line| line.text.len() < 10_000), "lines are cut");
    assert!(asked.told().contains("INFO { this is not the answer }"));
    assert!(asked.lines.iter().any(|line| line.is_error && line.text.contains("é ✓")));
    assert!(matches!(asked.answer(), Answer::Created { .. }));
}

#[test]
fn a_machine_without_yunohost_says_so() {
    let yard = Yard::new();
    let machine = machine(&yard);
    std::fs::remove_file(machine.program()).expect("removed");
    for task in [YunohostTask::Version, YunohostTask::Apps, create("x", app("wiki"))] {
        let error = ask(&machine, &task).error();
        assert!(matches!(error, TaskError::Missing { .. }), "{error:?}");
    }
}

/// Started again by the test below, with another `PATH`.
const ARCHIVES: &str = "BACKUPMANAGER_TEST_ARCHIVES";

#[test]
fn an_agent_finds_the_command_in_its_path_and_leaves_nothing_in_its_folder() {
    use node::agent::{Agent as _, LocalAgent};
    if let Some(archives) = std::env::var_os(ARCHIVES) {
        let agent = LocalAgent::new(archives);
        let mut lines = Vec::new();
        let mut line = |line: node::tasks::Line| lines.push(line.text);
        let io = node::tasks::TaskIo {
            input: None,
            output: None,
            line: &mut line,
            cancelled: &|| false,
        };
        let error = agent.perform(&Task::Yunohost(create("x", app("wiki"))), io);
        let error = error.expect_err("it dies").to_string();
        assert!(error.contains("signal 9"), "{error}");
        assert!(lines.iter().any(|line| line.contains("left unfinished")), "{lines:?}");
        return;
    }
    let yard = Yard::new();
    let machine = machine(&yard);
    machine.fault("die", &json!("archive"));
    let output = std::process::Command::new("/proc/self/exe")
        .args(["an_agent_finds_the_command_in_its_path", "--nocapture"])
        .env(ARCHIVES, machine.archives())
        .env("PATH", machine.path())
        .output()
        .expect("started");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{output:?}");
    assert!(names(&machine.archives()).is_empty());
}
