//! A node's data, open for writing: journal, ledger, CA.

use crate::{
    config::{Config, ConfigError, KEEP_POOLS, outside_pool},
    data_dir::DataDir,
    failure::{Failure, Problem},
    issued_files,
    output::count,
};
use ::gateway::Gateway;
use api::{
    Configuration, Configured, KnownOrigins, Office, Requests, Revocations, Rules, Services,
    event::JournalFiles, facts::FactFeed, foreign::ForeignCas, lines::LineFeed, public::status_uris,
};
use axum::Router;
use events::{Journal, JournalError, JournalKey};
use ids::UnixTime;
use ledger::{Ledger, LedgerError, Pools, RowKey, store::Sqlite};
use pki::Ca;
use serde::Serialize;
use std::{fmt::Display, io, path::Path, sync::Arc};
use tokio::sync::watch::{Sender, channel};
use x509::Anchors;

/// Everything of one node that this process writes. It holds the lock meanwhile.
pub(crate) struct Node {
    pub(crate) journal: Journal,
    pub(crate) ledger: Ledger,
    /// The embedded CA, where there is one.
    pub(crate) ca: Option<Arc<Ca>>,
    /// What the carrier allows, and who may vouch for the devices of which realm: the embedded CA, and whom
    /// [`Self::trust`] adds.
    pub(crate) configured: Configured,
    /// Whom to tell that a certificate was revoked.
    pub(crate) revocations: Revocations,
    /// The foreign CAs that are asked which of their certificates still count: none, before [`Self::trust`].
    pub(crate) foreign: Arc<ForeignCas>,
    /// What feeds and databases say of an address: nothing, before [`Self::follow`].
    pub(crate) origins: Arc<KnownOrigins>,
    /// SHA-256 of each of these databases.
    pub(crate) databases: Option<String>,
    journal_files: JournalFiles,
    /// What opening finished, took in or cut off, for people.
    pub(crate) mended: Vec<String>,
    /// Ends streams of the API when set to true.
    pub(crate) stop: Sender<bool>,
}

impl Node {
    /// Opens everything, and finishes what a crash left half done.
    ///
    /// # Errors
    /// A part that cannot be opened, by name.
    pub(crate) fn open(data: &DataDir) -> Result<Self, Failure> {
        data.node()?;
        Self::open_unfinished(data)
    }

    /// The same while `truecell init` is under way.
    pub(crate) fn open_unfinished(data: &DataDir) -> Result<Self, Failure> {
        Self::open_with(data, data.pools()?, data.rules()?)
    }

    /// The same with what the configuration says now, which is kept from then on; `file`: where that stands.
    ///
    /// # Errors
    /// As [`Self::open`]; units have inner addresses outside the pools.
    pub(crate) fn open_configured(data: &DataDir, config: &Config, file: &Path) -> Result<Self, Failure> {
        data.node()?;
        let pools = &config.gateway.pools;
        let node = Self::open_with(data, pools.clone(), config.rules())?;
        let outside = node.ledger.outside(pools).map_err(|error| ledger_failure(&error))?;
        if !outside.is_empty() {
            let error = |outside| ConfigError::of_file(file, outside_pool(outside), KEEP_POOLS);
            return Err(Failure::Config(outside.iter().map(error).collect()));
        }
        keep_configured(data, config)?;
        Ok(node)
    }

    fn open_with(data: &DataDir, pools: Pools, rules: Rules) -> Result<Self, Failure> {
        Self::open_all(data, pools, rules).map_err(|failure| data.anothers().unwrap_or(failure))
    }

    fn open_all(data: &DataDir, pools: Pools, rules: Rules) -> Result<Self, Failure> {
        let (stop, stopped) = channel(false);
        let journal_files = data.journal_files(stopped)?;
        let inner = pools.v4.map(Into::into).into_iter().chain(pools.v6.map(Into::into)).collect();
        let mut mended = Vec::new();
        let journal = open_journal(data, &journal_files, &mut mended)?;
        let ledger = open_ledger(data, &journal, pools, &mut mended)?;
        let ca = open_ca(data, &ledger, &rules, &mut mended)?;
        let anchors = ca.as_ref().map(|ca| ca.anchors().clone()).unwrap_or_default();
        let configured = Configured::new(rules, anchors);
        let revocations = Revocations::default();
        let foreign = Arc::new(ForeignCas::new(data.crls(), inner, Vec::new(), UnixTime::now()));
        Ok(Self {
            journal,
            ledger,
            ca: ca.map(Arc::new),
            configured,
            revocations,
            foreign,
            origins: Arc::new(KnownOrigins::new(None, None)),
            databases: None,
            journal_files,
            mended,
            stop,
        })
    }

