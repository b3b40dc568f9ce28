//! Install orders: leave for one unit to be enrolled once, behind one line, within a time. Without one nobody enrols.

use crate::{
    Approval, ByLegacy, Device, Enrolment, Imported, Ledger, LedgerError, LifeCycle, Page, RefusedRow, Row,
    Tx, transaction::Because,
};
use ids::{AccessLine, CertSha256, DeviceId, Label, OrderId, Sha256, UnixTime};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One install order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstallOrder {
    /// Its name in the work-order system.
    pub id: OrderId,
    /// Which unit is to be installed.
    pub device: DeviceId,
    /// Behind which line: it enrols from there, and becomes that line's unit.
    pub line: AccessLine,
    /// At which site.
    pub site: String,
    /// SHA-256 over the SubjectPublicKeyInfo that the vendor certified for this unit, where the vendor said so.
    pub vendor_key: Option<Sha256>,
    /// From when it holds.
    pub from: UnixTime,
    /// Until when.
    pub until: UnixTime,
    /// Why.
    pub why: String,
    /// Who ordered it.
    pub by: String,
    /// Who else agreed, where two people ordered it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approver: Option<Approval>,
    /// When.
    pub since: UnixTime,
    /// It holds no more.
    pub closed: Option<Closed>,
    /// It is for a unit of a legacy group, which has no vendor key of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legacy: Option<ByLegacy>,
}

/// An order holds no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Closed {
    /// Since when.
    pub at: UnixTime,
    /// Who closed it, or what.
    pub by: String,
    /// Why.
    pub why: String,
    /// The certificate that it led to; none when it was withdrawn.
    pub certificate: Option<CertSha256>,
}

/// An order to be taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewOrder {
    /// Its name in the work-order system.
    pub id: OrderId,
    /// Which unit.
    pub device: DeviceId,
    /// Behind which line.
    pub line: AccessLine,
    /// At which site.
    #[serde(default)]
    pub site: String,
    /// SHA-256 over the SubjectPublicKeyInfo that the vendor certified for this unit.
    #[serde(default)]
    pub vendor_key: Option<Sha256>,
    /// From when it holds; absent: from now on.
    #[serde(default)]
    pub from: Option<UnixTime>,
    /// Until when.
    pub until: UnixTime,
}

/// What an order is good for at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OrderState {
    /// Its time has not come.
    Waiting,
    /// The unit may enrol.
    Open,
    /// Its time is over, and the unit did not come.
    Expired,
    /// The unit enrolled.
    Used,
    /// It was withdrawn.
    Closed,
}

impl InstallOrder {
    /// The name of the value by which the orders of a unit are found that are not closed.
    const STANDS: &'static str = "stands";
    /// The same of those behind a line by which units of legacy groups enrol.
    const BY_LEGACY: &'static str = "by_legacy";

    /// The legacy group by whose key its unit enrols, if it does.
    pub fn group(&self) -> Option<&Label> {
        self.legacy.as_ref().map(|legacy| &legacy.group)
    }

    /// Whether two people say by it that the unit comes by this vendor's key, who could know that others do since then.
    pub(crate) fn vouches_for(&self, vendor_key: Sha256, shared_since: UnixTime) -> bool {
        self.approver.is_some() && self.vendor_key == Some(vendor_key) && self.since > shared_since
    }

    /// What it is good for now.
    pub fn state(&self, now: UnixTime) -> OrderState {
        match &self.closed {
            Some(Closed { certificate: Some(_), .. }) => OrderState::Used,
            Some(Closed { certificate: None, .. }) => OrderState::Closed,
            None if now < self.from => OrderState::Waiting,
            None if now > self.until => OrderState::Expired,
            None => OrderState::Open,
        }
    }
}

impl OrderState {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Open => "open",
            Self::Expired => "expired",
            Self::Used => "used",
            Self::Closed => "closed",
        }
    }
}

impl fmt::Display for OrderState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Row for InstallOrder {
    const TABLE: &'static str = "order";

    fn key(&self) -> String {
        self.id.to_string()
    }

    fn entries(&self) -> Vec<(&'static str, String)> {
        let mut entries = vec![("device", self.device.to_string())];
        entries.extend(self.closed.is_none().then(|| (Self::STANDS, self.device.to_string())));
        let by_legacy = self.legacy.is_some() && self.closed.is_none();
        entries.extend(by_legacy.then(|| (Self::BY_LEGACY, self.line.to_string())));
        entries
    }
}

