//! Keys of providers: found in the environment or in a file that nobody else can read. A key is shown to nobody.

use std::borrow::Cow;
use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use autores_templates::settings::Provider;

/// What stands in the place of a key.
const REDACTED: &str = "[key]";

/// A secret. Its text goes into one header and nowhere else.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Key(String);

impl Key {
    pub(crate) fn secret(&self) -> &str {
        &self.0
    }

    /// The text without the key, for servers that repeat what they were sent.
    pub(crate) fn scrub<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if text.contains(&self.0) { text.replace(&self.0, REDACTED).into() } else { text.into() }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

/// The provider's key: from its variable, else from its file. `None` where it needs none and has none.
pub(crate) fn find(
    provider: &Provider,
    name: &str,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<Key>, String> {
    if let Some(variable) = &provider.key_variable
        && let Some(value) = environment(variable)
        && !value.trim().is_empty()
    {
        return parse(&value, &format!("variable {variable}")).map(Some);
    }
    if let Some(file) = &provider.key_file {
        return read(file).map(Some);
    }
    if provider.needs_key {
        return Err(format!("provider {name} has no key; {}", remedy(provider, name)));
    }
    Ok(None)
}

/// How the provider gets a key.
pub(crate) fn remedy(provider: &Provider, name: &str) -> String {
    match (&provider.key_variable, &provider.key_file) {
        (Some(variable), Some(file)) => {
            format!("set {variable}, or put the key into {} (mode 0600)", file.display())
        }
        (Some(variable), None) => format!("set {variable}"),
        (None, Some(file)) => format!("put the key into {} (mode 0600)", file.display()),
        (None, None) => {
            format!("give provider {name} a key_variable or a key_file in the settings")
        }
    }
}

fn read(file: &Path) -> Result<Key, String> {
    let shown = file.display();
    let meta =
        fs::metadata(file).map_err(|error| format!("cannot read key file {shown}: {error}"))?;
    let mode = meta.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(format!(
            "key file {shown} has mode {mode:04o}, so others can read it; run: chmod 600 {shown}"
        ));
    }
    let text = fs::read_to_string(file)
        .map_err(|error| format!("cannot read key file {shown}: {error}"))?;
    parse(&text, &format!("key file {shown}"))
}

fn parse(text: &str, place: &str) -> Result<Key, String> {
    let key = text.trim();
    if key.is_empty() {
        return Err(format!("{place} holds no key"));
    }
    if !key.chars().all(|c| c.is_ascii_graphic()) {
        return Err(format!(
            "{place} holds something that is no key: blanks or characters beyond ASCII"
        ));
    }
    Ok(Key(key.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_not_shown() {
        let key = parse(" sk-1234567\n", "test").unwrap();
        assert_eq!(format!("{key:?}"), "[key]");
        assert_eq!(key.scrub("bad key sk-1234567, sorry"), "bad key [key], sorry");
    }

    #[test]
    fn what_cannot_be_a_header_is_no_key() {
        assert!(parse("two words", "variable K").unwrap_err().contains("variable K"));
        assert!(parse("  \n", "variable K").unwrap_err().contains("no key"));
    }
}
