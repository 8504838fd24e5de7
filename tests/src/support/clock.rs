//! A clock that tests move, for daemons that are started with it.

use std::{fs, path::PathBuf};

use super::{Node, Yard};

/// libfaketime for programs with threads, as Debian installs it.
fn library() -> PathBuf {
    let folder = fs::read_dir("/usr/lib").expect("a folder").filter_map(Result::ok);
    let found = folder
        .map(|entry| entry.path().join("faketime/libfaketimeMT.so.1"))
        .find(|path| path.exists());
    found.expect("the package faketime is installed")
}

/// A node whose clock stands where a file says; timers run as ever.
pub struct Clock {
    file: PathBuf,
}

impl Clock {
    /// Starts the node's clock there, at its next start.
    #[must_use]
    pub fn new(yard: &Yard, node: &mut Node, at: &str) -> Self {
        let clock = Self { file: yard.path("clock") };
        clock.set(at);
        let mut set = |name: &str, value: &str| node.env.push((name.to_owned(), value.into()));
        set("LD_PRELOAD", library().to_str().expect("plain"));
        set("FAKETIME_TIMESTAMP_FILE", clock.file.to_str().expect("plain"));
        set("FAKETIME_NO_CACHE", "1");
        set("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        set("TZ", "Europe/Paris");
        clock
    }

    /// From now on it is this time, and it goes on from there. In the node's time zone.
    pub fn set(&self, at: &str) {
        let part = self.file.with_extension("part");
        fs::write(&part, format!("@{at}\n")).expect("it can be written");
        fs::rename(&part, &self.file).expect("it can be renamed");
    }
}
