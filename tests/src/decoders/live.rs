//! What other nodes and callers say.

use protocol::{
    ArchiveId, JobId, MeshId, NodeId, OrderId, Time, cbor,
    control::{
        AskFrame, Asked, CONTROL_FRAME_BYTES_MAX, REQUEST_BYTES_MAX, RawPath, TellFrame, right_of,
    },
    fetch::wire::{Frame as BulkFrame, HEADER_BYTES, Header, Kind},
    key::Purpose,
    membership::{
        JoinAnswer, JoinRequest, Ticket,
        ticket::{PREFIX, TicketSecret},
    },
    record::{Fact, RecordKey, Role, SignedRecord},
    sync::{Frame, unpack_entries},
};
use serde_bytes::ByteBuf;

use super::node_secret;

/// As they came, and as a payload that its author did sign.
pub(super) fn record(bytes: &[u8]) {
    let _ = SignedRecord::open(bytes);
    let author = node_secret().id();
    let message = [&author.0[..], bytes].concat();
    let signature = node_secret().sign(Purpose::Record, &message);
    let whole = [&author.0[..], &signature.0, bytes].concat();
    let Ok(signed) = SignedRecord::open(&whole) else { return };
    assert_eq!((&signed.bytes()[..], signed.record().author), (&whole[..], author));
    if let (Ok(key), Some(body)) = (signed.record().key.parse(), &signed.record().body) {
        let _ = Fact::read(&key, body);
    }
}

/// A body under every kind of key.
pub(super) fn record_body(bytes: &[u8]) {
    let (node, archive) = (node_secret().id(), ArchiveId([2; 16]));
    for key in [
        RecordKey::Node,
        RecordKey::Member(node),
        RecordKey::Expel(node),
        RecordKey::Grant(node),
        RecordKey::Wrap(node),
        RecordKey::Job(JobId([3; 16])),
        RecordKey::Archive(archive),
        RecordKey::Hold(node, archive),
        RecordKey::Order(OrderId([4; 16])),
        RecordKey::Result(node, OrderId([4; 16])),
    ] {
        assert_eq!(key.to_string().parse(), Ok(key));
        let Ok(fact) = Fact::read(&key, bytes) else { continue };
        assert_eq!(fact.key(), key);
        let again = Fact::read(&key, &fact.body()).expect("what is written can be read");
        assert_eq!(again, fact);
        if let Fact::Hold(origin, archive, hold) = &fact {
            let _ = hold.archive(*origin, *archive);
        }
    }
    let _ = String::from_utf8_lossy(bytes).parse::<RecordKey>();
}

/// As text, and as the bytes in the text with a checksum that is right.
pub(super) fn ticket(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    check_ticket(&text);
    check_ticket(&format!("{PREFIX}{text}"));
    let _ = text.parse::<protocol::control::Ticket>();
    let sum = blake3::derive_key("backupmanager 2026 ticket checksum v1", bytes);
    check_ticket(&format!("{PREFIX}{}", base32(&[bytes, &sum[..4]].concat())));
}

fn check_ticket(text: &str) {
    let Ok(ticket) = text.parse::<Ticket>() else { return };
    assert_eq!(ticket.to_string().parse(), Ok(ticket));
}

/// RFC 4648 in small letters, without padding.
fn base32(bytes: &[u8]) -> String {
    let letters = b"abcdefghijklmnopqrstuvwxyz234567";
    let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| usize::from(byte >> (7 - at % 8) & 1));
    (0..bytes.len() * 8)
        .step_by(5)
        .map(|at| char::from(letters[(at..at + 5).fold(0, |value, at| value * 2 + bit(at))]))
        .collect()
}

/// As it came, and as a payload that is signed.
pub(super) fn join_request(bytes: &[u8]) {
    let ticket = the_ticket();
    let open = |bytes: &[u8]| JoinRequest::open(bytes, ticket.mesh, ticket.inviter, ticket.peer());
    assert!(open(bytes).is_none_or(|request| request.node != NodeId([0; 32])));
    let signature = node_secret().sign(Purpose::Join, bytes).0.to_vec();
    let signed = (ByteBuf::from(bytes), ByteBuf::from(signature));
    if let Some(request) = open(&cbor::encode(&signed)) {
        assert_eq!(request.node, node_secret().id(), "whoever signed it");
        assert_eq!((request.mesh, request.inviter), (ticket.mesh, ticket.inviter));
    }
}

