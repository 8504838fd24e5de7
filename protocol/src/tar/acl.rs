//! POSIX ACLs: the kernel's bytes of `system.posix_acl_*`, and the text that tar keeps.
//!
//! The kernel's form is a little-endian version (2) and entries of tag, permissions and id, eight
//! bytes each. The text is `user::rwx,user:1000:r--,group::r-x,mask::r-x,other::r--`, with numbers
//! where GNU tar writes names; the fourth field that star adds (the number of a name) is read too.
//! A name without its number cannot be read here: the caller then keeps the text as it is.

const VERSION: [u8; 4] = 2_u32.to_le_bytes();
const ENTRY_BYTES: usize = 8;
/// The id of an entry that is for no one in particular.
const NO_ID: u32 = u32::MAX;

const TAGS: [(u16, &str, bool); 6] = [
    (0x01, "user", false),
    (0x02, "user", true),
    (0x04, "group", false),
    (0x08, "group", true),
    (0x10, "mask", false),
    (0x20, "other", false),
];

/// The text of an ACL; absent when it would not lead back to the same bytes.
pub(super) fn to_text(raw: &[u8]) -> Option<Vec<u8>> {
    let entries = raw.strip_prefix(&VERSION)?;
    if !entries.len().is_multiple_of(ENTRY_BYTES) {
        return None;
    }
    let texts: Option<Vec<String>> = entries.chunks_exact(ENTRY_BYTES).map(entry_text).collect();
    let text = texts?.join(",").into_bytes();
    (from_text(&text)? == raw).then_some(text)
}

fn entry_text(entry: &[u8]) -> Option<String> {
    let tag = u16::from_le_bytes(entry[..2].try_into().ok()?);
    let permissions = u16::from_le_bytes(entry[2..4].try_into().ok()?);
    let id = u32::from_le_bytes(entry[4..].try_into().ok()?);
    let (_, name, has_id) = TAGS.iter().find(|(number, ..)| *number == tag)?;
    let who = if *has_id { id.to_string() } else { String::new() };
    let letter = |bit: u16, letter: char| if permissions & bit != 0 { letter } else { '-' };
    Some(format!("{name}:{who}:{}{}{}", letter(4, 'r'), letter(2, 'w'), letter(1, 'x')))
}

/// The kernel's bytes of a text; absent when it is no ACL or names someone without a number.
pub(super) fn from_text(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    let lines = text.split([',', '\n']).map(|line| line.split('#').next().unwrap_or("").trim());
    let entries: Option<Vec<_>> = lines.filter(|line| !line.is_empty()).map(parse_entry).collect();
    let mut entries = entries?;
    if entries.is_empty() {
        return None;
    }
    entries.sort_unstable();
    let mut raw = VERSION.to_vec();
    for (tag, id, permissions) in entries {
        raw.extend_from_slice(&tag.to_le_bytes());
        raw.extend_from_slice(&permissions.to_le_bytes());
        raw.extend_from_slice(&id.to_le_bytes());
    }
    Some(raw)
}

fn parse_entry(line: &str) -> Option<(u16, u32, u16)> {
    let fields: Vec<&str> = line.split(':').map(str::trim).collect();
    let (name, who, letters, number) = match fields.as_slice() {
        [name, letters] => (*name, "", *letters, None),
        [name, who, letters] => (*name, *who, *letters, None),
        [name, who, letters, number] => (*name, *who, *letters, Some(*number)),
        _ => return None,
    };
    let name = match name {
        "u" => "user",
        "g" => "group",
        "m" => "mask",
        "o" => "other",
        name => name,
    };
    let (tag, ..) =
        TAGS.iter().find(|(_, tag_name, has_id)| *tag_name == name && *has_id != who.is_empty())?;
    let id = if who.is_empty() { NO_ID } else { number.unwrap_or(who).parse().ok()? };
    Some((*tag, id, permissions(letters)?))
}

fn permissions(letters: &str) -> Option<u16> {
    letters.bytes().try_fold(0, |bits, letter| match letter {
        b'r' => Some(bits | 4),
        b'w' => Some(bits | 2),
        b'x' => Some(bits | 1),
        b'-' => Some(bits),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"user::rw-,user:33:r--,user:1000:rwx,group::r-x,mask::rwx,other::---";

    #[test]
    fn text_and_kernel_bytes_lead_to_each_other() {
        let raw = from_text(TEXT).unwrap();
        assert_eq!(raw.len(), 4 + 6 * ENTRY_BYTES);
        assert_eq!(to_text(&raw).unwrap(), TEXT);
    }

    #[test]
    fn lines_of_gnu_and_fields_of_star_are_read() {
        let expected = from_text(b"user::rwx,user:7:r--,group::---,mask::r--,other::---").unwrap();
        let gnu = b"user::rwx\nuser:7:r--\t#effective:r--\ngroup::---\nmask::r--\nother::---\n";
        assert_eq!(from_text(gnu).unwrap(), expected);
        let star = b"user::rwx,user:www:r--:7,group::---,mask:r--,other:---";
        assert_eq!(from_text(star).unwrap(), expected);
    }

    #[test]
    fn what_would_not_come_back_the_same_stays_bytes() {
        let mut raw = from_text(TEXT).unwrap();
        assert_eq!(from_text(b"user:www:r--"), None);
        assert_eq!(from_text(b""), None);
        raw[6] = 0xff;
        assert_eq!(to_text(&raw), None);
        assert_eq!(to_text(&raw[..9]), None);
        assert_eq!(to_text(b""), None);
    }
}
