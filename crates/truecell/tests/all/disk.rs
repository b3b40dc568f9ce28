//! The disk of the data directory becomes read-only under a running node, as ext4 makes it after an error.

use crate::{
    bench::Bench,
    crash::{Estate, attach},
};
use lab::Load;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    thread,
    time::{Duration, Instant},
};

/// What answers behind the gateway.
const SERVICE: [u8; 4] = [192, 168, 255, 1];

fn run(program: &str, arguments: &[&str], path: &Path) -> Option<String> {
    let output = Command::new(program).args(arguments).arg(path).output().ok()?;
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

/// An ext4 file system in a file, in the place of a data directory that was moved onto it.
struct Ext4 {
    image: PathBuf,
    state: PathBuf,
}

impl Ext4 {
    /// `None` where this process may not mount one.
    fn in_place_of_state(bench: &Bench) -> Option<Self> {
        let this = Self { image: bench.path("image"), state: bench.path("state") };
        fs::File::create(&this.image).unwrap().set_len(64 << 20).unwrap();
        run("mkfs.ext4", &["-q", "-F"], &this.image)?;
        let old = bench.path("old");
        fs::rename(&this.state, &old).unwrap();
        fs::create_dir(&this.state).unwrap();
        if !this.mount() {
            fs::remove_dir(&this.state).unwrap();
            fs::rename(&old, &this.state).unwrap();
            return None;
        }
        let copied = Command::new("cp").arg("-a").arg(old.join(".")).arg(&this.state).status().unwrap();
        assert!(copied.success());
        run("sync", &["-f"], &this.state).unwrap();
        Some(this)
    }

    fn mount(&self) -> bool {
        let mut mount = Command::new("mount");
        mount.args(["-o", "loop,errors=remount-ro"]).args([&self.image, &self.state]);
        mount.output().is_ok_and(|mounted| mounted.status.success())
    }

    /// As the kernel does it when it has met an error: under everybody who has files open there.
    fn fail(&self) {
        let device = run("findmnt", &["-n", "-o", "SOURCE"], &self.state).unwrap();
        let device = device.trim().trim_start_matches("/dev/");
        fs::write(format!("/sys/fs/ext4/{device}/trigger_fs_error"), "a test").unwrap();
    }

    fn unmount(&self) {
        run("umount", &[], &self.state).unwrap();
    }

    fn mend(&self) {
        // 1: errors were corrected.
        let checked = Command::new("e2fsck").arg("-fy").arg(&self.image).output().unwrap();
        assert!(checked.status.code().unwrap() <= 1, "{checked:?}");
        assert!(self.mount());
    }
}

impl Drop for Ext4 {
    fn drop(&mut self) {
        run("umount", &["-l"], &self.state);
    }
}

/// Waits until a unit was left without an answer for this.
fn wait_for_silence(bench: &Bench, alarm: &str) {
    let (until, counted) = (Instant::now() + Duration::from_secs(60), format!("outcome=\"{alarm}\""));
    while !bench.page("/metrics").1.contains(&counted) {
        assert!(Instant::now() < until, "no unit was left without an answer");
        thread::park_timeout(Duration::from_millis(20));
    }
}

#[test]
fn a_disk_that_becomes_read_only_stops_what_writes_and_nothing_else() {
    let mut estate = Estate::of(4);
    let Some(disk) = Ext4::in_place_of_state(&estate.bench) else {
        return println!("skipped: needs to mount ext4 from a file");
    };
    // The file system is smaller than what is kept back otherwise.
    let config = fs::read_to_string(estate.bench.path("truecell.toml")).unwrap();
    estate.bench.write("truecell.toml", &(config + "[journal]\nreserve_mib = 1\n"));
    estate.restart(&[]);
    let mut load = Load::new(estate.gateway.clone(), 2).unwrap();
    let mut tunnels = load.attach_tunnels(&estate.units[..2], || ()).unwrap();
    estate.bench.good(&["device", "add", "00aabbccddee"]);
    // Nothing waits to be brought to disk.
    let acknowledged = estate.bench.json(&["event", "verify"])["last"].as_u64().unwrap();

    disk.fail();
    let said = estate.bench.wait_logged("nobody new is admitted");
    assert!(said.contains("Read-only file system"), "{said}");
    let (status, page) = estate.bench.page("/readyz");
    assert!(status == 503 && page.contains("Read-only file system"), "{page}");
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let newcomer = scope.spawn(|| {
            let mut stood = false;
            let mut load = Load::new(estate.gateway.clone(), 1).unwrap();
            let goes_on = || !is_over.load(SeqCst);
            load.come_and_go(&estate.units[2..3], goes_on, |tried| {
                (stood, _) = (true, tried);
                false
            })
            .unwrap();
            stood
        });
        let alarms = ["journal-unwritable", "ledger-unreachable"];
        wait_for_silence(&estate.bench, alarms.into_iter().find(|alarm| said.contains(alarm)).unwrap());
        is_over.store(true, SeqCst);
        assert!(!newcomer.join().unwrap(), "neither let in nor refused");
    });
    load.exchange(&mut tunnels, SERVICE.into(), 20).unwrap();
    let bench = &mut estate.bench;
    assert_eq!(bench.json(&["session", "list"])["sessions"].as_array().unwrap().len(), 2);
    for reads in [&["device", "list"][..], &["event", "tail"], &["event", "verify"], &["policy", "show"]] {
        bench.good(reads);
    }
    for writes in [
        &["device", "lost", "00aabbccddee", "--why", "gone"][..],
        &["device", "add", "00aabbccddef"],
        &["cert", "issue", "00aabbccddee", "--approver", "dave", "--out", "unit"],
    ] {
        let (code, why) = bench.refused(writes);
        assert!(code == 70 && why.contains("Read-only file system"), "{writes:?}: {why}");
    }
    assert_eq!(bench.json(&["device", "show", "00aabbccddee"])["device"]["state"], "installed");

    // Whoever restarts it now ends the tunnels, and is told why it does not come up.
    bench.stop();
    for alone in [&["serve"][..], &["device", "list"]] {
        let (code, why) = bench.refused(alone);
        assert!(code == 70 && why.contains("Read-only file system"), "{alone:?}: {why}");
    }
    bench.good(&["event", "tail"]);
    disk.unmount();
    disk.mend();
    // Rows that the disk had not kept are written again from the journal, which it had.
    println!("finished at the start: {:?}", estate.start());
    assert_eq!(estate.bench.json(&["event", "verify"])["ok"], true);
    assert_eq!(estate.bench.json(&["ledger", "verify"])["ok"], true);
    let bench = &estate.bench;
    assert!(bench.json(&["event", "verify"])["last"].as_u64().unwrap() > acknowledged);
    assert_eq!(bench.json(&["device", "show", "00aabbccddee"])["device"]["state"], "installed");
    let (_, why) = bench.refused(&["device", "show", "00aabbccddef"]);
    assert!(why.contains("00aabbccddef"), "{why}");
    assert_eq!(attach(&estate.gateway, &estate.units, |_| true).len(), 4);
    estate.bench.stop();
    disk.unmount();
}
