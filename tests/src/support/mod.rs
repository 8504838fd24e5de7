//! Real daemons for tests: started from the real binary, asked through the real command line.
//!
//! [`Yard`] is a scratch folder; [`Node`] is a daemon in it, with its own data folder, killed when it
//! is dropped; [`Ran`] is what a command said and how it ended. Nothing here waits a fixed time:
//! [`until`] asks again until an answer comes or [`PATIENCE`] is over.

mod clock;
mod databases;
pub mod instance;
mod nginx;
mod node;
mod ran;
mod sshd;
mod tmpfs;
pub mod tree;
pub mod yunohost;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

pub use clock::Clock;
pub use databases::DatabaseServer;
pub use instance::Instance;
pub use nginx::Nginx;
pub use node::Node;
pub use ran::Ran;
pub use sshd::Sshd;
pub use tmpfs::Tmpfs;

/// How long anything may take. Only a test that fails waits so long.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// How often is asked.
const ASK_EVERY: Duration = Duration::from_millis(30);

/// A folder for one test, removed at its end.
pub struct Yard(tempfile::TempDir);

impl Yard {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("backupmanager-test-").tempdir();
        Self(dir.expect("a scratch folder can be made"))
    }

    /// A path in it.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Starts a daemon of this name.
    #[must_use]
    pub fn node(&self, name: &str) -> Node {
        Node::start(name, &self.path(name), &self.path(&format!("{name}-archives")))
    }

    /// Starts one that is a member of the mesh of `inviter`; both know and see each other.
    #[must_use]
    pub fn member(&self, name: &str, inviter: &Node, role: &str) -> Node {
        let node = self.node(name);
        let ticket = inviter.ticket(role);
        node.done(&["mesh", "join", &ticket]);
        let [this, that] = [&node, inviter].map(|n| n.status()["members"].as_u64());
        assert!(this >= Some(2) && that >= Some(2), "both count each other");
        until("both are connected", || node.sees(inviter) && inviter.sees(&node));
        node
    }
}

impl Default for Yard {
    fn default() -> Self {
        Self::new()
    }
}

/// Asks until the answer is yes.
///
/// # Panics
/// When [`PATIENCE`] is over.
pub fn until(what: &str, mut ask: impl FnMut() -> bool) {
    awaited(what, || ask().then_some(()));
}

/// Asks until there is an answer.
///
/// # Panics
/// When [`PATIENCE`] is over.
pub fn awaited<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "it did not come to pass: {what}");
        std::thread::sleep(ASK_EVERY);
    }
}

/// Where a source lies below the folder that it was restored to.
#[must_use]
pub fn below(to: &Path, source: &Path) -> PathBuf {
    to.join(source.strip_prefix("/").expect("sources have absolute paths"))
}

/// Panics with the differences of two trees, if there are any.
pub fn assert_same(first: &Path, second: &Path) {
    let found = ::node::restore::compare_trees(first, second);
    assert!(found.is_empty(), "{} and {} differ: {found:#?}", first.display(), second.display());
}

/// The program under test, which cargo builds beside the tests.
#[must_use]
pub fn program() -> PathBuf {
    let test = std::env::current_exe().expect("this test knows where it is");
    // target/debug/deps/cli-… → target/debug/backupmanager
    let folder = test.ancestors().nth(2).expect("tests lie in target/PROFILE/deps");
    let program = folder.join("backupmanager");
    assert!(
        program.exists(),
        "{} is missing: `cargo build -p node --bins` makes it, as scripts/test does",
        program.display()
    );
    program
}

/// Whether this is root, without whom owners, capabilities and mounts cannot be tested.
#[must_use]
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
