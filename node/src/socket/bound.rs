//! A Unix socket that somebody listens on: made over what a dead daemon left, removed at the end.

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::{Path, PathBuf},
};

use tokio::net::{UnixListener, UnixStream};

use super::{AddressError, address::Address};

/// A socket that cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Its path is none.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// A daemon answers there.
    #[error("another daemon is running on {}", .path.display())]
    Running {
        /// The socket.
        path: PathBuf,
    },
    /// There is a file that is no socket; it is left alone.
    #[error("{} is in the way: it is not a socket", .path.display())]
    InTheWay {
        /// The file.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot listen on {}", .path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A bound socket. Its file is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Bound {
    listener: UnixListener,
    file: SocketFile,
}

/// The file of a socket, removed when this is dropped.
#[derive(Debug)]
pub(crate) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

impl Bound {
    /// Listens on `path`, with this mode. What a dead daemon left there is replaced.
    ///
    /// # Errors
    /// When a daemon answers there, or the system refuses.
    pub(crate) async fn new(path: &Path, mode: u32) -> Result<Self, ServerError> {
        let failed = |source| ServerError::Io { path: path.to_owned(), source };
        let address = Address::of(path)?;
        clear_stale(path, &address.path).await?;
        let listener = UnixListener::bind(&address.path).map_err(failed)?;
        let file = SocketFile(path.to_owned());
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(failed)?;
        Ok(Self { listener, file })
    }

    pub(super) fn listener(&self) -> &UnixListener {
        &self.listener
    }

    /// The listener, for who takes it whole, and what removes its file.
    pub(crate) fn into_parts(self) -> (UnixListener, SocketFile) {
        (self.listener, self.file)
    }
}

async fn clear_stale(path: &Path, reachable: &Path) -> Result<(), ServerError> {
    let failed = |source| ServerError::Io { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(ServerError::InTheWay { path: path.to_owned() });
        }
        Ok(_) => {}
    }
    match UnixStream::connect(reachable).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(failed)
        }
        Err(error) => Err(failed(error)),
        Ok(_) => Err(ServerError::Running { path: path.to_owned() }),
    }
}
