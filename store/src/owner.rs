//! The owner of a directory: one peer or aggregator of one namespace of one network.

use std::fmt;

use kittengrad_proto::{
    id::{Id, PublicKey},
    namespace::Overlay,
};

/// The owner of a store: a peer or an aggregator. Written once, when the store is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Network and namespace.
    pub overlay: Overlay,
    /// The key that signs the journal.
    pub key: PublicKey,
}

impl Owner {
    /// Network, key and namespace, concatenated.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let overlay = &self.overlay;
        [
            overlay.network.as_bytes(),
            &self.key.as_bytes()[..],
            overlay.namespace.as_str().as_bytes(),
        ]
        .concat()
    }

    /// Decodes the bytes of [`Owner::encode`]. `None` if they are malformed.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (network, rest) = bytes.split_first_chunk()?;
        let (key, namespace) = rest.split_first_chunk()?;
        let namespace = str::from_utf8(namespace).ok()?.parse().ok()?;
        let overlay = Overlay {
            network: Id::new(*network),
            namespace,
        };
        Some(Self {
            overlay,
            key: PublicKey::new(*key),
        })
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Overlay { network, namespace } = &self.overlay;
        write!(
            f,
            "{} of namespace {namespace} of network {network}",
            self.key
        )
    }
}
