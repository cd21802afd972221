//! Finds JSON objects in a reply, whatever stands around them. Never repairs one that is broken.

use serde_json::{Deserializer, Map, Value};

use crate::reply::text;

/// More of a reply is not read, in bytes.
const LONGEST: usize = 1_000_000;
/// More places are not tried.
const TRIES: usize = 10_000;

/// The objects of a reply in their order, without those inside of others. Where an outer one was cut off, the ones
/// inside of it that are whole are given.
pub(crate) fn objects(reply: &str) -> Vec<Map<String, Value>> {
    let answer = text::clean(&reply[..reply.floor_char_boundary(LONGEST)]);
    let mut found = Vec::new();
    let mut at = 0;
    for _ in 0..TRIES {
        let Some(start) = answer[at..].find('{').map(|offset| at + offset) else { break };
        let mut values = Deserializer::from_str(&answer[start..]).into_iter::<Value>();
        at = match values.next() {
            Some(Ok(Value::Object(object))) => {
                found.push(object);
                start + values.byte_offset()
            }
            _ => start + 1,
        };
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(reply: &str, expected: &str) {
        let found: Vec<Value> = objects(reply).into_iter().map(Value::Object).collect();
        assert_eq!(Value::Array(found), serde_json::from_str::<Value>(expected).unwrap());
    }

    #[test]
    fn what_stands_around_an_object_does_not_matter() {
        check("Sure:\n```json\n{\"a\": {\"b\": 1}}\n```\nHope {this} helps", r#"[{"a":{"b":1}}]"#);
        check("<think>\n{\"a\": 0}\n</think>\n{\"a\": 1} {\"a\": 2}", r#"[{"a":1},{"a":2}]"#);
        check("no object", "[]");
    }

    #[test]
    fn what_is_whole_survives_a_reply_that_is_cut_off() {
        check(r#"{"all": [{"a": 1}, {"a": 2}, {"a": "#, r#"[{"a":1},{"a":2}]"#);
    }

    #[test]
    fn a_reply_of_braces_ends() {
        check(&"{".repeat(3_000_000), "[]");
        check(&"{\"a\":".repeat(200_000), "[]");
    }
}
