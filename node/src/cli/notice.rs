//! `backupmanager notices`

use clap::Args;
use protocol::control::{NOTICES_MAX, NoticeList, Request};

use super::{Exit, Stop, session::Session};

/// Notices that are shown when nothing is said.
const SHOWN: u32 = 50;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  backupmanager notices
  backupmanager notices --unread --json | jq -r '.notices.notices[].text'
  backupmanager notices --read 12
  backupmanager notices --read-all")]
pub(super) struct Notices {
    /// Only those that nobody has read
    #[arg(long)]
    unread: bool,
    /// The newest so many
    #[arg(long, value_name = "NUMBER", default_value_t = SHOWN)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=NOTICES_MAX as i64))]
    limit: u32,
    /// Note that somebody has read this one
    #[arg(long, value_name = "ID", conflicts_with_all = ["unread", "read_all"])]
    read: Option<u64>,
    /// Note that somebody has read all of them
    #[arg(long, conflicts_with = "unread")]
    read_all: bool,
}

impl Notices {
    pub(super) fn run(self, session: &mut Session) -> Result<Exit, Stop> {
        session.run(match self {
            Self { read: Some(notice), .. } => Request::NoticeRead { notice },
            Self { read_all: true, .. } => Request::NoticeReadAll,
            Self { unread, limit, .. } => {
                Request::NoticeList(NoticeList { unread, offset: 0, limit })
            }
        })
    }
}
