use crate::{
    backup::{Copy, Error, FILES, FOLDERS, FORMAT, LEDGER, MANIFEST, Manifest, sync_folders, verify},
    cli::Cli,
    command::tampered,
    control::Control,
    data_dir::DataDir,
    failure::{Failure, Problem},
    output::{Output, facts, seconds},
    table::printable,
};
use api::{
    backup::{BeginBackup, Head},
    ledger_check::Checked,
};
use clap::Args;
use ids::NodeId;
use ledger::{RowKey, store::Sqlite};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde::Serialize;
use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

/// Copy the data directory into a new folder, also while `serve` runs
///
/// Run it as root or as the user that the gateway runs as. The folder appears under its name when it is whole
/// and on disk, and never in the place of another. Without --with-keys it has journal, ledger and what commands
/// need to know of the configuration; `truecell restore` then needs the keys from elsewhere. The copy is checked, record
/// by record and row by row: what does not hold is named, stays in the folder as it is, and the code is 1.
#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// The folder to make
    #[arg(value_name = "DIR")]
    to: PathBuf,
    /// Also the private keys of node and CA, and the CA's own certificates: whoever has that folder is this node
    #[arg(long)]
    with_keys: bool,
}

/// What was made.
#[derive(Serialize)]
struct Made {
    backup: PathBuf,
    node: NodeId,
    at: ids::UnixTime,
    head: u64,
    schema: i64,
    with_keys: bool,
    files: usize,
    octets: u64,
    #[serde(flatten)]
    found: Found,
}

/// What a check of the copy found.
#[derive(Serialize)]
struct Found {
    /// Of its rows, unless its journal does not hold.
    ledger: Option<Checked>,
    /// What does not hold of its journal.
    journal_broken: Option<String>,
}

impl Found {
    fn is_good(&self) -> bool {
        self.ledger.as_ref().is_some_and(|checked| checked.ok)
    }
}

impl Backup {
    pub(crate) async fn run(&self, cli: &Cli, output: &Output) -> Result<(), Failure> {
        let data = cli.data_dir()?;
        data.node()?;
        let unfinished = self.unfinished();
        refuse_what_is_there(&self.to, "no backup is ever overwritten: name another folder")?;
        refuse_what_is_there(&unfinished, "another backup is under way; if none is, remove that folder")?;
        self.refuse_to_copy_the_copy(&data)?;
        let mut control = Control::open(&data, "backup").await?;
        let made = DirBuilder::new().mode(0o700).create(&unfinished);
        made.map_err(|error| Failure::folder(format!("{} cannot be made", unfinished.display()), &error))?;
        let made = match self.fill(&data, &unfinished, &mut control).await {
            Ok((manifest, found)) => self.publish(&unfinished).map(|()| self.made(&manifest, found)),
            Err(failure) => Err(failure),
        };
        if made.is_err() {
            let _ = fs::remove_dir_all(&unfinished);
        }
        let made = made?;
        output.answer(&made, text)?;
        if made.found.is_good() { Ok(()) } else { Err(Failure::answered()) }
    }

    fn unfinished(&self) -> PathBuf {
        self.to.with_added_extension("unfinished")
    }

    /// A folder within the data directory would be lost with it, and within `keys` or `ca` have itself in it.
    fn refuse_to_copy_the_copy(&self, data: &DataDir) -> Result<(), Failure> {
        let (folder, own) = (self.parent().canonicalize(), data.path().canonicalize());
        if !matches!((folder, own), (Ok(folder), Ok(own)) if folder.starts_with(&own)) {
            return Ok(());
        }
        let what = format!("{} is within the data directory", self.to.display());
        Err(Failure::Usage(
            Problem::new("inside", what).next("name a folder elsewhere, best on another disk"),
        ))
    }

    /// The folder that it is made in.
    fn parent(&self) -> &Path {
        let parent = self.to.parent().filter(|parent| !parent.as_os_str().is_empty());
        parent.unwrap_or(Path::new("."))
    }

    /// The ledger first: the journal that is signed behind it explains every row.
    async fn fill(
        &self,
        data: &DataDir,
        to: &Path,
        control: &mut Control,
    ) -> Result<(Manifest, Found), Failure> {
        let copied = Sqlite::copy(&data.ledger(), &to.join(LEDGER));
        let schema = copied.map_err(|error| {
            let problem = Problem::new("backup", "the backup was not made").because(&error);
            Failure::Ours(problem.next(error.next()))
        })?;
        let full = std::path::absolute(&self.to).unwrap_or_else(|_| self.to.clone());
        let request = BeginBackup { to: full.display().to_string(), with_keys: self.with_keys };
        let head: Head = control.client().post("/v1/backups", &request).await?;
        let mut copy = Copy::new(data.path(), to);
        self.copy(&mut copy, &head).map_err(|error| not_copied(&error))?;
        let manifest = Manifest {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").into(),
            node: head.node,
            at: head.at,
            schema,
            head: head.seq,
            head_sha256: head.sha256,
            with_keys: self.with_keys,
            files: copy.files,
            folders: copy.folders,
        };
        let json = serde_json::to_vec_pretty(&manifest).map_err(|error| not_copied(&error))?;
        pki::replace_file(&to.join(MANIFEST), 0o600, &json).map_err(|error| not_copied(&error))?;
        let found = check(data, to, &manifest.node)?;
        Ok((manifest, found))
    }

