//! Names of archives: `{instance}_{what}_{YYYYMMDD}`, with a number for later runs of the day.

use protocol::limits::NAME_BYTES_MAX;

/// Room for `_20260508` and for `_9999` behind it.
const STEM_BYTES_MAX: usize = NAME_BYTES_MAX - 9 - 5;

/// Hex digits that tell shortened names apart.
const HASH_DIGITS: usize = 8;

/// A name that no archive in `taken` has. `date` is `YYYYMMDD` in the node's local time.
///
/// YunoHost deletes only what has at most 50 of `[A-Za-z0-9._-]`, so a long instance or job name
/// is cut and told apart by a hash.
pub fn archive_name(
    instance: &str,
    what: &str,
    date: &str,
    taken: impl Fn(&str) -> bool,
) -> String {
    let base = format!("{}_{date}", stem(&format!("{instance}_{what}")));
    let mut name = base.clone();
    let mut number = 1_u32;
    while taken(&name) {
        number += 1;
        name = format!("{base}_{number}");
    }
    name
}

fn stem(wanted: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let clean: String = wanted.chars().map(|c| if allowed(c) { c } else { '-' }).collect();
    let clean = clean.trim_start_matches('.');
    if clean == wanted && clean.len() <= STEM_BYTES_MAX {
        return clean.to_owned();
    }
    let hash = blake3::hash(wanted.as_bytes()).to_hex();
    let kept = &clean[..clean.len().min(STEM_BYTES_MAX - HASH_DIGITS - 1)];
    format!("{kept}-{}", &hash[..HASH_DIGITS])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_of_the_day_gets_a_number() {
        let taken = ["jerry_docs_20260508", "jerry_docs_20260508_2"];
        let name = archive_name("jerry", "docs", "20260508", |name| taken.contains(&name));
        assert_eq!(name, "jerry_docs_20260508_3");
    }

    #[test]
    fn long_and_odd_names_stay_within_what_yunohost_deletes() {
        let long = archive_name(&"n".repeat(50), &"j".repeat(50), "20260508", |_| false);
        let other = archive_name(&"n".repeat(50), &"j".repeat(49), "20260508", |_| false);
        let odd = archive_name("é../x", "a b", "20260508", |_| false);
        assert_ne!(long, other);
        for name in [&long, &other, &odd] {
            assert!(name.len() <= NAME_BYTES_MAX - 5, "{name}");
            assert!(
                name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)),
                "{name}"
            );
        }
    }
}
