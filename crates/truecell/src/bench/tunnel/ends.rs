use super::pipe::Pipe;
use crate::bench::{
    charon::Charon,
    estate::{Estate, Site, UnitFiles},
    network::Link,
    process::Process,
    serve,
};
use anyhow::Context;
use std::path::Path;

/// Who is at the ends of a tunnel: the gateway's, then the unit's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ends {
    /// `truecell serve` and `truecell lab unit`.
    Ours,
    /// `truecell serve` and charon.
    OursAndCharon,
    /// Twice charon.
    Charon,
    /// [`Pipe`]
    Bare,
}

/// A tunnel that stands. The processes end before their link goes.
pub(super) struct Standing {
    _ends: (Vec<Process>, Option<Pipe>),
    pub(super) link: Link,
}

/// What ends are made of.
pub(super) struct World {
    estate: Estate,
    unit: UnitFiles,
    charon: Option<Charon>,
}

impl World {
    /// With all files in `folder`, which is empty.
    ///
    /// # Errors
    /// What could not be made.
    pub(super) fn make(folder: &Path, charon: Option<Charon>) -> anyhow::Result<Self> {
        let estate = Estate::make(folder, Site::Link, 0, || ())?;
        let unit = estate.unit_files(folder)?;
        Ok(Self { estate, unit, charon })
    }

    /// Who can be measured here; charon with charon first.
    pub(super) fn ends(&self) -> Vec<Ends> {
        if self.charon.is_some() {
            vec![Ends::Charon, Ends::Ours, Ends::Bare, Ends::OursAndCharon]
        } else {
            vec![Ends::Ours, Ends::Bare]
        }
    }

    /// As a row names them.
    pub(super) fn name(&self, ends: Ends) -> String {
        let charon = self.charon.as_ref().map_or("charon", |charon| &charon.name);
        match ends {
            Ends::Ours => "truecell at both ends".into(),
            Ends::OursAndCharon => "truecell and charon".into(),
            Ends::Charon => format!("{charon} at both ends"),
            Ends::Bare => "bare pipe".into(),
        }
    }

    /// A tunnel over a link of its own.
    ///
    /// # Errors
    /// It does not come up.
    pub(super) fn stand(&self, ends: Ends) -> anyhow::Result<Standing> {
        let link = Link::new()?;
        let ours = || serve::serve_on(&link, &self.estate);
        let charon = || self.charon.as_ref().context("no charon");
        let ends = match ends {
            Ends::Ours => (vec![ours()?, serve::attach(&self.unit, &link)?], None),
            Ends::OursAndCharon => (vec![ours()?, charon()?.attach(&self.unit, &link)?], None),
            Ends::Charon => {
                (vec![charon()?.serve(&self.estate, &link)?, charon()?.attach(&self.unit, &link)?], None)
            }
            Ends::Bare => (vec![], Some(Pipe::lay(&link)?)),
        };
        Ok(Standing { _ends: ends, link })
    }
}
