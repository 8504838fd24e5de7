use protocol::{
    ArchiveId, Time,
    control::{Connection, Role},
    object::Link,
    record::{ArchiveFacts, Place},
};

use super::*;
use crate::daemon::live::tests::node;

fn ask(role: Role) -> MeshInvite {
    MeshInvite { role, quota_bytes: Some(5_000), expires_ms: 60_000 }
}

fn named(name: &str) -> NodeRef {
    name.parse().unwrap()
}

fn change(allow: &[Right], deny: &[Right], quota_bytes: Option<u64>) -> GrantChange {
    let (allow, deny) = (allow.iter().copied().collect(), deny.iter().copied().collect());
    GrantChange { node: named("tom"), allow, deny, quota_bytes, unlimited: false }
}

fn archive(byte: u8) -> Fact {
    let root = Link { id: protocol::SealedId([byte; 32]), bytes: 100 };
    let facts = ArchiveFacts {
        created: Time(1),
        root,
        sealed_bytes: 100,
        objects: 1,
        copies: 1,
        place: Place::Any,
        sealed: vec![0; 8],
    };
    Fact::Archive(ArchiveId([byte; 16]), facts)
}

#[tokio::test]
async fn a_node_is_invited_joins_is_narrowed_and_expelled() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (jerry, tom) = (node(&dirs[0], "jerry").await, node(&dirs[1], "tom").await);
    jerry.mesh.publish(vec![Change::Say(archive(1))]).await.unwrap();
    let invited = invite(&jerry, ask(Role::Storage)).await.unwrap();
    assert!(invited.founded && !invited.addresses.is_empty());
    assert!(!invite(&jerry, ask(Role::Storage)).await.unwrap().founded, "the mesh is there");

    let joined = join(&tom, invited.ticket.clone()).await.unwrap();
    assert_eq!((joined.role, joined.members, joined.mesh), (Role::Storage, 2, invited.mesh));
    assert_eq!(joined.inviter.name, "jerry");
    let seen = show(&jerry, &named("tom")).unwrap();
    assert_eq!(seen.words.as_ref(), Some(&joined.words));
    assert_eq!((seen.role, seen.quota_bytes), (Role::Storage, Some(5_000)));
    assert_eq!(seen.rights, [Right::See, Right::Store].into());
    let all = list(&tom);
    let connections: Vec<_> = all.iter().map(|m| (m.node.name.as_str(), m.connection)).collect();
    assert_eq!(connections[0], ("tom", Connection::This));
    assert_eq!((all.len(), all[1].node.name.as_str()), (2, "jerry"));

    let narrowed = grant(&jerry, change(&[], &[Right::See], Some(7))).await.unwrap();
    assert_eq!(narrowed.rights, [Right::Store].into());
    assert_eq!(narrowed.keeps_here_bytes_max, Some(7));
    let again = grant(&jerry, change(&[Right::See], &[], None)).await.unwrap();
    assert_eq!((again.rights.len(), again.keeps_here_bytes_max), (2, Some(7)));
    let widened = grant(&jerry, change(&[Right::Delete], &[], None)).await.unwrap_err();
    assert_eq!(widened.code, FailureCode::Refused);

    let out = |dry_run| MeshExpel { node: named("tom"), dry_run };
    let refused = expel(&tom, MeshExpel { node: named("jerry"), dry_run: true }).await;
    assert_eq!(refused.unwrap_err().code, FailureCode::Refused);
    assert!(expel(&jerry, out(true)).await.unwrap().dry_run);
    assert_eq!(show(&jerry, &named("tom")).unwrap().expelled_ms, None);
    assert!(!expel(&jerry, out(false)).await.unwrap().dry_run);
    let last = list(&jerry).pop().unwrap();
    assert!(last.node.name == "tom" && last.expelled_ms.is_some() && last.rights.is_empty());
    let gone = expel(&jerry, out(false)).await.unwrap_err();
    assert_eq!(gone.code, FailureCode::Conflict);
}

#[tokio::test]
async fn a_ticket_that_is_none_is_refused_without_repeating_it() {
    let dir = tempfile::tempdir().unwrap();
    let jerry = node(&dir, "jerry").await;
    for text in ["verysecret", "backupmanager-verysecret"] {
        let failure = join(&jerry, text.parse().unwrap()).await.unwrap_err();
        assert_eq!(failure.code, FailureCode::Invalid);
        assert!(failure.hint.is_some() && !format!("{failure:?}").contains("verysecret"));
    }
    let own = invite(&jerry, ask(Role::Operator)).await.unwrap().ticket;
    assert_eq!(join(&jerry, own).await.unwrap_err().code, FailureCode::Exists);
    let itself = MeshExpel { node: named("jerry"), dry_run: true };
    assert_eq!(expel(&jerry, itself).await.unwrap_err().code, FailureCode::Conflict);
    let nobody = show(&jerry, &named("nobody")).unwrap_err();
    assert_eq!(nobody.code, FailureCode::NotFound);
}

#[test]
fn an_expulsion_names_what_the_node_still_holds_and_who_else_has_it() {
    use protocol::{
        MeshId,
        engine::{Config, Input},
        entropy::SeededEntropy,
        key::{ArchiveKey, NodeSecret},
        record::Hold,
    };
    let secret = NodeSecret::from_seed(&[1; 32]);
    let key = ArchiveKey::generate(&mut SeededEntropy::new(1));
    let config = Config {
        mesh: MeshId([1; 32]),
        founder: secret.id(),
        secret: secret.clone(),
        name: "jerry".into(),
        tickets: Vec::new(),
        read_order: Box::new(|_| None),
    };
    let mut engine = Engine::new(config, Vec::new(), Time(1), &mut SeededEntropy::new(2));
    let root = Link { id: protocol::SealedId([1; 32]), bytes: 100 };
    let (since, locked_until, record) = (Time(1), Time(2), Vec::new());
    let hold = Hold { root, bytes: 100, since, locked_until, record };
    // Held by this node, for somebody who is not a member: nobody else has it.
    let fact = Fact::Hold(NodeId([9; 32]), ArchiveId([1; 16]), hold);
    engine.handle(Input::Publish { fact }, Time(3), &mut SeededEntropy::new(3)).unwrap();
    let keys = Keys::gather(engine.catalog(), &secret, &key);
    let plan = plan_expulsion(engine.catalog(), &keys, secret.id());
    let left = ReplicaLeft { archive: ArchiveId([1; 16]).short(), bytes: 100, copies_elsewhere: 0 };
    assert_eq!((plan.still_holds, plan.still_holds_total), (vec![left], 1));
}

#[test]
fn a_grant_narrows_a_role_and_a_right_in_both_sets_is_lost() {
    let by_role = Rights::of(Role::Operator);
    let both = change(&[Right::Open], &[Right::Open, Right::Delete], Some(9));
    let grant = changed("x", &both, by_role, None).unwrap();
    assert!(!grant.rights.allow(Right::Open) && !grant.rights.allow(Right::Delete));
    assert!(grant.rights.allow(Right::Run) && grant.quota_bytes == Some(9));
    let back = changed("x", &change(&[Right::Open], &[], None), by_role, Some(&grant)).unwrap();
    assert!(back.rights.allow(Right::Open) && !back.rights.allow(Right::Delete));
    assert_eq!(back.quota_bytes, Some(9));
}
