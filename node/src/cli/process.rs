//! What the process needs before it does anything: a clean environment, a log, a last word.

use std::{io::Write, os::unix::process::CommandExt};

use tracing_subscriber::EnvFilter;

use super::Exit;

/// The environment variable that says what is logged, as `RUST_LOG` would.
const LOG_VARIABLE: &str = "BACKUPMANAGER_LOG";

/// libp2p's TLS writes its session keys to the file that this names.
const KEY_LOG_VARIABLE: &str = "SSLKEYLOGFILE";

/// What the allocator is told, unless the environment says otherwise. It reads these before `main`.
/// Unused memory is given back soon, and none is touched before it is needed. Measured on a first
/// backup of 2.2 GB: 84 MiB at most, 38 MiB afterwards and 21 MiB idle, instead of 158, 85 and 31
/// with its defaults. Giving it back at once makes that 57 and 29 MiB, but a restore then takes
/// between a fifth and twice as long again.
const ALLOCATOR: [(&str, &str); 2] =
    [("MIMALLOC_PURGE_DELAY", "100"), ("MIMALLOC_ARENA_EAGER_COMMIT", "0")];

/// What kind of process this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Runs until it is stopped; logs what it does; ends at once on a fault, to be started afresh.
    Daemon,
    /// Does one thing.
    Command,
}

/// Must be the first call of `main`. Two things of the environment must be right before the process
/// begins: TLS session keys must not be written to a file, and the allocator must give memory back
/// soon (a daemon that keeps what its busiest moment took would fill a small server). Changing the
/// environment in place is not safe in Rust, so the process replaces itself, once. The process id
/// stays, so no supervisor notices.
///
/// # Errors
/// When session keys were asked for and it cannot be started again; going on would leak them.
pub fn before_threads() -> std::io::Result<()> {
    let leaks = std::env::var_os(KEY_LOG_VARIABLE).is_some();
    let untold: Vec<_> =
        ALLOCATOR.into_iter().filter(|(name, _)| std::env::var_os(name).is_none()).collect();
    if !leaks && untold.is_empty() {
        return Ok(());
    }
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_default();
    let failed = std::env::current_exe().map(|program| {
        std::process::Command::new(program)
            .arg0(name)
            .args(arguments)
            .env_remove(KEY_LOG_VARIABLE)
            .envs(untold)
            .exec()
    });
    // Without it the program only uses more memory.
    if leaks { Err(failed.unwrap_or_else(|error| error)) } else { Ok(()) }
}

/// The runtime of the network: one worker is faster than two on small machines, since a connection
/// is one task anyway; hashing and disks have blocking threads of their own.
///
/// # Errors
/// When the system gives no thread.
pub fn network_runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("network")
        .enable_all()
        .build()
}

pub(super) fn set_up(kind: Kind) {
    log(kind);
    last_word(kind);
}

fn log(kind: Kind) {
    let default = match kind {
        Kind::Daemon => "info",
        Kind::Command => "warn",
    };
    let asked = std::env::var(LOG_VARIABLE).ok().filter(|text| !text.is_empty());
    let (filter, wrong) = match asked.as_deref().map(EnvFilter::try_new) {
        None => (EnvFilter::new(default), None),
        Some(Ok(filter)) => (filter, None),
        Some(Err(error)) => (EnvFilter::new(default), Some(error)),
    };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    // A second set-up in one process (tests) keeps the first.
    let _ = subscriber.try_init();
    if let Some(error) = wrong {
        tracing::warn!(%error, "{LOG_VARIABLE} is not understood, logging {default}");
    }
}

/// A panic is a fault of ours: the daemon must not go on with a half-done state, so it ends, and
/// what starts it (systemd) starts it from what is on disk. The one exception is redb, which panics
/// on a damaged file; the chunk store catches that and makes its index anew.
fn last_word(kind: Kind) {
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        if place.contains("/redb-") {
            return tracing::warn!(place, "the index or the state file is damaged");
        }
        let why = panic.payload_as_str().unwrap_or("no reason given");
        let mut err = std::io::stderr().lock();
        let _ = writeln!(err, "error: a fault in backupmanager itself: {why} ({place})");
        let _ =
            writeln!(err, "hint: nothing that was acknowledged is lost; please report this line");
        match kind {
            Kind::Daemon => std::process::abort(),
            Kind::Command => std::process::exit(Exit::Failed as i32),
        }
    }));
}
