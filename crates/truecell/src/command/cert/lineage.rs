use crate::{
    command::tampered,
    control::Control,
    failure::Failure,
    output::{Output, seconds},
    table::{Table, printable},
};
use api::lineage::{Lineage as View, LineageNode, LineageState};
use clap::Args;
use ids::{CertSha256, DeviceId};
use ledger::{DoubtKind, Leave, LegacyUse, Revoked};

#[derive(Debug, Args)]
pub(crate) struct Lineage {
    /// Which unit
    #[arg(value_parser = DeviceId::typed)]
    device: DeviceId,
}

impl Lineage {
    pub(super) async fn run(&self, control: &mut Control, output: &Output) -> Result<(), Failure> {
        let path = format!("/v1/devices/{}/lineage", self.device);
        let lineage: View = control.client().get(&path).await?;
        output.answer(&lineage, text)?;
        tampered::conclude(&lineage.tampered, output)
    }
}

fn text(lineage: &View) -> String {
    let nodes = &lineage.certificates;
    let is_here = |parent: &CertSha256| nodes.iter().any(|node| node.cert_sha256 == *parent);
    let is_first = |node: &&LineageNode| !node.parent.as_ref().is_some_and(is_here);
    let View { device, state, enrolment, .. } = lineage;
    let mut text = format!("{device}  {state}, enrolment {enrolment}\n");
    branch(nodes, &nodes.iter().filter(is_first).collect::<Vec<_>>(), "", &mut text);
    if nodes.is_empty() {
        text += "no certificate\n";
    }
    if !lineage.vendor_keys.is_empty() {
        text += &format!("\n{}", vendor_keys(lineage));
    }
    if !lineage.legacy.is_empty() {
        text += &format!("\n{}", legacy(lineage));
    }
    text + &tampered::below(&lineage.tampered)
}

/// Draws these and what came of them, each line behind `margin`.
fn branch(all: &[LineageNode], here: &[&LineageNode], margin: &str, text: &mut String) {
    for (place, node) in here.iter().enumerate() {
        let is_last = place + 1 == here.len();
        let (knot, line) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        let children: Vec<_> = all.iter().filter(|child| child.parent == Some(node.cert_sha256)).collect();
        let inner = format!("{margin}{line}");
        let stem = if children.is_empty() { "   " } else { "│  " };
        *text += &format!("{margin}{knot}{}  {}\n", printable(&node.serial), state(node));
        let times = format!("{} to {}", seconds(node.not_before), seconds(node.not_after));
        *text += &format!("{inner}{stem}{times}\n");
        for (name, value) in particulars(node) {
            *text += &format!("{inner}{stem}{name}: {}\n", printable(&named(all, &value)));
        }
        branch(all, &children, &inner, text);
    }
}

/// A certificate of the same unit is called by its serial number, as it stands in the tree.
fn named(all: &[LineageNode], value: &str) -> String {
    all.iter()
        .fold(value.to_owned(), |value, node| value.replace(&node.cert_sha256.to_string(), &node.serial))
}

/// What it is good for; of one that counts also that its holder may be another.
pub(super) fn state(node: &LineageNode) -> String {
    let is_unsure = node.doubt.as_ref().is_some_and(|doubt| doubt.kind == DoubtKind::Unsure);
    let unsure = if is_unsure && node.state == LineageState::Counts { ", unsure" } else { "" };
    format!("{}{unsure}", node.state.as_str())
}

/// How a certificate came about and what became of it, for people.
pub(super) fn particulars(node: &LineageNode) -> Vec<(&'static str, String)> {
    let mut pairs = Vec::new();
    let by = node.by.as_deref().unwrap_or_default();
    let leave = match &node.leave {
        Some(Leave::Order(order)) => format!("order {order}"),
        Some(Leave::Parent(parent)) => format!("certificate {parent}"),
        Some(Leave::Word) => format!("word of {by}"),
        Some(Leave::Approved(approver)) => format!("word of {by} and {approver}"),
        None => "another CA".to_owned(),
    };
    pairs.push(("by", leave));
    pairs.push(("issued", seconds(node.issued_at)));
    pairs.extend(node.from.map(|from| ("from", from.to_string())));
    pairs.extend(node.confirmed_at.map(|at| ("confirmed", seconds(at))));
    if let (Some(until), LineageState::Waits | LineageState::Over) = (node.confirm_until, node.state) {
        pairs.push(("to be confirmed until", seconds(until)));
    }
    if let Some(superseded) = &node.superseded {
        pairs.push(("superseded", format!("{}, by {}", seconds(superseded.at), superseded.by)));
    }
    pairs.extend(node.revoked.as_ref().map(|revoked| ("revoked", since(revoked))));
    if let Some(doubt) = &node.doubt {
        let kind = match doubt.kind {
            DoubtKind::Probation => "probation",
            DoubtKind::Unsure => "unsure",
        };
        pairs.push((kind, format!("{}, {}", seconds(doubt.since), doubt.why)));
    }
    pairs
}

