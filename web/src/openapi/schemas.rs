//! JSON Schemas of types: of what is asked, and of what is answered.
//!
//! One type may be both, and not be the same: a key that may be left out of a body is always there
//! in an answer. Then the one that is asked has a name of its own.

use std::collections::BTreeSet;

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

/// Where OpenAPI keeps schemas.
const ANSWERED: &str = "#/components/schemas/";

/// Where those of what is asked are until they have their names.
const ASKED: &str = "#/components/asked/";

/// Added to the name of one that is asked otherwise than it is answered.
const SUFFIX: &str = "Asked";

/// Schemas, gathered as they are named.
pub(super) struct Schemas {
    asked: SchemaGenerator,
    answered: SchemaGenerator,
}

/// One key of an object.
pub(super) struct Field {
    pub(super) name: String,
    pub(super) schema: Value,
    pub(super) required: bool,
}

impl Schemas {
    pub(super) fn new() -> Self {
        let settings = |path: &str| {
            let path = path.trim_matches(['#', '/']).to_owned();
            SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = format!("/{path}").into();
                settings.meta_schema = None;
            })
        };
        Self {
            asked: settings(ASKED).for_deserialize().into_generator(),
            answered: settings(ANSWERED).for_serialize().into_generator(),
        }
    }

    /// Of what is asked.
    pub(super) fn asked<T: JsonSchema>(&mut self) -> Value {
        tidy(self.asked.subschema_for::<T>().to_value())
    }

    /// Of what is answered.
    pub(super) fn answered<T: JsonSchema>(&mut self) -> Value {
        tidy(self.answered.subschema_for::<T>().to_value())
    }

    /// Of each key of an object that is asked: what stands in a query or a path is never null.
    pub(super) fn fields<T: JsonSchema>(&mut self) -> Vec<Field> {
        let object = tidy(T::json_schema(&mut self.asked).to_value());
        let required = |name: &str| {
            object["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name))
        };
        let field = |(name, schema): (&String, &Value)| Field {
            name: name.clone(),
            schema: never_null(schema.clone()),
            required: required(name),
        };
        object["properties"].as_object().into_iter().flatten().map(field).collect()
    }

    /// All that were named, into a document that names them.
    pub(super) fn finish(mut self, document: &mut Value) {
        let tidied = |map: Map<String, Value>| -> Map<String, Value> {
            map.into_iter().map(|(name, schema)| (name, tidy(schema))).collect()
        };
        let asked = tidied(self.asked.take_definitions(true));
        let mut all = tidied(self.answered.take_definitions(true));
        let differ = differing(&asked, &all);
        let name = |name: &str| match differ.contains(name) {
            true => format!("{name}{SUFFIX}"),
            false => name.to_owned(),
        };
        let rename = |reference: &mut String| {
            if let Some(old) = reference.strip_prefix(ASKED) {
                *reference = format!("{ANSWERED}{}", name(old));
            }
        };
        for (old, mut schema) in asked {
            each_reference(&mut schema, &mut |reference| rename(reference));
            all.insert(name(&old), schema);
        }
        each_reference(document, &mut |reference| rename(reference));
        document["components"]["schemas"] = all.into();
    }
}

/// The names that stand for one thing when asked and another when answered.
fn differing(asked: &Map<String, Value>, answered: &Map<String, Value>) -> BTreeSet<String> {
    let mut differ = BTreeSet::new();
    loop {
        let before = differ.len();
        for (name, schema) in asked {
            let (mut schema, mut through) = (schema.clone(), false);
            each_reference(&mut schema, &mut |reference| {
                if let Some(name) = reference.strip_prefix(ASKED) {
                    through |= differ.contains(name);
                    *reference = format!("{ANSWERED}{name}");
                }
            });
            if answered.get(name).is_some_and(|other| through || *other != schema) {
                differ.insert(name.clone());
            }
        }
        if differ.len() == before {
            return differ;
        }
    }
}

fn each_reference(value: &mut Value, visit: &mut impl FnMut(&mut String)) {
    match value {
        Value::Object(keys) => {
            for (key, value) in keys {
                match value {
                    Value::String(reference) if key == "$ref" => visit(reference),
                    value => each_reference(value, visit),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| each_reference(value, visit)),
        _ => {}
    }
}

/// Says in the plainest words what a derived schema says, and the bounds that Rust's types have.
fn tidy(mut value: Value) -> Value {
    match &mut value {
        Value::Object(keys) => {
            for (key, value) in keys.iter_mut() {
                if !["const", "default", "enum", "examples"].contains(&key.as_str()) {
                    *value = tidy(value.take());
                }
            }
            bounds(keys);
            words(keys);
            // A set takes the same thing twice.
            keys.remove("uniqueItems");
            if let Some(Value::String(about)) = keys.get_mut("description") {
                *about = flowing(about);
            }
        }
        Value::Array(values) => {
            for value in values {
                *value = tidy(value.take());
            }
        }
        _ => {}
    }
    value
}

/// A text whose lines are as long as they come: the code breaks them at its own width.
fn flowing(text: &str) -> String {
    let mut flowing = String::with_capacity(text.len());
    for line in text.lines() {
        let apart = line.is_empty() || line.starts_with("- ") || flowing.ends_with('\n');
        match (flowing.is_empty(), apart) {
            (true, _) => {}
            (false, true) => flowing.push('\n'),
            (false, false) => flowing.push(' '),
        }
        flowing.push_str(line);
    }
    flowing
}

/// The largest number of a type.
fn bounds(schema: &mut Map<String, Value>) {
    let max = match schema.get("format").and_then(Value::as_str) {
        Some("uint64" | "uint") => u64::MAX,
        Some("uint32") => u32::MAX.into(),
        _ => return,
    };
    schema.entry("maximum").or_insert(max.into());
}

/// A choice of words that are explained one by one is a list of words with one explanation.
fn words(schema: &mut Map<String, Value>) {
    let Some(kinds) = schema.get("oneOf").and_then(Value::as_array) else { return };
    let (mut all, mut lines) = (Vec::new(), Vec::new());
    for kind in kinds {
        let Some(word) = kind["const"].as_str() else { return };
        all.push(json!(word));
        lines.push(format!("`{word}`: {}", kind["description"].as_str().unwrap_or_default()));
    }
    let about = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    let about = format!("{about}\n\n- {}", lines.join("\n- "));
    schema.remove("oneOf");
    schema.insert("type".to_owned(), json!("string"));
    schema.insert("enum".to_owned(), all.into());
    schema.insert("description".to_owned(), about.into());
}

/// The same without null.
fn never_null(mut schema: Value) -> Value {
    let Some(keys) = schema.as_object_mut() else { return schema };
    if let Some(types) = keys.get_mut("type").and_then(Value::as_array_mut) {
        types.retain(|one| one != "null");
        if let [one] = &types[..] {
            let one = one.clone();
            keys.insert("type".to_owned(), one);
        }
    }
    if let Some(words) = keys.get_mut("enum").and_then(Value::as_array_mut) {
        words.retain(|word| !word.is_null());
    }
    if let Some(ways) = keys.get_mut("anyOf").and_then(Value::as_array_mut) {
        ways.retain(|way| way["type"] != "null");
        if let [Value::Object(one)] = &ways[..] {
            let one = one.clone();
            keys.remove("anyOf");
            keys.extend(one);
        }
    }
    if keys.get("default").is_some_and(Value::is_null) {
        keys.remove("default");
    }
    schema
}
