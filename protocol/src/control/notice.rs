//! Notices: messages for a person, kept until there are too many.
//!
//! The same thing happening again is counted on the notice that is there, which is unread again.

use serde::{Deserialize, Serialize};

use super::{Language, RequestError, request::range};
use crate::Time;

/// Notices that a node keeps: the newest.
pub const NOTICES_MAX: usize = 1_000;

/// The longest subject, bytes; the rest is cut off.
pub const NOTICE_SUBJECT_BYTES_MAX: usize = 200;

/// The longest reason, bytes; the rest is cut off.
pub const NOTICE_WHY_BYTES_MAX: usize = 1_000;

/// What a notice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// A run failed. The subject is the job.
    RunFailed,
    /// A run made an archive and left something out. The subject is the job.
    RunWarnings,
    /// A run was due and was not made. The subject is the job.
    ScheduleMissed,
    /// An archive is damaged or incomplete here. The subject is the archive.
    ArchiveHurt,
    /// An archive has had fewer copies than its job wants for a day. The subject is the archive.
    CopiesShort,
    /// The disk is nearly full. The subject is the folder.
    DiskFull,
    /// An instance does not answer as it should. The subject is the instance.
    InstanceOffline,
    /// An instance answers again. The subject is the instance.
    InstanceBack,
    /// A transfer was given up. The subject is the archive and where to.
    TransferFailed,
    /// A node refused an order. The subject is what was ordered, and whom.
    OrderRefused,
    /// An order failed or was cut off. The subject is what was ordered, and whom.
    OrderFailed,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum NoticeLevel {
    /// Good to know.
    Info,
    /// Somebody should look at it some day.
    Warning,
    /// Somebody must act.
    Error,
}

impl NoticeKind {
    /// All there are.
    pub const ALL: [Self; 11] = [
        Self::RunFailed,
        Self::RunWarnings,
        Self::ScheduleMissed,
        Self::ArchiveHurt,
        Self::CopiesShort,
        Self::DiskFull,
        Self::InstanceOffline,
        Self::InstanceBack,
        Self::TransferFailed,
        Self::OrderRefused,
        Self::OrderFailed,
    ];

    /// How bad it is.
    #[must_use]
    pub fn level(self) -> NoticeLevel {
        match self {
            Self::RunFailed | Self::ArchiveHurt | Self::DiskFull | Self::TransferFailed => {
                NoticeLevel::Error
            }
            Self::InstanceBack => NoticeLevel::Info,
            Self::RunWarnings
            | Self::ScheduleMissed
            | Self::CopiesShort
            | Self::InstanceOffline
            | Self::OrderRefused
            | Self::OrderFailed => NoticeLevel::Warning,
        }
    }
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeReport {
    /// Its number.
    pub id: u64,
    /// What it is about.
    pub kind: NoticeKind,
    /// How bad it is.
    pub level: NoticeLevel,
    /// Which job, archive, instance or folder.
    pub subject: String,
    /// The reason, when one is known: in English, as programs say it.
    pub why: Option<String>,
    /// How often it happened.
    pub count: u64,
    /// When it happened first.
    pub first_ms: Time,
    /// When it happened last.
    pub last_ms: Time,
    /// Somebody has read it since.
    pub read: bool,
    /// The message in English.
    pub text: String,
    /// The message in French.
    pub text_fr: String,
}

impl NoticeReport {
    /// A thing that happened once. Too long a subject or reason is cut.
    #[must_use]
    pub fn new(id: u64, kind: NoticeKind, subject: &str, why: Option<&str>, now: Time) -> Self {
        let subject = cut(subject, NOTICE_SUBJECT_BYTES_MAX);
        let mut notice = Self {
            id,
            kind,
            level: kind.level(),
            subject,
            why: None,
            count: 0,
            first_ms: now,
            last_ms: now,
            read: false,
            text: String::new(),
            text_fr: String::new(),
        };
        notice.again(why, now);
        notice
    }

    /// It happened once more.
    pub fn again(&mut self, why: Option<&str>, now: Time) {
        self.why = why.map(|why| cut(why, NOTICE_WHY_BYTES_MAX));
        self.count = self.count.saturating_add(1);
        self.last_ms = now.max(self.last_ms);
        self.read = false;
        self.text = self.kind.text(Language::English, &self.subject, self.why.as_deref());
        self.text_fr = self.kind.text(Language::French, &self.subject, self.why.as_deref());
    }
}

/// One line, and no longer than that.
fn cut(text: &str, bytes_max: usize) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let end = plain.floor_char_boundary(bytes_max);
    plain[..end].to_owned()
}

/// Which notices to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeList {
    /// Only those that nobody has read.
    pub unread: bool,
    /// Without the newest so many.
    pub offset: u32,
    /// The newest so many of the others.
    pub limit: u32,
}

impl NoticeList {
    pub(super) fn validate(self) -> Result<(), RequestError> {
        range("limit", self.limit.into(), 1, NOTICES_MAX as u64)
    }
}

/// Messages, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notices {
    /// This page.
    pub notices: Vec<NoticeReport>,
    /// How many the list has in all.
    pub total: u64,
    /// How many nobody has read, whatever was asked for.
    pub unread: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_again_is_counted_and_unread_again() {
        let mut notice =
            NoticeReport::new(1, NoticeKind::RunFailed, "docs", Some("disk full"), Time(5));
        assert_eq!((notice.count, notice.level, notice.read), (1, NoticeLevel::Error, false));
        notice.read = true;
        notice.again(Some("gone"), Time(9));
        assert_eq!((notice.count, notice.first_ms, notice.last_ms), (2, Time(5), Time(9)));
        assert!(!notice.read && notice.text.contains("gone") && notice.text_fr.contains("gone"));
        notice.again(None, Time(3));
        assert_eq!((notice.last_ms, &notice.why), (Time(9), &None), "a clock that went back");
    }

    #[test]
    fn texts_of_others_are_one_line_and_bounded() {
        let long = "é\n\u{1b}[31m".repeat(1_000);
        let notice = NoticeReport::new(1, NoticeKind::TransferFailed, &long, Some(&long), Time(0));
        assert!(notice.subject.len() <= NOTICE_SUBJECT_BYTES_MAX);
        assert!(notice.why.as_ref().is_some_and(|why| why.len() <= NOTICE_WHY_BYTES_MAX));
        assert!(!notice.text.chars().any(char::is_control), "{}", notice.text);
    }
}
