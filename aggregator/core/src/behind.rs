//! Sources that are behind their heads: which of them get on, and which are slow.

use kittengrad_proto::block::Head;

use crate::signals::SourceReport;

/// The least lag of a slow source, and the time for which it did not get nearer to its head, in milliseconds.
pub const LAGS_MS: u64 = 10_000;

/// A source that is behind its head.
#[derive(Debug, Clone)]
pub(crate) struct Behind {
    position: Option<Head>,
    /// The incarnation of its head.
    incarnation: Option<u64>,
    /// The least number of blocks to its head since it lags. `None` while it is not counted.
    blocks: Option<u64>,
    /// Monotonic time in milliseconds at which it got nearer to its head, or was seen behind first.
    since_ms: u64,
}

impl Behind {
    /// Looks at a source. `before` is the last look, if it was behind then.
    pub(crate) fn of(source: &SourceReport, before: Option<&Self>, now_ms: u64) -> Self {
        let found = Self {
            position: source.position,
            incarnation: source.head.map(|head| head.incarnation),
            blocks: blocks_to_head(source),
            since_ms: now_ms,
        };
        let Some(before) = before.filter(|before| before.incarnation == found.incarnation) else {
            return found;
        };
        let last = before.position;
        // Progress alone is not enough: a source of one block in a few seconds falls further and further behind.
        let is_nearer = match (before.blocks, found.blocks) {
            (Some(before), Some(now)) => now < before,
            (None, None) => source.position != last,
            (None, Some(_)) => true,
            (Some(_), None) => false,
        };
        // Blocks of it wait here, so we are the slow one.
        let gets_on = is_nearer || source.queued > 0;
        Self {
            since_ms: match gets_on {
                true => now_ms,
                false => before.since_ms,
            },
            blocks: match gets_on || !lags(source) {
                true => found.blocks,
                false => before.blocks,
            },
            ..found
        }
    }

    /// Whether we have nothing that it signed lately, and do not get nearer to its head.
    pub(crate) fn is_slow(&self, source: &SourceReport, now_ms: u64) -> bool {
        lags(source) && now_ms.saturating_sub(self.since_ms) >= LAGS_MS
    }
}

fn lags(source: &SourceReport) -> bool {
    source.lag_ms.is_none_or(|lag_ms| lag_ms >= LAGS_MS)
}

/// The number of blocks after our position up to the head. `None` if they are of several incarnations, or unknown.
fn blocks_to_head(source: &SourceReport) -> Option<u64> {
    let (position, head) = (source.position?, source.head?);
    let is_same = position.incarnation == head.incarnation;
    is_same.then(|| head.height.saturating_sub(position.height))
}

#[cfg(test)]
mod tests {
    use kittengrad_proto::id::{Id, PublicKey};
    use kittengrad_ring::{KeyRange, Point};

    use super::*;
    use crate::{plan::Mode, signals::SourceState};

    /// A look at a source: incarnation and height of our position and of its head, lag and queued blocks.
    struct Look {
        position: (u64, u64),
        head: (u64, u64),
        lag_ms: u64,
        queued: usize,
    }

    fn report(look: &Look) -> SourceReport {
        let at = |(incarnation, height)| Head {
            incarnation,
            height,
            hash: Id::ZERO,
        };
        SourceReport {
            source: PublicKey::new([1; 32]),
            arc: KeyRange::new(Point::ZERO, Point::ZERO),
            mode: Mode::Read,
            state: SourceState::Behind,
            position: Some(at(look.position)),
            head: Some(at(look.head)),
            head_time_ms: None,
            is_settled: true,
            lag_ms: Some(look.lag_ms),
            queued: look.queued,
            reason: None,
        }
    }

    /// The first second in which a source is slow, of a minute with a look in each second.
    fn slow_at(look: impl Fn(u64) -> Look) -> Option<u64> {
        let mut before = None;
        (0..60).find(|second| {
            let (source, now_ms) = (report(&look(*second)), second * 1_000);
            let found = Behind::of(&source, before.as_ref(), now_ms);
            let is_slow = found.is_slow(&source, now_ms);
            before = Some(found);
            is_slow
        })
    }

    #[test]
    fn a_source_that_falls_further_behind_is_slow() {
        // One block in four seconds, of ten in each.
        let trickle = |second| Look {
            position: (1, second / 4),
            head: (1, 10 + 10 * second),
            lag_ms: second * 900,
            queued: 0,
        };
        assert_eq!(slow_at(trickle), Some(12), "when it lags by 10 s");
        let stuck = |second: u64| Look {
            position: (1, second.min(20)),
            head: (1, 5 + second),
            lag_ms: second.saturating_sub(20) * 1_000,
            queued: 0,
        };
        assert_eq!(slow_at(stuck), Some(30), "10 s after its last block");
    }

    #[test]
    fn a_source_that_is_a_constant_time_behind_is_not_slow() {
        let steady = |second| Look {
            position: (1, second * 10),
            head: (1, 90 + 10 * second),
            lag_ms: 9_999,
            queued: 0,
        };
        assert_eq!(slow_at(steady), None);
    }

    #[test]
    fn a_long_backlog_that_gets_shorter_is_not_slow() {
        let backlog = |second| Look {
            position: (1, second * 50),
            head: (1, 100_000 + 10 * second),
            lag_ms: 86_400_000,
            queued: 0,
        };
        assert_eq!(slow_at(backlog), None);
        // It reads an earlier incarnation first, whose blocks are not counted.
        let forked = |second| Look {
            position: (1 + second / 30, second * 50 % 1_500),
            head: (2, 100_000 + 10 * second),
            lag_ms: 86_400_000,
            queued: 0,
        };
        assert_eq!(slow_at(forked), None);
        let lost = |_| Look {
            head: (2, 7),
            position: (2, 5),
            ..forked(0)
        };
        assert_eq!(slow_at(lost), Some(10));
    }

    #[test]
    fn a_source_whose_blocks_wait_here_is_not_slow() {
        let overload = |second| Look {
            position: (1, second),
            head: (1, 10 * second),
            lag_ms: 900 * second,
            queued: usize::from(second < 40),
        };
        assert_eq!(slow_at(overload), Some(49), "10 s after the last of them");
    }

    #[test]
    fn a_distance_of_better_times_does_not_count() {
        // It is level but for two blocks, falls back for eight seconds, and catches up.
        let dip = |second: u64| {
            let (height, behind) = match second {
                0..20 => (second * 10, 2),
                20..28 => (second * 10, 10 * (second - 18)),
                _ => (second * 10, 110 - second),
            };
            Look {
                position: (1, 1_000 + height - behind),
                head: (1, 1_000 + height),
                lag_ms: 1_000 * if second < 28 { behind / 10 } else { 11 },
                queued: 0,
            }
        };
        assert_eq!(slow_at(dip), None);
    }
}
