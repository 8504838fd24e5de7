//! What the store promises when nothing goes wrong.

use std::{ops::ControlFlow, time::Duration};

use super::*;
use crate::chunks::StoreError;

#[test]
fn gives_back_what_was_put_before_and_after_a_flush_and_a_reopen() {
    let mut bench = Bench::new(small());
    let id = bench.put(1, 1_000);
    assert_eq!(bench.store().get(&id).unwrap(), object(1, 1_000));
    bench.store().flush().unwrap();
    assert_eq!(bench.store().get(&id).unwrap(), object(1, 1_000));
    assert!(bench.reopen().is_clean());
    assert_eq!(bench.store().get(&id).unwrap(), object(1, 1_000));
    assert_eq!(bench.store().len_of(&id).unwrap(), Some(1_000));
    let absent = SealedId([9; 32]);
    assert_eq!(bench.store().has_all(&[absent, id]).unwrap(), [false, true]);
    assert!(matches!(bench.store().get(&absent), Err(StoreError::Missing { .. })));
}

#[test]
fn an_object_that_is_there_is_not_written_again() {
    let bench = Bench::new(small());
    let id = bench.put(1, 1_000);
    let before = bench.store().stats().unwrap().pack_bytes;
    assert_eq!(bench.store().put(&id, &object(1, 1_000)).unwrap(), Put::Present);
    bench.store().flush().unwrap();
    assert_eq!(bench.store().put(&id, &object(1, 1_000)).unwrap(), Put::Present);
    assert_eq!(bench.store().stats().unwrap().pack_bytes, before);
}

#[test]
fn refuses_bytes_of_another_name_and_sizes_out_of_bounds() {
    let bench = Bench::new(small());
    let id = SealedId([1; 32]);
    let put = |bytes: &[u8]| bench.store().put(&id, bytes);
    assert!(matches!(put(b"other"), Err(StoreError::WrongBytes { .. })));
    let large = vec![0; protocol::limits::OBJECT_BYTES_MAX + 1];
    assert!(matches!(put(&large), Err(StoreError::ObjectSize { .. })));
    assert!(matches!(bench.store().put_trusted(&id, b""), Err(StoreError::ObjectSize { .. })));
    assert_eq!(bench.store().stats().unwrap().objects, 0);
}

#[test]
fn the_largest_and_the_smallest_object_fit() {
    let mut bench = Bench::new(small());
    let sizes = [protocol::limits::OBJECT_BYTES_MAX, 1];
    let ids = sizes.map(|bytes| bench.put(7, bytes));
    bench.store().flush().unwrap();
    bench.reopen();
    for (id, bytes) in ids.iter().zip(sizes) {
        assert_eq!(bench.store().get(id).unwrap().len(), bytes);
    }
}

#[test]
fn a_second_opener_is_refused() {
    let bench = Bench::new(small());
    let second = ChunkStore::open(bench.path(), small());
    assert!(matches!(&second, Err(error @ StoreError::Locked { .. }) if error.hint().is_some()));
}

#[test]
fn a_folder_of_a_newer_version_is_refused_and_left_as_it_is() {
    let mut bench = Bench::new(small());
    bench.fill(1);
    bench.close();
    let format = bench.path().join("format");
    let newer = "backupmanager chunk store\nversion 2\n";
    fs::write(&format, newer).unwrap();
    let refused = ChunkStore::open(bench.path(), small());
    assert!(matches!(refused, Err(StoreError::NewerVersion { found: 2, known: 1, .. })));
    assert_eq!(fs::read_to_string(&format).unwrap(), newer);
    assert_eq!(bench.packs().len(), 1);
}

#[test]
fn a_foreign_folder_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("format"), "something else").unwrap();
    let refused = ChunkStore::open(dir.path(), small());
    assert!(matches!(refused, Err(StoreError::NotAStore { .. })));
}

#[test]
fn it_flushes_by_itself_when_much_is_fresh() {
    let bounds = StoreOptions { fresh_objects_max: 10, fresh_bytes_max: 8_000, ..small() };
    let bench = Bench::new(bounds);
    (0..25).for_each(|number| _ = bench.put(number, 10));
    assert!(bench.store().stats().unwrap().objects_fresh <= 10);
    (100..125).for_each(|number| _ = bench.put(number, 1_000));
    assert!(bench.store().unsynced_bytes() <= 9_000);
    assert_eq!(bench.store().stats().unwrap().objects, 50);
}

