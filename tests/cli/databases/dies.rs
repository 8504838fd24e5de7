//! Programs and servers that are killed while a dump is made or loaded.

use std::{
    fs,
    io::{self, Read, Write},
    sync::atomic::{AtomicBool, Ordering},
};

use node::tasks::{TaskError, database::DatabaseTask};
use protocol::job::DumpFormat;

use super::{Asked, perform};

/// Does something once, when so many bytes have gone by.
pub(super) struct Then<T, F> {
    inner: T,
    bytes: usize,
    act: Option<F>,
}

impl<T, F: FnOnce()> Then<T, F> {
    pub(super) fn new(inner: T, bytes: usize, act: F) -> Self {
        Self { inner, bytes, act: Some(act) }
    }

    fn passed(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
        if self.bytes == 0
            && let Some(act) = self.act.take()
        {
            act();
        }
    }
}

impl<T: Write, F: FnOnce()> Write for Then<T, F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.passed(written);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<T: Read, F: FnOnce()> Read for Then<T, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.inner.read(buffer)?;
        self.passed(bytes);
        Ok(bytes)
    }
}

/// kill -9 to the programs of this name that this test started.
fn kill_children(name: &str) {
    let own = std::process::id().to_string();
    for at in fs::read_dir("/proc").expect("proc").filter_map(Result::ok) {
        let stat = fs::read_to_string(at.path().join("stat")).unwrap_or_default();
        let Some((head, tail)) = stat.rsplit_once(") ") else { continue };
        let Some((id, program)) = head.split_once(" (") else { continue };
        if program == name && tail.split(' ').nth(1) == Some(&own) {
            let id = id.parse().ok().and_then(rustix::process::Pid::from_raw).expect("an id");
            rustix::process::kill_process(id, rustix::process::Signal::KILL).expect("it is ours");
        }
    }
}

/// What every server must do with dumps and loads that die half-way. `shop` is larger than any
/// pipe, and `rows` says what is in it.
pub(super) fn dies_half_way(mut asked: Asked, dumper: &str, client: &str, rows: &str) {
    let dump = asked.dump("shop", DumpFormat::None).0;
    assert!(dump.len() > 4_000_000, "{} bytes fit in the pipes", dump.len());
    dump_dies(&asked, dumper);

    // What is there from now on differs from what the dump has.
    let dumped = asked.server.sql("shop", rows);
    asked.server.sql("shop", "DELETE FROM big WHERE id <= 10;");
    let there = asked.server.sql("shop", rows);
    assert_ne!(dumped, there);
    for database in ["shop", "new"] {
        load_dies(&asked, database, &dump, client);
        assert_eq!(asked.server.sql("shop", rows), there, "what was there is there");
        assert_eq!(asked.left_behind(), 0);
        assert!(!asked.names().iter().any(|name| name == "new"));
    }
    asked.load("new", &dump, false);
    assert_eq!(asked.server.sql("new", rows), dumped, "repeated, it works");

    server_dies(&mut asked, &dump);
    assert_eq!(asked.server.sql("shop", rows), there, "what was there is there");
    asked.load("shop", &dump, true);
    assert_eq!(asked.server.sql("shop", rows), dumped, "repeated, it works");
    assert_eq!(asked.left_behind(), 0, "and has removed what the dead one left");
}

/// Kills the dump program: no dump, whatever was written by then.
fn dump_dies(asked: &Asked, dumper: &str) {
    for format in [DumpFormat::None, DumpFormat::Gzip] {
        let killed = AtomicBool::new(false);
        let mut out = Then::new(Vec::new(), 20_000, || {
            kill_children(dumper);
            killed.store(true, Ordering::Relaxed);
        });
        let got = perform(asked.dump_task("shop", format), None, Some(&mut out));
        assert!(killed.load(Ordering::Relaxed), "it was there to be killed");
        assert!(matches!(got, Err(TaskError::Failed { .. })), "{got:?}");
    }
}

/// Loads a dump that breaks off, one that is something else in its middle, and a whole one whose
/// client is killed: each is an error.
fn load_dies(asked: &Asked, database: &str, dump: &[u8], client: &str) {
    let half = &dump[..dump.len() / 2];
    let cut = asked.try_load(database, &mut &*half, DumpFormat::None, true);
    assert!(cut.is_err(), "{cut:?}");
    let garbled = [half, b"\n;;; NO SQL AT ALL;\n", dump].concat();
    let got = asked.try_load(database, &mut garbled.as_slice(), DumpFormat::None, true);
    assert!(got.is_err(), "{got:?}");
    let mut killed = Then::new(dump, dump.len() / 2, || kill_children(client));
    let got = asked.try_load(database, &mut killed, DumpFormat::None, true);
    assert!(matches!(got, Err(TaskError::Failed { .. })), "{got:?}");
}

/// Kills the server in the middle of a load into `shop`, so that nobody can clean up: the scratch
/// database is still there when the server is.
fn server_dies(asked: &mut Asked, dump: &[u8]) {
    let task = DatabaseTask::Load {
        server: asked.at.clone(),
        database: "shop".to_owned(),
        dumped_from: "shop".to_owned(),
        format: DumpFormat::None,
        replace: true,
    };
    let server = &mut asked.server;
    let mut killed = Then::new(dump, dump.len() / 2, || server.kill());
    let got = perform(task, Some(&mut killed), None);
    // Whichever of the client's connections is the first to notice.
    assert!(matches!(got, Err(TaskError::Failed { .. } | TaskError::NoServer { .. })), "{got:?}");
    let got = perform(DatabaseTask::List(asked.at.clone()), None, None);
    assert!(matches!(&got, Err(TaskError::NoServer { .. })), "{got:?}");
    asked.server.restart();
    assert_eq!(asked.left_behind(), 1);
}
