//! What `YunoHost` restores: its tar, its safety archive, and the way back.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use protocol::{
    control::{ArchiveRestore, Failure, FailureCode, Restored, StepState},
    record::Fact,
};

use super::{
    known,
    service::{Scene, at_work},
};
use crate::{
    daemon::{
        mesh::Change,
        node::Node,
        rebuild::{
            Prepared, carry_out::carry_out, files::Chosen, known::Kind, known::Yunohost, plan::Plan,
        },
        view::Archive,
    },
    db::RunsOf,
    sys::OsEntropy,
    tasks::{
        Answer, Task, TaskError,
        yunohost::{Answer as Said, App, TargetState, YunohostTask},
    },
};

const APP: &str = "nextcloud";

/// The scene's archive, as if `YunoHost` had made it.
async fn relabel(scene: &Scene, kind: &str) {
    let archive = scene.node.archive_list().pop().unwrap();
    let mut meta = archive.meta.clone().unwrap();
    meta.kind = kind.to_owned();
    let mut facts = archive.facts.clone();
    facts.sealed = meta.seal(&scene.node.key, &mut OsEntropy);
    scene.node.mesh.publish(vec![Change::Say(Fact::Archive(archive.id, facts))]).await.unwrap();
}

fn archive(scene: &Scene, name: &str) -> Archive {
    let all = scene.node.archive_list();
    Archive::clone(all.iter().find(|archive| archive.title() == name).unwrap())
}

fn targets(name: &str, state: TargetState) -> BTreeMap<String, TargetState> {
    [(name.to_owned(), state)].into()
}

fn restored(name: &str, state: TargetState) -> Result<Answer, TaskError> {
    Ok(Answer::Yunohost(Said::Restored { targets: targets(name, state) }))
}

/// `YunoHost` makes the tar that it is asked for.
fn created(folder: &Path, task: &Task, target: &str) -> Result<Answer, TaskError> {
    let Task::Yunohost(YunohostTask::Create { name, .. }) = task else { panic!("{task:?}") };
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/yunohost");
    fs::copy(fixtures.join("dummyapp.tar"), folder.join(format!("{name}.tar"))).unwrap();
    let targets = targets(target, TargetState::Success);
    Ok(Answer::Yunohost(Said::Created { bytes: 1, targets }))
}

