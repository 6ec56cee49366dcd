//! The family of certificate chains, under their id.

use bytes::Bytes;
use kittengrad_proto::id::Id;

use crate::store::StoreError;

/// The certificate chains that a journal's owner keeps.
pub trait ChainStore {
    /// The bytes of a certificate chain. `None` if it is not here.
    ///
    /// # Errors
    /// If the store cannot tell.
    fn chain(&self, id: &Id) -> Result<Option<Bytes>, StoreError>;
}
