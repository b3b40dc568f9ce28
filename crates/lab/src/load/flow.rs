//! A steady flow of units that a [`Load`] has attached, and when each was heard last.

use super::{Load, Tunnel};
use anyhow::ensure;
use std::{
    collections::HashMap,
    net::Ipv4Addr,
    time::{Duration, Instant},
};

/// What came back through a tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Its unit's identity in IKE.
    pub name: String,
    /// When the last echo came in; none where nothing ever did.
    pub last: Option<Instant>,
}

impl Load {
    /// Sends a datagram to `service` by each tunnel `every` so often, the tunnels one after another, for as long as
    /// `goes_on`, whether or not anything comes back; that is told whether something has by now through each. Each tunnel
    /// needs a socket of its own.
    ///
    /// # Errors
    /// A socket does not work, or is that of two tunnels.
    pub fn flow(
        &mut self,
        tunnels: &mut [Tunnel],
        service: Ipv4Addr,
        every: Duration,
        mut goes_on: impl FnMut(bool) -> bool,
    ) -> anyhow::Result<Vec<Heard>> {
        let of_socket: HashMap<_, _> =
            tunnels.iter().enumerate().map(|(n, tunnel)| (tunnel.place, n)).collect();
        ensure!(
            !tunnels.is_empty() && of_socket.len() == tunnels.len(),
            "each tunnel needs a place of its own"
        );
        let mut last = vec![None; tunnels.len()];
        let apart = every / u32::try_from(tunnels.len())?;
        let (mut sealed, mut due) = (Vec::new(), Instant::now());
        // Nobody attaches any more.
        self.timers.clear();
        while goes_on(last.iter().all(Option::is_some)) {
            for tunnel in &mut *tunnels {
                self.send(tunnel, service, &mut sealed)?;
                due += apart;
                self.listen(due, &of_socket, &mut last)?;
            }
        }
        Ok(tunnels.iter().zip(last).map(|(tunnel, last)| Heard { name: tunnel.name.clone(), last }).collect())
    }

    /// Takes in what comes until then, and what is there already.
    fn listen(
        &mut self,
        until: Instant,
        of_socket: &HashMap<usize, usize>,
        last: &mut [Option<Instant>],
    ) -> anyhow::Result<()> {
        loop {
            for socket in self.readable(until)? {
                let echoes = self.esp_at(socket)?;
                let tunnel = of_socket.get(&socket).and_then(|number| last.get_mut(*number));
                if let Some(last) = tunnel.filter(|_| echoes > 0) {
                    *last = Some(Instant::now());
                }
            }
            if Instant::now() >= until {
                return Ok(());
            }
        }
    }
}
