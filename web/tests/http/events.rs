//! Events: followed, cut, taken up again, and ended.

use std::time::Duration;

use protocol::{
    control::{Change, Happened, NEWS_TOPICS, Progress, RunKind},
    news::KEPT_MAX,
};
use serde_json::Value;

use crate::support::{Fake, GOOD, READ_ONLY, RUN, START, Server, Stream, ask, run};

fn job(number: u64) -> Happened {
    Happened::Job { change: Change::Added, number, name: format!("job{number}") }
}

fn started() -> Happened {
    Happened::RunStarted(Box::new(run(RUN)))
}

fn place(number: u64) -> String {
    format!("{START:016x}-{number}")
}

async fn follow(server: &Server, query: &str) -> Stream {
    Stream::open(server.address, &format!("/events{query}"), "").await
}

#[tokio::test]
async fn who_follows_hears_what_happens_and_who_was_cut_what_it_missed() {
    let server = Server::start(Fake::new()).await;
    server.fake.tell(job(1));
    let mut stream = follow(&server, "").await;
    assert_eq!(stream.status(), 200);
    for line in
        ["content-type: text/event-stream", "cache-control: no-store", "x-accel-buffering: no"]
    {
        assert!(stream.head.contains(line), "{}", stream.head);
    }
    let (id, kind, _) = stream.event().await.unwrap();
    assert_eq!((id, kind.as_str()), (place(1), "hello"), "what was before is not told");
    server.fake.tell(started());
    let (id, kind, data) = stream.event().await.unwrap();
    assert_eq!((id, kind.as_str()), (place(2), "run.started"));
    let data: Value = serde_json::from_str(&data).unwrap();
    assert_eq!((&data["id"], &data["job_id"]), (&RUN.into(), &3.into()));
    assert_eq!(data["time"], "2026-05-08T03:00:00.000+00:00");
    drop(stream);
    server.fake.tell(job(2));
    server.fake.tell(job(3));

    let headers = format!("Last-Event-ID: {}\r\n", place(2));
    let mut again = Stream::open(server.address, "/events", &headers).await;
    assert_eq!(again.event().await.unwrap().0, place(3));
    assert_eq!(again.event().await.unwrap().0, place(4));
    // The header is newer than the address.
    let query = format!("/events?last_event_id={}", place(1));
    let mut again = Stream::open(server.address, &query, &headers).await;
    assert_eq!(again.event().await.unwrap().0, place(3));
    assert_eq!(follow(&server, &query[7..]).await.event().await.unwrap().0, place(2));
}

#[tokio::test]
async fn a_place_that_is_none_here_is_told_to_read_everything_anew() {
    let server = Server::start(Fake::new()).await;
    (1..=3).for_each(|number| server.fake.tell(job(number)));
    let other = format!("{:016x}-2", START + 1);
    let huge = format!("{START:016x}-18446744073709551615");
    for wrong in ["garbage", "2", &other, &huge, &place(4), "%00", "%C3%A9", "'; DROP"] {
        let query = format!("?last_event_id={}", wrong.replace(' ', "+"));
        let mut stream = follow(&server, &query).await;
        let (id, kind, data) = stream.event().await.unwrap();
        assert_eq!((id, kind.as_str()), (place(3), "reset"), "{wrong}");
        assert!(data.contains("lists"), "{data}");
    }
    let twice = format!("Last-Event-ID: {0}\r\nLast-Event-ID: {0}\r\n", place(2));
    for header in ["Last-Event-ID: caf\u{e9}\r\n", &twice] {
        let mut stream = Stream::open(server.address, "/events", header).await;
        assert_eq!(stream.event().await.unwrap().1, "reset", "{header}");
        server.fake.tell(started());
        assert_eq!(stream.event().await.unwrap().1, "run.started", "and it goes on");
    }
}

