//! Relays between peers that can cut one off: its links carry nothing, and its other listeners go on.

use std::{
    collections::BTreeMap,
    net::{SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// Time after which a thread of a relay looks whether the test is over.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The UDP relays of a network. Dropping them ends their threads.
pub(crate) struct Relays {
    /// Number of the peer that is cut off; 0 if none is.
    cut: Arc<AtomicUsize>,
}

impl Relays {
    /// Starts a relay for each peer, from the announced address to the real one. A peer sends from its real address.
    pub(crate) fn start(peers: &[(SocketAddr, SocketAddr)]) -> Self {
        let cut = Arc::new(AtomicUsize::new(0));
        let numbers: BTreeMap<_, _> = peers.iter().map(|(_, real)| *real).zip(1..).collect();
        let numbers = Arc::new(numbers);
        for (number, (announced, real)) in (1..).zip(peers) {
            let relay = Relay {
                socket: Arc::new(UdpSocket::bind(announced).unwrap()),
                number,
                real: *real,
                numbers: Arc::clone(&numbers),
                cut: Arc::clone(&cut),
            };
            thread::spawn(move || relay.run());
        }
        Self { cut }
    }

    /// Cuts the links of a peer, by its number from 1.
    pub(crate) fn cut(&self, number: usize) {
        self.cut.store(number, Ordering::Relaxed);
    }

    /// Lets all links carry again.
    pub(crate) fn heal(&self) {
        self.cut.store(0, Ordering::Relaxed);
    }
}

/// The relay of one peer.
struct Relay {
    socket: Arc<UdpSocket>,
    number: usize,
    real: SocketAddr,
    numbers: Arc<BTreeMap<SocketAddr, usize>>,
    cut: Arc<AtomicUsize>,
}

impl Relay {
    fn run(self) {
        let mut ways = BTreeMap::<SocketAddr, Arc<UdpSocket>>::new();
        let mut packet = [0; 65_536];
        self.socket.set_read_timeout(Some(LOOK_EVERY)).unwrap();
        while !is_over(&self.cut) {
            let Ok((bytes, from)) = self.socket.recv_from(&mut packet) else {
                continue;
            };
            let partner = self.numbers.get(&from).copied().unwrap_or(usize::MAX);
            let way = ways.entry(from).or_insert_with(|| self.way(from, partner));
            if self.carries(partner) {
                let _ = way.send(&packet[..bytes]);
            }
        }
    }

    /// Opens a socket to the peer for the packets of a partner, and sends the answers back.
    fn way(&self, from: SocketAddr, partner: usize) -> Arc<UdpSocket> {
        let way = Arc::new(UdpSocket::bind("127.0.0.1:0").unwrap());
        way.connect(self.real).unwrap();
        way.set_read_timeout(Some(LOOK_EVERY)).unwrap();
        let (back, socket, cut) = (
            Arc::clone(&way),
            Arc::clone(&self.socket),
            Arc::clone(&self.cut),
        );
        let number = self.number;
        thread::spawn(move || {
            let mut packet = [0; 65_536];
            while !is_over(&cut) {
                if let Ok(bytes) = back.recv(&mut packet)
                    && carries(&cut, number, partner)
                {
                    let _ = socket.send_to(&packet[..bytes], from);
                }
            }
        });
        way
    }

    fn carries(&self, partner: usize) -> bool {
        carries(&self.cut, self.number, partner)
    }
}

fn carries(cut: &AtomicUsize, one: usize, other: usize) -> bool {
    let cut = cut.load(Ordering::Relaxed);
    cut != one && cut != other
}

/// Whether the test is over.
fn is_over(cut: &AtomicUsize) -> bool {
    cut.load(Ordering::Relaxed) == usize::MAX
}

impl Drop for Relays {
    fn drop(&mut self) {
        self.cut.store(usize::MAX, Ordering::Relaxed);
    }
}
