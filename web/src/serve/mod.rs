//! The server: connections, how many and how slow, and how it stops.
//!
//! A *place* is one of the connections that are served at once. A connection is *busy* while a
//! request of it is at work, and *silent* otherwise; when places are short, the one that has been
//! silent longest is closed for a new one. So a client that is slow or says nothing holds nobody
//! back. Proxies of this machine (a Unix socket, loopback) share one address among all their
//! clients, so they have no bound per address.

mod caught;
mod paced;
mod phase;
mod places;
mod watched;

use std::{convert::Infallible, io, pin::pin, sync::Arc, time::Duration};

use axum::{Router, body::Body, response::IntoResponse};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sync::watch,
    task::JoinSet,
};
use tower::ServiceExt;

use caught::{Caught, Panicked};
pub(crate) use paced::Stalled;
use paced::{Paced, Served};
use places::{Place, Places};
use watched::Watched;

use crate::{ApiError, Backend, State, auth::Peer, router};

/// Bytes of one connection that are read ahead. Heads that are larger are refused unread.
const BUFFER_BYTES: usize = 64 << 10;

/// Headers that are parsed at all; up to here a refusal has a body that says so.
const HEADERS_PARSED_MAX: usize = 2 * router::HEADERS_MAX;

/// How long requests may go on after the stop.
const STOP_MAX: Duration = Duration::from_secs(10);

/// How long no connection is taken after that failed: the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What is said to a connection that has no place.
const NO_PLACE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\
    Content-Type: application/json\r\nRetry-After: 10\r\nContent-Length: 64\r\n\r\n\
    {\"error\":\"busy\",\"message\":\"too many connections are being used\"}";

/// Where connections come from.
#[derive(Debug)]
pub enum Listener {
    /// The network.
    Tcp(TcpListener),
    /// A file: the other end is a proxy on this machine.
    Unix(UnixListener),
}

enum Accepted {
    Tcp(TcpStream, Peer),
    Unix(UnixStream),
}

impl Listener {
    async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Self::Tcp(listener) => {
                let (stream, from) = listener.accept().await?;
                // Of a client that has gone already it may fail, which its first read will tell.
                let _ = stream.set_nodelay(true);
                Ok(Accepted::Tcp(stream, Peer::Ip(from.ip())))
            }
            Self::Unix(listener) => Ok(Accepted::Unix(listener.accept().await?.0)),
        }
    }
}

/// Serves until `stop`, and then what is at work for some seconds more.
///
/// # Errors
/// There is no randomness to begin with. What goes wrong later is one connection's matter.
pub async fn serve(
    listener: Listener,
    backend: Arc<dyn Backend>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (places, (stopping, stopped)) = (Arc::new(Places::default()), watch::channel(false));
    let app = router::router(State::new(Arc::clone(&backend), stopped.clone())?);
    let site = Site { app, backend, stopped };
    let mut tasks = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            Some(_) = tasks.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok(Accepted::Tcp(stream, peer)) => match places.enter(peer) {
                Some(place) => {
                    tasks.spawn(connection(stream, peer, place, site.clone()));
                }
                None => drop(stream.try_write(NO_PLACE)),
            },
            Ok(Accepted::Unix(stream)) => match places.enter(Peer::Unix) {
                Some(place) => {
                    tasks.spawn(connection(stream, Peer::Unix, place, site.clone()));
                }
                None => drop(stream.try_write(NO_PLACE)),
            },
            Err(error) if of_client(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "an HTTP connection could not be taken");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    stopping.send_replace(true);
    let all = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(STOP_MAX, all).await.is_err() {
        tracing::warn!("HTTP requests were cut off, because they took too long to end");
    }
    Ok(())
}

/// Whether only one connection is affected: its client left before it was taken.
fn of_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// What all connections serve.
#[derive(Clone)]
struct Site {
    app: Router,
    backend: Arc<dyn Backend>,
    stopped: watch::Receiver<bool>,
}

/// Serves one connection, until either side is done with it.
async fn connection<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    peer: Peer,
    place: Place,
    site: Site,
) {
    let Site { app, backend, mut stopped } = site;
    let phase = place.phase();
    let stream = TokioIo::new(Watched::new(stream, Arc::clone(&phase)));
    let service = service_fn(|request: Request<Incoming>| {
        let (app, backend, end) = (app.clone(), Arc::clone(&backend), phase.begin());
        async move {
            let mut request = request.map(|body| Body::new(Paced::new(body)));
            request.extensions_mut().insert(peer);
            let response = match Caught::new(app.oneshot(request)).await {
                Ok(Ok(response)) => response,
                Ok(Err(never)) => match never {},
                Err(Panicked) => ApiError::internal().into_response(),
            };
            backend.answered(response.status().as_u16());
            Ok::<_, Infallible>(response.map(|body| Served::new(body, end)))
        }
    });
    let mut http = http1::Builder::new();
    http.header_read_timeout(None).max_headers(HEADERS_PARSED_MAX).max_buf_size(BUFFER_BYTES);
    let mut serving = pin!(http.serve_connection(stream, service));
    let stop = async { stopped.wait_for(|stopped| *stopped).await.is_ok() };
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = place.closed() => return,
        _ = stop => {
            if !phase.is_busy() {
                return;
            }
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "an HTTP connection broke");
    }
}

#[cfg(test)]
mod tests {
    use super::NO_PLACE;

    #[test]
    fn what_is_said_without_a_place_is_whole() {
        let text = std::str::from_utf8(NO_PLACE).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{head}");
        let json: serde_json::Value = serde_json::from_str(body).expect("json");
        assert_eq!(json["error"], "busy");
    }
}
