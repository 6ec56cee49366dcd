//! Meeting partners: links, hellos and heartbeats.

use kittengrad_journal::{Journal, Store};
use kittengrad_plants::Plant;
use kittengrad_proto::{
    id::PublicKey,
    identity::Heartbeat,
    link::{Hello, Message},
    signed_head::SignedHead,
};

use crate::{
    io::{Fatal, Now, Output, Send},
    link::Heard,
    peer::{Peer, Phase, misbehaved},
    start,
};

impl Peer {
    /// A connection begins: both sides say hello.
    pub(crate) fn link_up(
        &mut self,
        now: Now,
        partner: PublicKey,
        store: &dyn Store,
        out: &mut Output,
    ) -> Result<(), Fatal> {
        self.link_down(partner);
        if let Some(link) = self.links.get_mut(&partner) {
            link.is_up = true;
            self.say_hello(now, partner, store, out)?;
        }
        Ok(())
    }

    /// A connection ended.
    pub(crate) fn link_down(&mut self, partner: PublicKey) {
        if let Some(link) = self.links.get_mut(&partner) {
            link.went_down();
            self.wants.lost(partner);
        }
    }

    fn say_hello(
        &self,
        now: Now,
        partner: PublicKey,
        store: &dyn Store,
        out: &mut Output,
    ) -> Result<(), Fatal> {
        let head = match self.journal() {
            Some(journal) => journal.tip().map(|tip| tip.head),
            None => store.head()?,
        };
        let hello = Hello {
            ring: self.config.view.ring_id(),
            head,
            seen: self
                .links
                .get(&partner)
                .filter(|_| !self.plants.has(Plant::SeenNotTold))
                .and_then(|link| link.seen().cloned()),
            is_settled: self.is_settled(),
            is_open: self.journal().is_some(),
            identity: self.config.identity.clone(),
            time_ms: now.wall_ms,
        };
        out.sends.push(Send {
            to: partner,
            message: Message::Hello(Box::new(hello)),
        });
        Ok(())
    }

    /// Says hello again to everybody who is connected.
    pub(crate) fn say_hello_to_all(
        &self,
        now: Now,
        store: &dyn Store,
        out: &mut Output,
    ) -> Result<(), Fatal> {
        for (partner, _) in self.links.iter().filter(|(_, link)| link.is_up) {
            self.say_hello(now, *partner, store, out)?;
        }
        Ok(())
    }

    /// A partner said hello, for the first time on this connection or because something changed.
    pub(crate) fn hello(
        &mut self,
        now: Now,
        from: PublicKey,
        hello: &Hello,
        store: &dyn Store,
        out: &mut Output,
    ) -> Result<(), Fatal> {
        let Some(link) = self.links.get_mut(&from) else {
            return Ok(());
        };
        if hello.identity.key != from || hello.ring != self.config.view.ring_id() {
            let why = "its hello names another key or ring";
            out.events.push(misbehaved(from, why));
            return Ok(());
        }
        link.told_time(hello.time_ms, now.wall_ms);
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
        if let Some(filling) = &mut self.filling {
            filling.heard(from, hello.head);
        }
        self.take_answer(from, hello, store, out)?;
        if opens {
            self.push_again(from, hello.head, out);
        }
        self.ask_for_blocks(now, from, out);
        Ok(())
    }

    /// A partner said what it saw of this peer: that counts only as far as this peer itself signed it.
    ///
    /// After the journal was opened it can only be that the partner was not there in time and saw what the disk
    /// forgot. Then the peer ends, and asks again when it starts.
    fn take_answer(
        &mut self,
        from: PublicKey,
        hello: &Hello,
        store: &dyn Store,
        out: &mut Output,
    ) -> Result<(), Fatal> {
        let me = self.me();
        let verifier = &*self.config.verifier;
        let is_ours = |seen: &&SignedHead| seen.verify(&me, verifier).is_ok();
        let seen = hello.seen.as_ref().filter(is_ours).map(SignedHead::head);
        if seen.is_none() && hello.seen.is_some() {
            let why = "it shows a head that this peer never signed";
            out.events.push(misbehaved(from, why));
        }
        match &mut self.phase {
            Phase::Starting(starting) => starting.answer(from, seen),
            Phase::Open(_) => {
                if let Some(seen) = seen
                    && !self.plants.has(Plant::LateAnswerIgnored)
                    && start::is_forgotten(&seen, store)?
                {
                    return Err(Fatal::Forgotten(seen));
                }
            }
        }
        Ok(())
    }

    /// A partner said where its journal ends.
    pub(crate) fn alive(
        &mut self,
        now: Now,
        from: PublicKey,
        heartbeat: &Heartbeat,
        out: &mut Output,
    ) {
        if heartbeat.peer != from || heartbeat.verify(&*self.config.verifier).is_err() {
            out.events
                .push(misbehaved(from, "its heartbeat is not its own"));
        } else if let Some(link) = self.links.get_mut(&from) {
            link.saw_heartbeat(heartbeat);
            link.told_time(heartbeat.time_ms, now.wall_ms);
            link.following.told(heartbeat.head);
            self.ask_for_blocks(now, from, out);
        }
    }

    /// Tells everybody who is connected where this peer's journal ends.
    pub(crate) fn say_alive(&self, now: Now, out: &mut Output) {
        let Some(tip) = self.journal().and_then(Journal::tip) else {
            return;
        };
        let heartbeat = Heartbeat::sign(
            self.config.view.overlay(),
            tip.head,
            now.wall_ms,
            &*self.config.signer,
        );
        let connected = self.links.iter().filter(|(_, link)| link.hello.is_some());
        let sends = match self.plants.has(Plant::HeartbeatBeforeSync) {
            true => &mut out.forwards,
            false => &mut out.sends,
        };
        sends.extend(connected.map(|(partner, _)| Send {
            to: *partner,
            message: Message::Alive(heartbeat.clone()),
        }));
    }
}
