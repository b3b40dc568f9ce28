use super::{Given, party::Speaks};

/// What somebody does who has a unit's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attack {
    /// He is there before the unit ever was.
    FirstComer,
    /// He comes after it, from somewhere else, with software of his own.
    SecondComer,
    /// They take turns.
    Alternating,
    /// He is behind the unit's own line, beside it.
    SameLine,
    /// He is in the household's router, and keeps the unit off.
    HouseholdRouter,
    /// What he does elsewhere, with all that the unit has in it, comes out of the unit's line.
    Relay,
    /// It is the unit itself, somewhere else.
    Carried,
    /// As the second comer, with all that the unit has in it.
    CopiedConfiguration,
    /// The unit was reported lost.
    Lost,
    /// Somebody with the right to has booked his line as the unit's.
    InsiderBooked,
}

impl Attack {
    /// Each.
    pub const ALL: [Self; 10] = [
        Self::FirstComer,
        Self::SecondComer,
        Self::Alternating,
        Self::SameLine,
        Self::HouseholdRouter,
        Self::Relay,
        Self::Carried,
        Self::CopiedConfiguration,
        Self::Lost,
        Self::InsiderBooked,
    ];

    /// In few words.
    pub fn name(self) -> &'static str {
        match self {
            Self::FirstComer => "first comer",
            Self::SecondComer => "second comer",
            Self::Alternating => "alternating",
            Self::SameLine => "same line",
            Self::HouseholdRouter => "household's router, unit kept off",
            Self::Relay => "relay",
            Self::Carried => "carried unit",
            Self::CopiedConfiguration => "copied configuration",
            Self::Lost => "lost unit",
            Self::InsiderBooked => "insider books another line",
        }
    }

    /// Whether both may be there at once.
    fn may_overlap(self) -> bool {
        !matches!(self, Self::Alternating | Self::HouseholdRouter | Self::Carried | Self::Lost)
    }

    pub(super) fn is_at_home(self) -> bool {
        matches!(self, Self::SameLine | Self::HouseholdRouter | Self::Relay)
    }

    pub(super) fn is_alike(self) -> bool {
        matches!(self, Self::Relay | Self::Carried | Self::CopiedConfiguration | Self::Lost)
    }

    pub(super) fn speaks(self) -> Speaks {
        match self {
            Self::Carried => Speaks::FromElsewhere,
            Self::Relay | Self::CopiedConfiguration | Self::Lost => Speaks::AsTheUnit,
            Self::FirstComer
            | Self::SecondComer
            | Self::Alternating
            | Self::SameLine
            | Self::HouseholdRouter
            | Self::InsiderBooked => Speaks::Nothing,
        }
    }

    /// The evidence there may be, as far as it can make a difference.
    pub fn cells(self) -> impl Iterator<Item = Given> {
        let cells = (0..16).map(|bits| Given {
            line: bits & 8 != 0,
            overlap: bits & 4 != 0,
            facts: bits & 2 != 0,
            trail: bits & 1 != 0,
        });
        cells.filter(move |given| self.may_overlap() || !given.overlap)
    }

    /// There is evidence that no copy of what is in the unit changes.
    pub fn is_told_by(self, given: Given) -> bool {
        match self {
            Self::Lost => true,
            Self::SameLine | Self::HouseholdRouter | Self::Relay | Self::InsiderBooked => false,
            Self::FirstComer
            | Self::SecondComer
            | Self::Alternating
            | Self::Carried
            | Self::CopiedConfiguration => given.line,
        }
    }
}
