//! What members are called in a folder that is sent: names that lead nowhere else.
//!
//! Archives may come from strangers. Empty parts and `.` say nothing and are left out; `..` becomes
//! `%2e%2e`. A tar takes every other byte but a zero. A zip has text only, and some programs take a
//! backslash for a slash: what is no text, `\` and control characters become `%NN`, and so does a `%`
//! that two hex digits follow, so that two names never become one.

use std::fmt::Write as _;

/// What stands for `..`.
const UPWARDS: &str = "%2e%2e";

/// The parts of a path that say something.
pub(super) fn parts(path: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    path.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b"."))
}

/// As a tar has it; empty for a path without parts.
pub(super) fn in_tar(path: &[u8]) -> Vec<u8> {
    let mut name = Vec::with_capacity(path.len());
    for part in parts(path) {
        if !name.is_empty() {
            name.push(b'/');
        }
        match part {
            b".." => name.extend(UPWARDS.bytes()),
            part => part.split(|byte| *byte == 0).enumerate().for_each(|(number, piece)| {
                name.extend_from_slice(if number > 0 { b"%00" } else { b"" });
                name.extend_from_slice(piece);
            }),
        }
    }
    name
}

/// As a zip has it; empty for a path without parts.
pub(super) fn in_zip(path: &[u8]) -> String {
    let mut name = String::with_capacity(path.len());
    for part in parts(path) {
        if !name.is_empty() {
            name.push('/');
        }
        match part {
            b".." => name.push_str(UPWARDS),
            part => put_text(&mut name, part),
        }
    }
    name
}

fn put_text(name: &mut String, part: &[u8]) {
    let mut at = 0;
    for chunk in part.utf8_chunks() {
        for c in chunk.valid().chars() {
            let next = part.get(at + 1..at + 3).unwrap_or_default();
            let ambiguous = c == '%' && next.len() == 2 && next.iter().all(u8::is_ascii_hexdigit);
            if c == '\\' || c.is_control() || ambiguous {
                put_bytes(name, c.encode_utf8(&mut [0; 4]).as_bytes());
            } else {
                name.push(c);
            }
            at += c.len_utf8();
        }
        put_bytes(name, chunk.invalid());
        at += chunk.invalid().len();
    }
}

fn put_bytes(name: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // A text takes whatever is written.
        let _ = write!(name, "%{byte:02x}");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_lead_nowhere_else() {
        for (path, tar, zip) in [
            (&b"a/b c.txt"[..], &b"a/b c.txt"[..], "a/b c.txt"),
            (b"/etc//passwd", b"etc/passwd", "etc/passwd"),
            (b"./a/../../x", b"a/%2e%2e/%2e%2e/x", "a/%2e%2e/%2e%2e/x"),
            (b"..", b"%2e%2e", "%2e%2e"),
            (b"..a/.b./...", b"..a/.b./...", "..a/.b./..."),
            (b"a\0b", b"a%00b", "a%00b"),
            (b"..\\..\\x", b"..\\..\\x", "..%5c..%5cx"),
            (b"a\xff\n", b"a\xff\n", "a%ff%0a"),
            (b"100%", b"100%", "100%"),
            (b"%41 %4", b"%41 %4", "%2541 %4"),
            ("caf\u{e9}".as_bytes(), "caf\u{e9}".as_bytes(), "caf\u{e9}"),
            (b".", b"", ""),
            (b"//", b"", ""),
        ] {
            assert_eq!((&*in_tar(path), &*in_zip(path)), (tar, zip), "{path:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_the_bytes_a_zip_name_is_harmless_and_says_which_bytes_they_were(
            part in prop_oneof![
                proptest::collection::vec(any::<u8>(), 1..9),
                "[%a-f0-9.\\\\é]{1,9}".prop_map(String::into_bytes),
            ]
        ) {
            let name = in_zip(&part);
            prop_assert!(!name.split('/').any(|part| part == ".."));
            prop_assert!(!name.contains(['\\', '\0', '\n']));
            if !part.contains(&b'/') && !matches!(&*part, b"." | b"..") {
                prop_assert_eq!(back(name.as_bytes()), part);
            }
        }
    }

    fn back(name: &[u8]) -> Vec<u8> {
        let (mut bytes, mut at) = (Vec::new(), 0);
        while at < name.len() {
            let digits = name.get(at + 1..at + 3).and_then(|two| std::str::from_utf8(two).ok());
            let byte = digits.and_then(|two| u8::from_str_radix(two, 16).ok());
            match byte.filter(|_| name[at] == b'%' && name[at + 1] != b'+') {
                Some(byte) => (bytes.push(byte), at += 3).1,
                None => (bytes.push(name[at]), at += 1).1,
            }
        }
        bytes
    }
}
