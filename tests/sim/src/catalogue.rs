//! The planted bugs, each with the invariants that see it and the number of seeds that show it.

use kittengrad_plants::Plant;

/// What is known of a planted bug.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// Which.
    pub plant: Plant,
    /// The invariants that see it: which one is first depends on the seed.
    pub invariants: &'static [&'static str],
    /// One of so many seeds shows it, counted from 0.
    pub seeds: u64,
}

/// All of them.
pub const ALL: [Known; Plant::ALL.len()] = [
    known(Plant::QuorumOneShort, &["acknowledged"], 10),
    known(Plant::AllIsQuorum, &["acknowledged"], 10),
    known(Plant::AnyCell, &["acknowledged"], 10),
    known(Plant::LateIsAcked, &["acknowledged"], 10),
    known(Plant::ReceiptNamesAll, &["receipt"], 10),
    known(Plant::ConfirmBeforeSync, &["sync-first"], 10),
    known(Plant::PublishBeforeSync, &["sync-first"], 10),
    known(Plant::HeartbeatBeforeSync, &["sync-first"], 10),
    known(
        Plant::CursorBeforeApply,
        &["positions", "progress", "settled"],
        20,
    ),
    known(Plant::CursorOffByOne, &["progress"], 10),
    known(Plant::WaitsAcrossLinks, &["progress"], 30),
    known(
        Plant::PartIsWhole,
        &["settled", "positions", "progress"],
        10,
    ),
    known(Plant::PartNotKept, &["progress", "positions"], 40),
    known(
        Plant::HintOverwritten,
        &["progress", "positions", "settled"],
        20,
    ),
    known(Plant::RepeatUnconfirmed, &["progress"], 50),
    known(Plant::ChainNotKept, &["progress"], 10),
    known(Plant::AnswerWhileFilling, &["settled", "looked-up"], 20),
    known(Plant::SettleEarly, &["settled"], 10),
    known(Plant::SettledForever, &["settled"], 20),
    known(Plant::SignBeforePartners, &["one-block"], 10),
    known(Plant::StartAlone, &["one-block"], 160),
    known(Plant::LateAnswerIgnored, &["one-block"], 160),
    known(Plant::ResumeContradicted, &["one-block"], 10),
    known(Plant::IncarnationReused, &["one-block"], 10),
    known(Plant::SeenNotTold, &["one-block"], 10),
    known(Plant::TimeGoesBack, &["linked"], 10),
    known(Plant::RecordsLate, &["explained"], 10),
    known(Plant::RepeatOfStored, &["exactly-once"], 10),
    known(Plant::RepeatOfPending, &["explained", "exactly-once"], 10),
    known(Plant::OffsetCountsItems, &["linked"], 10),
    known(Plant::AggregatorCursorEarly, &["progress"], 30),
    known(Plant::AggregatorDropsBlocked, &["progress"], 10),
    known(Plant::IndexCursorFirst, &["indexed"], 10),
    known(Plant::IndexUnknownDropped, &["indexed"], 10),
    known(Plant::IndexDigestGrows, &["indexed"], 10),
];

const fn known(plant: Plant, invariants: &'static [&'static str], seeds: u64) -> Known {
    Known {
        plant,
        invariants,
        seeds,
    }
}
