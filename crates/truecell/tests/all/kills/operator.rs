//! People at work: one command after the other, what was answered, and what therefore must be there.

use super::{draw::Draw, truth::Field, truth::Truth};
use crate::bench::{Bench, text};
use std::{
    collections::BTreeMap,
    fs,
    sync::atomic::{AtomicBool, Ordering::SeqCst},
};

/// What a command is for.
#[derive(Default)]
struct Order {
    arguments: Vec<String>,
    /// Stands in the journal once it is done; a certificate's row alone has none.
    word: String,
    /// What fields are once it is done.
    fields: Vec<(Field, String)>,
    then: Then,
}

/// What else an answer tells.
#[derive(Default)]
enum Then {
    #[default]
    Nothing,
    Made(String),
    Issued(String),
    Copied(String),
}

/// A field: what it was when something was answered last, and what an order without an answer may have made of it.
struct Known {
    is: String,
    may_be: Option<String>,
}

/// One person, with units of their own.
pub(crate) struct Operator {
    name: char,
    orders: u64,
    units: Vec<String>,
    made: Vec<String>,
    certificates: Vec<String>,
    known: BTreeMap<Field, Known>,
    words: Vec<String>,
    answered: usize,
    /// Backups that were answered.
    pub(crate) copies: Vec<String>,
}

impl Operator {
    pub(crate) fn new(name: char, units: Vec<String>) -> Self {
        let known = units.iter().map(|unit| (state(unit), Known { is: "installed".into(), may_be: None }));
        let known = known.collect();
        Self {
            name,
            orders: 0,
            units,
            made: Vec::new(),
            certificates: Vec::new(),
            known,
            words: Vec::new(),
            answered: 0,
            copies: Vec::new(),
        }
    }

    /// How many orders were answered.
    pub(crate) fn answered(&self) -> usize {
        self.answered
    }

    /// Gives orders until it is over; only then may one fail.
    pub(crate) fn work(&mut self, bench: &Bench, draw: &mut Draw, is_over: &AtomicBool) {
        while !is_over.load(SeqCst) {
            let Some(order) = self.draw(bench, draw) else { continue };
            let arguments: Vec<_> = order.arguments.iter().map(String::as_str).collect();
            self.begin(&order);
            let output = bench.run(&[&["--json"], &arguments[..]].concat());
            if output.status.success() {
                self.answer(order, &text(&output.stdout));
            } else {
                let why = text(&output.stdout) + &text(&output.stderr);
                assert!(is_over.load(SeqCst), "{arguments:?}: {why}");
            }
        }
    }

