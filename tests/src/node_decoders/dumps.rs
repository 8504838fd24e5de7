//! Dumps of databases, as they are read to be loaded.

use std::{
    cell::Cell,
    io::{BufReader, Read},
};

use node::decoders::{dump_head, dump_here, dump_restricted};

/// The sizes of buffers that dumps are read with.
const AT_ONCE: [usize; 5] = [1, 2, 7, 300, 1 << 20];

/// How much of a dump may be held back, bytes.
const HELD_BYTES_MAX: usize = 16 << 10;

/// The longest line of `psql`'s own that is left out, bytes.
const OWN_LINE_BYTES_MAX: usize = 256;

const KEY: &str = "c0ffee00c0ffee00c0ffee00";

/// Counts what is taken from it.
struct Counted<'a> {
    bytes: &'a [u8],
    taken: &'a Cell<usize>,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let bytes = self.bytes.read(buffer)?;
        self.taken.set(self.taken.get() + bytes);
        Ok(bytes)
    }
}

/// What a reader gave, why it stopped, and how far it was ever ahead of what it gave.
fn drain(mut reader: impl Read, at_once: usize, taken: &Cell<usize>) -> Drained {
    let (mut given, mut ahead, mut buffer) = (Vec::new(), 0, vec![0; at_once]);
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Drained { given, ahead, refusal: None },
            Ok(bytes) => given.extend_from_slice(&buffer[..bytes]),
            Err(error) => return Drained { given, ahead, refusal: Some(error.to_string()) },
        }
        ahead = ahead.max(taken.get().saturating_sub(given.len()));
    }
}

struct Drained {
    given: Vec<u8>,
    ahead: usize,
    refusal: Option<String>,
}

/// The beginning of a dump.
pub(super) fn head(bytes: &[u8]) {
    for capacity in [1, 16, 4_096] {
        let mut dump = BufReader::with_capacity(capacity, bytes);
        let Ok(found) = dump_head(&mut dump) else { continue };
        let mut rest = Vec::new();
        dump.read_to_end(&mut rest).expect("memory can be read");
        match found {
            Err(first) => assert_eq!([first, rest].concat(), bytes, "nothing is lost"),
            Ok(line) => {
                assert!(bytes.ends_with(&rest) && line.ends_with('\n'));
                assert_eq!(line.matches('\n').count(), 1, "it is a comment for SQL");
                let again = dump_head(&mut line.as_bytes()).expect("what is written can be read");
                let again = again.expect("and has a head");
                let again = dump_head(&mut again.as_bytes()).expect("read").expect("a head");
                assert_eq!(again.len(), line.len());
            }
        }
    }
}

pub(super) fn head_seeds() -> Vec<Vec<u8>> {
    let mysql = r#"{"mysql":{"database":"sh`op\n","charset":"utf8mb4","collation":"utf8mb4_bin",
        "grants":[{"user":"shop","host":"localhost","privileges":"SELECT, INSERT","kind":"",
        "on":null,"may_grant":false},{"user":"a","host":"%","privileges":"EXECUTE",
        "kind":"FUNCTION","on":"f","may_grant":true}]}}"#;
    let postgresql = r#"{"postgresql":{"database":"sh\"op","owner":"shop","encoding":"UTF8",
        "collate":"C.UTF-8","ctype":"C.UTF-8","provider":"c","icu":null,"limit":-1,
        "comment":"it's","settings":["search_path=\"a\", b"],
        "acl":[{"to":null,"privilege":"CONNECT","may_grant":false}],"roles":["shop","been"],
        "server_version":150013,"more":{"a":[1.5]}}}"#;
    let line = |json: &str| format!("-- backupmanager dump 1: {}", json.replace("\n        ", ""));
    let dumps = [
        line(mysql) + "\n-- MySQL dump 10.19\nUSE a;\n",
        line(postgresql) + "\n--\n-- PostgreSQL database dump\n",
        "-- backupmanager dump 2: {}\n".to_owned(),
        "-- MySQL dump 10.13 of somebody else\n".to_owned(),
    ];
    dumps.map(String::into_bytes).to_vec()
}

/// What leads out of the database of a dump never passes where a statement surely begins.
pub(super) fn here(bytes: &[u8]) {
    let read = |at_once| {
        let taken = Cell::new(0);
        drain(dump_here(Counted { bytes, taken: &taken }), at_once, &taken)
    };
    let whole = read(bytes.len() + 1);
    assert!(whole.given.len() <= bytes.len(), "names only go");
    stays_here(&whole.given);
    for at_once in AT_ONCE {
        let cut = read(at_once);
        assert_eq!(cut.refusal, whole.refusal, "buffers of {at_once}");
        if whole.refusal.is_none() {
            assert_eq!(cut.given, whole.given, "buffers of {at_once}");
            let gone = bytes.len() - whole.given.len();
            assert!(cut.ahead <= HELD_BYTES_MAX + at_once + gone, "it holds {}", cut.ahead);
        } else {
            stays_here(&cut.given);
        }
    }
}

fn stays_here(sql: &[u8]) {
    let says_nothing = |line: &&[u8]| {
        let marks = [&b"--"[..], b"#", b"/*M!"];
        line.trim_ascii().is_empty() || marks.iter().any(|mark| line.starts_with(mark))
    };
    let Some(first) = sql.split(|byte| *byte == b'\n').find(|line| !says_nothing(line)) else {
        return;
    };
    let first = String::from_utf8_lossy(&first[..first.len().min(HELD_BYTES_MAX)]).to_uppercase();
    for leaving in ["USE ", "CREATE DATABASE", "DROP DATABASE", "ALTER SCHEMA"] {
        assert!(!first.starts_with(leaving), "{first}");
    }
}

