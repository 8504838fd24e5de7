//! What a run says, within bounds: its first and its last lines.

use std::collections::VecDeque;

use protocol::{
    Time,
    control::{TRANSCRIPT_LINES_MAX, TranscriptLine},
};

/// The longest line, bytes; the rest is cut off. A whole transcript then fits a control frame.
const LINE_BYTES_MAX: usize = 2 << 10;

/// First lines that are kept: they say what was to be done.
const FIRST_LINES_MAX: usize = TRANSCRIPT_LINES_MAX / 2;

/// Last lines that are kept: they say why it went wrong. One line stands for those left out.
const LAST_LINES_MAX: usize = TRANSCRIPT_LINES_MAX - FIRST_LINES_MAX - 1;

/// The lines of one run.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    first: Vec<TranscriptLine>,
    last: VecDeque<TranscriptLine>,
    left_out: u64,
}

impl Transcript {
    /// Adds what was said; a line break in it makes two lines.
    pub(super) fn say(&mut self, at_ms: Time, text: &str) {
        text.lines().for_each(|line| self.push(TranscriptLine { at_ms, text: plain(line) }));
    }

    fn push(&mut self, line: TranscriptLine) {
        if self.first.len() < FIRST_LINES_MAX {
            return self.first.push(line);
        }
        if self.last.len() == LAST_LINES_MAX {
            self.last.pop_front();
            self.left_out += 1;
        }
        self.last.push_back(line);
    }

    /// All that is kept, oldest first, with a line that says how many are not.
    pub(super) fn lines(&self) -> Vec<TranscriptLine> {
        let gap = self.last.front().filter(|_| self.left_out > 0).map(|after| TranscriptLine {
            at_ms: after.at_ms,
            text: format!("… {} lines are left out here …", self.left_out),
        });
        self.first.iter().cloned().chain(gap).chain(self.last.iter().cloned()).collect()
    }
}

/// Without what would move the cursor of whoever reads it, and not too long.
fn plain(line: &str) -> String {
    let shown = |c: char| if c.is_control() && c != '\t' { char::REPLACEMENT_CHARACTER } else { c };
    let end = line.floor_char_boundary(LINE_BYTES_MAX);
    let mut plain: String = line[..end].chars().map(shown).collect();
    plain.truncate(plain.floor_char_boundary(LINE_BYTES_MAX));
    if end < line.len() {
        plain.push('…');
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(texts: impl IntoIterator<Item = String>) -> Vec<String> {
        let mut transcript = Transcript::default();
        texts.into_iter().for_each(|text| transcript.say(Time(1), &text));
        transcript.lines().into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn a_transcript_that_fits_is_kept_whole() {
        let lines: Vec<_> = (0..TRANSCRIPT_LINES_MAX - 1).map(|n| n.to_string()).collect();
        assert_eq!(said(lines.clone()), lines);
    }

    #[test]
    fn of_a_longer_one_the_middle_is_left_out_and_counted() {
        let lines = said((0..TRANSCRIPT_LINES_MAX + 10).map(|n| n.to_string()));
        assert_eq!(lines.len(), TRANSCRIPT_LINES_MAX);
        assert_eq!((lines[0].as_str(), lines[FIRST_LINES_MAX - 1].as_str()), ("0", "999"));
        assert_eq!(lines[FIRST_LINES_MAX], "… 11 lines are left out here …");
        assert_eq!(lines[FIRST_LINES_MAX + 1], "1011");
        assert_eq!(lines.last().unwrap(), "2009");
    }

    #[test]
    fn lines_are_cut_split_and_harmless() {
        let long = "é".repeat(LINE_BYTES_MAX);
        let lines = said(["a\r\nb\n".to_owned(), "\x1b[2Jred\t!".to_owned(), long]);
        assert_eq!(lines[..3], ["a", "b", "\u{fffd}[2Jred\t!"]);
        assert!(lines[3].len() <= LINE_BYTES_MAX + 3 && lines[3].ends_with("é…"));
    }
}
