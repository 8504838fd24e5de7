//! Too much, too large, and bytes that are no HTTP.

use crate::support::{Answer, Fake, GOOD, Server, ask_with, exchange};

fn head(line: &str, headers: &str) -> String {
    format!(
        "{line}\r\nHost: node\r\nConnection: close\r\nX-BackupManager-Key: {GOOD}\r\n{headers}\r\n"
    )
}

async fn sent(server: &Server, text: &str) -> Answer {
    Answer::parse(&exchange(server.address, text.as_bytes()).await)
}

#[tokio::test]
async fn many_or_huge_headers_are_refused() {
    let server = Server::start(Fake::new()).await;
    let get = "GET /api/v1/health HTTP/1.1";
    let many: String = (0..98).map(|number| format!("X-{number}: y\r\n")).collect();
    sent(&server, &head(get, &many)).await.refused(431, "headers_too_large");
    let some: String = (0..90).map(|number| format!("X-{number}: y\r\n")).collect();
    sent(&server, &head(get, &some)).await.ok(200);
    let huge = format!("X-Huge: {}\r\n", "y".repeat(17 << 10));
    sent(&server, &head(get, &huge)).await.refused(431, "headers_too_large");
    let large = format!("X-Large: {}\r\n", "y".repeat(15 << 10));
    sent(&server, &head(get, &large)).await.ok(200);
    // Beyond what is parsed at all there is a status and no words.
    let far: String = (0..300).map(|number| format!("X-{number}: y\r\n")).collect();
    assert_eq!(sent(&server, &head(get, &far)).await.status, 431);
    let far = format!("X-Huge: {}\r\n", "y".repeat(100 << 10));
    assert_eq!(sent(&server, &head(get, &far)).await.status, 431);
}

#[tokio::test]
async fn a_long_path_is_refused() {
    let server = Server::start(Fake::new()).await;
    let path = format!("/api/v1/health?a={}", "b".repeat(9_000));
    server.ask("GET", &path).await.refused(414, "too_large");
}

#[tokio::test]
async fn a_body_has_a_bound_whether_or_not_its_size_is_told() {
    let server = Server::start(Fake::new()).await;
    let kind = "Content-Type: application/json\r\n";
    let told = head("POST /api/v1/jobs HTTP/1.1", &format!("{kind}Content-Length: 1048577\r\n"));
    sent(&server, &told).await.refused(413, "too_large");
    let most = head("POST /api/v1/jobs HTTP/1.1", &format!("{kind}Content-Length: 1048576\r\n"));
    sent(&server, &(most + &" ".repeat(1 << 20))).await.refused(400, "invalid");
    let chunked = format!("{kind}Transfer-Encoding: chunked\r\n");
    let mut untold = head("POST /api/v1/jobs HTTP/1.1", &chunked);
    for _ in 0..17 {
        untold.push_str(&format!("10000\r\n{}\r\n", " ".repeat(1 << 16)));
    }
    sent(&server, &untold).await.refused(413, "too_large");
}

#[tokio::test]
async fn a_body_must_be_json_and_say_so() {
    let server = Server::start(Fake::new()).await;
    let key = format!("X-BackupManager-Key: {GOOD}\r\n");
    for kind in ["", "Content-Type: text/plain\r\n", "Content-Type: multipart/form-data\r\n"] {
        let answer =
            ask_with(server.address, "POST", "/api/v1/jobs", &format!("{key}{kind}"), "{}").await;
        answer.refused(415, "unsupported_media_type");
    }
    let deep = "[".repeat(200_000);
    for body in ["{", "\u{0}", "{}{}", "{\"name\":\"\\ud800\"}", &deep] {
        server.send("POST", "/api/v1/jobs", body).await.refused(400, "invalid");
    }
    let bytes = head(
        "POST /api/v1/jobs HTTP/1.1",
        "Content-Type: application/json\r\nContent-Length: 2\r\n",
    );
    let bytes = [bytes.as_bytes(), b"\xff\xfe"].concat();
    Answer::parse(&exchange(server.address, &bytes).await).refused(400, "invalid");
}

