//! Times as texts: ISO 8601 with milliseconds and the offset of UTC.

use std::{borrow::Cow, fmt};

use jiff::{Timestamp, tz::Offset};
use protocol::{Time, tar::FileTime};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

/// A time as an answer says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Iso(String);

impl fmt::Display for Iso {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl JsonSchema for Iso {
    fn schema_name() -> Cow<'static, str> {
        "Iso".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

/// `2026-05-08T03:00:00.000+00:00`. A time beyond the year 9999 is the end of that year.
pub(crate) fn iso(time: Time) -> Iso {
    let milliseconds = i64::try_from(time.0).unwrap_or(i64::MAX);
    let timestamp = Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::MAX);
    Iso(format!("{:.3}", timestamp.display_with_offset(Offset::UTC)))
}

/// The same for a time that there may not be.
pub(crate) fn iso_or_none(time: Option<Time>) -> Option<Iso> {
    time.map(iso)
}

/// The time of a file, which may be before 1970.
pub(crate) fn iso_file(time: FileTime) -> Iso {
    let nanos = i32::try_from(time.nanos).unwrap_or(0);
    let out_of_range = if time.seconds < 0 { Timestamp::MIN } else { Timestamp::MAX };
    let timestamp = Timestamp::new(time.seconds, nanos).unwrap_or(out_of_range);
    Iso(format!("{:.3}", timestamp.display_with_offset(Offset::UTC)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_an_offset_and_no_time_breaks_it() {
        assert_eq!(iso(Time(0)).to_string(), "1970-01-01T00:00:00.000+00:00");
        assert_eq!(iso(Time(1_778_209_200_007)).to_string(), "2026-05-08T03:00:00.007+00:00");
        assert!(iso(Time(u64::MAX)).0.starts_with("9999-12-30"), "{}", iso(Time(u64::MAX)));
        assert_eq!(iso_or_none(None), None);
        let file = |seconds, nanos| iso_file(FileTime { seconds, nanos }).0;
        assert_eq!(file(-1, 500_000_000), "1969-12-31T23:59:59.500+00:00");
        assert!(file(i64::MIN, 0).starts_with("-009999"), "{}", file(i64::MIN, 0));
        assert!(file(i64::MAX, u32::MAX).starts_with("9999"));
    }
}
