//! Plain tables for terminals.

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};

use crate::out::outln;

/// A table without lines that keeps to the terminal's width.
pub(crate) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(NOTHING);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header.iter().map(|word| word.to_uppercase()));
    table
}

/// Prints it without the blanks that pad the last column.
pub(crate) fn print(table: &Table) {
    for line in table.lines() {
        outln!("{}", line.trim_end());
    }
}

/// A duration as people write it: `48s`, `7m 02s`, `3h 05m`.
pub(crate) fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0).round() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, s) => format!("{m}m {s:02}s"),
        (h, m, _) => format!("{h}h {m:02}m"),
    }
}

/// A point in time, in UTC.
pub(crate) fn time(at_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(at_ms)
        .map(|time| time.strftime("%Y-%m-%d %H:%M").to_string())
        .unwrap_or_default()
}

/// At most so many characters, with `…` where something was left out.
pub(crate) fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(most.saturating_sub(1)).collect();
    short.push('…');
    short
}
