//! Freshness: a coordinator accepts only transactions that were signed lately, by its own clock.
//!
//! Replicas verify a transaction against the time in it, so that all of them judge it alike at any time. Only the peer
//! that the client calls can compare this time with the present. Without the check, the holder of an expired key could
//! still publish with an old date.

use kittengrad_proto::limits::{CREATED_AHEAD_MS_MAX, CREATED_PAST_MS_MAX};
use kittengrad_service::status::{ErrorCode, Refusal};

/// Refuses a transaction that was signed too long ago, or too far in the future.
pub(super) fn check(created_ms: u64, now_ms: u64) -> Result<(), Refusal> {
    let (past_ms, ahead_ms) = (
        now_ms.saturating_sub(created_ms),
        created_ms.saturating_sub(now_ms),
    );
    let why = if past_ms > CREATED_PAST_MS_MAX {
        format!(
            "it was signed {past_ms} ms ago by this peer's clock; at most {CREATED_PAST_MS_MAX} ms"
        )
    } else if ahead_ms > CREATED_AHEAD_MS_MAX {
        format!(
            "it was signed {ahead_ms} ms ahead of this peer's clock; at most {CREATED_AHEAD_MS_MAX} ms"
        )
    } else {
        return Ok(());
    };
    Err(Refusal::new(ErrorCode::NotFresh, why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn submissions_are_taken_from_an_hour_ago_to_ten_minutes_ahead() {
        const NOW_MS: u64 = 1_790_000_000_000;
        let check = |created_ms| check(created_ms, NOW_MS).map_err(|refusal| refusal.code());
        for created_ms in [
            NOW_MS,
            NOW_MS - CREATED_PAST_MS_MAX,
            NOW_MS + CREATED_AHEAD_MS_MAX,
        ] {
            assert_eq!(check(created_ms), Ok(()));
        }
        for created_ms in [
            0,
            NOW_MS - CREATED_PAST_MS_MAX - 1,
            NOW_MS + CREATED_AHEAD_MS_MAX + 1,
            u64::MAX,
        ] {
            assert_eq!(check(created_ms), Err(ErrorCode::NotFresh));
        }
    }
}
