//! Both agents, the second over a real socket, are asked the same and must answer alike.

use std::{
    fs,
    io::{self, Read, Write},
    os::unix::{
        fs::{MetadataExt, PermissionsExt, symlink},
        net::UnixStream,
    },
    path::{Path, PathBuf},
    sync::Arc,
    thread::JoinHandle,
};

use protocol::tar::{END, Member, MemberKind, encode};
use tempfile::TempDir;

mod perform;

use super::*;
use crate::{
    restore::{RestoreError, Selection, compare_trees},
    source::{SegmentEnd, SegmentHead, SourceError, SourceWarning, Verdict},
};

/// A folder with an agent that serves at a socket in it, until it is dropped.
struct Served {
    dir: TempDir,
    listener: std::os::unix::net::UnixListener,
    server: Option<JoinHandle<io::Result<()>>>,
    local: Arc<dyn Agent>,
    remote: RemoteAgent,
}

impl Served {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        fs::create_dir(dir.path().join("archives")).expect("a folder");
        let local = Arc::new(LocalAgent::new(dir.path().join("archives")));
        Self::with(dir, local)
    }

    fn with(dir: TempDir, local: Arc<dyn Agent>) -> Self {
        let uid = rustix::process::geteuid().as_raw();
        let socket = dir.path().join("agent.sock");
        let listener = bind(&socket, uid).expect("bound");
        let (served, listening) = (Arc::clone(&local), listener.try_clone().expect("cloned"));
        let server = std::thread::spawn(move || serve(&listening, uid, &served));
        let remote = RemoteAgent::new(socket);
        Self { dir, listener, server: Some(server), local, remote }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn both(&self) -> [&dyn Agent; 2] {
        [self.local.as_ref(), &self.remote]
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both).expect("shut down");
        let ended = self.server.take().map(|server| server.join().expect("no panic"));
        assert!(matches!(ended, Some(Ok(()))), "{ended:?}");
    }
}

/// Keeps all that it is told, and reuses every other segment if it may.
#[derive(Default, PartialEq, Debug)]
struct Kept {
    heads: Vec<SegmentHead>,
    bytes: Vec<u8>,
    ends: Vec<SegmentEnd>,
    warnings: Vec<SourceWarning>,
    reuse: bool,
    fail_at: Option<usize>,
}

impl Kept {
    /// All that does not depend on the time.
    fn told(&self) -> Vec<String> {
        let heads = self.heads.iter().map(|head| format!("{:?} {}", head.kind, head.bytes));
        let entries = self.ends.iter().flat_map(|end| &end.entries);
        let entry = |e: &protocol::contents::Entry| {
            format!("{} {:?} {} {}", String::from_utf8_lossy(&e.path), e.kind, e.offset, e.span)
        };
        let warnings = self.warnings.iter().map(|w| format!("{w:?}"));
        heads.chain(entries.map(entry)).chain(warnings).collect()
    }
}

impl SourceSink for Kept {
    fn segment(&mut self, head: SegmentHead) -> io::Result<Verdict> {
        self.heads.push(head);
        if self.fail_at == Some(self.heads.len()) {
            return Err(io::Error::other("the store is full"));
        }
        let reused = self.reuse && self.heads.len().is_multiple_of(2);
        Ok(if reused { Verdict::Reused } else { Verdict::Read })
    }

    fn data(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        self.bytes.extend(bytes);
        Ok(())
    }

    fn end(&mut self, end: SegmentEnd) -> io::Result<()> {
        self.ends.push(end);
        Ok(())
    }

    fn warning(&mut self, warning: SourceWarning) {
        self.warnings.push(warning);
    }
}

fn make_source(at: &Path) -> SourceSpec {
    fs::create_dir_all(at.join("sub")).expect("folders");
    for name in ["a", "b", "c", "sub/d", "sub/e", "f"] {
        fs::write(at.join(name), name.repeat(100)).expect("a file");
    }
    fs::write(at.join("large"), vec![9; 3 << 20]).expect("a file");
    fs::hard_link(at.join("a"), at.join("z")).expect("a link");
    symlink("a", at.join("link")).expect("a link");
    make_awkward(at);
    let _socket = std::os::unix::net::UnixListener::bind(at.join("socket")).expect("a socket");
    SourceSpec::new(at, "data/custom", [7; 32])
}

