use std::sync::{Arc, Mutex};

use axum::{body::Body, http::header};
use http_body_util::BodyExt as _;
use protocol::{
    Time,
    control::{ApiKey, Failure, FailureCode, NodeRef},
    news::Part,
};
use serde_json::Value;
use tokio::sync::watch;
use tower::ServiceExt as _;

use super::*;
use crate::{Access, Backend, Later, PartBody, Said, State, Tell};

/// A part: its number, how long it was said to be, its bytes.
type Put = (u32, Option<u64>, Vec<u8>);

/// A node that has one upload of three parts, of which the last is missing.
#[derive(Default)]
struct Fake {
    asked: Mutex<Vec<Request>>,
    parts: Mutex<Vec<Put>>,
    refuse: Mutex<Option<Failure>>,
}

fn upload() -> UploadReport {
    UploadReport {
        id: "u-1".to_owned(),
        start: UploadStart {
            filename: "a.tar".to_owned(),
            total_bytes: 10,
            part_bytes: 4,
            sha256: "00".repeat(32),
        },
        parts: 3,
        received: 2,
        missing: vec![2],
        state: UploadState::InProgress,
        started_ms: Time(1_778_209_200_000),
        expires_ms: Time(1_778_295_600_000),
        archive: None,
        failure: None,
    }
}

impl Backend for Fake {
    fn ask(&self, _: Access, asked: Request, _: Option<Tell>) -> Later<Result<Reply, Failure>> {
        let refused = match asked {
            Request::UploadShow { .. } => None,
            _ => self.refuse.lock().unwrap().clone(),
        };
        let reply = match asked {
            Request::UploadList => Reply::Uploads(vec![upload()]),
            Request::UploadCancel { .. } => Reply::Done,
            _ => Reply::Upload(Box::new(upload())),
        };
        self.asked.lock().unwrap().push(asked);
        Box::pin(async { refused.map_or(Ok(reply), Err) })
    }

    fn key(&self, _: ApiKey) -> Later<Option<Access>> {
        Box::pin(async { None })
    }

    fn keys_epoch(&self) -> u64 {
        0
    }

    fn put_part(
        &self,
        _: Access,
        _: String,
        number: u32,
        bytes: Option<u64>,
        mut body: PartBody,
    ) -> Later<Result<UploadReport, Failure>> {
        // Small bodies are there at once.
        let mut came = Vec::new();
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        loop {
            match body.as_mut().poll_next(&mut cx) {
                std::task::Poll::Ready(Some(Ok(bytes))) => came.extend_from_slice(&bytes),
                std::task::Poll::Ready(Some(Err(error))) => {
                    let failure = Failure::new(FailureCode::Invalid, "cannot take it", error);
                    return Box::pin(async { Err(failure) });
                }
                std::task::Poll::Ready(None) => break,
                std::task::Poll::Pending => panic!("a small body waits"),
            }
        }
        self.parts.lock().unwrap().push((number, bytes, came));
        Box::pin(async { Ok(upload()) })
    }

    fn read(&self, _: Access, _: crate::Download) -> Later<Result<crate::Downloaded, Failure>> {
        Box::pin(async { Err(Failure::new(FailureCode::NotFound, "cannot read it", "none")) })
    }
    fn metrics_key(&self, _: ApiKey) -> Later<Option<Access>> {
        Box::pin(async { None })
    }

    fn news_start(&self) -> u64 {
        0
    }

    fn news(&self, place: u64, _: usize) -> Part {
        Part::Next { news: Vec::new(), place }
    }

    fn newest(&self) -> u64 {
        0
    }

    fn clock(&self) -> watch::Receiver<u64> {
        watch::Sender::new(0).subscribe()
    }

    fn said(&self, _: u64, _: u64) -> Later<Result<Option<Said>, Failure>> {
        Box::pin(async { Ok(None) })
    }

    fn said_clock(&self) -> watch::Receiver<u64> {
        watch::Sender::new(0).subscribe()
    }

    fn answered(&self, _: u16) {}

    fn ask_of(
        &self,
        _: Access,
        node: NodeRef,
        request: Request,
        _: Option<crate::Tell>,
    ) -> Later<Result<Reply, Failure>> {
        panic!("{request:?} was asked of {node}")
    }
}

struct Answer {
    status: u16,
    place: Option<String>,
    json: Value,
}

impl Fake {
    async fn send(
        self: &Arc<Self>,
        line: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        self.send_with(false, line, headers, body).await
    }

    async fn send_with(
        self: &Arc<Self>,
        read_only: bool,
        line: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let backend: Arc<dyn Backend> = Arc::<Self>::clone(self);
        let stopping = watch::Sender::new(false).subscribe();
        let router = routes().served().with_state(State::new(backend, stopping).unwrap());
        let (method, path) = line.split_once(' ').unwrap();
        let mut request = HttpRequest::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(body.into()).unwrap();
        request.extensions_mut().insert(Access { key: "01234567".into(), read_only });
        let response = router.oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let place = response.headers().get(header::LOCATION);
        let place = place.map(|place| place.to_str().unwrap().to_owned());
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let json = serde_json::from_slice(&bytes).unwrap_or_default();
        Answer { status, place, json }
    }

