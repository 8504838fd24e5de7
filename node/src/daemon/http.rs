//! The daemon, as the HTTP interface sees it.
//!
//! `web` checks who a client is and what its words mean; here the request goes the way of every
//! other: validated, allowed or refused, carried out in a task of its own by the one [`Handler`].
//! A client that hangs up ends only what is of no use without it.

mod may;
pub(super) mod server;

use std::{fmt, sync::Arc};

use protocol::{
    control::{ApiKey, Asked, Event, Failure, FailureCode, NodeRef, Reply, Request, UploadReport},
    news::Part,
};
use tokio::{
    sync::{Semaphore, watch},
    time::timeout,
};
use tracing::{info, warn};
use web::{Access, Download, Downloaded, Later, PartBody, Said, Tell};

pub(super) use self::may::may;
use super::{
    downloads::{self, DOWNLOADS_MAX},
    failure::db_failure,
    node::{Node, blocking},
    uploads,
};
use crate::socket::{self, Caller, Cancel, Handler, HttpCaller, STOP_WAIT, Work};

/// Requests of HTTP clients at work at once. Most are answered in a millisecond; those that wait
/// for the end of a run have a task and little else.
pub(super) const HTTP_REQUESTS_MAX: u32 = 256;

/// What `web` asks.
pub(super) struct Behind<H> {
    handler: Arc<H>,
    node: Arc<Node>,
    room: Arc<Semaphore>,
    downloads: Arc<Semaphore>,
    stop: Cancel,
}

impl<H: Handler> Behind<H> {
    /// When `stop` is asked, so is everything at work.
    pub(super) fn new(handler: Arc<H>, node: Arc<Node>, stop: Cancel) -> Self {
        let room = Arc::new(Semaphore::new(HTTP_REQUESTS_MAX as usize));
        let downloads = Arc::new(Semaphore::new(DOWNLOADS_MAX));
        Self { handler, node, room, downloads, stop }
    }

    /// Waits a little until nothing is at work any more.
    pub(super) async fn ended(&self) {
        if timeout(STOP_WAIT, self.room.acquire_many(HTTP_REQUESTS_MAX)).await.is_err() {
            let requests = HTTP_REQUESTS_MAX as usize - self.room.available_permits();
            warn!(requests, "requests of HTTP clients did not stop in time");
        }
    }
}

impl<H: Handler> Behind<H> {
    fn carry_out(
        &self,
        access: Access,
        asked: Asked,
        tell: Option<Tell>,
    ) -> Later<Result<Reply, Failure>> {
        let (handler, stop, room) = (&self.handler, self.stop.clone(), Arc::clone(&self.room));
        let handler = Arc::clone(handler);
        Box::pin(async move {
            let Asked { of, request } = &asked;
            socket::validate(request)?;
            let place = room.try_acquire_owned().map_err(|_| crowded())?;
            let key = access.key.to_string();
            let caller = Caller::Http(HttpCaller { key, read_only: access.read_only });
            if !request.only_looks() && may(&caller, request).is_ok() {
                info!(
                    key.id = &*access.key,
                    request = word_of(request),
                    node = of.as_ref().map(ToString::to_string),
                    "a client changes something"
                );
            }
            let work = Work::start(handler, caller, asked, stop, place);
            work.told(|event: Event| {
                if let Some(tell) = &tell {
                    tell(event);
                }
            })
            .await
        })
    }
}

impl<H: Handler> web::Backend for Behind<H> {
    fn ask(
        &self,
        access: Access,
        request: Request,
        tell: Option<Tell>,
    ) -> Later<Result<Reply, Failure>> {
        self.carry_out(access, request.into(), tell)
    }

    fn key(&self, key: ApiKey) -> Later<Option<Access>> {
        let keys = Arc::clone(&self.node.api_keys);
        Box::pin(async move {
            let checked = keys.check(key).await?;
            let access = Access { key: checked.id.into(), read_only: checked.read_only };
            (!checked.metrics_only).then_some(access)
        })
    }

