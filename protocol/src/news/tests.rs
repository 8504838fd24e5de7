use super::*;
use crate::control::{
    Change, Failure, FailureCode, Health, NEWS_TEXT_BYTES_MAX, Progress, RunKind, RunReport,
    RunState,
};

fn job(number: u64) -> Happened {
    Happened::Job { change: Change::Added, number, name: format!("job{number}") }
}

fn progress(run: u64, done: u64) -> Happened {
    let progress = Progress { done, ..Progress::default() };
    Happened::RunProgress { run, job: "docs".into(), kind: RunKind::Backup, progress }
}

fn ended(run: u64) -> Happened {
    Happened::RunEnded(Box::new(RunReport::new(run, "docs", RunState::Success, Time(1))))
}

/// Numbers and kinds after a place, and the place then; none when it is lost.
fn read(ring: &Ring, place: u64) -> Option<(Vec<(u64, &'static str)>, u64)> {
    match ring.after(place, 1_000_000) {
        Part::Next { news, place } => {
            Some((news.iter().map(|one| (one.number, one.what.kind())).collect(), place))
        }
        Part::Lost { .. } => None,
    }
}

#[test]
fn a_reader_gets_what_it_has_not_read_once_and_in_order() {
    let mut ring = Ring::default();
    assert_eq!(read(&ring, 0), Some((vec![], 0)));
    for number in 1..=5 {
        assert!(ring.tell(job(number), Time(number)));
    }
    let Part::Next { news, place } = ring.after(0, 2) else { panic!("it is kept") };
    assert_eq!((news.len(), place), (2, 2));
    assert_eq!(news[0].at_ms, Time(1));
    assert_eq!(read(&ring, place).unwrap().0.len(), 3);
    assert_eq!(read(&ring, 5), Some((vec![], 5)));
}

#[test]
fn a_place_that_is_lost_or_never_was_is_told_so() {
    let mut ring = Ring::default();
    assert_eq!(ring.after(1, 9), Part::Lost { place: 0 });
    for number in 0..=KEPT_MAX as u64 {
        ring.tell(job(number), Time(0));
    }
    assert_eq!(ring.kept(), KEPT_MAX);
    let newest = ring.newest();
    assert_eq!(ring.after(0, 9), Part::Lost { place: newest });
    assert_eq!(read(&ring, 1).unwrap().0.len(), KEPT_MAX);
    assert_eq!(ring.after(newest + 1, 9), Part::Lost { place: newest });
    assert_eq!(ring.after(u64::MAX, 9), Part::Lost { place: newest });
    ring.lose();
    assert_eq!(ring.after(newest, 9), Part::Lost { place: newest + 1 });
    assert_eq!(read(&ring, newest + 1), Some((vec![], newest + 1)));
}

#[test]
fn of_something_steady_two_a_second_are_told_and_the_last_is_never_missed() {
    let mut ring = Ring::default();
    let every = u64::try_from(STEADY_EVERY.as_millis()).unwrap();
    assert!(ring.tell(progress(1, 0), Time(0)));
    for done in 1..every {
        assert!(!ring.tell(progress(1, done), Time(done)));
    }
    assert!(ring.tell(progress(2, 0), Time(9)), "another run");
    assert_eq!(read(&ring, 0).unwrap().0.len(), 2);
    assert!(ring.flush(Time(every)));
    assert!(!ring.flush(Time(every)));
    let Part::Next { news, place: 3 } = ring.after(2, 9) else { panic!("it is kept") };
    let last = Progress { done: every - 1, ..Progress::default() };
    assert!(matches!(&news[0].what, Happened::RunProgress { progress, .. } if *progress == last));
    // What is old of it is not kept.
    assert_eq!(read(&ring, 0).unwrap().0, [(2, "run.progress"), (3, "run.progress")]);
    assert!(!ring.tell(progress(1, 9), Time(every + 1)));
    assert!(ring.tell(progress(1, 9), Time(0)), "the clock went back");
}

#[test]
fn an_end_leaves_nothing_of_the_way_to_it() {
    let mut ring = Ring::default();
    ring.tell(progress(1, 0), Time(0));
    ring.tell(progress(1, 1), Time(1));
    ring.tell(ended(1), Time(2));
    assert!(!ring.flush(Time(900)));
    assert_eq!(read(&ring, 0), Some((vec![(2, "run.ended")], 2)));
    assert_eq!(read(&ring, 1), Some((vec![(2, "run.ended")], 2)));
}

#[test]
fn a_long_run_pushes_nothing_out() {
    let mut ring = Ring::default();
    ring.tell(job(1), Time(0));
    for done in 0..3 * KEPT_MAX as u64 {
        assert!(ring.tell(progress(1, done), Time(done * 1_000)));
    }
    let (news, place) = read(&ring, 0).unwrap();
    assert_eq!((news.len(), place), (2, 3 * KEPT_MAX as u64 + 1));
}

#[test]
fn what_comes_from_outside_has_a_bound() {
    let long = "é".repeat(NEWS_TEXT_BYTES_MAX);
    let mut run = RunReport::new(1, &*long, RunState::Failed, Time(1));
    run.failure = Some(Failure::new(FailureCode::Internal, &*long, &long).hint(&*long));
    let whats = [
        Happened::RunEnded(Box::new(run)),
        Happened::Health { health: Health::Red, reasons: vec![long; 500] },
    ];
    for what in whats {
        let told = serde_json::to_string(&what.bounded()).unwrap();
        assert!(told.len() < 30 * NEWS_TEXT_BYTES_MAX, "{}", told.len());
    }
}
