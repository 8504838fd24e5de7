//! Finding out all that a plan needs. Nothing is changed.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    io::Read as _,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use protocol::{
    contents::Entry,
    control::{ArchiveRestore, Failure, FailureCode, NodeName},
    job::{CustomDir, Databases, Job, JobConfig, RestoreBlock},
    tar::MemberKind,
};

use super::{
    block,
    conflicts::below,
    databases::{self, Dumps},
    files::{self, Chosen, MemberData},
    known::{Commands, Counts, Dump, Kind, Known, Looked, Yunohost},
    plan,
};
use crate::{
    agent::{AgentError, FailureKind},
    archive::Span,
    daemon::{
        handle::archive::{Opened, unreadable},
        node::Node,
        view,
    },
    ingest::PAYLOAD_PREFIX,
    tasks::{
        Answer, Task, TaskIo,
        database::{self, DatabaseTask, Engine, Server},
        system::{self, SystemTask, Wanted},
        yunohost::{self, YunohostTask},
    },
};

/// Where YunoHost unpacks archives.
pub(super) const YUNOHOST_FOLDER: &str = "/home/yunohost.backup";

/// The largest description that is read out of an archive, bytes.
const DESCRIPTION_BYTES_MAX: u64 = 1 << 20;

/// Finds out what is to be known, and chooses the files.
///
/// # Errors
/// When the archive cannot be read, or the agent cannot be asked.
pub(super) fn gather(
    node: &Node,
    opened: &Opened,
    request: &ArchiveRestore,
) -> Result<(Known, Chosen), Failure> {
    let archive = &opened.archive;
    let Some(root) = archive.root() else {
        let what = format!("cannot plan the restore of {}", archive.title());
        return Err(Failure::new(FailureCode::Damaged, what, "its private part does not open"));
    };
    let own = archive.origin == node.id();
    let job = local_job(node, opened).filter(|_| own);
    let said = Said::read(opened, request)?;
    let kind = kind(opened, &said, job.as_ref());
    let as_files = request.to.is_some() || kind == Kind::Files;
    let chosen = if as_files { Chosen::choose(opened, request, &kind)? } else { Chosen::default() };
    let dir = job.as_ref().and_then(|job| custom_dir(&job.spec.config));
    let (block, commands, block_problem) = match (&kind, said.block) {
        (Kind::Files, Ok(embedded)) => {
            let (block, commands) = block::merge(embedded, dir);
            (block, commands, None)
        }
        (Kind::Files, Err(why)) => (RestoreBlock::default(), Commands::default(), Some(why)),
        _ => (RestoreBlock::default(), Commands::default(), None),
    };
    let fetch_bytes = if as_files {
        files::missing_bytes(node, opened, &chosen.picked.spans())?
    } else {
        let to = opened.reader.stream_bytes();
        files::missing_bytes(node, opened, &[Span { from: 0, to }])?
    };
    let (origin, fetch_from) = holders(node, opened, fetch_bytes);
    let source = archive.meta.as_ref().map(|meta| PathBuf::from(OsStr::from_bytes(&meta.source)));
    let mut known = Known {
        title: archive.title(),
        id: archive.id,
        root,
        origin,
        own,
        kind,
        source: source.unwrap_or_default(),
        stream_bytes: opened.reader.stream_bytes(),
        block,
        block_problem,
        commands,
        dumps: said.dumps,
        destination: plan::destination(request),
        files: Counts { top_is_directory: said.top_is_directory, ..chosen.counts.clone() },
        fetch_bytes,
        fetch_from,
        look: Looked::default(),
        yunohost: None,
        databases: Ok(BTreeSet::new()),
    };
    look(node, &mut known, request.to.is_none())?;
    if request.to.is_none() {
        ask_programs(node, &mut known)?;
    }
    Ok((known, chosen))
}

