//! Times as texts: ISO 8601 with milliseconds and the offset of UTC.

use jiff::{Timestamp, tz::Offset};
use protocol::{Time, tar::FileTime};

/// `2026-05-08T03:00:00.000+00:00`. A time beyond the year 9999 is the end of that year.
pub(crate) fn iso(time: Time) -> String {
    let milliseconds = i64::try_from(time.0).unwrap_or(i64::MAX);
    let timestamp = Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::MAX);
    format!("{:.3}", timestamp.display_with_offset(Offset::UTC))
}

/// The same for a time that there may not be.
pub(crate) fn iso_or_none(time: Option<Time>) -> Option<String> {
    time.map(iso)
}

/// The time of a file, which may be before 1970.
pub(crate) fn iso_file(time: FileTime) -> String {
    let nanos = i32::try_from(time.nanos).unwrap_or(0);
    let out_of_range = if time.seconds < 0 { Timestamp::MIN } else { Timestamp::MAX };
    let timestamp = Timestamp::new(time.seconds, nanos).unwrap_or(out_of_range);
    format!("{:.3}", timestamp.display_with_offset(Offset::UTC))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_an_offset_and_no_time_breaks_it() {
        assert_eq!(iso(Time(0)), "1970-01-01T00:00:00.000+00:00");
        assert_eq!(iso(Time(1_778_209_200_007)), "2026-05-08T03:00:00.007+00:00");
        assert!(iso(Time(u64::MAX)).starts_with("9999-12-30"), "{}", iso(Time(u64::MAX)));
        assert_eq!(iso_or_none(None), None);
        let file = |seconds, nanos| iso_file(FileTime { seconds, nanos });
        assert_eq!(file(-1, 500_000_000), "1969-12-31T23:59:59.500+00:00");
        assert!(file(i64::MIN, 0).starts_with("-009999"), "{}", file(i64::MIN, 0));
        assert!(file(i64::MAX, u32::MAX).starts_with("9999"));
    }
}
