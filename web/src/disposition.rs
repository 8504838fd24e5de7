//! What a download is called: `Content-Disposition`, as RFC 6266 has it.
//!
//! Names come from archives, and an archive may come from a stranger. A client sees a plain file
//! name: no folder, no quote, no control character. What text cannot say stands as `%NN`.

use std::fmt::Write as _;

use axum::http::HeaderValue;

/// The longest name that is told, characters. File systems take no more than 255 bytes.
const NAME_CHARS_MAX: usize = 120;

/// What stands where a name is only dots, or nothing.
const NAMELESS: &str = "download";

/// A file to be saved under this name: once for all clients, and once in UTF-8.
pub(crate) fn attachment(name: &[u8]) -> HeaderValue {
    let name = shown(name);
    let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    let mut value = format!("attachment; filename=\"{plain}\"");
    if plain != name {
        value.push_str("; filename*=UTF-8''");
        for byte in name.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                value.push(char::from(byte));
            } else {
                // A text takes whatever is written.
                let _ = write!(value, "%{byte:02X}");
            }
        }
    }
    // It is ASCII without controls.
    HeaderValue::from_str(&value).unwrap_or(HeaderValue::from_static("attachment"))
}

/// The name as text, without what leads elsewhere or cannot be seen.
fn shown(name: &[u8]) -> String {
    let mut text = String::new();
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            let odd = c.is_control()
                || matches!(c, '/' | '\\' | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            text.push(if odd { '_' } else { c });
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "%{byte:02x}");
        }
    }
    let dots = text.chars().all(|c| c == '.');
    let text = if dots { NAMELESS.to_owned() } else { text };
    let chars = text.chars().count();
    // The end says what kind of file it is.
    text.chars().skip(chars.saturating_sub(NAME_CHARS_MAX)).collect()
}

/// Whether a client that knows only ASCII reads it as it is. Some decode a `%`.
fn is_plain(c: char) -> bool {
    (c.is_ascii_graphic() || c == ' ') && !matches!(c, '"' | '\\' | '%' | ';')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &[u8]) -> String {
        attachment(name).to_str().expect("ASCII").to_owned()
    }

    #[test]
    fn a_plain_name_is_told_once_and_any_other_twice() {
        assert_eq!(of(b"jerry_docs.tar"), "attachment; filename=\"jerry_docs.tar\"");
        assert_eq!(
            of("caf\u{e9} 100%.txt".as_bytes()),
            "attachment; filename=\"caf_ 100_.txt\"; filename*=UTF-8''caf%C3%A9%20100%25.txt"
        );
        let raw = of(b"a\xff.bin");
        assert_eq!(raw, "attachment; filename=\"a_ff.bin\"; filename*=UTF-8''a%25ff.bin");
    }

    #[test]
    fn a_hostile_name_is_one_harmless_word() {
        for (name, plain) in [
            (&b"a\"; filename=\"/etc/passwd"[..], "a__ filename=__etc_passwd"),
            (b"a\r\nSet-Cookie: x", "a__Set-Cookie: x"),
            (b"..\\..\\x", ".._.._x"),
            (b"..", "download"),
            (b"", "download"),
            ("\u{202e}gpj.exe".as_bytes(), "_gpj.exe"),
        ] {
            let told = of(name);
            assert!(told.starts_with(&format!("attachment; filename=\"{plain}\"")), "{told}");
            assert!(!told.contains("..%5C") && !told.contains("%2F"), "{told}");
        }
        let long = of(&[b"x".repeat(5_000), b".tar".to_vec()].concat());
        assert!(long.len() < 200 && long.ends_with("x.tar\""), "{long}");
    }
}
