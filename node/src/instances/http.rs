//! One call: connect, encrypt, ask, read a bounded answer.

use std::{
    convert::Infallible,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Either, Full, LengthLimitError, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    client::conn::http1,
    header::{self, HeaderValue},
};
use hyper_util::rt::TokioIo;
use protocol::control::{ApiKey, InstanceUrl};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::{ClientError, PartBody, Patience};

/// The header that carries the key.
const KEY_HEADER: &str = "x-backupmanager-key";

/// The largest head of an answer.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Most headers of an answer.
const HEADERS_MAX: usize = 100;

/// The most that is read of an answer that refuses.
const REFUSAL_BYTES_MAX: usize = 64 << 10;

/// The most that is repeated of what an instance said.
const SAID_CHARS_MAX: usize = 300;

/// How often a part that is being sent is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

pub(super) type Sent = Either<Full<Bytes>, PartBody>;

/// Where calls go, and with what.
pub(super) struct Line {
    pub(super) url: InstanceUrl,
    pub(super) key: ApiKey,
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) patience: Patience,
}

/// What to ask.
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) body: Sent,
    pub(super) is_json: bool,
    pub(super) patience: Duration,
    pub(super) answer_bytes_max: usize,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl Line {
    /// Host and port, for errors.
    pub(super) fn host(&self) -> String {
        self.url.authority()
    }

    /// Asks, and reads the whole answer.
    pub(super) async fn ask(&self, call: Call) -> Result<Vec<u8>, ClientError> {
        let stream = timeout(self.patience.connect, self.connect()).await;
        let stream = stream
            .map_err(|_| self.slow("let itself be connected to", self.patience.connect))??;
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(HEAD_BYTES_MAX)
            .max_headers(HEADERS_MAX)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.broken(error))?;
        let (patience, bytes_max) = (call.patience, call.answer_bytes_max);
        let moved = match &call.body {
            Either::Right(part) => part.sent(),
            Either::Left(_) => Arc::default(),
        };
        let request = self.request(call)?;
        let answered = async {
            let response = sender.send_request(request).await;
            let response = response.map_err(|error| self.broken(error))?;
            self.read(response, bytes_max).await
        };
        // Its errors come to the answer too; it must only be driven meanwhile.
        let driven = async move {
            let _ = connection.await;
            std::future::pending::<Infallible>().await
        };
        tokio::select! {
            answer = answered => answer,
            never = driven => match never {},
            () = stalled(&moved, patience) => Err(self.slow("answer", patience)),
        }
    }

    async fn connect(&self) -> Result<Box<dyn Stream>, ClientError> {
        let address = (self.url.host(), self.url.port());
        let stream = TcpStream::connect(address).await;
        let stream = stream.map_err(|source| ClientError::Connect { host: self.host(), source })?;
        // Only speed depends on it.
        let _ = stream.set_nodelay(true);
        let Some(tls) = &self.tls else { return Ok(Box::new(stream)) };
        let distrusted = |source| ClientError::Handshake { host: self.host(), source };
        let name = ServerName::try_from(self.url.host().to_owned());
        let name = name.map_err(|error| distrusted(io::Error::other(error)))?;
        let stream = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await;
        stream.map(|stream| Box::new(stream) as Box<dyn Stream>).map_err(distrusted)
    }

    fn request(&self, call: Call) -> Result<Request<Sent>, ClientError> {
        let mut key = HeaderValue::from_str(self.key.reveal()).map_err(|e| self.broken(e))?;
        key.set_sensitive(true);
        let mut request = Request::builder()
            .method(call.method)
            .uri(call.path)
            .header(header::HOST, self.url.authority())
            .header(header::USER_AGENT, concat!("backupmanager/", env!("CARGO_PKG_VERSION")))
            .header(header::ACCEPT, "application/json")
            .header(header::CONNECTION, "close")
            .header(KEY_HEADER, key);
        if call.is_json {
            request = request.header(header::CONTENT_TYPE, "application/json");
        } else if let Either::Right(_) = call.body {
            request = request.header(header::CONTENT_TYPE, "application/octet-stream");
        }
        request.body(call.body).map_err(|error| self.broken(error))
    }

    async fn read(
        &self,
        response: Response<Incoming>,
        bytes_max: usize,
    ) -> Result<Vec<u8>, ClientError> {
        let status = response.status();
        if status.is_redirection() {
            let to = response.headers().get(header::LOCATION);
            let to =
                to.map_or_else(String::new, |to| String::from_utf8_lossy(to.as_bytes()).into());
            return Err(ClientError::Redirect { host: self.host(), to: self.cut(&to) });
        }
        let bytes_max = if status.is_success() { bytes_max } else { REFUSAL_BYTES_MAX };
        let body = Limited::new(response.into_body(), bytes_max).collect().await;
        match body {
            Ok(body) if status.is_success() => Ok(body.to_bytes().to_vec()),
            Ok(body) => Err(self.refused(status, &body.to_bytes())),
            Err(error) if error.is::<LengthLimitError>() && status.is_success() => {
                Err(ClientError::TooLarge { host: self.host(), bytes_max })
            }
            Err(_) if !status.is_success() => Err(self.refused(status, &[])),
            Err(source) => Err(ClientError::Broken { host: self.host(), source }),
        }
    }

    fn refused(&self, status: StatusCode, body: &[u8]) -> ClientError {
        if status == StatusCode::UNAUTHORIZED {
            return ClientError::Key { host: self.host() };
        }
        let json: Option<serde_json::Value> = serde_json::from_slice(body).ok();
        let text = |name: &str| {
            let text = json.as_ref()?.get(name)?.as_str()?;
            Some(self.cut(text)).filter(|text| !text.is_empty())
        };
        let (code, message) = (text("error"), text("message"));
        ClientError::Status { host: self.host(), status: status.as_u16(), code, message }
    }

    /// What the instance said, short, on one line, and without the key.
    pub(super) fn cut(&self, text: &str) -> String {
        let mut text = text.replace(self.key.reveal(), "***");
        text = text.replace(&self.key.reveal().to_ascii_uppercase(), "***");
        let plain = |c: char| if c.is_control() { ' ' } else { c };
        text.chars().take(SAID_CHARS_MAX).map(plain).collect::<String>().trim().to_owned()
    }

    fn broken(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ClientError {
        ClientError::Broken { host: self.host(), source: source.into() }
    }

    fn slow(&self, what: &'static str, after: Duration) -> ClientError {
        ClientError::Slow { host: self.host(), what, after }
    }
}

/// Returns when nothing has moved for that long.
async fn stalled(moved: &AtomicU64, patience: Duration) {
    let mut last = (moved.load(Ordering::Relaxed), tokio::time::Instant::now());
    loop {
        tokio::time::sleep(LOOK_EVERY.min(patience)).await;
        let now = moved.load(Ordering::Relaxed);
        if now != last.0 {
            last = (now, tokio::time::Instant::now());
        } else if last.1.elapsed() >= patience {
            return;
        }
    }
}
