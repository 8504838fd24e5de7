//! The description of the API is what the code does.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{Fake, Server, resolved, validator};

/// Each value under a key, wherever it is.
fn all<'a>(value: &'a Value, wanted: &str, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(keys) => {
            for (key, value) in keys {
                if key == wanted {
                    found.push(value);
                }
                all(value, wanted, found);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| all(value, wanted, found)),
        _ => {}
    }
}

#[test]
fn the_description_changes_only_on_purpose() {
    let text = serde_json::to_string_pretty(web::description()).unwrap();
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(text) });
}

#[tokio::test]
async fn it_is_served_with_a_tag() {
    let server = Server::start(Fake::new()).await;
    let answer = server.ask("GET", "/api/v1/openapi.json").await;
    assert!(answer.header("etag").is_some());
    assert_eq!(&answer.ok(200), web::description());
}

#[test]
fn every_reference_leads_somewhere() {
    let description = web::description();
    let mut references = Vec::new();
    all(description, "$ref", &mut references);
    assert!(references.len() > 100);
    for reference in references {
        let place = reference.as_str().unwrap().strip_prefix('#').unwrap();
        assert!(description.pointer(place).is_some(), "{reference}");
    }
}

#[test]
fn it_is_openapi_and_its_schemas_are_schemas() {
    let description = web::description();
    assert_eq!(description["openapi"], "3.1.0");
    let mut ids = Vec::new();
    all(&description["paths"], "operationId", &mut ids);
    let names: BTreeSet<_> = ids.iter().map(|id| id.as_str().unwrap()).collect();
    assert_eq!(names.len(), ids.len(), "an operationId stands twice");
    let mut schemas = Vec::new();
    all(description, "schema", &mut schemas);
    schemas.extend(description["components"]["schemas"].as_object().unwrap().values());
    assert!(schemas.len() > 200);
    for schema in schemas {
        let mut schema = schema.clone();
        schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
        if let Err(error) = jsonschema::meta::validate(&schema) {
            panic!("{error}: {schema}");
        }
    }
}

/// What [the specification](https://spec.openapis.org/oas/v3.1.0) demands of each part.
#[test]
fn each_operation_has_what_openapi_demands() {
    let description = web::description();
    let tags: BTreeSet<_> = description["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| tag["name"].as_str().unwrap())
        .collect();
    for (path, operations) in description["paths"].as_object().unwrap() {
        assert!(path.starts_with('/'));
        for (method, operation) in operations.as_object().unwrap() {
            let of = format!("{method} {path}");
            assert!(["get", "put", "post", "delete", "patch"].contains(&&**method), "{of}");
            assert!(tags.contains(operation["tags"][0].as_str().unwrap()), "{of}");
            let mut seen = BTreeSet::new();
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let place = parameter["in"].as_str().unwrap();
                let name = parameter["name"].as_str().unwrap();
                assert!(seen.insert((place, name)), "{of}: {name} stands twice");
                assert!(parameter["schema"].is_object(), "{of}: {name}");
                let in_path = path.contains(&format!("{{{name}}}"));
                assert_eq!(
                    (place == "path", parameter["required"] == true && in_path),
                    (in_path, in_path),
                    "{of}"
                );
            }
            assert_eq!(
                path.matches('{').count(),
                seen.iter().filter(|(at, _)| *at == "path").count(),
                "{of}"
            );
            for (status, answer) in operation["responses"].as_object().unwrap() {
                let number: Option<u16> = status.parse().ok();
                assert!(
                    status == "default" || number.is_some_and(|n| (200..600).contains(&n)),
                    "{of}"
                );
                assert!(resolved(answer)["description"].is_string(), "{of} {status}");
            }
        }
    }
}

#[test]
fn each_example_is_as_the_schema_beside_it_says() {
    let mut contents = Vec::new();
    all(&web::description()["paths"], "application/json", &mut contents);
    let mut count = 0;
    for content in contents {
        for example in content["examples"].as_object().into_iter().flat_map(|all| all.values()) {
            let valid = validator(&content["schema"]);
            if let Err(error) = valid.validate(&example["value"]) {
                panic!("{error}: {example}");
            }
            count += 1;
        }
    }
    assert!(count > 15, "{count}");
}
