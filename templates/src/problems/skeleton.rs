//! A new problem that works from the start.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use handlebars::{Handlebars, no_escape};
use include_dir::{Dir, include_dir};

use super::built_in::texts;
use super::{ProblemError, io};
use crate::problem;

static SKELETON: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/skeleton");

/// The ending of files in which `{{name}}` stands for the problem's name.
const TEMPLATE: &str = ".hbs";

/// Writes a working problem of this name into a new folder.
///
/// # Errors
/// If the name is no problem's name, or if the folder is in use or cannot be written.
pub fn skeleton(name: &str, folder: &Path) -> Result<(), ProblemError> {
    let files = render(name);
    // A name that problem.yaml could not hold is refused before anything is written.
    problem::parse("problem.yaml", files.get("problem.yaml").map_or("", String::as_str))?;
    let used = match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
        Err(error) => return Err(io(folder)(error)),
    };
    if used {
        return Err(ProblemError::NotEmpty { path: folder.to_owned() });
    }
    for (path, text) in files {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(io(parent))?;
        }
        fs::write(&path, text).map_err(io(&path))?;
    }
    Ok(())
}

fn render(name: &str) -> BTreeMap<String, String> {
    let mut handlebars = Handlebars::new();
    handlebars.set_strict_mode(true);
    handlebars.register_escape_fn(no_escape);
    let values = BTreeMap::from([("name", name)]);
    let one = |(path, text): (autores_domain::CodePath, String)| {
        match path.as_str().strip_suffix(TEMPLATE) {
            // The templates are part of the program, and a test renders each.
            Some(plain) => {
                (plain.to_owned(), handlebars.render_template(&text, &values).unwrap_or_default())
            }
            None => (path.to_string(), text),
        }
    };
    texts(&SKELETON).into_iter().map(one).collect()
}
