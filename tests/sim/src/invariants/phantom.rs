//! Nothing is invented (S2): a client sent every journalled element, and each record has the hash of its name.

use std::collections::BTreeSet;

use kittengrad_journal::Write;
use kittengrad_proto::{
    id::RecordId,
    transaction::{Element, Transaction},
};

use super::{Verdict, check};

/// The elements of all transactions that clients sent.
#[derive(Debug, Default)]
pub(super) struct Known(BTreeSet<Element>);

impl Known {
    pub(super) fn says(&mut self, transaction: &Transaction) {
        self.0.extend(transaction.elements());
    }

    pub(super) fn check(&self, element: &Element) -> Verdict {
        check(self.0.contains(element), "phantom", "S2", || {
            format!("no client sent {element:?}")
        })
    }

    pub(super) fn commits(&self, writes: &[Write]) -> Verdict {
        for write in writes {
            match write {
                Write::Element(element, _) => self.check(element)?,
                Write::Record(id, bytes) => {
                    check(RecordId::of(bytes) == *id, "phantom", "S2", || {
                        format!("record {id} has the bytes of another record")
                    })?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}
