use super::{
    Row,
    costs::{Costs, Words},
    estate::{Estate, Site},
    http::{Http, side_by_side},
    serve,
    signatures::Signatures,
    work::Work,
};
use crate::folder::Folder;
use anyhow::{Context, ensure};
use aws_lc_rs::rand;
use clap::Args;
use ids::UnixTime;
use std::{
    net::SocketAddr,
    path::Path,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::{Duration, Instant},
};
use x509::{Anchor, Certificate, NONCE, OcspQuestion, SerialNumber};

#[derive(Debug, Args)]
pub(crate) struct Ocsp {
    /// Certificates in the ledger, each of a unit
    #[arg(long, default_value_t = 20_000, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    certificates: u32,

    /// Requests, each about another certificate in turn
    #[arg(long, default_value_t = 50_000, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    requests: u32,

    /// Clients that ask at the same time; the listener takes 32 connections from one address, of which some may be ending
    #[arg(long, default_value_t = 16, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=24))]
    at_once: u32,
}

const WORDS: Words = Words {
    bench: "ocsp",
    by_one_processor: "responses by one processor, each signed for its nonce",
    beside_clients: "responses, beside the clients on this machine",
    median: "from request to response, median",
    each: ("us", 1e6),
};
/// Of so many answers one is verified.
const VERIFIED: u32 = 100;

/// What is asked about.
struct Asked {
    issuer: Anchor,
    serials: Vec<SerialNumber>,
}

impl Ocsp {
    /// Measures, with all files in a folder below `parent`.
    ///
    /// # Errors
    /// Why there is no figure; also an answer that is none.
    pub(crate) fn measure(&self, parent: Option<&Path>) -> anyhow::Result<Vec<Row>> {
        let folder = Folder::make(parent, "truecell-bench")?;
        let mut work = Work::new((self.certificates + self.requests) as usize);
        let estate =
            Estate::make(folder.path(), Site::Public, self.certificates as usize, || work.one_done())?;
        let asked = Asked::of(&estate)?;
        let (serving, address) = serve::serve_enrolment(&estate.config)?;
        let (before, began) = (serving.cpu()?, Instant::now());
        let took = self.ask(&asked, address, &mut work)?;
        let lasted = began.elapsed();
        let cpu = serving.cpu()?.since(&before);
        let limit = Signatures { made: 1, verified: 0 }.a_second()?;
        Costs { serving: &serving, took: &took, lasted, cpu, limit }.rows(&WORDS)
    }

    fn ask(&self, asked: &Asked, server: SocketAddr, work: &mut Work) -> anyhow::Result<Vec<Duration>> {
        let number = AtomicU32::new(0);
        let requests = vec![(); self.requests as usize];
        side_by_side(server, self.at_once, &requests, work, |(), http| {
            asked.ask(number.fetch_add(1, Relaxed), http)
        })
    }
}

impl Asked {
    fn of(estate: &Estate) -> anyhow::Result<Self> {
        let first = estate.units.first().context("no unit")?;
        let issuer = Anchor::from_der(first.chain.get(1).context("a chain without an issuer")?)?;
        let serial = |der: &Vec<u8>| Certificate::from_der(der).ok()?.serial_number();
        let serials = estate.units.iter().map(|unit| unit.chain.first().and_then(serial));
        Ok(Self {
            issuer,
            serials: serials.collect::<Option<_>>().context("a certificate without a serial")?,
        })
    }

    fn ask(&self, number: u32, http: &mut Http) -> anyhow::Result<()> {
        let mut nonce = [0; NONCE];
        rand::fill(&mut nonce).map_err(|_| anyhow::anyhow!("no randomness"))?;
        let serial = self.serials.get(number as usize % self.serials.len()).context("no serial")?;
        let question = OcspQuestion::new(&self.issuer, *serial, nonce)?;
        let answer = http.post("/ocsp", "application/ocsp-request", question.der())?;
        if number.is_multiple_of(VERIFIED) {
            let said = question.answer(&self.issuer, &answer, UnixTime::now())?;
            ensure!(said.revoked.is_none(), "a good certificate is said to be revoked");
        }
        Ok(())
    }
}
