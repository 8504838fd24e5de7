//! From a tar stream to the extractor.

use std::io::{self, Read};

use protocol::tar::{Event, Limits, Parser, TarError};

use super::{Extractor, RestoreError, RestoreReport};

const READ_BYTES: usize = 1 << 20;

/// Restores a whole stream. Members that are not wanted are parsed and left out.
///
/// # Errors
/// When the stream fails, is no tar or stops early, or when the extractor gives up. What was
/// complete by then stays.
pub fn unpack(
    stream: &mut dyn Read,
    mut extractor: Extractor,
) -> Result<RestoreReport, RestoreError> {
    let mut parser = Parser::new(Limits::default());
    let mut buffer = vec![0; READ_BYTES];
    let mut offset = 0_u64;
    loop {
        let bytes = match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(source) => return Err(RestoreError::Stream { offset, source }),
        };
        let took = parser.push(&buffer[..bytes], &mut |event| take(&mut extractor, event));
        took.map_err(|stop| stop.at(offset))?;
        offset += bytes as u64;
    }
    parser.finish().map_err(|error| Stop::Tar(error).at(offset))?;
    if !parser.has_ended() {
        // Cut between two members: what is missing would go unnoticed.
        return Err(Stop::Tar(TarError::Truncated).at(offset));
    }
    extractor.finish()
}

fn take(extractor: &mut Extractor, event: Event<'_>) -> Result<(), Stop> {
    match event {
        Event::Member(member, _) => extractor.member(&member).map(|_wanted| ())?,
        Event::Data(bytes) => extractor.data(bytes)?,
        Event::MemberEnd => extractor.member_end()?,
        Event::End => {}
    }
    Ok(())
}

/// Why the stream is not read further.
enum Stop {
    Tar(TarError),
    Restore(RestoreError),
}

impl Stop {
    fn at(self, offset: u64) -> RestoreError {
        match self {
            Self::Restore(error) => error,
            Self::Tar(error) => {
                let source = io::Error::new(io::ErrorKind::InvalidData, error);
                RestoreError::Stream { offset, source }
            }
        }
    }
}

impl From<TarError> for Stop {
    fn from(error: TarError) -> Self {
        Self::Tar(error)
    }
}

impl From<RestoreError> for Stop {
    fn from(error: RestoreError) -> Self {
        Self::Restore(error)
    }
}
