//! What is known of a canonical: its record, and each statement with what it is today.

mod json;

use std::collections::BTreeMap;

use kittengrad_client::lookup::Answer;
use kittengrad_proto::{
    certificate::Holder,
    heads::{Placed, Standing, place},
    id::{PublicKey, RecordId},
    record::{Canonical, Record, Retraction, Update},
};

pub(crate) use self::json::{DocumentJson, StatementJson};

/// Names of publishers, by their verified certificates.
pub(crate) type Publishers = BTreeMap<PublicKey, Holder>;

/// An answer about one canonical, its records decoded.
pub(crate) struct Document {
    pub(crate) answer: Answer,
    /// `None` if the record did not come.
    pub(crate) record: Option<Canonical>,
    /// Ordered by (timestamp, CID); those whose record did not come are last.
    pub(crate) statements: Vec<Statement>,
}

/// One element of the set.
pub(crate) struct Statement {
    pub(crate) cid: RecordId,
    pub(crate) said: Said,
}

/// What it says.
pub(crate) enum Said {
    Update {
        update: Box<Update>,
        standing: Standing,
    },
    /// Whether views heed it.
    Retraction {
        retraction: Retraction,
        is_effective: bool,
    },
    /// The record did not come.
    Absent,
}

impl Document {
    pub(crate) fn new(answer: Answer) -> Self {
        let record = answer
            .record
            .as_ref()
            .and_then(|bytes| match Record::decode(bytes) {
                Ok(Record::Canonical(canonical)) => Some(canonical),
                _ => None,
            });
        let decoded = answer.updates.iter().map(|(cid, bytes)| {
            (
                *cid,
                bytes.as_ref().and_then(|bytes| Record::decode(bytes).ok()),
            )
        });
        let decoded: BTreeMap<_, _> = decoded.collect();
        let placed = place(
            decoded
                .iter()
                .filter_map(|(cid, record)| Some((*cid, record.as_ref()?))),
        );
        let standings: Standings = placed
            .iter()
            .map(
                |Placed {
                     id,
                     update,
                     standing,
                 }| (*id, (*standing, update.publisher)),
            )
            .collect();
        let statements = decoded.into_iter().map(|(cid, record)| Statement {
            cid,
            said: Said::new(&cid, record, &standings),
        });
        let mut statements: Vec<_> = statements.collect();
        statements
            .sort_by_key(|statement| (statement.timestamp_ms().unwrap_or(u64::MAX), statement.cid));
        Self {
            answer,
            record,
            statements,
        }
    }

    /// What to call it: the name in the newest head that has one, else an identifier.
    pub(crate) fn name(&self) -> Option<&str> {
        let heads = self
            .statements
            .iter()
            .rev()
            .filter(|statement| statement.is_head());
        heads
            .filter_map(|statement| statement.update()?.name.as_deref())
            .next()
    }
}

/// Where each update stands, and whose it is.
type Standings = BTreeMap<RecordId, (Standing, PublicKey)>;

impl Said {
    fn new(cid: &RecordId, record: Option<Record>, standings: &Standings) -> Self {
        match record {
            Some(Record::Update(update)) => Self::Update {
                update: Box::new(update),
                standing: standings
                    .get(cid)
                    .map_or(Standing::Head, |(standing, _)| *standing),
            },
            Some(Record::Retraction(retraction)) => {
                let target = standings.get(&retraction.target);
                let is_own = |(_, publisher): &(_, PublicKey)| *publisher == retraction.publisher;
                Self::Retraction {
                    is_effective: target.is_some_and(is_own),
                    retraction,
                }
            }
            Some(Record::Canonical(_)) | None => Self::Absent,
        }
    }
}

impl Statement {
    pub(crate) fn update(&self) -> Option<&Update> {
        match &self.said {
            Said::Update { update, .. } => Some(update),
            _ => None,
        }
    }

    pub(crate) fn is_head(&self) -> bool {
        matches!(
            self.said,
            Said::Update {
                standing: Standing::Head,
                ..
            }
        )
    }

