//! From a command with placeholders to the words of a process. Pure.

use std::collections::BTreeMap;

use autores_domain::Stage;

/// The words for a command; the error names what is unknown.
pub(super) fn resolve(
    command: &[String],
    launcher: &[String],
    values: &BTreeMap<&str, String>,
) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    for word in command {
        if word == "{launcher}" {
            for word in launcher {
                words.push(fill(word, values)?);
            }
        } else {
            words.push(fill(word, values)?);
        }
    }
    if words.is_empty() {
        return Err("has an empty command".to_owned());
    }
    Ok(words)
}

fn fill(word: &str, values: &BTreeMap<&str, String>) -> Result<String, String> {
    let mut filled = String::with_capacity(word.len());
    let mut rest = word;
    while let Some(open) = rest.find('{') {
        filled.push_str(&rest[..open]);
        rest = &rest[open..];
        match placeholder(rest) {
            None => {
                filled.push('{');
                rest = &rest[1..];
            }
            Some(name) => {
                filled.push_str(value(name, values)?);
                rest = &rest[name.len() + 2..];
            }
        }
    }
    filled.push_str(rest);
    Ok(filled)
}

/// The name of the placeholder with which the text begins. Other braces stand for themselves.
fn placeholder(text: &str) -> Option<&str> {
    let name = text.strip_prefix('{')?.split_once('}')?.0;
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    is_name.then_some(name)
}

fn value<'a>(name: &str, values: &'a BTreeMap<&str, String>) -> Result<&'a str, String> {
    match values.get(name) {
        Some(value) => Ok(value),
        None if name == "launcher" => {
            Err("uses {launcher} as a part of an argument; it must be an argument of its own"
                .into())
        }
        None => {
            let known = Stage::PLACEHOLDERS.map(|name| format!("{{{name}}}")).join(", ");
            Err(format!("uses the unknown placeholder {{{name}}}; known are {known}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(command: &[&str], expected: Result<&[&str], &str>) {
        let owned =
            |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let values =
            BTreeMap::from([("python", "/env/bin/python".to_owned()), ("seed", "7".to_owned())]);
        let launcher = owned(&["{python}", "-m", "torch.distributed.run"]);
        match (resolve(&owned(command), &launcher, &values), expected) {
            (Ok(words), Ok(expected)) => assert_eq!(words, expected),
            (Err(error), Err(expected)) => assert!(error.contains(expected), "{error}"),
            (found, expected) => panic!("{found:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn placeholders_are_filled_and_the_launcher_is_spliced() {
        check(
            &["{launcher}", "train.py", "--seed={seed}", "{\"a\": {}}"],
            Ok(&[
                "/env/bin/python",
                "-m",
                "torch.distributed.run",
                "train.py",
                "--seed=7",
                "{\"a\": {}}",
            ]),
        );
    }

    #[test]
    fn what_is_unknown_is_named() {
        check(&["{pyhton}"], Err("{pyhton}"));
        check(&["x{launcher}"], Err("argument of its own"));
        check(&[], Err("empty"));
    }
}
