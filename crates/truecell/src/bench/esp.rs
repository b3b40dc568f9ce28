use super::{Row, Runs};
use anyhow::{Context, anyhow, ensure};
use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use clap::Args;
use esp::{InboundSa, Keys, OutboundSa, Selector, Selectors, Suite};
use ids::Spi;
use rustix::thread::{CpuSet, sched_setaffinity};
use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::{Duration, Instant},
};

#[derive(Debug, Args)]
pub(crate) struct Esp {
    /// Runs, each of our packets and of the bare cipher in turn
    #[arg(long, default_value_t = 9, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,

    /// Packets in each run
    #[arg(long, default_value_t = 400_000, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    packets: u32,
}

const BENCH: &str = "esp";
const SPI: Spi = Spi(0x1000);
/// Packets sealed and opened in turn: 64 of 1,400 octets stay in the caches of one core.
const BATCH: usize = 64;

impl Esp {
    /// Measures on one processor: whole ESP packets, with headers, padding, selectors, sequence number and
    /// replay window, beside the bare cipher over as many octets.
    ///
    /// # Errors
    /// Why there is no figure.
    pub(crate) fn measure(&self) -> anyhow::Result<Vec<Row>> {
        pin()?;
        let mut rows = Vec::new();
        for length in [1400, 64] {
            let bare = bare_key()?;
            let [mut seal, mut open, mut bare_seal, mut bare_open] = [(); 4].map(|()| Runs::default());
            for _ in 0..self.runs {
                let (sealed, opened) = self.ours(Suite::Aes128Gcm16, length)?;
                let (bare_sealed, bare_opened) = self.bare(&bare, length)?;
                seal.push(sealed);
                open.push(opened);
                bare_seal.push(bare_sealed);
                bare_open.push(bare_opened);
            }
            let peer = || "bare AES-128-GCM (aws-lc-rs)".to_owned();
            let row = |what: &str, runs| {
                Row::new(BENCH, format!("{what} {length} octets, AES-128-GCM"), "packets/s", runs)
            };
            rows.push(row("seal", seal).beside(peer(), bare_seal));
            rows.push(row("open", open).beside(peer(), bare_open));
        }
        let (mut seal, mut open) = (Runs::default(), Runs::default());
        for _ in 0..self.runs {
            let (sealed, opened) = self.ours(Suite::Aes128CbcHmacSha256, 1400)?;
            seal.push(sealed);
            open.push(opened);
        }
        let cbc = "1400 octets, AES-128-CBC with HMAC-SHA-256";
        rows.push(Row::new(BENCH, format!("seal {cbc}"), "packets/s", seal));
        rows.push(Row::new(BENCH, format!("open {cbc}"), "packets/s", open));
        Ok(rows)
    }

    fn batches(&self) -> usize {
        (self.packets as usize).div_ceil(BATCH)
    }

    /// Packets sealed, and packets opened, each second of doing so.
    fn rates(&self, sealing: Duration, opening: Duration) -> (f64, f64) {
        let packets = (self.batches() * BATCH) as f64;
        (packets / sealing.as_secs_f64(), packets / opening.as_secs_f64())
    }

    fn ours(&self, suite: Suite, length: usize) -> anyhow::Result<(f64, f64)> {
        let (mut outbound, mut inbound) = pair(suite)?;
        let packet = packet(length);
        let mut room = [(); BATCH].map(|()| Vec::with_capacity(length + 128));
        let (mut sealing, mut opening) = (Duration::ZERO, Duration::ZERO);
        for _ in 0..self.batches() {
            let began = Instant::now();
            for out in &mut room {
                out.clear();
                outbound.seal(&packet, out).map_err(|error| anyhow!("not sealed: {error}"))?;
            }
            sealing += began.elapsed();
            let began = Instant::now();
            for sealed in &mut room {
                let opened = inbound.open(sealed).map_err(|error| anyhow!("not opened: {error}"))?;
                ensure!(opened.packet.len() == length, "another packet came out");
            }
            opening += began.elapsed();
        }
        Ok(self.rates(sealing, opening))
    }

    fn bare(&self, key: &LessSafeKey, length: usize) -> anyhow::Result<(f64, f64)> {
        let mut room = vec![vec![0x5a_u8; length]; BATCH];
        let mut tags = Vec::with_capacity(BATCH);
        let (mut sealing, mut opening) = (Duration::ZERO, Duration::ZERO);
        for batch in 0..self.batches() {
            tags.clear();
            let nonce = |place: usize| Nonce::assume_unique_for_key(nonce(batch * BATCH + place));
            let began = Instant::now();
            for (place, octets) in room.iter_mut().enumerate() {
                let tag = key.seal_in_place_separate_tag(nonce(place), Aad::from(AAD), octets);
                tags.push(tag.map_err(|_| anyhow!("not sealed"))?);
            }
            sealing += began.elapsed();
            for (octets, tag) in room.iter_mut().zip(&tags) {
                octets.extend_from_slice(tag.as_ref());
            }
            let began = Instant::now();
            for (place, octets) in room.iter_mut().enumerate() {
                let opened = key.open_in_place(nonce(place), Aad::from(AAD), octets);
                ensure!(opened.is_ok_and(|plain| plain.len() == length), "not opened");
            }
            opening += began.elapsed();
            room.iter_mut().for_each(|octets| octets.truncate(length));
        }
        Ok(self.rates(sealing, opening))
    }
}

const AAD: [u8; 12] = [7; 12];

/// The cipher alone, as ESP with ESN uses it.
fn bare_key() -> anyhow::Result<LessSafeKey> {
    let key = UnboundKey::new(&AES_128_GCM, &[3; 16]).map_err(|_| anyhow!("no key"))?;
    Ok(LessSafeKey::new(key))
}

fn nonce(number: usize) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&(number as u64).to_be_bytes());
    nonce
}

/// One direction of a tunnel, both ends.
fn pair(suite: Suite) -> anyhow::Result<(OutboundSa, InboundSa)> {
    let all = Selector::range(IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::BROADCAST));
    let selectors = Arc::new(Selectors { local: Arc::new([all]), remote: Box::new([all]) });
    let integrity: &[u8] = if suite == Suite::Aes128Gcm16 { &[] } else { &[9; 32] };
    let encryption: &[u8] = if suite == Suite::Aes128Gcm16 { &[3; 20] } else { &[3; 16] };
    let keys = || Keys::new(suite, encryption, integrity).ok().context("keys that do not fit the suite");
    let outbound = OutboundSa::new(SPI, keys()?, true, selectors.clone());
    Ok((outbound, InboundSa::new(SPI, keys()?, true, selectors)))
}

/// A UDP packet over IPv4 of so many octets.
fn packet(length: usize) -> Vec<u8> {
    let mut packet = vec![0x45, 0];
    packet.extend((length as u16).to_be_bytes());
    packet.extend([0, 0, 0x40, 0, 64, 17, 0, 0, 10, 64, 0, 1, 10, 0, 0, 1]);
    packet.extend([0x13, 0x88, 0x13, 0x88]);
    packet.resize(length, 0x5a);
    packet
}

/// Stays on the processor that it is on.
fn pin() -> anyhow::Result<()> {
    let mut here = CpuSet::new();
    here.set(rustix::thread::sched_getcpu());
    Ok(sched_setaffinity(None, &here)?)
}
