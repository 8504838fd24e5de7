use protocol::control::{
    Failure, FailureCode, GrantChange, InstanceRunStarted, JobEdit, JobReport, JobRun,
    MemberReport, MeshInvite, NodeRef, NoticeKind, NoticeReport, PruneVerdict, Reply, Request,
    RunReport, UploadReport, UploadStart,
};
use protocol::upload::Spec;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The number of the one job.
pub(crate) const JOB: u64 = 3;

/// The number of its newest run.
pub(crate) const RUN: u64 = 41;

/// Some metrics.
pub(crate) const METRICS_TEXT: &str = "# TYPE backupmanager_jobs gauge\nbackupmanager_jobs 1\n";

/// 2026-05-08 03:00 UTC.
const MADE_MS: u64 = 1_778_209_200_000;

fn read<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn node(name: &str) -> Value {
    let digit = if name == "jerry" { "a" } else { "b" };
    json!({ "id": digit.repeat(64), "name": name })
}

fn job() -> JobReport {
    read(json!({
        "job": {
            "id": "0123456789abcdef0123456789abcdef",
            "spec": {
                "name": "cloud",
                "config": { "type": "ynh_app", "app_id": "nextcloud", "core_only": true },
                "schedule": { "cron": "0 3 * * *", "zone": "Europe/Paris" },
                "retention": { "daily": 7 },
                "copies": 1,
                "before": [{ "run": "stop", "env": { "PASSWORD": "hunter22" } }]
            },
            "created_ms": MADE_MS - 86_400_000,
            "updated_ms": MADE_MS - 3_600_000
        },
        "number": JOB,
        "last_run": run(RUN),
        "archives": 1,
        "next_runs": [MADE_MS + 86_400_000, MADE_MS + 2 * 86_400_000]
    }))
}

pub(crate) fn run(number: u64) -> RunReport {
    read(json!({
        "run": number,
        "job": "cloud",
        "job_id": "0123456789abcdef0123456789abcdef",
        "job_number": JOB,
        "trigger": "schedule",
        "state": "warnings",
        "started_ms": MADE_MS,
        "ended_ms": MADE_MS + 61_500,
        "archive": "jerry_nextcloud_20260508",
        "entries": 1200,
        "stream_bytes": 52_428_800,
        "known_bytes": 50_000_000,
        "stored_bytes": 900_000,
        "warnings": 1,
        "progress": null,
        "failure": null
    }))
}

fn failed() -> RunReport {
    let mut failed = run(RUN - 1);
    failed.state = protocol::control::RunState::Failed;
    failed.archive = None;
    failed.failure = Some(Failure::new(FailureCode::Damaged, "cannot read /srv/a", "bad disk"));
    failed
}

fn detail(number: u64) -> Value {
    json!({
        "run": run(number),
        "transcript": [
            { "at_ms": MADE_MS, "text": "backing up nextcloud" },
            { "at_ms": MADE_MS, "text": "a.log changed while it was read" }
        ]
    })
}

fn archive(pinned: bool) -> Value {
    json!({
        "id": "00000000000000000000000000000001",
        "origin": node("jerry"),
        "name": "jerry_nextcloud_20260508",
        "job": "cloud",
        "kind": "ynh_app",
        "source": "nextcloud",
        "created_ms": MADE_MS,
        "stream_bytes": 52_428_800,
        "entries": 1200,
        "sha256": "5".repeat(64),
        "sealed_bytes": 20_000_000,
        "pinned": pinned,
        "tar": "/home/yunohost.backup/archives/jerry_nextcloud_20260508.tar",
        "copies_wanted": 1,
        "holders": [
            { "node": node("jerry"), "state": "whole", "have_bytes": 20_000_000,
              "locked_until_ms": null },
            { "node": node("tom"), "state": "fetching", "have_bytes": 10_000_000,
              "locked_until_ms": MADE_MS + 1 }
        ],
        "notes": []
    })
}

fn sealed() -> Value {
    let mut sealed = archive(false);
    for key in ["name", "job", "kind", "source", "stream_bytes", "entries", "sha256", "tar"] {
        sealed[key] = Value::Null;
    }
    sealed["origin"] = node("tom");
    sealed
}

