//! Trees to back up: an awkward one, and files of any size that do not compress.

use std::{
    ffi::OsStr,
    fs::{self, File, Permissions},
    io::{Seek as _, SeekFrom, Write as _},
    os::unix::{
        ffi::OsStrExt as _,
        fs::{PermissionsExt as _, lchown, symlink},
        net::UnixListener,
    },
    path::Path,
    time::{Duration, SystemTime},
};

use protocol::{Entropy as _, entropy::SeededEntropy};
use rustix::fs::{CWD, FileType, Mode, XattrFlags};

/// A word that stands in files of [`awkward`].
pub const CONTENT: &str = "the secret of the diary";

/// Bytes that do not compress; the same for the same seed.
#[must_use]
pub fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    SeededEntropy::new(seed).fill(&mut noise);
    noise
}

/// A folder with one small text and one file of `bytes` that does not compress.
pub fn plain(root: &Path, seed: u64, bytes: usize) {
    fs::create_dir_all(root).expect("a folder");
    write(&root.join("note.txt"), "a note\n");
    write(&root.join("noise.bin"), noise(seed, bytes));
}

fn write(path: &Path, bytes: impl AsRef<[u8]>) {
    fs::write(path, bytes).expect("a file");
}

/// A tree with everything that is hard to back up.
pub fn awkward(root: &Path) {
    fs::create_dir_all(root).expect("a folder");
    for number in 0..300 {
        let folder = root.join(format!("notes/{}", number % 7));
        fs::create_dir_all(&folder).expect("a folder");
        write(
            &folder.join(format!("n{number}.md")),
            format!("{number}: {CONTENT}\n").repeat(number),
        );
    }
    write(&root.join("photo.raw"), noise(7, 3 << 20));
    names(root);
    links(root);
    attributes(root);
    sparse(&root.join("holes"));
    rustix::fs::mknodat(CWD, root.join("fifo"), FileType::Fifo, Mode::from_raw_mode(0o640), 0)
        .expect("a pipe");
    let shut = root.join("read only");
    fs::create_dir(&shut).expect("a folder");
    write(&shut.join("kept"), "kept\n");
    fs::set_permissions(&shut, Permissions::from_mode(0o1555)).expect("a mode");
}

fn names(root: &Path) {
    write(&root.join(OsStr::from_bytes(b"not \xff utf-8 \xc3")), "names are bytes\n");
    write(&root.join("line\nbreak \x1b[31m"), "red\n");
    write(&root.join("n".repeat(255)), "a long name\n");
    fs::create_dir(root.join("empty")).expect("a folder");
    let mut deep = root.to_owned();
    (0..12).for_each(|level| deep.push(format!("{level}-{}", "deep".repeat(10))));
    fs::create_dir_all(&deep).expect("folders");
    write(&deep.join("bottom"), "down here\n");
}

fn links(root: &Path) {
    let first = root.join("first name");
    write(&first, "one file, three names\n");
    fs::hard_link(&first, root.join("second name")).expect("a link");
    fs::hard_link(&first, root.join("notes/third name")).expect("a link");
    symlink("first name", root.join("link")).expect("a link");
    symlink("/nowhere/at/all", root.join("dangling")).expect("a link");
}

fn attributes(root: &Path) {
    let set = |name: &str, attribute: &str, value: &[u8]| {
        rustix::fs::lsetxattr(root.join(name), attribute, value, XattrFlags::empty())
            .unwrap_or_else(|errno| panic!("cannot set {attribute} of {name}: {errno}"));
    };
    set("first name", "user.comment", b"an \0 attribute \xff");
    set("first name", "system.posix_acl_access", &acl());
    set("empty", "system.posix_acl_default", &acl());
    write(&root.join("program"), "#!/bin/sh\n");
    fs::set_permissions(root.join("program"), Permissions::from_mode(0o6755)).expect("a mode");
    write(&root.join("capable"), "#!/bin/sh\n");
    let capability = [0x0200_0001_u32, 1 << 10, 0, 0, 0].map(u32::to_le_bytes).concat();
    set("capable", "security.capability", &capability);
    write(&root.join("not mine"), "not mine\n");
    lchown(root.join("not mine"), Some(4711), Some(4712)).expect("an owner");
    lchown(root.join("link"), Some(4711), Some(4712)).expect("an owner");
    let old = SystemTime::UNIX_EPOCH + Duration::new(86_400, 123_456_789);
    let file = File::create(root.join("nothing")).expect("a file");
    file.set_modified(old).expect("a time");
}

/// An ACL with one named user: version 2, then tag, permissions and id of each entry.
fn acl() -> Vec<u8> {
    let nobody = u32::MAX;
    let mut acl = 2_u32.to_le_bytes().to_vec();
    for (tag, rights, id) in
        [(1_u16, 6_u16, nobody), (2, 4, 4711), (4, 4, nobody), (0x10, 6, nobody), (0x20, 4, nobody)]
    {
        acl.extend(tag.to_le_bytes());
        acl.extend(rights.to_le_bytes());
        acl.extend(id.to_le_bytes());
    }
    acl
}

fn sparse(path: &Path) {
    const BYTES: u64 = 256 << 20;
    let mut file = File::create(path).expect("a file");
    file.set_len(BYTES).expect("a size");
    for at in [0, BYTES / 3, BYTES - 4096] {
        file.seek(SeekFrom::Start(at)).expect("a place");
        file.write_all(&[0x5a; 4096]).expect("data");
    }
}

/// A socket, which no tar holds.
pub fn socket(path: &Path) {
    UnixListener::bind(path).expect("a socket");
}

/// All bytes of all files below a folder contain none of these; the first that does and where.
#[must_use]
pub fn find_bytes(root: &Path, needles: &[&[u8]]) -> Option<String> {
    let mut waiting = vec![root.to_owned()];
    while let Some(dir) = waiting.pop() {
        for entry in fs::read_dir(dir).expect("a folder") {
            let entry = entry.expect("an entry");
            let kind = entry.file_type().expect("a kind");
            if kind.is_dir() {
                waiting.push(entry.path());
            } else if kind.is_file() {
                let bytes = fs::read(entry.path()).expect("a file");
                for needle in needles {
                    if bytes.windows(needle.len()).any(|window| window == *needle) {
                        let word = String::from_utf8_lossy(needle);
                        return Some(format!("{word:?} in {}", entry.path().display()));
                    }
                }
            }
        }
    }
    None
}

/// The bytes that all files below a folder take.
#[must_use]
pub fn bytes_below(root: &Path) -> u64 {
    let mut waiting = vec![root.to_owned()];
    let mut bytes = 0;
    while let Some(dir) = waiting.pop() {
        for entry in fs::read_dir(dir).expect("a folder") {
            let path = entry.expect("an entry").path();
            let data = path.symlink_metadata().expect("its data");
            if data.is_dir() { waiting.push(path) } else { bytes += data.len() }
        }
    }
    bytes
}

/// All files below a folder with this ending, sorted.
#[must_use]
pub fn files_ending(root: &Path, ending: &str) -> Vec<std::path::PathBuf> {
    let mut waiting = vec![root.to_owned()];
    let mut found = Vec::new();
    while let Some(dir) = waiting.pop() {
        for entry in fs::read_dir(dir).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
