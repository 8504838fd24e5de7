use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use protocol::control::{
    ApiKey, ArchiveRestore, Event, Failure, FailureCode, Progress, Reply, Request, UploadReport,
};
use tokio::{
    net::{TcpListener, UnixListener},
    sync::{Semaphore, oneshot},
    task::JoinHandle,
};
use web::{Access, Backend, Later, Listener, PartBody, Tell};

use super::world;

/// A key that may do everything.
pub(crate) const GOOD: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// A key that may only look.
pub(crate) const READ_ONLY: &str =
    "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

type Script = Box<dyn Fn(&Request) -> Option<Result<Reply, Failure>> + Send + Sync>;

/// A node that answers as [`world`] says, unless the test says otherwise.
pub(crate) struct Fake {
    pub(crate) keys: Mutex<BTreeMap<String, bool>>,
    pub(crate) epoch: AtomicU64,
    /// How many keys were checked.
    pub(crate) checks: AtomicU64,
    /// Everything that was asked.
    pub(crate) asked: Mutex<Vec<Request>>,
    /// Checks of keys wait for it.
    pub(crate) check_places: Arc<Semaphore>,
    /// Runs and restores wait for it, after the first event.
    pub(crate) work_places: Arc<Semaphore>,
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
            check_places: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            work_places: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            script: Box::new(script),
        }
    }

    /// A node that refuses everything that is asked for.
    pub(crate) fn failing(code: FailureCode) -> Self {
        Self::saying(move |_| Some(Err(Failure::new(code, "cannot do it", "for a reason"))))
    }

    pub(crate) fn holding_work(mut self) -> Self {
        self.work_places = Arc::new(Semaphore::new(0));
        self
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
