use ledger::Mode;
use serde::{Deserialize, Serialize};

/// Why a claim is refused for good. The peer learns AUTHENTICATION_FAILED and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The ledger has no such unit.
    #[error("no unit of this name is in the ledger")]
    UnknownDevice,
    /// It was reported lost.
    #[error("the unit was reported lost, and somebody is using its key")]
    Lost,
    /// It was reported stolen.
    #[error("the unit was reported stolen, and somebody is using its key")]
    Stolen,
    /// It is out of service for good.
    #[error("the unit is retired")]
    Retired,
    /// It is barred for a time.
    #[error("the unit is suspended")]
    Suspended,
    /// It was never installed.
    #[error("the unit is not installed yet")]
    NotInstalled,
    /// The chain is good, but nobody here issued this certificate.
    #[error("the certificate has a good chain, but the ledger never issued it")]
    MisIssued,
    /// The certificate was issued to another unit.
    #[error("the certificate was issued to another unit")]
    OthersCertificate,
    /// It counts no more.
    #[error("the certificate is revoked")]
    Revoked,
    /// A newer one took its place, and the grace time is over.
    #[error("the certificate has a successor that counts")]
    Superseded,
    /// The CA that issued it, which is not ours, has revoked it.
    #[error("the certificate is revoked by the CA that issued it")]
    RevokedByIssuer,
    /// That CA does not say whether it counts, and no grace is left.
    #[error("the CA that issued the certificate does not say whether it still counts")]
    RevocationUnknown,
    /// It has ended, and the extension that is in force, if there is one, is not for it.
    #[error("the certificate has ended, and is not one of those that are extended")]
    NotExtended,
    /// It lasts longer than policy allows.
    #[error("the certificate is valid for longer than policy allows")]
    ValidityTooLong,
    /// The source is outside the networks of the unit's line.
    #[error("it comes from a network that is not that of the unit's access line")]
    ForeignNetwork,
    /// Nobody knows the unit's line, and policy wants to.
    #[error("the unit's access line is not known, and policy asks for it")]
    LineUnknown,
    /// What the ledger has about it was changed behind Truecell's back: nothing can be judged by it.
    #[error("a row of the ledger that it is judged by was tampered with")]
    RowTampered,
    /// Another holder of the same key is alive.
    #[error("another holder of the same key is attached and alive: two hold one key")]
    SecondClaim,
    /// Two hold its key, and this one is not the unit.
    #[error(
        "it is a copy of the unit: what is known of it speaks against it, and for the other that has the key"
    )]
    Clone,
    /// The unit's own key from where the unit cannot be.
    #[error(
        "the right key in wrong hands: it comes from where the unit is not, or its handsets or management say so"
    )]
    WrongHands,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::UnknownDevice,
        Self::Lost,
        Self::Stolen,
        Self::Retired,
        Self::Suspended,
        Self::NotInstalled,
        Self::MisIssued,
        Self::OthersCertificate,
        Self::Revoked,
        Self::Superseded,
        Self::RevokedByIssuer,
        Self::RevocationUnknown,
        Self::NotExtended,
        Self::ValidityTooLong,
        Self::ForeignNetwork,
        Self::LineUnknown,
        Self::RowTampered,
        Self::SecondClaim,
        Self::Clone,
        Self::WrongHands,
    ];

    /// Stable: in events, and as a metric label.
    pub fn code(self) -> &'static str {
        match self {
            Self::UnknownDevice => "unknown-device",
            Self::Lost => "lost",
            Self::Stolen => "stolen",
            Self::Retired => "retired",
            Self::Suspended => "suspended",
            Self::NotInstalled => "not-installed",
            Self::MisIssued => "mis-issued",
            Self::OthersCertificate => "others-certificate",
            Self::Revoked => "revoked",
            Self::Superseded => "superseded",
            Self::RevokedByIssuer => "revoked-by-issuer",
            Self::RevocationUnknown => "revocation-unknown",
            Self::NotExtended => "not-extended",
            Self::ValidityTooLong => "validity-too-long",
            Self::ForeignNetwork => "foreign-network",
            Self::LineUnknown => "line-unknown",
            Self::RowTampered => "row-tampered",
            Self::SecondClaim => "second-claim",
            Self::Clone => "clone",
            Self::WrongHands => "wrong-hands",
        }
    }

    /// What a person does next.
    pub fn next(self) -> &'static str {
        match self {
            Self::UnknownDevice => {
                "add it with `truecell device add` if it is ours; else find out whose key this is"
            }
            Self::Lost | Self::Stolen => {
                "an incident is open: find out who holds the unit before it may come back"
            }
            Self::Retired => "find out who runs a unit that should be scrap",
            Self::Suspended => "lift the suspension with `truecell device move` once its cause is gone",
            Self::NotInstalled => "`truecell device move ... installed` once it is at its site",
            Self::MisIssued => {
                "find out who issued it: one of another CA is recorded with `truecell cert import`; else somebody has a key of our CA, or the ledger lost a row"
            }
            Self::OthersCertificate => "two units share one certificate: take both in",
            Self::Superseded => {
                "ask whether the unit was set back to an older state; otherwise somebody holds a copy of its old key"
            }
            Self::Revoked => "issue a new certificate if the unit is the genuine one",
            Self::RevokedByIssuer => {
                "ask who runs that CA why; the genuine unit needs a new certificate, of it or of ours"
            }
            Self::RevocationUnknown => {
                "see whether its revocation list or OCSP responder can be reached from here, and `crl` and `ocsp` of the realm"
            }
            Self::NotExtended => "have the unit renew it from its line, or issue a new one",
            Self::ValidityTooLong => "issue a shorter one, or name an exception that expires",
            Self::ForeignNetwork => {
                "has the unit moved? `truecell device set --line` changes its line; else somebody carried it off or copied its key"
            }
            Self::LineUnknown => {
                "give the unit a line with `truecell device set --line`, and the line its prefixes with `truecell line add`"
            }
            Self::RowTampered => "see `truecell ledger verify`, and find out who wrote to the database",
            Self::SecondClaim => {
                "`truecell incident show` has what is known of both; say which is the unit with `truecell incident judge`"
            }
            Self::Clone => {
                "`truecell incident show` has the evidence; where the last word about the two was wrong, judge that incident again with `truecell incident judge`"
            }
            Self::WrongHands => {
                "has the unit moved? Book that with `truecell device set`; else somebody carried it off or copied its key"
            }
        }
    }

    /// The reason of a stable word.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }

    /// Whether a unit may be let in and written down instead. The others are always enforced: what a person
    /// said about the unit or its certificate, what cannot be judged, and what would let two in at once.
    pub fn may_be_observed(self) -> bool {
        matches!(
            self,
            Self::NotInstalled
                | Self::MisIssued
                | Self::RevocationUnknown
                | Self::ValidityTooLong
                | Self::ForeignNetwork
                | Self::LineUnknown
                | Self::WrongHands
        )
    }

    /// A list or a file of ours may be wrong about it for many units at once: the breaker watches it.
    pub fn is_soft(self) -> bool {
        matches!(self, Self::ForeignNetwork | Self::LineUnknown | Self::WrongHands)
    }

    /// Whether an imported estate begins with it observed. A good chain that nobody recorded, and a unit that should
    /// be in a store, need a person's word; and whoever has a foreign CA asked means it.
    pub fn is_observed_after_import(self) -> bool {
        let needs_a_word = matches!(self, Self::MisIssued | Self::NotInstalled | Self::RevocationUnknown);
        self.may_be_observed() && !needs_a_word
    }

    /// How it is applied where no rule says so.
    pub fn usual_mode(self) -> Mode {
        if self == Self::LineUnknown { Mode::Observe } else { Mode::Enforce }
    }

    /// The certificate is not recorded as that unit's, or whoever shows it is not the unit, or not where that is: who
    /// else has its key is worth knowing.
    pub fn speaks_of_the_key(self) -> bool {
        matches!(
            self,
            Self::MisIssued | Self::OthersCertificate | Self::ForeignNetwork | Self::Clone | Self::WrongHands
        )
    }

    /// An incident is opened for it.
    pub fn opens_incident(self) -> bool {
        matches!(
            self,
            Self::Lost
                | Self::Stolen
                | Self::MisIssued
                | Self::OthersCertificate
                | Self::Superseded
                | Self::RowTampered
                | Self::SecondClaim
                | Self::Clone
                | Self::WrongHands
        )
    }
}