/// What the file system allows to whoever runs this.
fn make_awkward(at: &Path) {
    use rustix::fs::{CWD, FileType, Mode, XattrFlags, makedev, mknodat, setxattr};
    let set = |name: &str, mode| {
        fs::set_permissions(at.join(name), fs::Permissions::from_mode(mode)).expect("mode");
    };
    let odd = std::os::unix::ffi::OsStrExt::from_bytes(&b"caf\xe9\n"[..]);
    fs::write(at.join::<&std::ffi::OsStr>(odd), "odd").expect("a file");
    fs::write(at.join("x".repeat(255)), "long").expect("a file");
    let sparse = fs::File::create(at.join("sparse")).expect("a file");
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"data", 9 << 20).expect("data");
    sparse.set_len(20 << 20).expect("a hole");
    let note = XattrFlags::empty();
    setxattr(at.join("a"), "user.note", b"\0binary", note).expect("an attribute");
    mknodat(CWD, at.join("pipe"), FileType::Fifo, Mode::from_raw_mode(0o640), 0).expect("a pipe");
    fs::hard_link(at.join("pipe"), at.join("sub/pipe")).expect("a second name");
    fs::hard_link(at.join("link"), at.join("sub/link")).expect("a second name");
    fs::create_dir(at.join("locked")).expect("a folder");
    fs::write(at.join("locked/in"), "in").expect("a file");
    set("locked", 0o555);
    set("b", 0o4755);
    if rustix::process::geteuid().is_root() {
        let device = makedev(1, 3);
        let mode = Mode::from_raw_mode(0o666);
        mknodat(CWD, at.join("null"), FileType::CharacterDevice, mode, device).expect("a device");
        fs::hard_link(at.join("null"), at.join("sub/null")).expect("a second name");
        std::os::unix::fs::lchown(at.join("c"), Some(1234), Some(5678)).expect("owner");
        let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        setxattr(at.join("f"), "security.capability", &capability, note).expect("capability");
        let acl = [
            [2, 0, 0, 0].as_slice(),
            &[1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 6, 0, 232, 3, 0, 0],
            &[4, 0, 0, 0, 255, 255, 255, 255, 16, 0, 6, 0, 255, 255, 255, 255],
            &[32, 0, 0, 0, 255, 255, 255, 255],
        ]
        .concat();
        setxattr(at.join("sub/d"), "system.posix_acl_access", &acl, note).expect("an ACL");
        setxattr(at.join("sub"), "system.posix_acl_default", &acl, note).expect("an ACL");
    }
}

#[test]
fn a_source_is_read_alike_over_the_socket() {
    let served = Served::new();
    let source = make_source(&served.path("source"));
    for reuse in [false, true] {
        let [first, second] = served.both().map(|agent| {
            let mut kept = Kept { reuse, ..Kept::default() };
            let report = agent.read(&source, &mut kept).expect("read");
            (report, kept)
        });
        assert_eq!(first.0, second.0);
        // Other tests change the folder above, so the times in the first members differ.
        let (a, b) = (first.1.told(), second.1.told());
        assert_eq!(a, b);
        let tail = |kept: &Kept| kept.bytes[kept.bytes.len().saturating_sub(5000)..].to_vec();
        assert!(first.1.bytes.len() > 4096 && tail(&first.1) == tail(&second.1));
        assert_eq!(first.1.warnings.len(), 1, "the socket: {:?}", first.1.warnings);
    }
    let [first, second] = served.both().map(|agent| agent.measure(&source).expect("read"));
    assert_eq!(first, second);
}

#[test]
fn what_was_read_over_the_socket_is_restored_over_it_the_same() {
    let served = Served::new();
    let source = make_source(&served.path("source"));
    fs::remove_file(served.path("source/socket")).expect("removed");
    for (at, agent) in served.both().into_iter().enumerate() {
        let mut kept = Kept::default();
        agent.read(&source, &mut kept).expect("read");
        kept.bytes.extend(END);
        let mut spec = RestoreSpec::new(served.path(&format!("to{at}")));
        spec.strip = b"data/custom".to_vec();
        let report = agent.restore(&spec, &mut kept.bytes.as_slice()).expect("restored");
        let root = rustix::process::geteuid().is_root();
        assert!(report.is_clean() || !root, "{report:?}");
        let path = served.path("source");
        let to = spec.destination.join(path.strip_prefix("/").expect("absolute"));
        assert_eq!(compare_trees(&path, &to), []);
    }
}

