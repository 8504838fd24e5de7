//! What people ask for: schedules, retentions, jobs.

use jiff::{civil::DateTime, tz::TimeZone};
use protocol::{
    JobId, Time, cbor,
    job::JobSpec,
    retention::Retention,
    schedule::{Line, Occurrence, Schedule},
};
use serde_json::{Value, json};

const JOB: JobId = JobId([7; 16]);

/// 2026-03-28T23:30Z, 2026-10-24T22:59:59.999Z, 2028-02-28T23:59Z, and the last that a number says.
const MOMENTS: [u64; 4] = [1_774_740_600_000, 1_792_882_799_999, 1_835_395_140_000, u64::MAX];

/// The longest refusal that anybody has to read, bytes: a field may be repeated in it.
const REFUSAL_BYTES_MAX: usize = 8_192;

const MINUTE_MS: u64 = 60_000;

/// A line, the name of a zone, and rules of one, each a line of text.
pub(super) fn schedule(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut parts = text.splitn(3, '\n');
    let cron = parts.next().unwrap_or_default();
    let zone = parts.next().map(str::to_owned);
    let delay_s = u32::try_from(bytes.len()).unwrap_or(0) * 7;
    let schedule = Schedule { cron: cron.to_owned(), zone, delay_s };
    let again = serde_json::to_string(&schedule).expect("it is written");
    assert_eq!(serde_json::from_str::<Schedule>(&again).expect("and read"), schedule);
    let zone = schedule.zone.as_deref().unwrap_or_default();
    if let Err(error) = schedule.validate() {
        assert!(error.to_string().len() <= REFUSAL_BYTES_MAX);
    } else {
        let is_out = zone.starts_with('/') || zone.split('/').any(|part| part == "..");
        assert!(!is_out, "a zone is a file in the folder of zones");
    }
    let from = Time(MOMENTS[0]);
    let Ok(line) = Line::parse(cron) else {
        assert!(schedule.validate().is_err());
        assert_eq!(schedule.next_after(&JOB, from, &TimeZone::UTC), None);
        return;
    };
    let tidy = cron.split([' ', '\t']).filter(|field| !field.is_empty()).collect::<Vec<_>>();
    for other in [tidy.join(" "), tidy.join("\t").to_ascii_uppercase()] {
        assert_eq!(Line::parse(&other).as_ref(), Ok(&line), "another spelling: {other}");
    }
    MOMENTS.iter().for_each(|after| in_utc(&schedule, &line, Time(*after)));
    if let Some(zone) = parts.next().and_then(|rules| TimeZone::posix(rules).ok()) {
        MOMENTS.iter().for_each(|after| drop(grows(&schedule, Time(*after), &zone)));
    }
}

/// The first few, each after the one before.
fn grows(schedule: &Schedule, after: Time, zone: &TimeZone) -> Vec<Occurrence> {
    let found: Vec<_> = schedule.occurrences(&JOB, after, zone).take(4).collect();
    let mut before = after;
    for one in &found {
        assert!(one.planned > before && one.starts >= one.planned);
        assert!(one.starts.0 - one.planned.0 <= u64::from(schedule.delay_s) * 1_000);
        before = one.starts;
    }
    let next = schedule.next_after(&JOB, after, zone);
    assert!(next.is_none_or(|next| next > after));
    found
}

/// Where no clock is ever changed: what is found is named, and nothing is left out before it.
fn in_utc(schedule: &Schedule, line: &Line, after: Time) {
    let found = grows(schedule, after, &TimeZone::UTC);
    for one in &found {
        assert!(line.matches(civil(one.planned)) && one.planned.0.is_multiple_of(MINUTE_MS));
    }
    if after.0 == u64::MAX {
        return;
    }
    let first = (after.0 / MINUTE_MS + 1) * MINUTE_MS;
    let minutes = (0..3 * 60).map(|minute| Time(first + minute * MINUTE_MS));
    if let Some(named) = minutes.into_iter().find(|minute| line.matches(civil(*minute))) {
        assert_eq!(found.first().map(|one| one.planned), Some(named), "the first that is named");
    }
}

fn civil(time: Time) -> DateTime {
    let ms = i64::try_from(time.0).expect("a date");
    let timestamp = jiff::Timestamp::from_millisecond(ms).expect("a date");
    timestamp.to_zoned(TimeZone::UTC).datetime()
}

pub(super) fn schedule_seeds() -> Vec<Vec<u8>> {
    let paris = "Europe/Paris\nCET-1CEST,M3.5.0,M10.5.0/3";
    [
        format!("*/10 * * * *\n{paris}"),
        format!("30 2 * * *\n{paris}"),
        format!("0,30\t1-3 1,15 jan-jun/2 MON-fri\n{paris}"),
        "0 4 29 2 7\nAustralia/Lord_Howe\n<+1030>-10:30<+11>-11,M10.1.0,M4.1.0".to_owned(),
        "59 23 31 12 sat-sun\nAmerica/New_York\nEST5EDT,M3.2.0,M11.1.0".to_owned(),
        "0 0 30 2 1\nEtc/GMT+5\nIST-5:30".to_owned(),
        "@daily\nUTC".to_owned(),
        "@Weekly".to_owned(),
    ]
    .map(String::into_bytes)
    .to_vec()
}

