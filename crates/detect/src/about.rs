/// What a detector says of itself: docs/detectors.md has it for people.
#[derive(Debug, PartialEq, Eq)]
pub struct About {
    /// Its name, in findings and documents.
    pub id: &'static str,
    /// Raised with every change of what it finds.
    pub version: u16,
    /// What it sees.
    pub sees: &'static str,
    /// Honest causes that look like it, and what becomes of them.
    pub benign: &'static [Benign],
    /// The clause, or the fact of the case, that it comes from.
    pub clause: &'static str,
    /// Its thresholds.
    pub thresholds: &'static [Threshold],
    /// What it remembers at most.
    pub memory: Memory,
}

/// An honest cause that looks like an attack.
#[derive(Debug, PartialEq, Eq)]
pub struct Benign {
    /// What it is; findings name it.
    pub cause: &'static str,
    /// How it is told from the attack, or that it is not.
    pub told: &'static str,
}

/// A number that decides, and why it is that number.
#[derive(Debug, PartialEq, Eq)]
pub struct Threshold {
    /// Of what.
    pub name: &'static str,
    /// How much.
    pub value: u64,
    /// Of which unit.
    pub unit: &'static str,
    /// Why so much.
    pub why: &'static str,
}

/// What a detector remembers at most.
#[derive(Debug, PartialEq, Eq)]
pub struct Memory {
    /// Of what: `cell`, `unit`, `subscriber`, or `nothing`.
    pub per: &'static str,
    /// Of how many.
    pub keys: usize,
    /// Octets of each.
    pub octets: usize,
}

impl Memory {
    /// Of a detector that remembers nothing.
    pub const NONE: Self = Self { per: "nothing", keys: 0, octets: 0 };
}

impl About {
    /// The honest causes, by name.
    pub fn causes(&self) -> Vec<&'static str> {
        self.benign.iter().map(|benign| benign.cause).collect()
    }
}
