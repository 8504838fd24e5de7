//! The calls of the contract that this node makes.

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::Method;
use protocol::control::{ApiKey, CertificatePin, InstanceUrl};
use serde_json::{Value, json};

use super::{
    Archive, ClientError, Health, Job, PartBody, Patience, Run, Started, Upload,
    answers::{self, Odd},
    http::{Call, Line},
    tls,
};

/// The largest answer to a short question.
const SHORT_BYTES_MAX: usize = 1 << 20;

/// The largest list of jobs or runs.
const LIST_BYTES_MAX: usize = 8 << 20;

/// The largest list of archives: some ten thousand.
const ARCHIVES_BYTES_MAX: usize = 16 << 20;

/// An upload to be begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewUpload {
    /// What the file is called.
    pub filename: String,
    /// How large it is.
    pub total_bytes: u64,
    /// How large each part shall be, except the last.
    pub part_bytes: u64,
    /// SHA-256 of all of it, hex.
    pub sha256: String,
}

/// One instance, as its caller sees it. Making one connects to nothing.
pub struct Client(Line);

impl Client {
    /// A caller of an instance.
    ///
    /// # Errors
    /// When an encrypted connection is wanted and this machine cannot make any.
    pub fn new(
        url: InstanceUrl,
        key: ApiKey,
        pin: Option<&CertificatePin>,
        patience: Patience,
    ) -> Result<Self, ClientError> {
        let tls = url.is_encrypted().then(|| tls::config(pin)).transpose()?;
        Ok(Self(Line { url, key, tls, patience }))
    }

    /// How it is.
    ///
    /// # Errors
    /// Of any call: see [`ClientError`].
    pub async fn health(&self) -> Result<Health, ClientError> {
        let answer = self.get("GET /health", "/health", SHORT_BYTES_MAX).await?;
        self.read("GET /health", answers::health(&answer))
    }

    /// Its jobs.
    ///
    /// # Errors
    /// Of any call.
    pub async fn jobs(&self) -> Result<Vec<Job>, ClientError> {
        let answer = self.get("GET /jobs", "/jobs", LIST_BYTES_MAX).await?;
        self.read("GET /jobs", answers::jobs(&answer))
    }

    /// The newest runs of one of its jobs.
    ///
    /// # Errors
    /// Of any call.
    pub async fn runs(&self, job: u64, limit: u32) -> Result<Vec<Run>, ClientError> {
        let path = format!("/jobs/{job}/runs?limit={limit}");
        let answer = self.get("GET /jobs/{id}/runs", &path, LIST_BYTES_MAX).await?;
        self.read("GET /jobs/{id}/runs", answers::runs(&answer))
    }

    /// Has it run one of its jobs.
    ///
    /// # Errors
    /// Of any call; 409 when that job runs already.
    pub async fn run(&self, job: u64) -> Result<Started, ClientError> {
        let answer = self.post("POST /jobs/{id}/run", &format!("/jobs/{job}/run"), None).await?;
        Ok(answers::started(&answer))
    }

    /// Its archives.
    ///
    /// # Errors
    /// Of any call.
    pub async fn archives(&self) -> Result<Vec<Archive>, ClientError> {
        let answer = self.get("GET /archives", "/archives", ARCHIVES_BYTES_MAX).await?;
        self.read("GET /archives", answers::archives(&answer))
    }

    /// Begins an upload; the answer has an id.
    ///
    /// # Errors
    /// Of any call.
    pub async fn upload_start(&self, new: &NewUpload) -> Result<Upload, ClientError> {
        const CALL: &str = "POST /archives/upload/start";
        let body = json!({
            "filename": new.filename,
            "total_size": new.total_bytes,
            "chunk_size": new.part_bytes,
            "checksum": new.sha256,
        });
        let answer = self.post(CALL, "/archives/upload/start", Some(&body)).await?;
        let upload = self.read(CALL, answers::upload(&answer))?;
        if upload.id.is_none() {
            return Err(self.odd(CALL, "the upload has no id"));
        }
        Ok(upload)
    }

