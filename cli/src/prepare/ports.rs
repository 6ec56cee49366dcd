//! Choosing ports on loopback for a network that does not run yet.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

use anyhow::bail;

/// Free ports on loopback, none of them twice: all stay bound until all are chosen.
///
/// They lie below the ports that the system gives to outgoing connections, so that they are still free later.
pub(super) struct Ports {
    next: u16,
    tcp: Vec<TcpListener>,
    udp: Vec<UdpSocket>,
}

const FIRST: u16 = 20_000;
const LAST: u16 = 32_000;

impl Ports {
    pub(super) fn new() -> Self {
        let random = u16::try_from(getrandom::u32().unwrap_or_default() % u32::from(LAST - FIRST));
        Self {
            next: FIRST + random.unwrap_or_default(),
            tcp: Vec::new(),
            udp: Vec::new(),
        }
    }

    pub(super) fn tcp(&mut self) -> anyhow::Result<String> {
        let (address, socket) = self.search(TcpListener::bind)?;
        self.tcp.push(socket);
        Ok(address.to_string())
    }

    pub(super) fn udp(&mut self) -> anyhow::Result<String> {
        let (address, socket) = self.search(UdpSocket::bind)?;
        self.udp.push(socket);
        Ok(address.to_string())
    }

    /// Tries one port after another.
    fn search<T>(
        &mut self,
        bind: impl Fn(SocketAddr) -> std::io::Result<T>,
    ) -> anyhow::Result<(SocketAddr, T)> {
        for _ in FIRST..LAST {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.next));
            self.next = if self.next + 1 < LAST {
                self.next + 1
            } else {
                FIRST
            };
            if let Ok(socket) = bind(address) {
                return Ok((address, socket));
            }
        }
        bail!("no free port from {FIRST} to {LAST} on loopback")
    }
}
