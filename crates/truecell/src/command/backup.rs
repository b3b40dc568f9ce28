use crate::{
    backup::{Copy, Error, FORMAT, MANIFEST, Manifest, sync_folders},
    cli::Cli,
    control::Control,
    data_dir::DataDir,
    failure::{Failure, Problem},
    output::{Output, facts, seconds},
};
use api::backup::{BeginBackup, Head};
use clap::Args;
use ledger::store::Sqlite;
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
/// need to know of the configuration; `truecell restore` then needs the keys from elsewhere.
#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// The folder to make
    #[arg(value_name = "DIR")]
    to: PathBuf,
    /// Also the private keys of node and CA, and the CA's certificates: whoever has that folder is this node
    #[arg(long)]
    with_keys: bool,
}

/// What was made.
#[derive(Serialize)]
struct Made {
    backup: PathBuf,
    node: ids::NodeId,
    at: ids::UnixTime,
    head: u64,
    schema: i64,
    with_keys: bool,
    files: usize,
    octets: u64,
}

impl Backup {
    pub(crate) async fn run(&self, cli: &Cli, output: &Output) -> Result<(), Failure> {
        let data = cli.data_dir()?;
        data.node()?;
        let unfinished = self.unfinished();
        refuse_what_is_there(&self.to, "no backup is ever overwritten: name another folder")?;
        refuse_what_is_there(&unfinished, "another backup is under way; if none is, remove that folder")?;
        let mut control = Control::open(&data, "backup").await?;
        let made = DirBuilder::new().mode(0o700).create(&unfinished);
        made.map_err(|error| Failure::folder(format!("{} cannot be made", unfinished.display()), &error))?;
        let made = match self.fill(&data, &unfinished, &mut control).await {
            Ok(manifest) => self.publish(&unfinished).map(|()| self.made(&manifest)),
            Err(failure) => Err(failure),
        };
        if made.is_err() {
            let _ = fs::remove_dir_all(&unfinished);
        }
        output.answer(&made?, text)
    }

    fn unfinished(&self) -> PathBuf {
        self.to.with_added_extension("unfinished")
    }

    /// The ledger first: the journal that is signed behind it explains every row. The CA last: what it has
    /// issued since is settled by its own pending files.
    async fn fill(&self, data: &DataDir, to: &Path, control: &mut Control) -> Result<Manifest, Failure> {
        let copied = Sqlite::copy(&data.ledger(), &to.join("ledger.sqlite"));
        let schema = copied.map_err(|error| not_copied(&error))?;
        let request = BeginBackup { to: self.to.display().to_string(), with_keys: self.with_keys };
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
        Ok(manifest)
    }

    fn copy(&self, copy: &mut Copy<'_>, head: &Head) -> Result<(), Error> {
        copy.made("ledger.sqlite")?;
        copy.journal(&format!("journal/{}", head.node), head.seq)?;
        ["node", "journal.pub", "pools.json", "rules.json"].iter().try_for_each(|name| copy.file(name))?;
        if self.with_keys {
            copy.tree("keys")?;
            copy.tree("ca")?;
        }
        Ok(())
    }

    /// Gives the folder its name, once all of it is on disk.
    fn publish(&self, unfinished: &Path) -> Result<(), Failure> {
        let parent = self.to.parent().filter(|parent| !parent.as_os_str().is_empty());
        let publish = || -> io::Result<()> {
            sync_folders(unfinished)?;
            renameat_with(CWD, unfinished, CWD, &self.to, RenameFlags::NOREPLACE)?;
            File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
        };
        publish().map_err(|error| not_copied(&error))
    }

    fn made(&self, manifest: &Manifest) -> Made {
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
        }
    }
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
    facts(&[
        ("backup", made.backup.display().to_string()),
        ("node", made.node.to_string()),
        ("made", seconds(made.at)),
        ("journal", format!("up to record {}", made.head)),
        ("keys", keys.into()),
    ])
}
