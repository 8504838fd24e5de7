//! JSON Schemas of what people ask for and are told: only with the feature `schema`.
//!
//! They say in JSON Schema what the checks of each type say in Rust, as far as that has words for
//! it: a length is counted in characters there and in bytes here, and that a range ends after its
//! begin, or that no more copies are wanted than nodes are named, cannot be said at all. Nothing is
//! checked by a schema; a test of `web` holds the two against each other.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use crate::{
    control::{NodeRef, RawPath},
    job::{ENV_MAX, Name, RESTORE_COMMAND_BYTES_MAX},
    limits::NAME_BYTES_MAX,
};

/// One line that is not empty.
pub const TEXT: &str = r"^[^\x00\r\n]*[^\s\x85\x00][^\x00\r\n]*$";

/// The name of a user or group of a machine.
pub const ACCOUNT: &str = "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}$";

/// An account, and perhaps a group.
pub const OWNER: &str = "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,31})?$";

/// A mode as chmod takes it.
pub const OCTAL: &str = "^[0-7]{3,4}$";

/// What `YunoHost` calls an app or a part of the system.
pub const PART: &str = "^[A-Za-z0-9_][A-Za-z0-9_-]{0,79}$";

/// A unit of systemd.
pub const UNIT: &str = "^[A-Za-z0-9_@:][A-Za-z0-9_.@:-]{0,199}$";

/// An absolute path without `..`.
pub const ABSOLUTE: &str = r"^(?:/(?:[^/.\x00][^/\x00]*|\.[^/.\x00][^/\x00]*|\.\.[^/\x00]+|\.)?)+$";

/// A path of any bytes that begins at the root, as [`RawPath`] writes it.
pub const RAW_ABSOLUTE: &str = r"^/(?:[^\\]|\\\\|\\x[0-9A-Fa-f]{2})*$";

/// The name of a database or of its user.
pub const DATABASE: &str = r"^[^/.\x00-\x1f\x7f-\x9f-][^/\x00-\x1f\x7f-\x9f]*$";

/// The name or address of a machine.
pub const HOST: &str = "^[A-Za-z0-9.:][A-Za-z0-9.:-]{0,254}$";

/// The name of a time zone.
pub const ZONE: &str = "^[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)*$";

/// A SHA-256 in hex.
pub const SHA256: &str = "^[0-9A-Fa-f]{64}$";

/// The consent of a plan.
pub const CONSENT: &str = "^[0-9a-f]{64}$";

/// The file of an archive that is sent here.
pub const TAR_NAME: &str = r"^[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,48}[A-Za-z0-9_-])?\.tar(?:\.gz)?$";

/// What [`Name`] is, without the ends of the text.
const NAME: &str = "[A-Za-z0-9_-](?:[A-Za-z0-9._-]{0,48}[A-Za-z0-9_-])?";

/// The name of a variable of a command.
const VARIABLE: &str = "^[A-Za-z0-9_]{1,100}$";

/// Five fields as cron(8) has them, or a word.
#[must_use]
pub fn cron() -> String {
    let list = |number: &str, step: &str| {
        let item =
            format!("(?:\\*(?:/{step})?|(?:{number})-(?:{number})(?:/{step})?|(?:{number}))");
        format!("{item}(?:,{item})*")
    };
    let months =
        "[Jj]an|[Ff]eb|[Mm]ar|[Aa]pr|[Mm]ay|[Jj]un|[Jj]ul|[Aa]ug|[Ss]ep|[Oo]ct|[Nn]ov|[Dd]ec";
    let days = "[Ss]un|[Mm]on|[Tt]ue|[Ww]ed|[Tt]hu|[Ff]ri|[Ss]at";
    let fields = [
        list("[0-5]?[0-9]", "(?:[1-9]|[1-5][0-9])"),
        list("[01]?[0-9]|2[0-3]", "(?:[1-9]|1[0-9]|2[0-3])"),
        list("0?[1-9]|[12][0-9]|3[01]", "(?:[1-9]|[12][0-9]|3[01])"),
        list(&format!("0?[1-9]|1[0-2]|{months}"), "(?:[1-9]|1[0-2])"),
        list(&format!("[0-7]|{days}"), "[1-7]"),
    ];
    let words = "@(?:hourly|daily|midnight|weekly|monthly|yearly|annually)";
    format!("^(?:{words}|{})$", fields.join("[ \\t]+"))
}

/// So many hexadecimal digits.
pub(crate) fn hex(digits: usize) -> Schema {
    json_schema!({ "type": "string", "pattern": format!("^[0-9a-f]{{{digits}}}$") })
}

/// The variables of a command.
pub(crate) fn variables(schema: &mut Schema) {
    schema.insert("maxProperties".to_owned(), json!(ENV_MAX));
    schema.insert("propertyNames".to_owned(), json!({ "pattern": VARIABLE }));
    let value = json!({
        "type": "string", "pattern": r"^[^\x00]*$", "maxLength": RESTORE_COMMAND_BYTES_MAX
    });
    schema.insert("additionalProperties".to_owned(), value);
}

/// Databases are named, or all are asked for; a server is reached by its socket or its host.
pub(crate) fn some_or_all(schema: &mut Schema) {
    let nothing = json!({ "maxItems": 0 });
    let ways = json!([
        {
            "required": ["all"],
            "properties": {
                "all": { "const": true }, "database": { "type": "null" }, "databases": nothing
            }
        },
        {
            "properties": { "all": { "const": false }, "excludes": nothing },
            "anyOf": [
                { "required": ["database"], "properties": { "database": { "type": "string" } } },
                { "required": ["databases"], "properties": { "databases": { "minItems": 1 } } }
            ]
        }
    ]);
    let both = json!({
        "required": ["host", "socket"],
        "properties": { "host": { "type": "string" }, "socket": { "type": "string" } }
    });
    schema.insert("anyOf".to_owned(), ways);
    schema.insert("not".to_owned(), both);
}

/// Of grandfather, father and son at least one.
pub(crate) fn keeps_something(schema: &mut Schema) {
    let some = |what: &str| json!({ "properties": { what: { "minimum": 1 } } });
    let some = json!([some("daily"), some("weekly"), some("monthly")]);
    let Some(kinds) = schema.get_mut("oneOf").and_then(Value::as_array_mut) else { return };
    for kind in kinds {
        if let Some(Value::Object(gfs)) = kind.pointer_mut("/properties/gfs") {
            gfs.insert("anyOf".to_owned(), some.clone());
        }
    }
}

/// A type that is one text.
macro_rules! text {
    ($type:ident, $schema:expr) => {
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}

text!(
    Name,
    json_schema!({
        "description": "1 to 50 of `A-Z a-z 0-9 . _ -`, without a dot at either end.",
        "type": "string",
        "pattern": format!("^{NAME}$"),
        "maxLength": NAME_BYTES_MAX,
    })
);

text!(
    NodeRef,
    json_schema!({
        "description": "A node: its name, or its id as 64 hexadecimal digits.",
        "type": "string",
        "pattern": format!("^(?:[0-9A-Fa-f]{{64}}|{NAME})$"),
    })
);

text!(
    RawPath,
    json_schema!({
        "description": "A path. Bytes that are no UTF-8 stand as `\\xNN`, a backslash as `\\\\`.",
        "type": "string",
        "pattern": r"^(?:[^\\]|\\\\|\\x[0-9A-Fa-f]{2})*$",
    })
);