/// The job of this node that made the archive, if it is still here.
pub(super) fn local_job(node: &Node, opened: &Opened) -> Option<Job> {
    let id = opened.archive.meta.as_ref()?.job;
    node.jobs().into_iter().find(|job| job.id == id).map(|job| Job::clone(&job))
}

fn custom_dir(config: &JobConfig) -> Option<&CustomDir> {
    match config {
        JobConfig::CustomDir(dir) => Some(dir),
        _ => None,
    }
}

fn kind(opened: &Opened, said: &Said, job: Option<&Job>) -> Kind {
    let kind = opened.archive.meta.as_ref().map_or("", |meta| meta.kind.as_str());
    let server = |engine| {
        let config = job.map(|job| &job.spec.config);
        let databases = match config {
            Some(JobConfig::Mysql(databases) | JobConfig::Postgresql(databases)) => databases,
            _ => &Databases::default(),
        };
        Kind::Databases(Server::of(engine, databases))
    };
    match kind {
        "custom_dir" => Kind::Files,
        "ynh_app" => Kind::App(said.listed.apps.first().cloned()),
        "ynh_system" => Kind::System(said.listed.parts.clone()),
        "mysql" => server(Engine::Mysql),
        "postgresql" => server(Engine::Postgresql),
        other => Kind::Unknown(other.to_owned()),
    }
}

/// Its origin, and connected members that can give what is not here.
fn holders(node: &Node, opened: &Opened, fetch_bytes: u64) -> (NodeName, Vec<NodeName>) {
    let (archive, connected) = (&opened.archive, node.mesh.connected());
    node.mesh.look(|catalog| {
        let holders = catalog.holders(archive.origin, archive.id).map(|(holder, _)| *holder);
        let all = std::iter::once(archive.origin).chain(holders);
        let from = all.filter(|holder| fetch_bytes > 0 && connected.contains_key(holder));
        let from = from.map(|holder| view::node_name(catalog, holder)).collect();
        (view::node_name(catalog, archive.origin), from)
    })
}

/// What the archive's own members say.
struct Said {
    listed: block::Listed,
    block: Result<Option<RestoreBlock>, String>,
    dumps: Vec<Dump>,
    top_is_directory: bool,
}

impl Said {
    fn read(opened: &Opened, request: &ArchiveRestore) -> Result<Self, Failure> {
        let meta = opened.archive.meta.as_ref();
        let top = meta.map(|meta| [PAYLOAD_PREFIX.as_bytes(), &meta.source].concat());
        let is_dir = meta.is_some_and(|meta| meta.kind == "custom_dir");
        // Under a folder dumps are files like any others.
        let in_place = meta.filter(|_| request.to.is_none());
        let dumps_of = in_place.and_then(|meta| databases::folder(&meta.kind));
        let selection = dumps_of.map(|folder| files::selection(opened, &request.patterns, folder));
        let selection = selection.transpose()?.flatten();
        let (mut info, mut backup_info) = (None, None);
        let (mut dumps, mut top_is_directory) = (Dumps::default(), false);
        let walked = opened.reader.entries(|entry| {
            let wanted = selection.as_ref().is_none_or(|s| s.takes(&entry.path, entry.kind));
            match entry.path.strip_prefix(b"./").unwrap_or(&entry.path) {
                b"info.json" => info = Some(entry),
                b"backup_info.json" => backup_info = Some(entry),
                path if is_dir && top.as_deref() == Some(path) => {
                    top_is_directory = entry.kind == MemberKind::Directory;
                    return false;
                }
                _ if wanted => {
                    return dumps.add(dumps_of.and_then(|of| databases::dump(of, &entry)));
                }
                _ => {}
            }
            true
        });
        walked.map_err(|error| unreadable(&opened.archive, &error))?;
        let dumps = dumps.all(&opened.archive.title())?;
        let info = info.map(|entry| small(opened, &entry)).transpose()?.unwrap_or_default();
        let block = match backup_info {
            Some(entry) => block::embedded(&small(opened, &entry)?),
            None => Ok(None),
        };
        Ok(Self { listed: block::listed(&info), block, dumps, top_is_directory })
    }
}

