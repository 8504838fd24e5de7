use std::collections::BTreeSet;

use super::*;
use crate::{
    SealedId, Time, cbor,
    job::{CustomDir, JobConfig, JobSpec},
};

fn round<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    cbor::decode("value", &cbor::encode(value), CONTROL_FRAME_BYTES_MAX).unwrap()
}

fn archive(name: &str) -> ArchiveRef {
    ArchiveRef { name: name.parse().unwrap(), node_of: Some("jerry".parse().unwrap()) }
}

fn restore() -> ArchiveRestore {
    ArchiveRestore {
        patterns: vec!["*.conf".into()],
        to: Some(RawPath(b"/tmp/\xff".to_vec())),
        ..ArchiveRestore::all(archive("a"))
    }
}

fn verified() -> Verified {
    Verified {
        archive: "a".into(),
        objects: 3,
        bytes: 99,
        missing: vec![SealedId([7; 32])],
        missing_total: 1,
        damaged: Vec::new(),
        damaged_total: 0,
        sha256_matches: None,
        duration_ms: 5,
    }
}

#[test]
fn frames_go_both_ways() {
    let spec =
        JobSpec::new("j".parse().unwrap(), JobConfig::CustomDir(CustomDir::new("/srv/data")));
    let requests = [
        Request::Status,
        Request::JobAdd(spec),
        Request::ArchiveRestore(restore()),
        Request::MeshJoin { ticket: "bm1-secret".parse().unwrap() },
        Request::MeshShow { node: "ab".repeat(32).parse().unwrap() },
        Request::StoreGc { dry_run: true },
    ];
    for request in requests {
        let frame = AskFrame::Request(Box::new(request));
        assert_eq!(round(&frame), frame);
    }
    let end = TellFrame::End(EndFrame::from(Ok(Reply::Verified(verified()))));
    assert_eq!(round(&end), end);
    let failure = Failure::new(FailureCode::Busy, "cannot run j", "it runs").hint("wait");
    let end = TellFrame::End(EndFrame::from(Err(failure)));
    assert_eq!(round(&end), end);
}

#[test]
fn a_frame_that_is_to_be_passed_on_holds_a_request_and_never_another_frame() {
    let node: NodeRef = "tom".parse().unwrap();
    let asked = Asked { of: Some(node.clone()), request: Request::Workers };
    let frame = AskFrame::from(asked.clone());
    assert_eq!(round(&frame).asked(), Some(asked));
    assert_eq!(AskFrame::from(Asked::from(Request::Workers)).asked().unwrap().of, None);
    assert_eq!(AskFrame::Cancel.asked(), None);
    // `{"of": {"node", "request": {"of": …}}}`: there is no such request.
    let inner = serde_json::to_value(&frame).unwrap();
    let nested = serde_json::json!({ "of": { "node": node, "request": inner } });
    let bytes = cbor::encode(&nested);
    assert!(cbor::decode::<AskFrame>("a frame", &bytes, REQUEST_BYTES_MAX).is_err());
}

#[test]
fn what_is_asked_of_instances_goes_both_ways_without_printing_the_key() {
    let key = "5a".repeat(32);
    let add = InstanceAdd {
        name: "tom".parse().unwrap(),
        url: "https://tom.example.org".parse().unwrap(),
        key: key.parse().unwrap(),
        pin: Some(CertificatePin([1; 32])),
        ssh: None,
    };
    let start = TransferStart {
        archive: archive("a"),
        instance: "tom".parse().unwrap(),
        mode: TransferMode::Http,
    };
    let run = |job: String| InstanceRun { instance: "tom".parse().unwrap(), job };
    for request in [
        Request::InstanceAdd(add),
        Request::InstanceRun(run("nightly".into())),
        Request::TransferStart(start),
    ] {
        assert_eq!(round(&request), request);
        assert_eq!(request.validate(), Ok(()));
        assert!(!request.only_looks());
        assert!(!format!("{request:?}").contains("5a5a"));
    }
    for wrong in [String::new(), "a".repeat(INSTANCE_TEXT_BYTES_MAX + 1)] {
        assert!(Request::InstanceRun(run(wrong)).validate().is_err());
    }
    assert!(Request::TransferList.only_looks());
    assert!(!Request::TransferCancel { transfer: 1 }.only_looks());
}

#[test]
fn json_names_its_units_and_writes_ids_and_paths_as_text() {
    let json = serde_json::to_value(Reply::Verified(verified())).unwrap();
    assert_eq!(json["verified"]["missing"][0], "07".repeat(32));
    assert_eq!(json["verified"]["duration_ms"], 5);
    let json = serde_json::to_value(Request::ArchiveRestore(restore())).unwrap();
    assert_eq!(json["archive_restore"]["to"], "/tmp/\\xff");
    assert_eq!(json["archive_restore"]["archive"]["node_of"], "jerry");
    let back: Request = serde_json::from_value(json).unwrap();
    assert_eq!(back, Request::ArchiveRestore(restore()));
}