#[test]
fn many_threads_may_put_and_get_at_once() {
    let mut bench = Bench::new(StoreOptions { fresh_objects_max: 40, ..small() });
    let store = bench.store().clone();
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let store = &store;
            scope.spawn(move || {
                for number in 0..100 {
                    // half of them are put by two threads each
                    let bytes = object(number + (thread / 2) * 50, 500);
                    let id = id_of(&bytes);
                    store.put(&id, &bytes).unwrap();
                    assert_eq!(store.get(&id).unwrap(), bytes);
                    if number % 30 == thread {
                        store.flush().unwrap();
                    }
                }
            });
        }
    });
    store.flush().unwrap();
    drop(store);
    assert!(bench.reopen().is_clean());
    assert_eq!(bench.store().stats().unwrap().objects, 150);
    assert!(bench.store().check(true, &mut go_on).unwrap().is_clean());
}

#[test]
fn gc_keeps_exactly_what_is_live() {
    let mut bench = Bench::new(small());
    let ids = bench.fill(30);
    let live: Vec<_> = ids.iter().copied().step_by(3).collect();
    let dry = bench.gc_with(&live, GcOptions { dry_run: true, ..gc_now() });
    assert_eq!((dry.live_objects, dry.garbage_objects), (10, 20));
    assert!(ids.iter().all(|id| bench.store().has(id).unwrap()));
    let report = bench.gc(&live);
    assert_eq!(
        GcReport { dry_run: true, ..report.clone() },
        GcReport { bytes_freed: report.bytes_freed, ..dry }
    );
    for reopened in [false, true] {
        if reopened {
            assert!(bench.reopen().is_clean());
        }
        for (number, id) in ids.iter().enumerate() {
            assert_eq!(bench.store().has(id).unwrap(), live.contains(id), "{number}");
        }
    }
    assert!(live.iter().all(|id| bench.store().get(id).is_ok()));
    assert!(bench.store().check(true, &mut go_on).unwrap().is_clean());
    let again = bench.gc(&live);
    assert_eq!((again.garbage_objects, again.bytes_freed), (0, 0));
}

#[test]
fn live_objects_can_be_read_all_the_time_while_gc_moves_them() {
    let bench = Bench::new(small());
    let ids = bench.fill(300);
    let live: Vec<_> = ids.iter().copied().step_by(2).collect();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut rounds = 0;
            while rounds < 2 || !done.load(std::sync::atomic::Ordering::Relaxed) {
                live.iter().for_each(|id| assert_eq!(id_of(&bench.store().get(id).unwrap()), *id));
                rounds += 1;
            }
        });
        assert_eq!(bench.gc(&live).packs_rewritten, 100);
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        reader.join().unwrap();
    });
    assert_eq!(bench.store().stats().unwrap().objects, 150);
}

#[test]
fn gc_leaves_a_pack_alone_when_little_of_it_is_garbage() {
    let bench = Bench::new(StoreOptions { pack_bytes: 1 << 20, ..small() });
    let ids = bench.fill(10);
    let report = bench.gc(&ids[1..]);
    assert_eq!((report.packs_rewritten, report.bytes_copied, report.garbage_objects), (0, 0, 1));
    let report = bench.gc_with(&ids[1..], GcOptions { rewrite_percent: 5, ..gc_now() });
    assert_eq!((report.packs_rewritten, report.garbage_objects), (1, 1));
    assert!(!bench.store().has(&ids[0]).unwrap());
}

#[test]
fn gc_of_nothing_live_empties_the_store_and_numbers_are_not_used_again() {
    let mut bench = Bench::new(small());
    bench.fill(6);
    let highest = *bench.packs().last_key_value().unwrap().0;
    let report = bench.gc(&[]);
    assert_eq!((report.garbage_objects, bench.packs().len()), (6, 0));
    assert!(bench.reopen().is_clean());
    bench.put(1, 1_000);
    assert_eq!(bench.packs().into_keys().collect::<Vec<_>>(), [highest + 1]);
}

#[test]
fn gc_is_refused_while_somebody_holds_the_store() {
    let bench = Bench::new(small());
    bench.fill(3);
    let hold = bench.store().hold();
    let refused = bench.store().gc(&mut |_| Ok(()), gc_now(), &mut go_on);
    assert!(matches!(refused, Err(StoreError::Busy { holds: 1, waited: Duration::ZERO })));
    drop(hold);
    assert_eq!(bench.gc(&[]).garbage_objects, 3);
}

#[test]
fn a_put_without_a_hold_is_refused_while_gc_runs() {
    let bench = Bench::new(small());
    let bytes = object(1, 10);
    let mut refused = false;
    let mut live = |_: &mut dyn FnMut(&SealedId)| {
        let put = bench.store().put(&id_of(&bytes), &bytes);
        refused = matches!(put, Err(StoreError::Collecting));
        Ok(())
    };
    bench.store().gc(&mut live, gc_now(), &mut go_on).unwrap();
    assert!(refused);
}

