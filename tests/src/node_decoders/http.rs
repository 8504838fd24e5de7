//! What HTTP brings: parts of uploads as forms, and the answers of other servers.

use node::decoders::{FormError, form, instance_answer};
use protocol::control::INSTANCE_TEXT_BYTES_MAX;

const KIND: &str = "multipart/form-data; boundary=b";

/// A form, in pieces of any size; then its bytes as the file of one that is whole.
pub(super) fn multipart(bytes: &[u8]) {
    let whole = form(KIND, bytes, bytes.len());
    for piece in [1, 2, 7] {
        let pieces = form(KIND, bytes, piece);
        assert_eq!(pieces.is_ok(), whole.is_ok(), "pieces of {piece}");
        assert!(whole.is_err() || pieces == whole, "pieces of {piece}");
    }
    let kind = String::from_utf8_lossy(bytes);
    assert_ne!(form(&kind, b"", 1), Ok(Vec::new()), "a form of nothing");
    if bytes.windows(5).any(|window| window == b"\r\n--b") {
        return;
    }
    let head = b"--b\r\nContent-Disposition: form-data; name=\"chunk\"\r\n\r\n";
    let text = [head, bytes, b"\r\n--b--\r\n"].concat();
    assert_eq!(form(KIND, &text, 64), Ok(bytes.to_vec()));
    assert_eq!(form(KIND, &text[..text.len() - 5], 64), Err(FormError::CutOff));
}

pub(super) fn multipart_seeds() -> Vec<Vec<u8>> {
    let one = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\ndata\r\n--b--\r\n";
    let two = format!(
        "aside\r\n--b\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\n7\r\n{one}after"
    );
    [one, two.as_str(), "multipart/form-data; boundary=\"x y\""]
        .map(|text| text.as_bytes().to_vec())
        .to_vec()
}

/// An answer of an instance.
pub(super) fn answer(bytes: &[u8]) {
    for text in instance_answer(bytes).unwrap_or_default() {
        assert!(text.len() <= INSTANCE_TEXT_BYTES_MAX, "{} bytes", text.len());
        assert!(!text.contains(char::is_control), "{text:?}");
    }
}

pub(super) fn answer_seeds() -> Vec<Vec<u8>> {
    [
        r#"{"status":"ok","instance_name":"jerry","version":"1.0"}"#,
        r#"{"jobs":[{"id":1,"name":"a","type":"mysql","enabled":1,"last_run":{"id":4,"status":"success",
            "started_at":"2026-05-08T03:00:00+02:00","archive_name":"a_1","size_bytes":5}}]}"#,
        r#"[{"id":9,"status":"error","started_at":"2026-05-08T03:00:00","finished_at":null}]"#,
        r#"{"archives":[{"name":"a","size_bytes":1,"sha256":"00"}]}"#,
        r#"{"upload_id":"u-1","chunk_size":50,"missing":[0,2],"status":"in_progress","checksum":"ab"}"#,
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}
