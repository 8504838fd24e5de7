use super::*;
use crate::{
    JobId, MeshId, Time,
    key::NodeSecret,
    record::{Fact, JobFacts, Record, SignedRecord},
};

const MESH: MeshId = MeshId([1; 32]);

fn secret() -> NodeSecret {
    NodeSecret::from_seed(&[1; 32])
}

/// The record of the founder's job `n` in its edition `seq`.
fn job(n: u16, seq: u64, bytes: usize) -> SignedRecord {
    let mut id = [0; 16];
    id[..2].copy_from_slice(&n.to_be_bytes());
    let fact = Fact::Job(JobId(id), JobFacts { sealed: vec![7; bytes] });
    let record = Record {
        mesh: MESH,
        author: secret().id(),
        version: Version { epoch: 1, seq },
        previous: Version::default(),
        key: fact.key().to_string(),
        time: Time(0),
        body: Some(fact.body()),
    };
    record.sign(&secret()).unwrap()
}

fn catalog<'a>(records: impl Iterator<Item = &'a SignedRecord>) -> Catalog {
    let mut catalog = Catalog::new(MESH, secret().id());
    for record in records {
        catalog.insert(record).unwrap();
    }
    catalog
}

struct Side {
    id: NodeId,
    catalog: Catalog,
}

/// Lets two sides talk until they are silent. Returns records sent and bytes of all frames.
fn talk(one: &mut Side, other: &mut Side) -> (usize, usize) {
    let (mut records_sent, mut bytes) = (0, 0);
    for _ in 0..100 {
        let mut mail = vec![
            (false, summary(&one.catalog, false)), // to other
            (true, summary(&other.catalog, false)),
        ];
        let mut moved = 0;
        while let Some((to_one, frame)) = mail.pop() {
            bytes += frame.encode().len();
            assert!(frame.encode().len() <= FRAME_BYTES_MAX);
            let (me, peer) = if to_one { (&mut *one, &*other) } else { (&mut *other, &*one) };
            let replies = match frame {
                Frame::Summary { heads, .. } => open(&me.catalog, me.id, peer.id, &heads).frames,
                Frame::Ranges { author, ranges } => compare(&me.catalog, author, &ranges).unwrap(),
                Frame::List { author, from, to, entries } => {
                    complete(&me.catalog, author, (from, to), &entries).unwrap()
                }
                Frame::Want { author, entries } => supply(&me.catalog, author, &entries).unwrap(),
                Frame::Records { records, .. } => {
                    records_sent += records.len();
                    for bytes in &records {
                        let signed = SignedRecord::open(bytes).unwrap();
                        moved += usize::from(me.catalog.insert(&signed).unwrap().is_news);
                    }
                    Vec::new()
                }
            };
            mail.extend(replies.into_iter().map(|frame| (!to_one, frame)));
        }
        if moved == 0 {
            return (records_sent, bytes);
        }
    }
    panic!("they never come to an end");
}

fn sides(one: Catalog, other: Catalog) -> (Side, Side) {
    (Side { id: NodeId([1; 32]), catalog: one }, Side { id: NodeId([2; 32]), catalog: other })
}

#[test]
fn each_gets_what_it_lacks_and_no_more() {
    let jobs: Vec<_> = (0..20).map(|n| job(n, u64::from(n) + 1, 10)).collect();
    let (mut one, mut other) = sides(catalog(jobs[..12].iter()), catalog(jobs[8..].iter()));
    let (records, _) = talk(&mut one, &mut other);
    assert_eq!(one.catalog.digest(), other.catalog.digest());
    assert_eq!(records, 16);
}

#[test]
fn a_hole_below_the_newest_version_is_found() {
    let jobs: Vec<_> = (0..5).map(|n| job(n, u64::from(n) + 1, 10)).collect();
    let holed = jobs.iter().filter(|job| job.record().version.seq != 3);
    let (mut one, mut other) = sides(catalog(jobs.iter()), catalog(holed));
    assert_eq!(talk(&mut one, &mut other).0, 1);
    assert_eq!(one.catalog.digest(), other.catalog.digest());
}

#[test]
fn two_long_feeds_that_differ_in_little_exchange_little() {
    let jobs: Vec<_> = (0..3000).map(|n| job(n, u64::from(n) + 1, 10)).collect();
    let (newer, only_other) = (job(1500, 4000, 10), job(9999, 1, 10));
    let (mut one, mut other) = sides(
        catalog(jobs.iter().chain([&newer])),
        catalog(jobs.iter().filter(|j| j.record().version.seq != 700).chain([&only_other])),
    );
    let (records, bytes) = talk(&mut one, &mut other);
    assert_eq!(one.catalog.digest(), other.catalog.digest());
    assert!(records <= 4, "{records} records");
    assert!(bytes < 40_000, "{bytes} bytes, where a whole list has 72,000");
}

#[test]
fn a_newcomer_gets_a_feed_that_takes_several_answers() {
    let jobs: Vec<_> = (0..200).map(|n| job(n, u64::from(n) + 1, 50_000)).collect();
    let (mut one, mut other) = sides(catalog(jobs.iter()), catalog([].iter()));
    let (records, _) = talk(&mut one, &mut other);
    assert_eq!(one.catalog.digest(), other.catalog.digest());
    assert_eq!(records, 200);
}

#[test]
fn questions_that_are_not_as_they_must_be_are_not_answered() {
    let catalog = catalog([job(1, 1, 10)].iter());
    let author = secret().id();
    let version = |seq| Version { epoch: 1, seq };
    let range =
        |from, to| Range { from: version(from), to: version(to), count: 0, digest: [0; 32] };
    assert!(compare(&catalog, author, &[range(5, 1)]).is_none());
    assert!(compare(&catalog, author, &[range(1, 5), range(5, 9)]).is_none());
    assert!(compare(&catalog, author, &vec![range(1, 1); RANGES_MAX + 1]).is_none());
    assert!(complete(&catalog, author, (version(1), version(2)), &[1]).is_none());
    assert!(supply(&catalog, author, &[1]).is_none());
    let backwards = complete(&catalog, author, (version(9), version(1)), &[]).unwrap();
    assert!(matches!(&backwards[..], [Frame::Records { records, .. }] if records.is_empty()));
}
