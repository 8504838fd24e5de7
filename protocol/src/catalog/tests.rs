use proptest::prelude::*;

use super::*;
use crate::{
    ArchiveId, OrderId, SealedId, Time,
    key::{ExchangePublic, NodeSecret},
    object::Link,
    record::{
        ArchiveFacts, Expulsion, Grant, Hold, Invitation, Order, Outcome, Place, Progress, Record,
        Right, Rights, Role, Version,
    },
};

const MESH: MeshId = MeshId([9; 32]);

fn secret(n: u8) -> NodeSecret {
    NodeSecret::from_seed(&[n; 32])
}

fn id(n: u8) -> NodeId {
    secret(n).id()
}

/// Node 0 founds the mesh.
fn empty() -> Catalog {
    Catalog::new(MESH, id(0))
}

fn signed(author: u8, seq: u64, key: &RecordKey, body: Option<Vec<u8>>) -> SignedRecord {
    let record = Record {
        mesh: MESH,
        author: id(author),
        version: Version { epoch: 1, seq },
        previous: Version::default(),
        key: key.to_string(),
        time: Time(seq),
        body,
    };
    record.sign(&secret(author)).unwrap()
}

fn says(author: u8, seq: u64, fact: &Fact) -> SignedRecord {
    signed(author, seq, &fact.key(), Some(fact.body()))
}

fn invitation(role: Role, time: u64) -> Invitation {
    let exchange = ExchangePublic([0; 32]);
    Invitation { role, quota_bytes: None, name: "n".into(), exchange, time: Time(time) }
}

fn invites(author: u8, seq: u64, who: u8, role: Role) -> SignedRecord {
    says(author, seq, &Fact::Member(id(who), invitation(role, seq)))
}

fn expels(author: u8, seq: u64, who: u8, last: u64, kept: &[u8]) -> SignedRecord {
    let kept = kept.iter().map(|k| (id(*k), invitation(Role::Operator, 0))).collect();
    let last = Version { epoch: 1, seq: last };
    says(author, seq, &Fact::Expel(id(who), Expulsion { last, kept, time: Time(seq) }))
}

fn archive_facts(bytes: u32) -> ArchiveFacts {
    ArchiveFacts {
        created: Time(1),
        root: Link { id: SealedId([2; 32]), bytes },
        sealed_bytes: 1,
        objects: 1,
        copies: 1,
        place: Place::Any,
        sealed: vec![1],
    }
}

fn archive(author: u8, seq: u64, n: u8) -> SignedRecord {
    says(author, seq, &Fact::Archive(ArchiveId([n; 16]), archive_facts(7)))
}

/// Hands the records over again and again until nothing is news, as reconciliation does.
fn settle(catalog: &mut Catalog, records: &[SignedRecord]) {
    let news = |catalog: &mut Catalog| {
        let taken = records.iter().filter(|r| catalog.insert(r).is_ok_and(|c| c.is_news));
        taken.count()
    };
    for _ in 0..100 {
        if news(catalog) == 0 {
            return;
        }
    }
    panic!("the records never settle");
}

fn settled(records: &[SignedRecord]) -> Catalog {
    let mut catalog = empty();
    settle(&mut catalog, records);
    catalog
}

#[test]
fn strangers_and_other_meshes_are_not_heard() {
    let mut catalog = empty();
    assert_eq!(catalog.insert(&archive(5, 1, 1)).unwrap_err(), NotTaken::Stranger);
    let mut elsewhere = archive(0, 1, 1).record().clone();
    elsewhere.mesh = MeshId([8; 32]);
    let elsewhere = elsewhere.sign(&secret(0)).unwrap();
    assert_eq!(catalog.insert(&elsewhere).unwrap_err(), NotTaken::OtherMesh);
    assert_eq!(catalog.tables(), &Tables::default());
}

#[test]
fn the_records_of_an_expelled_node_count_up_to_the_cut() {
    let records = [
        invites(0, 1, 0, Role::Operator),
        invites(0, 2, 1, Role::Operator),
        archive(1, 1, 1),
        archive(1, 2, 2),
        expels(0, 3, 1, 1, &[]),
    ];
    let mut catalog = settled(&records);
    assert!(catalog.archive(id(1), ArchiveId([1; 16])).is_some());
    assert!(catalog.archive(id(1), ArchiveId([2; 16])).is_none());
    assert_eq!(catalog.insert(&archive(1, 3, 3)).unwrap_err(), NotTaken::Expelled);
    let withdrawn = signed(0, 4, &RecordKey::Expel(id(1)), None);
    assert!(catalog.insert(&withdrawn).unwrap().members_changed);
    assert!(catalog.archive(id(1), ArchiveId([2; 16])).is_some(), "hidden, not deleted");
    assert!(catalog.insert(&archive(1, 3, 3)).is_ok());
}

