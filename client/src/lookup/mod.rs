//! Lookups: the sets of canonicals, merged from as many replicas as requested, with every record checked.

mod fetch;
mod verify;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use futures::{StreamExt, stream};
use kittengrad_client_core::merge::{Merged, Reply, merge};
use kittengrad_overlay::view::View;
use kittengrad_proto::{
    block::Head,
    certificate::Holder,
    id::{PublicKey, RecordId},
    limits::LOOKUP_CANONICALS_MAX,
    wire,
};
use thiserror::Error;

use self::verify::Verified;
use crate::{ask::Asked, channel::Member, client::Client, fault::CallError};

pub use kittengrad_client_core::merge::Consistency;

/// Requests of one lookup in flight.
const REQUESTS_IN_FLIGHT: usize = 8;

/// Why a lookup has no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LookupError {
    /// No replica answered.
    #[error(
        "no replica of {canonical} answered: {last}; `kittengrad ring why {canonical}` shows its replicas"
    )]
    NoAnswer {
        /// One of the canonicals.
        canonical: RecordId,
        /// The error of the last replica.
        last: CallError,
    },
    /// No peer holds the canonical, because the network has no peer.
    #[error("no peer holds {canonical}")]
    NoHolder {
        /// One of the canonicals.
        canonical: RecordId,
    },
}

/// A replica that answered, and its head at that time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnsweredBy {
    /// The replica.
    pub peer: PublicKey,
    /// Incarnation of its journal.
    pub incarnation: u64,
    /// Height of its journal.
    pub height: u64,
}

/// The merged set of one canonical.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The canonical.
    pub canonical: RecordId,
    /// Whether a replica has an element of it.
    pub exists: bool,
    /// Its record, if requested and if a replica has it.
    pub record: Option<Bytes>,
    /// Updates and retractions, each with its record if requested and if a replica has it.
    pub updates: BTreeMap<RecordId, Option<Bytes>>,
    /// The replicas that answered, each once.
    pub answered_by: Vec<AnsweredBy>,
    /// Whether enough replicas answered: as many as requested, and enough to see every write that a quorum
    /// acknowledged.
    pub complete: bool,
}

impl Answer {
    /// Updates whose records no replica returned. If records were requested, the content of these is unknown.
    pub fn absent_records(&self) -> impl Iterator<Item = &RecordId> {
        self.updates
            .iter()
            .filter(|(_, record)| record.is_none())
            .map(|(id, _)| id)
    }
}

/// Canonicals of one cell of which no replica answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unanswered {
    /// The canonicals.
    pub canonicals: Vec<RecordId>,
    /// The error.
    pub error: LookupError,
}

/// Answers in the order of the question, and the publishers in them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answers {
    /// One per canonical.
    pub answers: Vec<Answer>,
    /// Holders by their keys, from verified certificates, for the records in the answers.
    pub publishers: BTreeMap<PublicKey, Holder>,
}

impl Client {
    /// Looks canonicals up at their replicas and merges the answers.
    ///
    /// If fewer replicas answer than `consistency` requires, the answers are not `complete`.
    ///
    /// # Errors
    /// [`LookupError`] if no replica of a canonical answered.
    pub async fn lookup(
        &self,
        canonicals: &[RecordId],
        consistency: Consistency,
        records: bool,
    ) -> Result<Answers, LookupError> {
        let (found, mut unanswered) = self.lookup_each(canonicals, consistency, records).await;
        match unanswered.pop() {
            Some(Unanswered { error, .. }) => Err(error),
            None => Ok(found),
        }
    }

