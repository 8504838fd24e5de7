//! What jobs, runs, retentions and foreign archives look like to a person.

use protocol::{
    JobId, Time,
    control::{
        ApiKey, Choice, Choices, Failure, FailureCode, ForeignArchive, JobReport, Jobs, KeyCreated,
        KeyReport, PruneVerdict, Pruned, Reply, RunDetail, RunKind, RunReport, RunState,
        TranscriptLine, Trigger,
    },
    job::{Command, Databases, Job, JobConfig, JobSpec},
    retention::Retention,
    schedule::Schedule,
};

use crate::daemon::Daemon;

/// 2026-05-08 01:00 UTC.
const AT: Time = Time(1_778_202_000_000);

fn shown(line: &str, reply: Reply) -> String {
    let ended = Daemon::answering(Ok(reply)).run(line);
    assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{line}");
    ended.out
}

fn job() -> JobReport {
    let databases = Databases {
        all: true,
        excludes: ["test".into(), "tmp".into()].into(),
        ..Databases::default()
    };
    let mut spec = JobSpec::new("shop".parse().unwrap(), JobConfig::Mysql(databases));
    let zone = Some("Europe/Paris".into());
    spec.schedule = Some(Schedule { cron: "0 3 * * *".into(), zone, delay_s: 600 });
    spec.retention = Retention::GFS;
    let env = [("TOKEN".to_owned(), "verysecret".to_owned())].into();
    spec.before = vec![Command { user: Some("www".into()), env, ..Command::new("stop shop") }];
    spec.after = vec![Command::new("start shop")];
    let job = Job { id: JobId([7; 16]), spec, created_ms: AT, updated_ms: AT };
    let next_runs = vec![AT, Time(AT.0 + 86_400_000)];
    let last_run = Some(RunReport::new(4, "shop", RunState::Success, AT));
    JobReport { job, number: 1, last_run, archives: 3, next_runs }
}

#[test]
fn a_job_is_shown_whole_without_the_values_of_its_variables() {
    assert_eq!(
        shown("job show shop", Reply::Job(Box::new(job()))),
        "\
name:       shop
type:       mysql
source:     all databases
excludes:   test
            tmp
server:     this machine's, through its usual socket
dumps:      plain
schedule:   0 3 * * * in Europe/Paris
delay:      up to 10m 00s, random
next runs:  2026-05-08 01:00:00 (2026-05-08 03:00:00 Europe/Paris)
            2026-05-09 01:00:00 (2026-05-09 03:00:00 Europe/Paris)
retention:  gfs:7,4,3
plain tars: auto
copies:     0 on any member that has room
seal:       auto
zstd level: 1
before:     stop shop (as www, at most 10m 00s, TOKEN)
after:      start shop (as root, at most 10m 00s)
enabled:    yes
archives:   3
changed:    2026-05-08 01:00:00
last run:   2026-05-08 01:00:00 (success), run 4
"
    );
}

#[test]
fn a_list_of_jobs_says_when_each_runs_next() {
    assert_eq!(
        shown("job list", Reply::Jobs(Jobs { jobs: vec![job()], next: None })),
        "\
NAME  TYPE   SOURCE         COPIES  ARCHIVES  LAST RUN             RESULT   NEXT RUN
shop  mysql  all databases       0         3  2026-05-08 01:00:00  success  2026-05-08 01:00:00
"
    );
}

#[test]
fn choices_say_what_cannot_be_backed_up() {
    let choice =
        |id: &str, title: &str, usable| Choice { id: id.into(), title: title.into(), usable };
    let choices = vec![choice("nextcloud", "My cloud", true), choice("odd", "Odd", false)];
    let choices = Choices { kind: "ynh_app".into(), choices };
    assert_eq!(
        shown("job choices ynh_app", Reply::Choices(choices)),
        "\
ID         TITLE     CAN BE BACKED UP
nextcloud  My cloud  yes
odd        Odd       no
"
    );
}

