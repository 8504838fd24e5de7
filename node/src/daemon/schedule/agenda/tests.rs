use protocol::job::{CustomDir, JobConfig, JobSpec};

use super::*;

const DOCS: JobId = JobId([1; 16]);
const HOUR_MS: u64 = 3_600_000;

fn at(text: &str) -> Time {
    Time(text.parse::<jiff::Timestamp>().unwrap().as_millisecond().try_into().unwrap())
}

fn stamp(time: Time) -> String {
    jiff::Timestamp::from_millisecond(time.0.try_into().unwrap()).unwrap().to_string()
}

fn zone_of(schedule: &Schedule) -> TimeZone {
    TimeZone::get(schedule.zone.as_deref().unwrap_or("UTC")).unwrap()
}

fn job(id: JobId, name: &str, line: &str, added: &str) -> Job {
    let config = JobConfig::CustomDir(CustomDir::new("/srv/docs"));
    let mut spec = JobSpec::new(name.parse().unwrap(), config);
    spec.schedule = Some(Schedule::new(line));
    Job { id, spec, created_ms: at(added), updated_ms: at(added) }
}

/// A node whose clock goes as the test says, with what it noted on its disk.
struct World {
    now: Time,
    jobs: Vec<Job>,
    disk: BTreeMap<JobId, Handled>,
    agenda: Agenda,
    ran: Vec<String>,
}

impl World {
    fn new(now: &str, jobs: impl IntoIterator<Item = Job>) -> Self {
        let mut world = Self {
            now: at(now),
            jobs: jobs.into_iter().collect(),
            disk: BTreeMap::new(),
            agenda: Agenda::default(),
            ran: Vec::new(),
        };
        world.look();
        world
    }

    fn look(&mut self) -> Plan {
        let jobs: Vec<_> = self.jobs.iter().cloned().map(Arc::new).collect();
        let plan = self.agenda.look(&jobs, self.now, &zone_of);
        self.disk.extend(plan.handled.iter().cloned());
        for due in &plan.due {
            let (name, planned) = (&due.job.spec.name, stamp(due.planned));
            self.ran.push(format!("{name} {planned} {:?} {}", due.trigger(), due.missed));
        }
        plan
    }

    /// Time passes, and the worker looks whenever it said it would.
    fn until(&mut self, to: &str) -> Vec<String> {
        let to = at(to);
        while let Some((next, _)) = self.look().next.filter(|(next, _)| *next <= to) {
            self.now = next;
        }
        self.now = to;
        self.look();
        std::mem::take(&mut self.ran)
    }

    /// The clock stands elsewhere all of a sudden.
    fn jump(&mut self, to: &str) -> Vec<String> {
        self.now = at(to);
        self.look();
        std::mem::take(&mut self.ran)
    }

    /// The daemon is stopped, and starts again later.
    fn restart(&mut self, at: &str) -> Vec<String> {
        let disk = self.disk.iter().map(|(job, handled)| (*job, handled.clone()));
        self.agenda = Agenda::new(disk.collect());
        self.jump(at)
    }

    fn edit(&mut self, change: impl FnOnce(&mut JobSpec)) -> Vec<String> {
        change(&mut self.jobs[0].spec);
        self.jobs[0].updated_ms = self.now;
        self.look();
        std::mem::take(&mut self.ran)
    }
}

fn daily() -> World {
    let docs = job(DOCS, "docs", "0 3 * * *", "2026-06-01T12:00:00Z");
    World::new("2026-06-01T12:00:00Z", [docs])
}

#[test]
fn a_new_job_runs_from_its_next_time_on_and_once_each() {
    let mut world = daily();
    assert_eq!(world.until("2026-06-02T02:59:59Z"), [""; 0]);
    let ran = world.until("2026-06-04T02:00:00Z");
    assert_eq!(
        ran,
        ["docs 2026-06-02T03:00:00Z Schedule 0", "docs 2026-06-03T03:00:00Z Schedule 0"]
    );
}

#[test]
fn a_job_that_was_added_while_nobody_looked_still_begins_with_that_moment() {
    let mut world = daily();
    // The note of the first look was lost with a crash; the job itself was not.
    world.disk.clear();
    assert_eq!(world.restart("2026-06-01T20:00:00Z"), [""; 0]);
    world.disk.clear();
    let late = world.restart("2026-06-02T20:00:00Z");
    assert_eq!(late, ["docs 2026-06-02T03:00:00Z CatchUp 0"]);
}

