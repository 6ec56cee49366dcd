//! Replicas agree (S3): their sets are equal once all peers run and reach each other.

use std::collections::BTreeMap;

use kittengrad_proto::{id::PublicKey, transaction::Element};

use crate::peer::Machine;

/// Returns the reasons why the machines do not agree; none once they converged.
pub(crate) fn differences(machines: &[Machine]) -> Vec<String> {
    let mut differences = Vec::new();
    for machine in machines {
        let Some(process) = &machine.process else {
            differences.push(format!("{:?} does not run", machine.key()));
            continue;
        };
        let status = process.driver.status();
        if !status.is_open || !status.is_settled || status.missing > 0 {
            let key = machine.key();
            differences.push(format!("{key:?} is at {status:?}"));
        }
    }
    if !differences.is_empty() {
        // Comparing sets takes longer, so it comes last.
        return differences;
    }
    let mut union: BTreeMap<Element, Vec<PublicKey>> = BTreeMap::new();
    for machine in machines {
        for element in machine.disk.elements() {
            let holders = union.entry(element).or_default();
            holders.push(machine.key());
        }
    }
    for (element, holders) in union {
        let replicas = machines[0].view.keys_holding(&element.canonical).len();
        if holders.len() < replicas {
            differences.push(format!("{element:?} is only on {holders:?}"));
        }
    }
    differences
}
