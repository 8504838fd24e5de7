//! A dump on its way from the archive into a server.

use protocol::{control::Failure, job::DumpFormat};

use super::{
    known,
    service::{Scene, at_work},
};
use crate::{
    archive::Span,
    daemon::rebuild::{
        carry_out::Went,
        databases,
        known::{Dump, Kind},
    },
    tasks::{
        Answer, TaskError,
        database::{Answer as Said, Engine, Server},
    },
};

/// Loads a file of the scene's archive, as if it were a dump.
async fn load(scene: &Scene) -> Result<Went, Failure> {
    at_work(scene, |rebuild, opened| {
        let mut found = None;
        let named = |path: &[u8]| path.ends_with(b"/data");
        let walked = opened.reader.entries(|entry| {
            if named(&entry.path) {
                found = Some(entry);
            }
            true
        });
        walked.unwrap();
        let entry = found.unwrap();
        let span = Span { from: entry.offset, to: entry.offset + entry.span };
        let (database, format) = ("shop".to_owned(), DumpFormat::None);
        let dump = Dump { database, format, bytes: entry.real_bytes, span };
        let server = Server::of(Engine::Mysql, &protocol::job::Databases::one("shop"));
        let known = known(Kind::Databases(server));
        databases::load(rebuild, &opened, &known, &dump, ("copy", true))
    })
    .await
}

fn loaded(warnings: Vec<String>) -> Option<Result<Answer, TaskError>> {
    Some(Ok(Answer::Database(Said::Loaded { created: false, warnings })))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_gets_the_dump_alone_without_the_tar_around_it() {
    let scene = Scene::new().await;
    scene.agent.plays(|_, _| loaded(Vec::new()));
    assert!(load(&scene).await.is_ok());
    assert_eq!(scene.agent.take(), ["load copy true", "data as it was"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_refuses_a_dump_is_told_by_the_name_of_the_database() {
    let scene = Scene::new().await;
    scene.agent.plays(|_, _| {
        let (program, status) = ("mysql".to_owned(), "exit code 1".to_owned());
        Some(Err(TaskError::Failed { program, status, said: "access denied".to_owned() }))
    });
    let failure = load(&scene).await.map(drop).unwrap_err();
    assert_eq!(failure.what, "cannot load the database copy");
    assert!(failure.why.contains("access denied"), "{failure}");
}
