//! The extractor, told members directly. Most of these run as root and as anybody.

mod awkward;
mod full;
mod hostile;
mod policy;
mod repeat;
mod select;
mod user;

use std::{fs, path::Path};

use protocol::tar::{Member, MemberKind};
use tempfile::TempDir;

use super::*;

/// A destination inside a folder that must stay as it is.
struct Yard {
    dir: TempDir,
}

impl Yard {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        fs::write(dir.path().join("outside"), "untouched").expect("a file");
        fs::create_dir(dir.path().join("to")).expect("a folder");
        Self { dir }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    fn to(&self, name: &str) -> std::path::PathBuf {
        self.path("to").join(name)
    }

    fn spec(&self) -> RestoreSpec {
        RestoreSpec::new(self.path("to"))
    }

    fn restore(&self, members: &[(Member, &[u8])]) -> RestoreReport {
        restore(&self.spec(), members)
    }

    /// Only the destination and the file beside it are there, and that is as it was.
    fn assert_nothing_outside(&self) {
        let mut names: Vec<_> = fs::read_dir(self.dir.path())
            .expect("readable")
            .map(|entry| entry.expect("entry").file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["outside", "to"]);
        assert_eq!(fs::read_to_string(self.path("outside")).expect("there"), "untouched");
    }
}

fn restore(spec: &RestoreSpec, members: &[(Member, &[u8])]) -> RestoreReport {
    let mut extractor = Extractor::new(spec).expect("a destination");
    give(&mut extractor, members);
    extractor.finish().expect("finished")
}

fn give(extractor: &mut Extractor, members: &[(Member, &[u8])]) {
    for (member, data) in members {
        if extractor.member(member).expect("goes on") == Wanted::Data {
            for piece in data.chunks(7) {
                extractor.data(piece).expect("goes on");
            }
        }
        extractor.member_end().expect("goes on");
    }
}

/// Owned by who runs the test, so that anybody may run it.
fn member(kind: MemberKind, path: &str) -> Member {
    let mut member = Member::new(kind, path);
    member.uid = rustix::process::geteuid().as_raw();
    member.gid = rustix::process::getegid().as_raw();
    member.mtime = protocol::tar::FileTime { seconds: 1_700_000_000, nanos: 123_456_789 };
    member
}

fn file<'a>(path: &str, data: &'a str) -> (Member, &'a [u8]) {
    let mut member = member(MemberKind::File, path);
    member.data_bytes = data.len() as u64;
    (member, data.as_bytes())
}

fn dir(path: &str) -> (Member, &'static [u8]) {
    (member(MemberKind::Directory, path), b"")
}

fn link(kind: MemberKind, path: &str, target: &str) -> (Member, &'static [u8]) {
    let mut member = member(kind, path);
    member.link = target.into();
    (member, b"")
}

fn symlink(path: &str, target: &str) -> (Member, &'static [u8]) {
    link(MemberKind::Symlink, path, target)
}

fn hard_link(path: &str, first: &str) -> (Member, &'static [u8]) {
    link(MemberKind::HardLink, path, first)
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn text(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).expect("a file with text")
}
