//! Answers as text for people. `--json` prints the reply itself instead.

mod archive;
mod instance;
mod job;
mod key;
mod listing;
mod mesh;
mod notice;
mod order;
mod restore;
mod retention;
mod run;
mod status;
mod store;
mod transfer;

use protocol::control::{Issues, Reply};

pub(super) use instance::jobs as instance_jobs;
pub(super) use listing::Listing;
pub(super) use mesh::invited;
pub(super) use restore::planned;

use super::format::{Style, clean};

/// An answer as text, ending with a line break.
pub(super) fn text(reply: &Reply, style: &Style) -> String {
    match reply {
        Reply::Done => "done\n".to_owned(),
        Reply::Status(report) => status::status(report, style),
        Reply::Workers(workers) => status::workers(workers, style),
        Reply::Invited(invited) => {
            format!("{}\n\n{}", invited.ticket.reveal(), mesh::invited(invited, style))
        }
        Reply::Joined(joined) => mesh::joined(joined),
        Reply::Members(members) => mesh::members(members, style),
        Reply::Member(member) => mesh::member(member, style),
        Reply::Expelled(expelled) => mesh::expelled(expelled),
        Reply::Jobs(jobs) => job::jobs(&jobs.jobs, style),
        Reply::Job(report) => job::job(report, style),
        Reply::Choices(choices) => job::choices(choices),
        Reply::RunStarted(run) => run::started(run),
        Reply::RunEnded(run) => run::ended(run),
        Reply::Runs(runs) => run::runs(runs, style),
        Reply::Run(detail) => run::run(detail, style),
        Reply::Archives(page) => archive::archives(&page.archives, style),
        Reply::Archive(report) => archive::archive(report, style),
        Reply::KeyCreated(created) => key::created(created),
        Reply::Keys(keys) => key::keys(keys, style),
        // No command asks for them.
        Reply::ArchiveInfo(_) | Reply::Upload(_) | Reply::Uploads(_) => String::new(),
        Reply::Contents(page) => {
            let mut listing = Listing::new(false);
            listing.page(page, style) + listing.end()
        }
        Reply::Verified(verified) => archive::verified(verified),
        Reply::Removed(removed) => archive::removed(removed, style),
        Reply::Pruned(pruned) => retention::pruned(pruned, style),
        Reply::Foreign(archives) => archive::foreign(archives, style),
        Reply::Transferred(transferred) => archive::transferred(transferred),
        Reply::Exported(exported) => restore::exported(exported),
        Reply::RestorePlan(plan) => restore::plan(plan),
        Reply::Restored(restored) => restore::restored(restored),
        Reply::StoreStats(stats) => store::stats(stats),
        Reply::StoreChecked(checked) => store::checked(checked),
        Reply::StoreRebuilt(rebuilt) => store::rebuilt(rebuilt),
        Reply::StoreCollected(collected) => store::collected(collected),
        Reply::Instance(report) => instance::instance(report, style),
        Reply::Instances(instances) => instance::instances(instances, style),
        Reply::InstanceRunStarted(started) => instance::run_started(started),
        Reply::Transfer(report) => transfer::transfer(report, style),
        Reply::Metrics { text } => text.clone(),
        Reply::Transfers(transfers) => transfer::transfers(transfers, style),
        Reply::Invites(invites) => mesh::invites(invites, style),
        Reply::Order(report) => order::order(report, style),
        Reply::Orders(orders) => order::orders(orders, style),
        Reply::Notices(page) => notice::notices(page, style),
        Reply::Notice(report) => notice::notice(report, style),
    }
}

/// Issues one a line under a heading; nothing when there are none.
fn issues(heading: &str, issues: &Issues) -> String {
    if issues.total == 0 {
        return String::new();
    }
    let mut out = format!("\n{heading} ({}):\n", issues.total);
    for issue in &issues.first {
        let path = Some(issue.path.to_string()).filter(|path| !path.is_empty());
        let parts = path.into_iter().chain([clean(&issue.what), clean(&issue.why)]);
        let parts: Vec<String> = parts.filter(|part| !part.is_empty()).collect();
        out += &format!("  {}\n", parts.join(": "));
    }
    out + &more(issues.total, issues.first.len())
}

/// How many were not listed.
fn more(total: u64, listed: usize) -> String {
    match total.saturating_sub(listed as u64) {
        0 => String::new(),
        rest => format!("  … and {rest} more\n"),
    }
}

/// The word of a serialised enum, as JSON has it.
fn word(value: impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => super::format::dash(),
    }
}
