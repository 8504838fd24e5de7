//! Places in the news, as clients write them.

use std::fmt;

/// Digits of a start.
const START_DIGITS: usize = 16;

/// The id of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) start: u64,
    pub(super) number: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.start, self.number)
    }
}

impl Place {
    fn parse(text: &str) -> Option<Self> {
        let (start, number) = text.split_once('-')?;
        let digits = |text: &str, digit: fn(&u8) -> bool| text.as_bytes().iter().all(digit);
        let is_place = start.len() == START_DIGITS
            && digits(start, u8::is_ascii_hexdigit)
            && digits(number, u8::is_ascii_digit);
        if !is_place {
            return None;
        }
        let start = u64::from_str_radix(start, 16).ok()?;
        Some(Self { start, number: number.parse().ok()? })
    }
}

/// Where a client wants to read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// From now on.
    Now,
    /// After this.
    After(Place),
    /// After something that is no place.
    Nowhere,
}

impl Wish {
    pub(super) fn of(text: Option<&str>) -> Self {
        match text {
            None => Self::Now,
            Some(text) => Place::parse(text).map_or(Self::Nowhere, Self::After),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_is_written_and_nothing_else_is_one() {
        let place = Place { start: 0xab, number: 42 };
        assert_eq!(place.to_string(), "00000000000000ab-42");
        assert_eq!(Wish::of(Some("00000000000000ab-42")), Wish::After(place));
        assert_eq!(Wish::of(None), Wish::Now);
        let last = "ffffffffffffffff-18446744073709551615";
        let Wish::After(place) = Wish::of(Some(last)) else { panic!("it is one") };
        assert_eq!(place.to_string(), last);
        for wrong in [
            "",
            "-",
            "42",
            "ab-42",
            "00000000000000ab-",
            "00000000000000ab--1",
            "00000000000000ab-+1",
            "+0000000000000ab-1",
            "00000000000000ab-18446744073709551616",
            "00000000000000ab-4 2",
            "é0000000000000ab-1",
            "?",
        ] {
            assert_eq!(Wish::of(Some(wrong)), Wish::Nowhere, "{wrong}");
        }
    }
}
