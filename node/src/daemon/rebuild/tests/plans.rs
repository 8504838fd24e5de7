//! Tables of kinds and requests.

use std::{collections::BTreeMap, path::Path};

use protocol::{
    control::{
        ArchiveRestore, CONTROL_FRAME_BYTES_MAX,
        Component::{self, *},
        FailureCode, Overwrite, RawPath,
    },
    job::{Databases, DumpFormat},
};

use super::{ROOMY, known, only, request};
use crate::{
    archive::Span,
    daemon::rebuild::{
        databases::DUMPS_MAX,
        known::{Dump, Kind, Known, Yunohost},
        plan::{Plan, STEPS_SHOWN_MAX},
        step::{Action, Lost},
    },
    tasks::{
        database::{Engine, Server},
        system::Found,
        yunohost::{App as Installed, Selection},
    },
};

fn components(plan: &Plan) -> Vec<Option<Component>> {
    plan.steps.iter().map(|step| step.shown.component).collect()
}

fn code(known: &Known, request: &ArchiveRestore) -> Option<FailureCode> {
    Plan::of(known, request).refusal().err().map(|failure| failure.code)
}

fn concerns(plan: &Plan) -> Vec<&str> {
    plan.shown.concerns.first.iter().map(|issue| issue.what.as_str()).collect()
}

fn dump(database: &str) -> Dump {
    let span = Span { from: 0, to: 1024 };
    Dump { database: database.to_owned(), format: DumpFormat::None, bytes: 9, span }
}

fn databases(names: &[&str]) -> Known {
    let server = Server::of(Engine::Mysql, &Databases::default());
    let dumps = names.iter().map(|name| dump(name)).collect();
    Known { dumps, ..known(Kind::Databases(server)) }
}

fn app(installed: bool, can_back_up: bool) -> Known {
    let app = Installed {
        id: "nextcloud".to_owned(),
        name: "Nextcloud".to_owned(),
        version: "1".to_owned(),
        can_back_up,
    };
    let yunohost = Some(Yunohost { apps: if installed { vec![app] } else { Vec::new() } });
    Known { yunohost, ..known(Kind::App(Some("nextcloud".to_owned()))) }
}

#[test]
fn a_service_comes_back_in_the_order_in_which_its_parts_need_each_other() {
    let known = known(Kind::Files);
    let plan = Plan::of(&known, &request());
    let order = [SystemUser, Files, Permissions, SystemdService, Firewall, Firewall, Commands];
    assert_eq!(components(&plan), order.map(Some));
    assert!(plan.refusal().is_ok());
    let ports = plan.steps.iter().filter_map(|step| match step.action {
        Action::Port(port, protocol) => Some((port, protocol)),
        _ => None,
    });
    assert_eq!(ports.collect::<Vec<_>>(), [(8080, "tcp"), (8080, "udp")]);
    let last = plan.steps.last().unwrap();
    assert_eq!(last.shown.detail, ["systemctl restart hermes"]);
}

#[test]
fn any_component_alone_is_restored_alone() {
    let known = known(Kind::Files);
    for part in [SystemUser, Files, Permissions, SystemdService, Commands] {
        let plan = Plan::of(&known, &only(&[part]));
        assert_eq!(components(&plan), [Some(part)], "{part:?}");
        assert!(plan.refusal().is_ok(), "{part:?}");
    }
    assert_eq!(code(&known, &only(&[Databases])), Some(FailureCode::NotFound));
    assert_eq!(code(&known, &only(&[Files, App])), Some(FailureCode::NotFound));
}

#[test]
fn a_pattern_or_a_folder_means_files_alone_whatever_the_kind() {
    let files = known(Kind::Files);
    let patterns = ArchiveRestore { patterns: vec!["*.md".to_owned()], ..request() };
    assert_eq!(components(&Plan::of(&files, &patterns)), [Some(Files)]);
    let to = ArchiveRestore { to: Some(RawPath(b"/tmp/x".to_vec())), ..request() };
    let kinds = [files, databases(&["a"]), app(true, true), known(Kind::System(Vec::new()))];
    for known in kinds {
        let plan = Plan::of(&known, &to);
        assert_eq!(components(&plan), [Some(Files)], "{:?}", known.kind);
        assert!(plan.refusal().is_ok(), "{:?}", known.kind);
    }
    let more = ArchiveRestore { to: to.to, ..only(&[SystemUser]) };
    assert_eq!(code(&known(Kind::Files), &more), Some(FailureCode::NotFound));
}