    fn copy(&self, copy: &mut Copy<'_>, head: &Head) -> Result<(), Error> {
        copy.made(LEDGER)?;
        copy.journal(&format!("journal/{}", head.node), head.seq)?;
        FILES.iter().try_for_each(|name| copy.file(name))?;
        if self.with_keys { FOLDERS.iter().try_for_each(|name| copy.tree(name)) } else { Ok(()) }
    }

    /// Gives the folder its name, once all of it is on disk.
    fn publish(&self, unfinished: &Path) -> Result<(), Failure> {
        let publish = || -> io::Result<()> {
            sync_folders(unfinished)?;
            renameat_with(CWD, unfinished, CWD, &self.to, RenameFlags::NOREPLACE)?;
            File::open(self.parent())?.sync_all()
        };
        publish().map_err(|error| not_copied(&error))
    }

    fn made(&self, manifest: &Manifest, found: Found) -> Made {
        let Manifest { node, at, head, schema, with_keys, files, .. } = manifest;
        Made {
            backup: self.to.clone(),
            node: node.clone(),
            at: *at,
            head: *head,
            schema: *schema,
            with_keys: *with_keys,
            files: files.len(),
            octets: files.iter().map(|file| file.size).sum(),
            found,
        }
    }
}

/// What a restore would refuse is known while there is still something to be done about it. Without the row key, HMACs
/// are not checked.
fn check(data: &DataDir, copy: &Path, node: &NodeId) -> Result<Found, Failure> {
    let files = DataDir::new(copy.into()).journal_files(tokio::sync::watch::channel(false).1)?;
    if let Err(broken) = events::journal::verify(&files.dir, files.key) {
        return Ok(Found { ledger: None, journal_broken: Some(broken.to_string()) });
    }
    let row_key = RowKey::open(&data.row_key()).ok();
    let verified = verify(copy, node, row_key.as_ref()).map_err(|error| not_copied(&error))?;
    Ok(Found { ledger: Some(verified.into()), journal_broken: None })
}

fn refuse_what_is_there(path: &Path, next: &str) -> Result<(), Failure> {
    if fs::symlink_metadata(path).is_err() {
        return Ok(());
    }
    Err(Failure::No(Problem::new("exists", format!("{} is there already", path.display())).next(next)))
}

fn not_copied(error: &dyn std::fmt::Display) -> Failure {
    let next = "see that its disk has room, and run it as root or as the user that the gateway runs as";
    Failure::Ours(Problem::new("backup", "the backup was not made").because(error).next(next))
}

fn text(made: &Made) -> String {
    let keys = if made.with_keys {
        "in it: whoever reads this folder can be this node and issue its certificates"
    } else {
        "not in it: keep keys/ and ca/ elsewhere, a restore needs them"
    };
    let said = facts(&[
        ("backup", made.backup.display().to_string()),
        ("node", made.node.to_string()),
        ("made", seconds(made.at)),
        ("journal", format!("up to record {}", made.head)),
        ("keys", keys.into()),
    ]);
    said + &warning(&made.found)
}

/// What is wrong with what was copied, and what is to be done before the copy is needed.
fn warning(found: &Found) -> String {
    if let Some(broken) = &found.journal_broken {
        return format!(
            "WARNING: its journal does not hold, `truecell restore` will refuse it\n  why: {}\n  next: keep it and the \
             backups before it; `truecell event verify` says what is good up to where\n",
            printable(broken)
        );
    }
    let Some(checked) = &found.ledger else { return String::new() };
    if checked.ok && checked.seals_checked {
        return String::new();
    }
    if checked.ok {
        return "WARNING: no HMAC of its rows was checked, the row key cannot be read\n".to_owned();
    }
    format!(
        "WARNING: {}, and it is in it as it is: `truecell restore` will refuse it, but for --ledger-anew\n{}  next: keep \
         it as evidence; {}; then make another backup\n",
        tampered::how_many(checked),
        tampered::table(&checked.findings),
        tampered::NEXT,
    )
}