/// As text, and as JSON.
pub(super) fn retention(bytes: &[u8]) {
    let parsed = String::from_utf8_lossy(bytes).parse::<Retention>();
    match &parsed {
        Ok(policy) => assert_eq!(policy.validate(), Ok(()), "what is read may be used"),
        Err(error) => assert!(error.to_string().len() <= REFUSAL_BYTES_MAX),
    }
    let json = serde_json::from_slice::<Retention>(bytes).ok();
    for policy in parsed.ok().into_iter().chain(json.filter(|policy| policy.validate().is_ok())) {
        assert_eq!(policy.to_string().parse(), Ok(policy));
        let again = serde_json::to_string(&policy).expect("it is written");
        assert_eq!(serde_json::from_str::<Retention>(&again).expect("and read"), policy);
    }
}

pub(super) fn retention_seeds() -> Vec<Vec<u8>> {
    let texts = ["all", "gfs", "count:10", "daily:7", "gfs:7,4,3", "gfs:0,0,10000", "count:007"];
    let json = ["\"all\"", r#"{"count":10}"#, r#"{"gfs":{"daily":7,"weekly":4,"monthly":3}}"#];
    texts.into_iter().chain(json).map(Into::into).collect()
}

/// The JSON of a job.
pub(super) fn job_spec(bytes: &[u8]) {
    let Ok(spec) = serde_json::from_slice::<JobSpec>(bytes) else { return };
    let mut json = serde_json::to_value(&spec).expect("it is written");
    let again = serde_json::from_value::<JobSpec>(json.clone()).expect("and read");
    assert_eq!(again, spec);
    let stored = cbor::encode(&spec);
    assert_eq!(cbor::decode::<JobSpec>("a job", &stored, usize::MAX).expect("stored"), spec);
    let _ = (spec.config.archive_stem(), spec.config.subject(), spec.config.kind());
    match spec.validate() {
        Err(error) => assert!(error.to_string().len() <= REFUSAL_BYTES_MAX),
        Ok(()) => {
            let schedule = spec.schedule.as_ref().map_or(Ok(()), Schedule::validate);
            assert!(schedule.is_ok() && spec.retention.validate().is_ok());
        }
    }
    for part in ["", "/config", "/schedule"] {
        let mut wrong = json.clone();
        let Some(Value::Object(keys)) = wrong.pointer_mut(part) else { continue };
        keys.insert("not_a_key".to_owned(), json!(1));
        assert!(serde_json::from_value::<JobSpec>(wrong).is_err(), "an unknown key of {part:?}");
    }
    json["retention"] = json!("some");
    assert!(serde_json::from_value::<JobSpec>(json).is_err(), "no such policy");
}

pub(super) fn job_spec_seeds() -> Vec<Vec<u8>> {
    let dir = json!({
        "source_path": "/opt/hermes-agent", "excludes": ["cache/", "*.tmp"], "type": "custom_dir",
        "restore": {
            "system_user": {"name": "hermes", "home": "/opt/hermes-agent", "shell": "/bin/false"},
            "systemd_service": {"name": "hermes", "service_file": "/opt/hermes/hermes.service"},
            "permissions": {"owner": "hermes:hermes", "mode": "750"},
            "firewall_ports": [{"port": 8443}, {"port": 53, "protocol": "udp"}],
            "post_restore_commands": ["systemctl restart hermes"],
        },
    });
    let databases = json!({
        "type": "mysql", "databases": ["shop", "été"], "user": "root", "compress": "zstd",
        "socket": "/run/mysqld/mysqld.sock", "options_file": "/root/.my.cnf",
    });
    let commands = json!([{"run": "systemctl stop shop", "user": "shop", "env": {"A": "b"},
        "timeout_s": 60}]);
    let all =
        json!({"type": "postgresql", "all": true, "excludes": ["a"], "host": "db", "port": 5432});
    let system = json!({"type": "ynh_system", "parts": ["data_home", "conf_ldap"]});
    [
        json!({"name": "cloud", "config": {"type": "ynh_app", "app_id": "nextcloud"},
            "schedule": {"cron": "0 3 * * *", "zone": "Europe/Paris", "delay_s": 600},
            "retention": {"gfs": {"daily": 7, "weekly": 4, "monthly": 3}}, "copies": 2,
            "on": {"named": ["tom", "jerry"]}, "before": commands, "after": commands}),
        json!({"name": "docs", "config": dir, "seal": "none", "level": 19, "keep_tar": 3}),
        json!({"name": "shop", "config": databases, "retention": {"count": 10}}),
        json!({"name": "all", "config": all, "enabled": false, "retention": {"daily": 7}}),
        json!({"name": "system", "config": system}),
    ]
    .map(|spec| spec.to_string().into_bytes())
    .to_vec()
}
