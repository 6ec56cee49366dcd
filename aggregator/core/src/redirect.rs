//! Where a source is read on that cannot go on from where we are.

use kittengrad_journal::Follower;
use kittengrad_proto::cursor::Cursor;

/// A source answers our cursor with another `start`. Whether to begin there: only in a newer journal of the source
/// than the one that was `taken` in last.
///
/// That is also how a source goes on that lost blocks which we have: it says that our cursor is in the future of the
/// incarnation that it lost them of, and where the next one begins. Within an incarnation there is nothing to begin
/// with; what we have is on disk, and the source is waited for.
#[must_use]
pub fn redirect(start: Cursor, taken: Option<Follower>) -> Option<Cursor> {
    let is_newer = taken.is_none_or(|taken| start.incarnation > taken.cursor().incarnation);
    is_newer.then_some(start)
}

#[cfg(test)]
mod tests {
    use kittengrad_proto::{
        block::Head,
        id::{Id, PublicKey},
    };

    use super::*;

    #[test]
    fn only_a_newer_journal_is_begun() {
        let journal = PublicKey::new([1; 32]);
        let start = |incarnation| Cursor {
            journal,
            incarnation,
            height: None,
        };
        let head = Head {
            incarnation: 5,
            height: 9,
            hash: Id::ZERO,
        };
        let taken = Some(Follower::after(journal, head, 1));
        assert_eq!(redirect(start(6), taken), Some(start(6)));
        assert_eq!(redirect(start(5), taken), None);
        assert_eq!(redirect(start(4), taken), None);
        assert_eq!(redirect(start(4), None), Some(start(4)));
    }
}