#[test]
fn a_sink_that_gives_up_and_a_source_that_is_missing_are_told_alike() {
    let served = Served::new();
    let source = make_source(&served.path("source"));
    for agent in served.both() {
        let mut kept = Kept { fail_at: Some(2), ..Kept::default() };
        let error = agent.read(&source, &mut kept).expect_err("the sink fails");
        assert!(matches!(&error, AgentError::Source(SourceError::Sink(_))), "{error:?}");
        let missing = SourceSpec::new(served.path("missing"), "", [0; 32]);
        let error = agent.measure(&missing).expect_err("missing");
        assert_eq!(error.kind(), FailureKind::NotFound, "{error:?}");
        assert!(error.to_string().contains("missing"), "{error}");
    }
}

/// A stream that breaks off, or says what it was given.
struct Breaking(io::Cursor<Vec<u8>>);

impl Read for Breaking {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.0.read(into)? {
            0 => Err(io::Error::other("holder bob went away")),
            bytes => Ok(bytes),
        }
    }
}

#[test]
fn a_stream_that_fails_or_stops_early_is_never_a_restore() {
    let served = Served::new();
    let mut member = Member::new(MemberKind::File, "a");
    member.data_bytes = 512;
    let whole = [encode(&member), vec![1; 512]].concat();
    for agent in served.both() {
        let to = RestoreSpec::new(served.path("to"));
        let mut stream = Breaking(io::Cursor::new(whole.clone()));
        let error = agent.restore(&to, &mut stream).expect_err("it broke");
        assert!(Failure::new(&error).message.contains("bob"), "{error:?}");
        for cut in [whole.len(), whole.len() - 1, 700, 100] {
            let error = agent.restore(&to, &mut &whole[..cut]).expect_err("it stops early");
            assert!(error.to_string().contains("cannot be read at byte"), "{error}");
        }
    }
}

#[test]
fn a_restore_that_cannot_begin_says_why_while_the_stream_is_still_coming() {
    let served = Served::new();
    let spec = RestoreSpec::new(served.path("no/such/folder"));
    for agent in served.both() {
        let endless = &mut io::repeat(7);
        let error = agent.restore(&spec, endless).expect_err("no destination");
        assert_eq!(error.kind(), FailureKind::NotFound, "{error:?}");
        assert!(error.to_string().contains("no/such/folder"), "{error}");
    }
    let relative = RestoreSpec::new("relative");
    let error = served.remote.restore(&relative, &mut io::empty()).expect_err("relative to what?");
    assert_eq!(error.kind(), FailureKind::Invalid, "{error:?}");
    let spec = RestoreSpec { strip: b"../x".into(), ..RestoreSpec::new(served.path("to")) };
    for agent in served.both() {
        let error = agent.restore(&spec, &mut io::empty()).expect_err("no prefix");
        assert_eq!(error.kind(), FailureKind::Invalid, "{error:?}");
    }
    let patterns = vec![String::new()];
    assert!(Selection::new(&patterns, b"").is_err());
    let spec = RestoreSpec { patterns, ..RestoreSpec::new(served.path("to")) };
    let error = served.local.restore(&spec, &mut io::empty()).expect_err("a bad pattern");
    assert!(matches!(error, AgentError::Restore(RestoreError::Selection(_))));
}

