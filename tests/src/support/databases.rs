//! Private database servers for tests: real ones, on a socket in a folder of the test, as the
//! system's users for them, since servers refuse to run as root. Nothing they write is kept safe
//! from power cuts. They end with the test, also when it is killed.

use std::{
    fs::{self, File},
    io::Write as _,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use super::until;

/// Where Debian puts PostgreSQL's server programs, by version.
const POSTGRESQL: &str = "/usr/lib/postgresql";

/// A running server.
pub struct DatabaseServer {
    /// What a job calls its socket: the socket of MariaDB, the folder of PostgreSQL's.
    pub socket: String,
    is_mariadb: bool,
    program: Command,
    child: Option<Child>,
    log: PathBuf,
}

impl DatabaseServer {
    /// An empty MariaDB server.
    #[must_use]
    pub fn mariadb(folder: &Path) -> Self {
        let data = make(folder, "mysql");
        let data = data.to_str().expect("scratch folders have plain names");
        // Nothing is left behind in the machine's own folder for such files.
        let temporary = format!("{data}/t");
        let datadir = format!("{data}/data");
        for dir in [&temporary, &datadir] {
            done(Command::new("install").args(["-d", "-o", "mysql", dir]));
        }
        done(
            Command::new("mariadb-install-db")
                .current_dir("/")
                .env("TMPDIR", &temporary)
                .args(["--no-defaults", "--user=mysql", "--skip-test-db"])
                .arg("--auth-root-authentication-method=socket")
                .arg(format!("--datadir={datadir}")),
        );
        let socket = format!("{data}/s.sock");
        let mut server = as_user("mysql", "mariadbd");
        server
            .args(["--no-defaults", "--skip-networking", "--event-scheduler=OFF"])
            .args(["--innodb-buffer-pool-size=64M", "--innodb-flush-log-at-trx-commit=0"])
            .args(["--innodb-flush-method=nosync", "--skip-log-bin"])
            .args([format!("--datadir={datadir}"), format!("--socket={socket}")])
            .env("TMPDIR", &temporary);
        Self::start(server, folder, socket, true)
    }

    /// An empty PostgreSQL server.
    ///
    /// # Panics
    /// When it is not installed.
    #[must_use]
    pub fn postgresql(folder: &Path) -> Self {
        let data = make(folder, "postgres");
        let versions = fs::read_dir(POSTGRESQL).expect("PostgreSQL is installed");
        let newest = versions.filter_map(|at| at.ok().map(|at| at.path())).max();
        let programs = newest.expect("PostgreSQL is installed").join("bin");
        done(
            as_user("postgres", programs.join("initdb").to_str().expect("plain"))
                .args(["--no-sync", "--auth=peer", "--username=postgres", "--encoding=UTF8"])
                .args(["--locale=C.UTF-8", "--pgdata"])
                .arg(data.join("data")),
        );
        let socket = data.to_str().expect("scratch folders have plain names").to_owned();
        let mut server = as_user("postgres", programs.join("postgres").to_str().expect("plain"));
        server.arg("-D").arg(data.join("data")).args(["-k", &socket, "-c", "listen_addresses="]);
        for setting in ["fsync=off", "full_page_writes=off", "shared_buffers=32MB"] {
            server.args(["-c", setting]);
        }
        Self::start(server, folder, socket, false)
    }

    fn start(mut server: Command, folder: &Path, socket: String, is_mariadb: bool) -> Self {
        let log = folder.join("log");
        let file = File::create(&log).expect("a log");
        server.stdin(Stdio::null()).stdout(file.try_clone().expect("a log")).stderr(file);
        server.process_group(0);
        let mut server = Self { socket, is_mariadb, program: server, child: None, log };
        server.restart();
        server
    }

    /// Starts it, also again after [`kill`](Self::kill).
    ///
    /// # Panics
    /// When it does not come to answer.
    pub fn restart(&mut self) {
        until("the database server answers", || {
            let ended = self.child.as_mut().and_then(|c| c.try_wait().expect("it is ours"));
            // Processes of a killed PostgreSQL server may be in the way until they notice.
            let is_in_the_way = self.log().contains("is still in use");
            assert!(ended.is_none() || is_in_the_way, "it ended: {ended:?}\n{}", self.log());
            if self.child.is_none() || ended.is_some() {
                self.child = Some(self.program.spawn().expect("the server can be started"));
            }
            self.client("", "SELECT 1;").is_ok()
        });
    }

    /// What the server logged.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Runs statements as its administrator; the answer as the client program writes it.
    ///
    /// # Panics
    /// When the server refuses one.
    #[track_caller]
    pub fn sql(&self, database: &str, sql: &str) -> String {
        self.client(database, sql).unwrap_or_else(|said| panic!("{said}\n{sql:.500}"))
    }

    /// The same, when it may be refused.
    ///
    /// # Errors
    /// With what the client program said.
    pub fn client(&self, database: &str, sql: &str) -> Result<String, String> {
        let mut client = if self.is_mariadb {
            let mut client = Command::new("mariadb");
            client.args(["--no-defaults", "--batch", "--skip-column-names", "--xml"]);
            client.args(["--default-character-set=utf8mb4", "--max-allowed-packet=1G"]);
            client.arg(format!("--socket={}", self.socket));
            client.arg(format!("--database={database}"));
            client
        } else {
            let database = if database.is_empty() { "postgres" } else { database };
            let database = database.replace('\\', "\\\\").replace('\'', "\\'");
            let mut client = as_user("postgres", "psql");
            client.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]);
            client.arg(format!("--dbname=host='{}' dbname='{database}'", self.socket));
            client
        };
        client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = client.current_dir("/").spawn().expect("the client can be started");
        let mut stdin = child.stdin.take().expect("it is piped");
        let sql = sql.to_owned();
        let writer = std::thread::spawn(move || {
            // A client that stops early says so by its exit code.
            let _ = stdin.write_all(sql.as_bytes());
        });
        let output = child.wait_with_output().expect("it ends");
        writer.join().expect("it does not panic");
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// kill -9.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it is ours");
            child.wait().expect("it ends");
        }
    }
}

impl Drop for DatabaseServer {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("---- log of the database server\n{}", self.log());
        }
        self.kill();
    }
}

/// A folder for a server's user, in one that the user can pass through.
fn make(folder: &Path, user: &str) -> PathBuf {
    fs::create_dir_all(folder).expect("a folder");
    for above in folder.ancestors().take(2) {
        fs::set_permissions(above, fs::Permissions::from_mode(0o755)).expect("it is ours");
    }
    let data = folder.join("d");
    fs::create_dir(&data).expect("a folder");
    done(Command::new("chown").arg(user).arg(&data));
    data
}

/// A program with the rights of a user, that dies with this one. The wish to die is forgotten
/// when the rights change, so it comes second.
fn as_user(user: &str, program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args([&format!("--reuid={user}"), &format!("--regid={user}"), "--clear-groups"]);
    command.args(["setpriv", "--pdeathsig", "KILL", program]);
    command.current_dir("/").env("LC_ALL", "C.UTF-8");
    command
}

#[track_caller]
fn done(command: &mut Command) {
    let output = command.output().expect("it can be started");
    assert!(output.status.success(), "{command:?}: {output:?}");
}
