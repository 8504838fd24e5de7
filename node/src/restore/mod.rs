//! Putting an archive's members back on a file system, and comparing what lies there.
//!
//! The [`Extractor`] is told the members of a tar stream one after the other and writes them
//! beneath a *destination*. Whatever the archive says, nothing is written elsewhere:
//!
//! - A member's path is taken apart into names; `..`, an absolute path and a NUL byte refuse it.
//! - Every directory is opened one name at a time from the directory above it, never through a
//!   symbolic link, and everything else happens relative to that open directory. So a link that an
//!   archive made, or that lay there before, or that somebody puts there meanwhile, leads nowhere.
//! - Existing files are never opened for writing: a new file takes the name of the old one.
//! - A hard link is made only to a regular file that this restore wrote, and found the same way; or
//!   to a link, pipe or device that it made, when device and inode are still those of then.
//!
//! *In place* (destination `/`) a live system has links among its directories (`/var/run`). With
//! [`LinkRule::FollowSystem`] a link in the place of a parent directory is followed when it was not
//! made by this restore, and when the link and every directory it was reached through belong to
//! root (or to who runs this) and nobody else may write there; its target is resolved beneath the
//! destination, as after a chroot. Anything else is refused, for that file, with the reason.
//!
//! *Killed halfway*: a file in a directory that existed before is written under a temporary name
//! and renamed, complete with its attributes. In a directory that this restore made nothing can be
//! overwritten, so files are written under their own name; until they are complete their mode is
//! 0200, and until the directory is complete its mode is 01700. A repeated restore knows both
//! marks, writes such files again whatever the policy, and gives such directories their attributes.
//!
//! *Where things go*: the member `data/custom/opt/app/x` with the prefix `data/custom` stripped goes
//! to `/opt/app/x` in place and to `DIR/opt/app/x` under a folder `DIR`: the whole original path, so
//! that two restores into one folder do not mix and nobody has to guess what was cut off.
//!
//! *What could not be set* is listed, never dropped, and never makes a file more open than it was.

mod attributes;
mod beneath;
mod check;
pub mod compare;
mod dirs;
mod error;
mod extract;
mod file;
mod means;
mod name;
mod node;
mod owners;
mod place;
mod report;
mod seen;
pub mod select;
mod spec;
#[cfg(test)]
mod tests;
mod unpack;
mod write;

pub(crate) use beneath::open_system_dir;
pub use compare::{Difference, compare_trees};
pub use error::RestoreError;
pub use extract::{Extractor, Wanted};
pub use report::{LISTED_MAX, Listed, NotSet, Note, RestoreReport, Setting};
pub use select::{LinkChoice, Links, Selection, SelectionError};
pub use spec::{Check, LinkRule, Overwrite, Owners, RestoreSpec};
pub use unpack::unpack;
