use std::time::Duration;

use protocol::Time;

use super::*;

const HOUR_MS: u64 = 3_600_000;

struct World {
    dir: tempfile::TempDir,
    keys: Arc<ApiKeys>,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let db = Arc::new(Db::open(&dir.path().join("state.redb")).unwrap());
        Self { dir, keys: Arc::new(ApiKeys::open(db).unwrap()) }
    }

    /// As after a restart of the daemon.
    fn again(self) -> Self {
        let Self { dir, keys } = self;
        drop(keys);
        let db = Arc::new(Db::open(&dir.path().join("state.redb")).unwrap());
        Self { dir, keys: Arc::new(ApiKeys::open(db).unwrap()) }
    }

    fn create(&self, name: &str, read_only: bool) -> KeyCreated {
        self.keys
            .create(KeyCreate { name: name.parse().unwrap(), read_only, metrics_only: false })
            .unwrap()
    }

    fn revoke(&self, wanted: &str) -> Result<(), Failure> {
        self.keys.revoke(&wanted.parse().unwrap())
    }

    fn names(&self) -> Vec<String> {
        self.keys.list().into_iter().map(|key| key.name.to_string()).collect()
    }
}

/// The key with its last digit changed.
fn near(key: &ApiKey) -> ApiKey {
    let (rest, last) = key.reveal().split_at(63);
    format!("{rest}{}", if last == "0" { "1" } else { "0" }).parse().unwrap()
}

#[tokio::test]
async fn a_key_opens_what_it_was_made_for_until_it_is_revoked_also_after_a_restart() {
    let world = World::new();
    let all = world.create("phone", false);
    let look = world.create("watch", true);
    assert_eq!(all.key.id(), all.report.id);
    let checked = |created: &KeyCreated, read_only| {
        Some(check::Checked { id: created.report.id.clone(), read_only, metrics_only: false })
    };
    let keys = || Arc::clone(&world.keys);
    assert_eq!(keys().check(all.key.clone()).await, checked(&all, false));
    assert_eq!(keys().check(look.key.clone()).await, checked(&look, true));
    assert_eq!(keys().check(near(&all.key)).await, None, "one digit is wrong");
    let upper = all.key.reveal().to_uppercase().parse().unwrap();
    assert_eq!(keys().check(upper).await, checked(&all, false), "hex digits have no case");

    let world = world.again();
    assert_eq!(world.names(), ["phone", "watch"]);
    let keys = || Arc::clone(&world.keys);
    assert_eq!(keys().check(look.key.clone()).await, checked(&look, true));
    world.revoke("watch").unwrap();
    assert_eq!(keys().check(look.key.clone()).await, None);
    assert_eq!(keys().check(all.key.clone()).await, checked(&all, false));

    let world = world.again();
    assert_eq!(Arc::clone(&world.keys).check(look.key.clone()).await, None);
    assert_eq!(world.names(), ["phone"]);
}

#[test]
fn neither_the_state_file_nor_a_list_has_the_text_of_a_key() {
    let world = World::new();
    let created = world.create("phone", false);
    let secret = &created.key.reveal()[protocol::control::API_KEY_ID_DIGITS..];
    let listed = serde_json::to_string(&world.keys.list()).unwrap();
    assert!(!listed.contains(secret) && !listed.contains("$2b$"), "{listed}");
    assert!(!format!("{created:?}").contains(secret));
    let state = std::fs::read(world.dir.path().join("state.redb")).unwrap();
    let has = |text: &str| state.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(has("$2b$10$"), "the hash is where it should be");
    assert!(!has(secret));
}

#[test]
fn a_name_that_two_keys_have_is_ambiguous_and_their_ids_are_not() {
    let world = World::new();
    let (one, two) = (world.create("phone", false), world.create("phone", true));
    let refused = world.revoke("phone").unwrap_err();
    assert_eq!((refused.code, refused.hint.is_some()), (FailureCode::Invalid, true), "{refused}");
    assert_eq!(world.names().len(), 2, "nothing was revoked");
    world.revoke(&one.report.id.to_uppercase()).unwrap();
    assert_eq!(world.keys.list(), [two.report]);
    world.revoke("phone").unwrap();
    let gone = world.revoke("phone").unwrap_err();
    assert_eq!((gone.code, gone.hint.is_some()), (FailureCode::NotFound, true), "{gone}");
}

