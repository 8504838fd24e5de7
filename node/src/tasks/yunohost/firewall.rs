//! The firewall.

use serde_json::Value;

use super::{
    Answer, Yunohost,
    call::{Heard, Talk},
    names,
};
use crate::tasks::TaskError;

/// The exit code for arguments that this version does not know.
const USAGE: i32 = 2;

impl Yunohost {
    pub(super) fn open_port(
        &self,
        port: u16,
        protocol: &str,
        comment: &str,
        talk: &Talk<'_>,
    ) -> Result<Answer, TaskError> {
        if port == 0 || !["tcp", "udp"].contains(&protocol) {
            let what = format!("{port}/{protocol} is no port that a firewall opens");
            return Err(TaskError::Invalid { what });
        }
        names::text("the comment", comment)?;
        // Only the raw list has both protocols.
        let list: Value = self.question(&["firewall", "list", "--raw"]).ask(talk)?;
        if is_open(&list, port, protocol) {
            return Ok(Answer::Unchanged);
        }
        let (number, comment) = (port.to_string(), comment.trim());
        let comment = if comment.is_empty() { "backupmanager" } else { comment };
        let call = self.change(&["firewall", "open", &number, comment, "-p", protocol]);
        let mut heard = Heard::default();
        call.make(talk, &mut heard)?;
        match heard.code() {
            0 => Ok(Answer::Done),
            // Before 12.1 it had another name and no comment.
            USAGE => {
                let old = ["firewall", "allow", &protocol.to_uppercase(), &number];
                self.change(&old).run(talk, &mut Heard::default())?;
                Ok(Answer::Done)
            }
            _ => Err(call.failure(&heard)),
        }
    }
}

/// `{"tcp": {"22": {"open": true}}}`; ports may be ranges, `6000:6100`. In the form that earlier
/// versions have nothing is found; opening an open port does no harm.
fn is_open(list: &Value, port: u16, protocol: &str) -> bool {
    let Some(ports) = list.get(protocol).and_then(Value::as_object) else { return false };
    ports.iter().any(|(range, told)| {
        let (first, last) = range.split_once([':', '-']).unwrap_or((range, range));
        let inside = match (first.parse::<u16>(), last.parse::<u16>()) {
            (Ok(first), Ok(last)) => (first..=last).contains(&port),
            _ => false,
        };
        inside && told.get("open").and_then(Value::as_bool) == Some(true)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_open_by_its_number_or_range_and_only_for_its_protocol() {
        let list = serde_json::json!({
            "router_forwarding_upnp": false,
            "tcp": {"22": {"open": true}, "80": {"open": false}, "6000:6100": {"open": true}},
            "udp": {"53": {"open": true}, "x": 1},
        });
        assert!(is_open(&list, 22, "tcp") && is_open(&list, 6_050, "tcp"));
        assert!(!is_open(&list, 80, "tcp") && !is_open(&list, 22, "udp"));
        assert!(is_open(&list, 53, "udp") && !is_open(&list, 6_101, "tcp"));
        let older = serde_json::json!({"ipv4": {"TCP": [22]}, "uPnP": {}});
        assert!(!is_open(&older, 22, "tcp"));
    }
}
