//! Links that come up and go down, hellos and heartbeats.

use kittengrad_journal::{Blame, Journal};
use kittengrad_plants::Plant;
use kittengrad_proto::{
    evidence::Evidence,
    id::PublicKey,
    identity::Heartbeat,
    link::{Hello, Message},
    signed_head::SignedHead,
};

use crate::{
    audit::convict::convict,
    birth::{
        life::{Forgotten, Life},
        start,
    },
    catch_up::wants::Wants,
    io::{Fatal, Outbound, Output, misbehaved},
    kept,
    misbehaviour::Misbehaviour,
    partners::{Partners, link::Heard},
    scope::Scope,
};

/// Sends and takes hellos and heartbeats.
pub(crate) struct Greeting<'a> {
    pub(crate) scope: Scope<'a>,
    pub(crate) life: &'a mut Life,
    pub(crate) partners: &'a mut Partners,
    pub(crate) wants: &'a mut Wants,
    pub(crate) blame: &'a mut Blame,
    pub(crate) out: &'a mut Output,
}

/// The result of a hello.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Greeted {
    /// The hello was refused, or its sender is not a partner.
    Nothing,
    /// The hello was taken.
    Heard,
    /// The hello was taken, and the partner newly signs: it takes transactions from now on.
    Opened,
}

impl Greeting<'_> {
    /// Starts a connection: sends a hello to the partner.
    pub(crate) fn link_up(&mut self, partner: PublicKey) -> Result<(), Fatal> {
        self.link_down(partner);
        if let Some(link) = self.partners.get_mut(&partner) {
            link.is_up = true;
            self.say_hello(partner)?;
        }
        Ok(())
    }

    /// Ends a connection.
    pub(crate) fn link_down(&mut self, partner: PublicKey) {
        if let Some(link) = self.partners.get_mut(&partner) {
            link.went_down();
            self.wants.lost(partner);
        }
    }

    /// Sends a new hello to all connected partners.
    pub(crate) fn say_hello_to_all(&mut self) -> Result<(), Fatal> {
        for partner in self.partners.keys() {
            if self.partners.get(&partner).is_some_and(|link| link.is_up) {
                self.say_hello(partner)?;
            }
        }
        Ok(())
    }

    fn say_hello(&mut self, partner: PublicKey) -> Result<(), Fatal> {
        let journal = self.life.journal();
        let head = match journal {
            Some(journal) => journal.tip().map(|tip| tip.head),
            None => self.scope.store.head()?,
        };
        let link = self.partners.get(&partner);
        let link = link.filter(|_| !self.scope.has(Plant::SeenNotTold));
        let hello = Hello {
            ring: self.scope.view().ring_id(),
            head,
            seen: link.and_then(|link| link.seen().cloned()),
            is_settled: self.life.is_settled(),
            is_open: journal.is_some(),
            identity: self.scope.config.identity.clone(),
            time_ms: self.scope.now.wall_ms,
        };
        self.out.sends.push(Outbound {
            to: partner,
            message: Message::Hello(Box::new(hello)),
        });
        Ok(())
    }

    /// Takes a partner's hello: the first on this connection, or a later one after a change.
    pub(crate) fn hello(&mut self, from: PublicKey, hello: &Hello) -> Result<Greeted, Fatal> {
        let Some(link) = self.partners.get_mut(&from) else {
            return Ok(Greeted::Nothing);
        };
        if hello.identity.key != from || hello.ring != self.scope.view().ring_id() {
            let event = misbehaved(from, Misbehaviour::ForeignHello);
            self.out.events.push(event);
            return Ok(Greeted::Nothing);
        }
        link.told_time(hello.time_ms, self.scope.now.wall_ms);
        let was_open = link.is_open();
        link.hello = Some(Heard {
            is_settled: hello.is_settled || link.is_settled(),
            is_open: hello.is_open || was_open,
        });
        link.chain = Some(hello.identity.chain.clone());
        if let Some(head) = hello.head {
            link.following.told(head);
        }
        let opens = link.is_open() && !was_open;
        self.life.filling_mut().heard(from, hello.head);
        self.take_answer(from, hello)?;
        Ok(if opens {
            Greeted::Opened
        } else {
            Greeted::Heard
        })
    }

    /// Takes the highest head of this peer that a partner saw. It counts only with this peer's own signature.
    ///
    /// If this peer's journal is open already and the disk lost that head, the partner answered too late for the start
    /// rule. The process then stores that head and nothing else, stops after the commit, and applies the start rule again
    /// when it restarts.
    fn take_answer(&mut self, from: PublicKey, hello: &Hello) -> Result<(), Fatal> {
        let verifier = &*self.scope.config.verifier;
        let is_ours = |seen: &&SignedHead| seen.verify(&self.scope.me(), verifier).is_ok();
        let signed = hello.seen.as_ref().filter(is_ours);
        let seen = signed.map(SignedHead::head);
        if seen.is_none() && hello.seen.is_some() {
            let event = misbehaved(from, Misbehaviour::InventedHead);
            self.out.events.push(event);
        }
        if let Some(starting) = self.life.starting_mut() {
            starting.answer(from, seen);
        } else if let Some(signed) = signed
            && !self.scope.has(Plant::LateAnswerIgnored)
            && start::is_forgotten(&signed.head(), self.scope.store)?
        {
            // The next process must know even if this partner is late again. Everything else of the round is dropped:
            // a block that was cut in it would be the second one for its height.
            self.out.writes = vec![kept::keep_seen(self.scope.me(), signed)];
            self.life.forgotten = Some(Forgotten::new(signed.head()));
        }
        Ok(())
    }

    /// Takes a partner's heartbeat. Returns false if its signature is wrong or it is another member's.
    pub(crate) fn alive(&mut self, from: PublicKey, heartbeat: &Heartbeat) -> bool {
        if heartbeat.peer != from || heartbeat.verify(&*self.scope.config.verifier).is_err() {
            let event = misbehaved(from, Misbehaviour::ForeignHeartbeat);
            self.out.events.push(event);
            return false;
        }
        let Some(link) = self.partners.get_mut(&from) else {
            return false;
        };
        let other = SignedHead::Heartbeat(Box::new(heartbeat.clone()));
        let seen = link.seen().filter(|seen| seen.contradicts(&other)).cloned();
        if let Some(seen) = seen {
            let evidence = Evidence::Heads(seen, other);
            convict(self.scope, self.blame, from, evidence, self.out);
        }
        link.saw_heartbeat(heartbeat);
        link.told_time(heartbeat.time_ms, self.scope.now.wall_ms);
        link.following.told(heartbeat.head);
        true
    }

    /// Takes evidence that a caller showed.
    pub(crate) fn shown(&mut self, by: PublicKey, evidence: Evidence) {
        convict(self.scope, self.blame, by, evidence, self.out);
    }

    /// Sends a heartbeat with this peer's head to all partners whose hello came. Without a block it sends none.
    pub(crate) fn say_alive(&mut self) {
        let Some(tip) = self.life.journal().and_then(Journal::tip) else {
            return;
        };
        let heartbeat = Heartbeat::sign(
            self.scope.view().overlay(),
            tip.head,
            self.scope.now.wall_ms,
            &*self.scope.config.signer,
        );
        let connected = self.partners.iter();
        let connected = connected.filter(|(_, link)| link.hello.is_some());
        let sends = match self.scope.has(Plant::HeartbeatBeforeSync) {
            true => &mut self.out.forwards,
            false => &mut self.out.sends,
        };
        sends.extend(connected.map(|(partner, _)| Outbound {
            to: *partner,
            message: Message::Alive(heartbeat.clone()),
        }));
    }
}
