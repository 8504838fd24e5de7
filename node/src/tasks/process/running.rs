//! A program that runs, with its process group.

use std::{
    os::fd::OwnedFd,
    process::{Child, ExitStatus},
};

use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open, waitid,
};

/// A child that leads a process group. Dropping it kills the group, unless it was reaped.
///
/// It stays unreaped until the very end: as long as it is, its number means no other group.
pub(super) struct Running {
    pub(super) child: Child,
    pid: Pid,
    /// Readable once it has ended; none on kernels that have no such thing.
    pub(super) ending: Option<OwnedFd>,
    is_done: bool,
}

impl Running {
    pub(super) fn new(child: Child) -> Self {
        let pid = Pid::from_child(&child);
        let ending = pidfd_open(pid, PidfdFlags::empty()).ok();
        Self { child, pid, ending, is_done: false }
    }

    /// Whether it has ended.
    pub(super) fn has_ended(&self) -> bool {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        !matches!(waitid(WaitId::Pid(self.pid), look), Ok(None))
    }

    /// Asks the whole group to end.
    pub(super) fn terminate(&self) {
        // An empty group has nobody to ask.
        let _gone = kill_process_group(self.pid, Signal::TERM);
    }

    /// Ends the whole group.
    pub(super) fn kill(&self) {
        let _gone = kill_process_group(self.pid, Signal::KILL);
    }

    /// Takes its status; blocks until it has ended.
    pub(super) fn reap(mut self) -> std::io::Result<ExitStatus> {
        self.is_done = true;
        self.child.wait()
    }

    /// Leaves one that even `SIGKILL` does not end: it hangs in the kernel.
    pub(super) fn abandon(mut self) {
        self.is_done = true;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.is_done {
            self.kill();
            let _status = self.child.wait();
        }
    }
}
