//! Dumps on their way: counted, looked at for their last words, compressed and unpacked.
//!
//! Where a dump is compressed two programs run at once with a pipe between them, and each of them
//! has to end well. What goes through the pipe is seen here on the way, before it is compressed and
//! after it is unpacked.

use std::{
    io::{self, BufReader, ErrorKind, PipeReader, PipeWriter, Read, Write},
    thread,
};

use protocol::job::DumpFormat;

use super::super::{TaskError, process::Program};
use super::{head::Head, mysql::Reader, postgresql::Restricted, query::Talk};

/// How much of a dump's end is kept to look at, bytes.
const END_BYTES: usize = 1_024;

/// What is read at once while a dump is loaded, bytes.
const BUFFER_BYTES: usize = 256 << 10;

/// A dump that goes by.
struct Watched<T> {
    inner: T,
    bytes: u64,
    end: Vec<u8>,
}

impl<T> Watched<T> {
    fn new(inner: T) -> Self {
        Self { inner, bytes: 0, end: Vec::with_capacity(2 * END_BYTES) }
    }

    fn saw(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        let kept = &bytes[bytes.len().saturating_sub(END_BYTES)..];
        let excess = (self.end.len() + kept.len()).saturating_sub(END_BYTES);
        self.end.drain(..excess.min(self.end.len()));
        self.end.extend_from_slice(kept);
    }

    /// Whether the last words of a dump are these: the beginning of a line among its last.
    fn is_whole(&self, last_words: &str) -> bool {
        let end = String::from_utf8_lossy(&self.end);
        // After PostgreSQL's there are an empty comment and, in newer versions, `\unrestrict`.
        let mut last = end.lines().rev().filter(|line| {
            let line = line.trim_end();
            !line.is_empty() && line != "--" && !line.starts_with("\\unrestrict ")
        });
        last.next().is_some_and(|line| line.starts_with(last_words))
    }
}

impl<T: Write> Write for Watched<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.saw(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<T: Read> Read for Watched<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.inner.read(buffer)?;
        self.saw(&buffer[..bytes]);
        Ok(bytes)
    }
}

/// A program that makes or takes a dump.
pub(super) struct Stage {
    pub(super) name: &'static str,
    pub(super) program: Program,
    /// With what a dump of this sort ends.
    pub(super) last_words: &'static str,
    /// What stands between the program and what it reads.
    pub(super) guard: Guard,
}

/// What keeps a dump from doing more than it may.
pub(super) enum Guard {
    None,
    /// It may name the database that it is of, which must not be touched.
    Here,
    /// `psql` takes no commands of its own from it, until this key is said.
    Restricted(String),
}

impl Stage {
    /// Writes a head and what the program dumps; how many bytes of SQL that is.
    pub(super) fn dump(
        self,
        talk: &Talk<'_>,
        head: &Head,
        format: DumpFormat,
        output: &mut (dyn Write + Send),
    ) -> Result<u64, TaskError> {
        let Some((packer, program)) = packer(format) else {
            return self.make(talk, head, output);
        };
        let make = |mut pipe: PipeWriter| self.make(talk, head, &mut pipe);
        let pack = |mut pipe: PipeReader| {
            talk.run(program, Some(&mut pipe), Some(output))?.success(packer)
        };
        joined(make, pack).map(|(bytes, _)| bytes)
    }

    fn make(
        self,
        talk: &Talk<'_>,
        head: &Head,
        output: &mut (dyn Write + Send),
    ) -> Result<u64, TaskError> {
        let mut output = Watched::new(output);
        output.write_all(head.line()?.as_bytes()).map_err(TaskError::Data)?;
        talk.run(self.program, None, Some(&mut output))?.success(self.name)?;
        if !output.is_whole(self.last_words) {
            let why = "the dump breaks off, though the program ended well".to_owned();
            return Err(TaskError::Nonsense { program: self.name.to_owned(), why });
        }
        Ok(output.bytes)
    }
}

/// Reads a dump: `prepare` gets its head and says which program takes the rest.
pub(super) fn load<T>(
    talk: &Talk<'_>,
    format: DumpFormat,
    input: &mut (dyn Read + Send),
    prepare: impl FnOnce(Option<Head>) -> Result<(T, Stage), TaskError>,
) -> Result<T, TaskError> {
    let Some((packer, program)) = packer(format) else { return take(talk, input, prepare) };
    let program = program.arg("-d");
    let unpack =
        |mut pipe: PipeWriter| talk.run(program, Some(input), Some(&mut pipe))?.success(packer);
    let take = |mut pipe: PipeReader| take(talk, &mut pipe, prepare);
    joined(unpack, take).map(|(_, prepared)| prepared)
}

fn take<T>(
    talk: &Talk<'_>,
    dump: &mut (dyn Read + Send),
    prepare: impl FnOnce(Option<Head>) -> Result<(T, Stage), TaskError>,
) -> Result<T, TaskError> {
    let mut dump = BufReader::with_capacity(BUFFER_BYTES, Watched::new(dump));
    let (head, first) = Head::read(&mut dump)?;
    let (prepared, stage) = prepare(head)?;
    let mut all = io::Cursor::new(first).chain(&mut dump);
    let ended = match stage.guard {
        Guard::None => talk.run(stage.program, Some(&mut all), None),
        Guard::Here => talk.run(stage.program, Some(&mut Reader::new(all)), None),
        Guard::Restricted(key) => {
            talk.run(stage.program, Some(&mut Restricted::new(all, &key)), None)
        }
    };
    ended?.success(stage.name)?;
    if !dump.get_ref().is_whole(stage.last_words) {
        let why = format!("the dump breaks off: {:?} is missing at its end", stage.last_words);
        return Err(TaskError::Data(io::Error::new(ErrorKind::UnexpectedEof, why)));
    }
    Ok(prepared)
}

/// The program that compresses, and with `-d` unpacks. It is told nothing of the time and the file,
/// so that the same dump gives the same bytes.
fn packer(format: DumpFormat) -> Option<(&'static str, Program)> {
    let name = match format {
        DumpFormat::None => return None,
        DumpFormat::Gzip => "gzip",
        DumpFormat::Bzip2 => "bzip2",
        DumpFormat::Zstd => "zstd",
    };
    let quiet = if format == DumpFormat::Gzip { "-cqn" } else { "-cq" };
    Some((name, Program::new(name).arg(quiet)))
}

/// Runs two stages with a pipe between them. Both have to end well; the error is of the one that
/// broke, not of the one that lost its other end.
fn joined<A: Send, B>(
    first: impl FnOnce(PipeWriter) -> Result<A, TaskError> + Send,
    second: impl FnOnce(PipeReader) -> Result<B, TaskError>,
) -> Result<(A, B), TaskError> {
    let (reader, writer) =
        io::pipe().map_err(|source| TaskError::Io { what: "make a pipe".to_owned(), source })?;
    let (first, second) = thread::scope(|scope| {
        let first = scope.spawn(move || first(writer));
        let second = second(reader);
        (first.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), second)
    });
    match (first, second) {
        (Ok(first), Ok(second)) => Ok((first, second)),
        (Err(TaskError::Data(lost)), Err(why)) if lost.kind() == ErrorKind::BrokenPipe => Err(why),
        (Err(why), _) | (Ok(_), Err(why)) => Err(why),
    }
}

#[cfg(test)]
mod tests;
