use super::*;

/// What of the file comes out, when the form comes in pieces of this size.
fn read(form: &[u8], piece: usize) -> Result<Vec<u8>, FormError> {
    let (mut multipart, mut out) = (Multipart::new("XX"), VecDeque::new());
    for bytes in form.chunks(piece) {
        multipart.push(bytes, &mut out)?;
    }
    multipart.finish()?;
    Ok(out.into_iter().flatten().collect())
}

/// The same for any way it can be cut into pieces, which must not matter.
fn all_ways(form: &[u8]) -> Result<Vec<u8>, FormError> {
    let whole = read(form, form.len().max(1));
    for piece in [1, 2, 3, 7, 61] {
        assert_eq!(read(form, piece), whole, "in pieces of {piece}");
    }
    whole
}

fn field(head: &str, data: &[u8]) -> Vec<u8> {
    [b"--XX\r\n", head.as_bytes(), b"\r\n\r\n", data, b"\r\n"].concat()
}

fn form(fields: &[(&str, &[u8])]) -> Vec<u8> {
    let mut form: Vec<u8> = fields.iter().flat_map(|(head, data)| field(head, data)).collect();
    form.extend_from_slice(b"--XX--\r\n");
    form
}

const FILE: &str = r#"Content-Disposition: form-data; name="x"; filename="a.bin""#;
const CHUNK: &str = "content-disposition:form-data;name=chunk";
const NOTE: &str = r#"Content-Disposition: form-data; name="note; filename=x""#;

#[test]
fn the_file_comes_out_as_it_went_in_however_the_form_is_cut() {
    for data in [
        &b""[..],
        b"x",
        b"\r\n",
        b"\r\n--X",
        b"\r\n--XY\r\n\r\n--\r\n--\r--XX\n--XX",
        b"--XX--",
        &[0xff; 5_000],
    ] {
        for head in [FILE, CHUNK] {
            assert_eq!(all_ways(&form(&[(head, data)])).as_deref(), Ok(data), "{head}");
            let among = form(&[(NOTE, b"7"), (head, data), (NOTE, b"")]);
            assert_eq!(all_ways(&among).as_deref(), Ok(data), "{head}");
        }
    }
    let around = [&b"preamble\r\n"[..], &form(&[(FILE, b"x")]), b"epilogue"].concat();
    assert_eq!(all_ways(&around).as_deref(), Ok(&b"x"[..]));
    let typed = format!("Content-Type: application/octet-stream\r\n{FILE}");
    assert_eq!(all_ways(&form(&[(&typed, b"x")])).as_deref(), Ok(&b"x"[..]));
}

#[test]
fn a_form_that_is_cut_off_or_none_is_refused() {
    let whole = form(&[(FILE, b"data")]);
    for end in 0..whole.len() - 2 {
        assert_eq!(all_ways(&whole[..end]), Err(FormError::CutOff), "cut at {end}");
    }
    for (form, error) in [
        (form(&[]), FormError::NoFile),
        (form(&[(NOTE, b"x")]), FormError::NoFile),
        (form(&[("", b"x")]), FormError::NoFile),
        (form(&[(FILE, b"x"), (CHUNK, b"x")]), FormError::Second),
        (b"--XXgarbage\r\n\r\nx\r\n--XX--".to_vec(), FormError::Malformed),
        (b"no form at all".to_vec(), FormError::CutOff),
    ] {
        assert_eq!(all_ways(&form), Err(error), "{}", form.escape_ascii());
    }
}

#[test]
fn what_is_not_the_file_is_bounded() {
    let long = "x".repeat(HEAD_BYTES_MAX + 1);
    assert_eq!(read(&form(&[(&long, b"x")]), 1_000), Err(FormError::Head));
    let endless = [b"--XX\r\n", long.as_bytes()].concat();
    assert_eq!(read(&endless, 1_000), Err(FormError::Head));
    let large = vec![b'x'; ASIDE_BYTES_MAX + 1];
    assert_eq!(read(&form(&[(NOTE, &large), (FILE, b"x")]), 1_000), Err(FormError::Aside));
    assert_eq!(read(&large.repeat(2), 1_000), Err(FormError::Aside));
    let behind = [form(&[(FILE, b"x")]), large].concat();
    assert_eq!(read(&behind, 1_000), Err(FormError::Aside));
}

#[test]
fn nothing_is_held_back_but_what_may_be_a_boundary() {
    let (mut multipart, mut out) = (Multipart::new("XX"), VecDeque::new());
    multipart.push(&field(FILE, b"")[..FILE.len() + 10], &mut out).unwrap();
    let mut sent = 0;
    for _ in 0..100 {
        multipart.push(&[b'\r'; 10_000], &mut out).unwrap();
        sent += 10_000;
        let came: usize = out.iter().map(Bytes::len).sum();
        assert!(sent - came < 10 && multipart.held.capacity() < 64 << 10, "{came} of {sent}");
    }
}

#[test]
fn boundaries_are_read_from_the_type() {
    for (kind, found) in [
        ("multipart/form-data; boundary=abc", Some("abc")),
        (r#"multipart/form-data; charset=x; Boundary="a;b c""#, Some("a;b c")),
        ("multipart/form-data", None),
        ("multipart/form-data; boundary=", None),
        ("multipart/form-data; boundary=é", None),
    ] {
        assert_eq!(boundary(kind).as_deref(), found, "{kind}");
    }
    let long = format!("multipart/form-data; boundary={}", "x".repeat(BOUNDARY_BYTES_MAX + 1));
    assert_eq!(boundary(&long), None);
}