#[test]
fn archive_files_are_made_published_listed_read_and_removed() {
    let served = Served::new();
    let folder = served.path("archives");
    for agent in served.both() {
        let name = ArchiveFileName::new("jerry_app_20261120.tar").expect("a name");
        let mut file = agent.create_archive(&name).expect("made");
        file.write_all(b"tar").expect("written");
        assert!(agent.list_archives().expect("listed").is_empty(), "it is not published");
        let busy = agent.create_archive(&name).expect_err("somebody writes it");
        assert_eq!(busy.kind(), FailureKind::Busy);
        agent.publish_archive(&name).expect("published");
        drop(file);
        let listed = agent.list_archives().expect("listed");
        assert_eq!((listed.len(), listed[0].bytes), (1, 3));
        let mode = fs::metadata(folder.join("jerry_app_20261120.tar")).expect("there").mode();
        assert_eq!(mode & 0o7777 & !0o640, 0);
        let mut text = String::new();
        agent.open_archive(&name).expect("open").read_to_string(&mut text).expect("read");
        assert_eq!(text, "tar");
        let taken = agent.create_archive(&name).expect_err("it exists");
        assert_eq!(taken.kind(), FailureKind::Exists);
        agent.remove_archive(&name).expect("removed");
        let gone = agent.open_archive(&name).expect_err("gone");
        assert_eq!(gone.kind(), FailureKind::NotFound);
        drop(agent.create_archive(&name).expect("made again"));
        agent.discard_archive(&name).expect("discarded");
        assert_eq!(fs::read_dir(&folder).expect("readable").count(), 0);
    }
}

#[test]
fn what_a_crash_left_is_used_again_and_nothing_is_overwritten_by_publishing() {
    let served = Served::new();
    let folder = served.path("archives");
    let name = ArchiveFileName::new("a.tar").expect("a name");
    fs::write(folder.join(".a.tar.part"), "left by a crash").expect("a file");
    let file = served.remote.create_archive(&name).expect("made");
    assert_eq!(file.metadata().expect("there").len(), 0);
    fs::write(folder.join("a.tar"), "another's").expect("a file");
    let error = served.remote.publish_archive(&name).expect_err("taken");
    assert_eq!(error.kind(), FailureKind::Exists);
    assert_eq!(fs::read_to_string(folder.join("a.tar")).expect("there"), "another's");
    fs::write(served.path("secret"), "secret").expect("a file");
    symlink("../secret", folder.join("link.tar")).expect("a link");
    let link = ArchiveFileName::new("link.tar").expect("a name");
    assert!(served.remote.open_archive(&link).is_err());
}

#[test]
fn a_tar_gets_more_members_and_says_why_not_over_the_socket_too() {
    let served = Served::new();
    for (agent, name) in served.both().into_iter().zip(["a.tar", "b.tar"]) {
        let path = served.path("archives").join(name);
        let member = encode(&Member::new(MemberKind::File, "more"));
        fs::write(&path, [&member[..], &END].concat()).expect("a file");
        let name = ArchiveFileName::new(name).expect("a name");
        agent.extend_archive(&name, member.len() as u64, &member).expect("extended");
        let tar = fs::read(&path).expect("read");
        assert!(tar.starts_with(&[&member[..], &member, &END].concat()));
        let error = agent.extend_archive(&name, 0, &member).expect_err("it does not end there");
        assert_eq!(error.kind(), FailureKind::Invalid, "{error}");
        let gone = ArchiveFileName::new("gone.tar").expect("a name");
        let error = agent.extend_archive(&gone, 0, &member).expect_err("gone");
        assert_eq!(error.kind(), FailureKind::NotFound, "{error}");
    }
}

#[test]
fn archive_names_that_lead_elsewhere_are_none() {
    for name in ["../a.tar", "a/b.tar", ".a.tar", "a.txt", ".tar", "a b.tar", "a\0.tar", ""] {
        assert!(ArchiveFileName::new(name).is_err(), "{name:?}");
    }
    assert!(ArchiveFileName::new("x".repeat(200) + ".tar").is_err());
    let sent = protocol::cbor::encode(&"../../etc/passwd.tar");
    let read: Result<ArchiveFileName, _> = protocol::cbor::decode("a name", &sent, 100);
    assert!(read.is_err(), "also when it comes over the socket");
}

#[test]
fn garbage_on_the_socket_is_answered_and_does_no_harm() {
    let served = Served::new();
    for garbage in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0xff; 64],
        &[0, 0, 0, 3, 0, 0, 0, 0, 1, 2, 3],
        &[0, 0, 0, 0, 0, 0, 0, 0],
    ] {
        let mut stream = UnixStream::connect(served.path("agent.sock")).expect("connected");
        stream.write_all(garbage).expect("sent");
        stream.shutdown(std::net::Shutdown::Write).expect("done");
        let mut answer = Vec::new();
        // Reset, perhaps, since not all of it was read; the answer came before.
        let _reset = stream.read_to_end(&mut answer);
        assert!(String::from_utf8_lossy(&answer).contains("does not understand"));
    }
    assert!(served.remote.list_archives().is_ok());
}