#[tokio::test]
async fn who_is_too_slow_loses_its_place_and_nobody_else() {
    let server = Server::start(Fake::new()).await;
    let mut slow = follow(&server, "").await;
    assert_eq!(slow.kinds(1).await, ["hello"]);
    // More than all buffers between hold, while nobody reads.
    for number in 0..40 * KEPT_MAX as u64 {
        server.fake.tell(job(number));
        if number % 500 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let mut quick = follow(&server, "").await;
    assert_eq!(quick.kinds(1).await, ["hello"]);
    server.fake.tell(started());
    assert_eq!(quick.kinds(1).await, ["run.started"]);
    let mut before = 0;
    loop {
        let (id, kind, _) = slow.event().await.unwrap();
        let number: u64 = id.rsplit('-').next().unwrap().parse().unwrap();
        match kind.as_str() {
            "reset" => break assert!(number > before),
            kind => assert_eq!((kind, number), ("job.added", before + 1), "nothing is left out"),
        }
        before = number;
    }
}

#[tokio::test]
async fn only_what_is_asked_for_is_told_and_a_type_that_is_none_is_refused() {
    let server = Server::start(Fake::new()).await;
    let mut runs = follow(&server, "?types=run,health").await;
    assert_eq!(runs.kinds(1).await, ["hello"]);
    server.fake.tell(job(1));
    server.fake.tell(started());
    assert_eq!(runs.kinds(1).await, ["run.started"]);
    for wrong in ["types=runs", "types=", "types=run,,job", "types=run&types=job", "type=run"] {
        let refused = server.ask("GET", &format!("/api/v1/events?{wrong}")).await;
        refused.refused(400, "invalid");
    }
    let refused = server.ask("GET", "/api/v1/events?types=all").await.refused(400, "invalid");
    let message = refused["message"].as_str().unwrap().to_owned();
    assert!(NEWS_TOPICS.iter().all(|topic| message.contains(topic)), "{message}");
}

#[tokio::test]
async fn a_stream_needs_a_key_and_ends_with_it_and_others_go_on() {
    let server = Server::start(Fake::new()).await;
    let to = server.address;
    ask(to, "GET", "/api/v1/events", None).await.refused(401, "unauthorized");
    ask(to, "POST", "/api/v1/events", Some(GOOD)).await.refused(405, "method_not_allowed");
    let mut ends = Stream::open_with(to, "/events", READ_ONLY).await;
    let mut goes_on = Stream::open_with(to, "/events", GOOD).await;
    assert_eq!(ends.kinds(1).await, goes_on.kinds(1).await);
    server.fake.revoke(READ_ONLY);
    assert_eq!(ends.event().await, None);
    server.fake.tell(job(1));
    assert_eq!(goes_on.kinds(1).await, ["job.added"]);
    // A key that comes only makes it look again.
    server.fake.revoke("nobody");
    server.fake.tell(job(2));
    assert_eq!(goes_on.kinds(1).await, ["job.added"]);
}

#[tokio::test]
async fn all_streams_of_a_key_that_is_checked_again_share_one_check() {
    let server = Server::start(Fake::new()).await;
    let mut streams = Vec::new();
    for _ in 0..50 {
        streams.push(follow(&server, "").await);
        assert_eq!(streams.last_mut().unwrap().kinds(1).await, ["hello"]);
    }
    let checks = || server.fake.checks.load(std::sync::atomic::Ordering::SeqCst);
    let before = checks();
    server.fake.revoke("nobody");
    server.fake.tell(job(1));
    for stream in &mut streams {
        assert_eq!(stream.kinds(1).await, ["job.added"]);
    }
    assert!(checks() <= before + 2, "{} checks", checks() - before);
}

#[tokio::test]
async fn the_server_does_not_wait_for_streams_when_it_stops() {
    let mut server = Server::start(Fake::new()).await;
    let mut events = follow(&server, "").await;
    assert_eq!(events.kinds(1).await, ["hello"]);
    let mut transcript =
        Stream::open(server.address, &format!("/runs/{RUN}/transcript?follow=1"), "").await;
    server.fake.say("a");
    assert_eq!(transcript.kinds(1).await, ["line"]);
    let begun = tokio::time::Instant::now();
    server.stop.take().unwrap().send(()).unwrap();
    (&mut server.task).await.unwrap().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!((events.event().await, transcript.event().await), (None, None));
}

#[tokio::test]
async fn of_three_hundred_streams_so_many_are_open_and_requests_have_room() {
    let server = Server::start(Fake::new()).await;
    let (mut open, mut refused) = (Vec::new(), 0);
    for _ in 0..300 {
        let mut stream = follow(&server, "").await;
        if stream.status() == 503 {
            assert!(stream.head.contains("retry-after: "), "{}", stream.head);
            refused += 1;
        } else {
            assert_eq!(stream.kinds(1).await, ["hello"]);
            open.push(stream);
        }
    }
    assert_eq!((open.len(), refused), (200, 100));
    let mut others = Vec::new();
    for _ in 0..60 {
        others.push(Stream::open_with(server.address, "/events", READ_ONLY).await.status());
    }
    assert_eq!(others.iter().filter(|status| **status == 200).count(), 60, "each left at once");
    for _ in 0..100 {
        server.ask("GET", "/api/v1/health").await.ok(200);
    }
    server.fake.tell(job(1));
    for stream in &mut open {
        assert_eq!(stream.kinds(1).await, ["job.added"]);
    }
    // Who goes makes room.
    drop(open);
    while follow(&server, "").await.status() != 200 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_says_nothing_says_that_it_is_alive_and_where_it_is() {
    let folder = std::env::temp_dir().join(format!("web-http-alive-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("http");
    let server = Server::start_at(Fake::new(), &path);
    let mut stream = Stream::open_at(&path, "/events?types=run").await;
    assert_eq!(stream.block().await.unwrap(), "retry: 2000");
    assert!(stream.block().await.unwrap().contains("hello"));
    let begun = tokio::time::Instant::now();
    for beat in 1..=8 {
        // What it does not want to hear of moves its place, and does not put the beat off.
        server.fake.tell(job(beat));
        let alive = stream.block().await.unwrap();
        assert_eq!(alive, format!(": alive\nid: {}", place(beat)));
        assert_eq!(begun.elapsed().as_secs(), 15 * beat);
    }
    drop(server);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn the_streams_of_the_document_are_what_is_said() {
    const DOCUMENT: &str = include_str!("../../API.md");
    let server = Server::start(Fake::new()).await;
    let mut events = follow(&server, "?types=run,job").await;
    let mut transcript =
        Stream::open(server.address, &format!("/runs/{RUN}/transcript?follow=1"), "").await;
    server.fake.tell(Happened::Job { change: Change::Added, number: 3, name: "cloud".into() });
    let (what, total) = ("reading".to_owned(), Some(4));
    let progress = Progress { what, done: 1, total, ..Progress::default() };
    let (job, kind) = ("cloud".to_owned(), RunKind::Backup);
    server.fake.tell(Happened::RunProgress { run: RUN, job, kind, progress });
    server.fake.say("backing up nextcloud");
    assert_eq!(transcript.block().await.unwrap(), "retry: 2000");
    let first = transcript.block().await.unwrap();
    server.fake.say("a.log changed while it was read");
    let said = ["retry: 2000".to_owned(), first, transcript.block().await.unwrap()];
    let mut told = Vec::new();
    for _ in 0..4 {
        told.push(events.block().await.unwrap());
    }
    for (path, blocks) in [
        (format!("/runs/{RUN}/transcript?follow=1"), said.join("\n\n")),
        ("/events?types=run,job".to_owned(), told.join("\n\n")),
    ] {
        let shown = format!("```\nGET /api/v1{path}\n\n200\n{blocks}\n```\n");
        assert!(DOCUMENT.contains(&shown), "API.md lacks or shows otherwise:\n{shown}");
    }
}
