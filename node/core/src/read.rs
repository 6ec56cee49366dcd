//! Reading partners: asking for their blocks, and for the transactions that are listed there and missing here.

use std::sync::Arc;

use kittengrad_journal::Store;
use kittengrad_proto::{
    block::Bitmap,
    id::{Id, PublicKey},
    link::{Frames, Message},
};

use crate::{
    io::{Event, Fatal, Now, Output, Send},
    peer::{Peer, misbehaved},
};

impl Peer {
    /// Asks a partner for the next blocks of its journal, if it is time to.
    pub(crate) fn ask_for_blocks(&mut self, now: Now, partner: PublicKey, out: &mut Output) {
        let patience_ms = self.config.timing.fetch_ms;
        let link = self.links.get_mut(&partner);
        let Some(link) = link.filter(|link| link.hello.is_some()) else {
            return;
        };
        if let Some(ask) = link.following.ask(now.monotonic_ms, patience_ms) {
            let message = Message::Follow {
                incarnation: ask.incarnation,
                from_height: ask.from_height,
            };
            out.forwards.push(Send {
                to: partner,
                message,
            });
        }
    }

    /// Blocks of a partner's journal came.
    pub(crate) fn frames(
        &mut self,
        now: Now,
        from: PublicKey,
        frames: Frames,
        store: &dyn Store,
        out: &mut Output,
    ) -> Result<(), Fatal> {
        let verifier = Arc::clone(&self.config.verifier);
        let Some(link) = self.links.get_mut(&from) else {
            return Ok(());
        };
        let is_answer = link.following.is_answered_by(&frames);
        // What a live journal lists was probably pushed to this peer as well.
        let grace_ms = if link.following.is_live() {
            self.config.timing.push_grace_ms
        } else {
            0
        };
        let mut accepted = 0;
        for (block, hint) in frames.blocks {
            let hint = Bitmap::from_bytes(hint);
            let listed = match link.following.accept(&block, &hint, is_answer, &*verifier) {
                Ok(Some(listed)) => listed,
                Ok(None) => continue,
                Err(error) => {
                    out.events.push(misbehaved(from, error));
                    break;
                }
            };
            accepted += 1;
            link.saw_header(&block.header);
            let missing = self.known.lacking(listed, &self.config.view, store)?;
            let not_before_ms = now.monotonic_ms.saturating_add(grace_ms);
            for listed in &missing {
                self.wants.add(listed.id, from, not_before_ms);
            }
            link.following.wait_for(missing);
        }
        link.following.took(frames.head, is_answer, accepted);
        self.ask_for_blocks(now, from, out);
        Ok(())
    }

    /// A partner answered a fetch.
    pub(crate) fn bodies(
        &mut self,
        now: Now,
        from: PublicKey,
        delivered: &[Id],
        missing: &[Id],
        out: &mut Output,
    ) {
        let until_ms = now.monotonic_ms.saturating_add(self.config.timing.fetch_ms);
        let gone = self.wants.answered(from, delivered, missing, until_ms);
        out.events.extend(gone.into_iter().map(Event::Unavailable));
    }

    /// Fetches what is due, if this peer can take it.
    pub(crate) fn fetch(&mut self, now: Now, out: &mut Output) {
        if self.journal().is_none() || !self.has_space() || !self.is_clock_right() {
            return;
        }
        let patience_ms = self.config.timing.fetch_ms;
        for (partner, ids) in self.wants.due(now.monotonic_ms, patience_ms) {
            out.forwards.push(Send {
                to: partner,
                message: Message::Fetch(ids),
            });
        }
    }
}
