//! Adding verified transactions to the block under construction.

use kittengrad_journal::{self as journal, JournalError};
use kittengrad_plants::Plant;
use kittengrad_proto::{certificate::Chain, id::RecordId, submission::Submission};

use crate::{
    birth::life::Life,
    catch_up::known::Known,
    io::{Fatal, Output},
    round::Round,
    scope::Scope,
    write::acks::Added,
};

/// A transaction was not added.
pub(crate) enum AddError {
    /// The journal is not open yet.
    Starting,
    /// A record of the transaction is missing.
    Refused(String),
    /// The store failed.
    Fatal(Fatal),
}

impl<E: Into<Fatal>> From<E> for AddError {
    fn from(error: E) -> Self {
        Self::Fatal(error.into())
    }
}

/// Adds transactions to the journal.
pub(crate) struct Adding<'a> {
    pub(crate) scope: Scope<'a>,
    pub(crate) life: &'a mut Life,
    pub(crate) known: &'a mut Known,
    pub(crate) round: &'a mut Round,
    pub(crate) out: &'a mut Output,
}

impl Adding<'_> {
    /// Adds the entries of a verified transaction that this peer holds and that `takes` accepts. If the block under
    /// construction has no room for them, cuts it first.
    pub(crate) fn add(
        &mut self,
        submission: &Submission,
        chain: &Chain,
        takes: impl Fn(&RecordId) -> bool,
    ) -> Result<Added, AddError> {
        let Scope { now, store, .. } = self.scope;
        let view = self.scope.view();
        let bytes = submission.size_bytes();
        // The journal adds nothing outside of its last `hold`.
        self.round.hold(
            self.life,
            view.arcs_here(),
            now.wall_ms,
            &mut self.out.writes,
        );
        let journal = self.life.journal().ok_or(AddError::Starting)?;
        if !journal.has_room(bytes) {
            self.round.cut(self.life, now.wall_ms, &mut self.out.writes);
        }
        let journal = self.life.journal_mut().ok_or(AddError::Starting)?;
        let takes = |canonical: &RecordId| view.holds_here(canonical) && takes(canonical);
        let added = journal
            .add(submission, takes, store)
            .map_err(|error| match error {
                JournalError::Store(error) => AddError::Fatal(error.into()),
                JournalError::MissingRecord(_) => AddError::Refused(error.to_string()),
            })?;
        let is_new = self.known.note_chain(chain.id()) && !self.scope.has(Plant::ChainNotKept);
        if is_new && store.chain(&chain.id())?.is_none() {
            let publisher = submission.transaction.publisher();
            self.out
                .writes
                .extend(journal::keep_chain(chain, publisher));
        }
        Ok(Added {
            bitmap: added.bitmap,
            created: added.created,
        })
    }
}
