//! Sizes, times and tables for people.

use jiff::{Timestamp, tz::TimeZone};
use protocol::Time;

/// Spaces between two columns.
const COLUMN_GAP: usize = 2;

/// How values are shown.
#[derive(Clone, Debug)]
pub(super) struct Style {
    /// Times are shown in it.
    pub(super) zone: TimeZone,
}

impl Style {
    /// As the machine is set up.
    pub(super) fn system() -> Self {
        Self { zone: TimeZone::system() }
    }

    /// `2026-05-08 03:00:00`, local; a dash for a time that no calendar has.
    pub(super) fn time(&self, time: Time) -> String {
        written(time, &self.zone)
    }

    /// The same in another zone, where this machine knows it.
    #[expect(clippy::unused_self, reason = "how times are shown is the style's")]
    pub(super) fn time_in(&self, time: Time, zone: &str) -> Option<String> {
        TimeZone::get(zone).ok().map(|zone| written(time, &zone))
    }

    /// The same, or a dash.
    pub(super) fn time_or_dash(&self, time: Option<Time>) -> String {
        time.map_or_else(dash, |time| self.time(time))
    }
}

fn written(time: Time, zone: &TimeZone) -> String {
    i64::try_from(time.0).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).map_or_else(
        || "-".to_owned(),
        |at| at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
    )
}

pub(super) fn dash() -> String {
    "-".to_owned()
}

/// `1.5 GiB`.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1_024 {
        return format!("{bytes} B");
    }
    let mut tenths = u128::from(bytes) * 10;
    let mut unit = 0;
    tenths = rounded(tenths);
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        unit += 1;
        tenths = rounded(u128::from(bytes) * 10 / (1 << (10 * unit)));
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

fn rounded(value: u128) -> u128 {
    (value + 512) / 1_024
}

pub(super) fn bytes_or_dash(value: Option<u64>) -> String {
    value.map_or_else(dash, bytes)
}

/// `1h 02m`, `3m 04s`, `5.6s`.
pub(super) fn duration(ms: u64) -> String {
    let seconds = ms / 1_000;
    match seconds {
        0..60 => format!("{seconds}.{}s", ms % 1_000 / 100),
        60..3_600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h {:02}m", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{}d {:02}h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// Text from elsewhere, safe on a terminal: one line, nothing that a terminal would act on.
pub(super) fn clean(text: &str) -> String {
    let unsafe_char = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if text.contains(unsafe_char) {
        text.chars().map(|c| if unsafe_char(c) { '\u{fffd}' } else { c }).collect()
    } else {
        text.to_owned()
    }
}

/// Rows of cells, aligned; columns whose name begins with `>` are aligned to the right.
pub(super) struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(head: &[&'static str]) -> Self {
        Self { head: head.to_vec(), rows: Vec::new() }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| clean(&cell)).collect());
    }

    /// The table, or `nothing` when it has no rows.
    pub(super) fn or(self, nothing: &str) -> String {
        if self.rows.is_empty() {
            return format!("{nothing}\n");
        }
        let head: Vec<String> =
            self.head.iter().map(|name| name.trim_start_matches('>').to_owned()).collect();
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.chain(head.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..head.len()).map(width).collect();
        let mut out = String::new();
        for row in std::iter::once(&head).chain(&self.rows) {
            let mut line = String::new();
            for ((cell, &width), name) in row.iter().zip(&widths).zip(&self.head) {
                if name.starts_with('>') {
                    line.push_str(&format!("{cell:>width$}"));
                } else {
                    line.push_str(&format!("{cell:<width$}"));
                }
                line.push_str(&" ".repeat(COLUMN_GAP));
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }
}

/// Lines of `name: value`, values aligned.
#[derive(Default)]
pub(super) struct Facts(Vec<(&'static str, String)>);

impl Facts {
    pub(super) fn add(&mut self, name: &'static str, value: impl Into<String>) -> &mut Self {
        self.0.push((name, clean(&value.into())));
        self
    }

    pub(super) fn maybe(&mut self, name: &'static str, value: Option<String>) -> &mut Self {
        if let Some(value) = value {
            self.add(name, value);
        }
        self
    }

    /// One line for each value, the name before the first; none without values.
    pub(super) fn each(
        &mut self,
        name: &'static str,
        values: impl IntoIterator<Item = String>,
    ) -> &mut Self {
        for (n, value) in values.into_iter().enumerate() {
            self.add(if n == 0 { name } else { "" }, value);
        }
        self
    }

    pub(super) fn text(&self) -> String {
        let width = self.0.iter().map(|(name, _)| name.len() + 1).max().unwrap_or(0);
        let label = |name: &str| if name.is_empty() { String::new() } else { format!("{name}:") };
        let line = |(name, value): &(&str, String)| format!("{:<width$} {value}\n", label(name));
        self.0.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_one_decimal_and_a_binary_unit() {
        for (value, text) in [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_024, "1.0 KiB"),
            (1_536, "1.5 KiB"),
            (1_048_575, "1.0 MiB"),
            (1 << 30, "1.0 GiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(bytes(value), text);
        }
    }

    #[test]
    fn times_are_local_and_durations_short() {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        let style = Style { zone };
        assert_eq!(style.time(Time(1_778_202_000_000)), "2026-05-08 03:00:00");
        assert_eq!(style.time(Time(u64::MAX)), "-");
        let shown = [5_650, 184_000, 3_720_000, 180_000_000].map(duration);
        assert_eq!(shown, ["5.6s", "3m 04s", "1h 02m", "2d 02h"]);
    }

    #[test]
    fn columns_are_aligned_and_nothing_reaches_the_terminal_raw() {
        let mut table = Table::new(&["NAME", ">SIZE"]);
        table.row(["a".to_owned(), "10 B".to_owned()]);
        table.row(["b\x1b[31m".to_owned(), "1.0 KiB".to_owned()]);
        assert_eq!(table.or("none"), "NAME       SIZE\na          10 B\nb\u{fffd}[31m  1.0 KiB\n");
        assert_eq!(Table::new(&["NAME"]).or("no jobs"), "no jobs\n");
    }
}
