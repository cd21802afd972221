//! Standard output. A reader that went away (`autores show RUN | head`) is no failure.

use std::borrow::Cow;
use std::fmt::Arguments;
use std::io::Write;

pub(crate) fn write(text: Arguments<'_>) {
    let _ = std::io::stdout().write_all(plain(&text.to_string()).as_bytes());
}

/// The text without control characters, but for ends of lines and tabs: what models, experiments and servers say must
/// not move a terminal's cursor.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    let is_harmless = |c: char| !c.is_control() || c == '\n' || c == '\t';
    if text.chars().all(is_harmless) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if is_harmless(c) { c } else { '\u{fffd}' }).collect())
}

/// Prints to standard output.
macro_rules! out {
    ($($text:tt)*) => { $crate::out::write(format_args!($($text)*)) };
}

/// Prints a line to standard output.
macro_rules! outln {
    () => { $crate::out::write(format_args!("\n")) };
    ($($text:tt)*) => { $crate::out::write(format_args!("{}\n", format_args!($($text)*))) };
}

pub(crate) use {out, outln};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_codes_do_not_reach_a_terminal() {
        assert_eq!(plain("a\tb\n"), "a\tb\n");
        assert_eq!(plain("\u{1b}[2Jgone\r"), "\u{fffd}[2Jgone\u{fffd}");
    }
}
