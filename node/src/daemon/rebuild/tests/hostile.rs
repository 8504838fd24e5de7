//! Archives of other nodes, and blocks that somebody wrote to do harm.

use protocol::{
    control::{
        ArchiveRestore,
        Component::{Commands as CommandsPart, Files, Permissions, SystemUser, SystemdService},
        FailureCode, RawPath,
    },
    job::CustomDir,
};
use serde_json::json;

use super::{block as whole, known, only, request};
use crate::daemon::rebuild::{
    block,
    known::{Commands, Kind, Known},
    plan::Plan,
};

fn foreign() -> Known {
    let mut known = known(Kind::Files);
    known.own = false;
    known.commands.of_job = false;
    known
}

fn code(known: &Known, request: &ArchiveRestore) -> Option<FailureCode> {
    Plan::of(known, request).refusal().err().map(|failure| failure.code)
}

#[test]
fn an_archive_of_another_node_is_hostile_until_an_administrator_says_otherwise() {
    let foreign = foreign();
    let plan = Plan::of(&foreign, &request());
    assert!(plan.shown.hostile);
    assert_eq!(plan.refusal().unwrap_err().code, FailureCode::Refused);
    assert!(!plan.shown.steps.is_empty(), "what would be done is shown all the same");
    for part in [Files, SystemUser, Permissions, SystemdService] {
        assert_eq!(code(&foreign, &only(&[part])), Some(FailureCode::Refused), "{part:?}");
        let trusted = ArchiveRestore { trust: true, ..only(&[part]) };
        assert_eq!(code(&foreign, &trusted), None, "{part:?}");
    }
    let to = ArchiveRestore { to: Some(RawPath(b"/tmp/x".to_vec())), ..request() };
    assert_eq!(code(&foreign, &to), None);
    for kind in [Kind::App(Some("x".to_owned())), Kind::System(Vec::new())] {
        let known = Known { own: false, ..known(kind) };
        assert_eq!(code(&known, &request()), Some(FailureCode::Refused));
    }
}

#[test]
fn commands_that_no_job_of_this_node_says_run_only_when_they_were_confirmed() {
    let foreign = foreign();
    let trusted = ArchiveRestore { trust: true, ..request() };
    assert_eq!(code(&foreign, &trusted), Some(FailureCode::Refused));
    let confirmed = ArchiveRestore { confirm_commands: true, ..trusted };
    assert_eq!(code(&foreign, &confirmed), None);
    let alone = ArchiveRestore { confirm_commands: true, ..only(&[CommandsPart]) };
    assert_eq!(code(&foreign, &alone), Some(FailureCode::Refused), "confirmed is not trusted");
    let mut orphan = known(Kind::Files);
    orphan.commands.of_job = false;
    assert_eq!(code(&orphan, &request()), Some(FailureCode::Refused), "its job is gone");
    assert_eq!(code(&orphan, &only(&[Files])), None);
}

#[test]
fn a_unit_file_outside_of_what_a_foreign_archive_brings_is_refused() {
    for path in ["/etc/shadow", "/opt/hermes-other/x.service", "/opt/hermesx.service"] {
        let mut foreign = foreign();
        foreign.block.systemd_service.as_mut().unwrap().service_file = path.to_owned();
        let request = ArchiveRestore { trust: true, ..only(&[SystemdService]) };
        assert_eq!(code(&foreign, &request), Some(FailureCode::Refused), "{path}");
        assert_eq!(code(&Known { own: true, ..foreign }, &request), None);
    }
}

#[test]
fn files_that_a_foreign_archive_gives_to_root_are_a_concern() {
    for owner in ["root:root", "root", "hermes:root"] {
        let mut foreign = foreign();
        foreign.block.permissions.as_mut().unwrap().owner = owner.to_owned();
        foreign.look.system.owner_exists = true;
        let request = ArchiveRestore { trust: true, ..only(&[Permissions]) };
        let plan = Plan::of(&foreign, &request);
        assert!(plan.refusal().is_ok());
        assert_eq!(plan.shown.concerns.first[0].what, "owner", "{owner}");
        let own = Plan::of(&Known { own: true, ..foreign }, &request);
        assert_eq!(own.shown.concerns.total, 0);
    }
}

