//! What a daemon is started with: flags over environment over file over defaults.
//!
//! The file is TOML, `/etc/backupmanager/config.toml` unless `--config` names another. It has the
//! keys of [`FileConfig`]; a key that does not exist is an error that names it, so that a typing
//! mistake is not a silent default. A missing file is an error only when it was asked for.

use std::{
    fmt, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
};

use libp2p::Multiaddr;
use protocol::{job::Name, limits::NAME_BYTES_MAX};
use serde::Deserialize;

use crate::socket::SOCKET_FILE;

/// The file that is read when none is named.
pub const CONFIG_FILE_DEFAULT: &str = "/etc/backupmanager/config.toml";

/// Where state lies when nothing else is said.
pub const DATA_DEFAULT: &str = "/var/lib/backupmanager";

/// Where plain tars lie: the folder of `YunoHost`.
pub const ARCHIVES_DEFAULT: &str = "/home/yunohost.backup/archives";

/// The port for peers, TCP and QUIC, when no address is named.
pub const PORT_DEFAULT: u16 = 7979;

/// Larger than any sensible file; a mistake in the path must not fill the memory.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The keys of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileConfig {
    /// State: keys, records, chunk store.
    pub data: Option<PathBuf>,
    /// The node's name in the mesh.
    pub name: Option<Name>,
    /// Addresses to listen on for peers.
    pub listen: Option<Vec<Multiaddr>>,
    /// Where pages and API are served.
    pub http: Option<HttpListen>,
    /// The folder of plain tars.
    pub archives: Option<PathBuf>,
    /// The socket for commands.
    pub socket: Option<PathBuf>,
    /// The socket of the agent that has the rights of root.
    pub agent: Option<PathBuf>,
    /// Where people find this instance: `https://jerry.example.org`. Archives say so.
    pub instance_url: Option<String>,
    /// How many runs are at work at once.
    pub parallel_runs: Option<ParallelRuns>,
    /// Instances without https may be added, not only on this machine.
    pub plain_instances: Option<bool>,
}

/// How many runs are at work at once: 1 to 32. Each has a thread per processor and some 100 MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u8")]
pub struct ParallelRuns(u8);

impl ParallelRuns {
    /// The most; more only wait for the same disk.
    pub const MAX: u8 = 32;

    /// The number.
    #[must_use]
    pub fn get(self) -> usize {
        self.0.into()
    }
}

impl Default for ParallelRuns {
    fn default() -> Self {
        Self(2)
    }
}

/// A number out of the range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a number from 1 to {}", ParallelRuns::MAX)]
pub struct ParallelRunsError;

impl TryFrom<u8> for ParallelRuns {
    type Error = ParallelRunsError;

    fn try_from(number: u8) -> Result<Self, ParallelRunsError> {
        let fits = (1..=Self::MAX).contains(&number);
        if fits { Ok(Self(number)) } else { Err(ParallelRunsError) }
    }
}

impl FromStr for ParallelRuns {
    type Err = ParallelRunsError;

    fn from_str(text: &str) -> Result<Self, ParallelRunsError> {
        text.parse::<u8>().map_err(|_| ParallelRunsError)?.try_into()
    }
}

/// Where pages and API are served: `127.0.0.1:8080` or `unix:/run/backupmanager/http.sock`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum HttpListen {
    /// On an address and port.
    Tcp(SocketAddr),
    /// On a Unix socket.
    Unix(PathBuf),
}

/// A text that is neither.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected ADDRESS:PORT or unix:/absolute/path")]
pub struct HttpListenError;

impl FromStr for HttpListen {
    type Err = HttpListenError;

    fn from_str(text: &str) -> Result<Self, HttpListenError> {
        match text.strip_prefix("unix:") {
            Some(path) if path.starts_with('/') => Ok(Self::Unix(path.into())),
            Some(_) => Err(HttpListenError),
            None => text.parse().map(Self::Tcp).map_err(|_| HttpListenError),
        }
    }
}

impl TryFrom<String> for HttpListen {
    type Error = HttpListenError;

    fn try_from(text: String) -> Result<Self, HttpListenError> {
        text.parse()
    }
}

impl fmt::Display for HttpListen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The addresses for peers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// All to listen on.
    pub addresses: Vec<Multiaddr>,
    /// Somebody chose them. When not, and the port is taken (several nodes on one machine), any
    /// free port is as good.
    pub chosen: bool,
}

