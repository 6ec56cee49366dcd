//! What clients do in stories: they say something to a peer and hear what became of it.

use kittengrad_node_core::{Input, Refusal, RequestId, Submitted};
use kittengrad_overlay::quorum::Ack;

use super::request::Request;
use crate::{
    publisher::{About, Publication},
    world::World,
};

impl World {
    /// A transaction that inserts things and says one thing about each.
    pub fn say(&mut self, names: &[&str]) -> Publication {
        let about = names.iter().map(|name| About {
            name: (*name).to_owned(),
            inserts: true,
            updates: vec![format!("{name} is well known")],
        });
        self.say_all(about.collect())
    }

    /// Any transaction.
    pub fn say_all(&mut self, about: Vec<About>) -> Publication {
        let said = self.publisher.say(about);
        self.invariants.says(&said);
        said
    }

    /// Somebody is about to submit a transaction.
    pub(crate) fn asks(&mut self, said: &Publication, ack: Ack) -> RequestId {
        let request = self.request_count;
        self.request_count += 1;
        self.requests.insert(
            request,
            Request {
                said: said.clone(),
                ack,
                asked_us: self.queue.now_us,
                outcome: None,
            },
        );
        request
    }

    /// Submits a transaction to a member.
    pub fn submit(&mut self, member: usize, said: &Publication, ack: Ack) -> RequestId {
        let request = self.asks(said, ack);
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
        said: &Publication,
        ack: Ack,
    ) -> Result<Submitted, Refusal> {
        let request = self.submit(member, said, ack);
        self.run_until("the answer", |world| world.outcome(request).is_some());
        self.outcome(request).cloned().unwrap()
    }

    /// Submits a transaction and demands that it is acknowledged by a quorum.
    pub fn put(&mut self, member: usize, said: &Publication) -> Submitted {
        let submitted = self.ask_for(member, said, Ack::Quorum).unwrap();
        assert!(
            submitted.is_acknowledged,
            "only {:?} have it",
            submitted.synced
        );
        submitted
    }
}