#[test]
fn rights_follow_role_and_grant_and_a_grant_that_cannot_be_read_gives_none() {
    let see = Grant { rights: [Right::See].into_iter().collect(), quota_bytes: None };
    let mut catalog = settled(&[
        invites(0, 1, 0, Role::Operator),
        invites(0, 2, 1, Role::Operator),
        invites(0, 3, 2, Role::Storage),
    ]);
    assert!(catalog.allows(&id(0), &id(1), Right::Run).is_ok());
    assert!(matches!(catalog.allows(&id(0), &id(2), Right::Run), Err(Refusal::NotGranted { .. })));
    assert!(matches!(catalog.allows(&id(0), &id(7), Right::See), Err(Refusal::NotAMember { .. })));
    catalog.insert(&says(0, 4, &Fact::Grant(id(1), see))).unwrap();
    assert!(catalog.allows(&id(0), &id(1), Right::Run).is_err());
    assert!(catalog.allows(&id(0), &id(1), Right::See).is_ok());
    assert!(catalog.allows(&id(2), &id(1), Right::Run).is_ok(), "a grant is of one node only");
    catalog.insert(&signed(0, 5, &RecordKey::Grant(id(1)), Some(vec![1, 2, 3]))).unwrap();
    assert_eq!(catalog.rights(&id(0), &id(1)), Rights::NONE);
    catalog.insert(&signed(0, 6, &RecordKey::Grant(id(1)), None)).unwrap();
    assert!(catalog.allows(&id(0), &id(1), Right::Run).is_ok());
}

#[test]
fn an_archive_that_a_thief_removed_is_still_described_by_its_holders() {
    let made = archive(0, 3, 1);
    let hold = Hold {
        root: archive_facts(7).root,
        bytes: 1,
        since: Time(1),
        locked_until: Time(9),
        record: made.bytes().to_vec(),
    };
    let forged = Hold { record: archive(1, 9, 1).bytes().to_vec(), ..hold.clone() };
    let which = ArchiveId([1; 16]);
    let mut catalog = settled(&[
        invites(0, 1, 0, Role::Operator),
        invites(0, 2, 1, Role::Storage),
        made,
        says(1, 1, &Fact::Hold(id(0), which, forged)),
        signed(0, 4, &RecordKey::Archive(which), None),
    ]);
    assert!(catalog.archive(id(0), which).is_none());
    assert_eq!(catalog.removed_archive(id(0), which), None, "not by the word of the holder");
    catalog.insert(&says(1, 2, &Fact::Hold(id(0), which, hold))).unwrap();
    assert_eq!(catalog.removed_archive(id(0), which), Some(archive_facts(7)));
}

#[test]
fn an_order_waits_until_its_own_result_or_its_deadline() {
    let order = Order { to: id(1), request: vec![1], deadline: Time(100) };
    let done = Outcome { progress: Progress::Begun, time: Time(1) };
    let which = OrderId([4; 16]);
    let mut catalog = settled(&[
        invites(0, 1, 0, Role::Operator),
        invites(0, 2, 1, Role::Operator),
        says(0, 3, &Fact::Order(which, order)),
        says(0, 4, &Fact::Result(id(0), which, done.clone())),
    ]);
    let due = |catalog: &Catalog, now| catalog.orders_for(id(1), Time(now)).count();
    assert_eq!(due(&catalog, 100), 1, "the word of another does not count");
    assert_eq!(due(&catalog, 101), 0);
    catalog.insert(&says(1, 1, &Fact::Result(id(1), which, done.clone()))).unwrap();
    assert_eq!(due(&catalog, 100), 1, "nor an order of the same id by another");
    catalog.insert(&says(1, 2, &Fact::Result(id(0), which, done))).unwrap();
    assert_eq!(due(&catalog, 100), 0);
}

/// One record of a small world in which everything collides with everything.
fn any_record() -> impl Strategy<Value = SignedRecord> {
    let nodes = 0..5u8;
    (nodes.clone(), 1..30u64, nodes, 0..8u8, 0..30u64, any::<[bool; 5]>()).prop_map(
        |(author, seq, who, kind, last, kept)| match kind {
            0 | 1 => invites(author, seq, who, Role::Operator),
            2 => invites(author, seq, who, Role::Storage),
            3 => signed(author, seq, &RecordKey::Member(id(who)), None),
            4 => {
                let kept: Vec<u8> = (0..5).filter(|n| kept[usize::from(*n)]).collect();
                expels(author, seq, who, last, &kept)
            }
            5 => signed(author, seq, &RecordKey::Expel(id(who)), None),
            6 => archive(author, seq, who),
            _ => signed(author, seq, &RecordKey::Archive(ArchiveId([who; 16])), None),
        },
    )
}

fn same(one: &Catalog, other: &Catalog) -> Result<(), TestCaseError> {
    prop_assert_eq!(one.membership(), other.membership());
    prop_assert_eq!(one.tables(), other.tables());
    prop_assert_eq!(one.digest(), other.digest());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 100,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_order_repetition_and_grouping_give_the_same_catalog(
        records in proptest::collection::vec(any_record(), 1..40),
        shuffled in Just(()).prop_perturb(|(), mut rng| rng.next_u64()),
    ) {
        let mut all = vec![invites(0, 100, 0, Role::Operator), invites(0, 101, 1, Role::Operator)];
        all.extend(records);
        let forth = settled(&all);

        let mut order = all.clone();
        order.sort_by_key(|r| blake3::hash(&[&r.hash()[..], &shuffled.to_le_bytes()].concat()).to_hex());
        let shuffled = settled(&order);
        same(&forth, &shuffled)?;

        let mut halves = settled(&order[order.len() / 2..]);
        settle(&mut halves, &order[..order.len() / 2]);
        settle(&mut halves, &order);
        same(&forth, &halves)?;

        let mut loaded = Catalog::load(MESH, id(0), &order);
        settle(&mut loaded, &order);
        same(&forth, &loaded)?;
        prop_assert_eq!(&loaded.rebuilt(), loaded.tables());
    }
}