    /// Which parts an upload has.
    ///
    /// # Errors
    /// Of any call; 404 or 405 where this call does not exist.
    pub async fn upload_show(&self, id: &str) -> Result<Upload, ClientError> {
        const CALL: &str = "GET /archives/upload/{id}";
        let answer = self.get(CALL, &format!("/archives/upload/{id}"), SHORT_BYTES_MAX).await?;
        self.read(CALL, answers::upload(&answer))
    }

    /// Sends one part.
    ///
    /// # Errors
    /// Of any call, and when the body ends too early.
    pub async fn upload_part(
        &self,
        id: &str,
        number: u32,
        body: PartBody,
    ) -> Result<(), ClientError> {
        let path = format!("/archives/upload/{id}/chunk/{number}");
        let call = self.call(Method::POST, &path, SHORT_BYTES_MAX);
        let patience = self.0.patience.part;
        self.0.ask(Call { body: Either::Right(body), patience, ..call }).await.map(drop)
    }

    /// Has an upload checked and taken in.
    ///
    /// # Errors
    /// Of any call; 409 when parts are missing, 422 when the bytes are not those of the checksum.
    pub async fn upload_finish(&self, id: &str) -> Result<Upload, ClientError> {
        const CALL: &str = "POST /archives/upload/{id}/finish";
        let call =
            self.call(Method::POST, &format!("/archives/upload/{id}/finish"), SHORT_BYTES_MAX);
        let call = Call { patience: self.0.patience.finish, ..call };
        let answer = self.0.ask(call).await?;
        // Who has taken it in may answer with as little as it likes.
        let json = self.json(CALL, &answer).unwrap_or(Value::Null);
        let archive = json.get("archive").filter(|archive| archive.is_object()).unwrap_or(&json);
        let upload = answers::upload(archive).unwrap_or_default();
        let total_bytes = archive.get("size_bytes").and_then(Value::as_u64).or(upload.total_bytes);
        Ok(Upload { total_bytes, ..upload })
    }

    /// Drops an upload.
    ///
    /// # Errors
    /// Of any call.
    pub async fn upload_cancel(&self, id: &str) -> Result<(), ClientError> {
        let path = format!("/archives/upload/{id}");
        self.0.ask(self.call(Method::DELETE, &path, SHORT_BYTES_MAX)).await.map(drop)
    }

    async fn get(
        &self,
        call: &'static str,
        path: &str,
        bytes_max: usize,
    ) -> Result<Value, ClientError> {
        let answer = self.0.ask(self.call(Method::GET, path, bytes_max)).await?;
        self.json(call, &answer)
    }

    async fn post(
        &self,
        call: &'static str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, ClientError> {
        let mut asked = self.call(Method::POST, path, SHORT_BYTES_MAX);
        if let Some(body) = body {
            asked.body = Either::Left(Full::new(Bytes::from(body.to_string())));
            asked.is_json = true;
        }
        let answer = self.0.ask(asked).await?;
        self.json(call, &answer)
    }

    fn call(&self, method: Method, path: &str, answer_bytes_max: usize) -> Call {
        Call {
            method,
            path: self.0.url.api_path(path),
            body: Either::Left(Full::default()),
            is_json: false,
            patience: self.0.patience.answer,
            answer_bytes_max,
        }
    }

    fn json(&self, call: &'static str, answer: &[u8]) -> Result<Value, ClientError> {
        // The error of the parser says where, and repeats nothing.
        serde_json::from_slice(answer).map_err(|error| ClientError::Malformed {
            host: self.0.host(),
            call,
            why: format!("no JSON at line {}, column {}", error.line(), error.column()),
        })
    }

    fn read<T>(&self, call: &'static str, read: Result<T, Odd>) -> Result<T, ClientError> {
        read.map_err(|odd| self.odd(call, odd))
    }

    fn odd(&self, call: &'static str, odd: Odd) -> ClientError {
        ClientError::Malformed { host: self.0.host(), call, why: odd.to_owned() }
    }

    /// The instance says what cannot be.
    #[must_use]
    pub fn lie(&self, why: impl AsRef<str>) -> ClientError {
        ClientError::Lie { host: self.0.host(), why: self.0.cut(why.as_ref()) }
    }
}
