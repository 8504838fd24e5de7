//! Makes a dump mean the database that it is loaded into, whatever the one it was made of is called.
//!
//! `mysqldump` names the database in two places. Around what was made while the database had another
//! character set stands `ALTER DATABASE name …`; without the name it means the database in use. The
//! head of a trigger says what its maker wrote, `CREATE TRIGGER name.t … ON name.table`; a trigger is
//! always in the database of its table, so the name can go. Executed as they stand, both would change
//! the database that the dump was made of. What else leads into another database (`USE`, `CREATE
//! DATABASE`, as `mysqldump --databases` writes them) ends the load.
//!
//! Only the beginnings of statements are looked at, which `mysqldump` puts at beginnings of lines:
//! data has no line breaks, and what a routine does stands between its own delimiters. It is not
//! executed, and keeps its names. So do views over tables of several databases, which change nothing:
//! loaded under another name they read the tables of the original, which has to be there.

use std::io::{self, ErrorKind, Read};

use super::statement::{Verdict, altered, trigger};

/// How much of the beginning of a statement is held back to look at, bytes.
const HELD_BYTES_MAX: usize = 16 << 10;

/// How much of the end of a line is kept to look for the delimiter, bytes; the client takes no
/// longer delimiter than half of that.
const END_BYTES: usize = 64;

/// How much of a statement an error shows, bytes.
const SHOWN_BYTES: usize = 100;

/// What leads into another database.
const LEAVING: [&str; 8] = [
    "USE ",
    "USE\t",
    "CREATE DATABASE",
    "CREATE SCHEMA",
    "DROP DATABASE",
    "DROP SCHEMA",
    "ALTER SCHEMA",
    "/*!40000 DROP DATABASE",
];

/// What the statement for a trigger begins with.
const CREATES: [&str; 2] = ["CREATE", "/*!50003 CREATE"];

/// Where in a dump we are.
struct Here {
    delimiter: Vec<u8>,
    /// Whether a statement may begin with this line, or is held.
    is_start: bool,
    /// The beginning of a statement that is not decided about.
    held: Vec<u8>,
    /// Whether the rest of the line passes as it is.
    is_passing: bool,
    /// The beginning of a line that says nothing.
    is_comment: bool,
    /// The last bytes of the line.
    end: Vec<u8>,
}

impl Here {
    fn new() -> Self {
        Self {
            delimiter: b";".to_vec(),
            is_start: true,
            held: Vec::new(),
            is_passing: false,
            is_comment: false,
            end: Vec::new(),
        }
    }