    /// Lets the anchors of the configured realms vouch for their devices.
    ///
    /// # Errors
    /// A file that cannot be used.
    pub(crate) fn trust(&self, config: &Config) -> Result<(), Failure> {
        let anchors = self.anchors_with(config).map_err(|error| Failure::Config(vec![error]))?;
        let asked = config.asked().map_err(|error| Failure::Config(vec![error]))?;
        self.configured.replace(self.configured.rules(), anchors);
        self.foreign.replace(asked, UnixTime::now());
        Ok(())
    }

    /// Reads the feeds that are configured, and the databases: all that there is by now.
    ///
    /// # Errors
    /// A file that cannot be used.
    pub(crate) fn follow(&mut self, config: &Config, data: &DataDir) -> Result<(), Failure> {
        let (now, folder) = (UnixTime::now(), data.records());
        let unusable = |error| Failure::system(format!("{} cannot be used", folder.display()), &error);
        let lines = config.records.line.as_ref();
        let lines = lines.map(|line| LineFeed::new(line.at(folder.clone()), line.terms(), now));
        let lines = lines.transpose().map_err(unusable)?.map(Arc::new);
        lines.iter().for_each(|lines| lines.read(now));
        let facts = config.records.facts.as_ref();
        let facts = facts.map(|facts| FactFeed::new(facts.feed.clone(), &folder, facts.terms()));
        let facts = facts.transpose().map_err(unusable)?.map(Arc::new);
        facts.iter().for_each(|facts| drop(facts.read(now)));
        self.origins = Arc::new(KnownOrigins::new(lines, facts));
        let sources = config.records.read_sources().map_err(|error| Failure::Config(vec![error]))?;
        let (sources, databases) = sources.unzip();
        self.origins.look_in(sources);
        self.databases = databases;
        Ok(())
    }

    /// The embedded CA's anchors, and those of the configured realms.
    pub(crate) fn anchors_with(&self, config: &Config) -> Result<Anchors, ConfigError> {
        let mut anchors = self.ca.as_ref().map(|ca| ca.anchors().clone()).unwrap_or_default();
        config.add_anchors(&mut anchors)?;
        Ok(anchors)
    }

    /// The API over it all; `running` where a gateway runs in this process, with who can configure it anew.
    pub(crate) fn router(&self, running: Option<(Arc<Gateway>, Arc<dyn Configuration>)>) -> Router {
        let (gateway, configuration) = running.unzip();
        api::router(Arc::new(Services {
            ledger: self.ledger.clone(),
            journal_files: self.journal_files.clone(),
            ca: self.ca.clone(),
            gateway,
            requests: Requests::default(),
            configured: self.configured.clone(),
            configuration,
            revocations: self.revocations.clone(),
        }))
    }

    /// Where the CA issues.
    pub(crate) fn office(&self) -> Office {
        Office { ledger: self.ledger.clone(), policy: self.configured.rules().admission }
    }

    /// Completes once this process is to stop.
    pub(crate) fn stopped(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut stopped = self.stop.subscribe();
        async move {
            let _ = stopped.wait_for(|stop| *stop).await;
        }
    }

    /// Brings everything to disk.
    pub(crate) fn close(&self) -> Result<(), Failure> {
        self.ledger.close().map_err(journal_failure)
    }
}

/// The journal, for the one process that writes it.
pub(crate) fn open_journal(
    data: &DataDir,
    files: &JournalFiles,
    mended: &mut Vec<String>,
) -> Result<Journal, Failure> {
    let key = JournalKey::open(&data.journal_key()).map_err(|error| broken("journal key", &error))?;
    if key.public_key() != files.key {
        // What the one would sign, nobody could verify by the other.
        let (key, public) = (data.journal_key(), data.journal_public_key());
        let why = format!("{} is not the key of {}", key.display(), public.display());
        return Err(broken("journal key", &io::Error::other(why)));
    }
    let opened = Journal::open(&files.dir, data.unfinished_node()?, key, UnixTime::now());
    let (journal, recovery) = opened.map_err(journal_failure)?;
    if recovery.cut > 0 {
        mended.push(format!(
            "journal: an unfinished last line of {} was cut off",
            count(recovery.cut, "octet")
        ));
    }
    Ok(journal)
}

