//! A double of 000: a server that speaks its HTTP contract, plain or encrypted, and misbehaves as a
//! test wants. It keeps everything in memory, on a free port of the loopback.

mod contract;
mod wire;

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use protocol::control::CertificatePin;
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// The key that it takes.
pub const KEY: &str = "5a5a5a5a0123456789abcdef0123456789abcdef0123456789abcdef01234567";

/// What it has and what it does wrong.
#[derive(Default)]
pub struct World {
    /// What `GET /jobs` answers.
    pub jobs: Vec<Value>,
    /// Its archives: name and bytes.
    pub archives: BTreeMap<String, Vec<u8>>,
    /// Uploads that were begun.
    pub uploads: BTreeMap<String, Upload>,
    /// Method and path of every call, in order.
    pub asked: Vec<String>,
    /// The size of parts that it wants, whatever is asked for.
    pub part_bytes: Option<u64>,
    /// It hangs up at once.
    pub is_down: bool,
    /// It cannot say which parts an upload has, as the first version of 000.
    pub cannot_show: bool,
    /// It hangs up once, after so many bytes of this part.
    pub cut: Option<(u32, usize)>,
    /// It does not answer this part, and takes it.
    pub hold: Option<u32>,
    /// The last byte of every part is another when it has come.
    pub mangles: bool,
    /// Calls whose method and path begin so are answered so.
    pub canned: Vec<(String, u16, Vec<u8>)>,
}

/// An upload that was begun.
#[derive(Default)]
pub struct Upload {
    /// What it was begun with.
    pub start: Value,
    /// Parts that came.
    pub parts: BTreeMap<u32, Vec<u8>>,
}

#[derive(Default)]
struct Shared {
    world: Mutex<World>,
    news: Condvar,
    stopped: AtomicBool,
}

/// A running instance; it stops when this is dropped.
pub struct Instance {
    /// Where it is.
    pub url: String,
    /// Its certificate, when it is encrypted.
    pub pin: Option<CertificatePin>,
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Instance {
    /// One without encryption.
    #[must_use]
    pub fn plain() -> Self {
        Self::start(None)
    }

    /// One with a certificate that nobody signed.
    #[must_use]
    pub fn encrypted() -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]);
        let made = made.expect("a certificate can be made");
        let leaf: CertificateDer<'static> = made.cert.der().clone();
        let key = PrivateKeyDer::try_from(made.key_pair.serialize_der()).expect("a key");
        let provider = Arc::new(aws_lc_rs::default_provider());
        let pin = CertificatePin(Sha256::digest(&leaf).into());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("there are protocols")
            .with_no_client_auth()
            .with_single_cert(vec![leaf], key)
            .expect("they belong together");
        let mut instance = Self::start(Some(Arc::new(config)));
        instance.pin = Some(pin);
        instance
    }

    fn start(tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there are free ports");
        let address = listener.local_addr().expect("it is bound");
        let scheme = if tls.is_some() { "https" } else { "http" };
        let shared = Arc::<Shared>::default();
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if serving.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let (Ok(stream), shared, tls) = (stream, Arc::clone(&serving), tls.clone()) else {
                    continue;
                };
                thread::spawn(move || serve(stream, tls, &shared));
            }
        });
        Self { url: format!("{scheme}://{address}"), pin: None, address, shared }
    }

    /// Looks at its world, or changes it.
    pub fn world<T>(&self, with: impl FnOnce(&mut World) -> T) -> T {
        let told = with(&mut self.shared.world.lock().expect("no panic under this lock"));
        self.shared.news.notify_all();
        told
    }

    /// How many calls began so.
    #[must_use]
    pub fn asked(&self, call: &str) -> usize {
        self.world(|world| world.asked.iter().filter(|asked| asked.starts_with(call)).count())
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        self.world(|world| world.hold = None);
        // It wakes the listener, which sees that it shall stop.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(stream: TcpStream, tls: Option<Arc<ServerConfig>>, shared: &Shared) {
    match tls {
        None => talk(stream, shared),
        Some(config) => {
            let Ok(connection) = ServerConnection::new(config) else { return };
            talk(StreamOwned::new(connection, stream), shared);
        }
    }
}

/// One call; whatever goes wrong is the client's to notice.
fn talk(mut stream: impl Read + Write, shared: &Shared) {
    if shared.world.lock().expect("no panic under this lock").is_down {
        return;
    }
    let Some(head) = wire::head(&mut stream) else { return };
    let part = contract::part_number(&head.path);
    let cut = {
        let mut world = shared.world.lock().expect("no panic under this lock");
        world.asked.push(format!("{} {}", head.method, head.path));
        world.cut.take_if(|(number, _)| Some(*number) == part)
    };
    let bytes = cut.map_or(head.bytes, |(_, bytes)| bytes.min(head.bytes));
    let Some(body) = wire::body(&mut stream, bytes) else { return };
    if cut.is_some() {
        return;
    }
    let (status, answer) = {
        let mut world = shared.world.lock().expect("no panic under this lock");
        contract::answer(&mut world, &head, body)
    };
    let held = |world: &mut World| part.is_some() && world.hold == part;
    let world = shared.world.lock().expect("no panic under this lock");
    drop(shared.news.wait_while(world, held));
    wire::reply(&mut stream, status, &answer);
}

/// A job as `GET /jobs` tells it.
#[must_use]
pub fn job(id: u64, name: &str) -> Value {
    json!({
        "id": id, "name": name, "type": "custom_dir", "config": {}, "cron_expr": "0 3 * * *",
        "retention_mode": "count", "retention_value": 7, "enabled": 1, "core_only": 0,
    })
}
