use std::{net::SocketAddr, path::Path};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UnixStream},
};

use super::fake::{GOOD, key};

/// An answer that goes on, read event by event.
pub(crate) struct Stream {
    stream: Box<dyn Both>,
    /// What came and is not read: of the chunks, and of the text in them.
    raw: Vec<u8>,
    text: String,
    pub(crate) head: String,
}

trait Both: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Both for S {}

impl Stream {
    /// Asks with a good key, and reads the head.
    pub(crate) async fn open(to: SocketAddr, path: &str, headers: &str) -> Self {
        Self::over(TcpStream::connect(to).await.unwrap(), path, &(key(GOOD) + headers)).await
    }

    pub(crate) async fn open_with(to: SocketAddr, path: &str, with: &str) -> Self {
        Self::over(TcpStream::connect(to).await.unwrap(), path, &key(with)).await
    }

    pub(crate) async fn open_at(to: &Path, path: &str) -> Self {
        Self::over(UnixStream::connect(to).await.unwrap(), path, &key(GOOD)).await
    }

    async fn over(mut stream: impl Both + 'static, path: &str, headers: &str) -> Self {
        let ask = format!("GET /api/v1{path} HTTP/1.1\r\nHost: node\r\n{headers}\r\n");
        stream.write_all(ask.as_bytes()).await.unwrap();
        let stream = Box::new(stream);
        let mut this = Self { stream, raw: Vec::new(), text: String::new(), head: String::new() };
        while !this.raw.windows(4).any(|end| end == b"\r\n\r\n") {
            assert!(this.more().await, "no head: {:?}", this.raw);
        }
        let end = this.raw.windows(4).position(|end| end == b"\r\n\r\n").unwrap();
        this.head = String::from_utf8(this.raw.drain(..end + 4).collect()).unwrap();
        this
    }

    pub(crate) fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    async fn more(&mut self) -> bool {
        let mut part = [0; 4_096];
        match self.stream.read(&mut part).await {
            Ok(count @ 1..) => {
                self.raw.extend(&part[..count]);
                true
            }
            _ => false,
        }
    }

    /// Takes whole chunks; false at the last one.
    fn unchunk(&mut self) -> bool {
        loop {
            let Some(end) = self.raw.windows(2).position(|end| end == b"\r\n") else { return true };
            let size = std::str::from_utf8(&self.raw[..end]).unwrap();
            let size = usize::from_str_radix(size, 16).unwrap();
            if size == 0 {
                return false;
            }
            if self.raw.len() < end + 4 + size {
                return true;
            }
            let chunk: Vec<u8> = self.raw.drain(..end + 4 + size).collect();
            self.text.push_str(std::str::from_utf8(&chunk[end + 2..end + 2 + size]).unwrap());
        }
    }

    /// The next block of lines; none when the answer has ended, whole or cut off.
    pub(crate) async fn block(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let block = self.text[..end].to_owned();
                self.text.drain(..end + 2);
                return Some(block);
            }
            let goes_on = self.unchunk();
            let whole = self.text.contains("\n\n");
            if !(whole || goes_on && self.more().await) {
                return None;
            }
        }
    }

    /// The next event: its id, its kind and its data.
    pub(crate) async fn event(&mut self) -> Option<(String, String, String)> {
        loop {
            let block = self.block().await?;
            let of = |name: &str| {
                let lines = block.lines().filter_map(|line| line.strip_prefix(name));
                lines.map(|line| line.trim_start_matches(": ")).collect::<Vec<_>>().join("\n")
            };
            let kind = of("event");
            if !kind.is_empty() {
                return Some((of("id"), kind, of("data")));
            }
        }
    }

    /// The kinds of the next events.
    pub(crate) async fn kinds(&mut self, count: usize) -> Vec<String> {
        let mut kinds = Vec::new();
        for _ in 0..count {
            kinds.push(self.event().await.expect("another event").1);
        }
        kinds
    }
}
