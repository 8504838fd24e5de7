use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    path::Path,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use protocol::{
    Time,
    control::{
        ApiKey, ArchiveRestore, Event, Failure, FailureCode, Happened, NodeRef, Progress, RawPath,
        Reply, Request, TranscriptLine, UploadReport,
    },
    news::{Part, Ring},
};
use tokio::{
    net::{TcpListener, UnixListener},
    sync::{Semaphore, oneshot, watch},
    task::JoinHandle,
};
use web::{
    Access, Backend, Download, DownloadPart, Downloaded, Later, Listener, PartBody, Said, Tell,
};

use super::world;

/// A key that may do everything.
pub(crate) const GOOD: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// A key that may read the metrics.
pub(crate) const METRICS: &str = "77112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// Which start of the node it is.
pub(crate) const START: u64 = 0xab;

/// A key that may only look.
pub(crate) const READ_ONLY: &str =
    "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// What every file and folder has.
pub(crate) const FILE: &str = "all of what was asked for, and every part of it";

type Script = Box<dyn Fn(&Request) -> Option<Result<Reply, Failure>> + Send + Sync>;

/// A node that answers as [`world`] says, unless the test says otherwise.
pub(crate) struct Fake {
    pub(crate) keys: Mutex<BTreeMap<String, bool>>,
    pub(crate) epoch: AtomicU64,
    /// How many keys were checked.
    pub(crate) checks: AtomicU64,
    /// Everything that was asked.
    pub(crate) asked: Mutex<Vec<Request>>,
    /// Of which members something was asked, in that order.
    pub(crate) asked_of: Mutex<Vec<NodeRef>>,
    /// Checks of keys wait for it.
    pub(crate) check_places: Arc<Semaphore>,
    /// Runs and restores wait for it, after the first event.
    pub(crate) work_places: Arc<Semaphore>,
    /// All that was to be downloaded.
    downloads: Mutex<Vec<Download>>,
    /// How many of them were read.
    opened: Arc<AtomicU64>,
    /// How many pieces of a file come, and whether an error does then.
    broken: Option<(usize, bool)>,
    /// What happened there.
    pub(crate) ring: Mutex<Ring>,
    pub(crate) clock: watch::Sender<u64>,
    /// What its run says, and how it ended.
    pub(crate) said: Mutex<Said>,
    pub(crate) said_clock: watch::Sender<u64>,
    /// Every status that was answered.
    pub(crate) answered: Mutex<Vec<u16>>,
    script: Script,
}

impl Fake {
    pub(crate) fn new() -> Self {
        Self::saying(|_| None)
    }

    /// A node that answers some requests otherwise.
    pub(crate) fn saying(
        script: impl Fn(&Request) -> Option<Result<Reply, Failure>> + Send + Sync + 'static,
    ) -> Self {
        let keys = [(GOOD.to_owned(), false), (READ_ONLY.to_owned(), true)].into();
        Self {
            keys: Mutex::new(keys),
            epoch: AtomicU64::new(1),
            checks: AtomicU64::new(0),
            asked: Mutex::default(),
            asked_of: Mutex::default(),
            check_places: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            work_places: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            downloads: Mutex::default(),
            opened: Arc::default(),
            broken: None,
            ring: Mutex::default(),
            clock: watch::Sender::new(0),
            said: Mutex::new(Said { lines: Vec::new(), ended: None }),
            said_clock: watch::Sender::new(0),
            answered: Mutex::default(),
            script: Box::new(script),
        }
    }

    /// Something happens.
    pub(crate) fn tell(&self, what: Happened) {
        let mut ring = self.ring.lock().unwrap();
        ring.tell(what, Time(1_778_209_200_000));
        let newest = ring.newest();
        drop(ring);
        self.clock.send_replace(newest);
    }

    /// Its run says something.
    pub(crate) fn say(&self, text: &str) {
        let lines = &mut self.said.lock().unwrap().lines;
        let number = lines.last().map_or(1, |(number, _)| number + 1);
        lines.push((number, TranscriptLine { at_ms: Time(0), text: text.to_owned() }));
        self.said_clock.send_modify(|said| *said += 1);
    }

