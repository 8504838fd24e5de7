//! Runs.

use protocol::control::{RunDetail, RunKind, RunReport, RunState, Trigger};

use super::word;
use crate::cli::format::{Facts, Style, Table, bytes, clean, dash, duration};

pub(super) fn started(run: &RunReport) -> String {
    let state = match run.state {
        RunState::Queued => "waits for its turn",
        _ => "has begun",
    };
    format!(
        "run {} of {} {state}; `backupmanager run show {}` follows it\n",
        run.run,
        clean(&run.job),
        run.run
    )
}

/// Milliseconds from its beginning to its end.
fn took(run: &RunReport) -> Option<u64> {
    let ms = |end: protocol::Time| end.since(run.started_ms).as_millis();
    run.ended_ms.map(|end| u64::try_from(ms(end)).unwrap_or(u64::MAX))
}

/// Bytes of the stream per second.
fn rate(run: &RunReport) -> Option<u64> {
    let ms = took(run).filter(|ms| *ms > 0)?;
    let rate = u128::from(run.stream_bytes) * 1_000 / u128::from(ms);
    u64::try_from(rate).ok().filter(|rate| *rate > 0)
}

/// The story of a run in a few lines.
pub(super) fn ended(run: &RunReport) -> String {
    let in_time = took(run).map_or(String::new(), |ms| format!(" in {}", duration(ms)));
    let mut out = match (run.state, run.kind, &run.archive) {
        (RunState::Success | RunState::Warnings, RunKind::Restore, Some(archive)) => {
            format!("{} is restored{in_time}\n", clean(archive))
        }
        (RunState::Success | RunState::Warnings, _, Some(archive)) => {
            format!("archive {}{in_time}\n", clean(archive))
        }
        (state, ..) => format!("run {} of {}: {}\n", run.run, clean(&run.job), word(state)),
    };
    if run.archive.is_some() && run.kind != RunKind::Restore {
        out += &sizes(run);
    }
    if run.warnings > 0 {
        let number = run.run;
        out +=
            &format!("{} warnings; `backupmanager run show {number}` lists them\n", run.warnings);
    }
    out + &failure(run)
}

fn sizes(run: &RunReport) -> String {
    if run.nothing_new {
        let (entries, size) = (run.entries, bytes(run.stream_bytes));
        return format!("nothing new: earlier archives have all {entries} members, {size}\n");
    }
    format!(
        "{} members, {}; {} known before, {} stored\n",
        run.entries,
        bytes(run.stream_bytes),
        bytes(run.known_bytes),
        bytes(run.stored_bytes)
    )
}

fn failure(run: &RunReport) -> String {
    let Some(failure) = &run.failure else { return String::new() };
    let hint = failure.hint.as_ref();
    let hint = hint.map_or(String::new(), |hint| format!("hint: {}\n", clean(hint)));
    format!("{}\n{hint}", clean(&failure.to_string()))
}

/// Why it began, in a word or two.
fn trigger(run: &RunReport) -> &'static str {
    match run.trigger {
        Trigger::Hand => "by hand",
        Trigger::Schedule => "schedule",
        Trigger::CatchUp => "caught up",
        Trigger::Safety => "safety",
    }
}

pub(super) fn runs(runs: &[RunReport], style: &Style) -> String {
    let head =
        [">RUN", "JOB", "WHAT", "WHY", "STARTED", ">TOOK", "RESULT", ">SIZE", ">STORED", "ARCHIVE"];
    let mut table = Table::new(&head);
    for run in runs {
        let stored =
            if run.nothing_new { "nothing new".to_owned() } else { bytes(run.stored_bytes) };
        table.row([
            run.run.to_string(),
            run.job.clone(),
            word(run.kind),
            trigger(run).to_owned(),
            style.time(run.started_ms),
            took(run).map_or_else(dash, duration),
            word(run.state),
            bytes(run.stream_bytes),
            stored,
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
        .add("what", word(run.kind))
        .add("why", trigger(run))
        .add("started", style.time(run.started_ms))
        .add("ended", style.time_or_dash(run.ended_ms))
        .maybe("took", took(run).map(duration))
        .add("result", word(run.state))
        .maybe("archive", run.archive.clone());
    if run.entries > 0 || run.stream_bytes > 0 {
        let new = run.stream_bytes.saturating_sub(run.known_bytes);
        facts
            .add("members", run.entries.to_string())
            .add("size", bytes(run.stream_bytes))
            .maybe("rate", rate(run).map(|rate| format!("{}/s", bytes(rate))));
        if run.kind != RunKind::Restore {
            facts
                .add("known before", bytes(run.known_bytes))
                .add("new", if run.nothing_new { "nothing".to_owned() } else { bytes(new) })
                .add("stored", bytes(run.stored_bytes));
        }
    }
    facts.add("warnings", run.warnings.to_string()).maybe("at", progress(run));
    let failure = failure(run);
    let lines = detail
        .transcript
        .iter()
        .map(|line| format!("{}  {}\n", style.time(line.at_ms), clean(&line.text)));
    format!("{}{failure}\n{}", facts.text(), lines.collect::<String>())
}

fn progress(run: &RunReport) -> Option<String> {
    let progress = run.progress.as_ref()?;
    let done = progress.per_mille().map_or(String::new(), |done| format!(" {} %", done / 10));
    Some(format!("{}{done}, {} done", progress.what, bytes(progress.bytes_done)))
}