#[test]
fn what_is_replaced_is_saved_first_and_nothing_else_is() {
    let mut known = known(Kind::Files);
    known.files.replaces = 1;
    known.files.lost = Some("/opt/hermes/etc".into());
    let plan = Plan::of(&known, &request());
    let lost = Lost::Files("/opt/hermes/etc".into());
    assert_eq!(plan.steps[0].action, Action::Safety(lost));
    let without = ArchiveRestore { no_safety: true, ..request() };
    let plan = Plan::of(&known, &without);
    assert_eq!(plan.steps[0].shown.component, Some(SystemUser));
    assert!(concerns(&plan).contains(&"no safety archive"));
    let elsewhere = ArchiveRestore { to: Some(RawPath(b"/x".to_vec())), ..request() };
    assert_eq!(components(&Plan::of(&known, &elsewhere)), [Some(Files)]);
    assert_eq!(components(&Plan::of(&known, &only(&[Permissions]))), [Some(Permissions)]);
}

#[test]
fn what_has_no_room_or_is_in_the_way_is_known_before_anything_is_touched() {
    let mut tight = known(Kind::Files);
    tight.look.destination.free_bytes = 299;
    assert_eq!(code(&tight, &request()), Some(FailureCode::NoSpace));
    assert_eq!(code(&tight, &only(&[Permissions])), None);
    let mut file = known(Kind::Files);
    file.look.top = Found { exists: true, is_directory: false, free_bytes: 1 };
    assert_eq!(code(&file, &request()), Some(FailureCode::Conflict));
    let always = ArchiveRestore { overwrite: Overwrite::Always, ..request() };
    assert_eq!(code(&file, &always), None);
    let mut none = known(Kind::Files);
    none.files.members = 0;
    assert_eq!(code(&none, &request()), Some(FailureCode::NotFound));
    let mut away = known(Kind::Files);
    away.fetch_bytes = 1;
    assert_eq!(code(&away, &request()), Some(FailureCode::Unreachable));
    away.fetch_from = vec![away.origin.clone()];
    assert_eq!(code(&away, &request()), None);
    let mut target = known(Kind::Files);
    target.look.destination = Found { is_directory: false, ..ROOMY };
    assert_eq!(code(&target, &request()), Some(FailureCode::Conflict));
}

#[test]
fn what_this_machine_lacks_is_a_concern_and_no_conflict() {
    let mut bare = known(Kind::Files);
    bare.look.system.systemd_runs = false;
    let plan = Plan::of(&bare, &request());
    assert!(plan.refusal().is_ok());
    assert_eq!(concerns(&plan), ["systemd", "firewall"]);
    let mut other = known(Kind::Files);
    other.look.system.user = Some("/home/other:/bin/sh".to_owned());
    other.look.system.unit_installed = true;
    let plan = Plan::of(&other, &request());
    assert_eq!(concerns(&plan), ["account", "unit", "firewall"]);
    let alone = Plan::of(&known(Kind::Files), &only(&[Permissions]));
    assert_eq!(concerns(&alone), ["owner"]);
}

#[test]
fn an_installed_app_is_saved_removed_and_restored() {
    let plan = Plan::of(&app(true, true), &request());
    assert!(plan.refusal().is_ok());
    let what = Selection::App("nextcloud".to_owned());
    let actions: Vec<_> = plan.steps.into_iter().map(|step| step.action).collect();
    let expected = [
        Action::Tar,
        Action::Safety(Lost::Yunohost(what.clone())),
        Action::RemoveApp("nextcloud".to_owned()),
        Action::Yunohost(what.clone()),
    ];
    assert_eq!(actions, expected);
    let concerns = Plan::of(&app(true, true), &request()).shown.concerns;
    assert!(concerns.first[0].why.contains("data directory"), "{concerns:?}");
    let fresh = Plan::of(&app(false, true), &request());
    let actions: Vec<_> = fresh.steps.into_iter().map(|step| step.action).collect();
    assert_eq!(actions, [Action::Tar, Action::Yunohost(what)]);
    assert_eq!(code(&app(true, false), &request()), Some(FailureCode::Conflict));
    assert_eq!(code(&app(false, false), &request()), None);
    let lost = ArchiveRestore { no_safety: true, ..request() };
    assert_eq!(code(&app(true, false), &lost), None);
}

#[test]
fn an_app_needs_a_yunohost_room_for_it_twice_and_a_name() {
    let none = Known { yunohost: None, ..app(false, true) };
    assert_eq!(code(&none, &request()), Some(FailureCode::Unsupported));
    let mut tight = app(false, true);
    tight.look.yunohost.free_bytes = (2 << 20) + (100 << 20) - 1;
    assert_eq!(code(&tight, &request()), Some(FailureCode::NoSpace));
    let nameless = Known { kind: Kind::App(None), ..app(false, true) };
    assert_eq!(code(&nameless, &request()), Some(FailureCode::Damaged));
    let patterns = ArchiveRestore { patterns: vec!["x".to_owned()], ..request() };
    assert_eq!(code(&app(false, true), &patterns), Some(FailureCode::Invalid));
}

