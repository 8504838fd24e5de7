//! Downloads: what is told before the bytes, ranges of them, and bytes that do not come whole.

use protocol::control::{FailureCode, RawPath};
use web::{DownloadPart, FolderFormat};

use crate::support::{Answer, FILE, Fake, GOOD, READ_ONLY, Server, ask_with, exchange, key};

const ARCHIVE: &str = "/api/v1/archives/jerry_nextcloud_20260508";

fn path(rest: &str) -> String {
    format!("{ARCHIVE}{rest}")
}

async fn get(server: &Server, rest: &str, headers: &str) -> Answer {
    let headers = format!("{}{headers}", key(GOOD));
    ask_with(server.address, "GET", &path(rest), &headers, "").await
}

#[tokio::test]
async fn a_download_says_what_it_is_before_its_bytes() {
    let server = Server::start(Fake::new()).await;
    for (rest, kind, name) in [
        ("/download", "application/x-tar", "jerry_nextcloud_20260508.tar"),
        ("/file?path=a/text.html", "application/octet-stream", "text.html"),
    ] {
        let answer = get(&server, rest, "").await;
        assert_eq!((answer.status, answer.body.as_str()), (200, FILE), "{answer:?}");
        assert_eq!(answer.header("content-type"), Some(kind));
        assert_eq!(answer.header("content-length"), Some(&*FILE.len().to_string()));
        assert_eq!(answer.header("accept-ranges"), Some("bytes"));
        assert_eq!(answer.header("etag"), Some("\"a1\""));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let disposition = format!("attachment; filename=\"{name}\"");
        assert_eq!(answer.header("content-disposition"), Some(&*disposition));
        assert!(answer.header("vary").is_none() && answer.header("content-range").is_none());
    }
    for (format, kind) in [("tar", "application/x-tar"), ("zip", "application/zip")] {
        let answer = get(&server, &format!("/folder?path=a&format={format}"), "").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some(kind));
        assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
        assert_eq!(answer.header("accept-ranges"), Some("none"));
        assert!(answer.header("etag").is_none() && answer.header("content-length").is_none());
        let pieces: String = answer.body.lines().skip(1).step_by(2).collect();
        assert_eq!(pieces, FILE, "{answer:?}");
        assert!(answer.body.ends_with("0\r\n\r\n"), "{answer:?}");
    }
}

#[tokio::test]
async fn the_head_of_a_download_says_the_same_and_nothing_is_read() {
    let server = Server::start(Fake::new()).await;
    for (rest, bytes) in [
        ("/download", Some(FILE.len())),
        ("/file?path=a/text.html", Some(FILE.len())),
        ("/folder?path=a&format=zip", None),
    ] {
        // A range is of GET alone.
        let headers = format!("{}Range: bytes=1-2\r\n", key(GOOD));
        let head = ask_with(server.address, "HEAD", &path(rest), &headers, "").await;
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{head:?}");
        let told = bytes.map(|bytes| bytes.to_string());
        assert_eq!(head.header("content-length"), told.as_deref(), "{rest}");
        let same = get(&server, rest, "").await;
        for name in ["content-type", "content-disposition", "etag", "accept-ranges"] {
            assert_eq!(head.header(name), same.header(name), "{rest} {name}");
        }
    }
    assert_eq!(server.fake.opened(), 3, "the heads opened something");
}

#[tokio::test]
async fn a_range_is_a_part_and_one_behind_the_end_is_refused() {
    let server = Server::start(Fake::new()).await;
    let bytes = FILE.len();
    for (range, from, to) in [
        ("0-0", 0, 1),
        ("-1", bytes - 1, bytes),
        ("5-", 5, bytes),
        ("5-9", 5, 10),
        ("0-99999999999999999999999", 0, bytes),
        ("-18446744073709551616", 0, bytes),
    ] {
        let answer = get(&server, "/download", &format!("Range: bytes={range}\r\n")).await;
        assert_eq!((answer.status, answer.body.as_str()), (206, &FILE[from..to]), "{range}");
        let told = format!("bytes {from}-{}/{bytes}", to - 1);
        assert_eq!(answer.header("content-range"), Some(&*told));
        assert_eq!(answer.header("content-length"), Some(&*(to - from).to_string()));
    }
    let opened = server.fake.opened();
    for range in [format!("{bytes}-"), "-0".into(), "18446744073709551616-".into()] {
        let answer = get(&server, "/download", &format!("Range: bytes={range}\r\n")).await;
        answer.refused(416, "range_not_satisfiable");
        assert_eq!(answer.header("content-range"), Some(&*format!("bytes */{bytes}")));
    }
    assert_eq!(server.fake.opened(), opened);
    for range in ["bytes=0-1,3-4", "bytes=4-2", "bytes=x", "lines=0-1", "bytes=0-1-2"] {
        let answer = get(&server, "/download", &format!("Range: {range}\r\n")).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, FILE), "{range}");
    }
    let answer = get(&server, "/folder?path=a&format=tar", "Range: bytes=0-0\r\n").await;
    assert_eq!(answer.status, 200, "what has no size has no ranges");
}

#[tokio::test]
async fn a_range_of_what_has_changed_is_the_whole_and_what_a_client_has_is_not_sent() {
    let server = Server::start(Fake::new()).await;
    for (said, status) in [("\"a1\"", 206), ("\"b2\"", 200), ("W/\"a1\"", 200), ("nonsense", 200)] {
        let headers = format!("Range: bytes=0-0\r\nIf-Range: {said}\r\n");
        assert_eq!(get(&server, "/download", &headers).await.status, status, "{said}");
    }
    let opened = server.fake.opened();
    for said in ["\"a1\"", "*", "\"b2\", \"a1\""] {
        let headers = format!("If-None-Match: {said}\r\nAccept-Encoding: gzip\r\n");
        let answer = get(&server, "/file?path=a", &headers).await;
        assert_eq!((answer.status, answer.body.as_str()), (304, ""), "{said}");
        assert_eq!(answer.header("etag"), Some("\"a1\""));
    }
    assert_eq!(server.fake.opened(), opened);
    assert_eq!(get(&server, "/file?path=a", "If-None-Match: \"b2\"\r\n").await.status, 200);
}