#[test]
fn both_nights_of_a_clock_change_run_each_job_once_in_its_own_zone() {
    let zoned = |id, name: &str, zone: &str| {
        let mut job = job(JobId([id; 16]), name, "30 2 * * *", "2026-03-01T00:00:00Z");
        job.spec.schedule.as_mut().unwrap().zone = Some(zone.to_owned());
        job
    };
    let jobs = [zoned(1, "paris", "Europe/Paris"), zoned(2, "york", "America/New_York")];
    let mut world = World::new("2026-03-28T00:00:00Z", jobs);
    world.until("2026-03-28T12:00:00Z");
    // Paris has no half past two on the 29th.
    let spring = world.until("2026-03-30T12:00:00Z");
    let expected = [
        "paris 2026-03-29T01:00:00Z Schedule 0",
        "york 2026-03-29T06:30:00Z Schedule 0",
        "paris 2026-03-30T00:30:00Z Schedule 0",
        "york 2026-03-30T06:30:00Z Schedule 0",
    ];
    assert_eq!(spring, expected);
    // And two of them on the 25th of October.
    world.jump("2026-10-24T12:00:00Z");
    let autumn = world.until("2026-10-26T12:00:00Z");
    let expected = [
        "paris 2026-10-25T00:30:00Z Schedule 0",
        "york 2026-10-25T06:30:00Z Schedule 0",
        "paris 2026-10-26T01:30:00Z Schedule 0",
        "york 2026-10-26T06:30:00Z Schedule 0",
    ];
    assert_eq!(autumn, expected);
}

#[test]
fn months_of_downtime_are_caught_up_once() {
    let mut world = daily();
    world.until("2026-06-02T12:00:00Z");
    assert_eq!(world.restart("2026-09-02T12:00:00Z"), ["docs 2026-09-02T03:00:00Z CatchUp 91"]);
    assert_eq!(world.restart("2026-09-02T12:00:05Z"), [""; 0]);
    assert_eq!(world.until("2026-09-03T12:00:00Z"), ["docs 2026-09-03T03:00:00Z Schedule 0"]);
    // A clock that jumps ahead is the same.
    assert_eq!(world.jump("2026-12-01T00:00:00Z"), ["docs 2026-11-30T03:00:00Z CatchUp 87"]);
}

#[test]
fn nothing_runs_twice_when_the_clock_goes_back_also_over_a_restart() {
    let mut world = daily();
    assert_eq!(world.until("2026-06-02T03:00:00Z").len(), 1);
    assert_eq!(world.jump("2026-06-02T01:30:00Z"), [""; 0]);
    assert_eq!(world.until("2026-06-02T03:30:00Z"), [""; 0]);
    assert_eq!(world.restart("2026-06-01T20:00:00Z"), [""; 0]);
    assert_eq!(world.until("2026-06-02T12:00:00Z"), [""; 0]);
    assert_eq!(world.until("2026-06-03T12:00:00Z"), ["docs 2026-06-03T03:00:00Z Schedule 0"]);
}

#[test]
fn a_job_edited_while_the_clock_stands_back_does_not_run_its_time_again() {
    let mut world = daily();
    world.until("2026-06-02T03:00:00Z");
    world.jump("2026-06-02T02:30:00Z");
    world.edit(|spec| spec.schedule.as_mut().unwrap().zone = Some("Etc/UTC".to_owned()));
    assert_eq!(world.until("2026-06-02T12:00:00Z"), [""; 0]);
}

#[test]
fn a_clock_that_was_months_ahead_does_not_stop_a_job_for_months() {
    let mut world = daily();
    assert_eq!(world.jump("2027-01-01T12:00:00Z").len(), 1);
    world.now = at("2026-06-02T12:00:00Z");
    let plan = world.look();
    assert_eq!(plan.distrusted.len(), 1);
    assert!(plan.due.is_empty());
    assert_eq!(world.until("2026-06-03T12:00:00Z"), ["docs 2026-06-03T03:00:00Z Schedule 0"]);
    assert!(world.look().distrusted.is_empty());
}