fn of_tom() -> Value {
    let mut of_tom = archive(false);
    of_tom["origin"] = node("tom");
    of_tom["name"] = json!("tom_www_20260507");
    of_tom["kind"] = json!("custom_dir");
    of_tom["job"] = json!("www");
    of_tom["source"] = json!("/var/www");
    of_tom["tar"] = Value::Null;
    of_tom["holders"] = json!([{ "node": node("tom"), "state": "whole", "have_bytes": 1,
                                 "locked_until_ms": null }]);
    of_tom
}

fn status() -> Value {
    json!({
        "node": node("jerry"),
        "mesh": "c".repeat(64),
        "version": "0.1.0",
        "started_ms": MADE_MS,
        "now_ms": MADE_MS + 5_000,
        "data": "/var/lib/backupmanager",
        "listen": [],
        "members": 2, "connected": 1, "jobs": 1, "runs": 0, "archives": 1, "archives_short": 1,
        "replicas": 0,
        "store_bytes": 20_000_000, "free_bytes": 80_000_000_000_u64,
        "disk_bytes": 100_000_000_000_u64,
        "instance_url": "https://jerry.example.org",
        "yunohost_version": "12.1.17",
        "health": "amber",
        "reasons": ["1 archive has fewer copies than its job wants"]
    })
}

fn info() -> Value {
    json!({
        "archive": archive(false),
        "backup_info": "{\"instance_name\":\"jerry\",\"instance_url\":\"https://jerry.example.org\",\
            \"app\":\"nextcloud\",\"type\":\"ynh_app\",\"created_at\":\"2026-05-08T03:00:00+00:00\",\
            \"backupmanager_version\":\"0.1.0\",\"yunohost_version\":\"12.1.17\",\
            \"archive\":\"a lie\"}",
        "info": "{\"description\":\"nextcloud\",\"size\":52428800}"
    })
}

fn plan() -> Value {
    json!({
        "archive": "jerry_nextcloud_20260508", "origin": node("jerry"), "hostile": false,
        "components": ["app"], "destination": "/", "entries": 1200, "bytes": 52_428_800,
        "creates": 1000, "replaces": 200, "keeps": 0, "fetch_bytes": 0, "fetch_from": [],
        "steps": [{ "component": "app", "what": "restore the app nextcloud", "detail": [] }],
        "conflicts": { "total": 0, "first": [] }, "concerns": { "total": 0, "first": [] },
        "consent": "5b".repeat(32)
    })
}

fn restored() -> Value {
    json!({
        "archive": "jerry_nextcloud_20260508", "destination": "/", "entries": 1200,
        "bytes": 52_428_800, "kept": 0, "fetched_bytes": 0, "compared": true,
        "differs": { "total": 0, "first": [] }, "not_set": { "total": 0, "first": [] },
        "steps": [{
            "step": { "component": "app", "what": "restore the app nextcloud", "detail": [] },
            "state": "done", "said": []
        }],
        "safety": "jerry_nextcloud_20260508-2", "run": 42, "duration_ms": 61_000
    })
}

fn contents() -> Value {
    json!({
        "archive": "jerry_nextcloud_20260508",
        "entries": [{
            "path": "apps/nextcloud/settings.yml", "kind": "file", "link": "", "mode": 0o640,
            "uid": 0, "gid": 33, "bytes": 812, "mtime": { "seconds": 1_778_209_199, "nanos": 0 }
        }],
        "next": 17
    })
}

fn pruned() -> Value {
    let verdict = PruneVerdict {
        archive: "jerry_nextcloud_20260508".to_owned(),
        job: "cloud".to_owned(),
        created_ms: protocol::Time(MADE_MS),
        keep: true,
        reason: "the newest of 2026-05-08".to_owned(),
    };
    json!({ "dry_run": true, "verdicts": [verdict], "kept": 1, "dropped": 0, "freed_bytes": 0 })
}

fn member() -> Value {
    json!({
        "node": node("tom"), "role": "storage", "connection": "direct",
        "addresses": ["/ip4/192.0.2.7/tcp/4001"], "version": "0.1.0", "joined_ms": MADE_MS,
        "seen_ms": MADE_MS + 1_000, "expelled_ms": null, "rights": ["store"],
        "quota_bytes": 1_000_000_000, "keeps_here_bytes_max": null, "holds_bytes": 10_000_000,
        "holds_archives": 0, "words": null
    })
}