#[test]
fn a_ticket_does_not_print() {
    let request = Request::MeshJoin { ticket: "bm1-verysecret".parse().unwrap() };
    let printed = format!("{request:?}");
    assert!(!printed.contains("verysecret"), "{printed}");
    let wrong = "two words".parse::<Ticket>().unwrap_err().to_string();
    assert!(!wrong.contains("two"), "{wrong}");
}

#[test]
fn requests_that_break_a_bound_are_refused_with_the_reason() {
    let refused = |request: Request| request.validate().unwrap_err().to_string();
    let relative = ArchiveRestore { to: Some(RawPath(b"here".to_vec())), ..restore() };
    assert_eq!(
        refused(Request::ArchiveRestore(relative)),
        "the destination here is not an absolute path"
    );
    let page = Page { from: 0, limit: PAGE_ENTRIES_MAX + 1 };
    let list = ArchiveList { job: None, node_of: None, page };
    assert_eq!(refused(Request::ArchiveList(list)), "limit is 4097, it must be between 1 and 4096");
    let grant = GrantChange {
        node: "tom".parse().unwrap(),
        allow: BTreeSet::new(),
        deny: BTreeSet::new(),
        quota_bytes: None,
        unlimited: false,
    };
    assert_eq!(refused(Request::MeshGrant(grant)), "nothing to change was named");
    let many = ArchiveRestore { patterns: vec!["x".into(); PATTERNS_MAX + 1], ..restore() };
    assert!(refused(Request::ArchiveRestore(many)).starts_with("at most 256 patterns"));
    for consent in ["", &"a".repeat(63), &"a".repeat(65), &"A".repeat(64), &"g".repeat(64)] {
        let wrong = ArchiveRestore { consent: Some(consent.to_owned()), ..restore() };
        let said = refused(Request::ArchiveRestore(wrong));
        assert!(said.starts_with("a consent is 64 hex digits"), "{consent}: {said}");
    }
    let agreed = ArchiveRestore { consent: Some("0f".repeat(32)), ..restore() };
    assert_eq!(Request::ArchiveRestore(agreed).validate(), Ok(()));
    let invite = MeshInvite { role: Role::Storage, quota_bytes: None, expires_ms: 0 };
    assert!(refused(Request::MeshInvite(invite)).starts_with("expires_ms is 0"));
    assert_eq!(Request::ArchiveRestore(restore()).validate(), Ok(()));
}

#[test]
fn only_questions_end_with_their_caller() {
    assert!(Request::StoreCheck { read_data: true }.ends_with_its_caller());
    assert!(Request::ArchiveVerify(archive("a")).ends_with_its_caller());
    assert!(!Request::ArchiveRestore(restore()).ends_with_its_caller());
    assert!(!Request::StoreRebuild.ends_with_its_caller());
    let run = JobRun { job: "j".parse().unwrap(), wait: true };
    assert!(!Request::JobRun(run).ends_with_its_caller());
}

#[test]
fn damage_makes_a_reply_fail_and_small_losses_make_it_warn() {
    assert_eq!(Reply::Verified(verified()).outcome(), Outcome::Failed);
    let whole = Verified { missing_total: 0, ..verified() };
    assert_eq!(Reply::Verified(whole.clone()).outcome(), Outcome::Done);
    let wrong = Verified { sha256_matches: Some(false), ..whole };
    assert_eq!(Reply::Verified(wrong).outcome(), Outcome::Failed);
    let mut run = RunReport::new(1, "j", RunState::Success, Time(1));
    assert_eq!(Reply::RunEnded(run.clone()).outcome(), Outcome::Done);
    run.state = RunState::Warnings;
    assert_eq!(Reply::RunEnded(run.clone()).outcome(), Outcome::Warnings);
    run.state = RunState::Failed;
    assert_eq!(Reply::RunEnded(run.clone()).outcome(), Outcome::Failed);
    assert_eq!(Reply::Runs(vec![run]).outcome(), Outcome::Done);
}

#[test]
fn issues_are_all_counted_and_boundedly_listed() {
    let mut issues = Issues::default();
    let issue =
        Issue { path: RawPath(b"a".to_vec()), what: "owner".into(), why: "no right".into() };
    for _ in 0..1_000 {
        issues.push(issue.clone());
    }
    assert_eq!((issues.total, issues.first.len()), (1_000, Issues::LISTED_MAX));
}

#[test]
fn progress_is_measured_by_bytes_where_they_are_known() {
    let progress = Progress { done: 1, total: Some(4), ..Progress::default() };
    assert_eq!(progress.per_mille(), Some(250));
    let progress = Progress { bytes_done: 7, bytes_total: Some(10), ..progress };
    assert_eq!(progress.per_mille(), Some(700));
    let progress = Progress { bytes_done: 70, ..progress };
    assert_eq!(progress.per_mille(), Some(1_000), "a source that grew");
    assert_eq!(Progress::default().per_mille(), None);
}

#[test]
fn a_failure_tells_every_cause_once() {
    let cause = "".parse::<crate::job::Name>().unwrap_err();
    let failure = Failure::caused(FailureCode::Invalid, "cannot add the job", &cause);
    assert_eq!(failure.to_string(), "cannot add the job: a name needs at least one character");
}
