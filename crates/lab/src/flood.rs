//! A flood of IKE_SA_INIT from addresses that hear no answer, as from a sender that makes them up.

use crate::{KnownGateway, UnitIdentity};
use anyhow::Context;
use ike::{Initiator, InitiatorConfig, Output, Path, crypto::AwsLc, payload::Identification};
use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

/// Sockets from which it comes; each has a /24 of its own in 127.0.0.0/8, and what is sent to it stays unread.
pub struct Flood {
    sockets: Vec<UdpSocket>,
    /// An IKE_SA_INIT as a unit sends it; its SPI is replaced.
    init: Vec<u8>,
    to: SocketAddr,
}

/// Between two bursts.
const PAUSE: Duration = Duration::from_millis(1);
/// Octets of SPIi, the first of a header (RFC 7296 §3.1).
const SPI: usize = 8;

impl Flood {
    /// From `addresses` addresses, the last of 127.0.0.0/8, against the gateway's IKE port. `unit`: for whose name it is made;
    /// it is not in an IKE_SA_INIT.
    ///
    /// # Errors
    /// What the system says.
    pub fn new(gateway: &KnownGateway, unit: &UnitIdentity, addresses: u16) -> anyhow::Result<Self> {
        let bind = |number: u16| {
            let [net, subnet] = number.to_be_bytes();
            UdpSocket::bind((Ipv4Addr::new(127, 255 - net, subnet, 254), 0))
        };
        let sockets = (0..addresses).map(bind).collect::<Result<Vec<_>, _>>()?;
        let local = sockets.first().context("no address")?.local_addr()?;
        let path = Path { local, peer: gateway.ike, encapsulated: false };
        let natt_path = Path { local, peer: gateway.natt, encapsulated: true };
        let config = InitiatorConfig::new(unit.local(), Identification::fqdn(&gateway.name), path, natt_path);
        Ok(Self { sockets, init: init(config)?, to: gateway.ike })
    }

    /// Sends `per_second` until `stop`; how many were sent. The system may be too slow for that many.
    ///
    /// # Errors
    /// What the system says.
    pub fn run(&self, per_second: u32, stop: &AtomicBool) -> anyhow::Result<u64> {
        let (began, mut sent, mut datagram) = (Instant::now(), 0_u64, self.init.clone());
        let mut sockets = self.sockets.iter().cycle();
        while !stop.load(Relaxed) {
            let due = (began.elapsed().as_secs_f64() * f64::from(per_second)) as u64;
            while sent < due {
                let Some(socket) = sockets.next() else { return Ok(sent) };
                sent += 1;
                datagram.iter_mut().zip(sent.to_be_bytes()).take(SPI).for_each(|(octet, new)| *octet = new);
                socket.send_to(&datagram, self.to)?;
                if sent.is_multiple_of(1024) && stop.load(Relaxed) {
                    break;
                }
            }
            thread::sleep(PAUSE);
        }
        Ok(sent)
    }
}

fn init(config: InitiatorConfig) -> anyhow::Result<Vec<u8>> {
    let now = Instant::now();
    let mut initiator = Initiator::new(config, Arc::new(AwsLc), now);
    initiator.connect(now);
    let first = std::iter::from_fn(|| initiator.poll_output()).find_map(|output| match output {
        Output::Transmit { datagram, .. } => Some(datagram),
        Output::Keepalive { .. }
        | Output::AskPeer { .. }
        | Output::AskAdmission { .. }
        | Output::InstallChildSa { .. }
        | Output::RemoveChildSa { .. }
        | Output::Event(_) => None,
    });
    first.context("a unit that connects sends an IKE_SA_INIT")
}
