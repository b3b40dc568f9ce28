//! What the process may still do once its ports and its TUN device are open: nothing that it does not
//! need. What it has given up it cannot take back, and no program that it starts could.

use crate::{
    data_dir::DataDir,
    failure::{Failure, Problem},
};
use rustix::{
    io::Errno,
    process::{DumpableBehavior, Gid, Resource, Rlimit, Uid, geteuid, set_dumpable_behavior, setrlimit},
    thread::{
        CapabilitySet, CapabilitySets, clear_ambient_capability_set, set_capabilities, set_no_new_privs,
        set_thread_groups, set_thread_res_gid, set_thread_res_uid,
    },
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};
use std::{fs::Metadata, os::unix::fs::MetadataExt};

/// As root, becomes who owns the data directory; then gives up capabilities, new privileges, core dumps
/// and all system calls but those of a running gateway. Call it while the process has one thread: those
/// that come later inherit it.
///
/// # Errors
/// The kernel refuses a step. The process must not go on then.
pub(crate) fn give_up(data: &DataDir) -> Result<(), Failure> {
    let step =
        |what: &str, done: rustix::io::Result<()>| done.map_err(|error| failed(&format!("{what}: {error}")));
    if geteuid().is_root() {
        let owner = std::fs::metadata(data.path()).map_err(|error| failed(&error.to_string()))?;
        step("the data directory's owner", become_owner(&owner))?;
    }
    if geteuid().is_root() {
        let data = data.path().display();
        tracing::warn!("running as root, who owns {data}: give it to a user of its own");
    }
    step("ambient capabilities", clear_ambient_capability_set())?;
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    step("capabilities", set_capabilities(None, none))?;
    step("new privileges", set_no_new_privs(true))?;
    // Keys are in memory: no core file, and no other process of this user looks in.
    step("core dumps", setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }))?;
    step("core dumps", set_dumpable_behavior(DumpableBehavior::NotDumpable))?;
    filter().map_err(|error| failed(&format!("system calls: {error}")))
}

fn failed(why: &str) -> Failure {
    let problem = Problem::new("privilege", "privileges cannot be given up").because(why);
    Failure::Ours(problem.next("see docs/deployment.md, and what the container or the unit file allows"))
}

fn become_owner(owner: &Metadata) -> rustix::io::Result<()> {
    let (uid, gid) = (Uid::from_raw(owner.uid()), Gid::from_raw(owner.gid()));
    set_thread_groups(&[])?;
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)
}

/// Refuses every other system call with EPERM. A call that a library begins to make shows as a failure of
/// what needed it, never as the death of every tunnel.
fn filter() -> anyhow::Result<()> {
    apply([(libc::SYS_clone3, Vec::new())], SeccompAction::Allow, refuse(Errno::NOSYS))?;
    let calls = CALLS.iter().map(|call| (*call, Vec::new()));
    let threads = std::iter::once((libc::SYS_clone, vec![threads_only()?]));
    apply(calls.chain(threads), refuse(Errno::PERM), SeccompAction::Allow)
}

/// `clone` may make threads, not processes. What `clone3` makes is behind a pointer, which no filter can follow: it is
/// answered as by a kernel that has none, and the C library takes `clone`.
fn threads_only() -> anyhow::Result<SeccompRule> {
    let flag = libc::CLONE_THREAD as u64;
    let is_thread = SeccompCondition::new(0, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(flag), flag)?;
    Ok(SeccompRule::new(vec![is_thread])?)
}

fn refuse(errno: Errno) -> SeccompAction {
    SeccompAction::Errno(errno.raw_os_error() as u32)
}

fn apply(
    rules: impl IntoIterator<Item = (i64, Vec<SeccompRule>)>,
    other: SeccompAction,
    named: SeccompAction,
) -> anyhow::Result<()> {
    let filter =
        SeccompFilter::new(rules.into_iter().collect(), other, named, std::env::consts::ARCH.try_into()?)?;
    let program: BpfProgram = filter.try_into()?;
    Ok(seccompiler::apply_filter(&program)?)
}

/// The calls of a gateway that runs: memory and threads, clocks, files of the data directory, sockets that
/// are there already or are accepted, polling, signals, its end. Not among them: starting programs, opening
/// raw or packet sockets' privileges, mounting, tracing, loading code into the kernel.
const CALLS: &[i64] = &[
    // Memory and threads.
    libc::SYS_brk,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_clone3,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_prctl,
    libc::SYS_prlimit64,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    libc::SYS_getrandom,
    libc::SYS_getcpu,
    // Clocks.
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    // Signals.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_tgkill,
    libc::SYS_restart_syscall,
    // Files.
    libc::SYS_openat,
    libc::SYS_close,
    libc::SYS_read,
    libc::SYS_pread64,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_pwrite64,
    libc::SYS_writev,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_flock,
    libc::SYS_fcntl,
    libc::SYS_getdents64,
    libc::SYS_getcwd,
    libc::SYS_mkdirat,
    libc::SYS_unlinkat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_readlinkat,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_umask,
    libc::SYS_dup,
    libc::SYS_pipe2,
    libc::SYS_ioctl,
    // Sockets.
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept4,
    libc::SYS_connect,
    libc::SYS_shutdown,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_recvmmsg,
    // Polling.
    libc::SYS_ppoll,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_eventfd2,
    // What only this architecture has beside the above.
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lstat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_access,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_mkdir,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_unlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rmdir,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rename,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_link,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_readlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chmod,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_dup2,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_arch_prctl,
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::{process::Command, thread};

    /// The filter holds for the thread that it is applied in, and for those that it makes.
    #[test]
    fn threads_can_be_made_and_processes_cannot() {
        thread::spawn(|| {
            filter().unwrap();
            assert_eq!(thread::spawn(|| 7).join().unwrap(), 7);
            let refused = Command::new("/bin/true").spawn().unwrap_err();
            assert_eq!(refused.raw_os_error(), Some(Errno::PERM.raw_os_error()));
        })
        .join()
        .unwrap();
    }
}