/// As it came, and as one record in an acceptance.
pub(super) fn join_answer(bytes: &[u8]) {
    let (ticket, me) = (the_ticket(), node_secret().id());
    let accepted = JoinAnswer::Accepted { records: vec![ByteBuf::from(bytes)] };
    for answer in [bytes, &cbor::encode(&accepted)] {
        if let Ok(joined) = JoinAnswer::open(answer, &ticket, me) {
            assert!(joined.membership.is_member(&me));
        }
    }
}

/// The ticket of the seeds: its founder and inviter is the node of [`node_secret`].
pub(super) fn the_ticket() -> Ticket {
    Ticket {
        mesh: MeshId([1; 32]),
        founder: node_secret().id(),
        inviter: node_secret().id(),
        addresses: vec!["/ip4/192.0.2.1/tcp/4001".to_owned()],
        secret: TicketSecret([4; 32]),
        role: Role::Storage,
        quota_bytes: Some(1 << 40),
        expires: Time(1_800_000_000_000),
    }
}

/// A frame of reconciliation; also a packed list as it stands.
pub(super) fn sync_frame(bytes: &[u8]) {
    if let Some(entries) = unpack_entries(bytes) {
        assert!(entries.is_sorted_by_key(|entry| entry.version));
    }
    let Ok(frame) = Frame::decode(bytes) else { return };
    let again = Frame::decode(&frame.encode()).expect("what is written can be read");
    assert_eq!(again, frame);
    if let Frame::List { entries, .. } | Frame::Want { entries, .. } = &frame {
        let _ = unpack_entries(entries);
    }
}

/// A frame with its head, and the body under every kind.
pub(super) fn bulk_frame(bytes: &[u8]) {
    let Some((head, body)) = bytes.split_first_chunk::<HEADER_BYTES>() else { return };
    if let Ok(header) = Header::decode(head) {
        assert_eq!(header.encode(), *head, "a head has one spelling");
        if header.bytes == body.len() {
            check_bulk(header.kind, bytes, body);
        }
    }
    for kind in [Kind::Hello, Kind::Welcome, Kind::Want, Kind::Object, Kind::Absent, Kind::Error] {
        let _ = BulkFrame::decode(kind, body);
    }
}

fn check_bulk(kind: Kind, bytes: &[u8], body: &[u8]) {
    match BulkFrame::decode(kind, body) {
        // Texts are cleaned of what a terminal must not see, and cut.
        Ok(frame @ BulkFrame::Error { .. }) => {
            let again = frame.encode();
            let again = BulkFrame::decode(kind, &again[HEADER_BYTES..]);
            assert!(matches!(again, Ok(BulkFrame::Error { .. })));
        }
        Ok(frame) => assert_eq!(frame.encode(), bytes, "a frame has one spelling"),
        Err(_) => {}
    }
}

/// A frame from a caller of the control socket.
pub(super) fn ask_frame(bytes: &[u8]) {
    let Ok(frame) = cbor::decode::<AskFrame>("a request", bytes, REQUEST_BYTES_MAX) else { return };
    let again: AskFrame = cbor::decode("a request", &cbor::encode(&frame), usize::MAX)
        .expect("what is written can be read");
    assert_eq!(again, frame);
    if let Some(Asked { request, .. }) = frame.asked() {
        let _ = (request.validate().map_err(|error| error.to_string()), format!("{request:?}"));
        let _ = (request.ends_with_its_caller(), request.only_looks(), right_of(&request));
    }
}

/// A frame from a node to its caller; and a path as JSON has it.
pub(super) fn tell_frame(bytes: &[u8]) {
    if let Ok(path) = String::from_utf8_lossy(bytes).parse::<RawPath>() {
        assert_eq!(path.to_string().parse(), Ok(path));
    }
    let path = RawPath(bytes.to_vec());
    assert_eq!(path.to_string().parse(), Ok(path), "every path has a text");
    let frame = cbor::decode::<TellFrame>("an answer", bytes, CONTROL_FRAME_BYTES_MAX);
    let Ok(frame) = frame else { return };
    let again = cbor::decode::<TellFrame>("an answer", &cbor::encode(&frame), usize::MAX);
    assert_eq!(again.ok(), Some(frame));
}
