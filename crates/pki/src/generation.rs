use crate::Issuing;
use std::fmt;
use std::str::FromStr;

/// One generation of an issuing CA: a key of its own, and the certificate of that. The newest certifies; those before it go
/// on saying what became of the certificates that they signed.
///
/// As text, which is also the name of its files and stands in the books: `devices`, then `devices-2` and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation {
    issuing: Issuing,
    number: u32,
}

/// What is no [`Generation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an issuing CA is `devices` or `gateways`, with `-2` and so on behind it for a later generation")]
pub struct NoGeneration;

impl Generation {
    /// The one that is made with the CA.
    pub const fn first(issuing: Issuing) -> Self {
        Self { issuing, number: 1 }
    }

    /// The one behind it.
    pub const fn next(self) -> Self {
        Self { number: self.number.saturating_add(1), ..self }
    }

    /// Of which issuing CA.
    pub const fn issuing(self) -> Issuing {
        self.issuing
    }

    /// Counted from 1.
    pub const fn number(self) -> u32 {
        self.number
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.issuing.name())?;
        if self.number > 1 { write!(f, "-{}", self.number) } else { Ok(()) }
    }
}

impl FromStr for Generation {
    type Err = NoGeneration;

    fn from_str(text: &str) -> Result<Self, NoGeneration> {
        let (name, number) = match text.split_once('-') {
            Some((name, number)) => (name, number.parse().map_err(|_| NoGeneration)?),
            None => (text, 1),
        };
        let issuing = Issuing::ALL.into_iter().find(|issuing| issuing.name() == name).ok_or(NoGeneration)?;
        let generation = Self { issuing, number };
        // One name each: no `devices-1`, no `devices-02`.
        if generation.to_string() == text { Ok(generation) } else { Err(NoGeneration) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generation_has_one_name() {
        let devices = Generation::first(Issuing::Devices);
        for (generation, name) in [
            (devices, "devices"),
            (devices.next(), "devices-2"),
            (Generation::first(Issuing::Gateways).next().next(), "gateways-3"),
        ] {
            assert_eq!(generation.to_string(), name);
            assert_eq!(name.parse(), Ok(generation));
        }
        for text in [
            "",
            "device",
            "devices-",
            "devices-0",
            "devices-1",
            "devices-02",
            "devices-+2",
            "devices-2-3",
            "root",
        ] {
            assert_eq!(text.parse::<Generation>(), Err(NoGeneration), "{text}");
        }
    }
}