    /// Like [`Client::lookup`], but a cell without an answer does not hide the other answers: its canonicals are
    /// returned separately.
    pub async fn lookup_each(
        &self,
        canonicals: &[RecordId],
        consistency: Consistency,
        records: bool,
    ) -> (Answers, Vec<Unanswered>) {
        let view = self.view();
        let mut by_owner: BTreeMap<_, BTreeSet<RecordId>> = BTreeMap::new();
        for canonical in canonicals {
            // If every member holds everything, one question covers all cells.
            let owner = (!view.is_everywhere()).then(|| view.ring().owner(canonical.point()));
            by_owner.entry(owner).or_default().insert(*canonical);
        }
        let questions = by_owner.into_values().flat_map(|canonicals| {
            let canonicals: Vec<_> = canonicals.into_iter().collect();
            canonicals
                .chunks(LOOKUP_CANONICALS_MAX)
                .map(<[_]>::to_vec)
                .collect::<Vec<_>>()
        });
        let parts: Vec<_> = stream::iter(questions)
            .map(|question| async move {
                let found = self.lookup_together(&question, consistency, records).await;
                (question, found)
            })
            .buffer_unordered(REQUESTS_IN_FLIGHT)
            .collect()
            .await;
        let (mut found, mut publishers) = (BTreeMap::new(), BTreeMap::new());
        let mut unanswered = Vec::new();
        for (canonicals, part) in parts {
            let part = match part {
                Ok(part) => part,
                Err(error) => {
                    unanswered.push(Unanswered { canonicals, error });
                    continue;
                }
            };
            found.extend(
                part.answers
                    .into_iter()
                    .map(|answer| (answer.canonical, answer)),
            );
            publishers.extend(part.publishers);
        }
        let answers = canonicals
            .iter()
            .filter_map(|canonical| found.get(canonical).cloned())
            .collect();
        let found = Answers {
            answers,
            publishers,
        };
        (found, unanswered)
    }

    /// Looks canonicals up at one peer or aggregator alone.
    ///
    /// # Errors
    /// [`CallError`] if it gives no good answer.
    pub async fn lookup_at(
        &self,
        peer: &PublicKey,
        canonicals: &[RecordId],
        records: bool,
    ) -> Result<Answers, CallError> {
        let mut all = Answers::default();
        for question in canonicals.chunks(LOOKUP_CANONICALS_MAX) {
            let member = self.member(peer)?;
            let verified = self
                .attempt(*peer, self.lookup_once(&member, question, records))
                .await?;
            let mut answers = self.merged(question, &[(*peer, verified)], Consistency::One);
            if records {
                self.complete_records(&mut answers, &[*peer]).await;
            }
            all.answers.extend(answers.answers);
            all.publishers.extend(answers.publishers);
        }
        Ok(all)
    }

    /// Looks up canonicals of the same replicas, in one request to each replica.
    async fn lookup_together(
        &self,
        canonicals: &[RecordId],
        consistency: Consistency,
        records: bool,
    ) -> Result<Answers, LookupError> {
        let route = |view: &View| {
            let holders = view.holders_of_all(canonicals);
            let needed = consistency.needed(holders.len(), view.replication());
            (holders, needed)
        };
        // One replica sends the records, the others only the sets. Missing records are fetched by their names
        // afterwards.
        let records_wanted = AtomicBool::new(records);
        let ask = |member: Member| {
            let records_wanted = &records_wanted;
            async move {
                let with_records = records_wanted.swap(false, Ordering::AcqRel);
                let answer = self.lookup_once(&member, canonicals, with_records).await;
                if with_records && answer.is_err() {
                    records_wanted.store(true, Ordering::Release);
                }
                answer
            }
        };
        let Asked {
            answers,
            mut errors,
            ..
        } = self.ask(self.read_patience(), route, ask).await;
        if answers.is_empty() {
            let canonical = canonicals
                .first()
                .copied()
                .unwrap_or(RecordId::new([0; 32]));
            return Err(match errors.pop() {
                Some(last) => LookupError::NoAnswer { canonical, last },
                None => LookupError::NoHolder { canonical },
            });
        }
        let mut merged = self.merged(canonicals, &answers, consistency);
        if records {
            // The replicas that answered have the sets; another one may have a missing record.
            let mut peers: Vec<_> = answers.iter().map(|(peer, _)| *peer).collect();
            let (mut others, _) = route(&self.view());
            others.retain(|holder| !peers.contains(holder));
            peers.append(&mut others);
            self.complete_records(&mut merged, &peers).await;
        }
        Ok(merged)
    }

