//! One daemon, and the commands that it is asked with.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::Write as _,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;

use super::{Ran, awaited, program, until};

/// A command that takes longer than this hangs.
const COMMAND_SECONDS_MAX: &str = "180";

/// A daemon with its data folder.
pub struct Node {
    /// Its name in the mesh.
    pub name: String,
    /// Its data folder.
    pub data: PathBuf,
    /// Its folder of plain tars.
    pub archives: PathBuf,
    /// What the daemon finds in its environment, from its next start on.
    pub env: Vec<(String, OsString)>,
    /// What more `serve` is told, from its next start on: `--http 127.0.0.1:0`.
    pub serve: Vec<String>,
    log: PathBuf,
    child: Option<Child>,
}

impl Node {
    /// Starts a daemon and waits until it answers.
    #[must_use]
    pub fn start(name: &str, data: &Path, archives: &Path) -> Self {
        let mut node = Self::stopped(name, data, archives);
        node.restart();
        node
    }

    /// One that is not started yet.
    #[must_use]
    pub fn stopped(name: &str, data: &Path, archives: &Path) -> Self {
        let log = archives.with_extension("log");
        let (data, archives) = (data.to_owned(), archives.to_owned());
        let (env, serve) = (Vec::new(), Vec::new());
        Self { name: name.to_owned(), data, archives, env, serve, log, child: None }
    }

    /// Starts it, on the data that is there.
    pub fn restart(&mut self) {
        self.launch();
        let began = std::time::Instant::now();
        until(&format!("{} answers", self.name), || {
            let ended = self.child.as_mut().and_then(|c| c.try_wait().expect("it is ours"));
            assert!(ended.is_none(), "{} ended: {ended:?}\n{}", self.name, self.log());
            assert!(began.elapsed() < super::PATIENCE, "{}", self.log());
            self.ask(&["status"]).code == Some(0)
        });
    }

    /// Starts it and does not wait for it.
    pub fn launch(&mut self) {
        assert!(self.child.is_none(), "{} runs already", self.name);
        let log = File::options().create(true).append(true).open(&self.log).expect("a log");
        // Should the test itself be killed, the daemon goes with it.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(program()).arg("serve");
        command.arg("--data").arg(&self.data).args(["--name", &self.name]);
        command.args(["--listen", "/ip4/127.0.0.1/tcp/0", "--archives"]).arg(&self.archives);
        command.args(&self.serve);
        command.env_remove("BACKUPMANAGER_DATA").env_remove("BACKUPMANAGER_SOCKET");
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a log")).stderr(log);
        self.child = Some(command.process_group(0).spawn().expect("the daemon can be started"));
    }

    /// Waits until a launched daemon has ended by itself; how, and what it said.
    pub fn ended(&mut self) -> (Option<i32>, String) {
        let child = self.child.as_mut().expect("it was launched");
        let status = awaited("the daemon ends", || child.try_wait().expect("it is ours"));
        self.child = None;
        (status.code(), self.log())
    }

