//! Actions that only a faulty or hostile partner takes.

use kittengrad_journal::FollowError;
use kittengrad_proto::{block::CellsError, id::Id, receipt::ReceiptError};
use thiserror::Error;

/// A violation of the protocol by a partner. The message in question was ignored.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Misbehaviour {
    /// Its hello names another key than the link's, or another ring.
    #[error("its hello names another key or ring")]
    ForeignHello,
    /// It shows a head of this peer's journal without this peer's signature.
    #[error("it shows a head that this peer never signed")]
    InventedHead,
    /// Its heartbeat names another key than the link's, or is forged.
    #[error("its heartbeat names another key or has a wrong signature")]
    ForeignHeartbeat,
    /// A block breaks a rule of its journal, for example does not continue it.
    #[error("its journal: {0}")]
    Journal(#[from] FollowError),
    /// An item of its journal is refuted by the transaction that it lists: a wrong cell bit, or an element outside the
    /// arcs that the partner holds.
    #[error("its journal lists transaction {id} wrongly: {error}")]
    Cells {
        /// The transaction.
        id: Id,
        /// The broken rule.
        error: CellsError,
    },
    /// It confirms a transaction without an entry that it holds.
    #[error("it confirms a transaction that it does not hold")]
    ConfirmsUnheld,
    /// A proof in a confirmation is wrong.
    #[error("its confirmation: {0}")]
    Proof(#[from] ReceiptError),
    /// A confirmation leaves out an element that the partner holds.
    #[error("it does not prove every element that it confirms")]
    ConfirmsPart,
}
