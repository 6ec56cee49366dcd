//! The steps of a story that send transactions of clients and return their outcome.

use kittengrad_node_core::{Input, Refusal, RequestId, Submitted};
use kittengrad_overlay::quorum::Ack;

use super::request::Request;
use crate::{
    publisher::{About, Publication},
    world::World,
};

impl World {
    /// Signs a transaction that inserts canonicals with one update each.
    pub fn say(&mut self, names: &[&str]) -> Publication {
        let about = names.iter().map(|name| About {
            name: (*name).to_owned(),
            inserts: true,
            updates: vec![format!("{name} is well known")],
        });
        self.say_all(about.collect())
    }

    /// Signs any transaction.
    pub fn say_all(&mut self, about: Vec<About>) -> Publication {
        let publication = self.publisher.say(about);
        self.invariants.says(&publication);
        publication
    }

    /// Notes a request before its transaction is submitted.
    pub(crate) fn asks(&mut self, publication: &Publication, ack: Ack) -> RequestId {
        let request = self.request_count;
        self.request_count += 1;
        self.requests.insert(
            request,
            Request {
                publication: publication.clone(),
                ack,
                asked_us: self.queue.now_us,
                outcome: None,
            },
        );
        request
    }

    /// Submits a transaction to a member.
    pub fn submit(&mut self, member: usize, publication: &Publication, ack: Ack) -> RequestId {
        let request = self.asks(publication, ack);
        self.hand_in(
            member,
            Input::Submit {
                request,
                submission: publication.submission.clone(),
                chain: publication.chain.clone(),
                ack,
                receipt: true,
            },
        );
        request
    }

    /// The outcome of a request, once it was answered.
    #[must_use]
    pub fn outcome(&self, request: RequestId) -> Option<&Result<Submitted, Refusal>> {
        self.requests[&request].outcome.as_ref()
    }

    /// Submits a transaction and waits for the answer.
    ///
    /// # Errors
    /// If it is refused.
    pub fn ask_for(
        &mut self,
        member: usize,
        publication: &Publication,
        ack: Ack,
    ) -> Result<Submitted, Refusal> {
        let request = self.submit(member, publication, ack);
        self.run_until("the answer", |world| world.outcome(request).is_some());
        self.outcome(request).cloned().unwrap()
    }

    /// Submits a transaction, and panics unless a quorum acknowledges it.
    pub fn put(&mut self, member: usize, publication: &Publication) -> Submitted {
        let submitted = self.ask_for(member, publication, Ack::Quorum).unwrap();
        assert!(
            submitted.is_acknowledged,
            "only {:?} have it",
            submitted.synced
        );
        submitted
    }
}