/// Since when, and why.
pub(super) fn since(Revoked { at, why, reason }: &Revoked) -> String {
    let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
    format!("{}, {why}{reason}", seconds(*at))
}

fn vendor_keys(lineage: &View) -> String {
    let mut table = Table::new(&["VENDOR KEY", "DEVICE", "REALM", "FROM", "BY", "SINCE"]);
    for sighting in &lineage.vendor_keys {
        for one in &sighting.uses {
            table.row([
                sighting.spki_sha256.to_string(),
                one.device.to_string(),
                one.realm.as_ref().map(ToString::to_string).unwrap_or_default(),
                one.from.to_string(),
                one.by.clone(),
                seconds(one.at),
            ]);
        }
    }
    table.to_string()
}

fn legacy(lineage: &View) -> String {
    let mut table = Table::new(&["LEGACY GROUP", "CAME TO", "FROM", "SINCE"]);
    for LegacyUse { group, uses, denials, .. } in &lineage.legacy {
        let used = uses.iter().map(|one| ("used its key".to_owned(), one.from, one.at));
        let denied = denials.iter().map(|one| {
            let place = if one.at_home { "from its line" } else { "from elsewhere" };
            (format!("denied, {place}: {}", one.reason), one.from, one.at)
        });
        for (came_to, from, at) in used.chain(denied) {
            table.row([group.to_string(), came_to, from.to_string(), seconds(at)]);
        }
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ids::{Sha256, UnixTime};
    use ledger::{Doubt, Enrolment, LifeCycle, Origin, Superseded};

    fn node(number: u8, parent: Option<u8>, state: LineageState) -> LineageNode {
        let at = UnixTime::from_secs(1_790_000_000);
        LineageNode {
            cert_sha256: Sha256([number; 32]),
            serial: format!("{number:02x}"),
            not_before: at,
            not_after: at,
            origin: Origin::Issued,
            issued_at: at,
            by: Some("cmp".into()),
            leave: parent.map(|parent| Leave::Parent(Sha256([parent; 32]))),
            from: None,
            confirm_until: None,
            confirmed_at: None,
            state,
            parent: parent.map(|parent| Sha256([parent; 32])),
            superseded: (state == LineageState::Superseded)
                .then(|| Superseded { at, by: Sha256([number + 1; 32]) }),
            revoked: None,
            doubt: None,
        }
    }

    #[test]
    fn who_asked_for_which_is_drawn_as_a_tree_and_each_is_called_by_its_serial_number() {
        let at = UnixTime::from_secs(1_790_000_000);
        let certificates = vec![
            node(1, None, LineageState::Superseded),
            node(2, Some(1), LineageState::Counts),
            node(9, Some(1), LineageState::Over),
            LineageNode {
                doubt: Some(Doubt { kind: DoubtKind::Unsure, since: at, why: "a fork".into() }),
                ..node(4, None, LineageState::Counts)
            },
        ];
        let device = "00aabbccddee".parse().unwrap();
        let lineage = View {
            device,
            state: LifeCycle::Installed,
            enrolment: Enrolment::Enrolled,
            certificates,
            vendor_keys: Vec::new(),
            legacy: Vec::new(),
            tampered: Vec::new(),
        };
        let time = "2026-09-21T14:13:20Z";
        let expected = format!(
            "00aabbccddee  installed, enrolment enrolled\n\
             ├─ 01  superseded\n\
             │  │  {time} to {time}\n\
             │  │  by: another CA\n\
             │  │  issued: {time}\n\
             │  │  superseded: {time}, by 02\n\
             │  ├─ 02  counts\n\
             │  │     {time} to {time}\n\
             │  │     by: certificate 01\n\
             │  │     issued: {time}\n\
             │  └─ 09  over\n\
             │        {time} to {time}\n\
             │        by: certificate 01\n\
             │        issued: {time}\n\
             └─ 04  counts, unsure\n   \
                   {time} to {time}\n   \
                   by: another CA\n   \
                   issued: {time}\n   \
                   unsure: {time}, a fork\n"
        );
        let without_blanks =
            |text: &str| text.lines().map(str::trim).map(|line| format!("{line}\n")).collect::<String>();
        assert_eq!(without_blanks(&text(&lineage)), without_blanks(&expected));
    }
}
