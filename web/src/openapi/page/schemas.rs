//! Schemas, as tables of their keys.

use std::fmt::Write as _;

use serde_json::Value;

use super::{
    html::{escaped, prose, table},
    words::Words,
};

/// How deep schemas within schemas are shown in place.
const DEPTH_MAX: usize = 4;

/// What a reference within the description stands for.
pub(super) fn resolved<'a>(description: &'a Value, value: &'a Value) -> &'a Value {
    let place = value["$ref"].as_str().and_then(|place| place.strip_prefix('#'));
    place.and_then(|place| description.pointer(place)).unwrap_or(value)
}

pub(super) fn write(page: &mut String, words: &Words, description: &Value) {
    let _ = write!(page, "<section><h2 id=\"schemas\">{}</h2>", words.schemas);
    let all = description["components"]["schemas"].as_object().into_iter().flatten();
    for (name, schema) in all {
        let name = escaped(name);
        let _ = write!(
            page,
            "<article lang=\"en\" aria-labelledby=\"schema-{name}\"><h3 id=\"schema-{name}\">\
             <a href=\"#schema-{name}\"><code>{name}</code></a></h3>{}</article>",
            whole(words, schema, 0)
        );
    }
    page.push_str("</section>");
}

/// All that a schema says.
fn whole(words: &Words, schema: &Value, depth: usize) -> String {
    let mut out = prose(schema["description"].as_str().unwrap_or_default());
    if depth >= DEPTH_MAX {
        return out;
    }
    if let Some(ways) = schema["oneOf"].as_array() {
        let ways = ways.iter().map(|way| format!("<li>{}</li>", whole(words, way, depth + 1)));
        let ways: String = ways.collect();
        let _ = write!(out, "<p lang=\"{}\">{}:</p><ul>{ways}</ul>", words.lang, words.one_of);
        return out;
    }
    let Some(keys) = schema["properties"].as_object() else {
        let _ = write!(out, "<p>{}</p>", kind(words, schema));
        return out;
    };
    let mut rows = String::new();
    for (name, key) in keys {
        let needed = schema["required"].as_array().is_some_and(|all| all.iter().any(|n| n == name));
        let needed = match needed {
            true => format!(" <i lang=\"{}\">{}</i>", words.lang, words.needed),
            false => String::new(),
        };
        let inner = key["properties"].is_object().then(|| whole(words, key, depth + 1));
        let _ = write!(
            rows,
            "<tr><td><code>{}</code>{needed}</td><td>{}</td><td>{}{}</td></tr>",
            escaped(name),
            kind(words, key),
            prose(key["description"].as_str().unwrap_or_default()),
            inner.unwrap_or_default(),
        );
    }
    let columns = [words.name, words.kind, words.meaning]
        .map(|name| format!("<span lang=\"{}\">{name}</span>", words.lang));
    out.push_str(&table(words.schemas, &columns.each_ref().map(String::as_str), &rows));
    if schema["additionalProperties"] == true {
        let _ = write!(out, "<p lang=\"{}\">{}</p>", words.lang, words.more_keys);
    }
    out
}

/// What type it is, with its bounds, in a line.
pub(super) fn kind(words: &Words, schema: &Value) -> String {
    if let Some(place) = schema["$ref"].as_str() {
        let name = escaped(place.rsplit('/').next().unwrap_or_default());
        return format!("<a href=\"#schema-{name}\"><code>{name}</code></a>")
            + &default(words, schema);
    }
    if let Some(all) = schema["enum"].as_array() {
        let all: Vec<_> = all.iter().map(code).collect();
        return all.join(", ");
    }
    if let Some(one) = schema.get("const") {
        return code(one);
    }
    let ways = schema["anyOf"].as_array().filter(|_| schema.get("type").is_none());
    if let Some(ways) = ways {
        let ways: Vec<_> = ways.iter().map(|way| kind(words, way)).collect();
        return ways.join(&format!(" <span lang=\"{}\">{}</span> ", words.lang, words.or));
    }
    let types: Vec<_> = match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        Value::String(one) => vec![one],
        _ => Vec::new(),
    };
    let types: Vec<_> = types.into_iter().map(|one| one_type(words, one, schema)).collect();
    types.join(&format!(" {} ", words.or)) + &bounds(words, schema) + &default(words, schema)
}

fn one_type(words: &Words, name: &str, schema: &Value) -> String {
    let inner = |key: &str| schema.get(key).filter(|inner| inner.is_object());
    match (name, inner("items"), inner("additionalProperties")) {
        ("array", Some(items), _) => format!("{} {}", words.list_of, kind(words, items)),
        ("object", _, Some(values)) => format!("{} {}", words.map_of, kind(words, values)),
        _ => escaped(schema["format"].as_str().filter(|_| name == "string").unwrap_or(name)).into(),
    }
}

fn code(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    format!("<code>{}</code>", escaped(&text))
}

fn bounds(words: &Words, schema: &Value) -> String {
    let mut out = String::new();
    let mut range = |min: &str, max: &str, of: &str| {
        let known = |key: &str| schema[key].as_u64().filter(|number| *number < u32::MAX.into());
        let (min, max) = (known(min), known(max));
        let _ = match (min.filter(|min| *min > 0), max) {
            (None, None) => Ok(()),
            (Some(min), None) => write!(out, ", ≥ {min}{of}"),
            (min, Some(max)) => write!(out, ", {}–{max}{of}", min.unwrap_or(0)),
        };
    };
    range("minimum", "maximum", "");
    range("minLength", "maxLength", &format!(" {}", words.characters));
    range("minItems", "maxItems", &format!(" {}", words.items));
    range("minProperties", "maxProperties", &format!(" {}", words.items));
    if let Some(pattern) = schema["pattern"].as_str() {
        let _ = write!(out, "<br><code class=\"pattern\">{}</code>", escaped(pattern));
    }
    out
}

fn default(words: &Words, schema: &Value) -> String {
    match schema.get("default").filter(|default| !default.is_null()) {
        Some(default) => {
            format!("<br><span lang=\"{}\">{}:</span> {}", words.lang, words.default, code(default))
        }
        None => String::new(),
    }
}
