//! One connection to a partner: its authentication, and the messages in both directions.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use kittengrad_node_core::{Delivery, Input, driver};
use kittengrad_overlay::view::View;
use kittengrad_pki::tls;
use kittengrad_proto::{
    certificate::{Holder, Role, Root},
    id::PublicKey,
    link::{Message, Push},
    namespace::Overlay,
};
use kittengrad_service::{handshakes::TlsConfigs, views::Views};
use quinn::{Connection, RecvStream, SendStream, VarInt};
use rustls_pki_types::CertificateDer;
use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::JoinSet,
    time::MissedTickBehavior,
};

use super::{
    frame::{self, Writer},
    lanes::{Lane, lanes},
    vouched::Vouched,
};
use crate::{driver::Command, metrics::PeerMetrics, verify::Verifying};

/// The time between two checks that a partner's certificates are in force.
const SWEEP: Duration = Duration::from_secs(5);
/// Transactions of one connection that are being verified, at most.
const VERIFYING_MAX: usize = 256;

/// The context that all links share.
pub(crate) struct LinkContext {
    pub(crate) me: PublicKey,
    pub(crate) overlay: Overlay,
    /// The views. Only partners in the newest one may have a link.
    pub(crate) views: Views,
    pub(crate) root: Root,
    pub(crate) commands: mpsc::Sender<Command>,
    /// The TLS configurations, read again for each connection.
    pub(crate) tls: watch::Receiver<TlsConfigs>,
    pub(crate) verifying: Arc<Verifying>,
    pub(crate) metrics: PeerMetrics,
    pub(crate) connections: AtomicU64,
}

/// Serves a connection until it ends. Returns whether the partner's hello came.
pub(crate) async fn serve(
    connection: Connection,
    expected: Option<PublicKey>,
    context: &Arc<LinkContext>,
) -> bool {
    let holder = match identify(&connection, context) {
        Ok(holder) if expected.is_none_or(|expected| expected == holder.key) => holder,
        Ok(holder) => {
            let why = format!("it is {}; another peer was dialled", holder.key);
            return refuse(&connection, &why);
        }
        Err(why) => return refuse(&connection, &why),
    };
    let partner = holder.key;
    let number = context.connections.fetch_add(1, Ordering::Relaxed);
    let (to, prompt, bulk) = lanes();
    let up = driver::Command::LinkUp {
        partner,
        connection: number,
        to,
    };
    if context.commands.send(up.into()).await.is_err() {
        return false;
    }
    context.metrics.link(true);
    tracing::debug!(?partner, "link is up");
    let vouched = Arc::new(Vouched::default());
    let mut tasks = JoinSet::new();
    tasks.spawn(write(
        connection.clone(),
        [prompt, bulk],
        context.overlay.clone(),
    ));
    tasks.spawn(end_with(holder, connection.clone(), context.views.clone()));
    tasks.spawn(read_all(
        connection.clone(),
        (partner, number),
        Arc::clone(context),
        Arc::clone(&vouched),
    ));
    let why = match tasks.join_next().await {
        Some(Ok(Err(why))) => why,
        _ => "the link ended".to_owned(),
    };
    connection.close(VarInt::from_u32(1), why.as_bytes());
    tasks.shutdown().await;
    context.metrics.link(false);
    tracing::debug!(?partner, why, "link is down");
    let down = driver::Command::LinkDown {
        partner,
        connection: number,
    };
    let _ = context.commands.send(down.into()).await;
    vouched.heard_hello()
}

fn refuse(connection: &Connection, why: &str) -> bool {
    tracing::warn!(address = %connection.remote_address(), why, "link refused");
    connection.close(VarInt::from_u32(2), why.as_bytes());
    false
}

