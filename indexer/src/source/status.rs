//! How it stands with the source: whether it is heard, and whether what is committed is all that it has.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use kittengrad_proto::{block::Head, cursor::Cursor, id::PublicKey};

/// What is committed must reach the head that was heard so long ago: that is how far an index may lag.
const LAG_MAX: Duration = Duration::from_secs(5);
/// A source that said its head longer ago than this is not known to be where it was. It says it every second,
/// to whoever has read everything.
const HEARD_MAX: Duration = Duration::from_secs(10);
/// Heads are remembered at this distance at least.
const HEADS_EVERY: Duration = Duration::from_millis(500);

/// How it stands with the source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceStatus {
    /// The journal that is followed.
    pub journal: Option<PublicKey>,
    /// Whether anything was heard since the connection was lost last.
    pub is_connected: bool,
    /// What went wrong last, until it works again.
    pub problem: Option<String>,
    /// Why nothing is to be read at the moment: the disk is nearly full.
    pub shortage: Option<String>,
    heads: Heads,
}

impl SourceStatus {
    /// Something was heard. Returns whether that is news.
    pub fn heard(&mut self) -> bool {
        let is_news = !self.is_connected || self.problem.is_some();
        (self.is_connected, self.problem) = (true, None);
        is_news
    }

    /// The source signed its head. Returns whether that is news.
    pub fn heard_head(&mut self, head: Head, now: Instant) -> bool {
        self.heads.push((head.incarnation, head.height), now);
        self.heard();
        true
    }

    /// Nothing is heard any more.
    pub fn lost(&mut self, why: &str) {
        self.is_connected = false;
        self.problem = Some(why.to_owned());
        self.heads = Heads::default();
    }

    /// Why what `committed` covers is not all that the source has; empty if it was a moment ago.
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
                .unwrap_or("nothing was heard of it yet");
            return vec![format!("the aggregator's journal is not read: {why}")];
        }
        let Some((target, heard)) = self.heads.target(now) else {
            return vec!["where the aggregator's journal ends is not known yet".to_owned()];
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
                "the aggregator said {seconds} s ago where its journal ends, and not since"
            ));
        }
        reasons
    }
}

/// The heads that the source signed lately, the oldest first: at most one of them is older than [`LAG_MAX`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Heads {
    said: VecDeque<((u64, u64), Instant)>,
    last: Option<Instant>,
}

impl Heads {
    fn push(&mut self, head: (u64, u64), now: Instant) {
        let is_due = self
            .said
            .back()
            .is_none_or(|(_, at)| now.saturating_duration_since(*at) >= HEADS_EVERY);
        if is_due {
            self.said.push_back((head, now));
        }
        self.last = Some(now);
        let is_old = |at: Instant| now.saturating_duration_since(at) >= LAG_MAX;
        while self.said.get(1).is_some_and(|(_, at)| is_old(*at)) {
            self.said.pop_front();
        }
    }

    /// The newest head that is older than [`LAG_MAX`], else the oldest; and when the last one was heard.
    fn target(&self, now: Instant) -> Option<((u64, u64), Instant)> {
        let is_old = |at: Instant| now.saturating_duration_since(at) >= LAG_MAX;
        let old = self.said.iter().rev().find(|(_, at)| is_old(*at));
        let (head, _) = old.or_else(|| self.said.front())?;
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
        assert!(status.heads.said.len() <= 8, "it forgets what is older");
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
