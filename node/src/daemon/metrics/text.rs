//! The text format of Prometheus, version 0.0.4: a `HELP` and a `TYPE` line for each name, then a
//! line for each value. A name without values is left out.

use std::fmt::Write as _;

use protocol::Time;

/// What every name begins with.
const PREFIX: &str = "backupmanager";

/// A text that grows.
#[derive(Debug, Default)]
pub(super) struct Text {
    text: String,
    name: &'static str,
    /// What stands before the first value.
    head: Option<String>,
}

impl Text {
    /// The next values go up and down.
    pub(super) fn gauge(&mut self, name: &'static str, help: &str) {
        self.begin(name, help, "gauge");
    }

    /// The next values only grow.
    pub(super) fn counter(&mut self, name: &'static str, help: &str) {
        self.begin(name, help, "counter");
    }

    /// A gauge with one value.
    pub(super) fn one(&mut self, name: &'static str, help: &str, value: u64) {
        self.gauge(name, help);
        self.value(&[], value);
    }

    /// A value of the name that was begun last.
    pub(super) fn value(&mut self, labels: &[(&str, &str)], value: u64) {
        self.line(labels, format_args!("{value}"));
    }

    /// A time, in seconds.
    pub(super) fn seconds(&mut self, labels: &[(&str, &str)], time: Time) {
        self.line(labels, format_args!("{}.{:03}", time.0 / 1_000, time.0 % 1_000));
    }

    /// The whole text.
    pub(super) fn finish(self) -> String {
        self.text
    }

    fn begin(&mut self, name: &'static str, help: &str, kind: &str) {
        self.name = name;
        let help = escaped(help, false);
        let name = format!("{PREFIX}_{name}");
        self.head = Some(format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    fn line(&mut self, labels: &[(&str, &str)], value: std::fmt::Arguments<'_>) {
        self.text.push_str(&self.head.take().unwrap_or_default());
        let labels: Vec<_> = labels
            .iter()
            .map(|(label, value)| format!("{label}=\"{}\"", escaped(value, true)))
            .collect();
        let labels =
            if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        // A text takes everything.
        let _ = writeln!(self.text, "{PREFIX}_{}{labels} {value}", self.name);
    }
}

/// As the format wants it: a backslash and a line break are escaped, in a label quotes too.
fn escaped(text: &str, quotes: bool) -> String {
    let text = text.replace('\\', "\\\\").replace('\n', "\\n");
    if quotes { text.replace('"', "\\\"") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_once_and_whatever_a_label_says_stays_in_it() {
        let mut text = Text::default();
        text.gauge("nothing", "has no value");
        text.gauge("a_bytes", "two\nlines and a \\ and \"");
        text.value(&[("job", "a\"b\\c\nd"), ("state", "x")], 7);
        text.value(&[], u64::MAX);
        text.counter("b_total", "b");
        text.seconds(&[], Time(1_005));
        assert_eq!(
            text.finish(),
            "\
# HELP backupmanager_a_bytes two\\nlines and a \\\\ and \"
# TYPE backupmanager_a_bytes gauge
backupmanager_a_bytes{job=\"a\\\"b\\\\c\\nd\",state=\"x\"} 7
backupmanager_a_bytes 18446744073709551615
# HELP backupmanager_b_total b
# TYPE backupmanager_b_total counter
backupmanager_b_total 1.005
"
        );
    }
}
