//! Accounts of this machine: those of `/etc/passwd`, then those that `getent` of the C library
//! finds elsewhere. `YunoHost` has its people in LDAP.

use std::{fs, io, time::Duration};

use super::{
    super::{TaskError, TaskIo},
    Program,
};

/// Where they are.
const USERS: &str = "/etc/passwd";

/// How long a directory service may take to answer.
const ASK_LIMIT: Duration = Duration::from_secs(30);

/// What a program needs to know of whom it runs as.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) id: u32,
    pub(super) group: u32,
    pub(super) home: String,
}

impl Account {
    /// The account of a name.
    pub(super) fn by_name(name: &str) -> Result<Self, TaskError> {
        let users = fs::read_to_string(USERS).map_err(cannot_read)?;
        let found = users.lines().filter_map(Self::parse).find(|account| account.name == name);
        found.or_else(|| Self::ask(name)).ok_or_else(|| TaskError::NotFound {
            what: format!("there is no user {name} on this machine"),
        })
    }

    /// The account of a name that is not in the list.
    fn ask(name: &str) -> Option<Self> {
        let ask = Program::new("getent").args(["passwd", "--", name]).limit(ASK_LIMIT);
        let (input, output, line) = (None, None, &mut |_| {});
        let ended = ask.run(TaskIo { input, output, line, cancelled: &|| false }).ok()?;
        // It answers to numbers too; only the name was asked for.
        let mut accounts = ended.stdout.iter().filter_map(|line| Self::parse(line));
        accounts.find(|account| account.name == name)
    }

    /// The account of an id; one without a home when it has no name here.
    pub(super) fn by_id(id: u32) -> Self {
        let users = fs::read_to_string(USERS).unwrap_or_default();
        let found = users.lines().filter_map(Self::parse).find(|account| account.id == id);
        found.unwrap_or_else(|| Self {
            name: if id == 0 { "root".to_owned() } else { id.to_string() },
            id,
            group: id,
            home: if id == 0 { "/root" } else { "/" }.to_owned(),
        })
    }

    /// `name:password:uid:gid:comment:home:shell`.
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?.to_owned();
        let id = fields.nth(1)?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        let home = fields.nth(1).filter(|home| !home.is_empty()).unwrap_or("/").to_owned();
        Some(Self { name, id, group, home })
    }
}

fn cannot_read(source: io::Error) -> TaskError {
    TaskError::Io { what: format!("read {USERS}"), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_list_is_an_account_and_other_lines_are_none() {
        let account = Account::parse("www-data:x:33:34:www:/var/www:/usr/sbin/nologin").unwrap();
        assert_eq!((account.name.as_str(), account.id, account.group), ("www-data", 33, 34));
        assert_eq!(account.home, "/var/www");
        assert_eq!(Account::parse("a:x:1:1").unwrap().home, "/");
        for line in ["", "a", ":x:0:0::/:", "a:x:b:1:::", "a:x:-1:1:::", "+::::::"] {
            assert_eq!(Account::parse(line), None, "{line}");
        }
    }

    #[test]
    fn a_user_that_does_not_exist_is_named() {
        assert_eq!(Account::by_name("root").unwrap().id, 0);
        assert_eq!(Account::ask("root"), Account::by_name("root").ok());
        assert!(Account::by_name("0").is_err());
        let error = Account::by_name("no-such-user").unwrap_err();
        assert!(error.to_string().contains("no-such-user"), "{error}");
        assert_eq!(Account::by_id(4_000_000_000).home, "/");
    }
}