pub(super) fn here_seeds() -> Vec<Vec<u8>> {
    let alter = "ALTER DATABASE `sh``op` CHARACTER SET latin1 COLLATE latin1_bin ";
    let trigger = "/*!50003 CREATE*/ /*!50017 DEFINER=`a`@`%`*/ /*!50003 TRIGGER `sh``op`.x\n\
                   BEFORE INSERT\nON `sh``op`.t FOR EACH ROW BEGIN\nUSE;\nEND */;;\n";
    let long = "x".repeat(HELD_BYTES_MAX + 100);
    let comments = "/* on */ ".repeat(HELD_BYTES_MAX / 9 - 10);
    [
        format!(
            "/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump\n\nCREATE TABLE `t` (\n  `a` \
             int\n);\nINSERT INTO `t` VALUES\n(1,';'),\n(2,'USE');\n{alter};\nDELIMITER ;;\n\
             {trigger}{alter};;\nDELIMITER ;\n-- Dump completed\n"
        ),
        format!("DELIMITER $\nCREATE OR REPLACE TRIGGER s . t AFTER UPDATE ON s/* y */.x {long}$\n"),
        format!("INSERT INTO t VALUES ('{long}');\n{alter};\nSELECT 1"),
        // Just within what is held, and just beyond it.
        format!("CREATE TRIGGER {comments}s.t AFTER UPDATE ON s.x FOR EACH ROW SET @a = 1;\n"),
        format!("CREATE TRIGGER {comments}{comments}s.t AFTER UPDATE ON s.x SET @a = 1;\n"),
        format!("ALTER DATABASE {comments}{comments}s CHARACTER SET utf8mb4;\n"),
        "-- USE\nUSE `shop`;\n".to_owned(),
        "CREATE DATABASE /*!32312 IF NOT EXISTS*/ `shop`;\n".to_owned(),
        "SELECT 1;\ndrop schema shop;\n".to_owned(),
    ]
    .map(String::into_bytes)
    .to_vec()
}

/// `psql` sees our own `\restrict` first and nothing of the dump is left out but its own pair.
pub(super) fn restricted(bytes: &[u8]) {
    let begin = format!("\\restrict {KEY}\n").into_bytes();
    let expected = [&begin[..], &without_its_own(bytes)].concat();
    for at_once in AT_ONCE.into_iter().chain([bytes.len() + 1]) {
        let taken = Cell::new(0);
        let reader = dump_restricted(Counted { bytes, taken: &taken }, KEY);
        let drained = drain(reader, at_once, &taken);
        assert_eq!(drained.refusal, None);
        assert_eq!(drained.given, expected, "buffers of {at_once}");
        let gone = (begin.len() + bytes.len()).saturating_sub(expected.len());
        assert!(drained.ahead <= OWN_LINE_BYTES_MAX + 1 + at_once + gone);
    }
    if !contains(bytes, KEY.as_bytes()) {
        assert!(
            !contains(&expected[begin.len()..], KEY.as_bytes()),
            "nothing ends our restriction"
        );
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// The same, on whole lines: `\restrict KEY` where nothing but comments came before it, and from
/// then on `\unrestrict KEY` with the same key.
fn without_its_own(dump: &[u8]) -> Vec<u8> {
    let (mut own, mut begun, mut out) = (None, false, Vec::new());
    for line in dump.split_inclusive(|byte| *byte == b'\n') {
        let word = |word: &[u8]| {
            let is_short = line.len() <= OWN_LINE_BYTES_MAX;
            line.strip_prefix(word).filter(|_| is_short).map(<[u8]>::trim_ascii)
        };
        let is_dropped = match own {
            Some(key) => word(b"\\unrestrict ") == Some(key),
            None => {
                let key = word(b"\\restrict ").filter(|key| {
                    !begun && !key.is_empty() && key.iter().all(u8::is_ascii_alphanumeric)
                });
                own = key;
                key.is_some()
            }
        };
        if !is_dropped {
            begun |= !line.starts_with(b"--") && !line.trim_ascii().is_empty();
            out.extend_from_slice(line);
        }
    }
    out
}

pub(super) fn restricted_seeds() -> Vec<Vec<u8>> {
    let long = "k".repeat(300);
    let spaces = " ".repeat(300);
    [
        "--\n-- PostgreSQL database dump\n--\n\n\\restrict aB1\n\nCOPY t FROM stdin;\n1\\t\n\\.\n\n\
         \\unrestrict aB1\n\n"
            .to_owned(),
        "\\restrict a\r\nSELECT 1;\n\\unrestrict b\n\\! id\n\\unrestrict a".to_owned(),
        format!("\\restrict {long}\nSELECT 1;\n\\unrestrict {long}\n"),
        format!("\\restrict a\n\\unrestrict a{spaces}\\! id\n"),
        "  SELECT '\n\\restrict a\n';\n".to_owned(),
        format!("\\unrestrict {KEY}\n\\! id\n"),
        "-\n\\restrict a\n".to_owned(),
    ]
    .map(String::into_bytes)
    .to_vec()
}
