//! Whose folder it is: the lock file, and the file `format` with the version.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::Path,
};

use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};

use super::{
    error::{Result, StoreError},
    folder::{PackFolder, sync_dir},
    frame::{FORMAT_VERSION, PackHeader},
};

const FORMAT_FIRST_LINE: &str = "backupmanager chunk store";

/// More of the file `format` is not read.
const FORMAT_BYTES_MAX: u64 = 4096;

/// Takes the folder for this process; it is given back when the file is dropped.
pub(super) fn take_lock(dir: &Path) -> Result<File> {
    let path = dir.join("lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(StoreError::io("open", &path))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(Errno::WOULDBLOCK) => Err(StoreError::Locked { dir: dir.to_owned() }),
        Err(error) => Err(StoreError::io("lock", path)(error.into())),
    }
}

/// Refuses a folder of another program or version. True when the file `format` was lost while
/// packs are there, so that it was written again.
pub(super) fn admit(dir: &Path, packs: &PackFolder) -> Result<bool> {
    let path = dir.join("format");
    let text = read_format(&path)?;
    let version = text.as_deref().and_then(parse_format);
    if let Some(found) = version {
        if found == FORMAT_VERSION {
            return Ok(false);
        }
        return Err(StoreError::NewerVersion { path, found, known: FORMAT_VERSION });
    }
    let ours = has_our_pack(packs)?;
    if text.is_some_and(|text| !text.is_empty()) && !ours {
        return Err(StoreError::NotAStore { dir: dir.to_owned() });
    }
    write_format(dir).map_err(StoreError::io("write", path))?;
    sync_dir(dir)?;
    Ok(ours)
}

fn read_format(path: &Path) -> Result<Option<Vec<u8>>> {
    let read = File::open(path).and_then(|file| {
        let mut text = Vec::new();
        io::Read::read_to_end(&mut io::Read::take(file, FORMAT_BYTES_MAX), &mut text)?;
        Ok(text)
    });
    match read {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::io("read", path)(error)),
    }
}

fn parse_format(text: &[u8]) -> Option<u32> {
    let mut lines = str::from_utf8(text).ok()?.lines();
    (lines.next()? == FORMAT_FIRST_LINE).then_some(())?;
    lines.next()?.strip_prefix("version ")?.parse().ok()
}

fn has_our_pack(packs: &PackFolder) -> Result<bool> {
    for pack in packs.list()?.into_keys() {
        match packs.header(pack)? {
            PackHeader::Good => return Ok(true),
            PackHeader::Damaged => {}
            PackHeader::Newer(found) => {
                let path = packs.path(pack);
                return Err(StoreError::NewerVersion { path, found, known: FORMAT_VERSION });
            }
        }
    }
    Ok(false)
}

fn write_format(dir: &Path) -> io::Result<()> {
    let temporary = dir.join("format.tmp");
    let mut file = File::create(&temporary)?;
    write!(file, "{FORMAT_FIRST_LINE}\nversion {FORMAT_VERSION}\n")?;
    file.sync_all()?;
    fs::rename(temporary, dir.join("format"))
}
