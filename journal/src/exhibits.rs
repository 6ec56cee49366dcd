//! Exhibits: the signed parts of a journal with which a follower can accuse its owner.

use std::sync::Arc;

use kittengrad_proto::{
    block::{Block, Header},
    receipt::ItemProof,
};

/// The signed parts of a journal that a later block can contradict.
#[derive(Debug, Clone)]
pub(crate) struct Exhibits {
    last: Option<Arc<Header>>,
    /// The last header with a checkpoint.
    stated: Option<Arc<Header>>,
    hold: Option<Arc<ItemProof>>,
}

/// Followers at one position are equal, whatever they can show.
impl PartialEq for Exhibits {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Exhibits {}

impl Exhibits {
    pub(crate) const NONE: Self = Self {
        last: None,
        stated: None,
        hold: None,
    };

    /// Keeps the parts of the next block. `begins` is true for the first block of an incarnation.
    pub(crate) fn take(&mut self, block: &Block, begins: bool) {
        let header = Arc::new(block.header.detached());
        if begins {
            self.stated = None;
        }
        if header.checkpoint.is_some() {
            self.stated = Some(Arc::clone(&header));
        }
        if header.hold == header.height {
            self.hold = ItemProof::of(block, 0, None).map(Arc::new);
        }
        self.last = Some(header);
    }

    /// Forgets all but the `hold`.
    pub(crate) fn strip(&mut self) {
        (self.last, self.stated) = (None, None);
    }

    pub(crate) fn show_hold(&mut self, hold: Option<ItemProof>) {
        self.hold = hold.map(Arc::new);
    }

    /// The last header.
    pub(crate) fn last(&self) -> Option<&Header> {
        self.last.as_deref()
    }

    /// The last header with a checkpoint, in this incarnation.
    pub(crate) fn stated(&self) -> Option<&Header> {
        self.stated.as_deref()
    }

    pub(crate) fn hold(&self) -> Option<&ItemProof> {
        self.hold.as_deref()
    }
}