#[test]
fn a_name_cannot_be_taken_for_an_id() {
    let create = |name: &str| KeyCreate {
        name: name.parse().unwrap(),
        read_only: false,
        metrics_only: false,
    };
    let world = World::new();
    let refused = world.keys.create(create("DeadBeef")).unwrap_err();
    assert_eq!(refused.code, FailureCode::Invalid, "{refused}");
    world.keys.create(create("deadbeef0")).unwrap();
}

#[test]
fn the_epoch_changes_with_every_key_that_is_made_or_revoked_and_with_nothing_else() {
    let world = World::new();
    let epoch = || world.keys.epoch();
    let at_first = epoch();
    let key = world.create("phone", false).key;
    let made = epoch();
    assert_ne!(made, at_first);
    assert!(world.keys.check_here(&key, Time(HOUR_MS)).is_some());
    assert!(world.revoke("nobody").is_err());
    assert_eq!(epoch(), made);
    world.revoke("phone").unwrap();
    assert!(epoch() > made);
}

#[test]
fn a_use_is_noted_and_kept() {
    let world = World::new();
    let key = world.create("phone", false).key;
    let used = |world: &World| world.keys.list()[0].used_ms;
    assert_eq!(used(&world), None);
    assert!(world.keys.check_here(&near(&key), Time(HOUR_MS)).is_none());
    assert_eq!(used(&world), None, "a wrong key is no use");
    for (now, noted) in [(HOUR_MS, HOUR_MS), (HOUR_MS + 5, HOUR_MS), (2 * HOUR_MS, 2 * HOUR_MS)] {
        assert!(world.keys.check_here(&key, Time(now)).is_some());
        assert_eq!(used(&world), Some(Time(noted)));
    }
    assert_eq!(used(&world.again()), Some(Time(2 * HOUR_MS)));
}

#[test]
fn a_key_that_is_revoked_while_it_is_checked_opens_nothing() {
    let world = World::new();
    let id = world.create("phone", false).report.id;
    let hash = world.keys.rows()[&id].hash.clone();
    assert!(world.keys.confirm(&id, &hash, Time(1)).is_some());
    world.revoke("phone").unwrap();
    assert_eq!(world.keys.confirm(&id, &hash, Time(HOUR_MS)), None);
    assert!(world.again().keys.list().is_empty(), "the late use brought it back");
}

#[test]
fn there_are_only_so_many_keys() {
    let world = World::new();
    let row = world.create("first", false);
    let filler = world.keys.rows()[&row.report.id].clone();
    for number in 1..API_KEYS_MAX {
        world.keys.rows().insert(format!("{number:08}"), filler.clone());
    }
    let create = KeyCreate { name: "more".parse().unwrap(), read_only: true, metrics_only: false };
    let full = world.keys.create(create.clone()).unwrap_err();
    assert_eq!((full.code, full.hint.is_some()), (FailureCode::Conflict, true), "{full}");
    world.revoke(&row.report.id).unwrap();
    world.keys.create(create).unwrap();
}

#[tokio::test]
async fn only_so_many_checks_are_at_work_and_a_client_that_goes_gives_its_turn_back() {
    let world = World::new();
    let key = world.create("phone", false).key;
    let turns = Arc::clone(&world.keys.checks).acquire_many_owned(2).await.unwrap();
    let mut waiting = Box::pin(Arc::clone(&world.keys).check(key.clone()));
    let early = tokio::time::timeout(Duration::from_millis(1), &mut waiting).await;
    assert!(early.is_err(), "it was checked without a turn");
    drop(waiting);
    drop(turns);
    assert!(Arc::clone(&world.keys).check(key).await.is_some());
    assert_eq!(world.keys.checks.available_permits(), CHECKS_MAX);
}
