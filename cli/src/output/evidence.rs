//! Evidence, as a sentence.

use kittengrad_proto::{evidence::Evidence, signed::Ed25519};

/// Says who broke which rule. `None` if the evidence convicts nobody.
pub(crate) fn told(evidence: &Evidence) -> Option<String> {
    let rule = evidence.check(&Ed25519).ok()?;
    let accused = evidence.accused();
    Some(format!(
        "{accused} broke a rule by its own signature: {rule}"
    ))
}