    fn asked(&self) -> Vec<Request> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn an_upload_is_begun_with_the_words_of_000() {
    let fake = Arc::new(Fake::default());
    let sum = "00".repeat(32);
    let body = json!({ "filename": "a.tar", "total_size": 10, "checksum": sum });
    let begun = fake.send("POST /archives/upload/start", &[JSON], body.to_string()).await;
    assert_eq!(begun.status, 201, "{}", begun.json);
    assert_eq!(begun.place.as_deref(), Some("/api/v1/archives/upload/u-1"));
    let told = json!({
        "upload_id": "u-1", "filename": "a.tar", "total_size": 10, "chunk_size": 4, "chunks": 3,
        "chunks_received": 2, "missing": [2], "checksum": sum, "status": "in_progress",
        "started_at": "2026-05-08T03:00:00.000+00:00",
        "expires_at": "2026-05-09T03:00:00.000+00:00",
        "archive_name": null, "failure": null,
    });
    assert_eq!(begun.json, told);
    let Some(Request::UploadStart(start)) = fake.asked().pop() else { panic!("not asked") };
    assert_eq!((start.part_bytes, start.total_bytes), (50_000_000, 10));
    for wrong in [
        json!({}),
        json!({ "filename": "a.tar", "total_size": 10 }),
        json!({ "filename": "a.tar", "total_size": -1, "checksum": sum }),
        json!({ "filename": "a.tar", "total_size": "10", "checksum": sum }),
        json!({ "filename": "a.tar", "total_size": 10, "checksum": sum, "chunks": 1 }),
        json!([]),
    ] {
        let refused = fake.send("POST /archives/upload/start", &[JSON], wrong.to_string()).await;
        assert_eq!((refused.status, &refused.json["error"]), (400, &json!("invalid")), "{wrong}");
    }
    assert!(fake.asked().is_empty());
    let form = [("content-type", "text/plain")];
    assert_eq!(fake.send("POST /archives/upload/start", &form, "x").await.status, 415);
}

#[tokio::test]
async fn a_part_is_the_body_or_the_file_of_a_form() {
    let fake = Arc::new(Fake::default());
    for kind in [None, Some("application/octet-stream"), Some("application/json"), Some("x")] {
        let kind: Vec<_> = kind.iter().map(|kind| ("content-type", *kind)).collect();
        let headers = [&kind[..], &[("content-length", "4")]].concat();
        let put = fake.send("POST /archives/upload/u-1/chunk/1", &headers, "data").await;
        assert_eq!((put.status, &put.json["chunks_received"]), (200, &json!(2)));
    }
    let form = "--B\r\nContent-Disposition: form-data; name=chunk; filename=c\r\n\r\ndata\r\n--B--";
    let kind = [("content-type", "multipart/form-data; boundary=B")];
    assert_eq!(fake.send("POST /archives/upload/u-1/chunk/1", &kind, form).await.status, 200);
    let parts = std::mem::take(&mut *fake.parts.lock().unwrap());
    let raw = (1, Some(4), b"data".to_vec());
    let of_form = (1, None, b"data".to_vec());
    assert_eq!(parts, [raw.clone(), raw.clone(), raw.clone(), raw, of_form]);
    for broken in
        ["", "x", "--B--", &form[..form.len() - 1], &form.replace("chunk; filename", "x; y")]
    {
        let refused =
            fake.send("POST /archives/upload/u-1/chunk/1", &kind, broken.to_owned()).await;
        assert_eq!(refused.status, 400, "{broken:?}");
    }
    let unsaid = [("content-type", "multipart/form-data")];
    assert_eq!(fake.send("POST /archives/upload/u-1/chunk/1", &unsaid, form).await.status, 400);
    for number in ["-1", "x", "4294967296", "1.0"] {
        let line = format!("POST /archives/upload/u-1/chunk/{number}");
        assert_eq!(fake.send(&line, &[], "data").await.status, 400, "{number}");
    }
    let line = "POST /archives/upload/u-1/chunk/1";
    assert_eq!(fake.send_with(true, line, &[], "data").await.status, 403);
    assert!(fake.parts.lock().unwrap().is_empty());
}

#[tokio::test]
async fn finishing_too_early_says_which_parts_are_missing() {
    let fake = Arc::new(Fake::default());
    let refuse = |code| Failure::new(code, "cannot finish the upload", "no").hint("do");
    *fake.refuse.lock().unwrap() = Some(refuse(FailureCode::Conflict));
    let early = fake.send("POST /archives/upload/u-1/finish", &[], "").await;
    let told = json!({
        "error": "conflict", "message": "cannot finish the upload: no", "hint": "do", "missing": [2],
    });
    assert_eq!((early.status, early.json), (409, told));
    *fake.refuse.lock().unwrap() = Some(refuse(FailureCode::Mismatch));
    let wrong = fake.send("POST /archives/upload/u-1/finish", &[], "").await;
    assert_eq!((wrong.status, &wrong.json["error"]), (422, &json!("mismatch")));
    assert!(wrong.json.get("missing").is_none());
    *fake.refuse.lock().unwrap() = Some(refuse(FailureCode::NotFound));
    assert_eq!(fake.send("DELETE /archives/upload/u-1", &[], "").await.status, 404);
}

#[tokio::test]
async fn an_upload_is_looked_at_listed_and_dropped() {
    let fake = Arc::new(Fake::default());
    let shown = fake.send("GET /archives/upload/u-1", &[], "").await;
    assert_eq!((shown.status, &shown.json["missing"]), (200, &json!([2])));
    let listed = fake.send("GET /uploads", &[], "").await;
    assert_eq!((listed.status, &listed.json["uploads"][0]), (200, &shown.json));
    assert_eq!(fake.send("DELETE /archives/upload/u-1", &[], "").await.status, 200);
    let asked = fake.asked();
    assert!(matches!(&asked[2], Request::UploadCancel { upload } if upload == "u-1"), "{asked:?}");
    for line in [
        "POST /archives/upload/start",
        "POST /archives/upload/u-1/finish",
        "DELETE /archives/upload/u-1",
    ] {
        let body = json!({ "filename": "a.tar", "total_size": 10, "checksum": "0" }).to_string();
        assert_eq!(fake.send_with(true, line, &[JSON], body).await.status, 403, "{line}");
    }
    assert!(fake.asked().is_empty());
}
