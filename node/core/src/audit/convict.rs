//! Convicting: evidence that partners show of themselves or of others is checked and kept.

use kittengrad_journal::{Blame, Shown};
use kittengrad_proto::{evidence::Evidence, id::PublicKey};

use crate::{
    io::{Event, Output},
    scope::Scope,
};

/// Keeps evidence that `by` showed, if it convicts the accused. Two pieces are kept against each key.
pub(crate) fn convict(
    scope: Scope<'_>,
    blame: &mut Blame,
    by: PublicKey,
    evidence: Evidence,
    out: &mut Output,
) {
    let at_ms = scope.now.wall_ms;
    let shown = Shown {
        evidence,
        by,
        at_ms,
    };
    if let Ok(Some((rule, write))) = blame.add(&shown, &*scope.config.verifier) {
        out.writes.push(write);
        out.events.push(Event::Convicted {
            shown: Box::new(shown),
            rule,
        });
    }
}
