//! The command line: what a person or a script types, and what it prints.
//!
//! Commands that ask something of a daemon become a [`Request`] and go
//! over its Unix socket; `serve`, `agent` and `demo` become programs of their own, which `main`
//! hands in as [`Programs`]. Answers go to the standard output, everything else (progress, warnings,
//! hints) to the error stream, so that a pipe or `--json` carries the answer only. With `--json`
//! that is one document: the reply under its name, or `{"failure": …}`. Exit codes are [`Exit`].

mod archive;
mod exit;
mod format;
mod instance;
mod job;
mod key;
mod mesh;
mod notice;
mod order;
mod process;
mod progress;
mod qr;
mod retention;
mod run;
mod serve;
mod session;
mod store;
mod transfer;
mod value;
mod view;

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::{Args, CommandFactory, Parser, Subcommand};
use protocol::control::{NodeRef, Request};

pub use exit::{Exit, Stop};
pub use format::bytes;
pub use process::{Kind, before_threads, network_runtime};
pub use serve::{AgentConfig, Programs};

use crate::config::socket_of;
use session::Session;

const EXAMPLES: &str = "\
First steps, on the first server:
  backupmanager serve --data /var/lib/backupmanager
  backupmanager mesh invite --role operator
On the second one, with the ticket that this prints:
  backupmanager serve --data /var/lib/backupmanager
  backupmanager mesh join -
Back a directory up every night, keep one copy on the other server, get it back:
  backupmanager job add custom_dir notes /srv/notes --exclude '*.tmp' --copies 1 --cron @daily
  backupmanager job run notes --wait
  backupmanager archive list
  backupmanager archive restore jerry_notes_20260508 --to /tmp/notes

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done with warnings, 10 no daemon answers, 11 busy,
130 interrupted.";

/// Backs servers up to each other: sealed copies on your own and your friends' machines.
#[derive(Debug, Parser)]
#[command(name = "backupmanager", version, after_help = EXAMPLES, max_term_width = 100)]
#[command(arg_required_else_help = true, infer_long_args = false)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Global options")]
struct Global {
    /// Data folder of the daemon; a command finds its control.sock there
    #[arg(long, global = true, env = "BACKUPMANAGER_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Socket of the daemon, when it is not in its data folder
    #[arg(long, global = true, env = "BACKUPMANAGER_SOCKET", value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Print the answer as one JSON document
    #[arg(long, global = true)]
    json: bool,
    /// Ask this member of the mesh, through the daemon here: its name, or its whole key
    #[arg(long = "node", global = true, value_name = "NODE")]
    of: Option<NodeRef>,
    /// No progress and no notes, warnings only
    #[arg(long, short, global = true)]
    quiet: bool,
    /// Whom what is asked is an order for, instead of the daemon here
    #[arg(skip)]
    order: Option<order::OrderFor>,
}

