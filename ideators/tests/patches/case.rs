//! One reply and what should come of it, as it stands in a `.case` file:
//!
//! ```text
//! about: what the case shows
//! applicable: yes                 could a careful person apply it without a doubt?
//! refused: not_found ambiguous    the kinds of refusal that are right; without it the reply applies
//! reply-as: crlf                  the reply with other line ends (`crlf`), a mark (`bom`) or NUL (`nul`)
//! ends: modules/unended.py yes    whether the last line of a file has an end afterwards
//! -- edit train.py                lines that occur once in the file ...
//! -- to                           ... and what stands there instead
//! -- write modules/new.py         all of a new file
//! -- delete modules/old.py        a file that is removed
//! -- reply                        the reply: all that follows
//! ```
//!
//! The expected files are made from these replacements, never by the parser.

use std::collections::BTreeMap;
use std::path::Path;

use autores_domain::{CodePath, Codebase};

pub(crate) type Files = BTreeMap<CodePath, Option<String>>;

#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) applicable: bool,
    /// Empty where the reply applies.
    pub(crate) refused: Vec<String>,
    /// The files that should differ.
    pub(crate) files: Files,
    pub(crate) reply: String,
}

pub(crate) fn all(base: &Codebase) -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/patches/corpus");
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| read(path, base)).collect()
}

fn read(path: &Path, base: &Codebase) -> Case {
    let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
    let text = std::fs::read_to_string(path).unwrap();
    let (head, reply) = text.split_once("-- reply\n").unwrap_or_else(|| panic!("{name}: no reply"));
    let head = head.strip_suffix('\n').unwrap_or(head);
    let mut parts = head.split("\n-- ").map(|part| part.strip_prefix("-- ").unwrap_or(part));
    let header = parts.next().unwrap();
    let field = |key: &str| {
        let key = format!("{key}: ");
        header.lines().find_map(|line| line.strip_prefix(key.as_str())).map(str::trim)
    };
    assert!(field("about").is_some(), "{name}: says nothing about itself");
    let reply = match field("reply-as") {
        Some("crlf") => reply.replace('\n', "\r\n"),
        Some("bom") => format!("\u{feff}{reply}"),
        Some("nul") => reply.replace("<NUL>", "\0"),
        Some(other) => panic!("{name}: a reply as {other}"),
        None => reply.to_owned(),
    };
    let refused: Vec<String> =
        field("refused").unwrap_or_default().split_whitespace().map(str::to_owned).collect();
    let mut files = expected(&name, parts, base);
    if let Some((path, ended)) = field("ends").and_then(|ends| ends.split_once(' ')) {
        let text = files.get_mut(&path.parse().unwrap()).unwrap().as_mut().unwrap();
        *text = text.trim_end_matches('\n').to_owned() + if ended == "yes" { "\n" } else { "" };
    }
    assert_eq!(refused.is_empty(), !files.is_empty(), "{name}: either applies or is refused");
    Case { name, applicable: field("applicable") == Some("yes"), refused, files, reply }
}

fn expected<'a>(name: &str, parts: impl Iterator<Item = &'a str>, base: &Codebase) -> Files {
    let mut files = Files::new();
    let mut editing: Option<(CodePath, String)> = None;
    for part in parts {
        let (title, body) = part.split_once('\n').unwrap_or((part, ""));
        let (what, path) = title.split_once(' ').unwrap_or((title, ""));
        let path = || path.trim().parse::<CodePath>().unwrap();
        match what {
            "edit" => editing = Some((path(), body.to_owned())),
            "to" => {
                let (path, old) = editing.take().unwrap();
                let text = match files.get(&path) {
                    Some(text) => text.clone().unwrap(),
                    None => base[&path].clone(),
                };
                let ends = |lines: &str| {
                    if text.contains("\r\n") {
                        lines.replace('\n', "\r\n")
                    } else {
                        lines.to_owned()
                    }
                };
                let (old, new) = (ends(&old), ends(body));
                assert_eq!(text.matches(&old).count(), 1, "{name}: {path} has not once {old:?}");
                files.insert(path, Some(text.replacen(&old, &new, 1)));
            }
            "write" => {
                let end = if body.is_empty() { "" } else { "\n" };
                files.insert(path(), Some(format!("{body}{end}")));
            }
            "delete" => {
                files.insert(path(), None);
            }
            other => panic!("{name}: -- {other}"),
        }
    }
    files
}
