//! One connection to a partner: who it is, what it says, what it is told.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use kittengrad_node_core::{Delivery, Input, Membership};
use kittengrad_pki::tls;
use kittengrad_proto::{
    certificate::{Role, Root},
    id::PublicKey,
    link::{Message, Push},
};
use quinn::{Connection, RecvStream, SendStream, VarInt};
use rustls_pki_types::CertificateDer;
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
};

use super::frame::{self, Writer};
use crate::{driver::Command, metrics::PeerMetrics, verify::Verifying};

/// Messages that may wait for one link. Beyond it the partner is too slow and the link is closed.
const QUEUE_MAX: usize = 16_384;
/// Transactions of one partner that are verified at one time.
const VERIFYING_MAX: usize = 256;

/// What every link needs.
pub(crate) struct LinkContext {
    pub(crate) membership: Membership,
    /// Peers that may have a link.
    pub(crate) partners: BTreeSet<PublicKey>,
    pub(crate) root: Root,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) verifying: Arc<Verifying>,
    pub(crate) metrics: PeerMetrics,
    pub(crate) connections: AtomicU64,
}

/// Serves a connection until it ends; says whether the partner said hello on it.
pub(crate) async fn serve(
    connection: Connection,
    expected: Option<PublicKey>,
    context: &Arc<LinkContext>,
) -> bool {
    let partner = match identify(&connection, context) {
        Ok(partner) if expected.is_none_or(|expected| expected == partner) => partner,
        Ok(partner) => {
            return refuse(
                &connection,
                &format!("it is {partner}, another peer was dialled"),
            );
        }
        Err(why) => return refuse(&connection, &why),
    };
    let number = context.connections.fetch_add(1, Ordering::Relaxed);
    let (to, queue) = mpsc::channel(QUEUE_MAX);
    let up = Command::LinkUp {
        partner,
        connection: number,
        to,
    };
    if context.commands.send(up).await.is_err() {
        return false;
    }
    context.metrics.link(true);
    tracing::debug!(?partner, "link is up");
    let heard_hello = Arc::new(AtomicBool::new(false));
    let mut tasks = JoinSet::new();
    tasks.spawn(write(
        connection.clone(),
        queue,
        context.membership.overlay().clone(),
    ));
    tasks.spawn(read_all(
        connection.clone(),
        partner,
        Arc::clone(context),
        Arc::clone(&heard_hello),
    ));
    let why = match tasks.join_next().await {
        Some(Ok(Err(why))) => why,
        _ => "the link ended".to_owned(),
    };
    connection.close(VarInt::from_u32(1), why.as_bytes());
    tasks.shutdown().await;
    context.metrics.link(false);
    tracing::debug!(?partner, why, "link is down");
    let down = Command::LinkDown {
        partner,
        connection: number,
    };
    let _ = context.commands.send(down).await;
    heard_hello.load(Ordering::Relaxed)
}

fn refuse(connection: &Connection, why: &str) -> bool {
    tracing::warn!(address = %connection.remote_address(), why, "link refused");
    connection.close(VarInt::from_u32(2), why.as_bytes());
    false
}

