//! Where HTTP is served: bound when the daemon starts, so that a port that is taken is told at once.

use std::{io, net::SocketAddr, path::Path};

use protocol::control::{Failure, FailureCode};
use tokio::net::TcpListener;
use tracing::warn;

use crate::{
    config::HttpListen,
    socket::{Bound, ServerError, SocketFile},
};

const WHAT: &str = "cannot start the daemon";

/// Who may open the socket: the daemon's user and its group, for a web server in front.
const MODE: u32 = 0o660;

/// A bound address.
pub(in crate::daemon) struct Listening {
    pub(in crate::daemon) listener: web::Listener,
    /// As people write it; with the port that the system chose.
    pub(in crate::daemon) address: String,
    /// Removes a Unix socket's file at the end.
    pub(in crate::daemon) file: Option<SocketFile>,
}

/// Listens for HTTP.
///
/// # Errors
/// When the system refuses, with what helps.
pub(in crate::daemon) async fn listen(on: &HttpListen) -> Result<Listening, Failure> {
    match on {
        HttpListen::Tcp(address) => tcp(*address).await,
        HttpListen::Unix(path) => unix(path, on.to_string()).await,
    }
}

async fn tcp(address: SocketAddr) -> Result<Listening, Failure> {
    let failed = |error: io::Error| {
        let why = format!("cannot listen for HTTP on {address}: {error}");
        let (code, hint) = match error.kind() {
            io::ErrorKind::AddrInUse => (
                FailureCode::Busy,
                "another program has that port: choose another one with --http, or port 0 for any",
            ),
            io::ErrorKind::PermissionDenied => (
                FailureCode::Refused,
                "ports below 1024 are root's: choose a higher one, with a web server before it",
            ),
            io::ErrorKind::AddrNotAvailable => {
                (FailureCode::Invalid, "that is no address of this machine: try 127.0.0.1")
            }
            _ => (FailureCode::Internal, "choose another address with --http, or leave it out"),
        };
        Failure::new(code, WHAT, why).hint(hint)
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    if !address.ip().is_loopback() {
        warn!(%address, "HTTP is served without TLS to other machines: keys can be read on the way");
    }
    let (listener, address) = (web::Listener::Tcp(listener), address.to_string());
    Ok(Listening { listener, address, file: None })
}

async fn unix(path: &Path, address: String) -> Result<Listening, Failure> {
    let bound = Bound::new(path, MODE).await.map_err(|error| {
        let (code, hint) = match &error {
            ServerError::Running { .. } => (FailureCode::Busy, "stop the other daemon first"),
            ServerError::InTheWay { .. } => (FailureCode::Exists, "move that file away"),
            ServerError::Address(_) => (FailureCode::Invalid, "its folder must exist"),
            ServerError::Io { .. } => (
                FailureCode::Internal,
                "its folder must exist, and the daemon's user must be able to write there",
            ),
        };
        Failure::caused(code, WHAT, &error).hint(hint)
    })?;
    let (listener, file) = bound.into_parts();
    Ok(Listening { listener: web::Listener::Unix(listener), address, file: Some(file) })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    async fn refused(on: &HttpListen) -> Failure {
        let refused = listen(on).await.map(|listening| listening.address).unwrap_err();
        assert!(refused.hint.is_some(), "{refused}");
        refused
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_told_with_what_helps_and_port_0_is_any() {
        let first = listen(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
        assert!(!first.address.ends_with(":0"), "{}", first.address);
        let taken = refused(&first.address.parse().unwrap()).await;
        assert_eq!(taken.code, FailureCode::Busy);
        assert!(taken.why.contains(&first.address), "{taken}");
        // An address of the documentation is no machine's.
        let foreign = refused(&"192.0.2.1:0".parse().unwrap()).await;
        assert_eq!(foreign.code, FailureCode::Invalid);
    }

    #[tokio::test]
    async fn a_socket_is_for_its_group_replaces_a_stale_one_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("http.sock");
        let on: HttpListen = format!("unix:{}", path.display()).parse().unwrap();
        // What a daemon leaves that was killed.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let first = listen(&on).await.unwrap();
        assert_eq!(first.address, on.to_string());
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o660);
        assert_eq!(refused(&on).await.code, FailureCode::Busy, "somebody answers there");
        drop(first);
        assert!(!path.exists(), "it is removed at the end");
        std::fs::write(&path, b"mine").unwrap();
        assert_eq!(refused(&on).await.code, FailureCode::Exists);
        assert_eq!(std::fs::read(&path).unwrap(), b"mine");
        let nowhere = format!("unix:{}/none/http.sock", dir.path().display());
        assert_eq!(refused(&nowhere.parse().unwrap()).await.code, FailureCode::Internal);
    }
}