#[test]
fn a_clock_that_knows_nothing_yet_decides_nothing() {
    let mut world = daily();
    world.until("2026-06-02T03:00:00Z");
    let noted = world.disk.clone();
    assert_eq!(world.restart("1970-01-01T00:00:20Z"), [""; 0]);
    assert_eq!(world.disk, noted);
    assert_eq!(world.restart("2026-06-02T03:10:00Z"), [""; 0]);
}

#[test]
fn a_new_schedule_does_not_run_for_times_before_it() {
    let mut world = daily();
    world.until("2026-06-02T12:00:00Z");
    let line =
        |line: &'static str| move |spec: &mut JobSpec| spec.schedule = Some(Schedule::new(line));
    assert_eq!(world.edit(line("0 11 * * *")), [""; 0]);
    assert_eq!(world.until("2026-06-02T20:00:00Z"), [""; 0]);
    world.edit(line("0 21 * * *"));
    assert_eq!(world.until("2026-06-02T22:00:00Z"), ["docs 2026-06-02T21:00:00Z Schedule 0"]);
}

#[test]
fn an_edit_of_something_else_does_not_lose_a_time_that_was_missed_or_waits() {
    let mut world = daily();
    world.edit(|spec| spec.schedule.as_mut().unwrap().delay_s = 7_200);
    let (starts, _) = world.look().next.unwrap();
    assert!(starts > at("2026-06-02T03:00:00Z"), "the draw of this job is no delay at all");
    world.now = Time(starts.0 - 1);
    assert_eq!(world.edit(|spec| spec.copies = 2), [""; 0]);
    world.now = starts;
    world.look();
    assert_eq!(world.ran, ["docs 2026-06-02T03:00:00Z Schedule 0"]);
}

#[test]
fn a_disabled_job_does_not_run_and_an_enabled_one_begins_anew() {
    let mut world = daily();
    world.edit(|spec| spec.enabled = false);
    assert!(world.look().next.is_none());
    assert_eq!(world.until("2026-06-05T12:00:00Z"), [""; 0]);
    assert_eq!(world.restart("2026-06-06T12:00:00Z"), [""; 0]);
    assert_eq!(world.edit(|spec| spec.enabled = true), [""; 0]);
    assert_eq!(world.until("2026-06-07T12:00:00Z"), ["docs 2026-06-07T03:00:00Z Schedule 0"]);
}

#[test]
fn what_was_noted_and_not_started_is_left_out_and_not_made_twice() {
    let mut world = daily();
    world.jump("2026-06-02T03:00:10Z");
    // Killed after the note, before the run: the disk knows it as handled.
    assert_eq!(world.restart("2026-06-02T03:00:30Z"), [""; 0]);
}

#[test]
fn a_look_when_nothing_has_come_notes_nothing() {
    let mut world = daily();
    world.now = Time(world.now.0 + HOUR_MS);
    assert!(world.look().handled.is_empty());
}

#[test]
fn the_soonest_of_all_jobs_is_next_and_what_is_due_starts_in_that_order() {
    let added = "2026-06-01T12:00:00Z";
    let jobs = [
        job(DOCS, "docs", "0 3 * * *", added),
        job(JobId([2; 16]), "mail", "0 1 * * *", added),
        job(JobId([3; 16]), "photos", "0 2 1 * *", added),
    ];
    let mut world = World::new(added, jobs);
    let (next, of) = world.look().next.unwrap();
    assert_eq!((stamp(next).as_str(), of.spec.name.as_str()), ("2026-06-02T01:00:00Z", "mail"));
    let ran = world.jump("2026-06-02T03:00:30Z");
    assert_eq!(
        ran,
        ["mail 2026-06-02T01:00:00Z CatchUp 0", "docs 2026-06-02T03:00:00Z Schedule 0"]
    );
}

#[test]
fn another_zone_of_the_machine_moves_what_is_next() {
    let mut world = daily();
    let jobs = [Arc::new(world.jobs[0].clone())];
    let paris = |_: &Schedule| TimeZone::get("Europe/Paris").unwrap();
    assert_eq!(stamp(world.look().next.unwrap().0), "2026-06-02T03:00:00Z");
    let moved = world.agenda.look(&jobs, world.now, &paris);
    assert_eq!(stamp(moved.next.unwrap().0), "2026-06-02T01:00:00Z");
}
