//! Standard output. A reader that went away (`autores show RUN | head`) is no failure.

use std::fmt::Arguments;
use std::io::Write;

pub(crate) fn write(text: Arguments<'_>) {
    let _ = std::io::stdout().write_fmt(text);
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
