//! Dialling a partner, again and again, with growing pauses.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use kittengrad_node_core::Timing;
use kittengrad_pki::tls;
use kittengrad_proto::{
    certificate::{Role, transport_name},
    id::PublicKey,
};
use quinn::Endpoint;
use tokio::{
    net::lookup_host,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    connection::{self, LinkContext},
    endpoint::HANDSHAKE,
};

const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(2);

// A partner that is well is back within the suspicion time, even if its first handshake was lost.
const _: () =
    assert!(Timing::DEFAULT.suspicion_ms as u128 > HANDSHAKE.as_millis() + PAUSE_MAX.as_millis());

/// Keeps a link to `partner` up until `shutdown`.
pub(crate) async fn dial(
    endpoint: Endpoint,
    partner: PublicKey,
    address: String,
    context: Arc<LinkContext>,
    shutdown: CancellationToken,
) {
    let mut pause = PAUSE_MIN;
    loop {
        let attempt = async {
            match connect(&endpoint, partner, &address).await {
                Ok(connection) => connection::serve(connection, Some(partner), &context).await,
                Err(why) => {
                    tracing::debug!(?partner, address, why, "no link");
                    false
                }
            }
        };
        let heard_hello = tokio::select! {
            () = shutdown.cancelled() => return,
            heard = attempt => heard,
        };
        pause = if heard_hello {
            PAUSE_MIN
        } else {
            (pause * 2).min(PAUSE_MAX)
        };
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = sleep(with_jitter(pause)) => {}
        }
    }
}

async fn connect(
    endpoint: &Endpoint,
    partner: PublicKey,
    address: &str,
) -> Result<quinn::Connection, String> {
    let address = resolve(address).await?;
    let name = transport_name(&partner, Role::Peer);
    debug_assert_eq!(tls::server_name(&partner, Role::Peer).to_str(), name);
    let connecting = endpoint
        .connect(address, &name)
        .map_err(|e| e.to_string())?;
    match timeout(HANDSHAKE, connecting).await {
        Ok(connected) => connected.map_err(|e| e.to_string()),
        Err(_) => Err(format!("no handshake within {HANDSHAKE:?}")),
    }
}

async fn resolve(address: &str) -> Result<SocketAddr, String> {
    let mut found = lookup_host(address).await.map_err(|e| e.to_string())?;
    found
        .next()
        .ok_or_else(|| format!("{address} has no address"))
}

/// Between half and all of a pause, so that partners do not knock in step.
fn with_jitter(pause: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or_default();
    pause.mul_f64(0.5 + f64::from(random) / f64::from(u32::MAX) / 2.0)
}