fn run() -> RunReport {
    RunReport {
        trigger: Trigger::CatchUp,
        ended_ms: Some(Time(AT.0 + 2_000)),
        archive: Some("jerry_mysql_shop_20260508".into()),
        entries: 4,
        stream_bytes: 8 << 20,
        known_bytes: 6 << 20,
        stored_bytes: 1 << 20,
        ..RunReport::new(12, "shop", RunState::Success, AT)
    }
}

#[test]
fn a_list_of_runs_says_why_each_began_and_which_found_nothing_new() {
    let idle = RunReport { run: 11, nothing_new: true, trigger: Trigger::Schedule, ..run() };
    assert_eq!(
        shown("run list", Reply::Runs(vec![run(), idle])),
        "\
RUN  JOB   WHAT    WHY        STARTED              TOOK  RESULT      SIZE       STORED  ARCHIVE
 12  shop  backup  caught up  2026-05-08 01:00:00  2.0s  success  8.0 MiB      1.0 MiB  jerry_mysql_shop_20260508
 11  shop  backup  schedule   2026-05-08 01:00:00  2.0s  success  8.0 MiB  nothing new  jerry_mysql_shop_20260508
"
    );
    let ended = Daemon::answering(Ok(Reply::Runs(vec![run()]))).run("run list --limit 1");
    assert_eq!(ended.err, "older ones: --before 12\n");
}

