//! Pax extended headers: records of `LENGTH KEY=VALUE\n`, and what we understand of them.

use super::{Extent, FileTime, Limits, TarError, acl, parser::within};

const ACCESS: (&[u8], &[u8]) = (b"SCHILY.acl.access", b"system.posix_acl_access");
const DEFAULT: (&[u8], &[u8]) = (b"SCHILY.acl.default", b"system.posix_acl_default");
const XATTR: &[u8] = b"SCHILY.xattr.";
const NANOS_DIGITS: usize = 9;

/// Appends one record.
pub(super) fn put_record(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3; // the space, the `=` and the line feed
    let mut length = rest + 1;
    while rest + decimal_digits(length) != length {
        length = rest + decimal_digits(length);
    }
    out.extend_from_slice(length.to_string().as_bytes());
    out.push(b' ');
    out.extend_from_slice(key);
    out.push(b'=');
    out.extend_from_slice(value);
    out.push(b'\n');
}

fn decimal_digits(number: usize) -> usize {
    number.checked_ilog10().unwrap_or(0) as usize + 1
}

/// Appends the record of an extended attribute: ACLs as text, names with `%` and `=` escaped as
/// GNU tar does.
pub(super) fn put_xattr(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    for (key, raw_name) in [ACCESS, DEFAULT] {
        if name == key {
            return put_record(out, key, value); // a text that names people, kept as it was
        }
        if let Some(text) = (name == raw_name).then(|| acl::to_text(value)).flatten() {
            return put_record(out, key, &text);
        }
    }
    let mut key = XATTR.to_vec();
    for &byte in name {
        match byte {
            b'%' => key.extend_from_slice(b"%25"),
            b'=' => key.extend_from_slice(b"%3D"),
            byte => key.push(byte),
        }
    }
    put_record(out, &key, value);
}

fn attribute_name(escaped: &[u8]) -> Vec<u8> {
    let mut name = Vec::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some((&byte, after)) = rest.split_first() {
        let (plain, next) = match after {
            [b'2', b'5', next @ ..] if byte == b'%' => (b'%', next),
            [b'3', b'D' | b'd', next @ ..] if byte == b'%' => (b'=', next),
            _ => (byte, after),
        };
        name.push(plain);
        rest = next;
    }
    name
}

/// A time as decimal seconds.
pub(super) fn time_text(time: FileTime) -> String {
    if time.nanos == 0 {
        return time.seconds.to_string();
    }
    let text = if time.seconds < 0 {
        let sign = "-";
        format!("{sign}{}.{:09}", -(time.seconds + 1), 1_000_000_000 - time.nanos)
    } else {
        format!("{}.{:09}", time.seconds, time.nanos)
    };
    text.trim_end_matches('0').to_owned()
}

fn parse_time(text: &str) -> Option<FileTime> {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |text| (true, text));
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let whole: i64 = decimal(whole)?.try_into().ok()?;
    let digits = &fraction[..fraction.len().min(NANOS_DIGITS)];
    let nanos: u32 = format!("{digits:0<NANOS_DIGITS$}").parse().ok()?;
    Some(match (negative, nanos) {
        (false, nanos) => FileTime { seconds: whole, nanos },
        (true, 0) => FileTime { seconds: -whole, nanos: 0 },
        (true, nanos) => FileTime { seconds: -whole - 1, nanos: 1_000_000_000 - nanos },
    })
}

/// Digits only: neither `+1` nor ` 1` is a number here.
fn decimal(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// What pax records say of one member, or of all that follow.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) user: Option<Vec<u8>>,
    pub(super) group: Option<Vec<u8>>,
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    pub(super) size: Option<u64>,
    pub(super) mtime: Option<FileTime>,
    /// As they came; of two with one name the later counts.
    pub(super) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) sparse: SparseFields,
    xattr_bytes: usize,
}

