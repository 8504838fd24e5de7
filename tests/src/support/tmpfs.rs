//! A small disk in memory, to be filled.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// A mounted file system that is unmounted when it is dropped. Declare it before the daemons that
/// use it, so that it goes after them.
pub struct Tmpfs(PathBuf);

impl Tmpfs {
    /// Mounts one of this size, such as `20m`, at a new folder.
    #[must_use]
    pub fn mount(at: &Path, size: &str) -> Self {
        std::fs::create_dir_all(at).expect("a folder to mount on");
        run(Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(at));
        Self(at.to_owned())
    }

    /// Gives it another size.
    pub fn resize(&self, size: &str) {
        run(Command::new("mount").args(["-o", &format!("remount,size={size}")]).arg(&self.0));
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // Lazily: whatever still has a file open keeps it, and the folder is free at once.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn run(command: &mut Command) {
    let status = command.status().expect("mount is there");
    assert!(status.success(), "{command:?} failed");
}
