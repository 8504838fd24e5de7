//! Control frames about jobs, their runs, what they keep, and restores.

use std::collections::{BTreeMap, BTreeSet};

use protocol::{
    JobId, Time, cbor,
    control::{
        ArchiveRef, ArchiveRestore, AskFrame, Choice, Choices, Component, EndFrame, Failure,
        FailureCode, ForeignAdopt, ForeignArchive, JobEdit, NodeName, Page, Prune, PruneVerdict,
        Pruned, RawPath, Reply, Request, RestorePlan, RestoreStep, Restored, RunKind, RunList,
        RunReport, RunState, StepReport, StepState, TellFrame, Trigger,
    },
    job::{JobSpec, Name},
};

use super::{asked::job_spec_seeds, node_secret};

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

fn specs() -> impl Iterator<Item = JobSpec> {
    job_spec_seeds().into_iter().map(|json| serde_json::from_slice(&json).expect("a job"))
}

pub(super) fn asked() -> Vec<Vec<u8>> {
    let archive = ArchiveRef { name: name("docs_20260508"), node_of: None };
    let edits = specs()
        .map(|spec| Request::JobEdit(JobEdit { job: name("docs"), spec, based_on_ms: Time(9) }));
    let restore = ArchiveRestore {
        components: BTreeSet::from(Component::ALL),
        rename_databases: BTreeMap::from([("shop".to_owned(), "shop2".to_owned())]),
        trust: true,
        wait: false,
        ..ArchiveRestore::all(archive.clone())
    };
    let others = [
        Request::JobChoices { kind: "mysql".to_owned() },
        Request::RunList(RunList { job: Some(name("docs")), before: Some(7), limit: 20 }),
        Request::RunCancel { run: 7 },
        Request::Prune(Prune { job: None, dry_run: true }),
        Request::ArchiveRestore(restore),
        Request::ArchivePin { archive, pinned: true },
        Request::ForeignList,
        Request::ForeignAdopt(ForeignAdopt { name: name("a"), job: Some(name("b")), wait: true }),
    ];
    let frame = |request| cbor::encode(&AskFrame::Request(Box::new(request)));
    let node = "tom".parse().expect("a name");
    let of = AskFrame::Of { node, request: Box::new(Request::JobList(Page::FIRST)) };
    edits.chain(others).map(frame).chain([cbor::encode(&of)]).collect()
}

fn steps() -> Vec<RestoreStep> {
    let step = |component| RestoreStep {
        component,
        what: "make the account hermes".to_owned(),
        detail: vec!["home /opt".to_owned()],
    };
    vec![step(None), step(Some(Component::SystemUser))]
}

fn plan() -> RestorePlan {
    RestorePlan {
        consent: "5b".repeat(32),
        archive: "docs_20260508".to_owned(),
        origin: NodeName { id: node_secret().id(), name: "jerry".to_owned() },
        hostile: true,
        components: Component::ALL.to_vec(),
        destination: RawPath(b"/\xff".to_vec()),
        entries: 1,
        bytes: 2,
        creates: 3,
        replaces: 4,
        keeps: 5,
        fetch_bytes: 6,
        fetch_from: Vec::new(),
        steps: steps(),
        conflicts: Default::default(),
        concerns: Default::default(),
    }
}

fn restored() -> Restored {
    let report = |step| StepReport { step, state: StepState::Failed, said: vec!["a".to_owned()] };
    Restored {
        archive: "docs_20260508".to_owned(),
        destination: RawPath(b"/".to_vec()),
        entries: 1,
        bytes: 2,
        kept: 3,
        fetched_bytes: 4,
        compared: true,
        differs: Default::default(),
        not_set: Default::default(),
        steps: steps().into_iter().map(report).collect(),
        safety: Some("safety".to_owned()),
        run: Some(7),
        duration_ms: 9,
    }
}

fn pruned() -> Pruned {
    let verdict = PruneVerdict {
        archive: "docs_20260508".to_owned(),
        job: "docs".to_owned(),
        created_ms: Time(8),
        keep: true,
        reason: "pinned".to_owned(),
    };
    Pruned { dry_run: true, verdicts: vec![verdict], kept: 1, dropped: 0, freed_bytes: 0 }
}

pub(super) fn told() -> Vec<Vec<u8>> {
    let run = RunReport {
        job_id: Some(JobId([3; 16])),
        kind: RunKind::Adopt,
        trigger: Trigger::CatchUp,
        nothing_new: true,
        failure: Some(Failure::new(FailureCode::Conflict, "a", "b")),
        ..RunReport::new(7, "docs", RunState::Interrupted, Time(5))
    };
    let choice = Choice { id: "shop".to_owned(), title: "Shop".to_owned(), usable: false };
    let foreign = ForeignArchive {
        name: "20260508-pre-upgrade1".to_owned(),
        file: "20260508-pre-upgrade1.tar".to_owned(),
        bytes: 9,
        created_ms: Time(8),
        description: "by hand".to_owned(),
        contains: vec!["dummyapp".to_owned()],
        pre_upgrade: true,
    };
    let replies = [
        Reply::RunEnded(run.clone()),
        Reply::Runs(vec![run]),
        Reply::Choices(Choices { kind: "mysql".to_owned(), choices: vec![choice] }),
        Reply::RestorePlan(plan()),
        Reply::Restored(restored()),
        Reply::Pruned(pruned()),
        Reply::Foreign(vec![foreign]),
    ];
    let frame = |reply| cbor::encode(&TellFrame::End(EndFrame::Reply(Box::new(reply))));
    replies.into_iter().map(frame).chain([cbor::encode(&TellFrame::Alive)]).collect()
}
