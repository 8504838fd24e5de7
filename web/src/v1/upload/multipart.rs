//! `multipart/form-data` as far as it is needed: one file, streamed, among small fields.
//!
//! The file is the field that says a `filename`, or one that is called `chunk`, `file` or `data`.
//! Other fields are read over. What is in memory is a piece of the body and the head of one field.

use std::collections::VecDeque;

use bytes::Bytes;

/// The longest boundary, by RFC 2046.
const BOUNDARY_BYTES_MAX: usize = 70;

/// The longest head of a field, bytes.
const HEAD_BYTES_MAX: usize = 8 << 10;

/// Bytes outside the file: other fields, and what is before the first and after the last.
const ASIDE_BYTES_MAX: usize = 64 << 10;

/// What a field may be called that is the file without a `filename`.
const NAMES: [&str; 3] = ["chunk", "file", "data"];

/// Ends the head of a field.
const HEAD_END: &[u8] = b"\r\n\r\n";

/// A form that is none, or has no file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormError {
    /// It breaks the grammar of forms.
    Malformed,
    /// The head of a field is too long.
    Head,
    /// There is too much beside the file.
    Aside,
    /// There is a second file.
    Second,
    /// There is none.
    NoFile,
    /// It ends before its end.
    CutOff,
}

impl std::fmt::Display for FormError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Malformed => "the form is malformed",
            Self::Head => "the head of a field of the form is too long",
            Self::Aside => "the form has too much beside its file",
            Self::Second => "the form has more than one file",
            Self::NoFile => "the form has no file: call the field chunk, or give it a filename",
            Self::CutOff => "the form is cut off",
        })
    }
}

impl std::error::Error for FormError {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before the first boundary.
    Before,
    /// Right behind a boundary.
    Behind,
    /// In the head of a field.
    Head,
    /// In a field; whether it is the file.
    Field(bool),
    /// Behind the last boundary.
    After,
}

/// Takes a form apart as it comes.
#[derive(Debug)]
pub(crate) struct Multipart {
    delimiter: Vec<u8>,
    held: Vec<u8>,
    place: Place,
    aside: usize,
    has_file: bool,
}

impl Multipart {
    /// A form at its beginning.
    pub(crate) fn new(boundary: &str) -> Self {
        // The first boundary has no line before it; with one it is as the others.
        let (delimiter, held) = (format!("\r\n--{boundary}").into_bytes(), b"\r\n".to_vec());
        Self { delimiter, held, place: Place::Before, aside: 0, has_file: false }
    }

    /// Takes the next bytes, and gives those of the file.
    pub(crate) fn push(
        &mut self,
        bytes: &[u8],
        file: &mut VecDeque<Bytes>,
    ) -> Result<(), FormError> {
        self.held.extend_from_slice(bytes);
        while self.step(file)? {}
        Ok(())
    }

    /// Says that nothing more comes.
    pub(crate) fn finish(&self) -> Result<(), FormError> {
        match self.place {
            Place::After if self.has_file => Ok(()),
            Place::After => Err(FormError::NoFile),
            _ => Err(FormError::CutOff),
        }
    }

    /// One step; false when more bytes are needed.
    fn step(&mut self, file: &mut VecDeque<Bytes>) -> Result<bool, FormError> {
        match self.place {
            Place::Before => self.data(None),
            Place::Field(is_file) => self.data(is_file.then_some(file)),
            Place::Behind => self.behind(),
            Place::Head => self.head(),
            Place::After => {
                let rest = std::mem::take(&mut self.held);
                self.set_aside(rest.len()).map(|()| false)
            }
        }
    }

    /// Data up to the next boundary, or as much of it as is surely none.
    fn data(&mut self, file: Option<&mut VecDeque<Bytes>>) -> Result<bool, FormError> {
        let found = find(&self.held, &self.delimiter);
        let (end, gone) = match found {
            Some(at) => (at, at + self.delimiter.len()),
            None => {
                let end = self.held.len().saturating_sub(self.delimiter.len() - 1);
                (end, end)
            }
        };
        match file {
            Some(file) if end > 0 => file.push_back(Bytes::copy_from_slice(&self.held[..end])),
            Some(_) => {}
            None => self.set_aside(end)?,
        }
        self.held.drain(..gone);
        if found.is_some() {
            self.place = Place::Behind;
        }
        Ok(found.is_some())
    }

    fn behind(&mut self) -> Result<bool, FormError> {
        match self.held.as_slice() {
            [b'-', b'-', ..] => self.place = Place::After,
            [b'\r', b'\n', ..] => self.place = Place::Head,
            [] | [b'-' | b'\r'] => return Ok(false),
            _ => return Err(FormError::Malformed),
        }
        Ok(true)
    }

    /// The head, which begins with the end of the boundary's line.
    fn head(&mut self) -> Result<bool, FormError> {
        let found = find(&self.held, HEAD_END);
        if found.unwrap_or(self.held.len()) > HEAD_BYTES_MAX {
            return Err(FormError::Head);
        }
        let Some(end) = found else { return Ok(false) };
        let is_file = is_file(&self.held[..end]);
        if is_file && self.has_file {
            return Err(FormError::Second);
        }
        self.has_file |= is_file;
        self.set_aside(end)?;
        self.held.drain(..end + HEAD_END.len());
        self.place = Place::Field(is_file);
        Ok(true)
    }

    fn set_aside(&mut self, bytes: usize) -> Result<(), FormError> {
        self.aside = self.aside.saturating_add(bytes);
        if self.aside > ASIDE_BYTES_MAX { Err(FormError::Aside) } else { Ok(()) }
    }
}

/// Where something begins for the first time.
fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = *wanted.first()?;
    let mut from = 0;
    loop {
        let at = from + bytes[from..].iter().position(|byte| *byte == first)?;
        if bytes[at..].starts_with(wanted) {
            return Some(at);
        }
        from = at + 1;
    }
}

/// Whether the head of a field is that of the file.
fn is_file(head: &[u8]) -> bool {
    let head = String::from_utf8_lossy(head);
    let disposition = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
    });
    let Some(disposition) = disposition else { return false };
    has_parameter(disposition, "filename")
        || has_parameter(disposition, "filename*")
        || NAMES.iter().any(|name| parameter(disposition, "name").as_deref() == Some(name))
}

fn has_parameter(value: &str, wanted: &str) -> bool {
    parameter(value, wanted).is_some()
}

/// A parameter of a header's value, without its quotes.
fn parameter(value: &str, wanted: &str) -> Option<String> {
    let (mut rest, mut first) = (value, true);
    while !rest.is_empty() {
        let (piece, after) = split_outside_quotes(rest);
        rest = after;
        if std::mem::take(&mut first) {
            continue;
        }
        let Some((name, value)) = piece.split_once('=') else { continue };
        if name.trim().eq_ignore_ascii_case(wanted) {
            return Some(value.trim().trim_matches('"').to_owned());
        }
    }
    None
}

/// What is before the next semicolon that is in no quotes, and what is behind it.
fn split_outside_quotes(text: &str) -> (&str, &str) {
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if std::mem::take(&mut escaped) => {}
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ';' if !quoted => return (&text[..at], &text[at + 1..]),
            _ => {}
        }
    }
    (text, "")
}

/// The boundary that a Content-Type says.
pub(crate) fn boundary(kind: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_graphic() || c == ' ';
    parameter(kind, "boundary")
        .filter(|text| (1..=BOUNDARY_BYTES_MAX).contains(&text.len()) && text.chars().all(plain))
}

#[cfg(test)]
mod tests;
