use std::fmt::{self, Write};
use unicode_width::UnicodeWidthStr;

/// Columns that stand below each other on a terminal, whatever letters the values are written in.
pub(crate) struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(head: &[&str]) -> Self {
        Self { head: head.iter().map(|title| (*title).to_owned()).collect(), rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| clipped(printable(&cell))).collect());
    }

    /// Without the columns that no row has anything in.
    pub(crate) fn without_empty(mut self) -> Self {
        let empty =
            |column: usize| self.rows.iter().all(|row| row.get(column).is_none_or(|cell| cell == NOTHING));
        let kept: Vec<bool> = (0..self.head.len()).map(|column| !empty(column)).collect();
        for row in self.rows.iter_mut().chain([&mut self.head]) {
            let mut keeps = kept.iter();
            row.retain(|_| keeps.next().is_none_or(|keep| *keep));
        }
        self
    }

    fn widths(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = self.head.iter().map(|title| title.width()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
        widths
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        for row in std::iter::once(&self.head).chain(&self.rows) {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                let gap = width - cell.width() + 2;
                write!(line, "{cell}{:gap$}", "")?;
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// What stands for an empty text.
const NOTHING: &str = "-";

/// Columns of a cell at most; `--json` has all of it.
const WIDEST: usize = 1_000;

fn clipped(cell: String) -> String {
    if cell.width() <= WIDEST {
        return cell;
    }
    cell.chars().take(WIDEST / 2).chain(['…']).collect()
}

/// The text with control and direction-changing characters shown as escapes: what a peer or an
/// import file wrote must not steer a terminal. Empty becomes `-`.
pub(crate) fn printable(text: &str) -> String {
    if text.is_empty() {
        return NOTHING.into();
    }
    let unsafe_here = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        if unsafe_here(c) {
            out.extend(c.escape_unicode())
        } else {
            out.push(c)
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_letters_and_marks_do_not_shift_the_next_column() {
        let mut table = Table::new(&["owner", "site"]);
        for owner in ["케이티", "Müller", "Zoe\u{308}", ""] {
            table.row([owner.into(), "x".into()]);
        }
        let expected = "owner   site\n케이티  x\nMüller  x\nZoe\u{308}     x\n-       x\n";
        assert_eq!(table.to_string(), expected);
    }

    #[test]
    fn a_column_without_anything_is_left_out_where_that_is_asked_for() {
        let mut table = Table::new(&["case", "peer", "runs"]);
        table.row(["a".into(), String::new(), "1".into()]);
        table.row([String::new(), String::new(), "1".into()]);
        assert_eq!(table.without_empty().to_string(), "case  runs\na     1\n-     1\n");
    }

    #[test]
    fn a_text_without_end_has_one_in_a_table() {
        let mut table = Table::new(&["site", "note"]);
        table.row(["y".repeat(100_000), "x".into()]);
        assert!(table.to_string().len() < 2_000);
    }

    #[test]
    fn a_note_cannot_steer_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\u{202e}c\n"), "a\\u{1b}[2Jb\\u{202e}c\\u{a}");
    }
}