#[test]
fn gc_removes_nothing_when_the_live_objects_could_not_be_named() {
    let bench = Bench::new(small());
    let ids = bench.fill(6);
    let mut live = |emit: &mut dyn FnMut(&SealedId)| {
        emit(&ids[0]);
        Err("a manifest is not here".into())
    };
    let failed = bench.store().gc(&mut live, gc_now(), &mut go_on);
    assert!(matches!(failed, Err(StoreError::Live(_))));
    assert!(ids.iter().all(|id| bench.store().get(id).is_ok()));
}

#[test]
fn gc_spares_frames_that_the_index_lost_when_live_objects_are_missing() {
    let bench = Bench::new(small());
    let ids = bench.fill(6);
    let lost = bench.store().inner.find(&ids[0]).unwrap().unwrap();
    bench.store().inner.index.forget(&[(ids[0], lost)]).unwrap();
    let report = bench.gc(&ids[..1]);
    assert_eq!(report.live_missing, 1);
    assert_eq!(bench.store().get(&ids[0]).unwrap(), object(0, 1_000));
    bench.gc(&ids[..1]);
    assert_eq!(bench.store().get(&ids[0]).unwrap(), object(0, 1_000));
    assert_eq!(bench.store().stats().unwrap().objects, 1);
}

#[test]
fn gc_does_not_believe_an_index_that_names_a_wrong_place() {
    let bench = Bench::new(small());
    let ids = bench.fill(6);
    let index = &bench.store().inner.index;
    let (right, other) =
        (index.get(&ids[0]).unwrap().unwrap(), index.get(&ids[5]).unwrap().unwrap());
    index.forget(&[(ids[0], right)]).unwrap();
    index.add_unknown(&[(ids[0], other)].into()).unwrap();
    for _ in 0..2 {
        bench.gc(&ids[..1]);
        assert_eq!(bench.store().get(&ids[0]).unwrap(), object(0, 1_000));
    }
    assert_eq!(bench.store().stats().unwrap().objects, 1);
}

#[test]
fn long_work_stops_on_request_and_nothing_is_lost() {
    let bench = Bench::new(small());
    let ids = bench.fill(12);
    let mut stop = |_| ControlFlow::Break(());
    assert!(matches!(bench.store().check(true, &mut stop), Err(StoreError::Stopped)));
    assert!(matches!(bench.store().rebuild(&mut stop), Err(StoreError::Stopped)));
    let live: Vec<_> = ids.iter().copied().step_by(2).collect();
    let mut name = |emit: &mut dyn FnMut(&SealedId)| {
        live.iter().for_each(emit);
        Ok(())
    };
    let stopped = bench.store().gc(&mut name, gc_now(), &mut stop);
    assert!(matches!(stopped, Err(StoreError::Stopped)));
    assert!(live.iter().all(|id| bench.store().get(id).is_ok()));
}

#[test]
fn rebuild_makes_the_same_index_again_and_the_store_goes_on() {
    let mut bench = Bench::new(small());
    let ids = bench.fill(20);
    let report = bench.store().rebuild(&mut go_on).unwrap();
    assert_eq!((report.objects, report.unreadable_bytes), (20, 0));
    let more = bench.put(100, 1_000);
    bench.store().flush().unwrap();
    assert!(bench.reopen().is_clean());
    assert!(ids.iter().chain([&more]).all(|id| bench.store().get(id).is_ok()));
    assert!(bench.store().check(true, &mut go_on).unwrap().is_clean());
}

#[test]
fn a_good_copy_takes_the_place_of_a_damaged_one_in_a_rebuild_too() {
    let mut bench = Bench::new(small());
    let ids = bench.fill(3);
    damage::flip(&bench.packs()[&1], 32 + 44 + 5);
    assert!(bench.store().get(&ids[0]).is_err());
    assert_eq!(bench.store().put(&ids[0], &object(0, 1_000)).unwrap(), Put::New);
    bench.store().rebuild(&mut go_on).unwrap();
    assert_eq!(bench.store().get(&ids[0]).unwrap(), object(0, 1_000));
    assert!(bench.reopen().is_clean());
}

#[test]
fn usage_tells_objects_from_garbage() {
    let bench = Bench::new(StoreOptions { pack_bytes: 1 << 20, ..small() });
    let ids = bench.fill(4);
    let usage = bench.store().usage().unwrap();
    assert_eq!((usage.objects, usage.object_bytes, usage.garbage_bytes), (4, 4_000, 0));
    let rarely = GcOptions { rewrite_percent: 100, ..gc_now() };
    bench.gc_with(&ids[..1], rarely);
    assert_eq!(bench.store().usage().unwrap().object_bytes, 4_000, "garbage stays known");
}
