//! As much of HTTP as a double needs.

use std::io::{Read, Write};

/// The largest head that it reads.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// What a client asks.
pub(super) struct Head {
    pub(super) method: String,
    /// With its query.
    pub(super) path: String,
    pub(super) key: Option<String>,
    pub(super) bytes: usize,
}

pub(super) fn head(stream: &mut impl Read) -> Option<Head> {
    let (mut text, mut byte) = (Vec::new(), [0]);
    while !text.ends_with(b"\r\n\r\n") && text.len() < HEAD_BYTES_MAX {
        stream.read_exact(&mut byte).ok()?;
        text.push(byte[0]);
    }
    let text = String::from_utf8(text).ok()?;
    let mut lines = text.lines();
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let field = |name: &str| {
        let mut fields = text.lines().filter_map(|line| line.split_once(": "));
        fields.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    };
    let bytes = field("content-length").and_then(|bytes| bytes.parse().ok()).unwrap_or(0);
    let key = field("x-backupmanager-key").map(str::to_owned);
    Some(Head { method, path, key, bytes })
}

pub(super) fn body(stream: &mut impl Read, bytes: usize) -> Option<Vec<u8>> {
    let mut body = vec![0; bytes];
    stream.read_exact(&mut body).ok()?;
    Some(body)
}

pub(super) fn reply(stream: &mut impl Write, status: u16, body: &[u8]) {
    let more = if status == 302 { "Location: https://elsewhere.example.org/sso\r\n" } else { "" };
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{more}\
         Connection: close\r\n\r\n",
        body.len()
    );
    // A client that went away is no concern of ours.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
    let _ = stream.flush();
}
