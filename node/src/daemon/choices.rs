//! What jobs can name here: apps, parts of the system, databases. Asked of the machine each time,
//! because it changes without us; a job that names something else is refused when it is added, with
//! the list of what there is.

use protocol::{
    control::{Choice, Choices, Failure, FailureCode},
    job::{Databases, JobConfig},
};

use super::node::Node;
use crate::{
    agent::{AgentError, FailureKind},
    tasks::{
        Answer, Line, Task, TaskIo,
        database::{self, DatabaseTask, Engine, Server},
        yunohost::{self, YunohostTask},
    },
};

/// How many names an error lists.
const LISTED_MAX: usize = 40;

/// Kinds of jobs that name things of the machine.
const KINDS: [&str; 4] = ["ynh_app", "ynh_system", "mysql", "postgresql"];

/// What a job of a kind could name. Blocks.
///
/// # Errors
/// When the kind names nothing, or the program or the server does not answer.
pub(super) fn of_kind(node: &Node, kind: &str) -> Result<Choices, Failure> {
    let what = format!("cannot tell what a {kind} job can name");
    let server = Databases::default();
    let choices = match kind {
        "ynh_app" => apps(node, &what)?,
        "ynh_system" => parts(node, &what)?,
        "mysql" => databases(node, &Server::of(Engine::Mysql, &server), &what)?,
        "postgresql" => databases(node, &Server::of(Engine::Postgresql, &server), &what)?,
        _ => {
            let why = format!("{kind:?} is none of {}", KINDS.join(", "));
            return Err(Failure::new(FailureCode::Invalid, what, why));
        }
    };
    Ok(Choices { kind: kind.to_owned(), choices })
}

/// Whether everything that a job names is there. Blocks.
///
/// # Errors
/// The first name that is not, with those that are; or that nothing can be asked.
pub(super) fn check(node: &Node, what: &str, config: &JobConfig) -> Result<(), Failure> {
    match config {
        JobConfig::CustomDir(_) => Ok(()),
        JobConfig::YnhApp(app) => {
            let known = apps(node, what)?;
            one(what, "app", &app.app_id, &known)
        }
        JobConfig::YnhSystem(system) => {
            let known = parts(node, what)?;
            system.parts.iter().try_for_each(|part| one(what, "part of the system", part, &known))
        }
        JobConfig::Mysql(wanted) => {
            let known = databases(node, &Server::of(Engine::Mysql, wanted), what)?;
            wanted.named().into_iter().try_for_each(|name| one(what, "database", name, &known))
        }
        JobConfig::Postgresql(wanted) => {
            let known = databases(node, &Server::of(Engine::Postgresql, wanted), what)?;
            wanted.named().into_iter().try_for_each(|name| one(what, "database", name, &known))
        }
    }
}

fn one(what: &str, kind: &str, name: &str, known: &[Choice]) -> Result<(), Failure> {
    match known.iter().find(|choice| choice.id == name) {
        Some(choice) if choice.usable => Ok(()),
        Some(_) => {
            let why = format!("the {kind} {name} has no backup script");
            Err(Failure::new(FailureCode::Unsupported, what, why)
                .hint("its packager must add one; back its directory up as a custom_dir"))
        }
        None => {
            let why = format!("there is no {kind} {name:?} here");
            let usable: Vec<_> = known.iter().filter(|c| c.usable).map(|c| &*c.id).collect();
            let more = usable.len().saturating_sub(LISTED_MAX);
            let mut list = usable.into_iter().take(LISTED_MAX).collect::<Vec<_>>().join(", ");
            if more > 0 {
                list = format!("{list} and {more} more");
            }
            let hint = if list.is_empty() { "there is none at all".to_owned() } else { list };
            Err(Failure::new(FailureCode::NotFound, what, why).hint(format!("there is: {hint}")))
        }
    }
}

fn apps(node: &Node, what: &str) -> Result<Vec<Choice>, Failure> {
    match ask(node, what, &Task::Yunohost(YunohostTask::Apps))? {
        Answer::Yunohost(yunohost::Answer::Apps(apps)) => Ok(apps
            .into_iter()
            .map(|app| Choice { id: app.id, title: app.name, usable: app.can_back_up })
            .collect()),
        _ => Err(unexpected(what)),
    }
}

fn parts(node: &Node, what: &str) -> Result<Vec<Choice>, Failure> {
    match ask(node, what, &Task::Yunohost(YunohostTask::Parts))? {
        Answer::Yunohost(yunohost::Answer::Parts(parts)) => Ok(parts
            .into_iter()
            .map(|part| Choice { title: part.clone(), id: part, usable: true })
            .collect()),
        _ => Err(unexpected(what)),
    }
}

/// The databases of a server.
pub(super) fn databases(node: &Node, server: &Server, what: &str) -> Result<Vec<Choice>, Failure> {
    match ask(node, what, &Task::Database(DatabaseTask::List(server.clone())))? {
        Answer::Database(database::Answer::Databases(databases)) => Ok(databases
            .into_iter()
            .map(|database| Choice {
                title: database.name.clone(),
                id: database.name,
                usable: true,
            })
            .collect()),
        _ => Err(unexpected(what)),
    }
}

fn ask(node: &Node, what: &str, task: &Task) -> Result<Answer, Failure> {
    let (mut line, cancelled) = (|_: Line| {}, || false);
    let io = TaskIo { input: None, output: None, line: &mut line, cancelled: &cancelled };
    node.agent.perform(task, io).map_err(|error| task_failure(what, &error))
}

fn unexpected(what: &str) -> Failure {
    Failure::new(FailureCode::Internal, what, "the agent answered something else")
}

/// A task that was not done, as people are told.
pub(super) fn task_failure(what: &str, error: &AgentError) -> Failure {
    let (code, hint) = match error.kind() {
        FailureKind::Missing => (FailureCode::Unsupported, "install it, then try again"),
        FailureKind::NotFound => (FailureCode::NotFound, "look at the names"),
        FailureKind::Busy => (FailureCode::Busy, "wait until the other operation has ended"),
        FailureKind::Cancelled => (FailureCode::Cancelled, "run it again when you like"),
        FailureKind::DiskFull => (FailureCode::NoSpace, "free space there, then try again"),
        FailureKind::Exists => (FailureCode::Conflict, "look at what is there"),
        FailureKind::Invalid => (FailureCode::Invalid, "look at the configuration of the job"),
        FailureKind::Denied => (FailureCode::Refused, "the agent must run as root"),
        FailureKind::NoServer => (
            FailureCode::Unreachable,
            "start it, or say in the job where it is: socket, host, port",
        ),
        FailureKind::Unreachable => (FailureCode::Unreachable, "is `backupmanager agent` running?"),
        FailureKind::Other => (FailureCode::Internal, "the transcript of the run has its words"),
    };
    Failure::caused(code, what, error).hint(hint)
}
