//! Databases in the MaxMind DB format (specification 2.0), small ones, made by hand: records of 32 bits, IPv4 below ::/96.

use ipnet::IpNet;
use serde_json::Value;
use std::collections::BTreeMap;

/// Networks, each with what is known of it: objects, texts, booleans, whole numbers from 0, fractions, `null` for none.
#[derive(Clone, Debug, Default)]
pub struct Mmdb {
    nodes: Vec<[Way; 2]>,
    data: Vec<u8>,
}

/// Where a record of the tree leads.
#[derive(Clone, Copy, Debug, Default)]
enum Way {
    #[default]
    Nowhere,
    Node(usize),
    Data(usize),
}

const MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";

impl Mmdb {
    /// An empty one.
    pub fn new() -> Self {
        Self { nodes: vec![[Way::Nowhere; 2]], data: Vec::new() }
    }

    /// With one network more; the last word on an address counts, if the networks come from wide to narrow.
    #[must_use]
    pub fn with(mut self, net: &str, value: &Value) -> Self {
        let at = self.data.len();
        write_value(value, &mut self.data);
        let Ok(net) = net.parse::<IpNet>() else { return self };
        let (bits, length) = match net {
            IpNet::V4(net) => (u128::from(u32::from(net.network())), net.prefix_len() + 96),
            IpNet::V6(net) => (net.network().to_bits(), net.prefix_len()),
        };
        let side = |depth: u8| usize::from(bits >> (127 - depth) & 1 == 1);
        let mut node = 0;
        for depth in 0..length - 1 {
            node = self.below(node, side(depth));
        }
        self.nodes[node][side(length - 1)] = Way::Data(at);
        self
    }

    /// The node on one side of another; what that side led to is on both sides of a new one.
    fn below(&mut self, node: usize, side: usize) -> usize {
        match self.nodes[node][side] {
            Way::Node(below) => below,
            way @ (Way::Nowhere | Way::Data(_)) => {
                self.nodes.push([way; 2]);
                let below = self.nodes.len() - 1;
                self.nodes[node][side] = Way::Node(below);
                below
            }
        }
    }

    /// The file. `built`: seconds since 1970.
    pub fn octets(&self, built: u64) -> Vec<u8> {
        let count = self.nodes.len();
        let mut file = Vec::new();
        for way in self.nodes.iter().flatten() {
            let record = match way {
                Way::Nowhere => count,
                Way::Node(node) => *node,
                Way::Data(at) => count + 16 + at,
            };
            file.extend(u32::try_from(record).unwrap_or(u32::MAX).to_be_bytes());
        }
        file.extend([0; 16]);
        file.extend(&self.data);
        file.extend(MARKER);
        write_metadata(count, built, &mut file);
        file
    }
}

fn write_metadata(nodes: usize, built: u64, to: &mut Vec<u8>) {
    let numbers = BTreeMap::from([
        ("binary_format_major_version", (UINT16, 2)),
        ("binary_format_minor_version", (UINT16, 0)),
        ("build_epoch", (UINT64, built)),
        ("ip_version", (UINT16, 6)),
        ("node_count", (UINT32, nodes as u64)),
        ("record_size", (UINT16, 32)),
    ]);
    control(MAP, numbers.len() + 3, to);
    for (name, (kind, number)) in numbers {
        text(name, to);
        whole(kind, number, to);
    }
    text("database_type", to);
    text("Lab", to);
    text("languages", to);
    control(ARRAY, 0, to);
    text("description", to);
    control(MAP, 0, to);
}

// Types of the data section.
const TEXT: u8 = 2;
const DOUBLE: u8 = 3;
const UINT16: u8 = 5;
const UINT32: u8 = 6;
const MAP: u8 = 7;
const UINT64: u8 = 9;
const ARRAY: u8 = 11;
const BOOLEAN: u8 = 14;

fn write_value(value: &Value, to: &mut Vec<u8>) {
    match value {
        Value::Null => control(MAP, 0, to),
        Value::Bool(is) => control(BOOLEAN, usize::from(*is), to),
        Value::String(string) => text(string, to),
        Value::Array(values) => {
            control(ARRAY, values.len(), to);
            values.iter().for_each(|value| write_value(value, to));
        }
        Value::Object(fields) => {
            control(MAP, fields.len(), to);
            for (name, value) in fields {
                text(name, to);
                write_value(value, to);
            }
        }
        Value::Number(number) => match number.as_u64() {
            Some(number) => whole(UINT32, number, to),
            None => {
                control(DOUBLE, 8, to);
                to.extend(number.as_f64().unwrap_or_default().to_be_bytes());
            }
        },
    }
}

/// Big-endian, without leading zeros.
fn whole(kind: u8, number: u64, to: &mut Vec<u8>) {
    let octets = number.to_be_bytes();
    let zeros = (number.leading_zeros() / 8) as usize;
    control(kind, 8 - zeros, to);
    to.extend(&octets[zeros..]);
}

fn text(string: &str, to: &mut Vec<u8>) {
    control(TEXT, string.len(), to);
    to.extend(string.as_bytes());
}

/// A type in the upper 3 bits, or one of the extended ones behind; a size below 29, or up to 284 in one more octet.
fn control(kind: u8, size: usize, to: &mut Vec<u8>) {
    let (short, more) = if size < 29 { (size as u8, None) } else { (29, Some((size - 29) as u8)) };
    match kind {
        ..=7 => to.push(kind << 5 | short),
        extended => to.extend([short, extended - 7]),
    }
    to.extend(more);
}
