//! The commands that are programs of their own: the daemon, its agent, the demonstration.

use std::path::{Path, PathBuf};

use clap::Args;
use libp2p::Multiaddr;
use protocol::job::Name;

use super::{Exit, Global, Stop};
use crate::config::{
    ARCHIVES_DEFAULT, CONFIG_FILE_DEFAULT, Config, FileConfig, HttpListen, ParallelRuns,
};

/// Where the agent listens when nothing else is said.
const AGENT_SOCKET_DEFAULT: &str = "/run/backupmanager/agent.sock";

/// The programs that the command line starts and does not know from inside. An error that is a
/// [`Failure`](protocol::control::Failure) is shown with its hint.
#[derive(Clone, Copy, Debug)]
pub struct Programs {
    /// The daemon, until it is stopped.
    pub serve: fn(Config) -> anyhow::Result<()>,
    /// The agent, until it is stopped.
    pub agent: fn(AgentConfig) -> anyhow::Result<()>,
    /// The demonstration, of this directory or of a tree that it makes.
    pub demo: fn(Option<PathBuf>) -> anyhow::Result<()>,
}

/// What an agent is started with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentConfig {
    /// Its socket.
    pub listen: PathBuf,
    /// The user whose processes it serves, besides root: a name or a number.
    pub user: String,
    /// The folder of plain tars.
    pub archives: PathBuf,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  backupmanager serve
  backupmanager serve --data /tmp/a --name a --listen /ip4/127.0.0.1/tcp/0
  backupmanager serve --config /etc/backupmanager/config.toml

The data folder is --data DIR, or BACKUPMANAGER_DATA, or `data` of the configuration, or
/var/lib/backupmanager. The first start makes the node's identity in it. The configuration is TOML
with the keys data, name, listen, http, archives, socket, agent, instance_url (where people find
this node; archives say so), parallel_runs and plain_instances (instances without https may be added
anywhere, not only on this machine); what is said here goes before it.
What is logged is set by BACKUPMANAGER_LOG, for instance `debug` or `info,node::net=trace`.")]
pub(super) struct Serve {
    /// Name of the node in the mesh [default: the machine's name]
    #[arg(long)]
    name: Option<Name>,
    /// Address for peers, several times for several [default: port 7979, TCP and QUIC, IPv4 and IPv6]
    #[arg(long, value_name = "MULTIADDR")]
    listen: Vec<Multiaddr>,
    /// Serve the API on ADDR:PORT or unix:PATH, without TLS: put a web server before it
    /// [default: nowhere]
    #[arg(long, value_name = "ADDR")]
    http: Option<HttpListen>,
    /// Folder of plain tars; an agent uses the default [default: /home/yunohost.backup/archives]
    #[arg(long, value_name = "DIR")]
    archives: Option<PathBuf>,
    /// Ask the agent on this socket for what needs root [default: do it with the rights there are]
    #[arg(long, value_name = "PATH")]
    agent: Option<PathBuf>,
    /// Have so many runs at work at once, at most 32; others wait for their turn [default: 2]
    #[arg(long, value_name = "N")]
    parallel_runs: Option<ParallelRuns>,
    /// Configuration [default: /etc/backupmanager/config.toml, if there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Serve {
    pub(super) fn run(self, global: &Global, programs: &Programs) -> Result<Exit, Stop> {
        let config = self.config(global)?;
        (programs.serve)(config).map_err(Stop::Program)?;
        Ok(Exit::Done)
    }

    fn config(self, global: &Global) -> Result<Config, Stop> {
        let file = match &self.config {
            Some(path) => FileConfig::read(path, true)?,
            None => FileConfig::read(Path::new(CONFIG_FILE_DEFAULT), false)?,
        };
        let flags = FileConfig {
            data: global.data.clone(),
            socket: global.socket.clone(),
            name: self.name,
            listen: Some(self.listen),
            http: self.http,
            archives: self.archives,
            agent: self.agent,
            instance_url: None,
            parallel_runs: self.parallel_runs,
            plain_instances: None,
        };
        Ok(Config::resolve(flags, file)?)
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  backupmanager agent
  backupmanager agent --listen /run/backupmanager/agent.sock --user backupmanager

The agent must run as root, beside a daemon that does not: it reads and restores what only root may,
calls yunohost and the programs of databases, and listens on nothing but this socket.")]
pub(super) struct Agent {
    /// Socket to listen on
    #[arg(long, value_name = "PATH", default_value = AGENT_SOCKET_DEFAULT)]
    listen: PathBuf,
    /// User of the daemon, by name or number; nobody else but root is heard
    #[arg(long, default_value = "backupmanager")]
    user: String,
    /// Folder of plain tars, as the daemon has it
    #[arg(long, value_name = "DIR", default_value = ARCHIVES_DEFAULT)]
    archives: PathBuf,
}

impl Agent {
    pub(super) fn run(self, programs: &Programs) -> Result<Exit, Stop> {
        let listen = super::value::absolute(&self.listen)?;
        let archives = super::value::absolute(&self.archives)?;
        (programs.agent)(AgentConfig { listen, user: self.user, archives })
            .map_err(Stop::Program)?;
        Ok(Exit::Done)
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  backupmanager demo
  backupmanager demo ~/Documents

Two nodes in temporary folders on this machine: one backs DIR up, the other keeps a sealed copy, the
first one goes, the second one restores, and every byte is compared. Nothing stays behind.")]
pub(super) struct Demo {
    /// Directory to back up [default: a tree with all that is awkward to back up]
    dir: Option<PathBuf>,
}

impl Demo {
    pub(super) fn run(self, programs: &Programs) -> Result<Exit, Stop> {
        (programs.demo)(self.dir).map_err(Stop::Program)?;
        Ok(Exit::Done)
    }
}