/// Why a claim can't be judged now. Answered with silence, so that the unit comes back by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Transient {
    /// Another claim on the same identity is being settled.
    #[error("another claim on the same unit is being settled")]
    ContestRuns,
    /// The same unit has attached too often, from its home or from anywhere else.
    #[error("the unit attaches again and again")]
    TooOften,
    /// It may be a good unit that a wrong list speaks against: that is not known yet after a start.
    #[error("which units were good before the start is still being read")]
    NotRecalled,
    /// Only the time speaks against it, and the clock has been set forward.
    #[error("only by the time that the clock was set forward to it may not attach")]
    ClockJumped,
    /// The foreign CA that issued its certificate is being asked for the first time whether that counts.
    #[error("the CA that issued the certificate is being asked whether it still counts")]
    IssuerAsked,
    /// The holder was asked a moment ago.
    #[error("the holder was asked a moment ago whether it lives")]
    ProbedLately,
}

impl Transient {
    /// Stable.
    pub fn code(self) -> &'static str {
        match self {
            Self::ContestRuns => "contest-runs",
            Self::TooOften => "too-often",
            Self::NotRecalled => "not-recalled",
            Self::ClockJumped => "clock-jumped",
            Self::IssuerAsked => "issuer-asked",
            Self::ProbedLately => "probed-lately",
        }
    }
}