/// The three ways in which GNU tar says where a file has data.
#[derive(Clone, Debug, Default)]
pub(super) struct SparseFields {
    pub(super) major: Option<u64>,
    pub(super) name: Option<Vec<u8>>,
    pub(super) real_bytes: Option<u64>,
    /// Versions 0.0 and 0.1; that of 1.0 lies in the data.
    pub(super) extents: Vec<Extent>,
    offset: Option<u64>,
}

impl Fields {
    /// Takes all records of an extended header.
    pub(super) fn read(&mut self, mut body: &[u8], limits: &Limits) -> Result<(), TarError> {
        while !body.is_empty() {
            let (key, value, rest) = next_record(body)?;
            self.take(key, value, limits)?;
            body = rest;
        }
        Ok(())
    }

    /// What a global header may say of every member; the rest belongs to one alone.
    pub(super) fn for_all(self) -> Self {
        let Self { user, group, uid, gid, mtime, .. } = self;
        Self { user, group, uid, gid, mtime, ..Self::default() }
    }

    fn take(&mut self, key: &[u8], value: &[u8], limits: &Limits) -> Result<(), TarError> {
        match key {
            b"path" => self.path = text("path", value, limits)?,
            b"linkpath" => self.link = text("link", value, limits)?,
            b"uname" => self.user = text("user", value, limits)?,
            b"gname" => self.group = text("group", value, limits)?,
            b"uid" => self.uid = small("uid", value)?,
            b"gid" => self.gid = small("gid", value)?,
            b"size" => self.size = number("size", value)?,
            b"mtime" => {
                let time = |text| parse_time(text).ok_or(TarError::Pax("mtime"));
                self.mtime = plain("mtime", value)?.map(time).transpose()?;
            }
            _ if key.starts_with(b"GNU.sparse.") => return self.sparse.take(key, value, limits),
            _ => return self.take_xattr(key, value, limits),
        }
        Ok(())
    }

    fn take_xattr(&mut self, key: &[u8], value: &[u8], limits: &Limits) -> Result<(), TarError> {
        let (name, value) = if let Some(name) = key.strip_prefix(XATTR) {
            (attribute_name(name), value.to_vec())
        } else if let Some((_, name)) = [ACCESS, DEFAULT].into_iter().find(|(k, _)| *k == key) {
            // A text that names people without their numbers stays under its own key.
            acl::from_text(value).map_or((key.to_vec(), value.to_vec()), |raw| (name.to_vec(), raw))
        } else {
            return Ok(());
        };
        self.xattr_bytes += name.len() + value.len();
        self.xattrs.push((name, value));
        within("extended attributes", self.xattr_bytes as u64, limits.xattr_bytes)
    }
}

impl SparseFields {
    fn take(&mut self, key: &[u8], value: &[u8], limits: &Limits) -> Result<(), TarError> {
        match &key[b"GNU.sparse.".len()..] {
            b"major" => self.major = number("sparse version", value)?,
            b"name" => self.name = text("path", value, limits)?,
            b"size" | b"realsize" => self.real_bytes = number("sparse size", value)?,
            b"offset" => self.offset = number("sparse offset", value)?,
            b"numbytes" => {
                let bytes = number("sparse length", value)?;
                let (Some(offset), Some(bytes)) = (self.offset.take(), bytes) else {
                    return Err(TarError::Pax("sparse length"));
                };
                self.extents.push(Extent { offset, bytes });
            }
            b"map" => self.extents = parse_map(value)?,
            _ => {}
        }
        within("sparse map", self.extents.len() as u64, limits.extents)
    }
}

/// The map of version 0.1: offsets and lengths in turn, with commas between.
fn parse_map(value: &[u8]) -> Result<Vec<Extent>, TarError> {
    let text = std::str::from_utf8(value).map_err(|_| TarError::Pax("sparse map"))?;
    let numbers: Option<Vec<u64>> = text.split(',').map(decimal).collect();
    let numbers = numbers.filter(|numbers| numbers.len().is_multiple_of(2));
    let numbers = numbers.ok_or(TarError::Pax("sparse map"))?;
    Ok(numbers.chunks_exact(2).map(|n| Extent { offset: n[0], bytes: n[1] }).collect())
}

