//! Events on the error stream: a bar on a terminal, plain lines elsewhere.

use std::{
    io::{IsTerminal, Write},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use protocol::control::{Event, Progress};

use super::format::{bytes, clean, duration};

/// Plain progress lines come at most this often …
const LINE_EVERY: Duration = Duration::from_secs(5);

/// … or when so much more is done, per mille.
const LINE_PER_MILLE: u64 = 100;

/// How often a bar is drawn per second.
const DRAWS_PER_S: u8 = 8;

/// What is shown of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// A bar and every line.
    Bar,
    /// Lines only.
    Lines,
    /// Warnings only: `--quiet` and `--json`.
    Warnings,
}

impl Shown {
    pub(super) fn choose(quiet: bool) -> Self {
        match (quiet, std::io::stderr().is_terminal()) {
            (true, _) => Self::Warnings,
            (false, true) => Self::Bar,
            (false, false) => Self::Lines,
        }
    }
}

/// Receives the events of one request.
pub(super) struct Reporter {
    shown: Shown,
    bar: Option<ProgressBar>,
    pace: Pace,
    warnings: u64,
}

impl Reporter {
    pub(super) fn new(shown: Shown) -> Self {
        Self { shown, bar: None, pace: Pace::default(), warnings: 0 }
    }

    /// How many warnings there were.
    pub(super) fn warnings(&self) -> u64 {
        self.warnings
    }

    pub(super) fn event(&mut self, event: Event) {
        match event {
            Event::Progress(progress) => self.progress(&progress),
            Event::Line { text } if self.shown != Shown::Warnings => self.say(&clean(&text)),
            Event::Line { .. } => {}
            Event::Warning { what, why } => {
                self.warnings += 1;
                self.say(&format!("warning: {}: {}", clean(&what), clean(&why)));
            }
        }
    }

    /// Takes the bar away before the answer is printed.
    pub(super) fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn progress(&mut self, progress: &Progress) {
        match self.shown {
            Shown::Warnings => {}
            Shown::Bar => self.bar.get_or_insert_with(bar).update_to(progress),
            Shown::Lines => {
                if self.pace.due(Instant::now(), progress) {
                    self.say(&line(progress));
                }
            }
        }
    }

    /// A line above the bar. That nobody can be told is no reason to stop.
    fn say(&self, text: &str) {
        let write = || writeln!(std::io::stderr(), "{text}");
        let _ = self.bar.as_ref().map_or_else(write, |bar| bar.suspend(write));
    }
}

trait UpdateTo {
    fn update_to(&self, progress: &Progress);
}

impl UpdateTo for ProgressBar {
    fn update_to(&self, progress: &Progress) {
        match progress.per_mille() {
            Some(done) => {
                self.set_style(style("{bar:30} {msg}"));
                self.set_position(done);
            }
            None => self.set_style(style("{spinner} {msg}")),
        }
        self.set_message(line(progress));
        self.tick();
    }
}

fn bar() -> ProgressBar {
    let target = ProgressDrawTarget::stderr_with_hz(DRAWS_PER_S);
    ProgressBar::with_draw_target(Some(1_000), target)
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// `reading 42 % · 1,234 of 5,678 · 1.2 GiB of 2.9 GiB · 310.0 MiB/s · 5.6s left`.
fn line(progress: &Progress) -> String {
    let mut parts = vec![clean(&progress.what)];
    if let Some(done) = progress.per_mille() {
        parts[0].push_str(&format!(" {} %", done / 10));
    }
    match progress.total {
        Some(total) => parts.push(format!("{} of {total}", progress.done)),
        None if progress.done > 0 => parts.push(progress.done.to_string()),
        None => {}
    }
    match progress.bytes_total {
        Some(total) => parts.push(format!("{} of {}", bytes(progress.bytes_done), bytes(total))),
        None if progress.bytes_done > 0 => parts.push(bytes(progress.bytes_done)),
        None => {}
    }
    if progress.rate_bytes > 0 {
        parts.push(format!("{}/s", bytes(progress.rate_bytes)));
    }
    if let Some(eta) = progress.eta_ms {
        parts.push(format!("{} left", duration(eta)));
    }
    parts.join(" · ")
}

/// Keeps plain lines rare.
#[derive(Default)]
struct Pace {
    last: Option<(Instant, String, u64)>,
}

impl Pace {
    /// Whether this is worth a line: something new began, much more is done, or time has passed.
    fn due(&mut self, now: Instant, progress: &Progress) -> bool {
        let done = progress.per_mille().unwrap_or(0);
        let due = self.last.as_ref().is_none_or(|(at, what, before)| {
            *what != progress.what
                || done >= before + LINE_PER_MILLE
                || now.duration_since(*at) >= LINE_EVERY
        });
        if due {
            self.last = Some((now, progress.what.clone(), done));
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(done: u64) -> Progress {
        Progress {
            what: "reading".into(),
            done: 3,
            total: None,
            bytes_done: done,
            bytes_total: Some(1_000),
            rate_bytes: 2_048,
            eta_ms: Some(61_000),
        }
    }

    #[test]
    fn plain_lines_are_rare() {
        let start = Instant::now();
        let mut pace = Pace::default();
        assert!(pace.due(start, &at(0)));
        assert!(!pace.due(start, &at(99)));
        assert!(pace.due(start, &at(100)), "ten per cent more");
        assert!(!pace.due(start + Duration::from_secs(4), &at(150)));
        assert!(pace.due(start + Duration::from_secs(5), &at(150)), "five seconds later");
        let other = Progress { what: "comparing".into(), ..at(0) };
        assert!(pace.due(start + Duration::from_secs(5), &other));
    }

    #[test]
    fn a_line_says_what_is_known() {
        assert_eq!(line(&at(500)), "reading 50 % · 3 · 500 B of 1000 B · 2.0 KiB/s · 1m 01s left");
        let little = Progress { what: "waiting".into(), ..Progress::default() };
        assert_eq!(line(&little), "waiting");
    }

    #[test]
    fn warnings_are_counted_in_every_mode() {
        let mut reporter = Reporter::new(Shown::Warnings);
        reporter.event(Event::Line { text: "x".into() });
        reporter.event(Event::Warning { what: "a".into(), why: "vanished".into() });
        reporter.event(Event::Progress(at(1)));
        assert_eq!(reporter.warnings(), 1);
        reporter.finish();
    }
}
