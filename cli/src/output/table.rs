//! Tables: each column is as wide as its widest cell, measured in the columns of a terminal.

use unicode_width::UnicodeWidthStr;

use super::paint;

/// On which side a column's cells stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// How a cell is painted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Good,
    Bad,
    Dim,
}

/// Rows under headings.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<(String, Tone)>>,
}

impl Table {
    pub(crate) const fn new(columns: Vec<(&'static str, Align)>) -> Self {
        Self {
            columns,
            rows: Vec::new(),
        }
    }

    /// Adds a row; cells beyond the last column are left out.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = (String, Tone)>) {
        self.rows
            .push(cells.into_iter().take(self.columns.len()).collect());
    }

    /// The lines, headings first, without blanks at their ends.
    pub(crate) fn lines(&self) -> Vec<String> {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            let widths = cells.map(|(text, _)| text.width());
            widths
                .chain([self.columns[column].0.width()])
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<_> = (0..self.columns.len()).map(width).collect();
        let headings = self
            .columns
            .iter()
            .map(|(heading, _)| ((*heading).to_owned(), Tone::Dim))
            .collect();
        let all = [&headings].into_iter().chain(&self.rows);
        all.map(|row| self.line(row, &widths)).collect()
    }

    fn line(&self, row: &[(String, Tone)], widths: &[usize]) -> String {
        let mut line = String::new();
        let last = row.iter().rposition(|(text, _)| !text.is_empty());
        for (column, (text, tone)) in row.iter().enumerate().take(last.map_or(0, |last| last + 1)) {
            let (_, align) = self.columns[column];
            let fill = " ".repeat(widths[column].saturating_sub(text.width()));
            let text = match tone {
                Tone::Plain => text.clone(),
                Tone::Good => paint::green(text),
                Tone::Bad => paint::red(text),
                Tone::Dim => paint::dim(text),
            };
            let is_last = last == Some(column);
            let gap = if column == 0 { "" } else { "  " };
            line += &match align {
                Align::Right => format!("{gap}{fill}{text}"),
                Align::Left if is_last => format!("{gap}{text}"),
                Align::Left => format!("{gap}{text}{fill}"),
            };
        }
        line
    }
}

/// A cell without paint.
pub(crate) fn plain(text: impl Into<String>) -> (String, Tone) {
    (text.into(), Tone::Plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(vec![
            ("peer", Align::Left),
            ("share", Align::Right),
            ("at", Align::Left),
        ]);
        table.row([plain("3f9a12cd"), plain("9 %"), plain("here")]);
        table.row([plain("ü"), plain("11.5 %"), plain("")]);
        table.row([
            plain("浮世絵"),
            plain("1 %"),
            plain("two columns a character"),
        ]);
        let painted = table.lines();
        let lines: Vec<_> = painted
            .iter()
            .map(|line| anstream::adapter::strip_str(line).to_string())
            .collect();
        assert_eq!(
            lines,
            [
                "peer       share  at",
                "3f9a12cd     9 %  here",
                "ü         11.5 %",
                "浮世絵       1 %  two columns a character",
            ]
        );
    }
}
