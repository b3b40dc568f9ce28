//! A node that its cgroup gives no more memory: the kernel kills it, and it goes on from there.

use crate::{
    crash::{Estate, attach},
    kills::Truth,
    wreck::Wreck,
};
use std::{
    fs,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

/// A cgroup of the test's own, of version 1 or 2.
struct Cgroup {
    path: PathBuf,
    limit: &'static str,
    kills: &'static str,
}

impl Cgroup {
    /// `None` where this process may not make one.
    fn new() -> Option<Self> {
        let name = format!("truecell-test-{}", std::process::id());
        let places = [
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.oom_control"),
            ("/sys/fs/cgroup", "memory.max", "memory.events"),
        ];
        places.into_iter().find_map(|(root, limit, kills)| {
            let this = Self { path: Path::new(root).join(&name), limit, kills };
            fs::create_dir(&this.path).ok()?;
            // What is swapped out would be no want of memory; not every kernel has the file.
            let _ = fs::write(this.path.join("memory.swappiness"), "0");
            let _ = fs::write(this.path.join("memory.swap.max"), "0");
            this.path.join(limit).exists().then_some(this)
        })
    }

    /// Gives no more than this, or else no more than the kernel finds in use: it refuses a limit below what it can't take
    /// back at once.
    fn set_limit(&self, octets: u64) {
        let mut limits = (0..24).map(|more| octets + (more << 20));
        let set = limits.find(|limit| fs::write(self.path.join(self.limit), limit.to_string()).is_ok());
        println!("it is given {} KiB", set.unwrap() >> 10);
    }

    /// How many processes in it were killed for want of memory.
    fn kills(&self) -> u64 {
        let events = fs::read_to_string(self.path.join(self.kills)).unwrap();
        let line = events.lines().find_map(|line| line.strip_prefix("oom_kill ")).unwrap();
        line.parse().unwrap()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.path);
    }
}

#[test]
fn out_of_memory_is_as_a_kill_9_and_what_was_told_holds() {
    let Some(cgroup) = Cgroup::new() else {
        return println!("skipped: needs to make a cgroup with the memory controller");
    };
    let mut estate = Estate::of(120);
    let mut serve = Command::new("sh");
    let script = "echo $$ > \"$0\" && exec \"$1\" serve";
    serve.args(["-c", script]).arg(cgroup.path.join("cgroup.procs")).arg(env!("CARGO_BIN_EXE_truecell"));
    serve.current_dir(estate.bench.path("."));
    estate.start_by(serve);
    estate.bench.good(&["device", "add", "00aabbccddee", "--note", "word-told"]);
    let (first, others) = estate.units.split_at(60);
    let mut stood = attach(&estate.gateway, first, |_| true);
    let resident: u64 = estate.bench.status()["RssAnon"].trim().trim_end_matches(" kB").parse().unwrap();
    println!("it takes {resident} KiB with {} units", stood.len());
    // Less than the import takes that comes now, and more units with it.
    cgroup.set_limit((resident + 1024) << 10);
    let rows: String = (0..20_000).map(|number| format!("00bb00{number:06x}\n")).collect();
    estate.bench.write("others.csv", &format!("id\n{rows}"));
    thread::scope(|scope| {
        let bench = &estate.bench;
        let import = scope.spawn(|| bench.run(&["device", "import", "others.csv"]));
        stood.extend(attach(&estate.gateway, others, |_| cgroup.kills() == 0));
        import.join().unwrap();
    });
    println!("{} units had their tunnel", stood.len());
    assert!(cgroup.kills() > 0, "there was memory enough");
    assert_eq!(estate.bench.ended().signal(), Some(9));

    let mut truth = Truth::new();
    truth.read_on(&estate.bench);
    let wreck = Wreck::read(&estate.bench);
    truth.assert_leases_fit(&wreck);
    assert!(truth.has("word-told"));
    let epoch = truth.epoch();
    assert!(stood.iter().all(|unit| truth.has_admitted(epoch, *unit)));
    estate.restart(&wreck.unfinished());
    assert_eq!(attach(&estate.gateway, &estate.units, |_| true).len(), 120);
}
