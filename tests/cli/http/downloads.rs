//! A real node and a client with a socket: what is downloaded is what was backed up.

use std::{
    fs,
    io::{Read as _, Write as _},
    path::Path,
    process::Command,
};

use serde_json::json;
use sha2::{Digest as _, Sha256};
use tests::support::{Node, Yard, assert_same, tree, until};

use super::{connect, get, key, serving};

/// Status, head and the bytes that came, whole or not.
struct Came {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Came {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(this, _)| this.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Without the frames of a body of unknown length; none when its end is missing.
    fn unframed(&self) -> Option<Vec<u8>> {
        assert_eq!(self.header("transfer-encoding"), Some("chunked"), "{}", self.head);
        let (mut left, mut whole) = (self.body.as_slice(), Vec::new());
        loop {
            let line = left.windows(2).position(|two| two == b"\r\n")?;
            let bytes = std::str::from_utf8(&left[..line]).ok()?;
            let bytes = usize::from_str_radix(bytes, 16).ok()?;
            left = &left[line + 2..];
            if bytes == 0 {
                return Some(whole);
            }
            whole.extend(left.get(..bytes)?);
            left = left.get(bytes + 2..)?;
        }
    }
}

fn fetch(node: &Node, method: &str, path: &str, key: &str, headers: &str) -> Came {
    let mut stream = connect(node);
    let text = format!(
        "{method} /api/v1{path} HTTP/1.1\r\nHost: jerry\r\nConnection: close\r\n\
         X-BackupManager-Key: {key}\r\n{headers}\r\n"
    );
    stream.write_all(text.as_bytes()).expect("it is sent");
    let mut all = Vec::new();
    // What came before a connection broke counts.
    let _ = stream.read_to_end(&mut all);
    let at = all.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8_lossy(&all[..at]).into_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Came { status: status.expect("a status"), head, body: all.split_off(at + 4) }
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A path as a query has it.
fn encoded(path: &Path) -> String {
    let path = format!("data/custom{}", path.to_str().expect("plain"));
    path.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

fn run(program: &mut Command) {
    let ran = program.output().expect("it is there");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

const UNZIP: &str = "
import sys, zipfile
z = zipfile.ZipFile(sys.argv[1])
assert z.testzip() is None
z.extractall(sys.argv[2])
";

#[test]
fn what_is_downloaded_is_what_was_exported_also_in_pieces_and_as_folders() {
    let yard = Yard::new();
    let jerry = serving(&yard, "jerry", "127.0.0.1:0");
    let watch = key(&jerry, &["watch", "--read-only"]);
    let source = yard.path("source");
    tree::plain(&source, 3, 6 << 20);
    fs::create_dir(source.join("odd")).expect("a folder");
    fs::write(source.join("odd/caf\u{e9} & co"), b"odd").expect("a file");
    jerry.add_job("files", &source, &[]);
    let archive = jerry.back_up("files");
    let of = |rest: &str| format!("/archives/{archive}{rest}");

    let to = yard.path("exported.tar");
    jerry.done(&["archive", "export", &archive, "--to", to.to_str().expect("plain")]);
    let exported = fs::read(&to).expect("it is there");
    let whole = fetch(&jerry, "GET", &of("/download"), &watch, "");
    assert_eq!((whole.status, sha256(&whole.body)), (200, sha256(&exported)));
    let list = get(&jerry, "/archives", &watch).body;
    assert_eq!(list["archives"][0]["sha256"], json!(sha256(&whole.body)));
    let head = fetch(&jerry, "HEAD", &of("/download"), &watch, "");
    assert_eq!(head.header("content-length"), Some(&*exported.len().to_string()));
    assert!(head.body.is_empty());

    // As a client resumes that loses its connection again and again.
    let tag = whole.header("etag").expect("a tag");
    let mut resumed = Vec::new();
    while resumed.len() < exported.len() {
        let end = resumed.len() + 1_000_003;
        let headers = format!("Range: bytes={}-{end}\r\nIf-Range: {tag}\r\n", resumed.len());
        let part = fetch(&jerry, "GET", &of("/download"), &watch, &headers);
        assert_eq!(part.status, 206, "{}", part.head);
        resumed.extend(part.body);
    }
    assert_eq!(sha256(&resumed), sha256(&exported));
    let beyond = format!("Range: bytes={}-\r\n", exported.len());
    assert_eq!(fetch(&jerry, "GET", &of("/download"), &watch, &beyond).status, 416);

    let odd = encoded(&source.join("odd/caf\u{e9} & co"));
    let file = fetch(&jerry, "GET", &of(&format!("/file?path={odd}")), &watch, "");
    assert_eq!((file.status, &*file.body), (200, &b"odd"[..]), "{}", file.head);
    let folder = encoded(&source);
    for format in ["tar", "zip"] {
        let path = of(&format!("/folder?path={folder}&format={format}"));
        let came = fetch(&jerry, "GET", &path, &watch, "");
        assert_eq!(came.status, 200, "{}", came.head);
        let (file, to) = (yard.path(&format!("it.{format}")), yard.path(&format!("by-{format}")));
        fs::write(&file, came.unframed().expect("it is whole")).expect("written");
        fs::create_dir(&to).expect("a folder");
        if format == "tar" {
            run(Command::new("tar").arg("-xf").arg(&file).arg("-C").arg(&to));
            assert_same(&source, &to.join("source"));
        } else {
            run(Command::new("python3").args(["-c", UNZIP]).arg(&file).arg(&to));
            same_files(&source, &to.join("source"));
        }
    }
    assert_eq!(get(&jerry, &of("/file?path=data/../x"), &watch).status, 400);
    assert_eq!(get(&jerry, &of("/folder?path=none&format=zip"), &watch).status, 404);
}

/// Python sets neither times nor modes.
fn same_files(first: &Path, second: &Path) {
    run(Command::new("diff").arg("-r").arg(first).arg(second));
}

#[test]
fn what_only_a_holder_has_is_fetched_and_what_nobody_has_cuts_the_body() {
    let yard = Yard::new();
    let source = yard.path("source");
    tree::plain(&source, 9, 8 << 20);
    let mut jerry = serving(&yard, "jerry", "127.0.0.1:0");
    let mut tom = yard.member("tom", &jerry, "operator");
    jerry.add_job("files", &source, &["--copies", "1"]);
    let archive = jerry.back_up("files");
    jerry.until_held(&archive, &tom);
    let watch = key(&jerry, &["watch", "--read-only"]);
    let path = format!("/archives/{archive}/download");
    let whole = fetch(&jerry, "GET", &path, &watch, "").body;
    let info = jerry.archive(&archive);
    assert_eq!(Some(whole.len() as u64), info["stream_bytes"].as_u64(), "{info:#}");

    jerry.stop();
    hurt(&jerry.data);
    jerry.restart();
    until("both are connected", || jerry.sees(&tom) && tom.sees(&jerry));
    let mended = fetch(&jerry, "GET", &path, &watch, "");
    assert_eq!(sha256(&mended.body), sha256(&whole), "a chunk came from tom");

    tom.stop();
    until("it has left", || !jerry.sees(&tom));
    let cut = fetch(&jerry, "GET", &path, &watch, "");
    assert_eq!(cut.header("content-length"), Some(&*whole.len().to_string()));
    assert!(cut.body.len() < whole.len(), "it looks whole");
    assert!(whole.starts_with(&cut.body), "other bytes came");
    let folder = format!("/archives/{archive}/folder?path=.&format=zip");
    assert_eq!(fetch(&jerry, "GET", &folder, &watch, "").unframed(), None, "it looks whole");
    // What was noted is fetched when the holder is back, without anybody asking.
    tom.restart();
    until("it is whole again", || jerry.ask(&["archive", "verify", &archive]).code == Some(0));
}

/// Flips bytes in the middle of the largest pack.
fn hurt(data: &Path) {
    let packs = tree::files_ending(&data.join("store"), ".pack");
    let size = |path: &Path| fs::metadata(path).expect("it is there").len();
    let pack = packs.iter().max_by_key(|path| size(path)).expect("a pack");
    let mut bytes = fs::read(pack).expect("it is there");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 8].iter_mut().for_each(|byte| *byte ^= 0xff);
    fs::write(pack, bytes).expect("written");
}