/// The content of a small member, cut where it is not small.
pub(in crate::daemon) fn small(opened: &Opened, entry: &Entry) -> Result<Vec<u8>, Failure> {
    let span = Span { from: entry.offset, to: entry.offset.saturating_add(entry.span) };
    let mut content = Vec::new();
    MemberData::new(opened.reader.stream(vec![span], 1))
        .take(DESCRIPTION_BYTES_MAX)
        .read_to_end(&mut content)
        .map_err(|error| {
            let what = format!("cannot read archive {}", opened.archive.title());
            Failure::caused(FailureCode::Unreachable, what, &error)
        })?;
    Ok(content)
}

/// Under a folder nothing of the block is made, so nothing of it is asked for.
fn look(node: &Node, known: &mut Known, in_place: bool) -> Result<(), Failure> {
    let none = RestoreBlock::default();
    let block = if in_place { &known.block } else { &none };
    let home = block.system_user.as_ref().map_or("/", |user| user.home.as_str());
    let wanted = Wanted {
        user: block.system_user.as_ref().map(|user| user.name.clone()),
        owner: block.permissions.as_ref().map(|set| set.owner.clone()),
        unit: block.systemd_service.as_ref().map(|unit| unit.name.clone()),
        paths: vec![
            known.destination.clone(),
            below(&known.destination, &known.source),
            YUNOHOST_FOLDER.into(),
            Path::new(home).to_owned(),
        ],
    };
    let answer = ask(node, &Task::System(SystemTask::Look(wanted)));
    let answer = answer.map_err(|error| unasked(known, &error))?;
    let Answer::System(mut system) = answer else {
        return Err(unasked(known, &AgentError::Unexpected));
    };
    let mut paths = std::mem::take(&mut system.paths).into_iter();
    let mut next = || paths.next().unwrap_or_default();
    known.look = Looked {
        destination: next(),
        top: next(),
        yunohost: next(),
        home: next(),
        system: system::Answer { paths: Vec::new(), ..system },
    };
    Ok(())
}

/// YunoHost and the database server, where the archive needs them.
fn ask_programs(node: &Node, known: &mut Known) -> Result<(), Failure> {
    let ports = !known.block.firewall_ports.is_empty();
    if ports || matches!(known.kind, Kind::App(_) | Kind::System(_)) {
        known.yunohost = match ask(node, &Task::Yunohost(YunohostTask::Apps)) {
            Ok(Answer::Yunohost(yunohost::Answer::Apps(apps))) => Some(Yunohost { apps }),
            Err(error) if error.kind() == FailureKind::Missing => None,
            Err(error) => return Err(unasked(known, &error)),
            Ok(_) => return Err(unasked(known, &AgentError::Unexpected)),
        };
    }
    if let Kind::Databases(server) = &known.kind {
        let task = Task::Database(DatabaseTask::List(server.clone()));
        known.databases = match ask(node, &task) {
            Ok(Answer::Database(database::Answer::Databases(all))) => {
                Ok(all.into_iter().map(|database| database.name).collect())
            }
            Ok(_) => Err("the agent gave an answer that does not belong here".to_owned()),
            Err(error) => Err(Failure::caused(FailureCode::Internal, "", &error).why),
        };
    }
    Ok(())
}

/// Asks something that changes nothing and says nothing.
fn ask(node: &Node, task: &Task) -> Result<Answer, AgentError> {
    let io = TaskIo { input: None, output: None, line: &mut |_| {}, cancelled: &|| false };
    node.agent.perform(task, io)
}

fn unasked(known: &Known, error: &AgentError) -> Failure {
    let what = format!("cannot plan the restore of {}", known.title);
    Failure::caused(FailureCode::Internal, what, error)
        .hint("the agent must run, and be of the same version")
}
