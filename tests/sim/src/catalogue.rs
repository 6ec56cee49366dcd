//! The planted bugs, each with the invariants that catch it and the number of seeds that show it.

use kittengrad_plants::{Plant, Plants};

use crate::{faults::Kind, invariants::Violation, run::Plan, story::planted};

/// A story for a network with planted bugs. Returns the broken promise, if any.
pub type Story = fn(Plants) -> Option<Violation>;

/// The entry of a planted bug.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// The planted bug.
    pub plant: Plant,
    /// The invariants that catch it. The seed decides which one is first.
    pub invariants: &'static [&'static str],
    /// The bug shows within this many seeds, counted from 0; 0 if a story shows it.
    pub seeds: u64,
    /// The kinds of faults of its seeds. If empty, each seed draws them.
    pub kinds: &'static [Kind],
    /// The story that shows it, if seeds do so too rarely.
    pub story: Option<Story>,
    /// The number of peers and of copies of each cell. If `None`, each seed draws them.
    pub size: Option<(usize, u8)>,
}

impl Known {
    /// Draws the plan of a seed with this bug planted.
    #[must_use]
    pub fn draw(&self, seed: u64) -> Plan {
        let mut plan = Plan::draw(seed).planted(Plants::only(self.plant));
        if !self.kinds.is_empty() {
            plan.only(self.kinds);
        }
        if let Some((peers, replicas)) = self.size {
            (plan.shape.peers, plan.shape.replicas) = (peers, replicas);
        }
        plan
    }
}

/// Returns the entry of a planted bug.
///
/// # Panics
/// If the catalogue lacks the bug; a test checks that it lacks none.
#[must_use]
pub fn of(plant: Plant) -> Known {
    let mut all = ALL.into_iter();
    all.find(|known| known.plant == plant)
        .expect("the catalogue has all")
}

/// The entries of all planted bugs.
pub const ALL: [Known; Plant::ALL.len()] = [
    known(Plant::QuorumOneShort, &["acknowledged"], 10),
    known(Plant::AllIsQuorum, &["acknowledged"], 10),
    known(Plant::AnyCell, &["acknowledged"], 10),
    known(Plant::LateIsAcked, &["acknowledged"], 10),
    under(
        known(Plant::JoinedByOld, &["acknowledged"], 120),
        &[Kind::Wipe, Kind::Cut, Kind::Disconnect, Kind::SlowDisk],
    ),
    known(Plant::ReceiptNamesAll, &["receipt"], 10),
    known(Plant::WaitingBytesKept, &["bounded"], 10),
    known(Plant::ConfirmBeforeSync, &["sync-first"], 10),
    known(Plant::PublishBeforeSync, &["sync-first"], 10),
    known(Plant::HeartbeatBeforeSync, &["sync-first"], 10),
    known(
        Plant::CursorBeforeApply,
        &["positions", "progress", "settled", "through"],
        20,
    ),
    known(Plant::CursorOffByOne, &["progress"], 10),
    known(Plant::WaitsAcrossLinks, &["progress"], 30),
    known(
        Plant::PartIsWhole,
        &["settled", "positions", "progress", "through"],
        10,
    ),
    known(
        Plant::PartNotKept,
        &["progress", "positions", "through"],
        40,
    ),
    known(
        Plant::CellOverwritten,
        &["progress", "positions", "settled", "through", "innocent"],
        20,
    ),
    known(Plant::RepeatUnconfirmed, &["progress"], 50),
    known(Plant::ChainNotKept, &["progress"], 10),
    under(
        known(Plant::OldDiskNotReread, &["progress", "through"], 100),
        &[Kind::Restore, Kind::Wipe, Kind::ClientKill],
    ),
    known(Plant::AnswerWhileFilling, &["settled", "looked-up"], 20),
    known(Plant::SettleEarly, &["settled"], 10),
    known(Plant::SettledForever, &["settled"], 20),
    sized(
        told(
            Plant::SettleByFilling,
            &["settled"],
            planted::filling_neighbours,
        ),
        5,
        5,
    ),
    known(Plant::SignBeforePartners, &["one-block"], 10),
    known(Plant::StartAlone, &["one-block"], 120),
    under(
        known(Plant::StartHasty, &["one-block"], 20),
        &[Kind::Restore, Kind::Lie],
    ),
    told(
        Plant::LateAnswerIgnored,
        &["one-block"],
        planted::late_witness,
    ),
    known(Plant::ResumeContradicted, &["one-block"], 10),
    known(Plant::IncarnationReused, &["one-block"], 10),
    known(Plant::SeenNotTold, &["one-block"], 10),
    under(
        known(Plant::SeenNotKept, &["one-block"], 20),
        &[Kind::Restore, Kind::Lie],
    ),
    known(Plant::TimeGoesBack, &["linked"], 10),
    known(Plant::RecordsLate, &["explained"], 10),
    known(Plant::RepeatOfStored, &["exactly-once"], 10),
    known(Plant::RepeatOfPending, &["explained", "exactly-once"], 10),
    known(Plant::OffsetCountsItems, &["linked"], 10),
    told(
        Plant::AggregatorCursorEarly,
        &["merged", "through"],
        planted::more_than_one_block,
    ),
    known(Plant::AggregatorEmitsWhole, &["merged"], 10),
    told(
        Plant::AggregatorForgetsAbsent,
        &["absent"],
        planted::records_of_no_source,
    ),
    told(
        Plant::AggregatorOldDisk,
        &["progress", "through"],
        planted::old_disk_of_a_source,
    ),
    known(Plant::ItemsPassUnread, &["merged"], 10),
    known(Plant::AggregatorResumes, &["one-block"], 20),
    known(Plant::OneReplicaSuffices, &["complete"], 10),
    known(Plant::BestWordCounts, &["through"], 10),
    known(Plant::HeadBeforeQuestion, &["complete"], 10),
    known(
        Plant::FillingVouches,
        &["through", "established", "complete"],
        170,
    ),
    known(Plant::CompleteFromHeads, &["through", "established"], 10),
    known(Plant::VouchedBeforeRead, &["through", "established"], 10),
    told(
        Plant::ThroughWithoutHash,
        &["through", "established"],
        planted::second_head,
    ),
    told(
        Plant::RangeUnchecked,
        &["merged"],
        planted::elements_of_others,
    ),
    known(Plant::CheckpointAnswered, &["quiet", "no-panic"], 10),
    known(Plant::CheckpointGoesBack, &["innocent", "progress"], 10),
    known(Plant::BlockTreeSkips, &["block-tree", "no-panic"], 10),
    known(Plant::UncoveredForgotten, &["progress"], 20),
    known(Plant::ThroughBeforeApply, &["through"], 10),
    known(Plant::IndexCursorFirst, &["indexed"], 10),
    known(Plant::IndexUnknownDropped, &["indexed"], 10),
    known(Plant::IndexDigestGrows, &["indexed"], 10),
];

const fn known(plant: Plant, invariants: &'static [&'static str], seeds: u64) -> Known {
    Known {
        plant,
        invariants,
        seeds,
        kinds: &[],
        size: None,
        story: None,
    }
}

const fn under(known: Known, kinds: &'static [Kind]) -> Known {
    Known { kinds, ..known }
}

const fn sized(known: Known, peers: usize, replicas: u8) -> Known {
    let size = Some((peers, replicas));
    Known { size, ..known }
}

const fn told(plant: Plant, invariants: &'static [&'static str], story: Story) -> Known {
    let story = Some(story);
    Known {
        story,
        ..known(plant, invariants, 0)
    }
}
