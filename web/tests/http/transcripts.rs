//! Transcripts, whole and as they grow.

use crate::support::{Fake, READ_ONLY, RUN, Server, Stream, ask, run};

async fn listen(server: &Server, more: &str, headers: &str) -> Stream {
    let path = format!("/runs/{RUN}/transcript?follow=1{more}");
    Stream::open(server.address, &path, headers).await
}

fn end(server: &Server) {
    server.fake.said.lock().unwrap().ended = Some(run(RUN));
    server.fake.said_clock.send_modify(|said| *said += 1);
}

#[tokio::test]
async fn a_transcript_is_plain_text_as_far_as_it_is() {
    let server = Server::start(Fake::new()).await;
    let path = format!("/api/v1/runs/{RUN}/transcript");
    let empty = server.ask("GET", &path).await;
    assert_eq!((empty.status, empty.body.as_str()), (200, ""));
    server.fake.say("reading /srv");
    server.fake.say("data: <b>\u{e9}</b>");
    let answer = ask(server.address, "GET", &path, Some(READ_ONLY)).await;
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.body, "reading /srv\ndata: <b>\u{e9}</b>\n");
    for (path, status, error) in [
        ("/api/v1/runs/999/transcript", 404, "not_found"),
        ("/api/v1/runs/999/transcript?follow=1", 404, "not_found"),
        ("/api/v1/runs/x/transcript", 400, "invalid"),
        ("/api/v1/runs/41/transcript?follow=maybe", 400, "invalid"),
        ("/api/v1/runs/41/transcript?from=3", 400, "invalid"),
    ] {
        server.ask("GET", path).await.refused(status, error);
    }
}

#[tokio::test]
async fn who_follows_gets_every_line_once_over_cuts_and_the_end() {
    let server = Server::start(Fake::new()).await;
    server.fake.say("one");
    let mut stream = listen(&server, "", "").await;
    assert_eq!(stream.event().await.unwrap(), ("1".into(), "line".into(), "one".into()));
    server.fake.say("two");
    assert_eq!(stream.event().await.unwrap().0, "2");
    drop(stream);
    server.fake.say("three");
    let mut stream = listen(&server, "", "Last-Event-ID: 2\r\n").await;
    assert_eq!(stream.event().await.unwrap().2, "three");
    server.fake.say("four");
    end(&server);
    assert_eq!(stream.event().await.unwrap().2, "four");
    let (id, kind, data) = stream.event().await.unwrap();
    assert_eq!((id.as_str(), kind.as_str()), ("4", "end"));
    let run: serde_json::Value = serde_json::from_str(&data).unwrap();
    assert_eq!((&run["id"], &run["status"]), (&RUN.into(), &"success".into()));
    assert_eq!(stream.event().await, None);
    // After the end: what is missing, and the end.
    let mut stream = listen(&server, "&last_event_id=3", "").await;
    assert_eq!(stream.kinds(2).await, ["line", "end"]);
    for nothing in ["", "x", "-1", "99999999999999999999"] {
        let mut stream = listen(&server, &format!("&last_event_id={nothing}"), "").await;
        assert_eq!(stream.kinds(5).await.len(), 5, "all of it");
    }
}

#[tokio::test]
async fn a_long_transcript_comes_in_pieces_and_whole() {
    let server = Server::start(Fake::new()).await;
    let line = "x".repeat(2_000);
    (0..500).for_each(|_| server.fake.say(&line));
    end(&server);
    let mut stream = listen(&server, "", "").await;
    for number in 1..=500 {
        assert_eq!(stream.event().await.unwrap().0, number.to_string());
    }
    assert_eq!(stream.kinds(1).await, ["end"]);
}

#[tokio::test]
async fn a_listener_ends_with_its_key() {
    let server = Server::start(Fake::new()).await;
    let path = format!("/runs/{RUN}/transcript?follow=1");
    let mut stream = Stream::open_with(server.address, &path, READ_ONLY).await;
    server.fake.say("one");
    assert_eq!(stream.kinds(1).await, ["line"]);
    server.fake.revoke(READ_ONLY);
    server.fake.say("secret");
    assert_eq!(stream.event().await, None);
}