    /// kill -9.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
    }

    /// Asks it to stop and waits until it has.
    pub fn stop(&mut self) {
        self.signal(Signal::TERM);
    }

    fn signal(&mut self, signal: Signal) {
        let Some(mut child) = self.child.take() else { return };
        kill_process_group(Pid::from_child(&child), signal).expect("it runs");
        let ended = awaited("the daemon ends", || child.try_wait().expect("it is ours"));
        let clean = signal == Signal::KILL || ended.success();
        assert!(clean, "{} ended with {ended}\n{}", self.name, self.log());
    }

    /// What the daemon logged, in all its lives.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The command line for this daemon.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("timeout");
        command.args(["-k", "1", COMMAND_SECONDS_MAX]).arg(program());
        command.arg("--data").arg(&self.data).args(arguments);
        command.env_remove("BACKUPMANAGER_DATA").env_remove("BACKUPMANAGER_SOCKET");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a command.
    #[must_use]
    pub fn ask(&self, arguments: &[&str]) -> Ran {
        let output = self.command(arguments).output().expect("commands can be run");
        Ran::new(self.line(arguments), &output)
    }

    /// Runs a command that reads `input`.
    #[must_use]
    pub fn tell(&self, arguments: &[&str], input: &str) -> Ran {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().expect("it runs");
        let mut stdin = child.stdin.take().expect("it is piped");
        // A command that does not read it is no concern of ours.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let output = child.wait_with_output().expect("commands can be run");
        Ran::new(self.line(arguments), &output)
    }

    fn line(&self, arguments: &[&str]) -> String {
        format!("{}: {}", self.name, arguments.join(" "))
    }

    /// Runs a command that must end well.
    #[track_caller]
    pub fn done(&self, arguments: &[&str]) -> Ran {
        let ran = self.ask(arguments);
        assert_eq!(ran.code, Some(0), "{ran:#?}\n{}", self.log());
        ran
    }

    /// Runs a command that must end well, and gives its answer.
    #[track_caller]
    #[must_use]
    pub fn json(&self, arguments: &[&str], name: &str) -> Value {
        self.done(&[arguments, &["--json"]].concat()).json(name)
    }

    /// How it is.
    #[must_use]
    pub fn status(&self) -> Value {
        self.json(&["status"], "status")
    }

    /// A ticket for one more node.
    #[must_use]
    pub fn ticket(&self, role: &str) -> String {
        self.done(&["mesh", "invite", "--role", role, "-q"]).out.trim().to_owned()
    }

    /// Whether it is connected with that node.
    #[must_use]
    pub fn sees(&self, other: &Self) -> bool {
        let ran = self.ask(&["mesh", "show", &other.name, "--json"]);
        ran.code == Some(0) && ran.json("member")["connection"] == "direct"
    }

    /// Adds a job for a folder, with `more` of the command line.
    #[track_caller]
    pub fn add_job(&self, job: &str, source: &Path, more: &[&str]) {
        let source = source.to_str().expect("scratch folders have plain names");
        self.done(&[&["job", "add", "custom_dir", job, source], more].concat());
    }

    /// Runs a job to its end, which must be a good one; its report.
    #[track_caller]
    #[must_use]
    pub fn run_job(&self, job: &str) -> Value {
        self.json(&["job", "run", job, "--wait"], "run_ended")
    }

    /// Runs a job, which must fail: its report is the answer, with all of `words` and a hint.
    #[track_caller]
    pub fn run_fails(&self, job: &str, words: &[&str]) {
        let ran = self.ask(&["job", "run", job, "--wait"]).exits(1);
        for word in ["failed", "hint: "].iter().chain(words) {
            assert!(ran.out.contains(word), "{word:?} is not said: {ran:#?}");
        }
        let runs = self.json(&["run", "list", "--limit", "1"], "runs");
        assert_eq!(runs[0]["state"], "failed", "{runs:#}");
        assert_eq!(runs[0]["archive"], Value::Null, "{runs:#}");
    }

    /// Runs a job; the name of its archive.
    #[track_caller]
    #[must_use]
    pub fn back_up(&self, job: &str) -> String {
        let report = self.run_job(job);
        report["archive"].as_str().expect("a run that ended well made an archive").to_owned()
    }

    /// How much memory its daemon occupies, by the kernel's word for it: `VmRSS` for all of it,
    /// `RssAnon` without the program itself.
    #[must_use]
    pub fn memory_kib(&self, word: &str) -> u64 {
        let pid = self.child.as_ref().expect("it runs").id();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
        let lines = status.lines().filter_map(|line| line.split_once(':'));
        let found = lines.filter(|(name, _)| *name == word).map(|(_, value)| value).next();
        let value = found.expect("such a line").trim().trim_end_matches(" kB");
        value.parse().expect("a number")
    }

    /// What it knows of an archive.
    #[must_use]
    pub fn archive(&self, name: &str) -> Value {
        self.json(&["archive", "show", name], "archive")
    }

    /// Whether it knows of an archive.
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        self.ask(&["archive", "show", name]).code == Some(0)
    }

    /// Waits until that node is known to hold the archive whole.
    pub fn until_held(&self, name: &str, holder: &Self) {
        until(&format!("{} holds {name}", holder.name), || self.is_held(name, holder));
    }

    /// Whether that node is known to hold the archive whole.
    #[must_use]
    pub fn is_held(&self, name: &str, holder: &Self) -> bool {
        let ran = self.ask(&["archive", "show", name, "--json"]);
        let whole = |h: &Value| h["node"]["name"] == *holder.name && h["state"] == "whole";
        ran.code == Some(0)
            && ran.json("archive")["holders"].as_array().is_some_and(|all| all.iter().any(whole))
    }

    /// Restores an archive below `to`, which must end well; the report.
    #[track_caller]
    pub fn restore(&self, name: &str, to: &Path, more: &[&str]) -> Value {
        let to = to.to_str().expect("scratch folders have plain names");
        self.json(&[&["archive", "restore", name, "--to", to], more].concat(), "restored")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
        let _ = child.wait();
        if std::thread::panicking() {
            eprintln!("---- log of {}\n{}", self.name, self.log());
        }
    }
}
