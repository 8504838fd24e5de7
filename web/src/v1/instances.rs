//! Instances: servers that are reached by the HTTP contract alone, and running their jobs there.

use axum::{http::StatusCode, response::Response};
use protocol::{
    control::{
        ApiKey, CertificatePin, INSTANCE_URL_BYTES_MAX, InstanceAdd, InstanceJob, InstanceReport,
        InstanceRun, InstanceUrl, Reply, Request, SshAccount, SshAdd, SshReport,
    },
    job::Name,
    schema::{ACCOUNT, HOST, SHA256},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::jobs::located;
use crate::{
    ApiError, answer,
    openapi::Routes,
    state::Asker,
    take::{Args, Json},
    view::{InstanceView, Iso, iso_or_none},
};

/// An address, as far as a pattern can say it.
const ADDRESS: &str = r"^https?://[A-Za-z0-9.:\[\]-]+(?:/[A-Za-z0-9._~/-]*)?$";

/// A SHA-256 as openssl shows it, or without colons.
const PIN: &str = "^[0-9A-Fa-f]{2}(?::?[0-9A-Fa-f]{2}){31}$";

/// Of a host key, as ssh shows it.
const FINGERPRINT: &str = "^SHA256:[!-~]{1,64}$";

/// A folder without anything that a shell could take for more.
const FOLDER: &str = "^(?:/[A-Za-z0-9_-][A-Za-z0-9_.-]*)+$";

/// The routes of this file.
pub(super) fn routes() -> Routes {
    Routes::of("Instances", "Servers that are reached by their HTTP interface alone.")
        .arg("id", "The number of the instance here, or its name.")
        .arg("job", "The number of the job there.")
        .get("/instances", "The instances that this node knows.", list, |op| {
            op.lists::<Instances>()
        })
        .post("/instances", "Know an instance.", add, |op| {
            op.answers::<Detail>(201).located().fails(&[409, 502])
        })
        .get("/instances/{id}", "One instance, with its jobs.", show, |op| {
            op.answers::<Detail>(200)
        })
        .delete("/instances/{id}", "Forget an instance and its key.", remove, |op| {
            op.answers::<Forgotten>(200).fails(&[409])
        })
        .post("/instances/{id}/jobs/{job}/run", "Run a job there.", run, |op| {
            op.answers::<Started>(202).fails(&[409, 502])
        })
}

async fn list(asker: Asker) -> Result<Response, ApiError> {
    let Reply::Instances(all) = asker.ask(Request::InstanceList).await? else {
        return Err(ApiError::unexpected("instances"));
    };
    Ok(asker.list(&Instances { instances: all.into_iter().map(InstanceView::from).collect() }))
}

#[derive(Debug, Serialize, JsonSchema)]
struct Instances {
    instances: Vec<InstanceView>,
}

/// An instance to be known. Its key is never shown again.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "InstanceAdd")]
struct Add {
    /// What it is called here.
    name: Name,
    /// `https://` and where it is; `http://` on this machine only.
    #[schemars(with = "String", length(max = INSTANCE_URL_BYTES_MAX), regex(pattern = ADDRESS))]
    url: InstanceUrl,
    /// The key that it gave.
    #[schemars(with = "String", regex(pattern = SHA256))]
    key: ApiKey,
    /// The SHA-256 of the only certificate that is taken from it.
    #[serde(default)]
    #[schemars(with = "Option<String>", regex(pattern = PIN))]
    pin: Option<CertificatePin>,
    /// Its ssh account, for large archives.
    #[serde(default)]
    #[schemars(with = "Option<AddedAccount>")]
    ssh: Option<SshAdd>,
}

/// An ssh account to be used.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it describes what protocol reads")]
struct AddedAccount {
    account: Account,
    /// Of its host key; without one, the key that it shows now is taken and told.
    #[schemars(regex(pattern = FINGERPRINT))]
    fingerprint: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "SshAccount")]
struct Account {
    #[schemars(regex(pattern = ACCOUNT))]
    user: String,
    #[schemars(regex(pattern = HOST))]
    host: String,
    #[schemars(range(min = 1))]
    port: u16,
    /// The folder of archives there.
    #[schemars(regex(pattern = FOLDER))]
    path: String,
}

impl From<SshAccount> for Account {
    fn from(account: SshAccount) -> Self {
        let SshAccount { user, host, port, path } = account;
        Self { user, host, port, path }
    }
}

