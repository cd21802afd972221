//! Which part of a question a provider did not know, in its own words.

use serde_json::Value;

use super::text_at;

/// The words by which servers say that they do not know something.
const UNKNOWN: [&str; 7] = [
    "unsupported",
    "not support",
    "unknown",
    "unrecognized",
    "extra inputs",
    "not permitted",
    "not enabled",
];

/// Parts whose names stand in any sentence: in words they are meant only where they are set apart.
const EVERYDAY: [&str; 2] = ["text", "include"];

/// The part, if it is one of those that can be left out.
pub(super) fn refused(json: &Value, said: &str, optional: &[&'static str]) -> Option<&'static str> {
    let said = said.to_lowercase();
    if !UNKNOWN.iter().any(|words| said.contains(words)) {
        return None;
    }
    let Some(named) = text_at(json, "/error/param") else { return in_words(&said, optional) };
    let part = named.split(['.', '[']).next().unwrap_or(named);
    optional.iter().find(|known| **known == part).copied()
}

/// The one that is named first; of names that begin at the same place, the longest.
fn in_words(said: &str, optional: &[&'static str]) -> Option<&'static str> {
    optional
        .iter()
        .filter_map(|part| Some((place(said, part)?, part)))
        .min_by_key(|(place, part)| (*place, usize::MAX - part.len()))
        .map(|(_, part)| *part)
}

fn place(said: &str, part: &str) -> Option<usize> {
    if !EVERYDAY.contains(&part) {
        return said.find(part);
    }
    said.match_indices(part).map(|(at, _)| at).find(|at| {
        let before = said[..*at].chars().next_back();
        let after = said[*at + part.len()..].chars().next();
        matches!(before, Some('\'' | '"' | '`')) || matches!(after, Some('.' | '[' | ':'))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const OPTIONAL: [&str; 4] = ["logprobs", "temperature", "text", "include"];

    fn part(said: &str) -> Option<&'static str> {
        refused(&Value::Null, said, &OPTIONAL)
    }

    #[test]
    fn the_part_that_is_named_first_is_meant() {
        assert_eq!(part("Unsupported value: 'temperature', with logprobs"), Some("temperature"));
        assert_eq!(part("responseLogprobs is not supported"), Some("logprobs"));
        assert_eq!(part("temperature must be below 2"), None, "it is known");
        assert_eq!(part("unknown tool"), None);
    }

    #[test]
    fn an_everyday_word_is_no_part() {
        assert_eq!(part("Unsupported input: text must not include nulls"), None);
        assert_eq!(part("Unknown parameter: 'text.format'"), Some("text"));
        assert_eq!(part("include[0]: unknown value"), Some("include"));
    }

    #[test]
    fn what_the_provider_names_comes_before_its_words() {
        let named = |param: &str| {
            let error = json!({"error": {"param": param}});
            refused(&error, "Unsupported with this temperature", &OPTIONAL)
        };
        assert_eq!(named("text.format"), Some("text"));
        assert_eq!(named("include[0]"), Some("include"));
        assert_eq!(named("messages"), None);
    }
}
