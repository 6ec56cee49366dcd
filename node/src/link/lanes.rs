//! The queues of messages to one partner: a prompt lane, a bulk lane, and the number of waiting bytes in both.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use kittengrad_proto::link::{Message, Push};
use tokio::sync::mpsc;

/// Messages that wait in one lane, at most.
const QUEUE_MAX: usize = 16_384;
/// Waiting bytes above which pushes are left out. The partner reads of them in this peer's journal, and fetches them.
const PUSHED_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Waiting bytes above which the link is closed.
const QUEUED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Approximate bytes of a message besides its records, items and ids.
const MESSAGE_BYTES: usize = 512;

/// The partner reads too slowly, and its link must be closed. The partner catches up later.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooSlow;

/// The driver's end of a link.
pub(crate) struct Lanes {
    prompt: mpsc::Sender<Message>,
    bulk: mpsc::Sender<Message>,
    bytes: Arc<AtomicUsize>,
}

/// The link's end of one lane.
pub(crate) struct Lane {
    queue: mpsc::Receiver<Message>,
    bytes: Arc<AtomicUsize>,
}

/// Makes the lanes of a link: the driver's end, the prompt lane and the bulk lane.
pub(crate) fn lanes() -> (Lanes, Lane, Lane) {
    let (prompt, prompt_queue) = mpsc::channel(QUEUE_MAX);
    let (bulk, bulk_queue) = mpsc::channel(QUEUE_MAX);
    let bytes = Arc::<AtomicUsize>::default();
    let lane = |queue| Lane {
        queue,
        bytes: Arc::clone(&bytes),
    };
    let (prompt_lane, bulk_lane) = (lane(prompt_queue), lane(bulk_queue));
    let lanes = Lanes {
        prompt,
        bulk,
        bytes,
    };
    (lanes, prompt_lane, bulk_lane)
}

impl Lanes {
    /// Queues a message. A push is left out if more than [`PUSHED_BYTES_MAX`] bytes wait already.
    ///
    /// # Errors
    /// [`TooSlow`] if there is no room, or the link is closed.
    pub(crate) fn send(&self, message: Message) -> Result<(), TooSlow> {
        let waiting_bytes = self.bytes.load(Ordering::Relaxed);
        let is_push = matches!(message, Message::Push(_));
        if is_push && waiting_bytes > PUSHED_BYTES_MAX {
            return Ok(());
        }
        if waiting_bytes > QUEUED_BYTES_MAX {
            return Err(TooSlow);
        }
        let bytes = size_bytes(&message);
        let lane = match message {
            Message::Push(_) | Message::Bodies { .. } => &self.bulk,
            _ => &self.prompt,
        };
        lane.try_send(message).map_err(|_| TooSlow)?;
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }
}

impl Lane {
    /// Waits for the next message. Returns it with its counted bytes; `None` when the driver has dropped the link.
    pub(crate) async fn next(&mut self) -> Option<(Message, usize)> {
        self.queue.recv().await.map(counted)
    }

    /// Takes the next message, if one is waiting.
    pub(crate) fn next_waiting(&mut self) -> Option<(Message, usize)> {
        self.queue.try_recv().ok().map(counted)
    }

    /// Subtracts written bytes from the waiting ones.
    pub(crate) fn wrote(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

fn counted(message: Message) -> (Message, usize) {
    let bytes = size_bytes(&message);
    (message, bytes)
}

/// Approximate bytes of a message while it waits.
fn size_bytes(message: &Message) -> usize {
    let of_push = |push: &Push| {
        let records = push.records.iter().map(Bytes::len).sum::<usize>();
        MESSAGE_BYTES + push.transaction.signed().size_bytes() + records
    };
    match message {
        Message::Push(push) => of_push(push),
        Message::Bodies { bodies, missing } => {
            bodies.iter().map(of_push).sum::<usize>() + 32 * missing.len() + MESSAGE_BYTES
        }
        Message::Frames(frames) => {
            let blocks = frames.blocks.iter();
            let items = blocks
                .map(|block| MESSAGE_BYTES + block.items.iter().map(Bytes::len).sum::<usize>());
            items.sum::<usize>() + MESSAGE_BYTES
        }
        Message::PushResult(result) => {
            let proofs = result.outcome.as_ref().map_or(0, Vec::len);
            (1 + proofs) * 2 * MESSAGE_BYTES
        }
        Message::Fetch(ids) => 32 * ids.len() + MESSAGE_BYTES,
        Message::Hello(_) | Message::Follow { .. } | Message::Alive(_) => MESSAGE_BYTES,
    }
}

#[cfg(test)]
mod tests {
    use kittengrad_proto::id::Id;

    use super::*;

    fn bodies(ids: usize) -> Message {
        Message::Bodies {
            bodies: Vec::new(),
            missing: vec![Id::ZERO; ids],
        }
    }

    #[tokio::test]
    async fn partner_that_does_not_read_is_too_slow_at_the_byte_limit() {
        let (lanes, _prompt, mut bulk) = lanes();
        let message = bodies(QUEUED_BYTES_MAX / 32 / 4);
        let mut sent = 0;
        while lanes.send(message.clone()).is_ok() {
            sent += 1;
        }
        assert!((4..=6).contains(&sent), "{sent}");
        let follow = Message::Follow {
            incarnation: 1,
            from_height: 1,
        };
        assert_eq!(lanes.send(follow.clone()), Err(TooSlow));
        for _ in 0..sent {
            let (_, bytes) = bulk.next().await.unwrap();
            bulk.wrote(bytes);
        }
        assert_eq!(lanes.send(follow), Ok(()));
    }
}
