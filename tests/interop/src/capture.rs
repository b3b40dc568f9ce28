//! IKE on the wire: captured by dumpcap, decrypted and read by tshark.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::namespace::{Namespace, run};
use crate::process::Process;

/// How long dumpcap may take to begin.
const PROMPT: Duration = Duration::from_secs(20);

/// A capture that goes on.
#[derive(Debug)]
pub struct Capture {
    file: PathBuf,
    dumpcap: Process,
}

/// What tshark makes of one datagram of IKE.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Whose it is.
    pub source: String,
    /// Exchange type, as RFC 7296 writes it.
    pub exchange: String,
    /// Payloads in RFC 7296's notation, those inside SK too. The last fragment has those of the whole message, the
    /// others only their own SKF.
    pub payloads: Vec<&'static str>,
    /// The integrity check has succeeded.
    pub verified: bool,
    /// Every line that speaks of an error: malformed, incorrect, expert information.
    pub complaints: Vec<String>,
}

/// A datagram, whatever is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// From where.
    pub from: SocketAddr,
    /// Where to.
    pub to: SocketAddr,
    /// IKE; ESP, or a NAT-keepalive, otherwise.
    pub is_ike: bool,
}

impl Capture {
    /// Captures on `interface` in `namespace`, into a file in `dir`.
    ///
    /// # Errors
    /// When the capture does not begin.
    pub fn start(namespace: &Namespace, interface: &str, dir: &Path) -> Result<Self> {
        let file = dir.join("ike.pcapng");
        let mut command = namespace.command("dumpcap");
        command.args(["-q", "-i", interface, "-f", "udp port 500 or udp port 4500", "-w"]).arg(&file);
        let mut dumpcap = Process::spawn(&mut command, &dir.join("dumpcap.log"))?;
        dumpcap.wait_for_line("File: ", PROMPT)?;
        Ok(Self { file, dumpcap })
    }

    /// Ends it, and returns every datagram over IPv4, in order.
    ///
    /// # Errors
    /// When tshark cannot read the capture.
    pub fn datagrams(mut self) -> Result<Vec<Datagram>> {
        // What is still written may end in the middle of a packet.
        self.dumpcap.stop()?;
        let mut tshark = Command::new("tshark");
        tshark.args(["-T", "fields", "-Y", "udp"]);
        for field in ["ip.src", "udp.srcport", "ip.dst", "udp.dstport", "frame.protocols"] {
            tshark.args(["-e", field]);
        }
        let text = run(tshark.arg("-r").arg(&self.file)).context("tshark")?;
        text.lines().map(|line| datagram(line).with_context(|| line.to_owned())).collect()
    }

    /// What is captured so far, decrypted with `keys`, rows of Wireshark's table `ikev2_decryption_table`.
    ///
    /// # Errors
    /// When tshark cannot read capture or keys.
    pub fn messages(&self, keys: &str) -> Result<Vec<Message>> {
        let profile = tempfile::tempdir()?;
        fs::write(profile.path().join("ikev2_decryption_table"), keys)?;
        let mut tshark = Command::new("tshark");
        tshark.env("WIRESHARK_CONFIG_DIR", profile.path()).args(["-V", "-O", "isakmp", "-Y", "isakmp", "-r"]);
        Ok(parse(&run(tshark.arg(&self.file)).context("tshark")?))
    }
}

impl Message {
    /// It comes from `address`, and is whole: not one of the fragments before the last.
    #[must_use]
    pub fn is_whole_from(&self, address: IpAddr) -> bool {
        self.source == address.to_string() && self.payloads != ["SKF"]
    }

    /// The exchange and what is inside, e.g. `INFORMATIONAL D`.
    #[must_use]
    pub fn summary(&self) -> String {
        let inside = self.payloads.iter().filter(|payload| !["SK", "SKF"].contains(payload));
        inside.fold(self.exchange.clone(), |summary, payload| format!("{summary} {payload}"))
    }
}

/// Reads a line of fields; those of the headers inside stand behind those outside, after a comma.
fn datagram(line: &str) -> Option<Datagram> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [from, from_port, to, to_port, protocols] = fields[..] else { return None };
    let address = |ip: &str, port: &str| {
        Some(SocketAddr::new(ip.split(',').next()?.parse().ok()?, port.split(',').next()?.parse().ok()?))
    };
    let is_ike = protocols.contains("isakmp");
    Some(Datagram { from: address(from, from_port)?, to: address(to, to_port)?, is_ike })
}