#[test]
fn parts_of_the_system_are_saved_and_restored() {
    let parts = vec!["data_home".to_owned()];
    let known = Known { yunohost: Some(Yunohost::default()), ..known(Kind::System(parts.clone())) };
    let actions: Vec<_> =
        Plan::of(&known, &request()).steps.into_iter().map(|step| step.action).collect();
    let what = Selection::System(parts);
    let expected =
        [Action::Tar, Action::Safety(Lost::Yunohost(what.clone())), Action::Yunohost(what)];
    assert_eq!(actions, expected);
}

#[test]
fn databases_that_are_there_are_saved_and_replaced_and_others_made() {
    let mut known = databases(&["a", "b"]);
    known.databases = Ok(["a".to_owned(), "z".to_owned()].into());
    let plan = Plan::of(&known, &request());
    assert!(plan.refusal().is_ok());
    assert_eq!(plan.steps[0].action, Action::Safety(Lost::Databases(vec!["a".to_owned()])));
    let loads = plan.steps.iter().filter_map(|step| match &step.action {
        Action::Load { into, replace, .. } => Some((into.as_str(), *replace)),
        _ => None,
    });
    assert_eq!(loads.collect::<Vec<_>>(), [("a", true), ("b", false)]);
}

#[test]
fn a_dump_goes_into_another_database_only_when_there_is_such_a_dump() {
    let rename = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned()));
        ArchiveRestore { rename_databases: pairs.collect::<BTreeMap<_, _>>(), ..request() }
    };
    let known = databases(&["a", "b"]);
    let plan = Plan::of(&known, &rename(&[("a", "copy")]));
    assert!(plan.refusal().is_ok());
    assert!(plan.steps[0].shown.what.contains("copy from the dump of a"));
    for (pairs, expected) in [
        (("c", "d"), FailureCode::NotFound),
        (("a", "b"), FailureCode::Invalid),
        (("a", "../b"), FailureCode::Invalid),
        (("a", "-e"), FailureCode::Invalid),
        (("a", ""), FailureCode::Invalid),
    ] {
        assert_eq!(code(&known, &rename(&[pairs])), Some(expected), "{pairs:?}");
    }
    let down = Known { databases: Err("no server".to_owned()), ..known };
    assert_eq!(code(&down, &request()), Some(FailureCode::Unreachable));
    assert_eq!(code(&databases(&[]), &request()), Some(FailureCode::NotFound));
}

#[test]
fn a_kind_of_a_later_version_comes_back_as_files_only() {
    let known = known(Kind::Unknown("svn".to_owned()));
    assert_eq!(code(&known, &request()), Some(FailureCode::Unsupported));
    let to = ArchiveRestore { to: Some(RawPath(b"/tmp/x".to_vec())), ..request() };
    assert_eq!(code(&known, &to), None);
}

#[test]
fn a_refusal_names_what_stands_in_the_way_and_what_helps() {
    let mut known = known(Kind::Files);
    known.look.destination.free_bytes = 0;
    known.files.lost = Some(Path::new("/opt").into());
    known.fetch_bytes = 9;
    let failure = Plan::of(&known, &request()).refusal().unwrap_err();
    let (text, hint) = (failure.to_string(), failure.hint.unwrap());
    assert_eq!(
        text,
        "cannot restore jerry_hermes_20260508: not whole: 9 sealed bytes of it are not here, and \
         no holder is connected; not enough room: 300 bytes are needed, 0 are free"
    );
    assert!(hint.starts_with("`archive show` says who has it"), "{hint}");
}

#[test]
fn a_plan_of_very_many_long_dumps_fits_in_a_frame() {
    let names: Vec<_> = (0..DUMPS_MAX).map(|at| format!("{at:0>250}\u{1}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let mut many = databases(&names);
    many.databases = Ok(names.iter().map(ToString::to_string).collect());
    let plan = Plan::of(&many, &request());
    assert_eq!(plan.steps.len(), DUMPS_MAX + 1);
    assert_eq!(plan.shown.steps.len(), STEPS_SHOWN_MAX + 1);
    let more = &plan.shown.steps.last().unwrap().what;
    assert_eq!(*more, format!("and {} more like these", DUMPS_MAX + 1 - STEPS_SHOWN_MAX));
    let bytes = serde_json::to_vec(&plan.shown).unwrap().len();
    assert!(bytes < CONTROL_FRAME_BYTES_MAX / 2, "{bytes}");
}
