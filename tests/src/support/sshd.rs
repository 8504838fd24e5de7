//! A private ssh server: the real one, on a free port of the loopback, with keys of the test's own.

use std::{
    fs::{self, File},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use super::until;

/// Where it wants to change its root to before it knows who calls.
const PRIVILEGE_SEPARATION: &str = "/run/sshd";

/// A running server, which lets in whoever has an authorized key.
pub struct Sshd {
    /// Its port, which it keeps.
    pub port: u16,
    folder: PathBuf,
    child: Option<Child>,
}

impl Sshd {
    /// One whose keys and log lie in a folder.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(folder: &Path) -> Self {
        fs::create_dir_all(folder).expect("a folder");
        fs::create_dir_all(PRIVILEGE_SEPARATION).expect("this is root");
        let listener = TcpListener::bind("127.0.0.1:0").expect("there are free ports");
        let port = listener.local_addr().expect("it is bound").port();
        drop(listener);
        fs::write(folder.join("authorized_keys"), "").expect("written");
        let mut sshd = Self { port, folder: folder.to_owned(), child: None };
        sshd.new_host_key();
        sshd
    }

    /// Gives it another host key, and starts it again.
    pub fn new_host_key(&mut self) {
        self.stop();
        let key = self.folder.join("host_ed25519");
        let _ = fs::remove_file(&key);
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(&key)
            .status();
        assert!(made.expect("openssh-client is installed").success());
        let config = format!(
            "ListenAddress 127.0.0.1\nPort {}\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\n\
             UsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
             PermitRootLogin prohibit-password\nPidFile none\nSubsystem sftp internal-sftp\n",
            self.port,
            key.display(),
            self.folder.join("authorized_keys").display()
        );
        fs::write(self.folder.join("config"), config).expect("written");
        let log = File::options().create(true).append(true).open(self.folder.join("log"));
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "/usr/sbin/sshd", "-D", "-e", "-f"]);
        command.arg(self.folder.join("config")).stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.stderr(log.expect("a log")).spawn();
        self.child = Some(child.expect("openssh-server is installed"));
        until("sshd answers", || TcpStream::connect(("127.0.0.1", self.port)).is_ok());
    }

    /// The fingerprint of its host key.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let said = Command::new("ssh-keygen")
            .args(["-l", "-f"])
            .arg(self.folder.join("host_ed25519.pub"))
            .output()
            .expect("openssh-client is installed");
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        said.split(' ').nth(1).expect("a fingerprint").to_owned()
    }

    /// Lets somebody in.
    pub fn authorize(&self, public_key: &str) {
        fs::write(self.folder.join("authorized_keys"), format!("{public_key}\n")).expect("written");
    }

    fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it is ours");
            child.wait().expect("it ends");
        }
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            eprintln!("---- log of sshd\n{log}");
        }
        self.stop();
    }
}
