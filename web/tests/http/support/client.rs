use std::net::SocketAddr;

use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};

use super::{checked::check_first, fake::key};

/// What a server answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    /// The first of what came.
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {text}"));
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let header = |line: &str| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_ascii_lowercase(), value.to_owned())
        };
        Self { status, headers: lines.map(header).collect(), body: body.to_owned() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(this, _)| this == name).map(|(_, value)| value.as_str())
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// That it is a refusal in the shape of all refusals.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, error: &str) -> Value {
        let json = self.json();
        assert_eq!((self.status, &json["error"]), (status, &error.into()), "{self:?}");
        assert!(json["message"].as_str().is_some_and(|text| !text.is_empty()), "{json}");
        let keys: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
        assert!(keys.iter().all(|key| ["error", "hint", "message"].contains(key)), "{json}");
        json
    }

    #[track_caller]
    pub(crate) fn ok(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.json()
    }
}

/// Sends bytes and reads until the server closes.
pub(crate) async fn exchange(to: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    exchange_with(TcpStream::connect(to).await.unwrap(), bytes).await
}

/// The same over any stream; the first answer is held against the description. Either side may be
/// cut off: what came until then counts.
pub(crate) async fn exchange_with<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    bytes: &[u8],
) -> Vec<u8> {
    exchange_until(stream, bytes, |_| false).await
}

/// The same, until enough has come.
async fn exchange_until<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    bytes: &[u8],
    enough: impl Fn(&[u8]) -> bool,
) -> Vec<u8> {
    let _ = stream.write_all(bytes).await;
    let (mut all, mut part) = (Vec::new(), [0; 4_096]);
    while let Ok(count @ 1..) = stream.read(&mut part).await {
        all.extend(&part[..count]);
        if enough(&all) {
            break;
        }
    }
    check_first(bytes, &all);
    all
}

/// Whether it is the head of what goes on for ever.
fn is_stream(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    text.split_once("\r\n\r\n").is_some_and(|(head, _)| head.contains("text/event-stream"))
}

/// A request with a key or without.
pub(crate) async fn ask(to: SocketAddr, method: &str, path: &str, with: Option<&str>) -> Answer {
    ask_with(to, method, path, &with.map(key).unwrap_or_default(), "").await
}

/// A request with headers and a body.
pub(crate) async fn ask_with(
    to: SocketAddr,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> Answer {
    Answer::parse(&exchange(to, request(method, path, headers, body).as_bytes()).await)
}

/// The same; of a stream, what came with its head.
pub(crate) async fn ask_any(
    to: SocketAddr,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> Answer {
    let stream = TcpStream::connect(to).await.unwrap();
    let text = request(method, path, headers, body);
    Answer::parse(&exchange_until(stream, text.as_bytes(), is_stream).await)
}

fn request(method: &str, path: &str, headers: &str, body: &str) -> String {
    let length = match body {
        "" => String::new(),
        _ => format!("Content-Length: {}\r\n", body.len()),
    };
    format!(
        "{method} {path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n{headers}{length}\r\n{body}"
    )
}
