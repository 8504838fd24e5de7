//! The command line as a user sees it: the real program against a daemon that follows a script.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod answers;
mod daemon;
mod edits;
mod instances;
mod jobs;
mod programs;
mod requests;
mod restores;
mod texts;
