//! Random sequences of calls, crashes and damage, against a plain map as the model.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Act {
    Put(u64),
    Flush,
    Crash,
    Gc(u64),
    Damage(u64),
    Check(bool),
    Rebuild,
    LoseIndex,
}

/// Objects there are at all; their sizes differ.
const NUMBERS: u64 = 24;

fn bytes_of(number: u64) -> Vec<u8> {
    object(number, 1 + (number as usize * 397) % 1_800)
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        12 => (0..NUMBERS).prop_map(Act::Put),
        3 => Just(Act::Flush),
        2 => Just(Act::Crash),
        2 => any::<u64>().prop_map(Act::Gc),
        2 => (0..NUMBERS).prop_map(Act::Damage),
        1 => any::<bool>().prop_map(Act::Check),
        1 => Just(Act::Rebuild),
        1 => Just(Act::LoseIndex),
    ]
}

/// What is known of an object that the store has.
#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// It must be there and right.
    Good,
    /// Its bytes were hurt: it is there or not, but never wrong.
    Hurt,
    /// It was garbage when gc ran: it is there or not, but never wrong.
    Optional,
}

struct Model {
    bench: Bench,
    objects: BTreeMap<u64, State>,
}

impl Model {
    fn act(&mut self, act: &Act) {
        match act {
            Act::Put(number) => self.put(*number),
            Act::Flush => self.bench.store().flush().unwrap(),
            // a process that ends loses nothing that was written
            Act::Crash => drop(self.bench.reopen()),
            Act::Gc(mask) => self.gc(*mask),
            Act::Damage(number) => self.damage(*number),
            Act::Check(read_data) => {
                let report = self.bench.store().check(*read_data, &mut go_on).unwrap();
                assert!(!report.index_rebuilt);
            }
            Act::Rebuild => drop(self.bench.store().rebuild(&mut go_on).unwrap()),
            Act::LoseIndex => {
                self.bench.store().flush().unwrap();
                self.bench.close();
                fs::remove_file(self.bench.path().join("index.redb")).unwrap();
                let has_packs = !self.bench.packs().is_empty();
                assert_eq!(self.bench.reopen().rebuilt.is_some(), has_packs);
            }
        }
    }

    fn put(&mut self, number: u64) {
        let bytes = bytes_of(number);
        let put = self.bench.store().put(&id_of(&bytes), &bytes).unwrap();
        match (self.objects.get(&number), put) {
            (None, put) => assert_eq!(put, Put::New),
            (Some(State::Good), put) => assert_eq!(put, Put::Present),
            // it counts as there until somebody reads it
            (Some(State::Hurt), Put::Present) => return,
            (Some(_), _) => {}
        }
        self.objects.insert(number, State::Good);
    }

    fn gc(&mut self, mask: u64) {
        let is_live = |number: &u64| mask >> number & 1 == 1;
        let numbers = self.objects.keys().copied();
        let live: Vec<_> = numbers.filter(is_live).map(|n| id_of(&bytes_of(n))).collect();
        let options = GcOptions { rewrite_percent: (mask % 100) as u8, ..gc_now() };
        self.bench.gc_with(&live, options);
        for (number, state) in &mut self.objects {
            if !is_live(number) && *state == State::Good {
                *state = State::Optional;
            }
        }
    }

    /// Hurts a byte of an object where it lies now.
    fn damage(&mut self, number: u64) {
        let id = id_of(&bytes_of(number));
        if self.objects.get(&number) != Some(&State::Good) {
            return;
        }
        let place = self.bench.store().inner.find(&id).unwrap().unwrap();
        let path = self.bench.packs()[&place.pack].clone();
        damage::flip(&path, place.body_offset() as usize + place.bytes as usize / 2);
        self.objects.insert(number, State::Hurt);
    }

    fn holds(&self) {
        let store = self.bench.store();
        for number in 0..NUMBERS {
            let bytes = bytes_of(number);
            let id = id_of(&bytes);
            match self.objects.get(&number) {
                None => assert!(!store.has(&id).unwrap(), "{number} was never put"),
                Some(State::Good) => assert_eq!(store.get(&id).unwrap(), bytes, "{number}"),
                Some(State::Hurt) => {}
                Some(State::Optional) => {
                    if store.has(&id).unwrap() {
                        assert_eq!(store.get(&id).unwrap(), bytes, "{number}");
                    }
                }
            }
        }
    }

    /// At the end: a check finds all damage, and everything can be put again.
    fn ends_well(&mut self) {
        self.bench.store().check(true, &mut go_on).unwrap();
        for number in 0..NUMBERS {
            let bytes = bytes_of(number);
            self.bench.store().put(&id_of(&bytes), &bytes).unwrap();
            self.objects.insert(number, State::Good);
        }
        self.bench.store().flush().unwrap();
        self.bench.reopen();
        self.holds();
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 96,
        failure_persistence: None,
        rng_seed: prop::test_runner::RngSeed::Fixed(20),
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_sequence_of_calls_crashes_and_damage_keeps_what_it_should(
        acts in prop::collection::vec(act(), 1..60),
        fresh_objects_max in 1..8_usize,
    ) {
        let options = StoreOptions { fresh_objects_max, ..small() };
        let mut model = Model { bench: Bench::new(options), objects: BTreeMap::new() };
        for act in &acts {
            model.act(act);
            model.holds();
        }
        model.ends_well();
    }
}
