//! A household, its neighbours, and two who have the key of one unit.

use super::{Act, Came, Look, Place, Row, Who, side::Side};
use anyhow::{Context, Result, ensure};
use interop::carrier::{Carrier, Unit};
use interop::certificate::{Authority, KeyKind, write};
use interop::charon::PROMPT;
use interop::deadline::until;
use interop::internet::{Host, Nat};
use interop::namespace::run;
use interop::relay::{Relay, Weather};
use interop::scene::Scene;
use interop::truecell::{Event, Incident, SERVICE_V4, Session};
use lab::Mmdb;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

const ID: &str = "00aabbccddee";
const CELL: &str = "lte:450-08:1a2b3c4";
/// Where the ledger has the unit: Seoul.
const SITE: &str = "37.566,126.978";
/// Name that the unit has from its factory.
const FACTORY: &str = "00aabbccddee.units.vendor.example";

/// A holder has 7 s to make room and is soon asked again, so that the rows are short. Nothing is within reach of quarantine.
const SETTINGS: &str = "
admission.make_room_s = 7
admission.probe_interval_s = 1
gateway.quarantine.v4 = \"10.127.255.0/24\"
gateway.quarantine.v6 = \"fd00:7c:0:1::/64\"
gateway.quarantine.reach = [\"203.0.113.0/24\"]
records.line.feed = \"line.jsonl\"
records.facts.feed = \"facts.jsonl\"
records.sources = { databases = [\"networks.mmdb\"], home_country = \"KR\" }
enrol.listen = [\"0.0.0.0:8080\"]
vendor = [{ realm = \"units.vendor.example\", anchors = \"factory.pem\" }]
";

/// Until a claim is settled: the holder's silence, or its time to make room.
const SETTLED: Duration = Duration::from_secs(40);

pub(super) struct World<'a> {
    carrier: Carrier<'a>,
    factory: Authority,
    /// The feed of device facts.
    facts: PathBuf,
    household: Nat,
    /// The unit, and whoever is beside it.
    sides: Vec<Side>,
    /// Sessions and records of the journal that were there before what happens now.
    before: (BTreeSet<String>, usize),
}

impl World<'_> {
    /// Plays a row.
    pub(super) fn play(row: &Row) {
        Scene::play("attack", |scene| {
            let mut world = World::new(scene, row)?;
            for act in row.acts {
                world.look()?;
                world.act(*act).with_context(|| format!("{act:?}"))?;
            }
            world.ends(row)
        });
    }

    fn new<'a>(scene: &'a Scene, row: &Row) -> Result<World<'a>> {
        let (dir, factory) = (scene.dir("gateway")?, Authority::root("Vendor factory")?);
        write(&dir, "factory.pem", factory.anchor())?;
        write(&dir, "line.jsonl", "")?;
        write(&dir, "facts.jsonl", "")?;
        let facts = dir.join("facts.jsonl");
        fs::write(dir.join("networks.mmdb"), Mmdb::new().octets(0))?;
        let carrier = Carrier::new(scene, SETTINGS)?;
        let household = carrier.internet.nat("household")?;
        let home = carrier.internet.host_behind(&household, "home")?;
        let mut known = Origins { lines: vec![("L-1", household.outside.into())], networks: Mmdb::new() };
        let placed = row.others.iter().map(|(place, look)| {
            let (host, to, relay) = known.place(*place, &carrier, &household)?;
            Ok((host, to, *look, relay))
        });
        let placed = placed.collect::<Result<Vec<_>>>()?;
        write(&dir, "line.jsonl", &feed(&known.lines)?)?;
        fs::write(dir.join("networks.mmdb"), known.networks.octets(0))?;
        carrier.gateway.run(&["config", "apply"])?;
        carrier.gateway.wait_for_event("the feed to be read", PROMPT, |event| {
            event.kind == "gateway.alarm"
                && event.body["alarm"] == "line-feed-stale"
                && event.body["raised"] == false
        })?;
        carrier.gateway.add_device(ID, &["--line", "L-1", "--cells", CELL, "--position", SITE])?;
        let name = interop::truecell::device_name(ID);
        let identity = Unit { name, credential: carrier.gateway.issue(ID, &[])? };
        let unit = Side::new(Who::Unit, home, carrier.host.v4.into(), Look::Same, &identity, None);
        let others = [Who::Other, Who::Third].into_iter().zip(placed);
        let others =
            others.map(|(who, (host, to, look, relay))| Side::new(who, host, to, look, &identity, relay));
        let sides = std::iter::once(unit).chain(others).collect();
        Ok(World { carrier, factory, facts, household, sides, before: Default::default() })
    }

    fn side(&mut self, who: Who) -> &mut Side {
        &mut self.sides[who as usize]
    }

    fn look(&mut self) -> Result<()> {
        let sessions = self.carrier.gateway.sessions()?.into_iter().map(|session| session.id).collect();
        self.before = (sessions, self.carrier.gateway.events()?.len());
        Ok(())
    }

    fn act(&mut self, act: Act) -> Result<()> {
        match act {
            Act::Comes(who, expected) => {
                self.begins(who)?;
                self.has_a_new_session(who, expected)
            }
            Act::ComeAtOnce(one, other, reason) => {
                self.begins(one)?;
                self.begins(other)?;
                self.are_refused(2, reason)
            }
            Act::GoesOver(from, to) => {
                self.begins(to)?;
                self.side(to).charon()?.wait_for_tunnel()?;
                self.leaves(from)?;
                self.has_a_new_session(to, Came::In)
            }
            Act::Leaves(who) => self.leaves(who),
            Act::LosesPower(who) => {
                let side = self.side(who);
                side.session = None;
                side.charon.take().context("it has no power")?.process.kill()
            }
            Act::IsEnded(who) => {
                self.is_ended(who)?;
                let all_gone = |sas: &[_]| sas.is_empty().then_some(());
                self.side(who).charon()?.wait_for_sas("it to be told", PROMPT, all_gone)
            }
            Act::Rebinds => self.rebinds(),
            Act::AuthenticatesAnew => {
                self.sides[0].charon()?.rekey(&["--ike", "segw", "--reauth"])?;
                self.has_a_new_session(Who::Unit, Came::In)?;
                self.only_one()
            }
            Act::Runs(command) => self.carrier.gateway.run(command).map(drop),
            Act::Edits(sql) => {
                let ledger = rusqlite::Connection::open(self.carrier.gateway.ledger())?;
                ledger.busy_timeout(PROMPT)?;
                ensure!(ledger.execute(sql, [])? == 1, "{sql}");
                Ok(())
            }
            Act::Says(facts) => self.says(facts),
            Act::Ordered(state) => self.ordered(state),
            Act::Enrols => self.enrols(),
            Act::IsRestored(backup) => self.carrier.gateway.restore(backup),
        }
    }

    fn begins(&mut self, who: Who) -> Result<()> {
        let (scene, root) = (self.carrier.scene, self.carrier.gateway.root()?);
        let side = self.side(who);
        side.start(scene, &root)?;
        side.charon()?.initiate_later("core")
    }

    fn leaves(&mut self, who: Who) -> Result<()> {
        self.side(who).charon()?.terminate(&["--ike", "segw"])?;
        self.is_ended(who)
    }

    /// So many claims come to nothing, and no session is there that was not before.
    fn are_refused(&self, count: usize, reason: &str) -> Result<()> {
        let (known, records) = &self.before;
        let gateway = &self.carrier.gateway;
        until("claims to be refused", SETTLED, || {
            let refused = gateway.events()?.iter().skip(*records).filter_map(refusal).collect::<Vec<_>>();
            ensure!(refused.iter().all(|why| why == reason), "{refused:?}");
            let none_is_new = gateway.sessions()?.iter().all(|session| known.contains(&session.id));
            Ok((refused.len() == count && none_is_new).then_some(()))
        })
    }

    /// Waits until a claim is settled, and has it end so.
    fn has_a_new_session(&mut self, who: Who, expected: Came) -> Result<()> {
        let (known, records) = self.before.clone();
        let gateway = &self.carrier.gateway;
        let (session, state) = until("a claim to be settled", SETTLED, || {
            let mut new = gateway.sessions()?.into_iter().filter(|session| !known.contains(&session.id));
            match new.next() {
                Some(session) if session.state == "contesting" => Ok(None),
                Some(session) => Ok(Some((Some(session.id), session.state))),
                None => Ok(gateway.events()?.iter().skip(records).find_map(refusal).map(|why| (None, why))),
            }
        })?;
        let came = match expected {
            Came::In => "open",
            Came::Quarantined => "quarantined",
            Came::Refused(reason) => reason,
        };
        ensure!(state == came, "{who:?} is {state}");
        self.side(who).session = session;
        Ok(())
    }

    fn is_ended(&mut self, who: Who) -> Result<()> {
        let ended = self.side(who).session.take().context("it has no session")?;
        self.carrier.gateway.wait_for_sessions("a session's end", |all| {
            all.iter().all(|session| session.id != ended).then_some(())
        })
    }

    fn only_one(&self) -> Result<()> {
        let one = |all: &[Session]| matches!(all, [session] if session.state == "open").then_some(());
        self.carrier.gateway.wait_for_sessions("one session", one)
    }

    fn rebinds(&mut self) -> Result<()> {
        let place = |all: &[Session]| all.first().map(|session| session.outer.clone());
        let before = place(&self.carrier.gateway.sessions()?);
        self.household.rebind()?;
        self.sides[0].host.ping(SERVICE_V4)?;
        self.carrier
            .gateway
            .wait_for_sessions("another port", |all| (all.len() == 1 && place(all) != before).then_some(()))
    }

    /// What management has from whoever speaks as the unit now.
    fn says(&self, facts: &str) -> Result<()> {
        let events = self.carrier.gateway.events()?;
        let last = events.iter().rfind(|event| event.body["claim"].is_object()).context("nobody came")?;
        let (spi, at) = (&last.body["claim"]["ike_spis"]["initiator"], now()?);
        let facts = facts.replace("TUNNEL", &format!(r#""tunnel":{{"ike_spi":{spi},"created_at":"{at}"}}"#));
        let line = format!(
            r#"{{"v":1,"kind":"device-facts","device":"{ID}","seen_at":"{at}","at":"{at}",{facts}}}"#
        );
        let mut feed = fs::File::options().append(true).open(&self.facts)?;
        Ok(writeln!(feed, "{line}")?)
    }

    fn ordered(&self, state: &str) -> Result<()> {
        until("an order to be there", PROMPT, || {
            let page: Value = self.carrier.gateway.ask(&["management", "list", "--all"])?;
            let last = page["orders"].as_array().and_then(|orders| orders.last()).cloned();
            let is_it = |order: &Value| order["task"] == "radio-off" && order["state"] == state;
            Ok(last.filter(is_it).map(drop))
        })
    }

    /// By the key from its factory, from its line: enrolment reads the prefixes of the ledger's line alone.
    fn enrols(&mut self) -> Result<()> {
        let line = format!("{}/32", self.household.outside);
        self.carrier.gateway.run(&["line", "add", "L-1", &line])?;
        let dir = self.carrier.scene.dir("enrolment")?;
        let had = self.factory.issue(FACTORY, KeyKind::P256)?;
        let root = self.carrier.gateway.root()?;
        for (file, text) in [("had.pem", &had.certificate), ("had.key", &had.key), ("root.pem", &root)] {
            write(&dir, file, text)?;
        }
        let openssl = |arguments: &str| {
            let mut command = self.sides[0].host.namespace.command("openssl");
            run(command.args(arguments.split_whitespace()).current_dir(&dir))
        };
        openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out new.key")?;
        openssl(&format!(
            "cmp -cmd ir -server {}:8080 -path .well-known/cmp -cert had.pem -key had.key -newkey new.key \
             -subject /CN=any -trusted root.pem -certout new.pem",
            self.carrier.host.v4
        ))?;
        let read = |file: &str| fs::read_to_string(dir.join(file));
        let credential = &mut self.sides[0].identity.credential;
        (credential.certificate, credential.key) = (read("new.pem")?, read("new.key")?);
        Ok(())
    }

    /// Who has service, what is told of it, and what the unit's cell is worth.
    fn ends(&mut self, row: &Row) -> Result<()> {
        let gateway = &self.carrier.gateway;
        let open: Vec<_> =
            gateway.sessions()?.into_iter().filter(|session| session.state == "open").collect();
        for side in &self.sides {
            let serves = row.serves == Some(side.who);
            let has_lease = open.iter().any(|session| Some(&session.id) == side.session.as_ref());
            ensure!(has_lease == serves, "{:?}: {open:?}", side.who);
            if serves {
                side.host.ping(SERVICE_V4)?;
            } else {
                ensure!(side.host.no_ping(SERVICE_V4), "{:?} has service", side.who);
            }
        }
        let incidents = gateway.incidents()?;
        let told: Vec<_> =
            incidents.iter().map(|one| (one.kind.as_str(), one.evidence["conclusion"].as_str())).collect();
        ensure!(told == row.incidents, "{told:?}");
        incidents.iter().try_for_each(|incident| self.is_judged_again(incident))?;
        let cell = gateway.answer(&["cell", "show", CELL])?;
        let is_edited = row.acts.iter().any(|act| matches!(act, Act::Edits(_)));
        let names_a_row = cell["tampered"].as_array().is_some_and(|rows| !rows.is_empty());
        ensure!(cell["trust"]["state"] == row.trust && names_a_row == is_edited, "{cell:#}");
        gateway.run(&["event", "verify"])?;
        ensure!(
            gateway.run(&["ledger", "verify"]).is_err() == is_edited,
            "the ledger does not hold as it should"
        );
        Ok(())
    }

    /// What is about two has both sides, and comes to the same by the journal alone.
    fn is_judged_again(&self, incident: &Incident) -> Result<()> {
        let Incident { number, evidence, .. } = incident;
        if evidence["sides"]["holder"].is_null() {
            return Ok(());
        }
        let weighed = &evidence["weighed"];
        ensure!(["own", "other"].iter().all(|side| weighed[side]["marks"].is_array()), "{weighed}");
        let replay: Value = self.carrier.gateway.ask(&["incident", "replay", &number.to_string()])?;
        // It was told once and again, with the copy on either side: what the incident says first is the first of that.
        let first = replay["earlier"].get(0).unwrap_or(&replay);
        ensure!(replay["same"] == true && first["now"]["conclusion"] == evidence["conclusion"], "{replay}");
        Ok(())
    }
}

/// Why a claim came to nothing.
fn refusal(event: &Event) -> Option<String> {
    let is_one = matches!(event.kind.as_str(), "admission.refused" | "admission.contest_resolved");
    event.body["reason"].as_str().filter(|_| is_one).map(str::to_owned)
}

fn now() -> Result<String> {
    Ok(run(Command::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%S.%6NZ"]))?.trim_end().to_owned())
}

/// What the feed of lines and the databases of networks say.
struct Origins {
    lines: Vec<(&'static str, IpAddr)>,
    networks: Mmdb,
}

impl Origins {
    /// A host in that place, how it reaches the gateway, and what is between them.
    fn place(
        &mut self,
        place: Place,
        carrier: &Carrier<'_>,
        household: &Nat,
    ) -> Result<(Host, IpAddr, Option<Relay>)> {
        let host = match place {
            Place::Home => carrier.internet.host_behind(household, "other")?,
            Place::OtherLine
            | Place::Unknown
            | Place::Relayed
            | Place::Abroad
            | Place::SecondStack { .. } => carrier.access("other")?,
        };
        let (mut to, mut relay) = (carrier.host.v4.into(), None);
        match place {
            Place::Home | Place::Unknown => {}
            Place::OtherLine => self.lines.push(("L-2", host.v4.into())),
            Place::Relayed => {
                let within = carrier.access("relay")?;
                self.lines.push(("L-1", within.v4.into()));
                let between = Relay::start(within, to, 0, |_, _| Weather::default())?;
                to = between.address();
                relay = Some(between);
            }
            Place::Abroad => {
                let networks = std::mem::take(&mut self.networks);
                self.networks = networks.with(
                    &format!("{}/32", host.v4),
                    &json!({
                        "country": { "iso_code": "DE" },
                        "location": { "latitude": 50.11, "longitude": 8.68, "accuracy_radius": 20 },
                        "traits": { "user_type": "hosting" },
                    }),
                );
            }
            Place::SecondStack { is_fed } => {
                to = carrier.host.address(true);
                self.lines.extend(is_fed.then(|| ("L-1", host.address(true))));
            }
        }
        Ok((host, to, relay))
    }
}

/// Which line has which address.
fn feed(lines: &[(&str, IpAddr)]) -> Result<String> {
    let now = now()?;
    let session = |(line, address): &(&str, IpAddr)| {
        format!(
            "{{\"v\":1,\"kind\":\"line-session\",\"line\":\"{line}\",\"address\":\"{address}\",\
             \"from\":\"2026-01-01T00:00:00Z\",\"at\":\"{}\"}}\n",
            now
        )
    };
    Ok(lines.iter().map(session).collect())
}
