//! The power goes at every step of an enrolment and of a renewal, with all that the disk had not been told to keep
//! lost, or kept, or torn; the unit comes back by itself, with one certificate that the operator counts.

use crate::authority::{Authority, State, start};
use crate::bench::Times;
use agent::{Clock, Disk, Store, StrongSwan, StrongSwanSettings, Unit, Wire, WireError, renews_at};
use cmp::{Operator, ProtectionKey, Signer};
use ids::UnixTime;
use pki::KeyAlgorithm;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::time::Duration;

/// What becomes of what was not made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Names and content are as they were last made durable.
    Lost,
    /// All of it had reached the disk.
    Kept,
    /// Names had, content had not: half of it is there.
    Torn,
}

/// Steps that are left before the power goes.
struct Power {
    steps: Cell<u32>,
    taken: Cell<u32>,
}

impl Power {
    fn new(steps: u32) -> Self {
        Self { steps: Cell::new(steps), taken: Cell::new(0) }
    }

    /// Whether there is power for one more step.
    fn step(&self) -> bool {
        let Some(left) = self.steps.get().checked_sub(1) else { return false };
        self.steps.set(left);
        self.taken.set(self.taken.get() + 1);
        true
    }
}

/// Content as it is read, and as far as it is durable.
#[derive(Clone, Debug, Default)]
struct File {
    content: Vec<u8>,
    durable: Option<Vec<u8>>,
}

/// A disk that forgets.
#[derive(Default)]
struct Flash {
    files: RefCell<Vec<File>>,
    names: RefCell<BTreeMap<String, usize>>,
    durable_names: RefCell<BTreeMap<String, usize>>,
}

impl Flash {
    fn lose_power(&self, fate: Fate) {
        if fate == Fate::Lost {
            *self.names.borrow_mut() = self.durable_names.borrow().clone();
        }
        for file in self.files.borrow_mut().iter_mut() {
            let half = file.content.len() / 2;
            file.content = match (fate, file.durable.clone()) {
                (Fate::Kept, _) => file.content.clone(),
                (Fate::Lost | Fate::Torn, Some(durable)) => durable,
                (Fate::Lost | Fate::Torn, None) => file.content[..half].to_vec(),
            };
            file.durable = Some(file.content.clone());
        }
        *self.durable_names.borrow_mut() = self.names.borrow().clone();
    }
}

/// The disk while there is power.
struct Powered<'a> {
    flash: &'a Flash,
    power: &'a Power,
}

impl fmt::Debug for Powered<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Powered")
    }
}

impl Powered<'_> {
    fn step(&self) -> io::Result<()> {
        match self.power.step() {
            true => Ok(()),
            false => Err(io::Error::other("no power")),
        }
    }

    fn folder(name: &str) -> &str {
        name.rsplit_once('/').map_or("", |(folder, _)| folder)
    }
}

impl Disk for Powered<'_> {
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let position = self.flash.names.borrow().get(name).copied();
        Ok(position.map(|position| self.flash.files.borrow()[position].content.clone()))
    }

    fn write(&self, name: &str, mode: u32, content: &[u8]) -> io::Result<()> {
        assert_eq!(mode == 0o600, content.windows(11).any(|part| part == b"PRIVATE KEY"), "{name}");
        self.step()?;
        let mut files = self.flash.files.borrow_mut();
        files.push(File { content: content.to_vec(), durable: None });
        self.flash.names.borrow_mut().insert(name.to_owned(), files.len() - 1);
        Ok(())
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        self.step()?;
        let position = self.flash.names.borrow()[name];
        let file = &mut self.flash.files.borrow_mut()[position];
        file.durable = Some(file.content.clone());
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.step()?;
        let mut names = self.flash.names.borrow_mut();
        let position = names.remove(from).unwrap();
        names.insert(to.to_owned(), position);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.step()?;
        self.flash.names.borrow_mut().remove(name);
        Ok(())
    }

    fn sync_folder(&self, name: &str) -> io::Result<()> {
        self.step()?;
        let folder = Self::folder(name);
        let mut durable = self.flash.durable_names.borrow_mut();
        durable.retain(|name, _| Self::folder(name) != folder);
        let names = self.flash.names.borrow();
        let here = names.iter().filter(|(name, _)| Self::folder(name) == folder);
        durable.extend(here.map(|(name, position)| (name.clone(), *position)));
        Ok(())
    }
}

/// A way on which a message is a step, and its answer another.
struct Line<'a> {
    authority: &'a Authority,
    times: &'a Times,
    power: &'a Power,
}

impl fmt::Debug for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Line")
    }
}

impl Wire for Line<'_> {
    fn post(&self, message: &[u8]) -> Result<Vec<u8>, WireError> {
        let down = || WireError::Way("no power".into());
        self.power.step().then_some(()).ok_or_else(down)?;
        let answer = self.authority.handle(message, self.times.truth.get());
        self.power.step().then_some(answer).ok_or_else(down)
    }
}

/// What outlives a loss of power.
struct Station<'a> {
    authority: &'a Authority,
    operator: Operator,
    vendor: Signer,
    state: Flash,
    swanctl: Flash,
    settings: StrongSwanSettings,
}

impl<'a> Station<'a> {
    /// One that the authority has never heard of.
    fn new(authority: &'a Authority) -> Self {
        *authority.state() = State::default();
        let (operator, vendor) = (authority.operator(), authority.vendor(KeyAlgorithm::P256, start()));
        let settings = StrongSwanSettings {
            vici: None,
            swanctl: None,
            name: "truecell".into(),
            connection: None,
            child: None,
        };
        Self { authority, operator, vendor, state: Flash::default(), swanctl: Flash::default(), settings }
    }