/// Reads what `tshark -V` prints: a line for each field, deeper ones further to the right.
fn parse(text: &str) -> Vec<Message> {
    let mut messages = Vec::new();
    for line in text.lines() {
        if line.starts_with("Frame ") {
            messages.push(Message::default());
        } else if let Some(message) = messages.last_mut() {
            message.read(line);
        }
    }
    messages
}

impl Message {
    fn read(&mut self, line: &str) {
        let field = line.trim_start();
        if let Some(rest) = line.strip_prefix("Internet Protocol Version ") {
            let source = rest.split_once("Src: ").map(|(_, after)| after);
            self.source = source.and_then(|after| after.split(',').next()).unwrap_or_default().to_owned();
        } else if let Some(exchange) = field.strip_prefix("Exchange type: ") {
            self.exchange = exchange.split(' ').next().unwrap_or_default().to_owned();
        } else if let Some(payload) = field.strip_prefix("Payload: ") {
            self.payloads.extend(notation(payload));
        }
        self.verified |= field.starts_with("Integrity Checksum Data: ") && field.ends_with("[correct]");
        if ["Expert Info", "Malformed", "incorrect"].iter().any(|word| line.contains(word)) {
            self.complaints.push(field.to_owned());
        }
    }
}

/// `payload`: name and type as tshark has them, e.g. `Key Exchange (34)`. `None` for proposals and transforms, which are
/// parts of an SA payload; `?` for a type that should not occur.
fn notation(payload: &str) -> Option<&'static str> {
    let number = payload.split_once('(')?.1.split(')').next()?;
    Some(match number {
        "2" | "3" => return None,
        "33" => "SA",
        "34" => "KE",
        "35" => "IDi",
        "36" => "IDr",
        "37" => "CERT",
        "38" => "CERTREQ",
        "39" => "AUTH",
        "40" => "Nonce",
        "41" => "N",
        "42" => "D",
        "43" => "V",
        "44" => "TSi",
        "45" => "TSr",
        "46" => "SK",
        "47" => "CP",
        "53" => "SKF",
        _ => "?",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// tshark 4.0 of two messages, most lines left out.
    const PRINTED: &str = "\
Frame 1: 111 bytes on wire (888 bits), 111 bytes captured (888 bits) on interface core0, id 0
Internet Protocol Version 4, Src: 198.18.1.2, Dst: 198.18.2.2
Internet Security Association and Key Management Protocol
    Exchange type: INFORMATIONAL (37)
    Payload: Encrypted and Authenticated (46)
        Decrypted Data (9 bytes)
                Payload: Delete (42)
        Integrity Checksum Data: 92d236c6fcb38039fa055ffc56e46e86 (16 bytes)[correct]

Frame 2: 590 bytes on wire (4720 bits), 590 bytes captured (4720 bits) on interface core0, id 0
Internet Protocol Version 4, Src: 198.18.2.2, Dst: 198.18.1.2
    Exchange type: IKE_AUTH (35)
    Payload: Encrypted and Authenticated Fragment (53)
        Integrity Checksum Data: d1f2 (2 bytes)[incorrect, should be 00 (2 bytes)]
            [Expert Info (Warning/Checksum): IKEv2 Integrity Checksum Data is incorrect]
";

    #[test]
    fn a_datagram_is_read_with_what_is_in_it() {
        let line = |protocols| {
            format!("198.18.2.2\t40123\t198.18.1.2\t4500\teth:ethertype:ip:udp:udpencap:{protocols}")
        };
        let [ike, esp] = ["isakmp", "esp"].map(|inside| datagram(&line(inside)).unwrap());
        assert_eq!((ike.from, ike.to), (([198, 18, 2, 2], 40123).into(), ([198, 18, 1, 2], 4500).into()));
        assert!(ike.is_ike && !esp.is_ike);
        assert_eq!(datagram("198.18.2.2\t\t\t"), None);
    }

    #[test]
    fn a_message_is_read_with_its_payloads_and_what_tshark_complains_of() {
        let [delete, fragment] = &parse(PRINTED)[..] else { panic!("two messages") };
        assert_eq!(delete.summary(), "INFORMATIONAL D");
        assert!(delete.verified && delete.complaints.is_empty());
        assert!(delete.is_whole_from([198, 18, 1, 2].into()));
        assert!(!fragment.verified && fragment.complaints.len() == 2, "{fragment:?}");
        assert!(!fragment.is_whole_from([198, 18, 2, 2].into()));
    }
}
