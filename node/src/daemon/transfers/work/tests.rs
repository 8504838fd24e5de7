use protocol::{
    ArchiveId, NodeId,
    control::{TransferReport, TransferState as S},
};

use super::*;
use crate::daemon::transfers::row::UploadRow;

fn row() -> Row {
    Row {
        report: TransferReport {
            id: 1,
            archive: "a".into(),
            instance: "tom".parse().unwrap(),
            mode: TransferMode::Auto,
            way: TransferMode::Http,
            state: S::Sending,
            bytes_done: 5,
            bytes_total: 10,
            sha256: None,
            failures: 0,
            failure: None,
            next_ms: None,
            started_ms: Time(1),
            ended_ms: None,
        },
        origin: NodeId([1; 32]),
        archive: ArchiveId([2; 16]),
        instance: Some(1),
        upload: Some(UploadRow { id: "u".into(), part_bytes: 5, next: 1 }),
        begun: 1,
    }
}

fn failure() -> Failure {
    Failure::new(FailureCode::Unreachable, "cannot", "cut")
}

#[test]
fn after_a_cut_it_waits_longer_each_time_and_keeps_what_was_sent() {
    let mut row = row();
    let mut waits = Vec::new();
    for _ in 0..12 {
        after(&mut row, &Err(Trouble::Later(failure())), Time(1_000));
        assert_eq!((row.report.state, row.report.bytes_done), (S::Retrying, 5));
        assert!(row.upload.is_some());
        waits.push(row.report.next_ms.unwrap().since(Time(1_000)).as_secs());
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
    row.report.failures = FAILURES_MAX - 1;
    after(&mut row, &Err(Trouble::Later(failure())), Time(1_000));
    assert_eq!(row.report.state, S::Failed);
}

#[test]
fn an_upload_that_is_lost_is_begun_anew_but_not_for_ever() {
    let mut row = row();
    after(&mut row, &Err(Trouble::Anew(failure())), Time(0));
    assert_eq!((row.report.state, row.report.bytes_done, &row.upload), (S::Retrying, 0, &None));
    row.begun = BEGUN_MAX;
    after(&mut row, &Err(Trouble::Anew(failure())), Time(0));
    assert_eq!(row.report.state, S::Failed);
}

#[test]
fn what_cannot_help_is_not_tried_again_and_what_is_done_is_done() {
    let mut refused = row();
    after(&mut refused, &Err(Trouble::Never(failure())), Time(0));
    assert_eq!((refused.report.state, refused.report.next_ms), (S::Failed, None));
    let mut done = row();
    after(&mut done, &Ok(()), Time(0));
    assert_eq!((done.report.state, done.report.bytes_done), (S::Done, 10));
    assert!(matches!(Trouble::here(failure()), Trouble::Later(_)));
    let damaged = Failure::new(FailureCode::Damaged, "cannot", "damaged");
    assert!(matches!(Trouble::here(damaged), Trouble::Never(_)));
}
