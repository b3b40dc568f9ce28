use api::device::{DeviceChange, Particular};
use clap::{
    Args,
    builder::{PossibleValue, PossibleValuesParser},
};
use ids::AccessMode;

/// What is said of a unit; an empty text for what is not known any more.
#[derive(Debug, Args)]
pub(super) struct Particulars {
    /// Who answers for it
    #[arg(long)]
    owner: Option<String>,
    /// Where it is installed
    #[arg(long)]
    site: Option<String>,
    /// The postal address of that
    #[arg(long)]
    address: Option<String>,
    /// Where on the Earth that is, in decimal degrees, as 37.4999,126.9
    #[arg(long, value_name = "LAT,LON", allow_hyphen_values = true, value_parser = of(Particular::Position))]
    position: Option<String>,
    /// Region
    #[arg(long)]
    region: Option<String>,
    /// Class
    #[arg(long)]
    class: Option<String>,
    /// The access line behind which it is installed
    #[arg(long, value_parser = of(Particular::Line))]
    line: Option<String>,
    /// The cells that it may carry, with spaces between them, as lte:450-08:1a2b3c4
    #[arg(long, value_parser = of(Particular::Cells))]
    cells: Option<String>,
    /// The networks that it may serve, with spaces between them, as 450-08
    #[arg(long, value_parser = of(Particular::Plmns))]
    plmns: Option<String>,
    /// The tracking or location area of its cells, in decimal
    #[arg(long, value_parser = of(Particular::Tac))]
    tac: Option<String>,
    /// Whom it serves: open, hybrid or closed
    #[arg(long, value_name = "MODE", value_parser = access_modes())]
    access_mode: Option<String>,
    /// The closed subscriber group that it serves, in decimal
    #[arg(long, value_parser = of(Particular::Csg))]
    csg: Option<String>,
    /// Who made it
    #[arg(long)]
    vendor: Option<String>,
    /// Its model and hardware version
    #[arg(long)]
    hardware: Option<String>,
    /// The firmware that it is meant to have
    #[arg(long)]
    firmware: Option<String>,
    /// Anything worth knowing
    #[arg(long)]
    note: Option<String>,
}

/// An empty text takes it away.
fn access_modes() -> PossibleValuesParser {
    let modes = AccessMode::ALL.map(|mode| PossibleValue::new(mode.as_str()));
    PossibleValuesParser::new(modes.into_iter().chain([PossibleValue::new("").hide(true)]))
}

/// A text that says this of a unit.
fn of(one: Particular) -> impl Fn(&str) -> Result<String, String> + Clone + Send + Sync + 'static {
    move |text| one.put(text, &mut DeviceChange::default()).map(|()| text.to_owned())
}

impl Particulars {
    fn text(&self, one: Particular) -> Option<&String> {
        let text = match one {
            Particular::Owner => &self.owner,
            Particular::Site => &self.site,
            Particular::Address => &self.address,
            Particular::Position => &self.position,
            Particular::Region => &self.region,
            Particular::Class => &self.class,
            Particular::Line => &self.line,
            Particular::Cells => &self.cells,
            Particular::Plmns => &self.plmns,
            Particular::Tac => &self.tac,
            Particular::AccessMode => &self.access_mode,
            Particular::Csg => &self.csg,
            Particular::Vendor => &self.vendor,
            Particular::Hardware => &self.hardware,
            Particular::Firmware => &self.firmware,
            Particular::Note => &self.note,
        };
        text.as_ref()
    }

    /// All of it as a change.
    ///
    /// # Errors
    /// What is wrong with a text; none of those that the command line was taken with.
    pub(super) fn change(&self) -> Result<DeviceChange, String> {
        let mut change = DeviceChange::default();
        for one in Particular::ALL {
            self.text(one).map_or(Ok(()), |text| one.put(text, &mut change))?;
        }
        Ok(change)
    }
}