/// What a daemon is started with. All paths are absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// State: keys, records, chunk store.
    pub data: PathBuf,
    /// The node's name when somebody chose one; the daemon keeps the one it was first started with,
    /// or takes [`host_name`].
    pub name: Option<Name>,
    /// Addresses for peers.
    pub listen: Listen,
    /// Where pages and API are served; none for nowhere.
    pub http: Option<HttpListen>,
    /// The folder of plain tars.
    pub archives: PathBuf,
    /// The socket for commands.
    pub socket: PathBuf,
    /// The agent's socket; none when the daemon does the agent's work itself.
    pub agent: Option<PathBuf>,
    /// Where people find this instance; archives say so.
    pub instance_url: Option<String>,
    /// How many runs are at work at once.
    pub parallel_runs: ParallelRuns,
    /// Instances without https may be added, not only on this machine.
    pub plain_instances: bool,
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}", .path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is not what it should be.
    #[error("the configuration {} is wrong", .path.display())]
    Parse {
        /// Which file.
        path: PathBuf,
        /// Line, key and reason.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A relative path, which would depend on where the daemon was started.
    #[error("{key} in {} must be an absolute path, not {}", .file.display(), .path.display())]
    Relative {
        /// Which key.
        key: &'static str,
        /// Which file.
        file: PathBuf,
        /// What it was.
        path: PathBuf,
    },
    /// The working directory is gone, so that a relative path of a flag means nothing.
    #[error("cannot tell what {} is relative to", .path.display())]
    WorkingDirectory {
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl FileConfig {
    /// Reads `path`. A missing file is an empty one unless it is `required`.
    ///
    /// # Errors
    /// When it cannot be read, has unknown keys, or wrong values.
    pub fn read(path: &Path, required: bool) -> Result<Self, ConfigError> {
        let text = match read_bounded(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound && !required => {
                return Ok(Self::default());
            }
            Err(source) => return Err(ConfigError::Read { path: path.to_owned(), source }),
            Ok(text) => text,
        };
        let parsed: Self = toml::from_str(&text).map_err(|error| ConfigError::Parse {
            path: path.to_owned(),
            source: Box::new(error),
        })?;
        parsed.absolute(path)
    }

    fn absolute(self, file: &Path) -> Result<Self, ConfigError> {
        let paths = [
            ("data", &self.data),
            ("archives", &self.archives),
            ("socket", &self.socket),
            ("agent", &self.agent),
        ];
        for (key, path) in paths {
            if let Some(path) = path.as_ref().filter(|p| !p.is_absolute()) {
                let (file, path) = (file.to_owned(), path.clone());
                return Err(ConfigError::Relative { key, file, path });
            }
        }
        Ok(self)
    }
}

fn read_bounded(path: &Path) -> io::Result<String> {
    use io::Read;
    let mut text = String::new();
    std::fs::File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the file is too large"));
    }
    Ok(text)
}

impl Config {
    /// What `flags` say, then what `file` says, then the defaults. Relative paths of flags are
    /// relative to the working directory.
    ///
    /// # Errors
    /// When the working directory is needed and gone.
    pub fn resolve(flags: FileConfig, file: FileConfig) -> Result<Self, ConfigError> {
        let path =
            |flag: Option<PathBuf>, file: Option<PathBuf>| flag.or(file).map(absolute).transpose();
        let data = path(flags.data, file.data)?.unwrap_or_else(|| DATA_DEFAULT.into());
        let socket = path(flags.socket, file.socket)?.unwrap_or_else(|| data.join(SOCKET_FILE));
        let chosen = flags.listen.filter(|l| !l.is_empty()).or(file.listen);
        Ok(Self {
            name: flags.name.or(file.name),
            listen: Listen {
                chosen: chosen.is_some(),
                addresses: chosen.unwrap_or_else(listen_default),
            },
            http: flags.http.or(file.http),
            archives: path(flags.archives, file.archives)?
                .unwrap_or_else(|| ARCHIVES_DEFAULT.into()),
            agent: path(flags.agent, file.agent)?,
            instance_url: flags.instance_url.or(file.instance_url),
            parallel_runs: flags.parallel_runs.or(file.parallel_runs).unwrap_or_default(),
            plain_instances: flags.plain_instances.or(file.plain_instances).unwrap_or(false),
            data,
            socket,
        })
    }
}

/// Where a command finds its daemon: a named socket, or the one in the data folder, of the flags
/// or else of the default file. A broken file is the daemon's to complain about, not a command's.
#[must_use]
pub fn socket_of(socket: Option<&Path>, data: Option<&Path>) -> PathBuf {
    match (socket, data) {
        (Some(socket), _) => socket.to_owned(),
        (None, Some(data)) => data.join(SOCKET_FILE),
        (None, None) => {
            let file = FileConfig::read(Path::new(CONFIG_FILE_DEFAULT), false).unwrap_or_default();
            let data = file.data.unwrap_or_else(|| DATA_DEFAULT.into());
            file.socket.unwrap_or_else(|| data.join(SOCKET_FILE))
        }
    }
}

fn absolute(path: PathBuf) -> Result<PathBuf, ConfigError> {
    std::path::absolute(&path).map_err(|source| ConfigError::WorkingDirectory { path, source })
}

/// All interfaces, at ports that are free.
#[must_use]
pub fn listen_anywhere() -> Vec<Multiaddr> {
    listen_on(0)
}

fn listen_default() -> Vec<Multiaddr> {
    listen_on(PORT_DEFAULT)
}

fn listen_on(port: u16) -> Vec<Multiaddr> {
    ["/ip4/0.0.0.0", "/ip6/::"]
        .into_iter()
        .flat_map(|ip| [format!("{ip}/tcp/{port}"), format!("{ip}/udp/{port}/quic-v1")])
        .map(|text| text.parse().expect("these addresses are well formed"))
        .collect()
}

/// The machine's name as a node's name: its first label, with what cannot be in a name left out.
#[must_use]
pub fn host_name() -> Name {
    let system = rustix::system::uname();
    name_from(&system.nodename().to_string_lossy())
}

fn name_from(host: &str) -> Name {
    let label = host.split('.').next().unwrap_or_default();
    let kept: String = label
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        .take(NAME_BYTES_MAX)
        .collect();
    kept.parse().unwrap_or_else(|_| "node".parse().expect("this is a name"))
}

#[cfg(test)]
mod tests;
