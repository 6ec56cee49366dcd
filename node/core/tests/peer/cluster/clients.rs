//! What clients do: they say something to a peer and hear what became of it.

use kittengrad_node_core::{Ack, Input, Refusal, RequestId, Submitted};

use super::{About, Cluster, Said};

/// A submission of a client.
pub(super) struct Request {
    pub(super) said: Said,
    pub(super) ack: Ack,
    pub(super) asked_us: u64,
    pub(super) outcome: Option<Result<Submitted, Refusal>>,
}

impl Cluster {
    /// A transaction that inserts things and says one thing about each.
    pub(crate) fn say(&mut self, names: &[&str]) -> Said {
        let about = names.iter().map(|name| About {
            name: (*name).to_owned(),
            inserts: true,
            updates: vec![format!("{name} is well known")],
        });
        let about = about.collect();
        self.publisher.say(about)
    }

    /// Any transaction.
    pub(crate) fn say_all(&mut self, about: Vec<About>) -> Said {
        self.publisher.say(about)
    }

    /// Submits a transaction to a member.
    pub(crate) fn submit(&mut self, member: usize, said: &Said, ack: Ack) -> RequestId {
        let request = self.requests.len() as RequestId;
        self.requests.insert(
            request,
            Request {
                said: said.clone(),
                ack,
                asked_us: self.queue.now_us,
                outcome: None,
            },
        );
        self.hand_in(
            member,
            Input::Submit {
                request,
                submission: said.submission.clone(),
                chain: said.chain.clone(),
                ack,
                receipt: true,
            },
        );
        request
    }

    /// What became of a request, once it was answered.
    pub(crate) fn outcome(&self, request: RequestId) -> Option<&Result<Submitted, Refusal>> {
        self.requests[&request].outcome.as_ref()
    }

    /// Submits a transaction and waits for the answer.
    pub(crate) fn ask(
        &mut self,
        member: usize,
        said: &Said,
        ack: Ack,
    ) -> Result<Submitted, Refusal> {
        let request = self.submit(member, said, ack);
        self.run_until("the answer", |cluster| cluster.outcome(request).is_some());
        self.outcome(request).cloned().unwrap()
    }

    /// Submits a transaction and demands that it is acknowledged by a quorum.
    pub(crate) fn put(&mut self, member: usize, said: &Said) -> Submitted {
        let submitted = self.ask(member, said, Ack::Quorum).unwrap();
        assert!(
            submitted.is_acknowledged,
            "only {:?} have it",
            submitted.synced
        );
        submitted
    }
}