/// Who is at the other end: a partner in our ring, by its certificates.
fn identify(connection: &Connection, context: &LinkContext) -> Result<PublicKey, String> {
    let shown = connection
        .peer_identity()
        .and_then(|any| any.downcast::<Vec<CertificateDer<'_>>>().ok());
    let shown = shown.ok_or("it showed no certificate")?;
    let now_ms = kittengrad_service::clock::unix_ms();
    let holder = tls::holder_of(&shown, &context.root, now_ms).map_err(|e| e.to_string())?;
    holder
        .check_role(&[Role::Peer])
        .map_err(|e| e.to_string())?;
    if !context.partners.contains(&holder.key) {
        return Err(format!("peer {} is no partner in this ring", holder.key));
    }
    Ok(holder.key)
}

/// Sends what is queued, prompt messages and bulk ones on streams of their own.
async fn write(
    connection: Connection,
    mut queue: mpsc::Receiver<Message>,
    overlay: kittengrad_proto::namespace::Overlay,
) -> Result<(), String> {
    let open = async || -> Result<SendStream, String> {
        connection.open_uni().await.map_err(|e| e.to_string())
    };
    let (prompt_to, prompt) = mpsc::channel::<Vec<u8>>(QUEUE_MAX);
    let (bulk_to, bulk) = mpsc::channel::<Vec<u8>>(64);
    let (prompt_stream, bulk_stream) = (open().await?, open().await?);
    let mut lanes = JoinSet::new();
    lanes.spawn(write_lane(prompt_stream, prompt));
    lanes.spawn(write_lane(bulk_stream, bulk));
    loop {
        let message = tokio::select! {
            message = queue.recv() => message.ok_or("it was too slow, or a newer link replaced it")?,
            Some(ended) = lanes.join_next() => {
                return ended.unwrap_or_else(|e| Err(e.to_string()));
            }
        };
        let bytes = message.encode(&overlay);
        let lane = match message {
            Message::Push(_) | Message::Bodies { .. } => &bulk_to,
            _ => &prompt_to,
        };
        if lane.send(bytes).await.is_err() {
            return Err("a stream ended".to_owned());
        }
    }
}

async fn write_lane(
    mut stream: SendStream,
    mut lane: mpsc::Receiver<Vec<u8>>,
) -> Result<(), String> {
    let mut writer = Writer::default();
    while let Some(message) = lane.recv().await {
        let mut is_full = writer.add(&message);
        while !is_full && let Ok(message) = lane.try_recv() {
            is_full = writer.add(&message);
        }
        writer.write(&mut stream).await.map_err(|e| e.to_string())?;
    }
    Ok(())
}

/// Reads both streams of the partner.
async fn read_all(
    connection: Connection,
    partner: PublicKey,
    context: Arc<LinkContext>,
    heard_hello: Arc<AtomicBool>,
) -> Result<(), String> {
    let permits = Arc::new(Semaphore::new(VERIFYING_MAX));
    let mut lanes = JoinSet::new();
    loop {
        tokio::select! {
            stream = connection.accept_uni() => {
                let reader = Reader {
                    partner,
                    context: Arc::clone(&context),
                    heard_hello: Arc::clone(&heard_hello),
                    permits: Arc::clone(&permits),
                };
                lanes.spawn(reader.run(stream.map_err(|e| e.to_string())?));
            }
            Some(ended) = lanes.join_next() => {
                return ended.unwrap_or_else(|e| Err(e.to_string()));
            }
        }
    }
}

/// Reads one stream.
struct Reader {
    partner: PublicKey,
    context: Arc<LinkContext>,
    heard_hello: Arc<AtomicBool>,
    permits: Arc<Semaphore>,
}

impl Reader {
    async fn run(self, mut stream: RecvStream) -> Result<(), String> {
        loop {
            let bytes = frame::read(&mut stream).await.map_err(|e| e.to_string())?;
            if let Err(why) = self.take(bytes).await {
                self.context.metrics.malformed();
                return Err(why);
            }
        }
    }

    async fn take(&self, bytes: Bytes) -> Result<(), String> {
        let message =
            Message::decode(bytes, self.context.membership.overlay()).map_err(|e| e.to_string())?;
        match message {
            Message::Push(push) => self.verify(push, Delivery::Push).await?,
            Message::Bodies { bodies, missing } => {
                let delivered = bodies.iter().map(|body| body.transaction.id()).collect();
                self.tell(Input::Bodies {
                    from: self.partner,
                    delivered,
                    missing,
                })
                .await?;
                for body in bodies {
                    self.verify(body, Delivery::Body).await?;
                }
            }
            other => {
                if let Message::Hello(hello) = &other {
                    hello
                        .identity
                        .verify(&self.context.root, &kittengrad_proto::signed::Ed25519)
                        .map_err(|e| e.to_string())?;
                    self.heard_hello.store(true, Ordering::Relaxed);
                }
                self.tell(Input::Message(self.partner, other)).await?;
            }
        }
        Ok(())
    }

    async fn tell(&self, input: Input) -> Result<(), String> {
        let sent = self.context.commands.send(Command::Input(input)).await;
        sent.map_err(|_| "this peer stops".to_owned())
    }

    /// Has a transaction verified on the pool, which tells the driver.
    async fn verify(&self, push: Push, delivery: Delivery) -> Result<(), String> {
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .map_err(|e| e.to_string())?;
        // Before the next message is read: it may name this chain without bringing it.
        if let Some(chain) = push.chain {
            self.context
                .verifying
                .learn(chain)
                .map_err(|e| e.to_string())?;
        }
        let context = Arc::clone(&self.context);
        let from = self.partner;
        self.context.verifying.spawn(move || {
            let id = push.transaction.id();
            let checked = context.verifying.check(push.transaction, push.records);
            let outcome = checked.map_err(|e| e.to_string());
            let input = Input::Verified {
                from,
                delivery,
                id,
                outcome,
            };
            // The driver is gone when this peer stops.
            let _ = context.commands.blocking_send(Command::Input(input));
            drop(permit);
        });
        Ok(())
    }
}