    /// No longer takes a key.
    pub(crate) fn revoke(&self, key: &str) {
        self.keys.lock().unwrap().remove(key);
        self.epoch.fetch_add(1, Ordering::SeqCst);
        self.clock.send_modify(|_| {});
    }

    /// A node that refuses everything that is asked for.
    pub(crate) fn failing(code: FailureCode) -> Self {
        Self::saying(move |_| Some(Err(Failure::new(code, "cannot do it", "for a reason"))))
    }

    pub(crate) fn holding_work(mut self) -> Self {
        self.work_places = Arc::new(Semaphore::new(0));
        self
    }

    /// A node whose downloads end in the middle, with an error.
    pub(crate) fn breaking_off(mut self) -> Self {
        self.broken = Some((2, true));
        self
    }

    /// A node whose downloads end in the middle, as if that were the end.
    pub(crate) fn ending_early(mut self) -> Self {
        self.broken = Some((2, false));
        self
    }

    pub(crate) fn downloads(&self) -> usize {
        self.downloads.lock().unwrap().len()
    }

    pub(crate) fn last_download(&self) -> Download {
        self.downloads.lock().unwrap().last().unwrap().clone()
    }

    pub(crate) fn opened(&self) -> u64 {
        self.opened.load(Ordering::SeqCst)
    }

    /// The last thing that was asked.
    pub(crate) fn last(&self) -> Request {
        self.asked.lock().unwrap().last().unwrap().clone()
    }
}

impl Backend for Fake {
    fn ask(
        &self,
        _: Access,
        request: Request,
        tell: Option<Tell>,
    ) -> Later<Result<Reply, Failure>> {
        let reply = (self.script)(&request).unwrap_or_else(|| world::reply(&request));
        let works = matches!(
            request,
            Request::ArchiveRestore(ArchiveRestore { plan: false, .. }) | Request::StoreStats
        );
        self.asked.lock().unwrap().push(request);
        let places = Arc::clone(&self.work_places);
        Box::pin(async move {
            if works && reply.is_ok() {
                if let Some(tell) = tell {
                    tell(Event::Progress(Progress {
                        what: "files".to_owned(),
                        done: 1,
                        total: Some(4),
                        ..Progress::default()
                    }));
                    tell(Event::Line { text: "make the account shop".to_owned() });
                    let (what, why) = ("a.txt".to_owned(), "it has no owner".to_owned());
                    tell(Event::Warning { what, why });
                }
                let _place = places.acquire().await.unwrap();
            }
            reply
        })
    }

    fn key(&self, key: ApiKey) -> Later<Option<Access>> {
        self.checks.fetch_add(1, Ordering::SeqCst);
        let read_only = self.keys.lock().unwrap().get(key.reveal()).copied();
        let places = Arc::clone(&self.check_places);
        Box::pin(async move {
            let _place = places.acquire().await.unwrap();
            Some(Access { key: key.id().into(), read_only: read_only? })
        })
    }

    fn keys_epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    fn put_part(
        &self,
        _: Access,
        _: String,
        _: u32,
        _: Option<u64>,
        _: PartBody,
    ) -> Later<Result<UploadReport, Failure>> {
        Box::pin(async {
            Err(Failure::new(FailureCode::NotFound, "cannot take a part", "there is no upload"))
        })
    }

    fn read(&self, _: Access, download: Download) -> Later<Result<Downloaded, Failure>> {
        let refused = (self.script)(&Request::ArchiveInfo(download.archive.clone()));
        let name = match &download.part {
            DownloadPart::Tar => format!("{}.tar", download.archive.name),
            DownloadPart::File(path) | DownloadPart::Folder(path, _) => {
                path.to_string().rsplit('/').next().unwrap().to_owned()
            }
        };
        let is_folder = matches!(download.part, DownloadPart::Folder(..));
        self.downloads.lock().unwrap().push(download);
        let (opened, broken) = (Arc::clone(&self.opened), self.broken);
        let found = Downloaded {
            name: RawPath(name.into_bytes()),
            bytes: (!is_folder).then_some(FILE.len() as u64),
            tag: (!is_folder).then(|| "a1".to_owned()),
            open: Box::new(move |part| {
                opened.fetch_add(1, Ordering::SeqCst);
                let (from, to) = (part.start as usize, part.end.min(FILE.len() as u64) as usize);
                let (count, error) = broken.unwrap_or((usize::MAX, false));
                let pieces = FILE.as_bytes()[from..to].chunks(10).take(count);
                let pieces = pieces.map(|piece| Ok(Bytes::from_static(piece)));
                let error = error.then(|| Err(std::io::Error::other("a bad disk")));
                Box::pin(Pieces { left: pieces.chain(error).collect(), paused: false })
            }),
        };
        Box::pin(async move {
            match refused {
                Some(Err(failure)) => Err(failure),
                _ => Ok(found),
            }
        })
    }

