//! A batch of lines: the result of the map, and the fate of each line.

use std::collections::HashSet;

use kittengrad_client_core::map::{Map, Mapped, Refusal};
use kittengrad_proto::id::RecordId;

use super::{counts::Counts, rejects::Reject, source::OwnedLine};

/// Lines and their mapped form.
pub(super) struct Batch {
    pub(super) lines: Vec<OwnedLine>,
    /// One for each line.
    pub(super) mapped: Vec<Result<Mapped, Refusal>>,
}

/// The fate of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    Inserted,
    Updated,
    Unchanged,
    Refused(String),
}

impl Batch {
    /// Maps each line.
    pub(super) fn map(lines: Vec<OwnedLine>, map: &Map) -> Self {
        let mapped = lines.iter().map(|line| line.line().read(map)).collect();
        Self { lines, mapped }
    }

    /// The canonicals of the lines.
    pub(super) fn canonicals(&self) -> HashSet<RecordId> {
        self.mapped
            .iter()
            .flatten()
            .map(|mapped| mapped.canonical_id)
            .collect()
    }
}

/// Counts the fates of lines, and keeps those that were refused.
pub(super) fn account(
    file: &str,
    lines: Vec<OwnedLine>,
    fates: Vec<Fate>,
) -> (Counts, Vec<Reject>) {
    let (mut counts, mut rejects) = (Counts::default(), Vec::new());
    for (line, fate) in lines.into_iter().zip(fates) {
        counts.read += 1;
        match fate {
            Fate::Inserted => counts.inserted += 1,
            Fate::Updated => counts.updated += 1,
            Fate::Unchanged => counts.unchanged += 1,
            Fate::Refused(reason) => {
                counts.refused += 1;
                let text = String::from_utf8_lossy(&line.text).into_owned();
                rejects.push(Reject {
                    file: file.to_owned(),
                    line: line.number,
                    reason,
                    text,
                });
            }
        }
    }
    (counts, rejects)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_counted_and_refused_ones_are_kept() {
        let line = |number, text: &[u8]| OwnedLine {
            number,
            text: text.to_vec(),
            is_cut: false,
        };
        let lines = vec![
            line(1, b"{}"),
            line(3, b"\xff{"),
            line(4, b"{}"),
            line(5, b"{}"),
        ];
        let refused = Fate::Refused("not strict JSON".to_owned());
        let (counts, rejects) = account(
            "a",
            lines,
            vec![Fate::Inserted, refused, Fate::Unchanged, Fate::Updated],
        );
        assert_eq!(
            counts,
            Counts {
                read: 4,
                inserted: 1,
                updated: 1,
                unchanged: 1,
                refused: 1
            }
        );
        let (file, reason, text) = (
            "a".to_owned(),
            "not strict JSON".to_owned(),
            "\u{fffd}{".to_owned(),
        );
        assert_eq!(
            rejects,
            [Reject {
                file,
                line: 3,
                reason,
                text
            }]
        );
    }
}
