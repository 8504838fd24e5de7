//! Which bytes of a download are wanted: `Range` and `If-Range`, as RFC 9110 has them.
//!
//! One range is understood. Several at once, another unit, or what is no range at all gives the
//! whole: that is what the RFC says of headers that a server does not know.

use std::ops::Range;

use axum::http::{HeaderMap, header};

/// What of it to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All.
    Whole,
    /// These bytes, never none.
    Part(Range<u64>),
    /// Bytes that there are not.
    Nothing,
}

/// What a client wants of `bytes` bytes that are tagged so.
pub(crate) fn wanted(asked: &HeaderMap, tag: Option<&str>, bytes: u64) -> Wanted {
    let mut ranges = asked.get_all(header::RANGE).iter();
    let (Some(range), None) = (ranges.next(), ranges.next()) else { return Wanted::Whole };
    if !still_the_same(asked, tag) {
        return Wanted::Whole;
    }
    range.to_str().ok().and_then(|text| parse(text, bytes)).unwrap_or(Wanted::Whole)
}

/// Whether the range is meant for these bytes. A weak tag, or a time, does not say so.
fn still_the_same(asked: &HeaderMap, tag: Option<&str>) -> bool {
    let mut said = asked.get_all(header::IF_RANGE).iter();
    match (said.next(), said.next()) {
        (None, _) => true,
        (Some(said), None) => tag.is_some_and(|tag| said.as_bytes() == tag.as_bytes()),
        (Some(_), Some(_)) => false,
    }
}

/// None for what is not understood.
fn parse(text: &str, bytes: u64) -> Option<Wanted> {
    let (unit, range) = text.split_once('=')?;
    let (first, last) = range.trim_matches([' ', '\t']).split_once('-')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let part = if first.is_empty() {
        bytes.saturating_sub(number(last)?)..bytes
    } else {
        let (first, last) =
            (number(first)?, if last.is_empty() { u64::MAX } else { number(last)? });
        if last < first {
            return None;
        }
        first..last.saturating_add(1).min(bytes)
    };
    Some(if part.is_empty() { Wanted::Nothing } else { Wanted::Part(part) })
}

/// Digits only. What is larger than any file is as large as can be.
fn number(digits: &str) -> Option<u64> {
    let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn of(headers: &[(HeaderName, &'static str)], bytes: u64) -> Wanted {
        let mut asked = HeaderMap::new();
        for (name, value) in headers {
            asked.append(name, HeaderValue::from_static(value));
        }
        wanted(&asked, Some("\"a\""), bytes)
    }

    fn range(text: &'static str, bytes: u64) -> Wanted {
        of(&[(header::RANGE, text)], bytes)
    }

    #[test]
    fn one_range_is_cut_to_what_there_is() {
        for (text, part) in [
            ("bytes=0-0", 0..1),
            ("bytes=0-", 0..100),
            ("bytes=10-19", 10..20),
            ("bytes=99-99", 99..100),
            ("bytes=90-1000", 90..100),
            ("bytes=1-18446744073709551615", 1..100),
            ("bytes=1-99999999999999999999999", 1..100),
            ("bytes=-1", 99..100),
            ("bytes=-100", 0..100),
            ("bytes=-18446744073709551616", 0..100),
            ("Bytes= 5-6 ", 5..7),
        ] {
            assert_eq!(range(text, 100), Wanted::Part(part), "{text}");
        }
    }

    #[test]
    fn a_range_behind_the_end_is_nothing() {
        for text in [
            "bytes=100-",
            "bytes=100-200",
            "bytes=-0",
            "bytes=18446744073709551615-",
            "bytes=18446744073709551616-18446744073709551617",
        ] {
            assert_eq!(range(text, 100), Wanted::Nothing, "{text}");
        }
        for text in ["bytes=0-0", "bytes=0-", "bytes=-1"] {
            assert_eq!(range(text, 0), Wanted::Nothing, "{text}");
        }
    }

    #[test]
    fn what_is_no_single_range_of_bytes_gives_the_whole() {
        for text in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=0-1,5-6",
            "bytes=2-1",
            "bytes=+1-2",
            "bytes=0x1-2",
            "bytes=1 - 2",
            "bytes=--1",
            "items=0-1",
            "bytes 0-1",
            "bytes=1-2-3",
            "bytes=-1-2",
            "bytes=\u{7f}0-1",
        ] {
            let mut asked = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_str(text) {
                asked.append(header::RANGE, value);
            }
            assert_eq!(wanted(&asked, None, 100), Wanted::Whole, "{text}");
        }
        let twice = [(header::RANGE, "bytes=0-1"), (header::RANGE, "bytes=0-1")];
        assert_eq!(of(&twice, 100), Wanted::Whole);
    }

    #[test]
    fn a_range_of_other_bytes_gives_the_whole() {
        let with = |said| of(&[(header::RANGE, "bytes=1-2"), (header::IF_RANGE, said)], 100);
        assert_eq!(with("\"a\""), Wanted::Part(1..3));
        for said in ["\"b\"", "W/\"a\"", "a", "*", "", "Fri, 08 May 2026 03:00:00 GMT"] {
            assert_eq!(with(said), Wanted::Whole, "{said}");
        }
        let twice = [
            (header::RANGE, "bytes=1-2"),
            (header::IF_RANGE, "\"a\""),
            (header::IF_RANGE, "\"a\""),
        ];
        assert_eq!(of(&twice, 100), Wanted::Whole);
        let asked = HeaderMap::from_iter([
            (header::RANGE, HeaderValue::from_static("bytes=1-2")),
            (header::IF_RANGE, HeaderValue::from_static("\"a\"")),
        ]);
        assert_eq!(wanted(&asked, None, 100), Wanted::Whole, "nothing is tagged");
    }
}
