//! The bytes of a tar, whether it is compressed or not, and how far they were read.

use std::io::{self, BufReader, Cursor, Read};

use flate2::read::MultiGzDecoder;

use super::TarSourceError;

/// Bytes read at once.
const BUFFER_BYTES: usize = 256 << 10;

/// How a gzip stream begins.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Zeros that a compressed tar may have behind its end: more than any blocking factor in use.
const TRAILING_BYTES_MAX: u64 = 64 << 20;

pub(super) struct Input<'a> {
    reader: BufReader<Box<dyn Read + Send + 'a>>,
    compressed: bool,
    at: u64,
}

impl<'a> Input<'a> {
    /// Looks at the first bytes.
    pub(super) fn open(file: impl Read + Send + 'a) -> Result<Self, TarSourceError> {
        let mut file = BufReader::with_capacity(BUFFER_BYTES, file);
        let mut first = Vec::with_capacity(GZIP.len());
        let looked = file.by_ref().take(GZIP.len() as u64).read_to_end(&mut first);
        looked.map_err(|source| TarSourceError::Read { at: 0, source })?;
        let compressed = first == GZIP;
        let file = Cursor::new(first).chain(file);
        let reader: Box<dyn Read + Send + 'a> =
            if compressed { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
        let reader = BufReader::with_capacity(BUFFER_BYTES, reader);
        Ok(Self { reader, compressed, at: 0 })
    }

    /// Whether it is compressed.
    pub(super) fn is_compressed(&self) -> bool {
        self.compressed
    }

    /// Where it is, in bytes of the tar.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Appends exactly so many bytes.
    pub(super) fn take(&mut self, bytes: usize, to: &mut Vec<u8>) -> Result<(), TarSourceError> {
        let before = to.len();
        to.resize(before + bytes, 0);
        let mut rest = &mut to[before..];
        while !rest.is_empty() {
            match self.reader.read(rest) {
                Ok(0) => return Err(TarSourceError::CutOff { at: self.at }),
                Ok(got) => {
                    self.at += got as u64;
                    rest = &mut rest[got..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(error)),
            }
        }
        Ok(())
    }

    fn failed(&self, source: io::Error) -> TarSourceError {
        match source.kind() {
            io::ErrorKind::UnexpectedEof => TarSourceError::CutOff { at: self.at },
            _ => TarSourceError::Read { at: self.at, source },
        }
    }

    /// Reads what follows the end of a compressed tar: its checksum comes last.
    pub(super) fn drain(&mut self) -> Result<(), TarSourceError> {
        if !self.compressed {
            return Ok(());
        }
        let mut rest = self.reader.by_ref().take(TRAILING_BYTES_MAX);
        match io::copy(&mut rest, &mut io::sink()) {
            Ok(_) => Ok(()),
            Err(error) => Err(self.failed(error)),
        }
    }
}