#[tokio::test(flavor = "multi_thread")]
async fn yunohost_finds_the_tar_while_it_restores_and_not_afterwards() {
    let scene = Scene::new().await;
    relabel(&scene, "ynh_system").await;
    let folder = scene.dir.path().join("archives");
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let (there, noted) = (folder.clone(), Arc::clone(&seen));
    scene.agent.plays(move |word, task| match word {
        "apps" => Some(Ok(Answer::Yunohost(Said::Apps(Vec::<App>::new())))),
        word if word.starts_with("create") => Some(created(&there, task, "data_custom")),
        word if word.starts_with("restore") => {
            let name = word.trim_start_matches("restore ");
            let size =
                |ending: &str| fs::metadata(there.join(format!("{name}{ending}"))).unwrap().len();
            noted.lock().unwrap().extend([size(".tar"), size(".info.json")]);
            Some(restored("data_custom", TargetState::Success))
        }
        _ => None,
    });
    let done = scene.restore().await;
    let states: Vec<_> = done.steps.iter().map(|step| step.state).collect();
    assert_eq!(states, [StepState::Done; 3], "{done:#?}");
    let safety = archive(&scene, &done.safety.unwrap()).meta.unwrap();
    assert_eq!((safety.safety, safety.kind.as_str()), (true, "ynh_system"));
    let bytes = archive(&scene, &scene.archive).meta.unwrap().stream_bytes;
    let seen = seen.lock().unwrap();
    assert!(seen[0] == bytes && seen[1] > 100, "{seen:?}");
    assert_eq!(fs::read_dir(folder).unwrap().count(), 0, "something stays behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_safety_archive_yunohost_is_not_asked_to_restore() {
    let scene = Scene::new().await;
    relabel(&scene, "ynh_system").await;
    scene.agent.plays(move |word, _| match word {
        "apps" => Some(Ok(Answer::Yunohost(Said::Apps(Vec::<App>::new())))),
        word if word.starts_with("create") => {
            let targets = targets("data_custom", TargetState::Error);
            Some(Ok(Answer::Yunohost(Said::Created { bytes: 1, targets })))
        }
        _ => None,
    });
    let done = scene.restore().await;
    let states: Vec<_> = done.steps.iter().map(|step| step.state).collect();
    assert_eq!(states, [StepState::Done, StepState::Failed, StepState::Skipped]);
    assert!(!scene.agent.take().iter().any(|word| word.starts_with("restore")));
    assert_eq!(fs::read_dir(scene.dir.path().join("archives")).unwrap().count(), 0);
}

/// Restores an app that is installed, with all that its plan says.
async fn replace_app(scene: &Scene, no_safety: bool) -> Result<Restored, Failure> {
    at_work(scene, move |rebuild, opened| {
        let (id, name, version) = (APP.to_owned(), "Nextcloud".to_owned(), "1".to_owned());
        let app = App { id, name, version, can_back_up: true };
        let mut known = known(Kind::App(Some(APP.to_owned())));
        known.yunohost = Some(Yunohost { apps: vec![app] });
        let request = ArchiveRestore { no_safety, ..rebuild.request.clone() };
        let plan = Plan::of(&known, &request);
        carry_out(rebuild, Prepared { opened, known, chosen: Chosen::default(), plan })
    })
    .await
}

/// Somebody stops the restore that is running.
fn stop(node: &Node) {
    let running = node.runs.list(RunsOf::All, None, 1).unwrap().remove(0).run;
    assert!(node.runs.cancel(running));
}

/// What an agent says that does all it is asked, and finds the tars that it is told of.
fn obeys(folder: &Path, word: &str, task: &Task) -> Option<Result<Answer, TaskError>> {
    let (verb, name) = word.split_once(' ')?;
    Some(match verb {
        "create" => created(folder, task, APP),
        "restore" => {
            assert!(folder.join(format!("{name}.tar")).is_file(), "{name}");
            restored(APP, TargetState::Success)
        }
        _ => Ok(Answer::Yunohost(Said::Done)),
    })
}

fn folder(scene: &Scene) -> PathBuf {
    scene.dir.path().join("archives")
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().next().is_none()
}

/// What was asked, by the first words.
fn verbs(scene: &Scene) -> Vec<String> {
    let asked = scene.agent.take().into_iter();
    asked.map(|word| word.split(' ').next().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_whose_replacement_is_stopped_at_any_point_is_there_again() {
    for at in ["remove", "restore"] {
        let scene = Scene::new().await;
        let (node, folder, mut once) = (Arc::clone(&scene.node), folder(&scene), true);
        scene.agent.plays(move |word, task| {
            if word.starts_with(at) && std::mem::take(&mut once) {
                stop(&node);
            }
            obeys(&folder, word, task)
        });
        let failure = replace_app(&scene, false).await.unwrap_err();
        assert_eq!(failure.code, FailureCode::Cancelled, "{at}");
        assert!(failure.why.contains("nextcloud is as it was before"), "{at}: {failure}");
        assert_eq!(verbs(&scene), ["create", "remove", "restore", "remove", "restore"], "{at}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_without_a_way_back_is_restored_to_the_end_whoever_stops_it() {
    let scene = Scene::new().await;
    let (node, folder) = (Arc::clone(&scene.node), folder(&scene));
    scene.agent.plays(move |word, task| {
        if word.starts_with("remove") {
            stop(&node);
        }
        obeys(&folder, word, task)
    });
    let done = replace_app(&scene, true).await.unwrap();
    assert!(done.steps.iter().all(|step| step.state == StepState::Done), "{done:#?}");
    assert_eq!(verbs(&scene), ["remove", "restore"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_that_fails_half_way_has_a_way_back_and_one_that_never_began_needs_none() {
    let half_way = || TaskError::TimedOut { program: "yunohost".to_owned(), seconds: 9 };
    let never = || TaskError::Busy { what: "somebody else has the lock".to_owned() };
    let half_way =
        (half_way as fn() -> TaskError, ["create", "remove", "remove", "restore"].as_slice());
    let never = (never as fn() -> TaskError, ["create", "remove"].as_slice());
    for (error, expected) in [half_way, never] {
        let scene = Scene::new().await;
        let (folder, mut once) = (folder(&scene), true);
        scene.agent.plays(move |word, task| {
            let fails = word.starts_with("remove") && std::mem::take(&mut once);
            if fails { Some(Err(error())) } else { obeys(&folder, word, task) }
        });
        let done = replace_app(&scene, false).await.unwrap();
        use StepState::{Done, Failed, Skipped};
        let states: Vec<_> = done.steps.iter().map(|step| step.state).collect();
        assert_eq!(states, [Done, Done, Failed, Skipped], "{done:#?}");
        assert_eq!(verbs(&scene), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_does_not_come_back_is_put_back_from_its_safety_archive() {
    let scene = Scene::new().await;
    let (there, mut once) = (folder(&scene), true);
    scene.agent.plays(move |word, task| {
        let fails = word.starts_with("restore") && std::mem::take(&mut once);
        let answer = obeys(&there, word, task);
        if fails { Some(restored(APP, TargetState::Error)) } else { answer }
    });
    let done = replace_app(&scene, false).await.unwrap();
    let said = done.steps[3].said.join("; ");
    assert!(said.contains("nextcloud is as it was before"), "{said}");
    let safety = archive(&scene, &done.safety.unwrap());
    let asked = scene.agent.take();
    assert_eq!(asked[3..], ["remove nextcloud".to_owned(), format!("restore {}", tar(&safety))]);
    assert_eq!(asked[2], format!("restore {}", tar(&archive(&scene, &scene.archive))));
    assert!(is_empty(&folder(&scene)), "something stays behind");
}

fn tar(archive: &Archive) -> String {
    format!("restore_{}", archive.id.short())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_back_that_fails_too_says_where_the_app_lies() {
    let scene = Scene::new().await;
    let there = folder(&scene);
    scene.agent.plays(move |word, task| {
        let busy = || TaskError::Busy { what: "somebody else has the lock".to_owned() };
        if word.starts_with("restore") { Some(Err(busy())) } else { obeys(&there, word, task) }
    });
    let done = replace_app(&scene, false).await.unwrap();
    let (said, safety) = (done.steps[3].said.join("; "), done.safety.unwrap());
    assert!(said.contains("the way back failed too"), "{said}");
    assert!(said.contains(&format!("backupmanager archive restore {safety}")), "{said}");
    assert!(is_empty(&folder(&scene)), "something stays behind");
}
