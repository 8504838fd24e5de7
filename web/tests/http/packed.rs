//! Answers in fewer bytes, for those who take them.

use std::io::Read as _;

use crate::support::{Fake, GOOD, Server, exchange, key};

/// Status, headers in lower case, and the bytes of a body.
struct Raw {
    head: String,
    body: Vec<u8>,
}

impl Raw {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(this, _)| this.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    fn plain(&self) -> Vec<u8> {
        let mut plain = Vec::new();
        match self.header("content-encoding") {
            None => plain.clone_from(&self.body),
            Some("gzip") => {
                flate2::read::GzDecoder::new(&*self.body)
                    .read_to_end(&mut plain)
                    .map(drop)
                    .unwrap();
            }
            Some("zstd") => plain = zstd::stream::decode_all(&*self.body).unwrap(),
            other => panic!("{other:?}"),
        }
        plain
    }
}

async fn ask(server: &Server, method: &str, path: &str, headers: &str) -> Raw {
    let key = key(GOOD);
    let text = format!(
        "{method} /api/v1{path} HTTP/1.1\r\nHost: n\r\nConnection: close\r\n{key}{headers}\r\n"
    );
    let said = exchange(server.address, text.as_bytes()).await;
    let at = said.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(said[..at].to_vec()).unwrap();
    Raw { head, body: said[at + 4..].to_vec() }
}

fn accept(codings: &str) -> String {
    format!("Accept-Encoding: {codings}\r\n")
}

const LIST: &str = "/archives";

#[tokio::test]
async fn a_list_is_packed_as_the_client_takes_it_and_is_the_same_list() {
    let server = Server::start(Fake::new()).await;
    let plain = ask(&server, "GET", LIST, "").await;
    assert_eq!(plain.header("content-encoding"), None);
    assert_eq!(plain.header("vary"), Some("accept-encoding"));
    let tag = plain.header("etag").unwrap();
    for (codings, coding) in
        [("gzip", "gzip"), ("zstd", "zstd"), ("gzip, deflate, br, zstd", "zstd")]
    {
        let packed = ask(&server, "GET", LIST, &accept(codings)).await;
        assert_eq!(packed.header("content-encoding"), Some(coding));
        assert_eq!(packed.header("content-length"), Some(&*packed.body.len().to_string()));
        assert!(packed.body.len() * 2 < plain.body.len());
        assert_eq!(packed.plain(), plain.body);
        assert_eq!(packed.header("etag"), Some(&*format!("W/{tag}")), "other bytes, other tag");
        assert_eq!(packed.header("vary"), Some("accept-encoding"));
    }
    for codings in ["identity", "br", "gzip;q=0, zstd;q=0.0", "", ";;;,,,q=1"] {
        let same = ask(&server, "GET", LIST, &accept(codings)).await;
        assert_eq!((same.header("content-encoding"), &same.body), (None, &plain.body), "{codings}");
    }
}

#[tokio::test]
async fn who_has_a_packed_list_is_told_that_nothing_changed() {
    let server = Server::start(Fake::new()).await;
    let packed = ask(&server, "GET", LIST, &accept("gzip")).await;
    let tag = packed.header("etag").unwrap();
    let headers = format!("If-None-Match: {tag}\r\n{}", accept("gzip"));
    let unchanged = ask(&server, "GET", LIST, &headers).await;
    assert!(unchanged.head.starts_with("HTTP/1.1 304"), "{}", unchanged.head);
    assert_eq!((unchanged.header("etag"), unchanged.body.len()), (Some(tag), 0));
    assert_eq!(unchanged.header("vary"), Some("accept-encoding"));
    assert_eq!(unchanged.header("content-encoding"), None);
}

#[tokio::test]
async fn a_head_says_no_length_that_the_body_would_not_have() {
    let server = Server::start(Fake::new()).await;
    let head = ask(&server, "HEAD", LIST, &accept("gzip")).await;
    let get = ask(&server, "GET", LIST, &accept("gzip")).await;
    assert_eq!((head.body.len(), head.header("content-length")), (0, None));
    for name in ["content-encoding", "etag", "vary", "content-type"] {
        assert_eq!(head.header(name), get.header(name), "{name}");
    }
    let plain = ask(&server, "HEAD", LIST, "").await;
    assert!(plain.header("content-length").is_some());
}

#[tokio::test]
async fn what_is_short_and_what_is_downloaded_goes_as_it_is() {
    let server = Server::start(Fake::new()).await;
    let archive = "/archives/jerry_nextcloud_20260508";
    for path in [
        "/store".to_owned(),
        "/nothing".to_owned(),
        format!("{archive}/download"),
        format!("{archive}/file?path=a"),
        format!("{archive}/folder?path=a&format=tar"),
    ] {
        let answer = ask(&server, "GET", &path, &accept("gzip, zstd")).await;
        assert_eq!(answer.header("content-encoding"), None, "{path}");
    }
}
