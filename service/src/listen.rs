//! Listening sockets. Errors name the address and its key in the configuration.

use std::net::SocketAddr;

use thiserror::Error;
use tokio::net::TcpListener;

/// Why there is no listener. Nothing is bound.
#[derive(Debug, Error)]
pub enum ListenError {
    /// The system refuses the address.
    #[error("cannot listen on {address} (`{key}`): {error}; {}", next_step(error))]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The configuration key that names it.
        key: &'static str,
        /// The system's error.
        error: std::io::Error,
    },
    /// No address is configured, and the network file announces one that is not `ip:port`, such as a host name.
    #[error(
        "the network file announces {announced:?}, which is not an address to listen on: give {key} = \"ip:port\" in the configuration"
    )]
    Announced {
        /// The configuration key.
        key: &'static str,
        /// The announced address.
        announced: String,
    },
}

/// Chooses the address to listen on: the one configured under `key`, else the one that the network file announces.
///
/// # Errors
/// [`ListenError::Announced`] if no address is configured and the announced one is not `ip:port`, such as a host name.
pub fn choose(
    key: &'static str,
    configured: Option<SocketAddr>,
    announced: &str,
) -> Result<SocketAddr, ListenError> {
    configured.map_or_else(
        || {
            announced.parse().map_err(|_| ListenError::Announced {
                key,
                announced: announced.to_owned(),
            })
        },
        Ok,
    )
}

/// Listens on `address`. `key` is its key in the configuration.
///
/// # Errors
/// If the port is in use or not allowed, or the address is not of this machine.
pub async fn listen(address: SocketAddr, key: &'static str) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address)
        .await
        .map_err(|error| ListenError::Bind {
            address,
            key,
            error,
        })
}

/// The advice for a system error about a listening address, TCP or UDP.
#[must_use]
pub fn next_step(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            "is it running already? `ss -ltunp` names the process that uses the port: stop it, or configure another port"
        }
        std::io::ErrorKind::PermissionDenied => {
            "ports below 1024 need privileges: configure another"
        }
        std::io::ErrorKind::AddrNotAvailable => "configure an address of this machine (`ip addr`)",
        _ => "configure another address",
    }
}