fn info(change: impl FnOnce(&mut serde_json::Value)) -> Vec<u8> {
    let mut block = serde_json::to_value(whole("/opt/hermes")).unwrap();
    change(&mut block);
    json!({ "app": "hermes", "restore": block }).to_string().into_bytes()
}

#[test]
fn a_block_is_held_to_the_rules_of_a_job() {
    assert_eq!(block::embedded(&info(|_| {})).unwrap(), Some(whole("/opt/hermes")));
    assert_eq!(block::embedded(b"{}").unwrap(), None);
    assert_eq!(block::embedded(b"{\"restore\": null}").unwrap(), None);
    let bad: [fn(&mut serde_json::Value); 9] = [
        |b| b["system_user"]["name"] = json!("../x"),
        |b| b["system_user"]["name"] = json!("--root"),
        |b| b["system_user"]["home"] = json!("relative"),
        |b| b["systemd_service"]["name"] = json!("../../x"),
        |b| b["systemd_service"]["service_file"] = json!("/opt/../etc/shadow"),
        |b| b["permissions"]["owner"] = json!("a:b:c"),
        |b| b["permissions"]["mode"] = json!("u+s"),
        |b| b["post_restore_commands"] = json!(["a\nb"]),
        |b| b["run_as_root"] = json!("unknown keys are never dropped"),
    ];
    for (number, change) in bad.into_iter().enumerate() {
        assert!(block::embedded(&info(change)).is_err(), "{number}");
    }
    assert!(block::embedded(b"\xff not json").is_err());
}

#[test]
fn a_block_that_cannot_be_used_stops_all_but_the_files() {
    let mut known = known(Kind::Files);
    known.block = Default::default();
    known.commands = Commands::default();
    known.block_problem = Some("unknown field".to_owned());
    assert_eq!(code(&known, &request()), Some(FailureCode::Invalid));
    assert_eq!(code(&known, &only(&[Files])), None);
    let to = ArchiveRestore { to: Some(RawPath(b"/tmp/x".to_vec())), ..request() };
    assert_eq!(code(&known, &to), None);
}

#[test]
fn commands_are_those_of_the_job_and_the_rest_is_that_of_the_archive() {
    let mut of_job = whole("/elsewhere");
    of_job.post_restore_commands = vec!["now".to_owned()];
    let dir = CustomDir { restore: Some(of_job), ..CustomDir::new("/elsewhere") };
    let (block, commands) = block::merge(Some(whole("/opt/hermes")), Some(&dir));
    assert_eq!(block.system_user.unwrap().home, "/opt/hermes");
    assert!(block.post_restore_commands.is_empty());
    assert_eq!(commands, Commands { lines: vec!["now".to_owned()], of_job: true });
    let bare = CustomDir::new("/elsewhere");
    let (_, commands) = block::merge(Some(whole("/opt/hermes")), Some(&bare));
    assert_eq!(commands, Commands { lines: Vec::new(), of_job: true });
    let (_, commands) = block::merge(Some(whole("/opt/hermes")), None);
    assert_eq!((commands.lines.len(), commands.of_job), (1, false));
    let (block, _) = block::merge(None, Some(&dir));
    assert_eq!(block.system_user.unwrap().home, "/elsewhere");
}

#[test]
fn names_in_a_foreign_description_that_yunohost_never_gives_are_left_out() {
    let info = json!({ "apps": { "a; rm": {}, "nextcloud": {}, "-x": {} }, "system": { "../x": [], "data_home": [] } });
    let listed = block::listed(info.to_string().as_bytes());
    assert_eq!(
        (listed.apps, listed.parts),
        (vec!["nextcloud".to_owned()], vec!["data_home".to_owned()])
    );
    assert_eq!(block::listed(b"no json"), block::Listed::default());
}
