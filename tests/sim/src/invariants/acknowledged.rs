//! Acknowledged is never lost (S1). At the acknowledgement an element is on as many disks as the client asked for.
//! Later it is on at least one disk, whatever happens to the others, and at the end on all replicas.

use std::collections::BTreeMap;

use kittengrad_journal::ElementStore as _;
use kittengrad_proto::{
    id::{Id, RecordId},
    transaction::{Element, Transaction},
};

use super::{Replica, Verdict, check};
use crate::{peer::Machine, story::Request};

const NAME: &str = "acknowledged";
const SOURCE: &str = "S1";

/// A transaction whose client got an acknowledgement.
#[derive(Debug, Clone)]
pub(crate) struct Acked {
    pub(crate) at_us: u64,
    pub(crate) id: Id,
    pub(crate) elements: Vec<Element>,
}

/// All acknowledged transactions.
#[derive(Debug, Default)]
pub(crate) struct Acknowledged {
    pub(crate) all: Vec<Acked>,
    /// The time of the first acknowledgement of each element, by canonical, in microseconds.
    pub(crate) of: BTreeMap<RecordId, BTreeMap<Element, u64>>,
}

impl Acknowledged {
    pub(super) fn add(&mut self, transaction: &Transaction, at_us: u64) {
        let id = transaction.id();
        let elements: Vec<_> = transaction.elements().collect();
        for element in &elements {
            let of = self.of.entry(element.canonical).or_default();
            of.entry(*element).or_insert(at_us);
        }
        self.all.push(Acked {
            at_us,
            id,
            elements,
        });
    }

    /// Checks that each acknowledged element of a disk that lost data is on another disk.
    pub(super) fn survives(&self, machines: &[Machine], lost: usize) -> Verdict {
        let view = &machines[lost].view;
        let held = self.of.iter().filter(|(id, _)| view.holds_here(id));
        for (canonical, elements) in held {
            for element in elements.keys() {
                let is_left = holders(machines, canonical).any(|machine| has(machine, *element));
                check(is_left, NAME, SOURCE, || {
                    format!("{element:?} was acknowledged and is on no disk")
                })?;
            }
        }
        Ok(())
    }

    /// Checks that all replicas have every acknowledged element.
    pub(crate) fn is_everywhere(&self, replicas: &[Replica<'_>]) -> Verdict {
        for acked in &self.all {
            for element in &acked.elements {
                let canonical = &element.canonical;
                for replica in replicas.iter().filter(|it| it.view.holds_here(canonical)) {
                    let is_there = replica.disk.contains(&[*element]) == Ok(vec![true]);
                    check(is_there, NAME, SOURCE, || {
                        let (id, owner) = (acked.id, replica.owner());
                        format!("{id:?} was acknowledged, and peer {owner:?} lacks {element:?}")
                    })?;
                }
            }
        }
        Ok(())
    }
}

/// The machines of a canonical's replicas.
fn holders<'m>(
    machines: &'m [Machine],
    canonical: &'m RecordId,
) -> impl Iterator<Item = &'m Machine> {
    machines
        .iter()
        .filter(|machine| machine.view.holds_here(canonical))
}

fn has(machine: &Machine, element: Element) -> bool {
    machine.disk.sound().contains(&[element]) == Ok(vec![true])
}

/// Checks that enough disks of each cell have the elements of a request. `heard` returns the arrival of a machine's
/// last confirmation.
pub(super) fn is_on_disks(
    machines: &[Machine],
    request: &Request,
    heard: impl Fn(&Machine) -> Option<u64>,
    needed: impl Fn(usize) -> usize,
) -> Verdict {
    for element in request.publication.elements() {
        let replicas: Vec<_> = holders(machines, &element.canonical).collect();
        let is_there = |machine: &&&Machine| {
            // A disk may be lost while the answer or its own confirmation is on its way.
            let is_lost = machine.lost_us.is_some_and(|lost_us| {
                lost_us >= request.asked_us || heard(machine) >= Some(request.asked_us)
            });
            is_lost || has(machine, element)
        };
        let count = replicas.iter().filter(is_there).count();
        check(count >= needed(replicas.len()), NAME, SOURCE, || {
            let id = request.publication.id();
            format!("{id:?} is acknowledged, {element:?} is on {count} disks")
        })?;
    }
    Ok(())
}
