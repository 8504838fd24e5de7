//! Fetching and serving, over memory and over real sockets, from holders of every kind.

mod faults;
mod holders;
mod liars;
mod ordered;
mod patience;
mod store;
mod transfer;

/// A tokio runtime as the daemon has it: one worker, blocking threads beside it.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}