    /// One order whose process is killed so long after its begin, while no daemon runs.
    pub(crate) fn begin_alone(&mut self, bench: &Bench, draw: &mut Draw, span: std::time::Duration) {
        let order = std::iter::from_fn(|| Some(self.draw(bench, draw))).flatten().next().unwrap();
        let arguments: Vec<_> = order.arguments.iter().map(String::as_str).collect();
        self.begin(&order);
        let mut command = bench.command(&arguments);
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let mut child = command.spawn().unwrap();
        std::thread::sleep(draw.within(span));
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn begin(&mut self, order: &Order) {
        for (field, value) in &order.fields {
            let known = self.known.entry(field.clone());
            known.or_insert(Known { is: "-".into(), may_be: None }).may_be = Some(value.clone());
        }
    }

    fn answer(&mut self, order: Order, said: &str) {
        for (field, is) in order.fields {
            self.known.insert(field, Known { is, may_be: None });
        }
        self.answered += 1;
        self.words.extend(Some(order.word).filter(|_| !matches!(order.then, Then::Issued(_))));
        match order.then {
            Then::Nothing => {}
            Then::Made(id) => self.made.push(id),
            Then::Copied(name) => self.copies.push(name),
            Then::Issued(device) => {
                let said: serde_json::Value = serde_json::from_str(said).unwrap();
                let word = |name: &str| said["certificate"][name].as_str().unwrap().to_owned();
                let (sha256, serial) = (word("sha256"), word("serial"));
                let row = ("certificate".into(), format!("devices/{serial}"), "cert_sha256".into());
                self.known.insert(row, Known { is: sha256.clone(), may_be: None });
                self.known.insert(credential(&sha256, "device"), Known { is: device, may_be: None });
                self.known.insert(credential(&sha256, "revoked"), Known { is: "-".into(), may_be: None });
                self.certificates.push(sha256);
            }
        }
    }

    /// Everything that was answered is there; what was not is there or is not.
    pub(crate) fn compare(&mut self, truth: &Truth) {
        let lost: Vec<_> = self.words.iter().filter(|word| !truth.has(word)).collect();
        assert!(lost.is_empty(), "answered, and not in the journal: {lost:?}");
        for (field, known) in &mut self.known {
            let is = truth.field(field);
            let fits = is == known.is || Some(&is) == known.may_be.as_ref();
            assert!(fits, "{field:?} is {is}; answered {}, ordered {:?}", known.is, known.may_be);
            *known = Known { is, may_be: None };
        }
        // An order without an answer may have made a unit.
        let is_there = |id: &String| truth.field(&state(id)) != "-";
        let ids = self.known.keys().filter(|(table, _, name)| table == "device" && name == "state");
        let ids = ids.map(|(_, id, _)| id.clone()).filter(|id| !self.units.contains(id));
        self.made = ids.filter(is_there).collect();
    }

    fn draw(&mut self, bench: &Bench, draw: &mut Draw) -> Option<Order> {
        self.orders += 1;
        let word = format!("word-{}-{}", self.name, self.orders);
        let order = match draw.below(16) {
            0 | 1 => self.add(&word),
            2..5 => set(draw.one_of(&self.made)?, &word),
            5..8 => self.step(&draw.one_of(&self.units)?.clone(), draw, &word)?,
            8 | 9 => self.step(&draw.one_of(&self.made)?.clone(), draw, &word)?,
            10 => self.issue(draw.one_of(&self.made)?, &word)?,
            11 => self.revoke(draw.one_of(&self.certificates)?, &word)?,
            12 => self.policy(draw, &word),
            13 => self.line(draw, &word),
            14 => self.pair(draw, &word)?,
            _ if self.name == 'a' => configure(bench, &word),
            _ => copy(&word),
        };
        Some(Order { word, ..order })
    }

    fn is(&self, field: &Field) -> &str {
        self.known.get(field).map_or("-", |known| &known.is)
    }

    fn add(&self, word: &str) -> Order {
        let id = format!("00cc{:02x}{:06x}", u32::from(self.name), self.orders);
        Order {
            arguments: arguments(&["device", "add", &id, "--note", word]),
            fields: vec![(state(&id), "installed".into())],
            then: Then::Made(id),
            ..Order::default()
        }
    }

    /// Another state of a unit's life: one that the one it is in leads to.
    fn step(&self, id: &str, draw: &mut Draw, word: &str) -> Option<Order> {
        let to = match self.is(&state(id)) {
            "installed" => match draw.below(10) {
                0 => "lost",
                1 if self.made.iter().any(|made| made == id) => "retired",
                _ => "suspended",
            },
            "suspended" => "installed",
            "lost" => "suspended",
            _ => return None,
        };
        let mut line = arguments(&["device", "move", id, to, "--why", word]);
        if self.is(&state(id)) == "lost" {
            line.extend(arguments(&["--approver", "dave"]));
        }
        Some(Order { arguments: line, fields: vec![(state(id), to.into())], ..Order::default() })
    }

    fn issue(&self, id: &str, word: &str) -> Option<Order> {
        (self.is(&state(id)) == "installed").then(|| Order {
            arguments: arguments(&[
                "cert",
                "issue",
                id,
                "--approver",
                "dave",
                "--request-id",
                word,
                "--out",
                word,
            ]),
            then: Then::Issued(id.to_owned()),
            ..Order::default()
        })
    }

    fn revoke(&self, sha256: &str, word: &str) -> Option<Order> {
        let revoked = credential(sha256, "revoked");
        (self.is(&revoked) == "-").then(|| Order {
            arguments: arguments(&["cert", "revoke", sha256, "--why", word]),
            fields: vec![(revoked, "+".into())],
            ..Order::default()
        })
    }

    fn policy(&self, draw: &mut Draw, word: &str) -> Order {
        // No unit is of that class.
        let class = format!("{}{}", self.name, draw.below(3));
        let field = ("policy".into(), format!("line-unknown [\"{class}\",null]"), "mode".into());
        let mode = if self.is(&field) == "observe" { "enforce" } else { "observe" };
        Order {
            arguments: arguments(&["policy", "set", "line-unknown", mode, "--class", &class, "--why", word]),
            fields: vec![(field, mode.into())],
            ..Order::default()
        }
    }

    fn line(&self, draw: &mut Draw, word: &str) -> Order {
        let name = format!("L-{}{}", self.name, draw.below(4));
        let field = ("line".into(), name.clone(), "region".into());
        let mut line = arguments(&["line", "set", &name, "--region", word]);
        if self.is(&field) == "-" {
            line = arguments(&["line", "add", &name, "192.0.2.0/24", "--region", word]);
        }
        Order { arguments: line, fields: vec![(field, word.into())], ..Order::default() }
    }

    fn pair(&self, draw: &mut Draw, word: &str) -> Option<Order> {
        let [a, b] = &draw.some(&self.made, 2)[..] else { return None };
        let (a, b) = (a.min(b), a.max(b));
        let field = |name: &str| ("pair".into(), format!("{a}-{b}"), name.into());
        let is_pair = self.is(&field("why")) != "-" && self.is(&field("removed")) == "-";
        let (what, removed) = if is_pair { ("remove", "+") } else { ("add", "-") };
        let mut fields = vec![(field("removed"), removed.into())];
        fields.extend((!is_pair).then(|| (field("why"), word.to_owned())));
        Some(Order { arguments: arguments(&["pair", what, a, b, "--why", word]), fields, ..Order::default() })
    }
}

fn arguments(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn state(id: &str) -> Field {
    ("device".into(), id.into(), "state".into())
}

fn credential(sha256: &str, name: &str) -> Field {
    ("credential".into(), sha256.into(), name.into())
}

fn set(id: &str, word: &str) -> Order {
    let field = ("device".into(), id.into(), "site".into());
    Order {
        arguments: arguments(&["device", "set", id, "--site", word, "--why", word]),
        fields: vec![(field, word.into())],
        ..Order::default()
    }
}

fn copy(word: &str) -> Order {
    Order {
        arguments: arguments(&["backup", word, "--with-keys"]),
        then: Then::Copied(word.into()),
        ..Order::default()
    }
}

/// The file changes in one step: others read it meanwhile.
fn configure(bench: &Bench, word: &str) -> Order {
    let config = fs::read_to_string(bench.path("truecell.toml")).unwrap();
    let change = |line: &str| {
        if line.starts_with("approvers") {
            format!("approvers = [\"dave\", \"{word}\"]\n")
        } else {
            format!("{line}\n")
        }
    };
    bench.write("truecell.new", &config.lines().map(change).collect::<String>());
    fs::rename(bench.path("truecell.new"), bench.path("truecell.toml")).unwrap();
    Order { arguments: arguments(&["config", "apply"]), ..Order::default() }
}
