//! Values drawn from schemas: good ones, and good ones with something wrong in them.

use proptest::{
    prelude::*,
    sample::Index,
    strategy::{Union, ValueTree as _},
    test_runner::{Config, RngSeed, TestRunner},
};
use serde_json::{Map, Value, json};

use super::resolved;

/// Most items of a list, and of keys beside those that are named.
const ITEMS_MAX: usize = 3;

/// Characters of a text without a pattern: plain ones, and those that break things.
const CHARACTERS: &str = "[a-z0-9 ./\\\\:%?&#\"'<>=+é漢😀\u{202e}-]";

/// Draws, always the same from one seed.
pub(crate) struct Dice(TestRunner);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        let config = Config { rng_seed: RngSeed::Fixed(seed), ..Config::default() };
        Self(TestRunner::new(config))
    }

    pub(crate) fn draw<T: std::fmt::Debug>(&mut self, of: &impl Strategy<Value = T>) -> T {
        of.new_tree(&mut self.0).unwrap().current()
    }

    pub(crate) fn below(&mut self, count: usize) -> usize {
        self.draw(&any::<Index>()).index(count)
    }

    pub(crate) fn coin(&mut self) -> bool {
        self.draw(&any::<bool>())
    }

    /// Something that a schema takes, as far as it is one that is understood here.
    pub(crate) fn good(&mut self, schema: &Value) -> Value {
        self.draw(&good(schema))
    }

    /// The same with something changed in it, which may still be good.
    pub(crate) fn changed(&mut self, mut value: Value) -> Value {
        let mut places = Vec::new();
        pointers(&value, String::new(), &mut places);
        let place = places[self.below(places.len())].clone();
        let other = self.draw(&strange());
        let at = value.pointer_mut(&place).unwrap();
        match (self.below(4), &mut *at) {
            (0, Value::Object(keys)) if !keys.is_empty() => {
                let key = keys.keys().nth(self.below(keys.len())).unwrap().clone();
                keys.remove(&key);
            }
            (1, Value::Object(keys)) => drop(keys.insert("unknown".to_owned(), other)),
            (0 | 1, Value::Array(items)) => items.push(other),
            (0, Value::String(text)) => text.push_str(&"x".repeat(9_000)),
            (1, Value::String(text)) => text.insert(0, '\0'),
            (2, Value::String(text)) => text.clear(),
            (0, Value::Number(_)) => *at = json!(u64::MAX),
            (1, Value::Number(_)) => *at = json!(-1),
            (2, Value::Number(_)) => *at = json!(0.5),
            (3, Value::Number(number)) => *at = json!(number.as_f64().unwrap().round()),
            _ => *at = other,
        }
        value
    }
}

fn pointers(value: &Value, at: String, all: &mut Vec<String>) {
    match value {
        Value::Object(keys) => {
            for (key, value) in keys {
                let key = key.replace('~', "~0").replace('/', "~1");
                pointers(value, format!("{at}/{key}"), all);
            }
        }
        Value::Array(items) => {
            for (number, item) in items.iter().enumerate() {
                pointers(item, format!("{at}/{number}"), all);
            }
        }
        _ => {}
    }
    all.push(at);
}

/// Anything.
pub(crate) fn strange() -> BoxedStrategy<Value> {
    let plain = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text(0, 40).prop_map(Value::from),
    ];
    plain
        .prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map(text(0, 8), inner, 0..3)
                    .prop_map(|keys| Value::Object(keys.into_iter().collect())),
            ]
        })
        .boxed()
}

fn text(min: u64, max: u64) -> BoxedStrategy<String> {
    let max = max.min(min + 40);
    prop::string::string_regex(&format!("{CHARACTERS}{{{min},{max}}}")).unwrap().boxed()
}