/// Authenticates the other end by its certificates: it must be a peer and a partner in the newest view.
fn identify(connection: &Connection, context: &LinkContext) -> Result<Holder, String> {
    let shown = connection
        .peer_identity()
        .and_then(|any| any.downcast::<Vec<CertificateDer<'_>>>().ok());
    let shown = shown.ok_or("it showed no certificate")?;
    let now_ms = kittengrad_service::clock::unix_ms();
    let holder = tls::holder_of(&shown, &context.root, now_ms).map_err(|e| e.to_string())?;
    holder
        .check_role(&[Role::Peer])
        .map_err(|e| e.to_string())?;
    check_partner(&holder, &context.views.now())?;
    Ok(holder)
}

fn check_partner(holder: &Holder, view: &View) -> Result<(), String> {
    if view.partners().contains(&holder.key) {
        return Ok(());
    }
    Err(format!("peer {} is not a partner in this ring", holder.key))
}

/// Waits until the partner's certificates end, it is not a partner any more, or the connection ends. A connection
/// outlives the certificates that it was opened with, so this task has to end it.
async fn end_with(holder: Holder, connection: Connection, mut views: Views) -> Result<(), String> {
    let mut sweep = tokio::time::interval(SWEEP);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            // A check at intervals instead of one timer, because the wall clock may be set.
            _ = sweep.tick() => {
                let now_ms = kittengrad_service::clock::unix_ms();
                holder.check_at(now_ms).map_err(|e| e.to_string())?;
            }
            view = views.changed() => check_partner(&holder, &view)?,
            error = connection.closed() => return Err(error.to_string()),
        }
    }
}

/// Sends the queued messages, with a stream for each lane, so that prompt messages do not wait for bulk ones.
async fn write(connection: Connection, queued: [Lane; 2], overlay: Overlay) -> Result<(), String> {
    let mut lanes = JoinSet::new();
    for lane in queued {
        let stream = connection.open_uni().await.map_err(|e| e.to_string())?;
        lanes.spawn(write_lane(stream, lane, overlay.clone()));
    }
    match lanes.join_next().await {
        Some(Ok(Err(why))) => Err(why),
        _ => Err("the partner reads too slowly, or a newer link replaced this one".to_owned()),
    }
}

async fn write_lane(
    mut stream: SendStream,
    mut lane: Lane,
    overlay: Overlay,
) -> Result<(), String> {
    let mut writer = Writer::default();
    while let Some((message, mut bytes)) = lane.next().await {
        let mut is_full = writer.add(&message.encode(&overlay));
        while !is_full && let Some((message, more)) = lane.next_waiting() {
            is_full = writer.add(&message.encode(&overlay));
            bytes += more;
        }
        writer.write(&mut stream).await.map_err(|e| e.to_string())?;
        lane.wrote(bytes);
    }
    Ok(())
}

/// Reads the streams of the partner, until one ends.
async fn read_all(
    connection: Connection,
    (partner, number): (PublicKey, u64),
    context: Arc<LinkContext>,
    vouched: Arc<Vouched>,
) -> Result<(), String> {
    let permits = Arc::new(Semaphore::new(VERIFYING_MAX));
    let mut lanes = JoinSet::new();
    loop {
        tokio::select! {
            stream = connection.accept_uni() => {
                let reader = Reader {
                    partner,
                    connection: number,
                    context: Arc::clone(&context),
                    vouched: Arc::clone(&vouched),
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

/// The reader of one stream.
struct Reader {
    partner: PublicKey,
    /// The connection's number.
    connection: u64,
    context: Arc<LinkContext>,
    vouched: Arc<Vouched>,
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
        let message = Message::decode(bytes, &self.context.overlay).map_err(|e| e.to_string())?;
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
            Message::Hello(hello) => {
                let root = &self.context.root;
                self.vouched
                    .hello(&hello.identity, root)
                    .map_err(|e| e.to_string())?;
                let message = Message::Hello(hello);
                self.tell(Input::Message(self.partner, message)).await?;
            }
            Message::PushResult(result) => {
                let message = Message::PushResult(self.vouched.in_force(self.partner, result));
                self.tell(Input::Message(self.partner, message)).await?;
            }
            other => self.tell(Input::Message(self.partner, other)).await?,
        }
        Ok(())
    }

    async fn tell(&self, input: Input) -> Result<(), String> {
        let heard = driver::Command::Heard {
            partner: self.partner,
            connection: self.connection,
            input,
        };
        let sent = self.context.commands.send(heard.into()).await;
        sent.map_err(|_| "this peer is stopping".to_owned())
    }

    /// Verifies a transaction on the worker pool, which sends the result to the driver.
    async fn verify(&self, push: Push, delivery: Delivery) -> Result<(), String> {
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .map_err(|e| e.to_string())?;
        // Before the next message is read, because it may name this chain only by its id.
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
            let (transaction, records) = (push.transaction, push.records);
            let outcome = context
                .verifying
                .check_delivered(delivery, transaction, records);
            let input = Input::Verified {
                from,
                delivery,
                id,
                outcome,
            };
            // The driver ends before the pool when this peer stops.
            let _ = context.commands.blocking_send(Command::input(input));
            drop(permit);
        });
        Ok(())
    }
}
