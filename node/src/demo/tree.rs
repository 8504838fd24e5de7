//! A tree with everything that is hard to back up, and what changes in it overnight.
//!
//! What the file system or the rights of this process do not allow (attributes, capabilities,
//! other owners) is left out; everything else must come back as it was.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, Seek as _, SeekFrom, Write as _},
    os::unix::{
        ffi::OsStrExt as _,
        fs::{PermissionsExt as _, symlink},
    },
    path::Path,
    time::{Duration, SystemTime},
};

use protocol::{Entropy as _, entropy::SeededEntropy};
use rustix::fs::{CWD, FileType, Gid, Mode, Uid, XattrFlags};

/// Small files in the tree.
const SMALL_FILES: usize = 2_000;

/// Bytes of the file that does not compress.
const NOISE_BYTES: usize = 24 << 20;

/// Rows of the file that looks like a database dump.
const DUMP_ROWS: usize = 200_000;

/// Apparent size of the file with holes.
const SPARSE_BYTES: u64 = 1 << 30;

/// Makes the tree.
pub(super) fn make(root: &Path) -> io::Result<()> {
    let mut entropy = SeededEntropy::new(2026);
    fs::create_dir_all(root)?;
    small_files(root, &mut entropy)?;
    let mut noise = vec![0; NOISE_BYTES];
    entropy.fill(&mut noise);
    fs::write(root.join("photo.raw"), &noise)?;
    fs::write(root.join("dump.sql"), dump(&mut entropy, 0))?;
    awkward(root)?;
    left_out(root)?;
    Ok(())
}

/// Changes the tree as a day does, and says what it did.
pub(super) fn change(root: &Path) -> io::Result<String> {
    let mut entropy = SeededEntropy::new(2027);
    for number in (0..SMALL_FILES).step_by(100) {
        let path = root.join(format!("src/d{}/f{number}.txt", number / 100));
        let mut text = fs::read_to_string(&path)?;
        text.insert_str(text.len() / 2, "\na line that was not there yesterday\n");
        fs::write(&path, text)?;
    }
    fs::write(root.join("dump.sql"), dump(&mut entropy, 50))?;
    fs::remove_file(root.join("src/d1/f150.txt"))?;
    fs::write(root.join("src/new.txt"), "new\n")?;
    Ok(format!(
        "{} small files were edited, one row in 50 of the dump changed, one file came, one went",
        SMALL_FILES / 100
    ))
}

fn small_files(root: &Path, entropy: &mut SeededEntropy) -> io::Result<()> {
    for number in 0..SMALL_FILES {
        let folder = root.join(format!("src/d{}", number / 100));
        fs::create_dir_all(&folder)?;
        let [lines] = entropy.array::<1>();
        let text: String = (0..20 + usize::from(lines))
            .map(|line| format!("let value_{line} = compute({number}, {line}); // {}\n", line * 7))
            .collect();
        fs::write(folder.join(format!("f{number}.txt")), text)?;
    }
    Ok(())
}

/// Rows in which one of `every` has other numbers than in the first dump; 0 for none.
fn dump(entropy: &mut SeededEntropy, every: usize) -> String {
    let mut steady = SeededEntropy::new(1);
    (0..DUMP_ROWS)
        .map(|row| {
            let usual = u64::from_le_bytes(steady.array());
            let changed = every > 0 && row % every == 0;
            let value = if changed { u64::from_le_bytes(entropy.array()) } else { usual };
            format!(
                "INSERT INTO entries VALUES ({row}, '{value:016x}', 'some words of row {row}');\n"
            )
        })
        .collect()
}

fn awkward(root: &Path) -> io::Result<()> {
    let odd = root.join("odd");
    fs::create_dir(&odd)?;
    let first = odd.join("first name");
    fs::write(&first, "one file, three names\n")?;
    fs::hard_link(&first, odd.join("second name"))?;
    fs::hard_link(&first, odd.join("third\nname"))?;
    symlink("first name", odd.join("link"))?;
    symlink("/nowhere/at/all", odd.join("dangling"))?;
    fs::write(odd.join(OsStr::from_bytes(b"not \xff utf-8 \xc3")), "names are bytes\n")?;
    fs::write(odd.join("n".repeat(255)), "a long name\n")?;
    fs::create_dir(odd.join("empty"))?;
    File::create(odd.join("nothing"))?;
    let mut deep = odd.clone();
    (0..20).for_each(|level| deep.push(format!("{level}-{}", "deep".repeat(10))));
    fs::create_dir_all(&deep)?;
    fs::write(deep.join("bottom"), "down here\n")?;
    sparse(&odd.join("holes"))?;
    special(&odd)?;
    let old = SystemTime::UNIX_EPOCH + Duration::new(86_400, 123_456_789);
    File::options().write(true).open(odd.join("nothing"))?.set_modified(old)?;
    fs::write(odd.join("program"), "#!/bin/sh\n")?;
    fs::set_permissions(odd.join("program"), fs::Permissions::from_mode(0o4755))?;
    let shut = odd.join("read only");
    fs::create_dir(&shut)?;
    fs::write(shut.join("kept"), "kept\n")?;
    fs::set_permissions(&shut, fs::Permissions::from_mode(0o1555))
}

fn sparse(path: &Path) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.set_len(SPARSE_BYTES)?;
    for at in [0, SPARSE_BYTES / 3, SPARSE_BYTES - 4096] {
        file.seek(SeekFrom::Start(at))?;
        file.write_all(&[0x5a; 4096])?;
    }
    Ok(())
}

/// What needs a file system that knows it, or rights: left out where it is refused.
fn special(odd: &Path) -> io::Result<()> {
    rustix::fs::mknodat(CWD, odd.join("fifo"), FileType::Fifo, Mode::from_raw_mode(0o640), 0)?;
    let first = odd.join("first name");
    // An ACL with one named user: version 2, then tag, permissions and id of each entry.
    let entry = |tag: u16, rights: u16, id: u32| {
        [&tag.to_le_bytes()[..], &rights.to_le_bytes(), &id.to_le_bytes()].concat()
    };
    let nobody = u32::MAX;
    let acl = [
        2_u32.to_le_bytes().to_vec(),
        entry(1, 6, nobody),
        entry(2, 4, 4711),
        entry(4, 4, nobody),
        entry(0x10, 6, nobody),
        entry(0x20, 4, nobody),
    ]
    .concat();
    let capability = [1_u32 | 0x0200_0000, 1 << 10, 0, 0, 0].map(u32::to_le_bytes).concat();
    let attributes: [(&str, &[u8]); 3] = [
        ("user.comment", b"an attribute"),
        ("system.posix_acl_access", &acl),
        ("security.capability", &capability),
    ];
    for (name, value) in attributes {
        let _ = rustix::fs::setxattr(&first, name, value, XattrFlags::empty());
    }
    let owned = odd.join("somebody else's");
    fs::write(&owned, "not mine\n")?;
    let _ = rustix::fs::chown(&owned, Some(Uid::from_raw(4711)), Some(Gid::from_raw(4712)));
    Ok(())
}

/// What the job excludes.
fn left_out(root: &Path) -> io::Result<()> {
    fs::create_dir(root.join("cache"))?;
    fs::write(root.join("cache/thumbnail"), "made again when needed\n")?;
    fs::write(root.join("scratch.tmp"), "not worth keeping\n")
}
