//! JSON as clients write it, read as strictly as it can be meant.
//!
//! A key stands once: of two, other programs believe the first or the last. `7.0` is the number 7,
//! as JSON and its schemas have it. A body is an object: serde would also take a list, its items in
//! the order of the fields.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

/// Above it not every whole number is one of those that a float can be.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// Reads an object.
///
/// # Errors
/// It is no JSON, no object, or not what is wanted.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, serde_json::Error> {
    let Plain(value) = serde_json::from_slice(bytes)?;
    if !value.is_object() {
        return Err(Error::custom("it must be an object"));
    }
    serde_json::from_value(value)
}

/// Any value, as above.
struct Plain(Value);

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Values)
    }
}

struct Values;

impl<'de> Visitor<'de> for Values {
    type Value = Plain;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Plain, E> {
        Ok(Plain(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Plain, E> {
        Ok(Plain(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Plain, E> {
        Ok(Plain(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Plain, E> {
        Ok(Plain(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Plain, E> {
        let whole = value.fract() == 0.0 && value.abs() <= WHOLE_MAX;
        // As text it has no more digits than either type can have.
        let number = whole.then(|| format!("{value:.0}").parse::<Number>().ok()).flatten();
        Ok(Plain(number.map_or_else(|| value.into(), Value::Number)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Plain, E> {
        Ok(Plain(value.into()))
    }

    fn visit_string<E>(self, value: String) -> Result<Plain, E> {
        Ok(Plain(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Plain, A::Error> {
        let mut all = Vec::new();
        while let Some(Plain(item)) = items.next_element()? {
            all.push(item);
        }
        Ok(Plain(all.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut keys: A) -> Result<Plain, A::Error> {
        let mut all = Map::new();
        while let Some(key) = keys.next_key::<String>()? {
            let Plain(value) = keys.next_value()?;
            if all.contains_key(&key) {
                return Err(Error::custom(format_args!("the key {key:?} stands twice")));
            }
            all.insert(key, value);
        }
        Ok(Plain(all.into()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn value(text: &str) -> Result<Value, String> {
        read(text.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_whole_number_is_one_however_it_is_written() {
        for number in ["7", "7.0", "70e-1", "0.7e1"] {
            let read = read::<BTreeMap<String, u8>>(format!("{{\"a\":{number}}}").as_bytes());
            assert_eq!(read.expect(number)["a"], 7);
        }
        for number in ["7.5", "-1.0", "256.0", "1e300", "\"7\""] {
            let read = read::<BTreeMap<String, u8>>(format!("{{\"a\":{number}}}").as_bytes());
            assert!(read.is_err(), "{number}");
        }
        let most = format!("{{\"a\":{},\"b\":-0.0,\"c\":{}}}", u64::MAX, i64::MIN);
        assert_eq!(value(&most).expect("numbers")["a"], u64::MAX);
        assert_eq!(value(&most).expect("numbers")["c"], i64::MIN);
    }

    #[test]
    fn a_key_stands_once_wherever_it_is() {
        for twice in [r#"{"a":1,"a":1}"#, r#"{"a":[{"b":1,"\u0062":2}]}"#] {
            assert!(value(twice).expect_err(twice).contains("stands twice"));
        }
    }

    #[test]
    fn nothing_but_an_object_is_a_body() {
        for wrong in ["", "null", "[]", "1", "\"{}\"", "{}{}", "{", "{\"a\":1e999}"] {
            assert!(value(wrong).is_err(), "{wrong}");
        }
        assert!(value(&format!("{{\"a\":{}1{}}}", "[".repeat(500), "]".repeat(500))).is_err());
        assert_eq!(value(" {\"a\": [null, true, \"é\"]} ").expect("an object")["a"][2], "é");
    }
}
