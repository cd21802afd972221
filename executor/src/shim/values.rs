//! Numbers that a stage reports as JSON, as Python writes it: `NaN` and `Infinity` included.

use std::collections::BTreeMap;

use serde_json::Value;

const MARK: &str = "\u{1}";

/// The numbers of a JSON object.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Values {
    pub(super) finite: BTreeMap<String, f64>,
    /// Keys whose number is not finite, with the word that stood there.
    pub(super) not_finite: BTreeMap<String, String>,
}

/// The numbers of an object; what is not a number is left out. The error says why it is no object.
pub(super) fn parse(text: &str) -> Result<Values, String> {
    let value: Value =
        serde_json::from_str(&quote_words(text)).map_err(|error| error.to_string())?;
    let Value::Object(entries) = value else { return Err("not a JSON object".to_owned()) };
    let mut values = Values::default();
    for (key, value) in entries {
        match value {
            Value::Number(number) => {
                // Numbers of serde_json are finite.
                values.finite.extend(number.as_f64().map(|number| (key, number)));
            }
            Value::String(text) => {
                if let Some(word) = text.strip_prefix(MARK) {
                    values.not_finite.insert(key, word.to_owned());
                }
            }
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {}
        }
    }
    Ok(values)
}

/// Turns the words that JSON does not know into marked strings.
fn quote_words(text: &str) -> String {
    const WORDS: [&str; 3] = ["-Infinity", "Infinity", "NaN"];
    let mut quoted = String::with_capacity(text.len());
    let mut rest = text;
    let mut in_string = false;
    while let Some(first) = rest.chars().next() {
        let word = WORDS.iter().find(|word| !in_string && rest.starts_with(**word));
        if let Some(word) = word {
            quoted.push_str("\"\\u0001");
            quoted.push_str(word);
            quoted.push('"');
            rest = &rest[word.len()..];
            continue;
        }
        let mut length = first.len_utf8();
        if first == '"' {
            in_string = !in_string;
        } else if first == '\\' && in_string {
            length += rest[length..].chars().next().map_or(0, char::len_utf8);
        }
        quoted.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, finite: &[(&str, f64)], not_finite: &[(&str, &str)]) {
        let expected = Values {
            finite: finite.iter().map(|(key, value)| ((*key).to_owned(), *value)).collect(),
            not_finite: not_finite
                .iter()
                .map(|(key, word)| ((*key).to_owned(), (*word).to_owned()))
                .collect(),
        };
        assert_eq!(parse(text), Ok(expected));
    }

    #[test]
    fn numbers_are_kept_and_the_rest_is_left_out() {
        check(
            r#"{"a": 1, "b": -2.5e3, "c": "NaN", "d": null}"#,
            &[("a", 1.0), ("b", -2500.0)],
            &[],
        );
    }

    #[test]
    fn the_words_of_python_are_seen() {
        check(
            r#"{"NaN \" Infinity": 1, "a": NaN, "b": -Infinity, "c": Infinity}"#,
            &[("NaN \" Infinity", 1.0)],
            &[("a", "NaN"), ("b", "-Infinity"), ("c", "Infinity")],
        );
    }

    #[test]
    fn what_is_no_object_is_refused() {
        assert!(parse("[1]").is_err());
        assert!(parse("{\"a\": 1").is_err());
        assert!(parse("").is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,60}|[\"\\\\NaIny{}:,-]{0,20}") {
            let _ = parse(&text);
        }
    }
}
