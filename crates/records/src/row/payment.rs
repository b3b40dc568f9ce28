use super::Text;
use ids::SubscriberKey;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

row! {
    /// Somebody asks to be paid on a subscriber's bill.
    Payment;
    needs {
        /// On whose bill.
        payer: SubscriberKey,
        /// How much, in the currency's smallest unit; below zero: paid back.
        amount_minor: i64,
        /// In which currency.
        currency: Currency,
        /// For what: the carrier's own word, as `gift-card`.
        merchant_class: Text<32>,
        /// By which factor the payer agreed.
        channel: Channel,
        /// The billing system's own name of it.
        request: Text<64>,
    }
    may {}
}

/// By which factor somebody agrees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Channel {
    /// A code by text message.
    Sms,
    /// A call by a machine (ARS).
    Ars,
    /// An app that is bound to the handset.
    App,
}

/// A currency: three capital letters (ISO 4217).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

/// The text names no currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a currency has three capital letters, as KRW")]
pub struct ParseCurrencyError;

impl FromStr for Currency {
    type Err = ParseCurrencyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let letters: [u8; 3] = text.as_bytes().try_into().map_err(|_| ParseCurrencyError)?;
        letters.iter().all(u8::is_ascii_uppercase).then_some(Self(letters)).ok_or(ParseCurrencyError)
    }
}

impl TryFrom<String> for Currency {
    type Error = ParseCurrencyError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.to_string()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.0).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Payment {
    pub(super) fn wrong(&self) -> Option<&'static str> {
        None
    }
}