/// This node by its name, and the other one by name and id.
fn shown(wanted: &NodeRef) -> Result<MemberReport, Failure> {
    let wanted = wanted.to_string();
    let mut found = member();
    if wanted == "jerry" {
        (found["node"], found["connection"]) = (node("jerry"), json!("this"));
    } else if wanted != "tom" && wanted != "b".repeat(64) {
        return Err(no_such(&format!("node {wanted}")));
    }
    Ok(read(found))
}

fn worker() -> Value {
    json!({
        "name": "replicate", "state": "working", "what": "fetching tom_www_20260507 from tom",
        "progress": { "what": "fetching", "done": 1, "total": 4, "bytes_done": 0,
                      "bytes_total": null, "rate_bytes": 0, "eta_ms": null },
        "errors_in_a_row": 0, "last_error": null, "worked_ms": MADE_MS
    })
}

fn store() -> Value {
    json!({
        "path": "/var/lib/backupmanager/chunks", "objects": 300, "object_bytes": 19_000_000,
        "packs": 1, "pack_bytes": 20_000_000, "garbage_bytes": 0, "index_bytes": 65_536,
        "free_bytes": 80_000_000_000_u64
    })
}

fn instance() -> Value {
    json!({
        "number": 2, "name": "tom", "url": "https://tom.example.org", "pin": null, "ssh": null,
        "state": "online", "why": null, "last_seen_ms": MADE_MS, "asked_ms": MADE_MS,
        "instance_name": "tom", "version": "1.0.0", "jobs": [], "jobs_ms": null,
        "created_ms": MADE_MS - 86_400_000
    })
}

fn transfer(instance: &str) -> Value {
    json!({
        "id": 5, "archive": "jerry_nextcloud_20260508", "instance": instance, "mode": "auto",
        "way": "http", "state": "sending", "bytes_done": 50_000_000,
        "bytes_total": 52_428_800, "sha256": "ab".repeat(32), "failures": 0, "failure": null,
        "next_ms": null, "started_ms": MADE_MS, "ended_ms": null
    })
}

/// The id of a ticket, and of an order.
pub(crate) const TICKET: &str = "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd";
pub(crate) const ORDER: &str = "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee";

fn invited(invite: &MeshInvite) -> Value {
    json!({
        "id": TICKET, "ticket": "backupmanager-secret", "mesh": "c".repeat(64), "founded": false,
        "role": invite.role, "quota_bytes": invite.quota_bytes,
        "expires_at_ms": MADE_MS + invite.expires_ms, "addresses": ["/ip4/192.0.2.1/tcp/4001"]
    })
}

fn invites() -> Value {
    json!([{
        "id": TICKET, "state": "used", "role": "storage", "quota_bytes": 1_000_000_000,
        "expires_at_ms": MADE_MS + 86_400_000, "used_by": node("tom"),
        "words": "apple river stone cloud"
    }])
}

fn expelled(dry_run: bool) -> Value {
    json!({
        "node": node("tom"), "dry_run": dry_run,
        "still_holds": [{ "archive": "jerry_nextcloud_20260508", "bytes": 10_000_000,
                          "copies_elsewhere": 1 }],
        "still_holds_total": 1
    })
}

fn granted(change: &GrantChange) -> Value {
    let mut member = member();
    member["rights"] = json!(change.allow);
    member["keeps_here_bytes_max"] = json!(change.quota_bytes);
    member
}

fn order(state: &str) -> Value {
    json!({
        "id": ORDER, "by": node("jerry"), "node": node("tom"), "request": "job_run",
        "issued_ms": MADE_MS, "deadline_ms": MADE_MS + 86_400_000, "state": state,
        "said_ms": null, "text": null, "failure": null
    })
}

fn refused() -> Value {
    let mut order = order("refused");
    order["said_ms"] = json!(MADE_MS + 1_000);
    order["failure"] = json!({
        "code": "refused", "what": "tom did not do it",
        "why": "jerry has no right to run-job at this node", "hint": null
    });
    order
}

fn notice() -> Value {
    let why = Some("the disk is full");
    let mut notice =
        NoticeReport::new(9, NoticeKind::RunFailed, "cloud", why, protocol::Time(MADE_MS));
    notice.again(why, protocol::Time(MADE_MS + 86_400_000));
    json!(notice)
}