    fn metrics_key(&self, key: ApiKey) -> Later<Option<Access>> {
        if key.reveal() == METRICS {
            return Box::pin(async { Some(Access { key: "77112233".into(), read_only: true }) });
        }
        self.key(key)
    }

    fn news_start(&self) -> u64 {
        START
    }

    fn news(&self, place: u64, count_max: usize) -> Part {
        self.ring.lock().unwrap().after(place, count_max)
    }

    fn newest(&self) -> u64 {
        self.ring.lock().unwrap().newest()
    }

    fn clock(&self) -> watch::Receiver<u64> {
        self.clock.subscribe()
    }

    fn said(&self, run: u64, line: u64) -> Later<Result<Option<Said>, Failure>> {
        let mut said = self.said.lock().unwrap().clone();
        said.lines.retain(|(number, _)| *number > line);
        Box::pin(async move { Ok((run == super::RUN).then_some(said)) })
    }

    fn said_clock(&self) -> watch::Receiver<u64> {
        self.said_clock.subscribe()
    }

    fn answered(&self, status: u16) {
        self.answered.lock().unwrap().push(status);
    }

    fn ask_of(
        &self,
        access: Access,
        node: NodeRef,
        request: Request,
        tell: Option<Tell>,
    ) -> Later<Result<Reply, Failure>> {
        self.asked_of.lock().unwrap().push(node);
        self.ask(access, request, tell)
    }
}

/// Pauses before its end, or what came before it is not on its way yet.
struct Pieces {
    left: VecDeque<std::io::Result<Bytes>>,
    paused: bool,
}

impl futures_core::Stream for Pieces {
    type Item = std::io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if !self.paused && !matches!(self.left.front(), Some(Ok(_))) {
            self.paused = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(self.left.pop_front())
    }
}

/// A server that ends with its test.
pub(crate) struct Server {
    pub(crate) fake: Arc<Fake>,
    pub(crate) address: SocketAddr,
    pub(crate) stop: Option<oneshot::Sender<()>>,
    pub(crate) task: JoinHandle<std::io::Result<()>>,
}

impl Server {
    /// On a free port.
    pub(crate) async fn start(fake: Fake) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self::serve(fake, Listener::Tcp(listener), address)
    }

    /// On a socket file.
    pub(crate) fn start_at(fake: Fake, path: &Path) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        Self::serve(fake, Listener::Unix(listener), ([127, 0, 0, 1], 0).into())
    }

    fn serve(fake: Fake, listener: Listener, address: SocketAddr) -> Self {
        let (fake, (stop, stopped)) = (Arc::new(fake), oneshot::channel());
        let backend: Arc<dyn Backend> = Arc::clone(&fake) as _;
        let stopped = async move {
            let _ = stopped.await;
        };
        let task = tokio::spawn(web::serve(listener, backend, stopped));
        Self { fake, address, stop: Some(stop), task }
    }

    /// A request with a good key.
    pub(crate) async fn ask(&self, method: &str, path: &str) -> super::Answer {
        super::ask(self.address, method, path, Some(GOOD)).await
    }

    /// A request with a good key and a body of JSON.
    pub(crate) async fn send(&self, method: &str, path: &str, body: &str) -> super::Answer {
        let head = format!("{}Content-Type: application/json\r\n", key(GOOD));
        super::ask_with(self.address, method, path, &head, body).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A header with a key.
pub(crate) fn key(key: &str) -> String {
    format!("X-BackupManager-Key: {key}\r\n")
}
