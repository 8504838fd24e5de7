use super::*;
use crate::{Entropy, entropy::SeededEntropy};

fn link(n: u8) -> Link {
    Link { id: SealedId([n; 32]), bytes: u32::from(n) * 1_000 }
}

fn decode(bytes: &[u8]) -> Result<Frame, WireError> {
    let (head, body) = bytes.split_first_chunk().expect("a head");
    let header = Header::decode(head)?;
    assert_eq!(header.bytes, body.len());
    Frame::decode(header.kind, body)
}

#[test]
fn every_frame_goes_both_ways() {
    let frames = [
        Frame::Hello { version: 7, purpose: Purpose::Fetch },
        Frame::Welcome { version: 1 },
        Frame::Want(vec![link(1), link(2)]),
        Frame::Want(vec![link(9); WANT_LINKS_MAX]),
        Frame::Absent(SealedId([3; 32])),
        Frame::Error { code: ErrorCode::Busy, text: "später".into() },
        Frame::Error { code: ErrorCode::Other(999), text: String::new() },
        Frame::Bye,
        Frame::Alive,
    ];
    for frame in frames {
        assert_eq!(decode(&frame.encode()), Ok(frame));
    }
}

#[test]
fn the_bytes_are_as_bulk_md_says() {
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let hello = Frame::Hello { version: 1, purpose: Purpose::Fetch };
    assert_eq!(hex(&hello.encode()), "01 00000007 424d626b 0001 01".replace(' ', ""));
    assert_eq!(hex(&Frame::Welcome { version: 1 }.encode()), "02000000020001");
    let id = "05".repeat(32);
    assert_eq!(hex(&Frame::Want(vec![link(5)]).encode()), format!("0300000024{id}00001388"));
    assert_eq!(hex(&object_head(link(5))), format!("04000013a8{id}"));
    assert_eq!(hex(&Frame::Absent(link(5).id).encode()), format!("0500000020{id}"));
    let error = Frame::Error { code: ErrorCode::Refused, text: "no".into() };
    assert_eq!(hex(&error.encode()), "060000000400036e6f");
    assert_eq!(hex(&Frame::Bye.encode()), "0700000000");
    assert_eq!(hex(&Frame::Alive.encode()), "0800000000");
}

#[test]
fn lengths_out_of_bounds_are_refused_before_anything_is_read() {
    let head = |kind: u8, bytes: u32| {
        let [a, b, c, d] = bytes.to_be_bytes();
        Header::decode(&[kind, a, b, c, d])
    };
    for (kind, bytes) in [
        (1, 6),
        (2, 3),
        (3, 0),
        (3, 36 * 257),
        (4, 32),
        (4, 33 + (16 << 20)),
        (4, u32::MAX),
        (5, 31),
        (6, 1),
        (6, 203),
        (7, 1),
        (8, u32::MAX),
    ] {
        assert!(matches!(head(kind, bytes), Err(WireError::BadLength { .. })), "{kind} {bytes}");
    }
    assert_eq!(head(0, 0), Err(WireError::UnknownKind { kind: 0 }));
    assert_eq!(head(9, 0), Err(WireError::UnknownKind { kind: 9 }));
    assert_eq!(head(4, 32 + (16 << 20)).map(|h| h.bytes), Ok(32 + (16 << 20)));
}

#[test]
fn bodies_that_are_not_what_they_claim_are_refused() {
    assert!(Frame::decode(Kind::Hello, b"BMbx\0\x01\x01").is_err());
    let other = Frame::decode(Kind::Hello, b"BMbk\0\x01\x02");
    assert_eq!(other, Err(WireError::UnknownPurpose { purpose: 2 }));
    assert_eq!(other.map_err(|e| e.code()), Err(ErrorCode::Unsupported));
    assert!(Frame::decode(Kind::Want, &[0; 37]).is_err());
    assert!(Frame::decode(Kind::Want, &[0; 36]).is_err(), "an object of no bytes");
    assert!(Frame::decode(Kind::Want, &[255; 36]).is_err(), "an object of four gigabytes");
    assert!(Frame::decode(Kind::Object, &[0; 40]).is_err());
}

#[test]
fn an_error_text_is_cut_cleaned_and_never_trusted() {
    let long = "é".repeat(150);
    let Ok(Frame::Error { text, .. }) =
        decode(&Frame::Error { code: ErrorCode::Internal, text: long }.encode())
    else {
        panic!("not an error frame");
    };
    assert_eq!(text, "é".repeat(100));
    let Ok(Frame::Error { text, .. }) = Frame::decode(Kind::Error, b"\0\x05a\x1b[2Jb\xff") else {
        panic!("not an error frame");
    };
    assert_eq!(text, "a [2Jb\u{fffd}");
}

#[test]
fn no_bytes_at_all_make_it_panic() {
    let mut random = SeededEntropy::new(7);
    for _ in 0..20_000 {
        let head: [u8; HEADER_BYTES] = random.array();
        let _ = Header::decode(&head);
        let [kind, length, ..] = head;
        let mut body = vec![0; usize::from(length)];
        random.fill(&mut body);
        if let Some(kind) = Kind::from_byte(kind % 9) {
            let _ = Frame::decode(kind, &body);
        }
    }
}
