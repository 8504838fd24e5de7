use super::*;
use crate::{
    MeshId, Time,
    control::{
        ArchiveContents, ArchiveExport, ArchiveRef, GrantChange, InstanceRun, JobEdit, JobRun,
        KeyCreate, MeshExpel, MeshInvite, NodeRef, Page, RawPath, TransferMode, TransferStart,
        UploadStart,
    },
    job::{Command, CustomDir, JobConfig, JobSpec},
    key::{ExchangePublic, NodeSecret},
    record::{Fact, Grant, Invitation, Record, Role, Version},
};

fn secret(n: u8) -> NodeSecret {
    NodeSecret::from_seed(&[n; 32])
}

fn id(n: u8) -> NodeId {
    secret(n).id()
}

/// The node that executes.
const AT: u8 = 0;
/// An operator.
const TOM: u8 = 1;
/// A member that keeps replicas.
const FRIEND: u8 = 2;
/// No member.
const EVE: u8 = 3;

/// `AT` invited an operator and a friend, and said this besides.
fn catalog(more: &[Fact]) -> Catalog {
    let mut catalog = Catalog::new(MeshId([9; 32]), id(AT));
    let invites = |who, role| {
        let exchange = ExchangePublic([0; 32]);
        let (name, time) = ("n".to_owned(), Time(1));
        Fact::Member(id(who), Invitation { role, quota_bytes: None, name, exchange, time })
    };
    let facts = [invites(TOM, Role::Operator), invites(FRIEND, Role::Storage)];
    for (seq, fact) in (1..).zip(facts.iter().chain(more)) {
        let record = Record {
            mesh: MeshId([9; 32]),
            author: id(AT),
            version: Version { epoch: 1, seq },
            previous: Version::default(),
            key: fact.key().to_string(),
            time: Time(seq),
            body: Some(fact.body()),
        };
        catalog.insert(&record.sign(&secret(AT)).unwrap()).unwrap();
    }
    catalog
}

fn leaves(rights: &[Right]) -> Fact {
    let rights = rights.iter().copied().collect();
    Fact::Grant(id(TOM), Grant { rights, quota_bytes: None })
}

fn archive() -> ArchiveRef {
    ArchiveRef { name: "a".parse().unwrap(), node_of: None }
}

fn spec() -> JobSpec {
    let config = JobConfig::CustomDir(CustomDir::new("/srv/data"));
    JobSpec::new("j".parse().unwrap(), config)
}

fn restore(plan: bool, trust: bool) -> Request {
    Request::ArchiveRestore(ArchiveRestore { plan, trust, ..ArchiveRestore::all(archive()) })
}

/// What each right alone is for.
fn by_right() -> Vec<(Right, Vec<Request>)> {
    let (job, page) = (|| "j".parse().unwrap(), Page { from: 0, limit: 10 });
    let prune = |dry_run| Request::Prune(Prune { job: None, dry_run });
    let remove = |dry_run| Request::ArchiveRemove(ArchiveRemove { archive: archive(), dry_run });
    let pin = |pinned| Request::ArchivePin { archive: archive(), pinned };
    let contents =
        ArchiveContents { archive: archive(), patterns: Vec::new(), dir: None, search: None, page };
    vec![
        (
            Right::See,
            vec![
                Request::Status,
                Request::JobList(page),
                Request::RunShow { run: 1 },
                Request::ArchiveShow(archive()),
                Request::StoreGc { dry_run: true },
                prune(true),
                remove(true),
            ],
        ),
        (
            Right::Run,
            vec![
                Request::JobRun(JobRun { job: job(), wait: true }),
                Request::RunCancel { run: 1 },
                Request::StoreCheck { read_data: true },
                Request::InstanceRun(InstanceRun { instance: job(), job: "x".into() }),
                pin(true),
            ],
        ),
        (Right::Open, vec![Request::ArchiveInfo(archive()), Request::ArchiveContents(contents)]),
        (Right::Restore, vec![restore(true, false), restore(false, false)]),
        (
            Right::Delete,
            vec![prune(false), remove(false), pin(false), Request::StoreGc { dry_run: false }],
        ),
    ]
}

/// What is as good as being root.
fn strongest() -> Vec<Request> {
    let mut commands = spec();
    commands.before = vec![Command::new("id")];
    let edit = JobEdit { job: "j".parse().unwrap(), spec: commands.clone(), based_on_ms: Time(1) };
    vec![
        Request::JobAdd(spec()),
        Request::JobAdd(commands),
        Request::JobEdit(edit),
        Request::JobRemove { job: "j".parse().unwrap() },
        restore(false, true),
    ]
}

