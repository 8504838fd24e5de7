//! A private nginx on a free port of all loopback addresses, with the settings that YunoHost's have.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use super::until;

/// What YunoHost leaves at nginx's defaults is said here, so that a newer nginx changes nothing.
const SERVER: &str = "
    client_max_body_size 1m;
    proxy_read_timeout 60s;
    proxy_send_timeout 60s;
    proxy_request_buffering on;
    proxy_buffering on;
    gzip off;
    server_tokens off;
    keepalive_timeout 65;
";

/// A running server; killed when it is dropped.
pub struct Nginx {
    /// Its port.
    pub port: u16,
    folder: PathBuf,
    child: Child,
}

impl Nginx {
    /// One whose files lie in a folder, with locations as an administrator writes them.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(folder: &Path, locations: &str) -> Self {
        fs::create_dir_all(folder).expect("a folder");
        let listener = TcpListener::bind("127.0.0.1:0").expect("there are free ports");
        let port = listener.local_addr().expect("it is bound").port();
        drop(listener);
        let at = folder.display();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {at}/{kind};\n"))
            .concat();
        let config = format!(
            "daemon off;\nmaster_process off;\nuser root;\npid {at}/pid;\nerror_log {at}/log;\n\
             events {{ worker_connections 512; }}\nhttp {{\naccess_log off;\n{temporary}{SERVER}\n\
             server {{\nlisten {port};\n{locations}\n}}\n}}\n"
        );
        fs::write(folder.join("config"), config).expect("written");
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "/usr/sbin/nginx", "-p"]).arg(folder);
        command.arg("-c").arg(folder.join("config")).stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn().expect("nginx is installed");
        let nginx = Self { port, folder: folder.to_owned(), child };
        until("nginx answers", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        nginx
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            eprintln!("---- log of nginx\n{log}");
        }
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it ends");
    }
}
