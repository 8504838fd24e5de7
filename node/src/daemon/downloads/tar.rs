//! A folder as a tar of its own.

use protocol::tar::{self, Member};

use super::{
    DownloadError,
    folder::{Folder, Format, walk},
    names,
    pour::Out,
};
use crate::archive::ArchiveReader;

/// Half a header. Where a body has no length and its connection is cut between two members, some
/// programs would take the tar for whole; with this they do not.
const TORN: [u8; tar::BLOCK_BYTES / 2] = [b'!'; tar::BLOCK_BYTES / 2];

/// Writes it.
pub(super) fn write(
    reader: &ArchiveReader,
    folder: &Folder,
    out: &mut Out,
) -> Result<(), DownloadError> {
    let mut tar = Tar { out, padding: 0 };
    let walked = walk(reader, folder, &mut tar);
    match walked {
        Ok(()) => out.write(&tar::END),
        Err(error) => {
            // The client may have left; the reason is the first error.
            let _ = out.write(&TORN).and_then(|()| out.flush());
            Err(error)
        }
    }
}

struct Tar<'a> {
    out: &'a mut Out,
    /// Behind the data of the member at hand, bytes.
    padding: u64,
}

impl Format for Tar<'_> {
    const HARD_LINKS: bool = true;

    fn name(&self, path: &[u8]) -> Vec<u8> {
        names::in_tar(path)
    }

    fn begin(&mut self, name: Vec<u8>, member: Member) -> Result<(), DownloadError> {
        self.padding = tar::padding(member.data_bytes);
        self.out.write(&tar::encode(&Member { path: name, ..member }))
    }

    fn data(&mut self, bytes: &[u8]) -> Result<(), DownloadError> {
        self.out.write(bytes)
    }

    fn end(&mut self) -> Result<(), DownloadError> {
        let padding = usize::try_from(self.padding).unwrap_or(0);
        self.out.write(&[0; tar::BLOCK_BYTES][..padding])
    }
}
