//! Dialling partners repeatedly, with growing pauses.

use std::{collections::BTreeSet, net::SocketAddr, sync::Arc, time::Duration};

use kittengrad_client_core::routing::Backoff;
use kittengrad_node_core::Timing;
use kittengrad_overlay::view::View;
use kittengrad_pki::tls;
use kittengrad_proto::{
    certificate::{Role, transport_name},
    id::PublicKey,
};
use kittengrad_service::process::joined;
use quinn::Endpoint;
use tokio::{
    net::lookup_host,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{
    connection::{self, LinkContext},
    endpoint::{HANDSHAKE, client_config},
};

const RETRY: Backoff = Backoff {
    base_ms: 50,
    max_ms: 2_000,
};

// A healthy partner is connected again within the suspicion time, even if its first handshake is lost.
const _: () =
    assert!(Timing::DEFAULT.suspicion_ms as u128 > HANDSHAKE.as_millis() + RETRY.max_ms as u128);

/// Keeps a link up to every partner of the newest view that has a larger key, for as long as it is awaited.
pub(crate) async fn dial(endpoint: Endpoint, context: Arc<LinkContext>) {
    let mut views = context.views.clone();
    // One task for each partner. It ends when the member is not a partner any more; a later view may make it one again.
    let mut links = JoinSet::new();
    let mut dialled = BTreeSet::new();
    loop {
        for partner in views.now().partners() {
            let is_ours = partner > context.me && address_of(&partner, &views.now()).is_some();
            if is_ours && dialled.insert(partner) {
                links.spawn(keep_up(endpoint.clone(), partner, Arc::clone(&context)));
            }
        }
        tokio::select! {
            _ = views.changed() => {}
            // Propagates a panic: otherwise its partner would never be dialled again.
            Some(ended) = links.join_next() => {
                dialled.remove(&joined(ended));
            }
        }
    }
}

/// Keeps a link to `partner` up until it is not a partner any more. Returns its key then.
async fn keep_up(endpoint: Endpoint, partner: PublicKey, context: Arc<LinkContext>) -> PublicKey {
    let mut failures: u32 = 0;
    loop {
        let Some(address) = address_of(&partner, &context.views.now()) else {
            return partner;
        };
        let heard_hello = match connect(&endpoint, partner, &address, &context).await {
            Ok(connection) => connection::serve(connection, Some(partner), &context).await,
            Err(why) => {
                tracing::debug!(?partner, address, why, "no link");
                false
            }
        };
        failures = if heard_hello {
            1
        } else {
            failures.saturating_add(1)
        };
        let random = getrandom::u64().unwrap_or_default();
        sleep(Duration::from_millis(RETRY.wait_ms(failures, random))).await;
    }
}

/// The QUIC address of a partner; `None` if the member is not a partner.
fn address_of(partner: &PublicKey, view: &View) -> Option<String> {
    let is_partner = view.partners().contains(partner);
    let identity = view.member(partner).filter(|_| is_partner)?;
    Some(identity.addresses.quic.clone())
}

async fn connect(
    endpoint: &Endpoint,
    partner: PublicKey,
    address: &str,
    context: &LinkContext,
) -> Result<quinn::Connection, String> {
    let address = resolve(address).await?;
    let name = transport_name(&partner, Role::Peer);
    debug_assert_eq!(tls::server_name(&partner, Role::Peer).to_str(), name);
    let config = client_config(&context.tls.borrow()).map_err(|e| e.to_string())?;
    let connecting = endpoint
        .connect_with(config, address, &name)
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