#[test]
fn another_version_is_told_which_one_is_spoken() {
    let served = Served::new();
    let stream = UnixStream::connect(served.path("agent.sock")).expect("connected");
    let mut connection = connection::Connection::new(stream);
    let opening = wire::Opening { version: 99, request: wire::Request::List };
    connection.send(&opening, &[]).expect("sent");
    let (reply, _): (wire::Reply, _) = connection.receive(1 << 20).expect("answered");
    let wire::Reply::Failed(failure) = reply else { panic!("{reply:?}") };
    assert!(failure.message.contains("version 1, not 99"));
}

#[test]
fn nobody_listening_is_told_with_the_socket_and_a_stale_socket_is_replaced() {
    let served = Served::new();
    let path = served.path("other.sock");
    let error = RemoteAgent::new(&path).list_archives().expect_err("nobody");
    assert!(error.to_string().contains("other.sock"));
    assert_eq!(error.kind(), FailureKind::Unreachable);
    let uid = rustix::process::geteuid().as_raw();
    drop(bind(&path, uid).expect("bound"));
    let second = bind(&path, uid).expect("replaced");
    assert!(bind(&path, uid).is_err(), "somebody listens");
    let mode = fs::metadata(&path).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    drop(second);
}

/// Started again by the test below, as another user.
const SOCKET: &str = "BACKUPMANAGER_TEST_SOCKET";

#[test]
fn another_user_is_not_answered() {
    use std::os::unix::process::CommandExt;
    if let Some(socket) = std::env::var_os(SOCKET) {
        let error = RemoteAgent::new(socket).list_archives().expect_err("refused");
        assert!(matches!(error, AgentError::Broken(_)), "{error:?}");
        return;
    }
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let served = Served::new();
    // Even where the modes would let them in.
    fs::set_permissions(served.dir.path(), fs::Permissions::from_mode(0o755)).expect("mode");
    fs::set_permissions(served.path("agent.sock"), fs::Permissions::from_mode(0o666))
        .expect("mode");
    let output = std::process::Command::new("/proc/self/exe")
        .args(["agent::tests::another_user_is_not_answered", "--exact", "--nocapture"])
        .env(SOCKET, served.path("agent.sock"))
        .uid(65534)
        .gid(65534)
        .output()
        .expect("started");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{output:?}");
}

#[test]
fn a_system_without_room_delays_the_agent_and_does_not_end_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let agent: Arc<dyn Agent> = Arc::new(LocalAgent::new(folder.path()));
    let uid = rustix::process::geteuid().as_raw();
    let (client, server) = UnixStream::pair().expect("a pair");
    // Whoever asks for the peer of a file is told that it has none.
    let no_peer = fs::File::open("/dev/null").expect("open");
    let errno = |errno: rustix::io::Errno| Err(io::Error::from(errno));
    let mut accepted = vec![
        errno(rustix::io::Errno::MFILE),
        errno(rustix::io::Errno::NOMEM),
        errno(rustix::io::Errno::INTR),
        Ok(UnixStream::from(std::os::fd::OwnedFd::from(no_peer))),
        Ok(server),
        errno(rustix::io::Errno::INVAL),
        errno(rustix::io::Errno::IO),
    ]
    .into_iter();
    let mut rests = 0;
    let accept = || accepted.next().expect("it goes on until the listener is shut down");
    serve::serve_all(accept, || rests += 1, uid, &agent);
    assert_eq!((rests, accepted.len()), (3, 1));
    let mut connection = connection::Connection::new(client);
    let opening = wire::Opening { version: wire::VERSION, request: wire::Request::List };
    connection.send(&opening, &[]).expect("sent");
    let (reply, _): (wire::Reply, _) = connection.receive(1 << 20).expect("answered");
    assert!(matches!(reply, wire::Reply::Archives(_)), "{reply:?}");
}
