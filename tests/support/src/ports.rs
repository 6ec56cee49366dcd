//! Ports on loopback at which a process can listen, stop, and listen again.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    process,
    sync::atomic::{AtomicU16, Ordering},
};

/// A free address for TCP.
#[must_use]
pub fn free_tcp() -> SocketAddr {
    free(|address| TcpListener::bind(address).is_ok())
}

/// A free address for UDP.
#[must_use]
pub fn free_udp() -> SocketAddr {
    free(|address| UdpSocket::bind(address).is_ok())
}

/// A free address below the ports that the system gives to outgoing connections, so that it is still free after a
/// restart. No two tests of one process get the same address, and processes start at different ports.
fn free(is_free: impl Fn(SocketAddr) -> bool) -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = (process::id() % PROCESSES) as u16 * PORTS_EACH;
    loop {
        let next = NEXT.fetch_add(1, Ordering::Relaxed) % PORTS;
        let port = FIRST_PORT + (first + next) % PORTS;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if is_free(address) {
            return address;
        }
    }
}

const FIRST_PORT: u16 = 12_000;
/// Ports up to 31,999, because Linux gives ports from 32,768 on to outgoing connections.
const PORTS: u16 = PORTS_EACH * PROCESSES as u16;
/// Ports of one process before it reaches the first port of the next.
const PORTS_EACH: u16 = 100;
const PROCESSES: u32 = 200;
