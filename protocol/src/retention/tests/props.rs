//! What holds for every policy and any archives.

use proptest::prelude::*;

use super::*;

prop_compose! {
    fn items()(parts in prop::collection::vec(
        // Days before or after now, minutes, and how it is.
        (-30_i64..500, 0_i64..1_440, prop::bool::weighted(0.7), 0_u8..20), 0..40,
    )) -> Vec<Item> {
        parts
            .into_iter()
            .zip(0_u8..)
            .map(|((days, minutes, good, kind), number)| {
                let before = days * 1_440 + minutes;
                let created = i64::try_from(NOW.0).unwrap() - before * 60_000;
                Item {
                    id: ArchiveId([number; 16]),
                    created: Time(created.try_into().unwrap()),
                    good,
                    pinned: kind == 0,
                    safety: kind == 1 || kind == 2,
                    foreign: kind == 3,
                }
            })
            .collect()
    }
}

/// 2026-05-08T12:00:00Z.
const NOW: Time = Time(1_778_241_600_000);

fn policy() -> impl Strategy<Value = Retention> {
    prop_oneof![
        Just(Retention::All),
        (1_u32..10).prop_map(Retention::Count),
        (1_u32..20).prop_map(Retention::Daily),
        (0_u32..10, 0_u32..6, 1_u32..6).prop_map(|(daily, weekly, monthly)| Retention::Gfs {
            daily,
            weekly,
            monthly
        }),
    ]
}

fn kept(policy: Retention, items: &[Item], now: Time) -> Vec<Item> {
    let verdicts = plan(policy, items, now, &paris());
    assert_eq!(verdicts.len(), items.len());
    let stays = |item: &&Item| verdicts.iter().any(|v| v.id == item.id && v.keep);
    items.iter().filter(stays).copied().collect()
}

proptest! {
    #[test]
    fn the_last_good_pinned_foreign_and_future_ones_stay_wherever_the_clock_jumps(
        policy in policy(), items in items(), jump_days in -600_i64..6_000,
    ) {
        let now = Time(NOW.0.saturating_add_signed(jump_days * 86_400_000));
        let kept = kept(policy, &items, now);
        let regular = items.iter().any(|item| item.good && !item.foreign && !item.safety);
        let good = |item: &&Item| item.good && !item.foreign && (!regular || !item.safety);
        let newest = items.iter().filter(good).max_by_key(|item| (item.created, item.id));
        prop_assert!(newest.is_none_or(|newest| kept.contains(newest)));
        let past = items.iter().filter(good).filter(|item| item.created <= now);
        let newest = past.max_by_key(|item| (item.created, item.id));
        prop_assert!(newest.is_none_or(|newest| kept.contains(newest)));
        let held = |item: &&Item| item.pinned || item.foreign || item.created > now;
        prop_assert!(items.iter().filter(held).all(|item| kept.contains(item)));
    }

    #[test]
    fn what_was_kept_is_kept_when_asked_again(policy in policy(), items in items()) {
        let once = kept(policy, &items, NOW);
        prop_assert_eq!(kept(policy, &once, NOW), once);
    }

    #[test]
    fn the_order_of_the_question_does_not_matter_and_every_verdict_has_a_reason(
        policy in policy(), items in items(),
    ) {
        let mut turned = items.clone();
        turned.reverse();
        let verdicts = plan(policy, &items, NOW, &paris());
        prop_assert_eq!(&verdicts, &plan(policy, &turned, NOW, &paris()));
        prop_assert!(verdicts.iter().all(|verdict| !verdict.reason.is_empty()));
    }

    #[test]
    fn bad_archives_push_no_good_one_out(policy in policy(), items in items()) {
        let good: Vec<_> = items.iter().filter(|item| item.good).copied().collect();
        let among_all: Vec<_> =
            kept(policy, &items, NOW).into_iter().filter(|item| item.good).collect();
        prop_assert_eq!(among_all, kept(policy, &good, NOW));
    }

    #[test]
    fn a_day_has_at_most_one_place_and_each_day_with_a_good_archive_has_one(
        items in items(), days in 1_u32..20,
    ) {
        let plain: Vec<_> = items
            .into_iter()
            .map(|item| Item { pinned: false, safety: false, foreign: false, ..item })
            .filter(|item| item.created <= NOW && item.good)
            .collect();
        let day = |item: &Item| calendar::Day::of(item.created, &paris()).number(calendar::Period::Day);
        let today = calendar::Day::of(NOW, &paris()).number(calendar::Period::Day);
        let in_window = |item: &&Item| today - day(item) < i64::from(days);
        let mut wanted: Vec<_> = plain.iter().filter(in_window).map(day).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let mut found: Vec<_> =
            kept(Retention::Daily(days), &plain, NOW).iter().filter(in_window).map(day).collect();
        found.sort_unstable();
        prop_assert_eq!(found, wanted);
    }
}
