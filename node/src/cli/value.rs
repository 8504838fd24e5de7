//! What people write on the command line, as values: sizes, durations, paths.

use std::path::{Path, PathBuf};

use protocol::control::RawPath;

/// A number with a unit that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ValueError {
    /// Not a size.
    #[error("expected a size such as 200G, 1.5T or 750MB (K, M, G, T count in 1024, KB … in 1000)")]
    Size,
    /// Not a duration.
    #[error("expected a time such as 90s, 30m, 24h, 7d or 2w")]
    Duration,
    /// Not a duration in whole seconds.
    #[error("expected a time of whole seconds such as 90s, 10m or 1h")]
    Seconds,
    /// Not a name and a value.
    #[error("expected NAME=VALUE")]
    Pair,
    /// A variable that the environment of this command has not.
    #[error("expected NAME=VALUE, or the NAME of a variable that this command finds itself")]
    Variable,
    /// Not a number of tars.
    #[error("expected a number or `auto`")]
    KeepTar,
}

/// A number with up to three decimals, in thousandths, and what follows it.
fn number(text: &str) -> Option<(u128, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    if whole.is_empty() || whole.len() > 20 || part.is_empty() || part.len() > 3 {
        return None;
    }
    let thousandths: u128 = format!("{part:0<3}").parse().ok()?;
    Some((whole.parse::<u128>().ok()? * 1_000 + thousandths, unit.trim()))
}

/// `200G` as bytes.
pub(super) fn size(text: &str) -> Result<u64, ValueError> {
    let (thousandths, unit) = number(text.trim()).ok_or(ValueError::Size)?;
    let unit = unit.to_ascii_lowercase();
    let (prefix, base) = match unit.strip_suffix("ib").or_else(|| unit.strip_suffix('b')) {
        Some(prefix) if !unit.ends_with("ib") && !prefix.is_empty() => (prefix, 1_000_u128),
        Some(prefix) => (prefix, 1_024),
        None => (unit.as_str(), 1_024),
    };
    let power = match prefix {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return Err(ValueError::Size),
    };
    let bytes = thousandths.checked_mul(base.pow(power)).ok_or(ValueError::Size)? / 1_000;
    u64::try_from(bytes).map_err(|_| ValueError::Size)
}

/// `24h` as milliseconds.
pub(super) fn duration_ms(text: &str) -> Result<u64, ValueError> {
    let (thousandths, unit) = number(text.trim()).ok_or(ValueError::Duration)?;
    let seconds: u128 = match unit {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => return Err(ValueError::Duration),
    };
    // Thousandths of a second are milliseconds.
    let ms = thousandths.checked_mul(seconds).ok_or(ValueError::Duration)?;
    u64::try_from(ms).map_err(|_| ValueError::Duration)
}

/// `10m` as seconds.
pub(super) fn seconds(text: &str) -> Result<u32, ValueError> {
    let ms = duration_ms(text).map_err(|_| ValueError::Seconds)?;
    let whole = (ms % 1_000 == 0).then_some(ms / 1_000);
    whole.and_then(|seconds| u32::try_from(seconds).ok()).ok_or(ValueError::Seconds)
}

/// `NAME=VALUE`; the value may be empty and have more signs of that kind in it.
pub(super) fn pair(text: &str) -> Result<(String, String), ValueError> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(ValueError::Pair),
    }
}

/// `NAME=VALUE`, or `NAME` alone with the value it has here: that keeps a secret out of the list of
/// processes.
pub(super) fn variable(text: &str) -> Result<(String, String), ValueError> {
    if text.contains('=') {
        return pair(text).map_err(|_| ValueError::Variable);
    }
    let value = std::env::var(text).map_err(|_| ValueError::Variable)?;
    Ok((text.to_owned(), value))
}

/// How many plain tars are kept; none for what is usual on the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeepTar(pub(super) Option<u16>);

/// `2` or `auto`.
pub(super) fn keep_tar(text: &str) -> Result<KeepTar, ValueError> {
    match text {
        "auto" => Ok(KeepTar(None)),
        number => number.parse().map(|n| KeepTar(Some(n))).map_err(|_| ValueError::KeepTar),
    }
}

/// A path of this command as the daemon must be told it, which works in another directory.
pub(super) fn absolute(path: &Path) -> std::io::Result<PathBuf> {
    std::path::absolute(path)
}

/// The same as the bytes that a request carries.
pub(super) fn raw(path: &Path) -> std::io::Result<RawPath> {
    use std::os::unix::ffi::OsStrExt;
    Ok(RawPath(absolute(path)?.as_os_str().as_bytes().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("0", 0),
            ("512", 512),
            ("512b", 512),
            ("1k", 1 << 10),
            ("1KiB", 1 << 10),
            ("1kB", 1_000),
            ("1.5M", 3 << 19),
            ("200G", 200 << 30),
            ("750MB", 750_000_000),
            ("2 TiB", 2 << 40),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for wrong in ["", "G", "-1G", "1X", "1.G", "1.2345G", "1GG", "99999999999999P", "1e9"] {
            assert_eq!(size(wrong), Err(ValueError::Size), "{wrong}");
        }
    }

    #[test]
    fn durations_need_a_unit() {
        for (text, ms) in [("90s", 90_000), ("1.5h", 5_400_000), ("7d", 604_800_000), ("0s", 0)] {
            assert_eq!(duration_ms(text), Ok(ms), "{text}");
        }
        for wrong in ["24", "", "h", "1y", "-1h", "99999999999999999999w"] {
            assert_eq!(duration_ms(wrong), Err(ValueError::Duration), "{wrong}");
        }
    }

    #[test]
    fn seconds_are_whole_and_fit() {
        assert_eq!(seconds("10m"), Ok(600));
        for wrong in ["0.5s", "10", "999999999w", ""] {
            assert_eq!(seconds(wrong), Err(ValueError::Seconds), "{wrong}");
        }
    }

    #[test]
    fn pairs_split_at_the_first_sign() {
        let both = |name: &str, value: &str| Ok((name.to_owned(), value.to_owned()));
        assert_eq!(pair("A=b=c"), both("A", "b=c"));
        assert_eq!(pair("A="), both("A", ""));
        assert_eq!((pair("A"), pair("=b")), (Err(ValueError::Pair), Err(ValueError::Pair)));
        assert_eq!(keep_tar("auto"), Ok(KeepTar(None)));
        assert_eq!(
            (keep_tar("3"), keep_tar("-1")),
            (Ok(KeepTar(Some(3))), Err(ValueError::KeepTar))
        );
    }
}