impl NewOrder {
    /// The window in which the unit may come.
    fn window(&self, now: UnixTime) -> Result<(UnixTime, UnixTime), LedgerError> {
        let from = self.from.unwrap_or(now);
        let wrong = |why: String| Err(LedgerError::Conflict(why));
        if self.until <= now {
            return wrong(format!("the order would have ended at {}", self.until));
        }
        if self.until <= from {
            return wrong(format!("the order would end at {}, before it begins at {from}", self.until));
        }
        Ok((from, self.until))
    }

    /// Whether the ledger's order is exactly this one. When it began to hold is not compared where this one says nothing.
    fn is(&self, order: &InstallOrder) -> bool {
        let Self { id, device, line, site, vendor_key, from, until } = self;
        (id, device, line, site) == (&order.id, &order.device, &order.line, &order.site)
            && (*vendor_key, *until) == (order.vendor_key, order.until)
            && from.is_none_or(|from| from == order.from)
    }
}

impl Device {
    /// Whether an order may be opened for it.
    fn may_be_ordered(&self) -> Result<(), LedgerError> {
        use LifeCycle::{Installed, Live, Lost, Made, Retired, Shipped, Silent, Stolen, Suspended};
        match self.state {
            Made | Shipped | Installed | Live | Silent => Ok(()),
            Suspended | Lost | Stolen | Retired => {
                Err(LedgerError::Conflict(format!("{} is {}: it may not be installed", self.id, self.state)))
            }
        }
    }
}

impl Tx<'_> {
    /// The orders of a unit that are not closed, whatever their time.
    ///
    /// # Errors
    /// As [`Self::device`].
    pub fn orders_standing(&mut self, device: DeviceId) -> Result<Vec<InstallOrder>, LedgerError> {
        self.all(Some((InstallOrder::STANDS, &device.to_string())))
    }

    /// The orders by which units of legacy groups enrol from behind a line, and that are not closed.
    pub(crate) fn orders_by_legacy_behind(
        &mut self,
        line: &AccessLine,
    ) -> Result<Vec<InstallOrder>, LedgerError> {
        self.all(Some((InstallOrder::BY_LEGACY, &line.to_string())))
    }

    /// Opens an order. A unit that is held stays so until it comes by this order: it is a person's word from after the hold.
    pub(crate) fn open_order(
        &mut self,
        new: &NewOrder,
        legacy: Option<ByLegacy>,
        because: &Because<'_>,
        now: UnixTime,
    ) -> Result<InstallOrder, LedgerError> {
        let approver =
            because.approver.map(|_| because.approval(|| format!("order {}", new.id))).transpose()?;
        let (from, until) = new.window(now)?;
        let mut device = self.known_device(new.device)?;
        device.may_be_ordered()?;
        if self.order(&new.id)?.is_some() {
            return Err(LedgerError::Exists { table: InstallOrder::TABLE, key: new.id.to_string() });
        }
        if let Some(other) = self.orders_standing(new.device)?.iter().find(|other| other.until >= now) {
            let why =
                format!("order {} for {} stands until {}: close it first", other.id, new.device, other.until);
            return Err(LedgerError::Conflict(why));
        }
        let NewOrder { id, device: unit, line, site, vendor_key, .. } = new.clone();
        let (why, by) = (because.why.to_owned(), because.by.to_owned());
        let order = InstallOrder {
            id,
            device: unit,
            line,
            site,
            vendor_key,
            from,
            until,
            why,
            by,
            approver,
            since: now,
            closed: None,
            legacy,
        };
        if device.enrolment == Enrolment::None {
            device.enrolment = Enrolment::Ordered;
            self.put_row(&device, because, now)?;
        }
        self.put_row(&order, because, now)?;
        Ok(order)
    }

    /// The same for a unit of a legacy group.
    pub(crate) fn open_order_by_legacy(
        &mut self,
        new: &NewOrder,
        legacy: ByLegacy,
        because: &Because<'_>,
        now: UnixTime,
    ) -> Result<InstallOrder, LedgerError> {
        self.legacy_group_in_force(&legacy.group, now)?;
        if !self.is_line_of_one(&new.line, new.device)? {
            let why = format!("another unit of a legacy group may enrol from behind line {}", new.line);
            return Err(LedgerError::Conflict(why));
        }
        if let Some(other) = self.lines()?.that_shares_with(&new.line) {
            let why = format!("line {} has addresses that line {other} has too", new.line);
            return Err(LedgerError::Conflict(why));
        }
        self.open_order(new, Some(legacy), because, now)
    }

    pub(crate) fn close_order(
        &mut self,
        id: &OrderId,
        because: &Because<'_>,
        now: UnixTime,
    ) -> Result<InstallOrder, LedgerError> {
        let not_found = || LedgerError::NotFound { table: InstallOrder::TABLE, key: id.to_string() };
        let mut order = self.order(id)?.ok_or_else(not_found)?;
        if let Some(closed) = &order.closed {
            return Err(LedgerError::Conflict(format!("order {id} is closed since {}", closed.at)));
        }
        let (by, why) = (because.by.to_owned(), because.why.to_owned());
        order.closed = Some(Closed { at: now, by, why, certificate: None });
        let mut device = self.known_device(order.device)?;
        if device.enrolment == Enrolment::Ordered {
            device.enrolment = Enrolment::None;
            self.put_row(&device, because, now)?;
        }
        self.put_row(&order, because, now)?;
        Ok(order)
    }

    pub(crate) fn order(&mut self, id: &OrderId) -> Result<Option<InstallOrder>, LedgerError> {
        Ok(self.row(&id.to_string())?.map(|(order, _)| order))
    }
}

