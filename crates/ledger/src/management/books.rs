//! How an order is given, and what becomes of it.

use super::{End, Ended, ManagementOrder, ManagementState, NewManagementOrder, Report, Said};
use crate::{Ledger, LedgerError, Page, Row, Tx, transaction::Because};
use ids::{DeviceId, UnixTime};

impl ManagementOrder {
    fn new(number: u64, new: NewManagementOrder, by: &str, now: UnixTime) -> Self {
        let NewManagementOrder { device, task, only_if, why, incident, waits_until } = new;
        let (incident, about) = incident.unzip();
        Self {
            number,
            device,
            task,
            only_if,
            by: by.to_owned(),
            why,
            incident,
            about: about.flatten(),
            at: now,
            waits_until,
            taken: None,
            ended: None,
        }
    }

    /// As it is once a management system has said this of it; `None` where that changes nothing.
    fn reported(mut self, report: Report, said: Said) -> Result<Option<Self>, LedgerError> {
        let (number, state) = (self.number, self.state(said.at));
        let how = match report {
            Report::Taken => None,
            Report::Done => Some(End::Done),
            Report::Failed => Some(End::Failed),
        };
        match (state, how) {
            (ManagementState::Taken | ManagementState::Done | ManagementState::Failed, None) => Ok(None),
            (ManagementState::Done, Some(End::Done)) | (ManagementState::Failed, Some(End::Failed)) => {
                Ok(None)
            }
            (ManagementState::Open, None) => {
                self.taken = Some(said);
                Ok(Some(self))
            }
            (ManagementState::Open | ManagementState::Taken, Some(how)) => {
                let Said { at, by, text } = said;
                self.ended = Some(Ended { how, at, by, text });
                Ok(Some(self))
            }
            (ManagementState::Waiting, _) => Err(LedgerError::Conflict(format!(
                "management order {number} is not open yet: an emergency call may go on"
            ))),
            (ManagementState::Withdrawn | ManagementState::Done | ManagementState::Failed, _) => {
                Err(LedgerError::Conflict(format!("management order {number} is {state}")))
            }
        }
    }
}

impl Tx<'_> {
    /// The orders for a unit that have not ended, by number.
    ///
    /// # Errors
    /// As [`Self::device`].
    pub fn management_orders_standing(
        &mut self,
        device: DeviceId,
    ) -> Result<Vec<ManagementOrder>, LedgerError> {
        self.all(Some((ManagementOrder::STANDS, &device.to_string())))
    }

    /// Gives an order, and withdraws the one that says the opposite. `None` where one of its kind stands: that goes on.
    ///
    /// # Errors
    /// As [`Self::device`].
    pub fn order_management(
        &mut self,
        new: NewManagementOrder,
        by: &str,
        now: UnixTime,
    ) -> Result<Option<ManagementOrder>, LedgerError> {
        let standing = self.management_orders_standing(new.device)?;
        if standing.iter().any(|order| order.task == new.task) {
            return Ok(None);
        }
        for order in standing {
            if Some(order.task) == new.task.opposite() {
                let why = format!("{} is ordered: {}", new.task, new.why);
                self.end_management_order(order, End::Withdrawn, by, &why, now)?;
            }
        }
        let number = self.last_number::<ManagementOrder>()? + 1;
        let order = ManagementOrder::new(number, new, by, now);
        self.put_row(&order, &Because::new(by, &order.why), now)?;
        Ok(Some(order))
    }

    /// Ends an order that stands.
    ///
    /// # Errors
    /// As [`Self::device`].
    pub fn end_management_order(
        &mut self,
        order: ManagementOrder,
        how: End,
        by: &str,
        text: &str,
        now: UnixTime,
    ) -> Result<(), LedgerError> {
        let ended = Ended { how, at: now, by: by.to_owned(), text: text.to_owned() };
        let order = ManagementOrder { ended: Some(ended), ..order };
        self.put_row(&order, &Because::new(by, text), now).map(drop)
    }

    /// The emergency call that an order waits for is over.
    ///
    /// # Errors
    /// As [`Self::device`].
    pub fn management_order_is_due(
        &mut self,
        order: ManagementOrder,
        by: &str,
        now: UnixTime,
    ) -> Result<(), LedgerError> {
        let order = ManagementOrder { waits_until: Some(now), ..order };
        self.put_row(&order, &Because::new(by, "the emergency call is over"), now).map(drop)
    }

    fn management_order(&mut self, number: u64) -> Result<ManagementOrder, LedgerError> {
        let not_found = || LedgerError::NotFound { table: ManagementOrder::TABLE, key: number.to_string() };
        let found = self.row(&ManagementOrder::key_of(number))?;
        found.map(|(order, _)| order).ok_or_else(not_found)
    }
}