#[tokio::test]
async fn half_a_body_is_not_carried_out() {
    let server = Server::start(Fake::new()).await;
    let text = head(
        "POST /api/v1/jobs HTTP/1.1",
        "Content-Type: application/json\r\nContent-Length: 100\r\n",
    ) + "{\"name\":\"w\"";
    let mut stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, text.as_bytes()).await.unwrap();
    drop(stream);
    server.ask("GET", "/api/v1/health").await.ok(200);
    let asked = server.fake.asked.lock().unwrap().clone();
    assert!(asked.iter().all(protocol::control::Request::only_looks), "{asked:?}");
}

#[tokio::test]
async fn a_request_with_two_sizes_is_none() {
    let server = Server::start(Fake::new()).await;
    let post = "POST /api/v1/jobs/3/run HTTP/1.1";
    for headers in [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5, 6\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Content-Length: 0x5\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: chunked, gzip\r\n",
        "Bad Name: x\r\n",
        "NoColon\r\n",
        " folded: x\r\n",
    ] {
        let answer = exchange(server.address, head(post, headers).as_bytes()).await;
        assert_eq!(Answer::parse(&answer).status, 400, "{headers}");
    }
    let asked = server.fake.asked.lock().unwrap().clone();
    assert_eq!(asked, [], "nothing of it was carried out");
}

#[tokio::test]
async fn what_is_no_http_is_refused_and_harms_nobody() {
    let server = Server::start(Fake::new()).await;
    let long = [b"GET /".to_vec(), vec![b'a'; 200_000]].concat();
    let garbage: [&[u8]; 8] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello by TLS\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET\r\n\r\n",
        b"\0\0\0\0\0\0\0\0\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\x00: y\r\n\r\n",
        b"GET / HTTP/1.1\nHost\x00: x\n\n",
        &long,
    ];
    for bytes in garbage {
        let answer = exchange(server.address, bytes).await;
        if !answer.is_empty() {
            let status = Answer::parse(&answer).status;
            assert!((400..500).contains(&status) || status == 505, "{status}");
        }
    }
    server.ask("GET", "/api/v1/health").await.ok(200);
}

#[tokio::test]
async fn garbage_behind_a_good_request_does_not_spoil_its_answer() {
    let server = Server::start(Fake::new()).await;
    let good =
        format!("GET /api/v1/health HTTP/1.1\r\nHost: node\r\nX-BackupManager-Key: {GOOD}\r\n\r\n");
    let both = format!("{good}{good}\x01\x02 garbage\r\n\r\n");
    let text = String::from_utf8(exchange(server.address, both.as_bytes()).await).unwrap();
    assert_eq!(text.matches("HTTP/1.1 200").count(), 2, "{text}");
    assert_eq!(text.matches("HTTP/1.1 400").count(), 1, "{text}");
    assert_eq!(text.matches("instance_name").count(), 2);
}

#[tokio::test]
async fn the_body_of_a_refused_request_is_not_read_as_the_next_one() {
    let server = Server::start(Fake::new()).await;
    let smuggled = format!(
        "POST /api/v1/jobs/3/run HTTP/1.1\r\nHost: n\r\nX-BackupManager-Key: {GOOD}\r\n\r\n"
    );
    let text = format!(
        "POST /api/v1/jobs HTTP/1.1\r\nHost: n\r\nContent-Length: {}\r\n\r\n{smuggled}",
        smuggled.len()
    );
    let mut stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let (mut all, mut part) = (Vec::new(), [0; 4_096]);
    tokio::io::AsyncWriteExt::write_all(&mut stream, text.as_bytes()).await.unwrap();
    tokio::io::AsyncWriteExt::shutdown(&mut stream).await.unwrap();
    while let Ok(count @ 1..) = tokio::io::AsyncReadExt::read(&mut stream, &mut part).await {
        all.extend(&part[..count]);
    }
    assert_eq!(String::from_utf8_lossy(&all).matches("HTTP/1.1 ").count(), 1);
    assert_eq!(server.fake.asked.lock().unwrap().clone(), []);
}
