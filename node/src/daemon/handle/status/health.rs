//! Green, amber or red: a pure function of what is known.
//!
//! Red means that somebody must act, amber that something is late or short. Each reason is one
//! sentence that says of what.

use std::time::Duration;

use protocol::control::{Health, RunState};

/// A member that was not heard of for longer is worth a word.
pub(super) const OFFLINE_MAX: Duration = Duration::from_secs(24 * 3_600);

/// Less than this free, bytes, is full: the store itself stops at half of it.
const FREE_BYTES_MIN: u64 = 64 << 20;

/// Less than this share of the disk free, percent, is full.
const FREE_PERCENT_MIN: u64 = 1;

/// Names that one reason lists.
const NAMES_MAX: usize = 5;

/// What health is judged by.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    pub(super) jobs: Vec<JobFact>,
    pub(super) free_bytes: u64,
    pub(super) disk_bytes: u64,
    pub(super) store_bytes: u64,
    /// The quota of the store.
    pub(super) store_bytes_max: Option<u64>,
    /// Own archives with fewer copies than wanted.
    pub(super) archives_short: u64,
    /// Own archives whose root is nowhere.
    pub(super) archives_lost: u64,
    /// Own archives whose root is with other nodes only.
    pub(super) archives_elsewhere: u64,
    /// Members that are long offline, by name.
    pub(super) offline: Vec<String>,
    /// Workers that fail, with their last error.
    pub(super) failing: Vec<(String, String)>,
    /// Whether there are members and none has shown yet that this node is not an old copy.
    pub(super) history_unknown: bool,
}

/// A job and how its last run ended; none when it never ran to an end.
#[derive(Clone, Debug)]
pub(super) struct JobFact {
    pub(super) name: String,
    pub(super) last: Option<RunState>,
}

/// The colour, and why it is not green: what is worst first.
pub(super) fn judge(facts: &Facts) -> (Health, Vec<String>) {
    let (mut reasons, amber) = (red(facts), amber(facts));
    let health = match (reasons.is_empty(), amber.is_empty()) {
        (false, _) => Health::Red,
        (true, false) => Health::Amber,
        (true, true) => Health::Green,
    };
    reasons.extend(amber);
    (health, reasons)
}

fn red(facts: &Facts) -> Vec<String> {
    let mut reasons = Vec::new();
    if facts.archives_lost > 0 {
        reasons.push(count(facts.archives_lost, "can", "be read neither here nor elsewhere"));
    }
    for (state, how) in [(RunState::Failed, "failed"), (RunState::Interrupted, "was cut off")] {
        let jobs = facts.jobs.iter().filter(|job| job.last == Some(state));
        reasons.extend(jobs.map(|job| format!("the last run of {} {how}", job.name)));
    }
    let percent = u128::from(facts.free_bytes) * 100;
    if facts.free_bytes < FREE_BYTES_MIN
        || percent < u128::from(facts.disk_bytes) * u128::from(FREE_PERCENT_MIN)
    {
        let free = facts.free_bytes >> 20;
        reasons.push(format!("the disk of the chunk store is full: {free} MiB are free"));
    }
    if let Some(max) = facts.store_bytes_max
        && u128::from(facts.store_bytes) * 100 >= u128::from(max) * 99
    {
        reasons.push(format!("the chunk store is full: its quota is {} MiB", max >> 20));
    }
    reasons
}

fn amber(facts: &Facts) -> Vec<String> {
    let mut reasons = Vec::new();
    if facts.archives_elsewhere > 0 {
        reasons.push(count(facts.archives_elsewhere, "lie", "with other nodes only"));
    }
    if facts.archives_short > 0 {
        reasons.push(count(facts.archives_short, "have", "fewer copies than wanted"));
    }
    let never: Vec<_> = facts.jobs.iter().filter(|job| job.last.is_none()).collect();
    reasons.extend(list(never.iter().map(|job| job.name.as_str()), "no run has ended yet of"));
    reasons.extend(list(facts.offline.iter().map(String::as_str), "offline for over a day:"));
    let failing = facts.failing.iter();
    reasons.extend(failing.map(|(worker, error)| format!("the worker {worker} fails: {error}")));
    if facts.history_unknown {
        let why = "no member has confirmed yet that this node knows all that it said";
        reasons.push(format!("{why}; until then nothing is collected"));
    }
    reasons
}

fn count(archives: u64, verb: &str, what: &str) -> String {
    let (noun, verb) = match (archives, verb) {
        (1, "have") => ("archive", "has"),
        (1, "lie") => ("archive", "lies"),
        (1, verb) => ("archive", verb),
        (_, verb) => ("archives", verb),
    };
    format!("{archives} {noun} of this node {verb} {what}")
}

fn list<'a>(names: impl ExactSizeIterator<Item = &'a str>, what: &str) -> Option<String> {
    let total = names.len();
    let first: Vec<_> = names.take(NAMES_MAX).collect();
    let more = match total.saturating_sub(first.len()) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (total > 0).then(|| format!("{what} {}{more}", first.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn well() -> Facts {
        let job = JobFact { name: "docs".into(), last: Some(RunState::Success) };
        Facts { jobs: vec![job], free_bytes: 9 << 30, disk_bytes: 10 << 30, ..Facts::default() }
    }

    fn job(last: Option<RunState>) -> Facts {
        Facts { jobs: vec![JobFact { name: "docs".into(), last }], ..well() }
    }

    #[test]
    fn a_node_without_anything_wrong_is_green_and_gives_no_reason() {
        assert_eq!(judge(&well()), (Health::Green, vec![]));
        assert_eq!(judge(&job(Some(RunState::Cancelled))).0, Health::Green);
        assert_eq!(judge(&job(Some(RunState::Warnings))).0, Health::Green);
    }

    #[test]
    fn what_somebody_must_act_on_is_red() {
        for facts in [
            job(Some(RunState::Failed)),
            job(Some(RunState::Interrupted)),
            Facts { free_bytes: (64 << 20) - 1, disk_bytes: 1 << 30, ..well() },
            Facts { free_bytes: 9 << 30, disk_bytes: 1 << 40, ..well() },
            Facts { store_bytes: 99, store_bytes_max: Some(100), ..well() },
            Facts { archives_lost: 1, ..well() },
        ] {
            let (health, reasons) = judge(&facts);
            assert_eq!((health, reasons.len()), (Health::Red, 1), "{reasons:?}");
        }
    }

    #[test]
    fn what_is_late_or_short_is_amber() {
        for facts in [
            job(None),
            Facts { archives_short: 2, ..well() },
            Facts { archives_elsewhere: 1, ..well() },
            Facts { offline: vec!["tom".into()], ..well() },
            Facts { failing: vec![("gc".into(), "no room".into())], ..well() },
            Facts { history_unknown: true, ..well() },
        ] {
            let (health, reasons) = judge(&facts);
            assert_eq!((health, reasons.len()), (Health::Amber, 1), "{reasons:?}");
        }
    }

    #[test]
    fn the_worst_comes_first_and_long_lists_are_cut() {
        let offline = (0..8).map(|n| format!("n{n}")).collect();
        let facts = Facts { offline, archives_lost: 1, ..well() };
        let (health, reasons) = judge(&facts);
        assert_eq!(health, Health::Red);
        let expected = [
            "1 archive of this node can be read neither here nor elsewhere",
            "offline for over a day: n0, n1, n2, n3, n4 and 3 more",
        ];
        assert_eq!(reasons, expected);
    }
}
