//! Which file a text names: in headers, in prose, in the info strings of code blocks. Never reads a disk.

use std::collections::BTreeSet;

use autores_domain::CodePath;

use super::intent::Source;
use super::refused::Refused;

/// Endings that tell a path from a dotted name of the code.
const ENDINGS: [&str; 36] = [
    "py", "pyi", "toml", "yaml", "yml", "json", "jsonl", "md", "rst", "txt", "cfg", "ini", "conf",
    "sh", "rs", "c", "h", "cc", "cpp", "hpp", "cu", "cuh", "js", "ts", "go", "java", "lock", "csv",
    "html", "css", "sql", "xml", "hbs", "in", "bin", "env",
];

/// Words that stand beside a path in a line that is nothing but its label.
const LABEL_WORDS: [&str; 42] = [
    "file",
    "filename",
    "filepath",
    "path",
    "new",
    "updated",
    "update",
    "modified",
    "modify",
    "changed",
    "change",
    "changes",
    "create",
    "created",
    "add",
    "added",
    "replace",
    "edit",
    "edited",
    "rewrite",
    "rewritten",
    "full",
    "complete",
    "entire",
    "whole",
    "final",
    "contents",
    "content",
    "code",
    "version",
    "for",
    "of",
    "in",
    "to",
    "the",
    "a",
    "patch",
    "diff",
    "title",
    "name",
    "start",
    "delete",
];

/// The path of a `---` or `+++` line, without timestamps, remarks and quotes.
pub(super) fn header(text: &str) -> String {
    let text = text.split('\t').next().unwrap_or_default().trim();
    if let Some(quoted) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        return unquote(quoted);
    }
    let mut text = text.trim_matches(['`', '\'', '*']);
    // A date after spaces, as some tools and most models write it.
    if let Some((path, rest)) = text.split_once(' ') {
        let date = rest.trim_start();
        if date.starts_with(|c: char| c.is_ascii_digit()) && date[1..].starts_with(is_date) {
            text = path;
        }
    }
    if let Some((path, remark)) = text.split_once(" (")
        && remark.ends_with(')')
    {
        text = path;
    }
    text.trim().to_owned()
}

fn is_date(c: char) -> bool {
    c.is_ascii_digit()
}