    fn keys_epoch(&self) -> u64 {
        self.node.api_keys.epoch()
    }

    fn put_part(
        &self,
        access: Access,
        upload: String,
        number: u32,
        bytes: Option<u64>,
        body: PartBody,
    ) -> Later<Result<UploadReport, Failure>> {
        if access.read_only {
            return Box::pin(async { Err(may::only_looks()) });
        }
        let (node, room) = (Arc::clone(&self.node), Arc::clone(&self.room));
        let stop = self.stop.clone();
        Box::pin(async move {
            let place = room.try_acquire_owned().map_err(|_| crowded())?;
            tokio::select! {
                taken = uploads::put_part(node, upload, number, bytes, body, place) => taken,
                () = stop.wait() => Err(stopping()),
            }
        })
    }

    fn read(&self, _: Access, download: Download) -> Later<Result<Downloaded, Failure>> {
        let (node, room) = (Arc::clone(&self.node), Arc::clone(&self.room));
        let downloads = Arc::clone(&self.downloads);
        Box::pin(async move {
            let place = (
                downloads.try_acquire_owned().map_err(|_| crowded_by_downloads())?,
                room.try_acquire_owned().map_err(|_| crowded())?,
            );
            downloads::find(node, download, place).await
        })
    }

    fn metrics_key(&self, key: ApiKey) -> Later<Option<Access>> {
        let keys = Arc::clone(&self.node.api_keys);
        Box::pin(async move {
            let checked = keys.check(key).await?;
            Some(Access { key: checked.id.into(), read_only: true })
        })
    }

    fn news_start(&self) -> u64 {
        self.node.news.start()
    }

    fn news(&self, place: u64, count_max: usize) -> Part {
        self.node.news.after(place, count_max)
    }

    fn newest(&self) -> u64 {
        self.node.news.newest()
    }

    fn clock(&self) -> watch::Receiver<u64> {
        self.node.news.clock()
    }

    fn said(&self, run: u64, line: u64) -> Later<Result<Option<Said>, Failure>> {
        let node = Arc::clone(&self.node);
        Box::pin(blocking(move || {
            let said = node.runs.said_after(run, line);
            let said = said.map_err(|error| db_failure("cannot read the transcript", &error))?;
            Ok(said.map(|(lines, ended)| Said { lines, ended }))
        }))
    }

    fn said_clock(&self) -> watch::Receiver<u64> {
        self.node.runs.said()
    }

    fn answered(&self, status: u16) {
        self.node.http_answers.count(status);
    }

    fn ask_of(
        &self,
        access: Access,
        node: NodeRef,
        request: Request,
        tell: Option<Tell>,
    ) -> Later<Result<Reply, Failure>> {
        self.carry_out(access, Asked { of: Some(node), request }, tell)
    }
}

/// What a request is called, without anything that it says: that may be secret.
pub(super) fn word_of(request: &Request) -> String {
    struct FirstWord(String);
    impl fmt::Write for FirstWord {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            let end = text.find(|c: char| !c.is_ascii_alphanumeric());
            self.0.push_str(&text[..end.unwrap_or(text.len())]);
            // An error ends the writing.
            end.map_or(Ok(()), |_| Err(fmt::Error))
        }
    }
    let mut word = FirstWord(String::new());
    let _ = fmt::Write::write_fmt(&mut word, format_args!("{request:?}"));
    word.0
}

fn stopping() -> Failure {
    Failure::new(FailureCode::Cancelled, "cannot take the part", "the node stops")
        .hint("send it again when the node is back; other parts are kept")
}

fn crowded() -> Failure {
    let why = format!("{HTTP_REQUESTS_MAX} other requests are at work");
    Failure::new(FailureCode::Busy, "cannot do what was asked", why).hint("try again later")
}

fn crowded_by_downloads() -> Failure {
    let why = format!("{DOWNLOADS_MAX} other downloads are at work");
    Failure::new(FailureCode::Busy, "cannot begin the download", why).hint("try again later")
}

#[cfg(test)]
mod many;
#[cfg(test)]
mod tests;
