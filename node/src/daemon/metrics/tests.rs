use std::collections::BTreeSet;

use super::*;
use crate::{daemon::live::tests::node, daemon::runs::NewRun, socket::CancelSwitch};
use protocol::{
    control::{RunKind, Trigger},
    job::{CustomDir, Job, JobConfig, JobSpec},
};

/// A strict reader of the text format: every line is one that it may have, names come together, each
/// after its help and its type, and no series twice. The series with their values.
fn parse(text: &str) -> BTreeMap<String, f64> {
    assert!(text.ends_with('\n'));
    let (mut series, mut done, mut now) = (BTreeMap::new(), BTreeSet::new(), String::new());
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').expect("a name and a help");
            assert!(!help.is_empty() && is_name(name), "{line}");
            assert!(done.insert(name.to_owned()), "{name} comes twice");
            let kind = lines.next().and_then(|line| line.strip_prefix("# TYPE ")).expect("a type");
            let (typed, kind) = kind.split_once(' ').expect("a name and a type");
            assert_eq!(typed, name);
            assert!(["gauge", "counter"].contains(&kind), "{kind}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
            assert!(lines.peek().is_some_and(|line| line.starts_with(name)), "{name} has no value");
            name.clone_into(&mut now);
            continue;
        }
        let (name, rest) = line.split_at(line.find(['{', ' ']).expect("an end of the name"));
        assert_eq!(name, now, "{line}");
        let (labels, value) = labels(rest);
        let value: f64 = value.parse().expect("a number");
        let key = format!("{name}{labels:?}");
        assert!(series.insert(key, value).is_none(), "{line} comes twice");
    }
    series
}

fn is_name(name: &str) -> bool {
    name.starts_with("backupmanager_")
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// The labels, unescaped, and what stands behind them.
fn labels(text: &str) -> (Vec<(String, String)>, &str) {
    let Some(mut rest) = text.strip_prefix('{') else {
        return (Vec::new(), text.strip_prefix(' ').expect("a space"));
    };
    let mut labels = Vec::new();
    loop {
        let (label, from) = rest.split_once("=\"").expect("a label");
        assert!(label.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{label}");
        let (mut value, mut chars) = (String::new(), from.char_indices());
        let end = loop {
            match chars.next().expect("a closing quote") {
                (at, '"') => break at,
                (_, '\\') => match chars.next().expect("an escape").1 {
                    'n' => value.push('\n'),
                    c @ ('\\' | '"') => value.push(c),
                    c => panic!("no escape: {c}"),
                },
                (_, c) => value.push(c),
            }
        };
        labels.push((label.to_owned(), value));
        match from[end + 1..].strip_prefix("} ") {
            Some(value) => return (labels, value),
            None => rest = from[end + 1..].strip_prefix(',').expect("another label or the end"),
        }
    }
}

fn key(name: &str, labels: &[(&str, &str)]) -> String {
    let labels: Vec<_> = labels.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    format!("backupmanager_{name}{labels:?}")
}

async fn read(node: &Arc<Node>) -> BTreeMap<String, f64> {
    parse(&metrics(Arc::clone(node)).await.unwrap())
}

#[tokio::test]
async fn every_line_is_one_that_prometheus_reads() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(&dir, "jerry").await;
    node.workers.failed("odd \"name\"\\\n".to_owned().leak(), "x");
    let told = read(&node).await;
    assert_eq!(told[&key("build_info", &[("version", env!("CARGO_PKG_VERSION"))])], 1.0);
    assert_eq!(told[&key("worker_errors_in_a_row", &[("worker", "odd \"name\"\\\n")])], 1.0);
    assert_eq!(told[&key("members", &[])], 1.0);
    assert!(told[&key("disk_free_bytes", &[])] > 0.0);
    let colours = ["green", "amber", "red"].map(|c| told[&key("health", &[("state", c)])]);
    assert_eq!(colours.iter().sum::<f64>(), 1.0);
    assert_eq!(told[&key("http_requests_total", &[("code", "5xx")])], 0.0);
}

#[tokio::test]
async fn jobs_runs_and_answers_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(&dir, "jerry").await;
    let config = JobConfig::CustomDir(CustomDir::new("/srv/docs"));
    let spec = JobSpec::new("docs".parse().unwrap(), config);
    let job = Job { id: JobId([1; 16]), spec, created_ms: Time(1), updated_ms: Time(1) };
    handle::job::store(&node, &job).await.unwrap();
    let run = |state| {
        let (kind, trigger) = (RunKind::Backup, Trigger::Hand);
        let new = NewRun { job: "docs", job_id: Some(job.id), kind, trigger };
        let run = node.runs.begin(new, CancelSwitch::new().0).unwrap().run;
        node.runs.end(run, |run| (run.state, run.ended_ms) = (state, Some(Time(90_500)))).unwrap();
    };
    let of = |name| key(name, &[("job", "docs")]);
    assert!(!read(&node).await.contains_key(&of("job_last_run_success")), "it never ran");
    run(RunState::Success);
    let told = read(&node).await;
    assert_eq!(told[&of("job_last_success_timestamp_seconds")], 90.5);
    assert_eq!(told[&of("job_last_run_success")], 1.0);
    run(RunState::Failed);
    [200, 204, 404, 503, 99, 600, 0].iter().for_each(|status| node.http_answers.count(*status));
    let told = read(&node).await;
    assert_eq!(told[&of("job_last_run_success")], 0.0);
    let ended = ["success", "failed", "interrupted"];
    let ended = ended.map(|state| told[&key("runs_ended_total", &[("state", state)])]);
    assert_eq!(ended, [1.0, 1.0, 0.0]);
    let classes = CLASSES.map(|class| told[&key("http_requests_total", &[("code", class)])]);
    assert_eq!(classes, [0.0, 2.0, 0.0, 1.0, 1.0]);
}
