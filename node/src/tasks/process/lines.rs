//! What programs say, as lines: bounded, readable, without secrets.

use std::collections::VecDeque;

/// The longest line that is told while it is said, bytes.
const TOLD_BYTES_MAX: usize = 4 << 10;

/// The longest line that is kept to the end, bytes: some programs answer in one long line of JSON.
const LINE_BYTES_MAX: usize = 4 << 20;

/// How many of the last lines are kept.
const KEPT_LINES_MAX: usize = 1_000;

/// How much of the last lines is kept, bytes; the last one is kept whatever its length.
const KEPT_BYTES_MAX: usize = 8 << 20;

/// The longest secret that is looked for, bytes; of a longer one, its beginning.
const SECRET_BYTES_MAX: usize = 4 << 10;

/// The shortest line of a secret of several lines that is looked for by itself, bytes.
const SECRET_LINE_BYTES_MIN: usize = 4;

/// What stands in place of a secret.
const BLACK: &[u8] = b"***";

/// Values that nobody is to read.
#[derive(Clone, Default)]
pub(super) struct Secrets(Vec<Vec<u8>>);

impl Secrets {
    /// A secret of several lines is looked for line by line, since that is how text is told.
    pub(super) fn add(&mut self, secret: &str) {
        let is_one_line = !secret.trim().contains('\n');
        for line in secret.lines().map(str::trim) {
            let bytes = &line.as_bytes()[..line.len().min(SECRET_BYTES_MAX)];
            if bytes.len() >= if is_one_line { 1 } else { SECRET_LINE_BYTES_MIN } {
                self.0.push(bytes.to_owned());
            }
        }
    }

    /// How many bytes more than a line's bound are needed to know a secret that begins in it.
    fn reach(&self) -> usize {
        self.0.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// The first `bytes_max` bytes of a line, secrets that begin in them blacked out.
    fn hide(&self, line: &[u8], bytes_max: usize) -> Vec<u8> {
        let kept = line.len().min(bytes_max);
        if self.0.is_empty() {
            return line[..kept].to_owned();
        }
        let mut hidden = vec![false; line.len()];
        for secret in &self.0 {
            for at in 0..(line.len() + 1).saturating_sub(secret.len()) {
                if line[at..].starts_with(secret) {
                    hidden[at..at + secret.len()].fill(true);
                }
            }
        }
        let mut said = Vec::with_capacity(kept);
        for at in 0..kept {
            if !hidden[at] {
                said.push(line[at]);
            } else if at == 0 || !hidden[at - 1] {
                said.extend(BLACK);
            }
        }
        said
    }
}

/// One channel of a program.
#[derive(Default)]
pub(super) struct Lines {
    secrets: Secrets,
    /// The line that has not ended, as far as it is within its bound.
    open: Vec<u8>,
    /// Whether anything of it came.
    is_open: bool,
    kept: VecDeque<String>,
    kept_bytes: usize,
}

impl Lines {
    pub(super) fn new(secrets: Secrets) -> Self {
        Self { secrets, ..Self::default() }
    }

    /// Takes the next bytes; `tell` gets each line that is whole, at a readable length.
    pub(super) fn push(&mut self, bytes: &[u8], tell: &mut dyn FnMut(String)) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, is_whole) = match part.split_last() {
                Some((b'\n', text)) => (text, true),
                _ => (part, false),
            };
            self.is_open = true;
            let room = (LINE_BYTES_MAX + self.secrets.reach()).saturating_sub(self.open.len());
            self.open.extend(&text[..text.len().min(room)]);
            if is_whole {
                self.end(tell);
            }
        }
    }

    /// Ends a line that has no break, if there is one.
    pub(super) fn end(&mut self, tell: &mut dyn FnMut(String)) {
        if !std::mem::take(&mut self.is_open) {
            return;
        }
        let mut line = std::mem::take(&mut self.open);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        let line = self.secrets.hide(&line, LINE_BYTES_MAX);
        let line = String::from_utf8_lossy(&line).into_owned();
        tell(cut(line.clone(), TOLD_BYTES_MAX));
        self.kept_bytes += line.len();
        self.kept.push_back(line);
        while self.kept.len() > KEPT_LINES_MAX
            || (self.kept_bytes > KEPT_BYTES_MAX && self.kept.len() > 1)
        {
            let dropped = self.kept.pop_front().map_or(0, |line| line.len());
            self.kept_bytes -= dropped;
        }
    }

    /// The last lines.
    pub(super) fn kept(self) -> Vec<String> {
        self.kept.into()
    }
}

