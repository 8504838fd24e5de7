//! Which plain tars are to be written, removed, or given up: a pure function of what is known.

use std::collections::{BTreeMap, BTreeSet};

use protocol::{ArchiveId, JobId, Time};

/// An archive of this node, as far as its plain tar is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) id: ArchiveId,
    pub(super) name: String,
    pub(super) job: JobId,
    pub(super) created: Time,
}

/// How a plain tar came to be, and whether it is still ours to remove.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum Standing {
    /// It is about to be written; whether it was is seen in the folder.
    Writing,
    /// It lies in the folder.
    There,
    /// It lies in the folder, and was there before its archive: it is never removed.
    Adopted,
    /// Somebody deleted it there: it is not written again.
    Gone,
}

/// What this node knows of its plain tars.
pub(super) type Ledger = BTreeMap<ArchiveId, (String, Standing)>;

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Write the tar of an archive.
    Write(ArchiveId, String),
    /// A tar that was about to be written is there.
    Settle(ArchiveId, String),
    /// Remove a tar that is not wanted any more.
    Remove(ArchiveId, String),
    /// A tar was deleted by somebody else.
    Deleted(ArchiveId, String),
    /// Its archive and its tar are both gone.
    Forget(ArchiveId),
}

/// What is to be done so that each job has the tars that it keeps.
///
/// `keep` says how many each job keeps; tars of a job that is not in it stay as they are. A tar that
/// is in the folder and not in the ledger is none of ours, whatever its name. Writing comes last: it
/// needs the room that removing frees.
pub(super) fn plan(
    archives: &[Candidate],
    keep: &BTreeMap<JobId, u16>,
    ledger: &Ledger,
    folder: &BTreeSet<String>,
    untouched: &BTreeSet<ArchiveId>,
) -> Vec<Step> {
    let wanted = wanted(archives, keep);
    let by_id: BTreeMap<_, _> = archives.iter().map(|archive| (archive.id, archive)).collect();
    let (mut steps, mut writes) = (Vec::new(), Vec::new());
    let ours = ledger.iter().filter(|(id, _)| !untouched.contains(id));
    for (id, (name, standing)) in ours {
        let (there, archive) = (folder.contains(name), by_id.get(id));
        let unruled = archive.is_some_and(|archive| !keep.contains_key(&archive.job));
        let (id, name) = (*id, name.clone());
        match (standing, there) {
            (_, false) if archive.is_none() => steps.push(Step::Forget(id)),
            // The file was there before us, and is there after us.
            (Standing::Adopted, true) if archive.is_none() => steps.push(Step::Forget(id)),
            (Standing::There | Standing::Adopted, false) => steps.push(Step::Deleted(id, name)),
            (Standing::Writing, false) if wanted.contains(&id) => {
                writes.push(Step::Write(id, name));
            }
            (Standing::Writing, false) => steps.push(Step::Forget(id)),
            (Standing::Writing | Standing::There, true) if !unruled && !wanted.contains(&id) => {
                steps.push(Step::Remove(id, name));
            }
            // Also one that came back: its disk had not been mounted.
            (Standing::Writing | Standing::Gone, true) => steps.push(Step::Settle(id, name)),
            _ => {}
        }
    }
    let lacking = archives.iter().filter(|archive| {
        wanted.contains(&archive.id)
            && !untouched.contains(&archive.id)
            && !ledger.contains_key(&archive.id)
            && !folder.contains(&archive.name)
    });
    writes.extend(lacking.map(|archive| Step::Write(archive.id, archive.name.clone())));
    steps.extend(writes);
    steps
}