    /// Merges the answers of several replicas to the same question.
    fn merged(
        &self,
        canonicals: &[RecordId],
        answers: &[(PublicKey, Verified)],
        consistency: Consistency,
    ) -> Answers {
        let view = self.view();
        let answer = |(index, canonical): (usize, &RecordId)| {
            let reply = |(peer, verified): &(PublicKey, Verified)| {
                let set = verified.sets.get(index)?;
                let (head, exists, updates) = (verified.head, set.exists, set.updates.clone());
                Some(Reply {
                    peer: *peer,
                    head,
                    exists,
                    updates,
                })
            };
            let replies: Vec<_> = answers.iter().filter_map(reply).collect();
            let holders: Vec<_> = view
                .holders(canonical)
                .iter()
                .map(|peer| peer.key)
                .collect();
            let Merged {
                exists,
                updates,
                answered_by,
                complete,
            } = merge(&replies, &holders, view.replication(), consistency);
            let sets = || {
                answers
                    .iter()
                    .filter_map(|(_, verified)| verified.sets.get(index))
            };
            let record = |id: &RecordId| sets().find_map(|set| set.records.get(id).cloned());
            let answered_by = answered_by.into_iter().map(|(peer, head)| {
                let Head {
                    incarnation,
                    height,
                    ..
                } = head;
                AnsweredBy {
                    peer,
                    incarnation,
                    height,
                }
            });
            Answer {
                canonical: *canonical,
                exists,
                record: record(canonical),
                updates: updates.into_iter().map(|id| (id, record(&id))).collect(),
                answered_by: answered_by.collect(),
                complete,
            }
        };
        let publishers = answers
            .iter()
            .flat_map(|(_, verified)| &verified.publishers);
        Answers {
            answers: canonicals.iter().enumerate().map(answer).collect(),
            publishers: publishers
                .map(|v| (v.holder.key, v.holder.clone()))
                .collect(),
        }
    }

    /// Asks one member and verifies its answer, page by page if a set has more updates than one answer.
    ///
    /// The head is that of the first page. Sets only grow, so the later pages are at least as new.
    async fn lookup_once(
        &self,
        member: &Member,
        canonicals: &[RecordId],
        records: bool,
    ) -> Result<Verified, CallError> {
        let mut verified = self.lookup_page(member, canonicals, None, records).await?;
        for (index, canonical) in canonicals.iter().enumerate() {
            while verified.sets[index].more {
                let after = verified.sets[index].updates.last().copied();
                let one = [*canonical];
                let page = self.lookup_page(member, &one, after, records).await?;
                verified
                    .go_on(index, page)
                    .map_err(|why| CallError::misbehaved(member.key(), why))?;
            }
        }
        Ok(verified)
    }

    /// Asks for one page: the beginning of some sets, or the set of one canonical after an update of it.
    async fn lookup_page(
        &self,
        member: &Member,
        canonicals: &[RecordId],
        after: Option<RecordId>,
        records: bool,
    ) -> Result<Verified, CallError> {
        let peer = member.key();
        let namespace = self.view().overlay().namespace.to_string();
        let request = wire::LookupRequest {
            namespace,
            canonicals: RecordId::concat(canonicals),
            records,
            after: RecordId::concat(&after),
        };
        let answer = member.store().lookup(request).await;
        let answer = answer
            .map_err(|status| self.error(peer, &status))?
            .into_inner();
        if answer.head.is_none() {
            return Err(CallError::Unreachable {
                peer,
                why: "its journal has no block yet".to_owned(),
            });
        }
        self.verify(peer, canonicals, answer)
            .map_err(|why| CallError::Misbehaved { peer, why })
    }
}
