//! What happens, told over HTTP: a run seen from its beginning to its end, also over a cut.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
    path::PathBuf,
};

use serde_json::Value;
use tests::support::{Node, Yard, until};

use super::{ask, connect, key, serving};

/// Streams that a node must bear.
const STREAMS: usize = 200;

/// What it may need then, all in all. The program itself is not counted: without optimisation it is
/// several times as large as with it.
const MEMORY_KIB_MAX: u64 = 60 << 10;

/// What the streams may need of that.
const STREAMS_KIB_MAX: u64 = 12 << 10;

/// One event: its id, its kind and its data.
type Told = (String, String, String);

/// A stream of events. The request is of HTTP/1.0, so that nothing stands between the lines.
struct Events(BufReader<TcpStream>);

impl Events {
    fn open(node: &Node, path: &str, key: &str, last: &str) -> Self {
        let mut stream = connect(node);
        let last =
            if last.is_empty() { String::new() } else { format!("Last-Event-ID: {last}\r\n") };
        let head =
            format!("GET /api/v1{path} HTTP/1.0\r\nX-BackupManager-Key: {key}\r\n{last}\r\n");
        stream.write_all(head.as_bytes()).expect("it is sent");
        let mut this = Self(BufReader::new(stream));
        let status = this.line().expect("a status");
        assert!(status.contains(" 200 "), "{status}");
        while this.line().is_some_and(|line| !line.is_empty()) {}
        this
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        match self.0.read_line(&mut line) {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(line.trim_end().to_owned()),
        }
    }

    /// The next event; none when the stream has ended.
    fn next(&mut self) -> Option<Told> {
        let (mut id, mut kind, mut data) = Told::default();
        loop {
            let line = self.line()?;
            match line.split_once(": ") {
                Some(("id", value)) => value.clone_into(&mut id),
                Some(("event", value)) => value.clone_into(&mut kind),
                Some(("data", value)) => data.push_str(value),
                _ if line.is_empty() && !kind.is_empty() => return Some((id, kind, data)),
                _ => {}
            }
        }
    }

    /// Everything until all of these kinds have come.
    fn until(&mut self, kinds: &[&str]) -> Vec<Told> {
        let (mut told, mut missing) = (Vec::new(), kinds.iter().copied().collect::<BTreeSet<_>>());
        while !missing.is_empty() {
            let one = self.next().unwrap_or_else(|| panic!("{missing:?} after {told:#?}"));
            missing.remove(one.1.as_str());
            told.push(one);
        }
        told
    }
}

fn number(id: &str) -> u64 {
    id.rsplit('-').next().and_then(|number| number.parse().ok()).expect("a place")
}

/// Without what is only told as it is at last.
fn lasting(told: impl IntoIterator<Item = Told>) -> Vec<Told> {
    told.into_iter().filter(|(_, kind, _)| kind != "run.progress").collect()
}

/// A job whose run waits for a file before it begins to read.
fn gated(yard: &Yard, node: &Node) -> PathBuf {
    let (source, gate) = (yard.path("notes"), yard.path("gate"));
    fs::create_dir(&source).expect("a folder");
    fs::write(source.join("a"), vec![7; 1 << 20]).expect("a file");
    let before = format!("echo waiting; while [ ! -e {} ]; do sleep 0.05; done", gate.display());
    node.add_job("notes", &source, &["--before", &before]);
    gate
}