    /// One attempt of a process that starts, and the hand-over behind it. Whether all of it went well.
    fn run(&self, times: &Times, power: &Power) -> bool {
        let disk = Powered { flash: &self.state, power };
        let swanctl = Powered { flash: &self.swanctl, power };
        let line = Line { authority: self.authority, times, power };
        let unit = Unit::new(&self.operator, &self.vendor, Store::new(&disk), &line, times as &dyn Clock);
        if unit.attempt().is_err() {
            return false;
        }
        let current = unit.store().current().unwrap().unwrap();
        let folder: &dyn Disk = &swanctl;
        StrongSwan::new(&self.settings, Some(folder), self.authority.ca.root())
            .take(&current, unit.store())
            .is_ok()
    }

    fn lose_power(&self, fate: Fate) {
        self.state.lose_power(fate);
        self.swanctl.lose_power(fate);
    }

    /// The certificate in use, which was confirmed, and its key.
    fn check_current(&self) -> Option<ids::CertSha256> {
        let disk = Powered { flash: &self.state, power: &Power::new(0) };
        let current = Store::new(&disk).current().unwrap()?;
        assert_eq!(current.key().spki(), current.certificate().spki());
        let sha256 = current.certificate().sha256();
        assert!(self.authority.state().confirmed.contains(&sha256), "in use and unconfirmed");
        Some(sha256)
    }

    /// In swanctl's folders stand one certificate and its key, and the issuers.
    fn check_swanctl(&self) {
        let head = self.authority.state().head.unwrap().to_string();
        let names: Vec<_> = self.swanctl.names.borrow().keys().cloned().collect();
        let hash = &head[..16];
        let expected = [
            format!("private/truecell-{hash}.pem"),
            format!("x509/truecell-{hash}.pem"),
            "x509ca/truecell-0.pem".to_owned(),
            "x509ca/truecell-1.pem".to_owned(),
        ];
        assert_eq!(names, expected);
    }
}

/// Runs once with so much power, then as often as it takes. Whether the power was enough.
fn kill_after(authority: &Authority, steps: u32, fate: Fate, renews: bool, away: Duration) -> bool {
    let case = format!("{steps} steps, {fate:?}, renews: {renews}, away for {away:?}");
    let station = Station::new(authority);
    let mut times = Times::new(start(), start());
    let mut before = None;
    if renews {
        assert!(station.run(&times, &Power::new(u32::MAX)));
        before = station.check_current();
        let disk = Powered { flash: &station.state, power: &Power::new(0) };
        let due = renews_at(Store::new(&disk).current().unwrap().unwrap().certificate());
        times = Times::new(due, due);
    }
    let done = station.run(&times, &Power::new(steps));
    station.lose_power(fate);
    let current = station.check_current();
    // What was in use stays until the next is confirmed, and the operator counts nothing that the unit has lost.
    assert!(!renews || current.is_some(), "{case}");
    assert!(current == before || current == station.authority.state().head, "{case}");
    let truth = times.truth.get().after(away);
    for wall in [UnixTime::default(), truth] {
        let again = Times::new(wall, truth);
        // Twice at most: once to find out that a transaction is over, once to begin anew.
        let mut runs = (0..2).map(|_| station.run(&again, &Power::new(u32::MAX)));
        assert!(runs.any(|well| well), "{case}: {:?}", station.authority.state().refused);
    }
    assert_eq!(station.check_current(), station.authority.state().head, "{case}");
    station.check_swanctl();
    let confirmed = station.authority.state().confirmed.len();
    assert_eq!(confirmed, if renews { 2 } else { 1 }, "{case}: one certificate each, no more");
    done
}

fn every_step(renews: bool) {
    let authority = Authority::new(start());
    let mut steps = 0;
    loop {
        let mut done = false;
        // Back within the time of a confirmation, and after it.
        for (fate, away) in [(Fate::Lost, 30), (Fate::Lost, 1000), (Fate::Kept, 1000), (Fate::Torn, 30)] {
            done = kill_after(&authority, steps, fate, renews, Duration::from_secs(away));
        }
        if done {
            break;
        }
        steps += 1;
    }
    // Four for each of three files of state and two for strongSwan, two for the confirmed name, four for the network.
    assert!(steps >= 28, "{steps}");
    println!("killed at {steps} steps, 4 times each");
}

#[test]
fn an_enrolment_killed_at_any_step_ends_with_one_certificate_that_counts() {
    every_step(false);
}

#[test]
fn a_renewal_killed_at_any_step_ends_with_one_certificate_that_counts() {
    every_step(true);
}

/// The disk of this test tells a rename of what is not durable from one of what is.
#[test]
fn the_disk_of_this_test_forgets_what_it_was_not_told_to_keep() {
    let power = Power::new(u32::MAX);
    let flash = Flash::default();
    let disk = Powered { flash: &flash, power: &power };
    disk.write("a.new", 0o644, b"1234").unwrap();
    disk.rename("a.new", "a").unwrap();
    disk.sync_folder("a").unwrap();
    flash.lose_power(Fate::Lost);
    assert_eq!(disk.read("a").unwrap().unwrap(), b"12");
    disk.write("b", 0o644, b"1234").unwrap();
    disk.sync("b").unwrap();
    flash.lose_power(Fate::Lost);
    assert_eq!(disk.read("b").unwrap(), None);
}