/// The path that git wrote with backslashes and octal numbers.
fn unquote(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let octal = (first == b'\\')
            .then(|| after.get(..3))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match (octal, after.first()) {
            (Some(byte), _) => {
                bytes.push(byte);
                rest = &after[3..];
            }
            (None, Some(&next)) if first == b'\\' => {
                bytes.push(match next {
                    b't' => b'\t',
                    b'n' => b'\n',
                    other => other,
                });
                rest = &after[1..];
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What a path resolves to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Resolved {
    Known(CodePath),
    New(CodePath),
}

/// The file that a reply means by `raw`, among the files there are.
pub(super) fn resolve(raw: &str, known: &BTreeSet<CodePath>) -> Result<Resolved, Refused> {
    let parse = |text: &str| text.parse::<CodePath>().ok();
    let unsafe_path = || Refused::UnsafePath { path: shortened(raw) };
    let plain = raw.strip_prefix("./").unwrap_or(raw);
    let path = parse(plain).ok_or_else(unsafe_path)?;
    let stripped = ["a/", "b/"].into_iter().find_map(|prefix| plain.strip_prefix(prefix));
    let mut exact: Vec<CodePath> = [Some(path.clone()), stripped.and_then(parse)]
        .into_iter()
        .flatten()
        .filter(|path| known.contains(path))
        .collect();
    if exact.len() > 1 {
        return Err(unclear(raw, &exact));
    }
    if let Some(path) = exact.pop() {
        return Ok(Resolved::Known(path));
    }
    // `/workspace/x.py` was refused above, so a longer path is one with folders of the writer's own.
    let longest = known
        .iter()
        .filter(|known| plain.strip_suffix(known.as_str()).is_some_and(|rest| rest.ends_with('/')))
        .max_by_key(|known| known.as_str().len());
    if let Some(longest) = longest {
        return Ok(Resolved::Known(longest.clone()));
    }
    let mut ends: Vec<CodePath> = known
        .iter()
        .filter(|known| known.as_str().strip_suffix(plain).is_some_and(|rest| rest.ends_with('/')))
        .cloned()
        .collect();
    match ends.len() {
        0 => Ok(Resolved::New(path)),
        1 => Ok(Resolved::Known(ends.remove(0))),
        _ => Err(unclear(raw, &ends)),
    }
}

fn unclear(raw: &str, candidates: &[CodePath]) -> Refused {
    let candidates = candidates.iter().take(8).map(CodePath::to_string).collect();
    Refused::UnclearPath { path: shortened(raw), candidates }
}

/// The known file with the most similar name, if one is similar at all.
pub(super) fn nearest(raw: &str, known: &BTreeSet<CodePath>) -> Option<CodePath> {
    let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_lowercase();
    let wanted: String = name(raw).chars().take(100).collect();
    known
        .iter()
        .take(1_000)
        .map(|path| (strsim::jaro_winkler(&wanted, &name(path.as_str())), path))
        .filter(|(similarity, _)| *similarity > 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, path)| path.clone())
}

pub(super) fn shortened(text: &str) -> String {
    text.chars().take(200).collect()
}

/// The path that a line of prose names, if it names just one.
pub(super) fn in_prose(line: &str, known: &BTreeSet<CodePath>) -> Option<(String, Source)> {
    if line.len() > 400 {
        return None;
    }
    let is_separator = |c: char| c.is_whitespace() || "`*\"'<>()[]{},;|=".contains(c);
    let mut paths: Vec<&str> = Vec::new();
    let mut others: Vec<&str> = Vec::new();
    for word in line.split(is_separator) {
        let word = word.trim_end_matches([':', '.', '!', '?', '…']).trim_start_matches(['#', ':']);
        if is_path(word, known) {
            paths.push(word);
        } else if word.chars().any(char::is_alphanumeric) {
            others.push(word);
        }
    }
    let labelled = others.len() <= 6 && others.iter().all(|word| is_label_word(word));
    paths.sort_unstable();
    paths.dedup();
    match paths.as_slice() {
        [path] => {
            let creates = |word: &&str| {
                ["create", "creates", "new", "add", "adding"]
                    .contains(&word.to_lowercase().as_str())
            };
            let source = if labelled {
                Source::Label
            } else if others.iter().any(creates) {
                Source::Section
            } else {
                Source::Sentence
            };
            Some(((*path).to_owned(), source))
        }
        [] => outside(line).map(|path| (path, Source::Label)),
        _ => None,
    }
}

/// A line that consists of a path outside the codebase: named, so that it can be refused by name.
fn outside(line: &str) -> Option<String> {
    let bare = line.trim().trim_start_matches('#').trim();
    let bare = bare.strip_prefix("File:").or_else(|| bare.strip_prefix("file:")).unwrap_or(bare);
    let bare = bare.trim().trim_matches(['`', '*', ':']);
    let starts = ["/", "../", "~/", ".git/", "./.git/"];
    let is_path = starts.iter().any(|start| bare.len() > start.len() && bare.starts_with(start));
    (is_path && !bare.contains(char::is_whitespace) && !bare.starts_with("//"))
        .then(|| bare.to_owned())
}

/// The path in the info string of a code block.
pub(super) fn in_info(info: &str, known: &BTreeSet<CodePath>) -> Option<String> {
    let is_separator = |c: char| c.is_whitespace() || "\"'{}()=:,`".contains(c);
    let mut paths: Vec<&str> =
        info.split(is_separator).filter(|word| is_path(word, known)).collect();
    paths.dedup();
    match paths.as_slice() {
        [path] => Some((*path).to_owned()),
        _ => None,
    }
}

/// The path in a comment that is the first line of a code block.
pub(super) fn in_comment(line: &str, known: &BTreeSet<CodePath>) -> Option<String> {
    let bare = line.trim();
    let starts = ["#", "//", "--", ";", "<!--", "/*"];
    let text = starts.into_iter().find_map(|start| bare.strip_prefix(start))?;
    if text.starts_with('!') {
        return None;
    }
    let text = text.trim_end_matches("-->").trim_end_matches("*/");
    let (path, source) = in_prose(text, known)?;
    (source == Source::Label && text.split_whitespace().count() <= 3).then_some(path)
}

fn is_label_word(word: &str) -> bool {
    let word = word.trim_end_matches('.');
    word.bytes().all(|byte| byte.is_ascii_digit())
        || LABEL_WORDS.iter().any(|known| word.eq_ignore_ascii_case(known))
}

fn is_path(word: &str, known: &BTreeSet<CodePath>) -> bool {
    let allowed = |c: char| c.is_alphanumeric() || "_-./~@+\\".contains(c);
    if word.is_empty() || word.len() > 200 || !word.chars().all(allowed) {
        return false;
    }
    if known.iter().take(1_000).any(|path| path.as_str() == word) {
        return true;
    }
    let name = word.rsplit(['/', '\\']).next().unwrap_or_default();
    name.rsplit_once('.').is_some_and(|(stem, ending)| {
        !stem.is_empty() && ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> BTreeSet<CodePath> {
        ["train.py", "scales/cpu.toml", "scales/gpu.toml", "a/x.py", "b/x.py"]
            .iter()
            .map(|path| path.parse().unwrap())
            .collect()
    }

    fn resolved(raw: &str) -> String {
        match resolve(raw, &known()) {
            Ok(Resolved::Known(path)) => format!("known {path}"),
            Ok(Resolved::New(path)) => format!("new {path}"),
            Err(refused) => refused.to_string(),
        }
    }

    #[test]
    fn a_path_with_other_folders_means_the_one_file_it_can_mean() {
        assert_eq!(resolved("./train.py"), "known train.py");
        assert_eq!(resolved("b/train.py"), "known train.py");
        assert_eq!(resolved("cpu.toml"), "known scales/cpu.toml");
        assert_eq!(resolved("code/pretrain/train.py"), "known train.py");
        assert_eq!(resolved("modules/new.py"), "new modules/new.py");
        assert!(resolved("x.py").contains("a/x.py or b/x.py"));
        for raw in ["/etc/passwd", "../x.py", ".git/config", "C:\\x.py", ""] {
            assert!(resolved(raw).contains("no path inside"), "{raw:?} gave {}", resolved(raw));
        }
    }

    #[test]
    fn headers_lose_timestamps_and_remarks() {
        for text in [
            "a/train.py\t2026-01-02 10:00:00.000 +0000",
            "a/train.py 2026-01-02 10:00:00",
            "a/train.py (original)",
            "\"a/train.py\"",
            "`a/train.py`",
        ] {
            assert_eq!(header(text), "a/train.py");
        }
        assert_eq!(header("\"caf\\303\\251.py\""), "café.py");
    }

    #[test]
    fn labels_are_told_from_sentences() {
        let found = |line: &str| in_prose(line, &known());
        for line in ["### `train.py`", "**train.py**:", "File: train.py", "2. train.py (new file)"]
        {
            assert_eq!(found(line), Some(("train.py".into(), Source::Label)), "{line}");
        }
        let said = found("In `train.py` I lower the rate with torch.optim.SGD:");
        assert_eq!(said, Some(("train.py".into(), Source::Sentence)));
        assert_eq!(found("Compare train.py and model.py:"), None);
        assert_eq!(found("/etc/cron.d/job"), Some(("/etc/cron.d/job".into(), Source::Label)));
        assert_eq!(found("F.gelu is used, e.g. in nn.Linear"), None);
    }

    #[test]
    fn info_strings_and_comments_name_files() {
        for info in ["python path=train.py", "python:train.py", "train.py", "py title=\"train.py\""]
        {
            assert_eq!(in_info(info, &known()).as_deref(), Some("train.py"), "{info}");
        }
        assert_eq!(in_info("python", &known()), None);
        assert_eq!(in_comment("# train.py", &known()).as_deref(), Some("train.py"));
        assert_eq!(in_comment("# See train.py for how rates are set", &known()), None);
        assert_eq!(in_comment("#!/bin/sh", &known()), None);
    }
}
