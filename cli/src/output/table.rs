//! Tables for people: columns as wide as their widest cell.

use super::paint::Paint;

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
    pub(crate) fn lines(&self, paint: Paint) -> Vec<String> {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            let widths = cells.map(|(text, _)| text.chars().count());
            widths
                .chain([self.columns[column].0.chars().count()])
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
        all.map(|row| self.line(row, &widths, paint)).collect()
    }

    fn line(&self, row: &[(String, Tone)], widths: &[usize], paint: Paint) -> String {
        let mut line = String::new();
        let last = row.iter().rposition(|(text, _)| !text.is_empty());
        for (column, (text, tone)) in row.iter().enumerate().take(last.map_or(0, |last| last + 1)) {
            let (_, align) = self.columns[column];
            let fill = " ".repeat(widths[column].saturating_sub(text.chars().count()));
            let text = match tone {
                Tone::Plain => text.clone(),
                Tone::Good => paint.green(text),
                Tone::Bad => paint.red(text),
                Tone::Dim => paint.dim(text),
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
        let lines = table.lines(Paint::stdout());
        assert_eq!(
            lines,
            [
                "peer       share  at",
                "3f9a12cd     9 %  here",
                "ü         11.5 %"
            ]
        );
    }
}