async fn add(asker: Asker, Json(body): Json<Add>) -> Result<Response, ApiError> {
    let Add { name, url, key, pin, ssh } = body;
    let add = InstanceAdd { name, url, key, pin, ssh };
    let instance = one(asker.ask(Request::InstanceAdd(add)).await?)?;
    let place = format!("/api/v1/instances/{}", instance.number);
    Ok(located(answer::json(StatusCode::CREATED, &Detail::from(instance)), &place))
}

async fn show(asker: Asker, Args(instance): Args<Name>) -> Result<Response, ApiError> {
    let instance = one(asker.ask(Request::InstanceShow { instance }).await?)?;
    Ok(answer::json(StatusCode::OK, &Detail::from(instance)))
}

async fn remove(asker: Asker, Args(instance): Args<Name>) -> Result<Response, ApiError> {
    let found = one(asker.ask(Request::InstanceShow { instance: instance.clone() }).await?)?;
    match asker.ask(Request::InstanceRemove { instance }).await? {
        Reply::Done => {
            let forgotten = Forgotten { id: found.number, name: found.name };
            Ok(answer::json(StatusCode::OK, &forgotten))
        }
        _ => Err(ApiError::unexpected("done")),
    }
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "InstanceForgotten")]
struct Forgotten {
    id: u64,
    name: Name,
}

async fn run(asker: Asker, Args((instance, job)): Args<(Name, u64)>) -> Result<Response, ApiError> {
    let run = InstanceRun { instance, job: job.to_string() };
    let Reply::InstanceRunStarted(started) = asker.ask(Request::InstanceRun(run)).await? else {
        return Err(ApiError::unexpected("run"));
    };
    let started = Started {
        instance: started.instance.to_string(),
        job_name: started.job,
        run_id: started.run,
    };
    Ok(answer::json(StatusCode::ACCEPTED, &started))
}

/// A run that began there.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "InstanceRunStarted")]
struct Started {
    instance: String,
    job_name: String,
    /// Its number there, when it told one.
    run_id: Option<u64>,
}

fn one(reply: Reply) -> Result<InstanceReport, ApiError> {
    match reply {
        Reply::Instance(instance) => Ok(*instance),
        _ => Err(ApiError::unexpected("instance")),
    }
}

/// An instance with what is known of its jobs, and what its ssh account has to be told.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "InstanceDetail")]
struct Detail {
    #[serde(flatten)]
    instance: InstanceView,
    ssh_account: Option<Known>,
    jobs: Vec<Job>,
    jobs_known_at: Option<Iso>,
}

/// An ssh account as it is used.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "SshKnown")]
struct Known {
    #[serde(flatten)]
    account: Account,
    /// Of the only host key that is taken from it.
    fingerprint: String,
    /// This node's public key, for its `authorized_keys`.
    public_key: String,
}

impl From<SshReport> for Known {
    fn from(ssh: SshReport) -> Self {
        let SshReport { account, fingerprint, public_key } = ssh;
        Self { account: account.into(), fingerprint, public_key }
    }
}

/// A job there, as it told it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "InstanceJob")]
struct Job {
    id: u64,
    name: String,
    r#type: String,
    enabled: bool,
    last_run: Option<Run>,
}

/// A run there, as it told it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "InstanceRun")]
struct Run {
    id: u64,
    status: String,
    started_at: Option<Iso>,
    finished_at: Option<Iso>,
    archive_name: Option<String>,
    size_bytes: Option<u64>,
}

impl From<InstanceReport> for Detail {
    fn from(mut report: InstanceReport) -> Self {
        let jobs = std::mem::take(&mut report.jobs);
        Self {
            ssh_account: report.ssh.clone().map(Known::from),
            jobs: jobs.into_iter().map(Job::from).collect(),
            jobs_known_at: iso_or_none(report.jobs_ms),
            instance: InstanceView::from(report),
        }
    }
}

impl From<InstanceJob> for Job {
    fn from(job: InstanceJob) -> Self {
        let last_run = job.last_run.map(|run| Run {
            id: run.run,
            status: run.status,
            started_at: iso_or_none(run.started_ms),
            finished_at: iso_or_none(run.ended_ms),
            archive_name: run.archive,
            size_bytes: run.bytes,
        });
        let InstanceJob { number, name, kind, enabled, .. } = job;
        Self { id: number, name, r#type: kind, enabled, last_run }
    }
}
