//! Looks at a node that is made up.

use super::look::{Look, Seen};
use api::stats::{Counters, NodeStats};
use gateway::{Amount, SessionBrief, State};
use ids::{DeviceId, Epoch, SessionId, UnixTime};
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

/// When each sample node started.
const STARTED: i64 = 1_800_000_000;

/// At `uptime`, with nothing counted.
pub(crate) fn look(uptime: Duration, tunnels: Vec<SessionBrief>) -> Look {
    let uptime_us = uptime.as_micros() as u64;
    let stats = NodeStats {
        node: "segw-1".parse().unwrap(),
        version: "0.1.0".into(),
        epoch: Epoch(1),
        uptime_us,
        alarms: Vec::new(),
        counters: Counters { sessions: tunnels.len(), ..Counters::default() },
    };
    let tunnels = tunnels.into_iter().map(|brief| Seen { uptime_us, brief }).collect();
    Look { at: at(uptime), stats, tunnels }
}

/// The wall time then.
pub(crate) fn at(uptime: Duration) -> UnixTime {
    UnixTime::from_secs(STARTED).after(uptime)
}

/// Open since the node's start, without traffic. Numbers give their names: 1 is unit 00aabb000001.
pub(crate) fn tunnel(number: u32) -> SessionBrief {
    let [_, high, middle, low] = number.to_be_bytes();
    SessionBrief {
        id: id(number),
        device: format!("00aabb{number:06x}").parse::<DeviceId>().unwrap(),
        state: State::Open,
        outer: SocketAddr::from(([203, high, middle, low], 4500)),
        inner: vec![IpAddr::V4(Ipv4Addr::new(10, high, middle, low))],
        since: at(Duration::ZERO),
        uplink: Amount::default(),
        downlink: Amount::default(),
        drops: 0,
    }
}

pub(crate) fn id(number: u32) -> SessionId {
    SessionId { epoch: Epoch(1), number: number.into() }
}

pub(crate) fn amount(packets: u64, octets: u64) -> Amount {
    Amount { packets, octets }
}

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
