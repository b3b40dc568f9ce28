use ids::Sha256;
use serde::{Deserialize, Serialize};

/// What an initiator offers, in words and in its order: [`Self::MAX`] octets at most, as it is kept for as long as the tunnel, and
/// written down. Whatever is beyond is one more word, by its SHA-256: two that differ there differ here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Box<str>>")]
pub struct Words(Box<[Box<str>]>);

impl Words {
    /// Octets of all words together.
    pub const MAX: usize = 4096;

    /// Each.
    pub fn as_slice(&self) -> &[Box<str>] {
        &self.0
    }
}

/// Before what stands for the rest.
const REST: &str = "sha256:";

impl From<Vec<Box<str>>> for Words {
    fn from(mut words: Vec<Box<str>>) -> Self {
        if octets(&words) > Self::MAX {
            let (room, mut taken) = (Self::MAX - REST.len() - 64, 0);
            let fit = words.iter().take_while(|word| {
                taken += word.len();
                taken <= room
            });
            let rest = words.split_off(fit.count());
            words.push(format!("{REST}{}", Sha256::of(rest.join("\n").as_bytes())).into());
        }
        Self(words.into())
    }
}

fn octets(words: &[Box<str>]) -> usize {
    words.iter().map(|word| word.len()).sum()
}

impl FromIterator<Box<str>> for Words {
    fn from_iter<T: IntoIterator<Item = Box<str>>>(words: T) -> Self {
        Self::from(Vec::from_iter(words))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_without_end_take_so_much_room_and_still_tell_two_apart() {
        let many =
            |last: &str| (0..10_000).map(|n| format!("word {n}").into()).chain([last.into()]).collect();
        let [one, other]: [Words; 2] = ["x", "y"].map(many);
        assert!((Words::MAX - 100..=Words::MAX).contains(&octets(&one.0)), "{}", octets(&one.0));
        assert!(one != other);
        let written = serde_json::to_string(&one).unwrap();
        assert!(serde_json::from_str::<Words>(&written).unwrap() == one, "what is read again is the same");
        let huge: Words = ["x".repeat(Words::MAX + 1).into()].into_iter().collect();
        assert_eq!((huge.0.len(), octets(&huge.0)), (1, 71));
        let few: Words = ["1.1: 1:20/128".into(), "1.3: 1:20/128".into()].into_iter().collect();
        assert_eq!(
            serde_json::to_value(&few).unwrap(),
            serde_json::json!(["1.1: 1:20/128", "1.3: 1:20/128"])
        );
    }
}