/// The newest archives of each job, as many as it keeps tars of.
fn wanted(archives: &[Candidate], keep: &BTreeMap<JobId, u16>) -> BTreeSet<ArchiveId> {
    let mut of_job: BTreeMap<JobId, Vec<(Time, ArchiveId)>> = BTreeMap::new();
    for archive in archives {
        of_job.entry(archive.job).or_default().push((archive.created, archive.id));
    }
    let newest = of_job.into_iter().flat_map(|(job, mut archives)| {
        archives.sort_unstable();
        let count = keep.get(&job).copied().unwrap_or(0);
        archives.into_iter().rev().take(count.into()).map(|(_, id)| id)
    });
    newest.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: JobId = JobId([1; 16]);

    fn archive(number: u8) -> Candidate {
        let id = ArchiveId([number; 16]);
        let (name, created) = (format!("a{number}"), Time(u64::from(number)));
        Candidate { id, name, job: JOB, created }
    }

    fn folder(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(ToString::to_string).collect()
    }

    fn ledger(entries: &[(u8, Standing)]) -> Ledger {
        let entry = |(number, standing): &(u8, Standing)| {
            let archive = archive(*number);
            (archive.id, (archive.name, *standing))
        };
        entries.iter().map(entry).collect()
    }

    fn keeps(count: u16) -> BTreeMap<JobId, u16> {
        [(JOB, count)].into()
    }

    #[test]
    fn the_newest_is_written_and_the_one_before_it_removed() {
        let archives = [archive(1), archive(2)];
        let there = ledger(&[(1, Standing::There)]);
        let steps = plan(&archives, &keeps(1), &there, &folder(&["a1"]), &BTreeSet::new());
        assert_eq!(
            steps,
            [
                Step::Remove(archive(1).id, "a1".to_owned()),
                Step::Write(archive(2).id, "a2".to_owned())
            ]
        );
    }

    #[test]
    fn what_somebody_deleted_is_noticed_once_and_never_written_again() {
        let archives = [archive(1)];
        let there = ledger(&[(1, Standing::There)]);
        let deleted = plan(&archives, &keeps(1), &there, &folder(&[]), &BTreeSet::new());
        assert_eq!(deleted, [Step::Deleted(archive(1).id, "a1".to_owned())]);
        let gone = ledger(&[(1, Standing::Gone)]);
        assert_eq!(plan(&archives, &keeps(1), &gone, &folder(&[]), &BTreeSet::new()), []);
        assert_eq!(
            plan(&[], &keeps(1), &gone, &folder(&[]), &BTreeSet::new()),
            [Step::Forget(archive(1).id)]
        );
    }

    #[test]
    fn a_tar_that_a_crash_cut_off_is_written_again_or_taken_as_it_is() {
        let archives = [archive(1)];
        let cut = ledger(&[(1, Standing::Writing)]);
        let id = archive(1).id;
        let again = plan(&archives, &keeps(1), &cut, &folder(&[]), &BTreeSet::new());
        assert_eq!(again, [Step::Write(id, "a1".to_owned())]);
        let whole = plan(&archives, &keeps(1), &cut, &folder(&["a1"]), &BTreeSet::new());
        assert_eq!(whole, [Step::Settle(id, "a1".to_owned())]);
        assert_eq!(
            plan(&archives, &keeps(0), &cut, &folder(&[]), &BTreeSet::new()),
            [Step::Forget(id)]
        );
    }

    #[test]
    fn the_tar_of_a_dropped_archive_goes_and_that_of_a_forgotten_job_stays() {
        let there = ledger(&[(1, Standing::There)]);
        let dropped = plan(&[], &keeps(1), &there, &folder(&["a1"]), &BTreeSet::new());
        assert_eq!(dropped, [Step::Remove(archive(1).id, "a1".to_owned())]);
        assert_eq!(
            plan(&[archive(1)], &BTreeMap::new(), &there, &folder(&["a1"]), &BTreeSet::new()),
            []
        );
    }

    #[test]
    fn a_file_that_is_not_in_the_ledger_is_never_touched() {
        let archives = [archive(1)];
        let none = Ledger::new();
        assert_eq!(
            plan(&archives, &keeps(1), &none, &folder(&["a1", "other"]), &BTreeSet::new()),
            []
        );
        assert_eq!(
            plan(&archives, &keeps(0), &none, &folder(&["a1", "other"]), &BTreeSet::new()),
            []
        );
    }

    #[test]
    fn an_adopted_file_is_never_removed_and_is_foreign_again_when_its_archive_goes() {
        let adopted = ledger(&[(1, Standing::Adopted)]);
        let there = folder(&["a1", "a2"]);
        let archives = [archive(1), archive(2)];
        let none = BTreeSet::new();
        assert_eq!(plan(&archives, &keeps(1), &adopted, &there, &none), []);
        assert_eq!(plan(&[], &keeps(1), &adopted, &there, &none), [Step::Forget(archive(1).id)]);
    }

    #[test]
    fn what_is_being_made_or_cannot_be_read_is_left_alone() {
        let untouched: BTreeSet<_> = [archive(1).id].into();
        for standing in [Standing::Writing, Standing::There] {
            let ledger = ledger(&[(1, standing)]);
            for names in [&[] as &[&str], &["a1"]] {
                let steps = plan(&[], &keeps(1), &ledger, &folder(names), &untouched);
                assert_eq!(steps, [], "{standing:?} {names:?}");
            }
        }
    }

    #[test]
    fn a_tar_that_comes_back_with_its_disk_is_ours_again() {
        let gone = ledger(&[(1, Standing::Gone)]);
        let back = plan(&[archive(1)], &keeps(1), &gone, &folder(&["a1"]), &BTreeSet::new());
        assert_eq!(back, [Step::Settle(archive(1).id, "a1".to_owned())]);
    }
}
