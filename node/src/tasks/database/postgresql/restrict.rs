//! Makes a dump for `psql` nothing but SQL and data.
//!
//! `psql` takes commands of its own from what it reads, and some of them start programs and write
//! files. Newer ones have `\restrict KEY`, behind which they take none until `\unrestrict KEY`. It is
//! said here, with a key that no dump can know; the same that the dump says itself, with a key that
//! its maker knows, is left out.

use std::io::{self, Cursor, Read};

/// The longest line that may be one of these two, bytes.
const LINE_BYTES_MAX: usize = 256;

/// How many random bytes a key has.
const KEY_BYTES: usize = 32;

/// A key that nobody knows.
pub(super) fn key() -> io::Result<String> {
    let mut random = [0; KEY_BYTES];
    getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The lines of a dump.
#[derive(Default)]
struct Lines {
    /// The key of the dump itself.
    own: Option<Vec<u8>>,
    /// Whether something other than comments came.
    has_begun: bool,
    /// The beginning of a line that is not decided about.
    held: Vec<u8>,
    /// Whether the rest of the line passes.
    is_passing: bool,
    /// Whether that line is a comment.
    is_comment: bool,
}

impl Lines {
    fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let is_whole = piece.ends_with(b"\n");
            if self.is_passing {
                self.pass(piece, out);
            } else {
                self.held.extend_from_slice(piece);
                let may_be = self.held.starts_with(b"\\") && self.held.len() <= LINE_BYTES_MAX;
                // Two signs tell a comment.
                if is_whole || !may_be && self.held.len() > 1 {
                    self.decide(is_whole, out);
                    self.is_passing = true;
                }
            }
            if is_whole {
                self.is_passing = false;
            }
        }
    }

    /// Lets go what is held: a whole line, or the beginning of one.
    fn decide(&mut self, is_whole: bool, out: &mut Vec<u8>) {
        let held = std::mem::take(&mut self.held);
        if is_whole && held.len() <= LINE_BYTES_MAX && self.is_dropped(&held) {
            return;
        }
        self.is_comment = held.starts_with(b"--");
        self.pass(&held, out);
    }

    fn pass(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        self.has_begun |= !self.is_comment && !piece.trim_ascii().is_empty();
        out.extend_from_slice(piece);
    }

    fn is_dropped(&mut self, line: &[u8]) -> bool {
        if let Some(key) = &self.own {
            let end = line.strip_prefix(b"\\unrestrict ");
            return end.is_some_and(|end| end.trim_ascii() == key.as_slice());
        }
        let Some(key) = line.strip_prefix(b"\\restrict ").map(<[u8]>::trim_ascii) else {
            return false;
        };
        if self.has_begun || key.is_empty() || !key.iter().all(u8::is_ascii_alphanumeric) {
            return false;
        }
        self.own = Some(key.to_owned());
        true
    }
}

/// A dump behind our own `\restrict`. It holds a buffer of the reader's.
pub(in super::super) struct Restricted<T> {
    inner: T,
    lines: Lines,
    out: Cursor<Vec<u8>>,
}

impl<T: Read> Restricted<T> {
    pub(in super::super) fn new(inner: T, key: &str) -> Self {
        let out = Cursor::new(format!("\\restrict {key}\n").into_bytes());
        Self { inner, lines: Lines::default(), out }
    }
}

impl<T: Read> Read for Restricted<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let bytes = self.out.read(buffer)?;
            if bytes > 0 || buffer.is_empty() {
                return Ok(bytes);
            }
            self.out.set_position(0);
            let out = self.out.get_mut();
            out.clear();
            let bytes = self.inner.read(buffer)?;
            self.lines.push(&buffer[..bytes], out);
            if bytes == 0 {
                self.lines.decide(true, out);
                if out.is_empty() {
                    return Ok(0);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::Restricted;

    fn read(dump: &str, at_once: usize) -> String {
        let mut reader = Restricted::new(dump.as_bytes(), "OURS");
        let (mut all, mut buffer) = (Vec::new(), vec![0; at_once]);
        loop {
            let bytes = reader.read(&mut buffer).expect("memory can be read");
            if bytes == 0 {
                return String::from_utf8(all).expect("it was text");
            }
            all.extend_from_slice(&buffer[..bytes]);
        }
    }

    #[test]
    fn the_dumps_own_words_go_and_all_else_stays() {
        let long = "\\x".repeat(1_000);
        let long_key = format!("\\restrict {}\n", "k".repeat(300));
        let spaces = " ".repeat(300);
        let long_end = format!("\\unrestrict a{spaces}\\! id\n");
        for (dump, passed) in [
            ("--\n\n\\restrict aB1\n\nSELECT 1;\n\\unrestrict aB1\n\n", "--\n\n\nSELECT 1;\n\n"),
            ("\\restrict a\r\nx\n\\unrestrict b\n\\unrestrict a", "x\n\\unrestrict b\n"),
            ("SELECT '\n\\restrict a\n';\n", "SELECT '\n\\restrict a\n';\n"),
            ("-\n\\restrict a\n", "-\n\\restrict a\n"),
            ("\\! id\n\\restrict a\n", "\\! id\n\\restrict a\n"),
            ("\\restrict a b\n\\.\n\\", "\\restrict a b\n\\.\n\\"),
            (&format!("{long}\n"), &format!("{long}\n")),
            (&long_key, &long_key),
            (&format!("\\restrict a\n{long_end}"), &long_end),
            ("  SELECT '\n\\restrict a\n';\n", "  SELECT '\n\\restrict a\n';\n"),
            ("", ""),
        ] {
            for at_once in [1, 2, 7, 4_096] {
                assert_eq!(read(dump, at_once), format!("\\restrict OURS\n{passed}"), "{dump:.50}");
            }
        }
    }
}
