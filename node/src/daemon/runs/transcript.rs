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

    /// What came after a line, with numbers.
    pub(super) fn after(&self, line: u64) -> Vec<(u64, TranscriptLine)> {
        let base = self.first.len() as u64 + self.left_out;
        if self.left_out > 0 && line < base {
            return after(&self.lines(), line);
        }
        // Who follows has nearly all of it, so no more is copied than it lacks.
        let (numbers, count) =
            if self.left_out > 0 { (base + 1, 0) } else { (1, self.first.len()) };
        let lines = self.first[..count].iter().chain(&self.last);
        let skipped = usize::try_from(line.saturating_sub(numbers - 1)).unwrap_or(usize::MAX);
        (numbers..).zip(lines).skip(skipped).map(|(number, said)| (number, said.clone())).collect()
    }

    /// All that is kept, oldest first, with a line that says how many are not.
    pub(super) fn lines(&self) -> Vec<TranscriptLine> {
        let gap = self
            .last
            .front()
            .filter(|_| self.left_out > 0)
            .map(|after| TranscriptLine { at_ms: after.at_ms, text: gap_text(self.left_out) });
        self.first.iter().cloned().chain(gap).chain(self.last.iter().cloned()).collect()
    }
}

/// The lines of a whole transcript after one, each with its number: they count from 1, those left
/// out included. A line that stands for some has the number of the last of them, and speaks of those
/// that the reader lacks.
pub(super) fn after(lines: &[TranscriptLine], line: u64) -> Vec<(u64, TranscriptLine)> {
    // Only a transcript with a gap has so many lines, and its gap is at one place.
    let gap = (lines.len() == TRANSCRIPT_LINES_MAX).then(|| &lines[FIRST_LINES_MAX]);
    let left_out = gap.and_then(|gap| left_out(&gap.text)).unwrap_or(0);
    let numbered = lines.iter().zip(1_u64..).map(|(said, at)| match gap {
        Some(gap) if std::ptr::eq(gap, said) => (at + left_out - 1, gap.clone()),
        Some(_) if at > FIRST_LINES_MAX as u64 => (at + left_out - 1, said.clone()),
        _ => (at, said.clone()),
    });
    let mut after: Vec<_> = numbered.filter(|(number, _)| *number > line).collect();
    if let Some((number, said)) = after.first_mut()
        && left_out > 0
        && *number == FIRST_LINES_MAX as u64 + left_out
    {
        said.text = gap_text(*number - line);
    }
    after
}

fn gap_text(lines: u64) -> String {
    format!("… {lines} lines are left out here …")
}

fn left_out(text: &str) -> Option<u64> {
    text.strip_prefix("… ")?.split(' ').next()?.parse().ok()
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
    fn lines_have_numbers_that_stay_whatever_is_left_out() {
        let mut transcript = Transcript::default();
        let mut told = |count: usize, line: u64| {
            (0..count).for_each(|_| transcript.say(Time(1), "x"));
            let lines = transcript.after(line);
            assert_eq!(lines, after(&transcript.lines(), line));
            let numbers: Vec<_> = lines.iter().map(|(number, _)| *number).collect();
            (numbers, lines.first().map(|(_, said)| said.text.clone()).unwrap_or_default())
        };
        assert_eq!(told(3, 0).0, [1, 2, 3]);
        assert_eq!(told(0, 2).0, [3]);
        assert_eq!(told(0, 3).0, [0; 0]);
        assert_eq!(told(0, 99).0, [0; 0]);
        // 1000 stay, 4 are left out, 999 follow.
        let (numbers, _) = told(2_000, 0);
        assert_eq!((numbers.len(), numbers[999], numbers[1_000]), (2_000, 1_000, 1_004));
        assert_eq!(numbers.last(), Some(&2_003));
        assert_eq!(told(0, 2_002).0, [2_003]);
        let (numbers, first) = told(0, 1_001);
        assert_eq!((numbers[0], first.as_str()), (1_004, "… 3 lines are left out here …"));
        assert_eq!(told(0, 1_004).0[0], 1_005);
    }

    #[test]
    fn lines_are_cut_split_and_harmless() {
        let long = "é".repeat(LINE_BYTES_MAX);
        let lines = said(["a\r\nb\n".to_owned(), "\x1b[2Jred\t!".to_owned(), long]);
        assert_eq!(lines[..3], ["a", "b", "\u{fffd}[2Jred\t!"]);
        assert!(lines[3].len() <= LINE_BYTES_MAX + 3 && lines[3].ends_with("é…"));
    }
}