#[test]
fn a_run_is_shown_with_its_sizes_its_rate_and_all_it_said() {
    let line = TranscriptLine { at_ms: AT, text: "dumping shop\x1b[2J".into() };
    let detail = RunDetail { run: run(), transcript: vec![line] };
    assert_eq!(
        shown("run show 12", Reply::Run(detail)),
        "\
run:          12
job:          shop
what:         backup
why:          caught up
started:      2026-05-08 01:00:00
ended:        2026-05-08 01:00:02
took:         2.0s
result:       success
archive:      jerry_mysql_shop_20260508
members:      4
size:         8.0 MiB
rate:         4.0 MiB/s
known before: 6.0 MiB
new:          2.0 MiB
stored:       1.0 MiB
warnings:     0

2026-05-08 01:00:00  dumping shop\u{fffd}[2J
"
    );
}

#[test]
fn a_run_that_failed_says_why_and_what_helps() {
    let failure = Failure::new(FailureCode::NotFound, "cannot dump shop", "no such database");
    let failed = RunReport {
        state: RunState::Failed,
        archive: None,
        failure: Some(failure.hint("`backupmanager job choices mysql` lists them")),
        ..RunReport::new(12, "shop", RunState::Failed, AT)
    };
    let detail = RunDetail { run: failed, transcript: Vec::new() };
    let text = shown("run show 12", Reply::Run(detail));
    assert!(text.contains("cannot dump shop: no such database\nhint: `backup"), "{text}");
    assert!(!text.contains("stored:"), "{text}");
}

#[test]
fn a_run_that_found_nothing_new_says_so() {
    let text =
        shown("job run shop --wait", Reply::RunEnded(RunReport { nothing_new: true, ..run() }));
    assert_eq!(
        text,
        "archive jerry_mysql_shop_20260508 in 2.0s\n\
         nothing new: earlier archives have all 4 members, 8.0 MiB\n"
    );
    let restored = RunReport { kind: RunKind::Restore, ..run() };
    assert_eq!(
        shown("run cancel 12", Reply::RunEnded(restored)),
        "jerry_mysql_shop_20260508 is restored in 2.0s\n"
    );
}

#[test]
fn a_retention_gives_its_reasons() {
    let verdict = |archive: &str, keep, reason: &str| PruneVerdict {
        archive: archive.into(),
        job: "shop".into(),
        created_ms: AT,
        keep,
        reason: reason.into(),
    };
    let mut pruned = Pruned {
        dry_run: true,
        verdicts: vec![verdict("b", true, "the newest"), verdict("a", false, "older than 7 days")],
        kept: 1,
        dropped: 1,
        freed_bytes: 2_048,
    };
    let table = "\
ARCHIVE  JOB   CREATED              VERDICT  REASON
b        shop  2026-05-08 01:00:00  keep     the newest
a        shop  2026-05-08 01:00:00  DROP     older than 7 days
";
    assert_eq!(
        shown("retention preview shop", Reply::Pruned(pruned.clone())),
        format!(
            "{table}1 kept, 1 would be dropped: 2.0 KiB are needed by nothing else\n\
             Nothing was changed.\n"
        )
    );
    pruned.dry_run = false;
    assert_eq!(
        shown("retention apply shop", Reply::Pruned(pruned.clone())),
        format!("{table}1 kept, 1 dropped; the next `store gc` frees 2.0 KiB\n")
    );
    pruned.kept = 10;
    let text = shown("retention apply shop", Reply::Pruned(pruned));
    assert!(text.contains("  … and 9 more\n10 kept"), "{text}");
}

#[test]
fn foreign_archives_say_who_made_them() {
    let foreign = ForeignArchive {
        name: "nextcloud-pre-upgrade1".into(),
        file: "nextcloud-pre-upgrade1.tar".into(),
        bytes: 1 << 20,
        created_ms: AT,
        description: String::new(),
        contains: vec!["nextcloud".into()],
        pre_upgrade: true,
    };
    assert_eq!(
        shown("archive list --foreign", Reply::Foreign(vec![foreign])),
        "\
NAME                    CREATED                 SIZE  MADE               CONTAINS   DESCRIPTION
nextcloud-pre-upgrade1  2026-05-08 01:00:00  1.0 MiB  before an upgrade  nextcloud
"
    );
    let none = shown("archive list --foreign", Reply::Foreign(Vec::new()));
    assert_eq!(none, "no tars in the archives folder but those of this node\n");
}

#[test]
fn a_key_is_alone_on_the_output_and_a_list_never_has_one() {
    let key: ApiKey = "0123456789abcdef".repeat(4).parse().unwrap();
    let report = KeyReport {
        id: key.id().to_owned(),
        name: "phone".parse().unwrap(),
        read_only: false,
        metrics_only: false,
        created_ms: AT,
        used_ms: None,
    };
    let created = Reply::KeyCreated(KeyCreated { report: report.clone(), key: key.clone() });
    let ended = Daemon::answering(Ok(created.clone())).run("key create phone");
    assert_eq!((ended.code, ended.out), (0, format!("{}\n", key.reveal())));
    assert!(ended.err.contains("the only time") && ended.err.contains("key revoke 01234567"));
    assert!(!ended.err.contains(key.reveal()), "{}", ended.err);
    assert_eq!(shown("key create phone -q", created), format!("{}\n", key.reveal()));
    let watch = KeyReport {
        id: "fedcba98".into(),
        name: "watch".parse().unwrap(),
        read_only: true,
        used_ms: Some(Time(AT.0 + 3_600_000)),
        ..report.clone()
    };
    let prom = KeyReport {
        id: "0a0b0c0d".into(),
        name: "prom".parse().unwrap(),
        read_only: true,
        metrics_only: true,
        ..report.clone()
    };
    assert_eq!(
        shown("key list", Reply::Keys(vec![report, watch, prom])),
        "\
ID        NAME   MAY         MADE                 LAST CHECKED
01234567  phone  everything  2026-05-08 01:00:00  -
fedcba98  watch  look        2026-05-08 01:00:00  2026-05-08 02:00:00
0a0b0c0d  prom   metrics     2026-05-08 01:00:00  -
"
    );
    let none = shown("key list", Reply::Keys(Vec::new()));
    assert_eq!(none, "no keys; `backupmanager key create NAME` makes one\n");
}
