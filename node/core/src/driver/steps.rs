//! The contract of a round as a sequence of steps.

use std::vec;

use kittengrad_journal::Write;

use crate::io::{Event, Outbound, Output, Reply};

/// One step of a round's outcome.
#[derive(Debug)]
pub enum Step {
    /// Start sending a message. It carries nothing that this peer signed.
    Forward(Outbound),
    /// Commit these writes in one synced batch. If the commit fails, stop the process without a further step.
    /// Every round has this step once. With no writes, no sync is needed.
    Commit(Vec<Write>),
    /// Log and count an event.
    Tell(Event),
    /// Send a message.
    Send(Outbound),
    /// Answer a client.
    Reply(Reply),
}

/// The steps of one round, in the order of execution.
///
/// Everything that this peer signed comes after [`Step::Commit`].
#[derive(Debug)]
pub struct Steps {
    forwards: vec::IntoIter<Outbound>,
    commit: Option<Vec<Write>>,
    events: vec::IntoIter<Event>,
    sends: vec::IntoIter<Outbound>,
    replies: vec::IntoIter<Reply>,
}

impl Steps {
    /// The steps of an output.
    #[must_use]
    pub fn of(out: Output) -> Self {
        Self {
            forwards: out.forwards.into_iter(),
            commit: Some(out.writes),
            events: out.events.into_iter(),
            sends: out.sends.into_iter(),
            replies: out.replies.into_iter(),
        }
    }

    /// The next step, if it comes before the commit.
    pub fn forward(&mut self) -> Option<Outbound> {
        self.forwards.next()
    }

    /// The writes of a commit that was not taken yet.
    #[must_use]
    pub fn writes(&self) -> &[Write] {
        self.commit.as_deref().unwrap_or_default()
    }
}

impl Iterator for Steps {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        None.or_else(|| self.forwards.next().map(Step::Forward))
            .or_else(|| self.commit.take().map(Step::Commit))
            .or_else(|| self.events.next().map(Step::Tell))
            .or_else(|| self.sends.next().map(Step::Send))
            .or_else(|| self.replies.next().map(Step::Reply))
    }
}

#[cfg(test)]
mod tests {
    use kittengrad_proto::{id::PublicKey, link::Message};

    use super::*;
    use crate::io::Refusal;

    fn message() -> Outbound {
        Outbound {
            to: PublicKey::new([1; 32]),
            message: Message::Fetch(Vec::new()),
        }
    }

    #[test]
    fn what_was_signed_leaves_after_the_commit() {
        let steps = Steps::of(Output {
            forwards: vec![message()],
            writes: Vec::new(),
            sends: vec![message()],
            replies: vec![Reply {
                request: 1,
                outcome: Err(Refusal::DiskFull),
            }],
            events: vec![Event::Settled],
        });
        let names = steps.map(|step| match step {
            Step::Forward(_) => "forward",
            Step::Commit(_) => "commit",
            Step::Tell(_) => "tell",
            Step::Send(_) => "send",
            Step::Reply(_) => "reply",
        });
        let names: Vec<_> = names.collect();
        assert_eq!(names, ["forward", "commit", "tell", "send", "reply"]);
    }

    #[test]
    fn messages_can_be_sent_before_the_commit_and_writes_seen() {
        let mut steps = Steps::of(Output {
            forwards: vec![message(), message()],
            writes: vec![Write::State(vec![1].into(), vec![2].into())],
            events: vec![Event::Settled],
            ..Output::default()
        });
        assert_eq!(steps.writes().len(), 1);
        assert_eq!(steps.forward(), Some(message()));
        assert_eq!(steps.forward(), Some(message()));
        assert_eq!(steps.forward(), None);
        assert_eq!(steps.writes().len(), 1);
        assert!(matches!(steps.next(), Some(Step::Commit(writes)) if writes.len() == 1));
        assert!(steps.writes().is_empty());
        assert!(matches!(steps.next(), Some(Step::Tell(Event::Settled))));
        assert!(steps.next().is_none());
    }

    #[test]
    fn a_round_without_writes_has_a_commit_too() {
        let mut steps = Steps::of(Output::default());
        assert!(matches!(steps.next(), Some(Step::Commit(writes)) if writes.is_empty()));
        assert!(steps.next().is_none());
    }
}
