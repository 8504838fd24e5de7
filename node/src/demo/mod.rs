//! The demonstration: the main job on real files, told as it happens.
//!
//! Two daemons run in this process, in temporary folders on loopback, and are driven through their
//! control sockets as the commands do it. When it ends, well or not, they have stopped and their
//! folders are gone. A folder that is given is only read; what changes between the two runs is a
//! copy of part of it, or the tree that the demonstration made itself.

mod story;
mod tree;

use std::{
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, bail};
use protocol::{
    control::{
        ArchiveReport, ArchiveRestore, Invited, JobRun, Joined, MeshInvite, RawPath, Reply,
        Request, Restored, Role, RunReport,
    },
    job::{CustomDir, JobConfig, JobSpec, Name},
};
use tokio::task::JoinHandle;

use self::story::Story;
use crate::{
    cli,
    config::{Config, Listen, ParallelRuns},
    daemon,
    restore::compare_trees,
    socket::{self, Cancel, CancelSwitch},
};

/// How long the second node may take to hold the archive.
const REPLICATE_MAX: Duration = Duration::from_secs(600);

/// How often it is asked.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// Differences that are shown.
const DIFFERENCES_SHOWN: usize = 20;

const JOB: &str = "files";

/// Runs it on a folder, or on a tree that it makes.
///
/// # Errors
/// When a step fails, or what was restored is not what was backed up.
pub fn run(dir: Option<&Path>) -> anyhow::Result<()> {
    let scratch = tempfile::Builder::new().prefix("backupmanager-demo-").tempdir()?;
    let made = scratch.path().join("files");
    let source = match dir {
        Some(dir) => {
            dir.canonicalize().with_context(|| format!("cannot read {}", dir.display()))?
        }
        None => {
            tree::make(&made)?;
            made.clone()
        }
    };
    cli::network_runtime()?.block_on(async {
        let mut story = Story::default();
        let told = tell(&mut story, scratch.path(), &source, dir.is_none()).await;
        if told.is_ok() {
            story.end("both nodes have stopped; nothing is left behind");
        }
        told
    })
}

async fn tell(story: &mut Story, scratch: &Path, source: &Path, ours: bool) -> anyhow::Result<()> {
    story.chapter("two servers, no centre");
    let jerry = Server::start("jerry", scratch).await?;
    let tom = Server::start("tom", scratch).await?;
    join(story, &jerry, &tom).await?;

    story.chapter(&format!("jerry backs {} up", source.display()));
    let mut dir = CustomDir::new(source.to_str().context("the folder's name is not UTF-8")?);
    dir.excludes = vec!["*.tmp".to_owned(), "cache/".to_owned()];
    let mut spec = JobSpec::new(JOB.parse()?, JobConfig::CustomDir(dir));
    spec.copies = 1;
    jerry.ask(Request::JobAdd(spec)).await?;
    let first = run_job(story, &jerry).await?;
    let name = first.archive.clone().context("the run made no archive")?;
    replicated(story, &jerry, &tom, &name).await?;

    story.chapter("jerry is lost; tom restores");
    jerry.stop().await;
    story.say("jerry was stopped: only the sealed copy on tom is left");
    let to = scratch.join("restored");
    restore(story, &tom, &name, &to, source, ours).await?;

    if ours {
        story.chapter("jerry is back; some files change; the next night");
        let jerry = Server::start("jerry", scratch).await?;
        let changed = tree::change(source)?;
        story.say(&changed);
        let second = run_job(story, &jerry).await?;
        let name = second.archive.clone().context("the run made no archive")?;
        replicated(story, &jerry, &tom, &name).await?;
        story.say(&format!(
            "{} of {} were new and sent",
            cli::bytes(second.stored_bytes),
            cli::bytes(second.stream_bytes),
        ));
        jerry.stop().await;
        restore(story, &tom, &name, &scratch.join("restored-again"), source, ours).await?;
    }
    tom.stop().await;
    Ok(())
}

async fn join(story: &mut Story, jerry: &Server, tom: &Server) -> anyhow::Result<()> {
    let invite = MeshInvite { role: Role::Operator, quota_bytes: None, expires_ms: 600_000 };
    let Reply::Invited(Invited { ticket, .. }) = jerry.ask(Request::MeshInvite(invite)).await?
    else {
        bail!("the invitation was answered with something else");
    };
    story.say("jerry made a ticket, good for one node and ten minutes");
    let Reply::Joined(Joined { words, .. }) = tom.ask(Request::MeshJoin { ticket }).await? else {
        bail!("the join was answered with something else");
    };
    story.say(&format!("tom joined with it; both show the words: {words}"));
    Ok(())
}

async fn run_job(story: &mut Story, jerry: &Server) -> anyhow::Result<RunReport> {
    let request = JobRun { job: JOB.parse::<Name>()?, wait: true };
    let Reply::RunEnded(run) = jerry.ask(Request::JobRun(request)).await? else {
        bail!("the run was answered with something else");
    };
    if let Some(failure) = run.failure {
        bail!(failure);
    }
    let ms = run.ended_ms.map_or(0, |ended| ended.0.saturating_sub(run.started_ms.0)).max(1);
    story.say(&format!(
        "{} members, {} as a tar, in {:.1} s ({}/s); {} of it known already, {} stored",
        run.entries,
        cli::bytes(run.stream_bytes),
        ms as f64 / 1000.0,
        cli::bytes(run.stream_bytes * 1000 / ms),
        cli::bytes(run.known_bytes),
        cli::bytes(run.stored_bytes),
    ));
    if run.warnings > 0 {
        story.say(&format!("{} warnings: `run show` lists them", run.warnings));
    }
    Ok(run)
}

