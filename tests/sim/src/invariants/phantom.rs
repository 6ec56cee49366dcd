//! Nothing is invented (S2): whatever is journalled anywhere, some client said, and its bytes are those of its name.

use std::collections::BTreeSet;

use kittengrad_journal::Write;
use kittengrad_proto::{id::RecordId, transaction::Element};

use super::{Verdict, check};
use crate::publisher::Said;

/// Everything that anybody ever said.
#[derive(Debug, Default)]
pub(super) struct Known(BTreeSet<Element>);

impl Known {
    pub(super) fn says(&mut self, said: &Said) {
        self.0.extend(said.submission.transaction.elements());
    }

    pub(super) fn commits(&self, writes: &[Write]) -> Verdict {
        for write in writes {
            match write {
                Write::Element(element, _) => {
                    check(self.0.contains(element), "phantom", "S2", || {
                        format!("nobody ever said {element:?}")
                    })?;
                }
                Write::Record(id, bytes) => {
                    check(RecordId::of(bytes) == *id, "phantom", "S2", || {
                        format!("record {id} has the bytes of another")
                    })?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}