/// What is asked of members, orders and notices.
fn of_members(request: &Request) -> Result<Reply, Failure> {
    let tom = |wanted: &NodeRef| match wanted.to_string().as_str() {
        "tom" => Ok(()),
        other => Err(no_such(&format!("node {other}"))),
    };
    Ok(match request {
        Request::MeshInvite(invite) => Reply::Invited(read(invited(invite))),
        Request::InviteList => Reply::Invites(read(invites())),
        Request::InviteCancel { invite } if invite.to_string() == TICKET => Reply::Done,
        Request::InviteCancel { .. } => return Err(no_such("ticket")),
        Request::MeshGrant(change) => {
            tom(&change.node)?;
            Reply::Member(read(granted(change)))
        }
        Request::MeshExpel(expel) => {
            tom(&expel.node)?;
            Reply::Expelled(read(expelled(expel.dry_run)))
        }
        Request::OrderIssue(issue) => {
            tom(&issue.node)?;
            Reply::Order(read(order("waiting")))
        }
        Request::OrderList => Reply::Orders(vec![read(refused())]),
        Request::OrderShow { order: id } if id.to_string() == ORDER => {
            Reply::Order(read(refused()))
        }
        Request::OrderCancel { order: id } if id.to_string() == ORDER => {
            Reply::Order(read(order("cancelled")))
        }
        Request::OrderShow { .. } | Request::OrderCancel { .. } => return Err(no_such("order")),
        Request::NoticeList(_) => {
            Reply::Notices(read(json!({ "notices": [notice()], "total": 1, "unread": 1 })))
        }
        Request::NoticeRead { notice: 9 } => {
            let mut read_one: NoticeReport = read(notice());
            read_one.read = true;
            Reply::Notice(read_one.into())
        }
        Request::NoticeRead { .. } => return Err(no_such("notice")),
        Request::NoticeReadAll => Reply::Done,
        other => panic!("nobody should ask for {other:?}"),
    })
}

fn no_such(what: &str) -> Failure {
    Failure::new(FailureCode::NotFound, format!("cannot find {what}"), "there is none")
}

/// How the node answers: one job, two runs, an archive of each of two nodes.
pub(crate) fn reply(request: &Request) -> Result<Reply, Failure> {
    let archive_name = |name: &str| match name {
        "jerry_nextcloud_20260508" => Ok(()),
        other => Err(no_such(&format!("archive {other}"))),
    };
    Ok(match request {
        Request::Status => Reply::Status(read(status())),
        Request::Workers => Reply::Workers(vec![read(worker())]),
        Request::MeshList => Reply::Members(vec![read(member())]),
        Request::MeshShow { node } => Reply::Member(shown(node)?),
        Request::JobList(_) => Reply::Jobs(read(json!({ "jobs": [job()], "next": null }))),
        Request::JobNumbered { number: JOB } | Request::JobShow { .. } => Reply::Job(job().into()),
        Request::JobNumbered { number } => return Err(no_such(&format!("job {number}"))),
        Request::JobAdd(spec) | Request::JobEdit(JobEdit { spec, .. }) => {
            let mut report = job();
            report.job.spec = spec.clone();
            Reply::Job(report.into())
        }
        Request::JobRun(JobRun { .. }) => {
            let mut started = RunReport::new(
                RUN + 1,
                "cloud",
                protocol::control::RunState::Running,
                protocol::Time(MADE_MS),
            );
            (started.job_id, started.job_number) = (Some(job().job.id), Some(JOB));
            Reply::RunStarted(started)
        }
        Request::JobRemove { .. } => Reply::Done,
        Request::RunList(_) => Reply::Runs(vec![run(RUN), failed()]),
        Request::RunShow { run } if *run <= RUN => Reply::Run(read(detail(*run))),
        Request::RunShow { run } => return Err(no_such(&format!("run {run}"))),
        Request::RunCancel { run: number } => Reply::RunEnded(run(*number)),
        Request::Prune(_) => Reply::Pruned(read(pruned())),
        Request::ArchiveList(_) => Reply::Archives(read(
            json!({ "archives": [of_tom(), sealed(), archive(false)], "next": null }),
        )),
        Request::ArchiveInfo(of) => {
            archive_name(of.name.as_str())?;
            Reply::ArchiveInfo(Box::new(read(info())))
        }
        Request::ArchiveContents(of) => {
            archive_name(of.archive.name.as_str())?;
            Reply::Contents(read(contents()))
        }
        Request::ArchiveRemove(of) => {
            archive_name(of.archive.name.as_str())?;
            Reply::Removed(read(json!({
                "archive": "jerry_nextcloud_20260508", "dry_run": of.dry_run,
                "freed_bytes": 900_000, "replicas": []
            })))
        }
        Request::ArchivePin { pinned, .. } => Reply::Archive(read(archive(*pinned))),
        Request::ArchiveRestore(restore) => {
            archive_name(restore.archive.name.as_str())?;
            match restore.plan {
                true => Reply::RestorePlan(read(plan())),
                false => Reply::Restored(read(restored())),
            }
        }
        Request::StoreStats => Reply::StoreStats(read(store())),
        Request::UploadStart(_)
        | Request::UploadList
        | Request::UploadShow { .. }
        | Request::UploadCancel { .. }
        | Request::UploadFinish { .. } => return of_uploads(request),
        other => return of_instances(other),
    })
}