#[tokio::test]
async fn what_is_asked_for_comes_to_the_node_and_garbage_does_not() {
    let server = Server::start(Fake::new()).await;
    let raw = |bytes: &[u8]| RawPath(bytes.to_vec());
    let folder = |path: &[u8], format| DownloadPart::Folder(raw(path), format);
    for (rest, part) in [
        ("/download", DownloadPart::Tar),
        ("/file?path=./a//b%20c", DownloadPart::File(raw(b"a/b c"))),
        ("/file?path=a%2fb", DownloadPart::File(raw(b"a/b"))),
        ("/file?path=caf%5Cxe9%5C%5C", DownloadPart::File(raw(b"caf\xe9\\"))),
        ("/file?path=%252e%252e", DownloadPart::File(raw(b"%2e%2e"))),
        ("/folder?path=a/b/&format=tar", folder(b"a/b", FolderFormat::Tar)),
        ("/folder?path=.&format=zip", folder(b".", FolderFormat::Zip)),
        ("/folder?path=&format=zip", folder(b".", FolderFormat::Zip)),
    ] {
        assert_eq!(get(&server, rest, "").await.status, 200, "{rest}");
        let download = server.fake.last_download();
        assert_eq!((download.part, download.archive.node_of), (part, None), "{rest}");
    }
    get(&server, "/download?node_of=tom", "").await;
    assert_eq!(server.fake.last_download().archive.node_of.unwrap().to_string(), "tom");
    let asked = server.fake.downloads();
    let deep = format!("/file?path={}", "a/".repeat(3_000) + "%2e%2e");
    for rest in [
        "/file",
        "/file?path=",
        "/file?path=.",
        "/file?path=..",
        "/file?path=a/../b",
        "/file?path=%2fetc/passwd",
        "/file?path=a%00b",
        "/file?path=a%5Cx00",
        "/file?path=%5Cxzz",
        "/file?path=a%5C",
        "/file?path=a%2f%2e%2e%2fb",
        "/file?path=a&path=b",
        "/file?path=a&x=1",
        "/folder?path=a",
        "/folder?path=a&format=rar",
        "/folder?path=a&format=",
        &deep,
        "/folder?path=../a&format=zip",
        "/folder?format=zip",
        "/folder?path=a&format=ZIP",
        "/download?path=a",
        "/download?node_of=..",
        "/download?node_of=",
    ] {
        get(&server, rest, "").await.refused(400, "invalid");
    }
    assert_eq!(server.fake.downloads(), asked, "garbage came to the node");
    server.ask("POST", &path("/download")).await.refused(405, "method_not_allowed");
    server.ask("GET", "/api/v1/archives/..%2f/download").await.refused(400, "invalid");
}

#[tokio::test]
async fn a_key_that_may_only_look_may_download_and_none_may_not() {
    let server = Server::start(Fake::new()).await;
    let with = ask_with(server.address, "GET", &path("/download"), &key(READ_ONLY), "").await;
    assert_eq!(with.status, 200);
    ask_with(server.address, "GET", &path("/download"), "", "").await.refused(401, "unauthorized");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_never_taken_for_the_whole() {
    let server = Server::start(Fake::new().breaking_off()).await;
    let whole = get(&server, "/download", "").await;
    assert_eq!(whole.header("content-length"), Some(&*FILE.len().to_string()));
    assert!(whole.body.len() < FILE.len() && FILE.starts_with(&whole.body), "{whole:?}");
    let folder = get(&server, "/folder?path=a&format=tar", "").await;
    assert_eq!(folder.header("transfer-encoding"), Some("chunked"));
    assert!(!folder.body.ends_with("0\r\n\r\n"), "it looks whole: {folder:?}");
    // Fewer bytes than were promised, without an error.
    let server = Server::start(Fake::new().ending_early()).await;
    let short = get(&server, "/download", "").await;
    assert!(short.body.len() < FILE.len(), "{short:?}");
    // The connection cannot be used on: what follows would be taken for the rest.
    let two = format!(
        "GET {0}/download HTTP/1.1\r\nHost: n\r\n{1}\r\nGET {0}/download HTTP/1.1\r\nHost: n\r\n{1}\r\n",
        ARCHIVE,
        key(GOOD)
    );
    let said = exchange(server.address, two.as_bytes()).await;
    assert_eq!(String::from_utf8_lossy(&said).matches("HTTP/1.1").count(), 1);
}

#[tokio::test]
async fn what_the_node_refuses_is_told_as_everything_and_too_many_come_later() {
    for (code, status, error) in [
        (FailureCode::NotFound, 404, "not_found"),
        (FailureCode::Invalid, 400, "invalid"),
        (FailureCode::Refused, 403, "refused"),
        (FailureCode::Unreachable, 502, "unreachable"),
        (FailureCode::Damaged, 500, "damaged"),
        (FailureCode::Busy, 503, "busy"),
    ] {
        let server = Server::start(Fake::failing(code)).await;
        let answer = get(&server, "/download", "").await;
        answer.refused(status, error);
        assert_eq!(answer.header("retry-after").is_some(), status == 503);
    }
}