fn local_only() -> Vec<Request> {
    let tom = || NodeRef::Id(id(TOM));
    let name = || "x".parse().unwrap();
    let (allow, deny) = ([Right::Open].into(), Default::default());
    let upload = UploadStart {
        filename: "x.tar".into(),
        total_bytes: 1,
        part_bytes: 1,
        sha256: "00".repeat(32),
    };
    vec![
        Request::KeyCreate(KeyCreate { name: name(), read_only: true, metrics_only: false }),
        Request::KeyList,
        Request::KeyRevoke { key: name() },
        Request::MeshInvite(MeshInvite { role: Role::Operator, quota_bytes: None, expires_ms: 1 }),
        Request::MeshJoin { ticket: "bm1-x".parse().unwrap() },
        Request::MeshExpel(MeshExpel { node: tom(), dry_run: true }),
        Request::MeshGrant(GrantChange {
            node: tom(),
            allow,
            deny,
            quota_bytes: None,
            unlimited: false,
        }),
        Request::StoreRebuild,
        Request::ArchiveExport(ArchiveExport {
            archive: archive(),
            to: RawPath(b"/x".to_vec()),
            overwrite: true,
        }),
        Request::UploadStart(upload),
        Request::UploadFinish { upload: "x".into() },
        Request::InstanceRemove { instance: name() },
    ]
}

fn denied(catalog: &Catalog, who: u8, request: &Request) -> Option<Denied> {
    may_ask(catalog, &id(AT), &id(who), request).err()
}

fn without(right: Right) -> Vec<Right> {
    Right::ALL.into_iter().filter(|one| *one != right).collect()
}

#[test]
fn each_request_needs_its_right_and_the_refusal_names_it() {
    let all = catalog(&[]);
    for (right, requests) in by_right() {
        let (only, but) = (catalog(&[leaves(&[right])]), catalog(&[leaves(&without(right))]));
        for request in requests {
            assert_eq!(denied(&all, TOM, &request), None, "{request:?}");
            assert_eq!(denied(&only, TOM, &request), None, "{request:?}");
            let refused = Refusal::NotGranted { who: id(TOM), right };
            assert_eq!(denied(&but, TOM, &request), Some(refused.into()), "{request:?}");
        }
    }
    let start = TransferStart {
        archive: archive(),
        instance: "tom".parse().unwrap(),
        mode: TransferMode::Http,
    };
    for right in [Right::Run, Right::Open] {
        let but = catalog(&[leaves(&without(right))]);
        assert!(denied(&but, TOM, &Request::TransferStart(start.clone())).is_some());
    }
}

#[test]
fn who_changes_a_job_or_has_an_archive_trusted_needs_every_right_of_an_operator() {
    let all = catalog(&[]);
    for request in strongest() {
        assert_eq!(denied(&all, TOM, &request), None, "{request:?}");
        for right in CHANGE_JOBS {
            let but = catalog(&[leaves(&without(right))]);
            let refused = Refusal::NotGranted { who: id(TOM), right };
            assert_eq!(denied(&but, TOM, &request), Some(refused.into()), "{request:?}");
        }
        let but = catalog(&[leaves(&without(Right::Store))]);
        assert_eq!(denied(&but, TOM, &request), None, "replicas are another thing");
    }
}

#[test]
fn what_is_for_the_server_itself_is_for_no_member() {
    let all = catalog(&[]);
    for request in local_only() {
        assert_eq!(right_of(&request), None, "{request:?}");
        assert_eq!(denied(&all, TOM, &request), Some(Denied::LocalOnly), "{request:?}");
    }
}

#[test]
fn a_storage_member_may_ask_nothing_and_a_stranger_neither() {
    let all = catalog(&[]);
    let requests = by_right().into_iter().flat_map(|(_, requests)| requests);
    for request in requests.chain(strongest()).chain(local_only()) {
        let who = id(FRIEND);
        assert_eq!(denied(&all, FRIEND, &request), Some(Denied::NotAnOperator { who }));
        let who = id(EVE);
        assert_eq!(denied(&all, EVE, &request), Some(Refusal::NotAMember { who }.into()));
    }
}

#[test]
fn whatever_only_looks_changes_nothing_by_the_rights_either() {
    let looks = [Right::See, Right::Open].into_iter().collect::<Rights>();
    for (right, requests) in by_right() {
        for request in requests {
            let plan = matches!(request, Request::ArchiveRestore(_) | Request::StoreCheck { .. });
            assert!(plan || request.only_looks() == looks.allow(right), "{request:?}");
        }
    }
}