impl Ledger {
    /// Gives an order by a person's word. Where one of its kind stands, that one goes on.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] without the unit, or the incident; [`LedgerError::Conflict`] where one of its kind stands;
    /// and the transient ones.
    pub fn order_management(
        &self,
        new: NewManagementOrder,
        by: &str,
        now: UnixTime,
    ) -> Result<ManagementOrder, LedgerError> {
        self.rely_on_index::<ManagementOrder>()?;
        self.change(|tx| {
            let (device, task) = (new.device, new.task);
            tx.known_device(device)?;
            if let Some((number, _)) = new.incident {
                tx.known_incident(number)?;
            }
            let given = tx.order_management(new, by, now)?;
            given.ok_or_else(|| LedgerError::Conflict(format!("{task} is ordered for {device} already")))
        })
    }

    /// A management system says what became of an order. Said again, it changes nothing.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`]; [`LedgerError::Conflict`] where the order waits, was withdrawn, or ended otherwise; and the
    /// transient ones.
    pub fn report_management_order(
        &self,
        number: u64,
        report: Report,
        said: Said,
    ) -> Result<ManagementOrder, LedgerError> {
        self.change(|tx| {
            let order = tx.management_order(number)?;
            let Some(changed) = order.clone().reported(report, said.clone())? else { return Ok(order) };
            let why = format!("{}: {}", report.as_str(), said.text);
            tx.put_row(&changed, &Because::new(&said.by, &why), said.at)?;
            Ok(changed)
        })
    }

    /// A person takes an order back that has not ended.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`]; [`LedgerError::Conflict`] where it has ended; and the transient ones.
    pub fn withdraw_management_order(
        &self,
        number: u64,
        by: &str,
        why: &str,
        now: UnixTime,
    ) -> Result<ManagementOrder, LedgerError> {
        self.change(|tx| {
            let order = tx.management_order(number)?;
            if order.ended.is_some() {
                let state = order.state(now);
                return Err(LedgerError::Conflict(format!("management order {number} is {state}")));
            }
            tx.end_management_order(order, End::Withdrawn, by, why, now)?;
            tx.management_order(number)
        })
    }

    /// One order.
    ///
    /// # Errors
    /// As [`Self::device`].
    pub fn management_order(&self, number: u64) -> Result<Option<ManagementOrder>, LedgerError> {
        self.row(&ManagementOrder::key_of(number))
    }

    /// Up to `limit` orders with numbers above `after`, whatever became of them; only those for one unit, if given.
    ///
    /// # Errors
    /// The transient ones.
    pub fn management_orders(
        &self,
        device: Option<DeviceId>,
        after: u64,
        limit: usize,
    ) -> Result<Page<ManagementOrder>, LedgerError> {
        let device = device.map(|device| device.to_string());
        let found_by = device.as_deref().map(|device| ("device", device));
        self.list(found_by, &ManagementOrder::key_of(after), limit)
    }

    /// The same of those that have not ended.
    ///
    /// # Errors
    /// The transient ones.
    pub fn management_orders_that_stand(
        &self,
        device: Option<DeviceId>,
        after: u64,
        limit: usize,
    ) -> Result<Page<ManagementOrder>, LedgerError> {
        let device = device.map_or_else(|| ManagementOrder::OF_ANY.to_owned(), |device| device.to_string());
        self.list(Some((ManagementOrder::STANDS, &device)), &ManagementOrder::key_of(after), limit)
    }

    /// Those that come from an incident.
    ///
    /// # Errors
    /// The transient ones.
    pub fn management_orders_of(&self, incident: u64) -> Result<Page<ManagementOrder>, LedgerError> {
        self.every(Some(("incident", &incident.to_string())))
    }
}