/// Waits until tom says that it holds the archive.
async fn replicated(
    story: &mut Story,
    jerry: &Server,
    tom: &Server,
    name: &str,
) -> anyhow::Result<()> {
    let began = std::time::Instant::now();
    let wait = async {
        loop {
            let report = archive(jerry, name).await?;
            if report.holders.len() > 1 {
                return anyhow::Ok(report);
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    };
    let report = tokio::time::timeout(REPLICATE_MAX, wait)
        .await
        .context("tom did not fetch the archive in ten minutes")??;
    let seconds = began.elapsed().as_secs_f64().max(0.001);
    story.say(&format!(
        "tom holds {name}, sealed ({}), {seconds:.1} s after the run",
        cli::bytes(report.sealed_bytes),
    ));
    // What tom can tell is what it was told by jerry, over the mesh.
    archive(tom, name).await.map(drop)
}

async fn archive(server: &Server, name: &str) -> anyhow::Result<ArchiveReport> {
    let wanted = protocol::control::ArchiveRef { name: name.parse()?, node_of: None };
    match server.ask(Request::ArchiveShow(wanted)).await? {
        Reply::Archive(report) => Ok(report),
        _ => bail!("the question for an archive was answered with something else"),
    }
}

async fn restore(
    story: &mut Story,
    tom: &Server,
    name: &str,
    to: &Path,
    source: &Path,
    ours: bool,
) -> anyhow::Result<()> {
    let archive = protocol::control::ArchiveRef { name: name.parse()?, node_of: None };
    let request = ArchiveRestore {
        to: Some(RawPath(to.as_os_str().as_bytes().to_vec())),
        ..ArchiveRestore::all(archive)
    };
    let Reply::Restored(done) = tom.ask(Request::ArchiveRestore(request)).await? else {
        bail!("the restore was answered with something else");
    };
    let ms = done.duration_ms.max(1);
    story.say(&format!(
        "{} members, {} in {:.1} s ({}/s), each read again and compared",
        done.entries,
        cli::bytes(done.bytes),
        ms as f64 / 1000.0,
        cli::bytes(done.bytes * 1000 / ms),
    ));
    list_issues(story, &done);
    compare(story, source, to, ours)
}

fn list_issues(story: &mut Story, done: &Restored) {
    let all = done.differs.first.iter().chain(&done.not_set.first);
    for issue in all.take(DIFFERENCES_SHOWN) {
        story.say(&format!("{}: {}: {}", issue.path, issue.what, issue.why));
    }
}

/// Compares every byte and attribute of what was backed up and what was restored.
fn compare(story: &mut Story, source: &Path, to: &Path, ours: bool) -> anyhow::Result<()> {
    let restored = to.join(source.strip_prefix("/").unwrap_or(source));
    let differences: Vec<_> = compare_trees(source, &restored)
        .into_iter()
        .filter(|difference| !is_left_out(&difference.path))
        .collect();
    for difference in differences.iter().take(DIFFERENCES_SHOWN) {
        let (path, what) = (difference.path.display(), difference.what);
        story.say(&format!("{path}: {what}: {} / {}", difference.first, difference.second));
    }
    if differences.is_empty() {
        story.say(
            "compared with the original: every byte, owner, mode, time, link and hole is there",
        );
        return Ok(());
    }
    let count = differences.len();
    if ours {
        bail!("{count} differences between the original and what was restored");
    }
    story.say(&format!("{count} differences; files that are in use change while they are copied"));
    Ok(())
}

/// What the job's excludes leave out, and what no tar holds.
fn is_left_out(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "tmp")
        || path.iter().any(|name| name == "cache")
}

/// One daemon of the demonstration.
struct Server {
    name: &'static str,
    socket: PathBuf,
    switch: CancelSwitch,
    task: JoinHandle<()>,
}

impl Server {
    async fn start(name: &'static str, scratch: &Path) -> anyhow::Result<Self> {
        let data = scratch.join(name);
        let config = Config {
            socket: data.join(socket::SOCKET_FILE),
            data,
            name: Some(name.parse()?),
            listen: Listen { addresses: vec!["/ip4/127.0.0.1/tcp/0".parse()?], chosen: true },
            http: None,
            archives: scratch.join(format!("{name}-archives")),
            agent: None,
            instance_url: None,
            parallel_runs: ParallelRuns::default(),
            plain_instances: false,
        };
        let daemon = daemon::start(&config).await?;
        let (switch, stop) = CancelSwitch::new();
        let task = tokio::spawn(daemon.run(stop));
        Ok(Self { name, socket: config.socket, switch, task })
    }

    async fn ask(&self, request: Request) -> anyhow::Result<Reply> {
        let answer = socket::ask(&self.socket, request, &Cancel::never(), |_| {}).await;
        let answer = answer.with_context(|| format!("{} does not answer", self.name))?;
        Ok(answer?)
    }

    async fn stop(self) {
        self.switch.cancel();
        // A daemon that ended with a panic has ended too.
        let _ = self.task.await;
    }
}