/// The key and the value of the first record, and what follows it.
type Record<'a> = (&'a [u8], &'a [u8], &'a [u8]);

fn next_record(body: &[u8]) -> Result<Record<'_>, TarError> {
    let bad = || TarError::Pax("record");
    let space = body.iter().take(8).position(|&b| b == b' ').ok_or_else(bad)?;
    let length = std::str::from_utf8(&body[..space]).ok().and_then(decimal).ok_or_else(bad)?;
    let length = usize::try_from(length).map_err(|_| bad())?;
    let record = body.get(space + 1..length).ok_or_else(bad)?;
    let record = record.strip_suffix(b"\n").ok_or_else(bad)?;
    let equals = record.iter().position(|&b| b == b'=').ok_or_else(bad)?;
    Ok((&record[..equals], &record[equals + 1..], &body[length..]))
}

/// A value; an empty one takes back what was said before.
fn text(what: &'static str, value: &[u8], limits: &Limits) -> Result<Option<Vec<u8>>, TarError> {
    within(what, value.len() as u64, limits.path_bytes)?;
    Ok((!value.is_empty()).then(|| value.to_vec()))
}

fn plain<'a>(what: &'static str, value: &'a [u8]) -> Result<Option<&'a str>, TarError> {
    let text = std::str::from_utf8(value).map_err(|_| TarError::Pax(what))?;
    Ok((!text.is_empty()).then_some(text))
}

fn number(what: &'static str, value: &[u8]) -> Result<Option<u64>, TarError> {
    let number = |text| decimal(text).ok_or(TarError::Pax(what));
    plain(what, value)?.map(number).transpose()
}

fn small(what: &'static str, value: &[u8]) -> Result<Option<u32>, TarError> {
    let small = |number| u32::try_from(number).map_err(|_| TarError::Pax(what));
    number(what, value)?.map(small).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_its_own_length() {
        for value_bytes in [0, 1, 89, 90, 91, 980, 985, 990, 99_990] {
            let mut out = Vec::new();
            put_record(&mut out, b"path", &vec![b'x'; value_bytes]);
            let (key, value, rest) = next_record(&out).unwrap();
            assert_eq!((key, value.len(), rest.len()), (&b"path"[..], value_bytes, 0));
        }
    }

    #[test]
    fn times_before_1970_keep_their_nanoseconds() {
        for (seconds, nanos, text) in [
            (0, 0, "0"),
            (1, 500_000_000, "1.5"),
            (-1, 0, "-1"),
            (-1, 500_000_000, "-0.5"),
            (-2, 999_999_999, "-1.000000001"),
            (i64::MIN, 1, "-9223372036854775807.999999999"),
            (1_700_000_000, 10, "1700000000.00000001"),
        ] {
            let time = FileTime { seconds, nanos };
            assert_eq!(time_text(time), text);
            assert_eq!(parse_time(text), Some(time));
        }
        assert_eq!(parse_time("12.0000000019"), Some(FileTime { seconds: 12, nanos: 1 }));
        for bad in ["", "-", "1e5", "+1", "1.-5", "99999999999999999999", " 1", "--1", "."] {
            let read = parse_time(bad);
            assert!(read.is_none(), "{bad}: {read:?}");
        }
    }

    #[test]
    fn names_of_attributes_keep_their_equals_signs() {
        let mut out = Vec::new();
        put_xattr(&mut out, b"user.a=b%3D%c", b"v=\0\n");
        let mut fields = Fields::default();
        fields.read(&out, &Limits::default()).unwrap();
        assert_eq!(fields.xattrs, [(b"user.a=b%3D%c".to_vec(), b"v=\0\n".to_vec())]);
    }
}
