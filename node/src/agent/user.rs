//! Which user may talk to the agent.

use std::{fs, io};

/// The number of a user of this machine, by name or by number.
///
/// # Errors
/// When the list of users cannot be read or has no such user.
pub fn user_id(user: &str) -> io::Result<u32> {
    if let Ok(number) = user.parse() {
        return Ok(number);
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let found = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(user)).then(|| fields.nth(1)?.parse().ok()).flatten()
    });
    found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("there is no user {user}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_name_and_by_number() {
        assert_eq!(user_id("root").unwrap(), 0);
        assert_eq!(user_id("4711").unwrap(), 4711);
        assert!(user_id("no-such-user").unwrap_err().to_string().contains("no-such-user"));
    }
}