impl Ledger {
    /// Opens an install order. `approver`: who else agreed. Two people may vouch for a vendor's key that is known to be shared.
    ///
    /// # Errors
    /// [`LedgerError::NeedsApprover`] where both are one; [`LedgerError::NotFound`] without the unit; [`LedgerError::Exists`] for a name that was used;
    /// [`LedgerError::Conflict`] while another order for the unit stands, for a unit that is out of service, and for a
    /// window that is none; and the transient ones.
    pub fn open_order(
        &self,
        new: &NewOrder,
        by: &str,
        why: &str,
        approver: Option<&str>,
        now: UnixTime,
    ) -> Result<InstallOrder, LedgerError> {
        self.rely_on_index::<InstallOrder>()?;
        self.change(|tx| tx.open_order(new, None, &Because { by, why, approver }, now))
    }

    /// Opens an order by which a unit of a legacy group enrols by the group's key.
    ///
    /// # Errors
    /// As [`Self::open_order`]; and [`LedgerError::Conflict`] where the group has ended, another unit of a group may
    /// enrol from behind the line, or the line has addresses that another has too.
    pub fn open_order_by_legacy(
        &self,
        new: &NewOrder,
        group: &Label,
        by: &str,
        why: &str,
        now: UnixTime,
    ) -> Result<InstallOrder, LedgerError> {
        self.rely_on_index::<InstallOrder>()?;
        let legacy = ByLegacy { group: group.clone(), migration: None, wave: None };
        self.change(|tx| tx.open_order_by_legacy(new, legacy, &Because::new(by, why), now))
    }

    /// Takes many orders, each with its line in the file, in one transaction. One that is there already, exactly so, is
    /// left as it is.
    ///
    /// # Errors
    /// The transient ones; then nothing was taken.
    pub fn import_orders(
        &self,
        rows: &[(u64, NewOrder)],
        by: &str,
        now: UnixTime,
    ) -> Result<Imported, LedgerError> {
        self.rely_on_index::<InstallOrder>()?;
        self.change(|tx| {
            let mut imported = Imported::default();
            for (line, new) in rows {
                let known = tx.order(&new.id)?;
                if known.is_some_and(|known| new.is(&known)) {
                    imported.unchanged += 1;
                    continue;
                }
                match tx.open_order(new, None, &Because::new(by, "imported"), now) {
                    Ok(_) => imported.added += 1,
                    Err(error) if error.is_transient() => return Err(error),
                    Err(error) => {
                        let (line, id, why) = (*line, new.id.to_string(), error.to_string());
                        imported.refused.push(RefusedRow { line, id, why });
                    }
                }
            }
            Ok(imported)
        })
    }

    /// Withdraws an order.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`]; [`LedgerError::Conflict`] when it is closed; and the transient ones.
    pub fn close_order(
        &self,
        id: &OrderId,
        by: &str,
        why: &str,
        now: UnixTime,
    ) -> Result<InstallOrder, LedgerError> {
        self.change(|tx| tx.close_order(id, &Because::new(by, why), now))
    }

    /// Up to `limit` orders behind `after`, by name; only those of one unit, if given.
    ///
    /// # Errors
    /// The transient ones.
    pub fn orders(
        &self,
        device: Option<DeviceId>,
        after: &str,
        limit: usize,
    ) -> Result<Page<InstallOrder>, LedgerError> {
        let device = device.map(|device| device.to_string());
        self.list(device.as_deref().map(|device| ("device", device)), after, limit)
    }
}

#[cfg(test)]
mod tests;
