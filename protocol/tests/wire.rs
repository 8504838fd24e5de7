//! The examples in WIRE.md are what the program writes, byte for byte.

#![allow(clippy::unwrap_used, reason = "all of this is test code")]

use protocol::{
    JobId, MeshId, NodeId, Time,
    key::NodeSecret,
    membership::{Ticket, four_words, ticket::TicketSecret},
    record::{Fact, Feed, JobFacts, Record, Role, SignedRecord, Version},
    sync::{Frame, pack_entries},
};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The hexadecimal digits of the example with this title: the block after it, without comments.
fn example(title: &str) -> String {
    let text = include_str!("../WIRE.md");
    let after = text.split_once(&format!("Example: {title}\n")).unwrap().1;
    let block = after.split("```").nth(1).unwrap();
    let lines = block.lines().map(|line| line.split(';').next().unwrap());
    lines.flat_map(str::split_whitespace).collect()
}

fn assert_example(title: &str, bytes: &[u8]) {
    assert_eq!(example(title), hex(bytes), "the example \"{title}\" in WIRE.md");
}

fn secret() -> NodeSecret {
    NodeSecret::from_seed(&[1; 32])
}

fn record() -> SignedRecord {
    let fact = Fact::Job(JobId([0x22; 16]), JobFacts { sealed: vec![0xaa, 0xbb, 0xcc] });
    let record = Record {
        mesh: MeshId([0x11; 32]),
        author: secret().id(),
        version: Version { epoch: 1_800_000_000_000, seq: 2 },
        previous: Version { epoch: 1_800_000_000_000, seq: 1 },
        key: fact.key().to_string(),
        time: Time(1_800_000_000_123),
        body: Some(fact.body()),
    };
    record.sign(&secret()).unwrap()
}

#[test]
fn a_record_is_as_documented() {
    assert_example("a record", record().bytes());
}

#[test]
fn frames_are_as_documented() {
    let mut feed = Feed::default();
    feed.insert(&record());
    let author = secret().id();
    let heads = vec![(author, feed.head())];
    assert_example("a summary", &Frame::Summary { heads, answer: true }.encode());
    let (from, to) = (Version::default(), Version::MAX);
    let entries = pack_entries(feed.between(from, to).map(|(entry, _)| entry));
    assert_example("a list", &Frame::List { author, from, to, entries }.encode());
}

#[test]
fn tickets_and_words_are_as_documented() {
    let ticket = Ticket {
        mesh: MeshId([0x11; 32]),
        founder: secret().id(),
        inviter: secret().id(),
        addresses: vec!["/ip4/192.0.2.1/tcp/4001".into()],
        secret: TicketSecret([0x33; 32]),
        role: Role::Storage,
        quota_bytes: Some(200 << 30),
        expires: Time(1_800_000_000_000),
    };
    let text = include_str!("../WIRE.md");
    assert!(text.contains(&format!("{ticket}\n")), "WIRE.md lacks {ticket}");
    let words = four_words(secret().id(), NodeId([0x44; 32]), ticket.mesh, ticket.peer());
    assert!(text.contains(&words.join(" ")), "WIRE.md lacks {words:?}");
}