/// The one upload, of which a part is missing.
pub(crate) const UPLOAD: &str = "1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b";

fn upload() -> Box<UploadReport> {
    read(json!({
        "id": UPLOAD,
        "start": {
            "filename": "tom_www_20260508.tar", "total_bytes": 30, "part_bytes": 10,
            "sha256": "5".repeat(64)
        },
        "parts": 3, "received": 2, "missing": [2], "state": "in_progress",
        "started_ms": MADE_MS, "expires_ms": MADE_MS + 1, "archive": null, "failure": null
    }))
}

fn of_uploads(request: &Request) -> Result<Reply, Failure> {
    let known = |id: &str| if id == UPLOAD { Ok(()) } else { Err(no_such("the upload")) };
    Ok(match request {
        Request::UploadStart(UploadStart { filename, total_bytes, part_bytes, sha256 }) => {
            let begun = Spec::new(filename, *total_bytes, *part_bytes, sha256);
            let invalid = |error| Failure::caused(FailureCode::Invalid, "cannot begin", &error);
            begun.map_err(invalid)?;
            Reply::Upload(upload())
        }
        Request::UploadList => Reply::Uploads(vec![*upload()]),
        Request::UploadShow { upload: id } => known(id).map(|()| Reply::Upload(upload()))?,
        Request::UploadCancel { upload: id } => known(id).map(|()| Reply::Done)?,
        Request::UploadFinish { upload: id } => {
            known(id)?;
            return Err(Failure::new(FailureCode::Conflict, "cannot finish", "a part is missing"));
        }
        other => panic!("nobody should ask for {other:?}"),
    })
}

fn of_instances(request: &Request) -> Result<Reply, Failure> {
    Ok(match request {
        Request::InstanceList => Reply::Instances(vec![read(instance())]),
        Request::TransferStart(start) if start.instance.as_str() == "nowhere" => {
            return Err(no_such("instance nowhere"));
        }
        Request::TransferStart(start) => Reply::Transfer(read(transfer(start.instance.as_str()))),
        Request::Metrics => Reply::Metrics { text: METRICS_TEXT.to_owned() },
        Request::TransferList => Reply::Transfers(vec![read(transfer("tom"))]),
        Request::TransferShow { transfer: 5 } | Request::TransferCancel { transfer: 5 } => {
            Reply::Transfer(read(transfer("tom")))
        }
        Request::TransferShow { transfer } | Request::TransferCancel { transfer } => {
            return Err(no_such(&format!("transfer {transfer}")));
        }
        Request::InstanceAdd(add) if add.name.as_str() == "taken" => {
            let what = "cannot add instance taken";
            return Err(Failure::new(FailureCode::Exists, what, "there is one of that name"));
        }
        Request::InstanceAdd(_) => Reply::Instance(Box::new(read(instance()))),
        Request::InstanceRun(run) if run.instance.as_str() == "tom" => {
            Reply::InstanceRunStarted(InstanceRunStarted {
                instance: run.instance.clone(),
                job: "cloud".to_owned(),
                run: Some(7),
            })
        }
        Request::InstanceRun(run) => return Err(no_such(&format!("instance {}", run.instance))),
        Request::InstanceShow { instance: wanted }
        | Request::InstanceRemove { instance: wanted }
            if !["tom", "2"].contains(&wanted.as_str()) =>
        {
            return Err(no_such(&format!("instance {wanted}")));
        }
        Request::InstanceShow { .. } => Reply::Instance(Box::new(read(instance()))),
        Request::InstanceRemove { .. } => Reply::Done,
        other => return of_members(other),
    })
}