    /// Takes the next bytes of a dump; adds to `out` what they become.
    fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            // A head is decided about at the same byte, however the dump is cut into reads.
            let room = if self.is_passing { rest.len() } else { HELD_BYTES_MAX - self.held.len() };
            let near = &rest[..room.min(rest.len())];
            let length =
                near.iter().position(|byte| *byte == b'\n').map_or(near.len(), |at| at + 1);
            let (piece, after) = rest.split_at(length);
            self.piece(piece, out)?;
            rest = after;
        }
        Ok(())
    }

    /// Takes what is part of one line.
    fn piece(&mut self, piece: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        let is_whole = piece.ends_with(b"\n");
        let kept = &piece[piece.len().saturating_sub(END_BYTES)..];
        let excess = (self.end.len() + kept.len()).saturating_sub(END_BYTES);
        self.end.drain(..excess.min(self.end.len()));
        self.end.extend_from_slice(kept);
        if self.is_passing {
            out.extend_from_slice(piece);
        } else {
            self.held.extend_from_slice(piece);
            if is_whole || self.held.len() >= HELD_BYTES_MAX {
                let is_ended = is_whole && self.ends_statement();
                self.decide(is_ended, out)?;
            }
        }
        if is_whole {
            self.line_ended();
        }
        Ok(())
    }

    fn ends_statement(&self) -> bool {
        self.end.trim_ascii_end().ends_with(&self.delimiter)
    }

    /// Lets go what is held, unless more of it has to be seen.
    fn decide(&mut self, is_ended: bool, out: &mut Vec<u8>) -> io::Result<()> {
        let verdict = if self.is_start { self.judge()? } else { Verdict::Same };
        match verdict {
            Verdict::Same => out.append(&mut self.held),
            Verdict::Instead(mut other) => out.append(&mut other),
            Verdict::More if is_ended || self.held.len() >= HELD_BYTES_MAX => {
                return Err(refused("the head of a trigger cannot be read", &self.held));
            }
            Verdict::More => return Ok(()),
        }
        self.held.clear();
        self.is_passing = true;
        Ok(())
    }

    fn judge(&mut self) -> io::Result<Verdict> {
        let held = self.held.as_slice();
        let says_nothing = |mark: &&str| held.starts_with(mark.as_bytes());
        self.is_comment =
            held.trim_ascii().is_empty() || ["--", "#", "/*M!"].iter().any(says_nothing);
        if begins(held, "DELIMITER ") {
            self.delimiter = held["DELIMITER ".len()..].trim_ascii().to_vec();
            if self.delimiter.is_empty() || self.delimiter.len() > END_BYTES / 2 {
                return Err(refused("it is no delimiter", held));
            }
            self.is_comment = true;
            return Ok(Verdict::Same);
        }
        if begins(held, "ALTER DATABASE") {
            let nameless = altered(held);
            return nameless.ok_or_else(|| refused("it changes a database by its name", held));
        }
        if LEAVING.iter().any(|what| begins(held, what)) {
            return Err(refused("the dump says itself into which database it goes", held));
        }
        if CREATES.iter().any(|what| begins(held, what)) {
            Ok(trigger(held))
        } else {
            Ok(Verdict::Same)
        }
    }

    fn line_ended(&mut self) {
        if self.held.is_empty() {
            self.is_start = (self.is_start && self.is_comment) || self.ends_statement();
            self.is_passing = false;
        }
        self.is_comment = false;
        self.end.clear();
    }

    /// The dump is over.
    fn finish(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        if self.held.is_empty() { Ok(()) } else { self.decide(true, out) }
    }
}

/// What statements become here.
pub(super) fn all(sql: &str) -> io::Result<String> {
    let (mut here, mut out) = (Here::new(), Vec::with_capacity(sql.len()));
    here.push(sql.as_bytes(), &mut out)?;
    here.finish(&mut out)?;
    String::from_utf8(out).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
}

/// A dump as it is read here. What is held in memory is a buffer of the reader's, and a head.
pub(in super::super) struct Reader<T> {
    inner: T,
    here: Here,
    out: Vec<u8>,
    given: usize,
}

impl<T: Read> Reader<T> {
    pub(in super::super) fn new(inner: T) -> Self {
        Self { inner, here: Here::new(), out: Vec::new(), given: 0 }
    }
}

impl<T: Read> Read for Reader<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.out.len() && !buffer.is_empty() {
            self.out.clear();
            self.given = 0;
            let bytes = self.inner.read(buffer)?;
            if bytes == 0 {
                self.here.finish(&mut self.out)?;
                if self.out.is_empty() {
                    return Ok(0);
                }
            }
            self.here.push(&buffer[..bytes], &mut self.out)?;
        }
        let bytes = buffer.len().min(self.out.len() - self.given);
        buffer[..bytes].copy_from_slice(&self.out[self.given..self.given + bytes]);
        self.given += bytes;
        Ok(bytes)
    }
}

/// Whether these bytes begin so, whatever the case of the letters.
fn begins(bytes: &[u8], with: &str) -> bool {
    bytes.get(..with.len()).is_some_and(|first| first.eq_ignore_ascii_case(with.as_bytes()))
}

fn refused(why: &str, statement: &[u8]) -> io::Error {
    let shown = String::from_utf8_lossy(&statement[..statement.len().min(SHOWN_BYTES)]);
    let why = format!("{why}: {:?}", shown.trim_end());
    io::Error::new(ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests;
