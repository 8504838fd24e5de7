//! Messages for people.

use protocol::control::{NoticeReport, Notices};

use super::word;
use crate::cli::format::{Facts, Style, Table};

pub(super) fn notices(page: &Notices, style: &Style) -> String {
    let mut table = Table::new(&[">ID", "", "LEVEL", "LAST", ">TIMES", "MESSAGE"]);
    for notice in &page.notices {
        table.row([
            notice.id.to_string(),
            if notice.read { String::new() } else { "new".to_owned() },
            word(notice.level),
            style.time(notice.last_ms),
            notice.count.to_string(),
            notice.text.clone(),
        ]);
    }
    let text = table.or("no notices");
    match page.total.saturating_sub(page.notices.len() as u64) {
        0 => text,
        rest => format!("{text}… and {rest} more\n"),
    }
}

pub(super) fn notice(notice: &NoticeReport, style: &Style) -> String {
    let mut facts = Facts::default();
    facts
        .add("notice", notice.id.to_string())
        .add("level", word(notice.level))
        .add("message", notice.text.clone())
        .add("times", notice.count.to_string())
        .add("first", style.time(notice.first_ms))
        .add("last", style.time(notice.last_ms))
        .add("read", if notice.read { "yes" } else { "no" });
    facts.text()
}
