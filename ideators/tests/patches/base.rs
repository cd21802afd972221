//! The code that the replies are about: the pretrain problem's own, and small files with what it lacks.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use autores_domain::{CodePath, Codebase};

/// Files with repeated code, other line ends, no line end, tabs, a byte order mark and letters of all kinds.
const SYNTHETIC: [(&str, &str); 10] = [
    (
        "modules/rates.py",
        "def warm(step):\n    rate = 0.1\n    if step < 10:\n        rate = rate * step\n    return rate\n\n\n\
         def hold(step):\n    rate = 0.1\n    if step < 10:\n        rate = rate * step\n    return rate\n\n\n\
         def cool(step):\n    rate = 0.1\n    if step > 90:\n        rate = rate / step\n    return rate\n",
    ),
    (
        "modules/windows.py",
        "\"\"\"Written on Windows.\"\"\"\r\n\r\nLIMIT = 10\r\n\r\n\r\ndef clamp(value):\r\n    \
         if value > LIMIT:\r\n        return LIMIT\r\n    return value\r\n",
    ),
    (
        "modules/unended.py",
        "\"\"\"No line end after the last line.\"\"\"\n\nFIRST = 1\nSECOND = 2\nLAST = 3",
    ),
    (
        "modules/tabs.py",
        "def total(values):\n\tresult = 0\n\tfor value in values:\n\t\tresult += value\n\treturn result\n",
    ),
    (
        "modules/words.py",
        "\"\"\"Wörter – naïve “quotes” and 数字.\"\"\"\n\nGREETING = \"Grüße, 世界\"\nDASH = \"–\"\n\
         QUOTE = \"“\"\nARROW = \"→\"\n\n\ndef greet(name):\n    return f\"{GREETING} – {name}’s\"\n",
    ),
    ("modules/marked.py", "\u{feff}STEPS = 5\nRATE = 0.5\n"),
    ("modules/empty.py", ""),
    (
        "modules/stubs.py",
        "class Port:\n    def open(self):\n        ...\n\n    def close(self):\n        ...\n",
    ),
    ("modules/trailing.py", "def scale(x):   \n    y = x * 2  \n    return y\n"),
    (
        "docs/notes.md",
        "# Notes\n\nRun it:\n\n```sh\npython train.py\n```\n\nThe rate falls to a tenth.\n",
    ),
];

static BASE: LazyLock<Codebase> = LazyLock::new(read);

pub(crate) fn base() -> &'static Codebase {
    &BASE
}

fn read() -> Codebase {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../templates/problems/pretrain/code");
    let mut code = Codebase::new();
    collect(&root, &root, &mut code);
    for (path, text) in SYNTHETIC {
        code.insert(path.parse().unwrap(), text.to_owned());
    }
    code
}

fn collect(root: &Path, folder: &Path, code: &mut Codebase) {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let ending = path.extension().and_then(|ending| ending.to_str());
        if path.is_dir() {
            collect(root, &path, code);
        } else if matches!(ending, Some("py" | "toml")) {
            let relative: CodePath =
                path.strip_prefix(root).unwrap().to_str().unwrap().parse().unwrap();
            code.insert(relative, std::fs::read_to_string(&path).unwrap());
        }
    }
}
