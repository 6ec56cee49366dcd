//! Listening sockets, and errors that say which address and which line of the configuration.

use std::net::SocketAddr;

use thiserror::Error;
use tokio::net::TcpListener;

/// Why there is no listener. Nothing is bound.
#[derive(Debug, Error)]
pub enum ListenError {
    /// The system refuses the address.
    #[error("cannot listen on {address} (`{key}`): {error}; {}", next_step(error))]
    Bind {
        /// The address wanted.
        address: SocketAddr,
        /// The configuration key that names it.
        key: &'static str,
        /// What the system says.
        error: std::io::Error,
    },
    /// Nothing is configured, and what the network file announces cannot be listened on.
    #[error(
        "the network file announces {announced:?}, which is not an address to listen on: give {key} = \"ip:port\" in the configuration"
    )]
    Announced {
        /// The configuration key.
        key: &'static str,
        /// What is announced.
        announced: String,
    },
}

/// Chooses where to listen: as configured under `key`, else as the network file announces it to others.
///
/// # Errors
/// If nothing is configured, and what is announced is not an address, for example a host name.
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

/// Listens on `address`, which the configuration names under `key`.
///
/// # Errors
/// If the port is taken, not allowed, or the address is not of this machine.
pub async fn listen(address: SocketAddr, key: &'static str) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address)
        .await
        .map_err(|error| ListenError::Bind {
            address,
            key,
            error,
        })
}

/// What to do when the system refuses an address to listen on, TCP or UDP.
#[must_use]
pub fn next_step(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            "stop the process that has the port (`ss -ltunp` names it) or configure another"
        }
        std::io::ErrorKind::PermissionDenied => {
            "ports below 1024 need privileges: configure another"
        }
        std::io::ErrorKind::AddrNotAvailable => "configure an address of this machine (`ip addr`)",
        _ => "configure another address",
    }
}