/// A text of at most so many bytes; an ellipsis says that there was more.
pub(super) fn cut(mut text: String, bytes_max: usize) -> String {
    if text.len() > bytes_max {
        text.truncate(text.floor_char_boundary(bytes_max.saturating_sub('…'.len_utf8())));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(secrets: &[&str], parts: &[&[u8]]) -> (Vec<String>, Vec<String>) {
        let mut known = Secrets::default();
        secrets.iter().for_each(|secret| known.add(secret));
        let mut lines = Lines::new(known);
        let mut told = Vec::new();
        parts.iter().for_each(|part| lines.push(part, &mut |line| told.push(line)));
        lines.end(&mut |line| told.push(line));
        (told, lines.kept())
    }

    #[test]
    fn lines_are_the_same_however_the_bytes_come_in_parts() {
        let text = b"one\ntwo\r\n\nlast \xff";
        let whole = told(&[], &[text]);
        assert_eq!(whole.0, ["one", "two", "", "last \u{fffd}"]);
        assert_eq!(whole.0, whole.1);
        let bytes: Vec<_> = text.chunks(1).collect();
        assert_eq!(told(&[], &bytes), whole);
        assert_eq!(told(&[], &[b"", b"ended\n"]).0, ["ended"]);
    }

    #[test]
    fn a_long_line_is_told_short_kept_whole_and_bounded_all_the_same() {
        let long = vec![b'x'; TOLD_BYTES_MAX + 1];
        let (short, kept) = told(&[], &[&long]);
        assert!(short[0].len() <= TOLD_BYTES_MAX && short[0].ends_with("x…"));
        assert_eq!(kept[0].len(), long.len());
        let endless = vec![b'x'; LINE_BYTES_MAX];
        let (_, kept) = told(&[], &[&endless, &endless, b"\nnext"]);
        assert_eq!((kept[0].len(), kept[1].as_str()), (LINE_BYTES_MAX, "next"));
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let many: Vec<u8> = (0..5_000).flat_map(|at| format!("{at}\n").into_bytes()).collect();
        let (all, kept) = told(&[], &[&many]);
        assert_eq!((all.len(), kept.len()), (5_000, KEPT_LINES_MAX));
        assert_eq!(kept.last().unwrap(), "4999");
        let mut line = vec![b'x'; LINE_BYTES_MAX - 1];
        line.push(b'\n');
        let (_, kept) = told(&[], &[&line, &line, &line, &line]);
        assert_eq!(kept.len(), 2);
    }

    #[test]
    fn secrets_are_blacked_out_also_where_they_overlap_come_in_parts_or_are_cut() {
        let said = told(&["hunter2"], &[b"pw=hun", b"ter2 hunter2hunter2 hunter\n"]).0;
        assert_eq!(said, ["pw=*** *** hunter"]);
        assert_eq!(told(&["abcd", "cdef"], &[b"xabcdefx"]).0, ["x***x"]);
        assert_eq!(told(&["", " "], &[b"a b"]).0, ["a b"]);
        assert_eq!(told(&["key one\nkey two\n}"], &[b"key two}\nkey one\n"]).0, ["***}", "***"]);
        // The blacked out ones make the line shorter: what is cut off must not move into view.
        let mut line = b"hunter2".repeat(10);
        line.extend(vec![b'.'; LINE_BYTES_MAX - line.len() - 3]);
        line.extend(b"hunter2 hunter2");
        let kept = &told(&["hunter2"], &[&line]).1[0];
        assert!(kept.ends_with(".***") && !kept.contains("hun"), "{}", &kept[kept.len() - 30..]);
    }
}