    pub(crate) fn publisher(&self) -> Option<PublicKey> {
        match &self.said {
            Said::Update { update, .. } => Some(update.publisher),
            Said::Retraction { retraction, .. } => Some(retraction.publisher),
            Said::Absent => None,
        }
    }

    pub(crate) fn timestamp_ms(&self) -> Option<u64> {
        match &self.said {
            Said::Update { update, .. } => Some(update.timestamp_ms),
            Said::Retraction { retraction, .. } => Some(retraction.timestamp_ms),
            Said::Absent => None,
        }
    }

    /// In one word what it is today.
    pub(crate) const fn standing(&self) -> &'static str {
        match &self.said {
            Said::Update {
                standing: Standing::Head,
                ..
            } => "head",
            Said::Update {
                standing: Standing::Replaced,
                ..
            } => "replaced",
            Said::Update {
                standing: Standing::Retracted,
                ..
            } => "retracted",
            Said::Retraction {
                is_effective: true, ..
            } => "retraction",
            Said::Retraction {
                is_effective: false,
                ..
            } => "opinion",
            Said::Absent => "absent",
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use ipld_core::ipld::Ipld;
    use kittengrad_proto::record::CanonicalType;

    use super::*;

    pub(super) const TATE: PublicKey = PublicKey::new([1; 32]);
    const CMOA: PublicKey = PublicKey::new([2; 32]);

    pub(super) fn canonical() -> (RecordId, Bytes) {
        let canonical = Canonical::identified(CanonicalType::Artefact, "tate:artwork:1".to_owned());
        named(&Record::Canonical(canonical))
    }

    fn named(record: &Record) -> (RecordId, Bytes) {
        let bytes = record.encode().unwrap();
        (RecordId::of(&bytes), bytes)
    }

    pub(super) fn update(
        publisher: PublicKey,
        timestamp_ms: u64,
        previous: &[RecordId],
    ) -> (RecordId, Bytes) {
        named(&Record::Update(Update {
            reference: canonical().0,
            publisher,
            timestamp_ms,
            name: Some(format!("said at {timestamp_ms}")),
            meta: BTreeMap::from([("width".to_owned(), Ipld::Float(91.0))]),
            previous: previous.to_vec(),
            links: Vec::new(),
            salt: None,
        }))
    }

    fn retraction(publisher: PublicKey, target: RecordId) -> (RecordId, Bytes) {
        let reference = canonical().0;
        named(&Record::Retraction(Retraction {
            reference,
            target,
            publisher,
            timestamp_ms: 9,
        }))
    }

    pub(super) fn document(
        updates: impl IntoIterator<Item = (RecordId, Option<Bytes>)>,
    ) -> Document {
        let (cid, record) = canonical();
        Document::new(Answer {
            canonical: cid,
            exists: true,
            record: Some(record),
            updates: updates.into_iter().collect(),
            answered_by: Vec::new(),
            complete: true,
        })
    }

    pub(super) fn some((cid, bytes): &(RecordId, Bytes)) -> (RecordId, Option<Bytes>) {
        (*cid, Some(bytes.clone()))
    }

    #[test]
    fn statements_are_in_the_order_of_time_and_say_what_they_are_today() {
        let first = update(TATE, 5, &[]);
        let second = update(TATE, 7, &[first.0]);
        let other = update(CMOA, 6, &[]);
        let (heeded, ignored) = (retraction(CMOA, other.0), retraction(CMOA, second.0));
        let lost = RecordId::new([7; 32]);
        let all = [&first, &second, &other, &heeded, &ignored].map(some);
        let document = document(all.into_iter().chain([(lost, None)]));

        let standings: Vec<_> = document
            .statements
            .iter()
            .map(Statement::standing)
            .collect();
        assert_eq!(standings[..3], ["replaced", "retracted", "head"]);
        assert_eq!(standings[5], "absent");
        let mut retractions = [standings[3], standings[4]];
        retractions.sort_unstable();
        assert_eq!(retractions, ["opinion", "retraction"]);
        assert_eq!(document.name(), Some("said at 7"));
    }
}
