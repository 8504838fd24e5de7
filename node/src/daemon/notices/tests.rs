use protocol::control::NOTICE_WHY_BYTES_MAX;

use super::*;

struct World {
    dir: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn open(&self) -> Notices {
        Notices::open(Arc::new(Db::open(&self.dir.path().join("state.redb")).unwrap())).unwrap()
    }
}

const ALL: NoticeList = NoticeList { unread: false, offset: 0, limit: 1_000 };

fn told(notices: &Notices) -> Vec<(NoticeKind, String, u64, bool)> {
    let told = notices.list(ALL).notices.into_iter();
    told.map(|one| (one.kind, one.subject, one.count, one.read)).collect()
}

#[test]
fn what_happens_again_is_counted_and_told_first_again_also_after_a_restart() {
    let world = World::new();
    let notices = world.open();
    notices.note(NoticeKind::RunFailed, "docs", Some("no room"));
    notices.note(NoticeKind::RunFailed, "mail", None);
    assert!(notices.read(1).unwrap().read);
    notices.write().unwrap();
    drop(notices);

    let notices = world.open();
    let docs = |count, read| (NoticeKind::RunFailed, "docs".to_owned(), count, read);
    assert!(told(&notices).contains(&docs(1, true)), "{:?}", told(&notices));
    notices.note(NoticeKind::RunFailed, "docs", Some("gone"));
    notices.note(NoticeKind::RunWarnings, "docs", None);
    assert_eq!(told(&notices).len(), 3);
    assert!(told(&notices).contains(&docs(2, false)), "{:?}", told(&notices));
    let unread = notices.list(NoticeList { unread: true, offset: 1, limit: 1 });
    assert_eq!((unread.notices.len(), unread.total, unread.unread), (1, 3, 3));
    notices.read_all();
    assert_eq!(notices.list(ALL).unread, 0);
    assert_eq!(notices.read(77).unwrap_err().code, FailureCode::NotFound);
}

#[test]
fn a_condition_is_told_once_while_it_holds_also_over_restarts() {
    let world = World::new();
    let notices = world.open();
    for _ in 0..3 {
        notices.raise(NoticeKind::InstanceOffline, "tom", Some("no answer"));
    }
    notices.write().unwrap();
    drop(notices);
    let notices = world.open();
    notices.raise(NoticeKind::InstanceOffline, "tom", Some("no answer"));
    assert_eq!(notices.list(ALL).notices[0].count, 1);
    assert_eq!(notices.held(NoticeKind::InstanceOffline), ["tom"]);
    assert!(notices.clear(NoticeKind::InstanceOffline, "tom"));
    assert!(!notices.clear(NoticeKind::InstanceOffline, "tom"), "it did not hold any more");
    assert!(!notices.clear(NoticeKind::DiskFull, "tom"));
    notices.raise(NoticeKind::InstanceOffline, "tom", None);
    assert_eq!(notices.list(ALL).notices[0].count, 2);
}

#[test]
fn only_the_newest_stay_in_memory_and_on_the_disk() {
    let world = World::new();
    let notices = world.open();
    for number in 0..NOTICES_MAX + 7 {
        notices.note(NoticeKind::ArchiveHurt, &format!("a{number}"), None);
        if number % 300 == 0 {
            notices.write().unwrap();
        }
    }
    notices.write().unwrap();
    drop(notices);
    let notices = world.open();
    let all = notices.list(ALL);
    assert_eq!(all.total, NOTICES_MAX as u64);
    let told = told(&notices);
    assert!(!told.iter().any(|one| one.1 == "a6") && told.iter().any(|one| one.1 == "a7"));
    notices.note(NoticeKind::ArchiveHurt, "next", None);
    assert_eq!(notices.list(ALL).notices[0].id, NOTICES_MAX as u64 + 8, "no number twice");
}

#[test]
fn subjects_that_are_cut_are_still_the_same_subject() {
    let world = World::new();
    let notices = world.open();
    let long = "x\ny".repeat(200);
    for _ in 0..2 {
        notices.note(NoticeKind::TransferFailed, &long, Some(&"z".repeat(9_000)));
    }
    let all = notices.list(ALL);
    assert_eq!((all.total, all.notices[0].count), (1, 2));
    assert_eq!(all.notices[0].why.as_ref().map(String::len), Some(NOTICE_WHY_BYTES_MAX));
}

#[test]
fn runs_that_failed_or_left_something_out_are_told_and_others_not() {
    let world = World::new();
    let notices = world.open();
    let run = |state| RunReport::new(7, "docs", state, protocol::Time(1));
    for state in [RunState::Success, RunState::Cancelled, RunState::Running, RunState::Queued] {
        notices.note_run(&run(state));
    }
    assert_eq!(notices.list(ALL).total, 0);
    let failure = Failure::new(FailureCode::NoSpace, "cannot back docs up", "the disk is full");
    notices.note_run(&RunReport { failure: Some(failure), ..run(RunState::Failed) });
    notices.note_run(&RunReport { warnings: 3, ..run(RunState::Warnings) });
    let all = notices.list(ALL);
    assert_eq!(all.total, 2);
    let failed = all.notices.iter().find(|one| one.kind == NoticeKind::RunFailed).unwrap();
    assert!(failed.text.contains("docs") && failed.text.contains("the disk is full"));
    let warned = all.notices.iter().find(|one| one.kind == NoticeKind::RunWarnings).unwrap();
    assert!(warned.text.contains("3 warnings") && warned.text.contains("run 7"));
}
