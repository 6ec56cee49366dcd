//! The status of the source: whether it sends, and whether the index has committed everything that it has.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use kittengrad_proto::{block::Head, cursor::Cursor, id::PublicKey};

/// Longest lag of a ready index: it has committed the head that the source signed this long ago.
const LAG_MAX: Duration = Duration::from_secs(5);
/// Longest silence of the source of a ready index. The source sends its head every second to a level reader, so after a
/// longer silence its journal may be longer.
const HEARD_MAX: Duration = Duration::from_secs(10);
/// Shortest time between two heads in memory.
const HEADS_EVERY: Duration = Duration::from_millis(500);

/// The connection to the source, and its last heads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceStatus {
    /// The journal that is followed.
    pub journal: Option<PublicKey>,
    /// Whether anything came since the connection was last lost.
    pub is_connected: bool,
    /// The last error; `None` when the source sends again.
    pub problem: Option<String>,
    /// A message while the disk is nearly full. No block is read then.
    pub shortage: Option<String>,
    heads: Heads,
}

impl SourceStatus {
    /// Notes that the source sent something. True if the status changed.
    pub fn heard(&mut self) -> bool {
        let is_news = !self.is_connected || self.problem.is_some();
        (self.is_connected, self.problem) = (true, None);
        is_news
    }

    /// Notes a head that the source signed. Always true: the status changed.
    pub fn heard_head(&mut self, head: Head, now: Instant) -> bool {
        self.heads.push((head.incarnation, head.height), now);
        self.heard();
        true
    }

    /// Notes that the connection is lost, and forgets the heads.
    pub fn lost(&mut self, why: &str) {
        self.is_connected = false;
        self.problem = Some(why.to_owned());
        self.heads = Heads::default();
    }

    /// Lists the reasons why an index at `committed` is not ready. Empty if the index has the source's head of five
    /// seconds ago, the source sent a head in the last ten seconds, and the disk has room.
    #[must_use]
    pub fn not_ready(&self, committed: Option<Cursor>, now: Instant) -> Vec<String> {
        let mut reasons = Vec::from_iter(self.shortage.clone());
        reasons.extend(self.not_level(committed, now));
        reasons
    }

    fn not_level(&self, committed: Option<Cursor>, now: Instant) -> Vec<String> {
        if !self.is_connected {
            let why = self
                .problem
                .as_deref()
                .unwrap_or("the aggregator sent nothing yet");
            return vec![format!("the aggregator's journal is not read: {why}")];
        }
        let Some((target, heard)) = self.heads.target(now) else {
            return vec!["the head of the aggregator's journal is not known yet".to_owned()];
        };
        let mut reasons = Vec::new();
        let at = committed.and_then(|cursor| Some((cursor.incarnation, cursor.height?)));
        if at.is_none_or(|at| at < target) {
            let (incarnation, height) = target;
            let at =
                committed.map_or_else(|| "before its first block".to_owned(), |at| at.to_string());
            reasons.push(format!(
                "catching up with {incarnation}/{height} of the aggregator's journal, at {at}"
            ));
        }
        let silence = now.saturating_duration_since(heard);
        if silence > HEARD_MAX {
            let seconds = silence.as_secs();
            reasons.push(format!(
                "the aggregator sent the head of its journal {seconds} s ago, and not since"
            ));
        }
        reasons
    }
}

/// The last heads that the source signed, the oldest first. At most one of them is older than [`LAG_MAX`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Heads {
    signed: VecDeque<((u64, u64), Instant)>,
    last: Option<Instant>,
}

impl Heads {
    fn push(&mut self, head: (u64, u64), now: Instant) {
        let is_due = self
            .signed
            .back()
            .is_none_or(|(_, at)| now.saturating_duration_since(*at) >= HEADS_EVERY);
        if is_due {
            self.signed.push_back((head, now));
        }
        self.last = Some(now);
        let is_old = |at: Instant| now.saturating_duration_since(at) >= LAG_MAX;
        while self.signed.get(1).is_some_and(|(_, at)| is_old(*at)) {
            self.signed.pop_front();
        }
    }

    /// The newest head that is older than [`LAG_MAX`], else the oldest one; and the time of the last head.
    fn target(&self, now: Instant) -> Option<((u64, u64), Instant)> {
        let is_old = |at: Instant| now.saturating_duration_since(at) >= LAG_MAX;
        let old = self.signed.iter().rev().find(|(_, at)| is_old(*at));
        let (head, _) = old.or_else(|| self.signed.front())?;
        Some((*head, self.last?))
    }
}

#[cfg(test)]
mod tests {
    use kittengrad_proto::id::Id;

    use super::*;

    fn head(height: u64) -> Head {
        Head {
            incarnation: 2,
            height,
            hash: Id::ZERO,
        }
    }

    fn check(status: &SourceStatus, height: Option<u64>, now: Instant, expected: Option<&str>) {
        let committed = Some(Cursor {
            journal: PublicKey::new([1; 32]),
            incarnation: 2,
            height,
        });
        let reasons = status.not_ready(committed, now);
        match expected {
            Some(part) => assert!(reasons.join("; ").contains(part), "{reasons:?}"),
            None => assert!(reasons.is_empty(), "{reasons:?}"),
        }
    }

    #[test]
    fn ready_is_who_is_connected_and_has_committed_what_there_was() {
        let now = Instant::now();
        let mut status = SourceStatus::default();
        check(&status, Some(9), now, Some("not read"));
        status.heard();
        check(&status, Some(9), now, Some("not known yet"));
        status.heard_head(head(5), now);
        assert!(status.not_ready(None, now)[0].contains("before its first block"));
        check(&status, None, now, Some("catching up with 2/5"));
        check(&status, Some(4), now, Some("catching up with 2/5"));
        check(&status, Some(5), now, None);
        check(&status, Some(6), now, None);
        status.lost("gone");
        check(&status, Some(6), now, Some("gone"));
    }

    #[test]
    fn an_index_that_falls_behind_later_on_is_not_ready_any_more() {
        let began = Instant::now();
        let mut status = SourceStatus::default();
        for second in 0..60 {
            status.heard_head(head(second), began + Duration::from_secs(second));
        }
        let now = began + Duration::from_secs(59);
        check(&status, Some(59), now, None);
        check(&status, Some(54), now, None);
        check(&status, Some(53), now, Some("catching up with 2/54"));
        assert!(status.heads.signed.len() <= 8, "older heads are dropped");
    }

    #[test]
    fn a_head_that_was_heard_long_ago_is_no_evidence() {
        let now = Instant::now();
        let mut status = SourceStatus::default();
        status.heard_head(head(5), now);
        check(&status, Some(5), now + HEARD_MAX, None);
        let later = now + HEARD_MAX + Duration::from_secs(2);
        check(&status, Some(5), later, Some("12 s ago"));
    }
}