fn open_ledger(
    data: &DataDir,
    journal: &Journal,
    pools: Pools,
    mended: &mut Vec<String>,
) -> Result<Ledger, Failure> {
    let row_key = RowKey::open(&data.row_key()).map_err(|error| broken("row key", &error))?;
    let was_there = data.ledger().exists();
    let store = Sqlite::open(&data.ledger()).map_err(|error| ledger_failure(&error.into()))?;
    let opened = Ledger::open(Box::new(store), journal.clone(), row_key, pools, UnixTime::now());
    let (ledger, finished) = opened.map_err(|error| {
        if let LedgerError::Journal(error) = error { journal_failure(error) } else { ledger_failure(&error) }
    })?;
    mended.extend(brought_in(&finished, was_there));
    Ok(ledger)
}

/// What the journal had and the ledger had not: each by name after a crash, their number in a ledger that
/// is new.
fn brought_in(finished: &[String], was_there: bool) -> Vec<String> {
    if was_there || finished.is_empty() {
        return finished.iter().map(|what| format!("ledger: {what} was finished")).collect();
    }
    vec![format!(
        "ledger: it was missing, and was made anew from {} of the journal",
        count(finished.len() as u64, "event")
    )]
}

/// The CA, if the node has one, as it is configured.
fn open_ca(
    data: &DataDir,
    ledger: &Ledger,
    rules: &Rules,
    mended: &mut Vec<String>,
) -> Result<Option<Ca>, Failure> {
    if !data.ca().join("ca.json").exists() {
        return Ok(None);
    }
    let ca = Ca::open_with(&data.ca(), &rules.ca_keys).map_err(|error| broken("CA", &error))?;
    let url = rules.status_url.as_deref();
    for generation in ca.generations() {
        let uris = url.map(|url| status_uris(url, generation)).unwrap_or_default();
        ca.set_status_uris(generation, uris).map_err(|error| broken("CA", &error))?;
    }
    let taken = issued_files::take_in(&ca, ledger, UnixTime::now());
    match taken.map_err(|error| broken("CA", error.as_ref()))? {
        0 => (),
        taken => mended
            .push(format!("CA: {} that had been files are in the ledger now", count(taken, "certificate"))),
    }
    Ok(Some(ca))
}

/// What ledger, CA and routes need to know of the configuration, kept in DATA so that commands work
/// without it.
pub(crate) fn keep_configured(data: &DataDir, config: &Config) -> Result<(), Failure> {
    keep(&data.pools_file(), &config.gateway.pools)?;
    keep(&data.rules_file(), &config.rules())
}

/// One value as a file of DATA, in JSON.
pub(crate) fn keep(path: &Path, what: &impl Serialize) -> Result<(), Failure> {
    let failed =
        |error: &dyn Display| Failure::system(format!("{} cannot be written", path.display()), error);
    let text = serde_json::to_string(what).map_err(|error| failed(&error))?;
    pki::replace_file(path, 0o640, text.as_bytes()).map_err(|error| failed(&error))
}

fn journal_failure(error: JournalError) -> Failure {
    let next = match &error {
        JournalError::Write { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
            "let the user that the gateway runs as write there, or run as that user"
        }
        JournalError::Broken { .. } => {
            "run `truecell event verify` to see which record is bad and up to where all is good, keep the data directory as \
             evidence, and make a new one from a backup with `truecell restore`"
        }
        JournalError::Missing { .. } => {
            "bring the journal back whole; or make a data directory from a backup with `truecell restore`, which brings \
             back a ledger that is no younger with it"
        }
        JournalError::Gone(_) => "put the file back, or bring the journal back from a backup",
        JournalError::InUse(_) => "stop the process that uses it",
        JournalError::Write { .. } | JournalError::Lost { .. } => "see that its disk has room and works",
        JournalError::Closed | JournalError::Event(_) => "start again, and report it if it stays",
    };
    Failure::Ours(
        Problem::new("journal", "the journal cannot be opened or written").because(error).next(next),
    )
}

fn ledger_failure(error: &LedgerError) -> Failure {
    let next = if let LedgerError::Unreachable(error) | LedgerError::Unfinished { source: error, .. } = error
    {
        error.next()
    } else {
        "see `truecell event verify` and `truecell ledger verify`, or bring the data directory back from a backup"
    };
    Failure::Ours(Problem::new("ledger-unreachable", "the ledger cannot be opened").because(error).next(next))
}

fn broken(what: &str, error: &dyn std::error::Error) -> Failure {
    let cause = error.source().map(|source| format!(": {source}")).unwrap_or_default();
    let next = "correct what is named, or bring it back from a backup";
    let code = what.to_lowercase().replace(' ', "-");
    Failure::Ours(
        Problem::new(&code, format!("the {what} cannot be used"))
            .because(format!("{error}{cause}"))
            .next(next),
    )
}