fn good(schema: &Value) -> BoxedStrategy<Value> {
    let schema = resolved(schema);
    if let Some(one) = schema.get("const") {
        return Just(one.clone()).boxed();
    }
    if let Some(words) = schema["enum"].as_array() {
        return prop::sample::select(words.clone()).boxed();
    }
    for ways in ["oneOf", "anyOf"] {
        if let Some(ways) = schema[ways].as_array() {
            let mut rest = schema.clone();
            rest.as_object_mut().unwrap().retain(|key, _| !["oneOf", "anyOf"].contains(&&**key));
            return Union::new(ways.iter().map(|way| good(&both(&rest, resolved(way))))).boxed();
        }
    }
    let types: Vec<_> = match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        Value::String(one) => vec![one.as_str()],
        _ => return strange(),
    };
    Union::new(types.into_iter().map(|one| of_type(one, schema))).boxed()
}

/// What both schemas say: of a key that both have, the second one's words hold.
fn both(first: &Value, second: &Value) -> Value {
    let mut all = first.clone();
    let keys = all.as_object_mut().unwrap();
    for (key, value) in second.as_object().unwrap() {
        match (key.as_str(), keys.get_mut(key)) {
            ("properties", Some(Value::Object(known))) => {
                for (name, value) in value.as_object().unwrap() {
                    let old = known.get(name).map_or(json!({}), |old| resolved(old).clone());
                    known.insert(name.clone(), both(&old, value));
                }
            }
            ("required", Some(Value::Array(known))) => {
                known.extend(value.as_array().unwrap().iter().cloned());
            }
            _ => drop(keys.insert(key.clone(), value.clone())),
        }
    }
    all
}

fn of_type(name: &str, schema: &Value) -> BoxedStrategy<Value> {
    let number = |key: &str, other: u64| schema[key].as_u64().unwrap_or(other);
    match name {
        "null" => Just(Value::Null).boxed(),
        "boolean" => any::<bool>().prop_map(Value::from).boxed(),
        "integer" => {
            let (min, max) = (number("minimum", 0), number("maximum", u64::MAX));
            prop_oneof![Just(min), Just(max), min..=max, min..=max.min(min.saturating_add(9))]
                .prop_map(Value::from)
                .boxed()
        }
        "string" => match schema["pattern"].as_str() {
            Some(pattern) => {
                let inner = pattern.trim_start_matches('^').trim_end_matches('$');
                let most = usize::try_from(number("maxLength", 9_000)).unwrap();
                let fits = move |text: &String| text.len() <= most;
                let texts = prop::string::string_regex(inner).unwrap();
                texts.prop_filter("too long", fits).prop_map(Value::from).boxed()
            }
            None => {
                text(number("minLength", 0), number("maxLength", 40)).prop_map(Value::from).boxed()
            }
        },
        "array" => {
            let min = usize::try_from(number("minItems", 0)).unwrap();
            let max = usize::try_from(number("maxItems", u64::MAX)).unwrap();
            let items =
                prop::collection::vec(good(&schema["items"]), min..=max.min(min + ITEMS_MAX));
            items.prop_map(Value::from).boxed()
        }
        "object" => object(schema),
        other => panic!("no value of the type {other} can be drawn"),
    }
}

fn object(schema: &Value) -> BoxedStrategy<Value> {
    let mut whole = Just(Map::new()).boxed();
    for (name, key) in schema["properties"].as_object().into_iter().flatten() {
        let needed = schema["required"].as_array().is_some_and(|all| all.iter().any(|n| n == name));
        let one = good(key);
        let one = match needed {
            true => one.prop_map(Some).boxed(),
            false => prop::option::of(one).boxed(),
        };
        let name = name.clone();
        whole = (whole, one)
            .prop_map(move |(mut keys, one)| {
                keys.extend(one.map(|one| (name.clone(), one)));
                keys
            })
            .boxed();
    }
    let values = schema.get("additionalProperties").filter(|values| values.is_object());
    let Some(values) = values else { return whole.prop_map(Value::Object).boxed() };
    let names = schema["propertyNames"]["pattern"].as_str().unwrap_or("[a-z]{1,9}");
    let names = prop::string::string_regex(names.trim_matches(['^', '$'])).unwrap();
    let more = prop::collection::btree_map(names, good(values), 0..=ITEMS_MAX);
    (whole, more)
        .prop_map(|(mut keys, more)| {
            keys.extend(more);
            Value::Object(keys)
        })
        .boxed()
}