impl Global {
    fn session(&self) -> Session {
        Session::new(socket_of(self.socket.as_deref(), self.data.as_deref()), self)
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Be a node: run the daemon until it is stopped
    Serve(serve::Serve),
    /// Be the agent: do for the daemon what needs the rights of root
    Agent(serve::Agent),
    /// See it all work: two nodes, a backup, a lost server, a restore
    Demo(serve::Demo),
    /// How the node is
    #[command(after_help = STATUS_EXAMPLES)]
    Status,
    /// What the daemon's long-lived activities do
    #[command(after_help = WORKERS_EXAMPLES)]
    Workers,
    /// The node in numbers, as Prometheus reads them
    #[command(after_help = METRICS_EXAMPLES)]
    Metrics,
    /// Invite, join, list and expel the servers that keep each other's copies
    #[command(subcommand, after_help = mesh::EXAMPLES)]
    Mesh(mesh::Mesh),
    /// What is backed up: add, edit, list, run
    #[command(subcommand, after_help = job::EXAMPLES)]
    Job(job::Job),
    /// What was done and is being done
    #[command(subcommand, after_help = run::EXAMPLES)]
    Run(run::Run),
    /// Which archives stay, and why: preview, apply
    #[command(subcommand, after_help = retention::EXAMPLES)]
    Retention(retention::Retention),
    /// The results: look into them, prove them, get them back
    #[command(subcommand, after_help = archive::EXAMPLES)]
    Archive(archive::Archive),
    /// Servers that are reached by the HTTP interface alone: add, look, run their jobs
    #[command(subcommand, after_help = instance::EXAMPLES)]
    Instance(instance::Instance),
    /// Archives on their way to instances
    #[command(subcommand, after_help = transfer::EXAMPLES)]
    Transfer(transfer::Transfer),
    /// The chunk store: how full, whether sound, what can be freed
    #[command(subcommand, after_help = store::EXAMPLES)]
    Store(store::Store),
    /// Who may ask this node over HTTP
    #[command(subcommand, after_help = key::EXAMPLES)]
    Key(key::Key),
    /// Have other nodes do something, now or when they are up again
    #[command(subcommand, after_help = order::EXAMPLES)]
    Order(order::Order),
    /// Messages for whoever looks after this node
    Notices(notice::Notices),
    /// Print the completions of a shell
    Completions(Completions),
}

const STATUS_EXAMPLES: &str = "\
Examples:
  backupmanager status
  backupmanager status --json | jq -r .status.health";

const WORKERS_EXAMPLES: &str = "\
Examples:
  backupmanager workers
  backupmanager workers --json | jq '.workers[] | select(.errors_in_a_row > 0)'";

const METRICS_EXAMPLES: &str = "\
Examples:
  backupmanager metrics
  backupmanager metrics > /var/lib/prometheus/node-exporter/backupmanager.prom

The same as GET /metrics over HTTP, without a key: only root and the daemon's user reach its socket.";

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  backupmanager completions bash > /etc/bash_completion.d/backupmanager
  backupmanager completions fish > ~/.config/fish/completions/backupmanager.fish")]
struct Completions {
    /// bash, elvish, fish, powershell or zsh
    shell: clap_complete::Shell,
}

impl Command {
    fn run(self, global: &Global, programs: &Programs) -> Result<Exit, Stop> {
        let session = || global.session();
        self.goes_to(global.of.as_ref())?;
        match self {
            Self::Serve(serve) => serve.run(global, programs),
            Self::Agent(agent) => agent.run(programs),
            Self::Demo(demo) => demo.run(programs),
            Self::Status => session().run(Request::Status),
            Self::Workers => session().run(Request::Workers),
            Self::Metrics => session().run(Request::Metrics),
            Self::Mesh(mesh) => mesh.run(&mut session()),
            Self::Job(job) => job.run(&mut session()),
            Self::Run(run) => run.run(&mut session()),
            Self::Retention(retention) => retention.run(&mut session()),
            Self::Archive(archive) => archive.run(&mut session()),
            Self::Instance(instance) => instance.run(&mut session()),
            Self::Transfer(transfer) => transfer.run(&mut session()),
            Self::Store(store) => store.run(&mut session()),
            Self::Key(key) => key.run(&mut session()),
            Self::Order(order) => order.run(global, programs),
            Self::Notices(notices) => notices.run(&mut session()),
            Self::Completions(completions) => complete(completions.shell),
        }
    }

    /// Whether a command can be sent to another node. What only looks as if it could is refused by
    /// the daemon.
    fn goes_to(&self, node: Option<&NodeRef>) -> Result<(), Stop> {
        let here = match self {
            Self::Serve(_) | Self::Agent(_) | Self::Demo(_) => "it runs on this machine",
            Self::Completions(_) => "it asks no node",
            Self::Key(_) => "the keys of a node are made on its own machine",
            _ => return Ok(()),
        };
        let Some(node) = node else { return Ok(()) };
        let what = format!("cannot send this command to {node}");
        Err(Stop::usage(what, here, "leave --node out, or run it on that server"))
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Serve(_) | Self::Agent(_) => Kind::Daemon,
            _ => Kind::Command,
        }
    }
}

fn complete(shell: clap_complete::Shell) -> Result<Exit, Stop> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "backupmanager", &mut script);
    std::io::stdout().write_all(&script)?;
    Ok(Exit::Done)
}

/// Does what the command line of this process says. `main` calls it once, after
/// [`before_threads`].
#[must_use]
pub fn run(programs: &Programs) -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are "errors" too; that their reader has gone is none of ours.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Done }.into();
        }
    };
    let Cli { global, command } = cli;
    process::set_up(command.kind());
    match command.run(&global, programs) {
        Ok(exit) => exit.into(),
        Err(stop) => tell(&stop, global.json).into(),
    }
}

/// Says why a command stopped: what, why, and what helps.
fn tell(stop: &Stop, json: bool) -> Exit {
    let Some(failure) = stop.failure() else { return stop.exit() };
    let line = match failure.why.as_str() {
        "" => format::clean(&failure.what),
        _ => format::clean(&failure.to_string()),
    };
    let mut err = std::io::stderr().lock();
    let _ = writeln!(err, "error: {line}");
    if let Some(hint) = &failure.hint {
        let _ = writeln!(err, "hint: {}", format::clean(hint));
    }
    if json {
        let document = serde_json::json!({ "failure": failure });
        let _ = writeln!(std::io::stdout(), "{document:#}");
    }
    stop.exit()
}

#[cfg(test)]
mod tests;
