//! Jobs and runs.

use protocol::{
    control::{JobReport, RunDetail, RunReport, RunState},
    job::{Holders, JobConfig, Seal},
};

use super::word;
use crate::cli::format::{Facts, Style, Table, bytes, clean, dash, duration};

pub(super) fn jobs(jobs: &[JobReport], style: &Style) -> String {
    let head = ["NAME", "TYPE", "SOURCE", ">COPIES", ">ARCHIVES", "LAST RUN", "RESULT"];
    let mut table = Table::new(&head);
    for report in jobs {
        let spec = &report.job.spec;
        let JobConfig::CustomDir(dir) = &spec.config;
        let disabled = if spec.enabled { "" } else { " (disabled)" };
        table.row([
            format!("{}{disabled}", spec.name),
            spec.config.kind().to_owned(),
            dir.source_path.clone(),
            spec.copies.to_string(),
            report.archives.to_string(),
            style.time_or_dash(report.last_run.as_ref().map(|run| run.started_ms)),
            report.last_run.as_ref().map_or_else(dash, |run| word(run.state)),
        ]);
    }
    table.or("no jobs yet; `backupmanager job add custom_dir NAME PATH` adds one")
}

pub(super) fn job(report: &JobReport, style: &Style) -> String {
    let spec = &report.job.spec;
    let JobConfig::CustomDir(dir) = &spec.config;
    let on = match &spec.on {
        Holders::Any => "any member that has room".to_owned(),
        Holders::Named(names) => {
            names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        }
    };
    let mut facts = Facts::default();
    facts
        .add("name", spec.name.as_str())
        .add("type", spec.config.kind())
        .add("source", dir.source_path.as_str())
        .maybe("excludes", (!dir.excludes.is_empty()).then(|| dir.excludes.join("  ")))
        .add("copies", format!("{} on {on}", spec.copies))
        .add("seal", if spec.seal == Seal::None { "none: holders can read it" } else { "auto" })
        .add("zstd level", spec.level.to_string())
        .add("plain tars", spec.keep_tar.to_string())
        .add("enabled", if spec.enabled { "yes" } else { "no" })
        .add("archives", report.archives.to_string())
        .add("changed", style.time(report.job.updated_ms));
    if let Some(run) = &report.last_run {
        facts.add("last run", format!("{} ({})", style.time(run.started_ms), word(run.state)));
    }
    let kept = spec.config.not_applied();
    facts.maybe("kept only", (!kept.is_empty()).then(|| kept.join(", ")));
    facts.text()
}

pub(super) fn started(run: &RunReport) -> String {
    format!(
        "run {} of {} has begun; `backupmanager run show {}` follows it\n",
        run.run,
        clean(&run.job),
        run.run
    )
}

/// The story of a run in a few lines.
pub(super) fn ended(run: &RunReport) -> String {
    let took = run
        .ended_ms
        .map_or(0, |end| u64::try_from(end.since(run.started_ms).as_millis()).unwrap_or(u64::MAX));
    let mut out = match (run.state, &run.archive) {
        (RunState::Success | RunState::Warnings, Some(archive)) => {
            format!("archive {} in {}\n", clean(archive), duration(took))
        }
        (state, _) => format!("run {} of {}: {}\n", run.run, clean(&run.job), word(state)),
    };
    if run.archive.is_some() {
        out += &format!(
            "{} members, {}; {} known before, {} stored\n",
            run.entries,
            bytes(run.stream_bytes),
            bytes(run.known_bytes),
            bytes(run.stored_bytes)
        );
    }
    if run.warnings > 0 {
        let number = run.run;
        out +=
            &format!("{} warnings; `backupmanager run show {number}` lists them\n", run.warnings);
    }
    if let Some(failure) = &run.failure {
        out += &format!("{}\n", clean(&failure.to_string()));
        out += &failure.hint.as_ref().map_or(String::new(), |h| format!("hint: {}\n", clean(h)));
    }
    out
}

pub(super) fn runs(runs: &[RunReport], style: &Style) -> String {
    let head = [">RUN", "JOB", "STARTED", ">TOOK", "RESULT", ">SIZE", ">STORED", "ARCHIVE"];
    let mut table = Table::new(&head);
    for run in runs {
        let took = run.ended_ms.map(|end| {
            duration(u64::try_from(end.since(run.started_ms).as_millis()).unwrap_or(u64::MAX))
        });
        table.row([
            run.run.to_string(),
            run.job.clone(),
            style.time(run.started_ms),
            took.unwrap_or_else(dash),
            word(run.state),
            bytes(run.stream_bytes),
            bytes(run.stored_bytes),
            run.archive.clone().unwrap_or_else(dash),
        ]);
    }
    table.or("no runs yet")
}

pub(super) fn run(detail: &RunDetail, style: &Style) -> String {
    let run = &detail.run;
    let mut facts = Facts::default();
    facts
        .add("run", run.run.to_string())
        .add("job", run.job.as_str())
        .add("started", style.time(run.started_ms))
        .add("ended", style.time_or_dash(run.ended_ms))
        .add("result", word(run.state));
    let lines = detail
        .transcript
        .iter()
        .map(|line| format!("{}  {}\n", style.time(line.at_ms), clean(&line.text)));
    format!("{}{}\n{}", facts.text(), ended(run), lines.collect::<String>())
}
