//! Telling what happens, in lines that can be read as it goes.

use std::time::Instant;

/// The story so far.
pub(super) struct Story {
    began: Instant,
    chapters: u32,
}

impl Default for Story {
    fn default() -> Self {
        Self { began: Instant::now(), chapters: 0 }
    }
}

impl Story {
    /// A new chapter.
    pub(super) fn chapter(&mut self, title: &str) {
        self.chapters += 1;
        println!("\n{}. {title}", self.chapters);
    }

    /// A line of it.
    pub(super) fn say(&mut self, line: &str) {
        println!("   {:6.1} s  {line}", self.began.elapsed().as_secs_f64());
    }

    /// The end.
    pub(super) fn end(&mut self, line: &str) {
        println!("\nThe end, after {:.1} s: {line}.", self.began.elapsed().as_secs_f64());
    }
}