#[test]
fn a_stream_that_was_cut_in_the_middle_of_a_run_misses_nothing_and_repeats_nothing() {
    let yard = Yard::new();
    let mut jerry = serving(&yard, "jerry", "127.0.0.1:0");
    let (phone, watch) = (key(&jerry, &["phone"]), key(&jerry, &["watch", "--read-only"]));
    let mut witness = Events::open(&jerry, "/events", &phone, "");
    let mut events = Events::open(&jerry, "/events?types=job,run,archive", &watch, "");
    assert_eq!(events.next().expect("a beginning").1, "hello");
    let gate = gated(&yard, &jerry);
    let begun = ask(&jerry, "POST", "/jobs/1/run", &phone);
    assert_eq!(begun.status, 202, "{begun:?}");
    let mut seen = events.until(&["run.started"]);
    let last = seen.last().expect("it began").0.clone();
    drop(events);

    let path = format!("/runs/{}/transcript?follow=1", begun.body["run_id"]);
    let mut said = Events::open(&jerry, &path, &watch, "");
    let (id, kind, text) = said.next().expect("a line");
    assert_eq!(kind, "line");
    fs::write(&gate, "").expect("it goes on");
    let mut lines = vec![(id.clone(), text)];
    lines.extend(said.until(&["end"]).into_iter().map(|(id, _, text)| (id, text)));
    assert_eq!(said.next(), None, "after the end there is nothing");
    let end: Value = serde_json::from_str(&lines.pop().expect("an end").1).expect("JSON");
    assert_eq!(end["status"], "success", "{end:#}");
    assert!(lines.iter().any(|(_, text)| text.contains("waiting")), "{lines:?}");
    let numbers: Vec<_> = lines.iter().map(|(id, _)| number(id)).collect();
    assert_eq!(numbers, (1..=lines.len() as u64).collect::<Vec<_>>());
    let again = Events::open(&jerry, &path, &watch, &id).until(&["end"]);
    assert_eq!(again.len(), lines.len(), "all but the first line, and the end");

    // The stream again, from where it was.
    let mut events = Events::open(&jerry, "/events?types=job,run,archive", &watch, &last);
    seen.extend(events.until(&["run.ended", "archive.added"]));
    let all = witness.until(&["run.ended", "archive.added"]);
    let about = |kind: &str| ["job.", "run.", "archive."].iter().any(|of| kind.starts_with(of));
    let all = lasting(all.into_iter().filter(|(_, kind, _)| about(kind)));
    assert_eq!(lasting(seen.clone()), all);
    assert!(seen.windows(2).all(|two| number(&two[0].0) < number(&two[1].0)), "{seen:#?}");
    let ended = seen.iter().find(|(_, kind, _)| kind == "run.ended").expect("it ended");
    let ended: Value = serde_json::from_str(&ended.2).expect("JSON");
    assert_eq!((&ended["id"], &ended["job_id"]), (&begun.body["run_id"], &1.into()));

    // A key that is revoked, and a daemon that stops, end streams at once.
    jerry.done(&["key", "revoke", "watch"]);
    while let Some((_, kind, _)) = events.next() {
        assert!(kind.starts_with("job.") || kind.starts_with("archive."), "{kind}");
    }
    jerry.stop();
    while witness.next().is_some() {}
    jerry.restart();
    let mut events = Events::open(&jerry, "/events", &phone, &last);
    assert_eq!(events.next().expect("a beginning").1, "reset", "it is another start");
}

#[test]
fn the_metrics_are_the_same_over_http_and_on_the_server() {
    let yard = Yard::new();
    let jerry = serving(&yard, "jerry", "127.0.0.1:0");
    let (prometheus, phone) = (key(&jerry, &["prometheus", "--metrics"]), key(&jerry, &["phone"]));
    let over_http = |path: &str, header: &str| {
        let mut stream = connect(&jerry);
        write!(stream, "GET {path} HTTP/1.0\r\n{header}\r\n\r\n").expect("it is sent");
        std::io::read_to_string(stream).expect("an answer")
    };
    let told = over_http("/metrics", &format!("Authorization: Bearer {prometheus}"));
    let (head, text) = told.split_once("\r\n\r\n").expect("a head");
    assert!(head.contains(" 200 ") && head.contains("version=0.0.4"), "{head}");
    let names = |text: &str| -> Vec<_> {
        text.lines().filter(|line| line.starts_with('#')).map(str::to_owned).collect()
    };
    assert!(names(text).len() > 30, "{text}");
    assert_eq!(names(text), names(&jerry.done(&["metrics"]).out));
    assert!(text.contains("backupmanager_build_info{version=\""), "{text}");
    assert_eq!(ask(&jerry, "GET", "/jobs", &prometheus).status, 401);
    assert_eq!(ask(&jerry, "GET", "/jobs", &phone).status, 200);
    let listed = jerry.done(&["key", "list"]).out;
    assert!(listed.lines().any(|line| line.contains("prometheus") && line.contains("metrics")));
}

#[test]
fn two_hundred_streams_are_open_in_little_memory() {
    let yard = Yard::new();
    let jerry = serving(&yard, "jerry", "127.0.0.1:0");
    let key = key(&jerry, &["dashboards"]);
    assert_eq!(ask(&jerry, "GET", "/jobs", &key).status, 200);
    let memory = || ["VmRSS", "RssAnon"].map(|word| jerry.memory_kib(word));
    let before = memory();
    let mut streams: Vec<_> =
        (0..STREAMS).map(|_| Events::open(&jerry, "/events", &key, "")).collect();
    for stream in &mut streams {
        assert_eq!(stream.next().expect("a beginning").1, "hello");
    }
    let open = memory();
    let gate = gated(&yard, &jerry);
    fs::write(&gate, "").expect("it does not wait");
    let archive = jerry.back_up("notes");
    for stream in &mut streams {
        let told = stream.until(&["run.ended", "archive.added"]);
        assert!(told.iter().any(|(_, _, data)| data.contains(&archive)), "{told:#?}");
    }
    let after = memory();
    let all = format!("{before:?} before, {open:?} with {STREAMS} streams, {after:?} after a run");
    eprintln!("VmRSS and RssAnon in KiB: {all}");
    assert!(after[1] < MEMORY_KIB_MAX, "{all}");
    assert!(open[0].saturating_sub(before[0]) < STREAMS_KIB_MAX, "{all}");
    assert_eq!(ask(&jerry, "GET", "/jobs", &key).status, 200, "requests have room");
    drop(streams);
    until("the streams have ended", || {
        jerry.done(&["metrics"]).out.contains("backupmanager_event_streams 0\n")
    });
}
