//! The public listener, as this node's configuration wants it.

use crate::{
    config::{Config, Identity},
    failure::{Failure, Problem},
    node::Node,
};
use ::gateway::{Alarm, Gateway};
use api::{
    Enrolments, LedgerRegister, LedgerStatuses,
    public::{Bounds, PLACES, Public, Sources, TlsIdentity},
};
use ledger::Ledger;
use pki::Ca;
use rustix::process::{Resource, getrlimit};
use socket2::{Domain, Socket, Type};
use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};
use tokio::{task::JoinHandle, time::timeout};
use x509::Anchors;

/// The listener with the sockets that it answers on.
pub(crate) type Enrolment = (Arc<Public>, Doors);

/// Sockets that are bound.
#[derive(Debug, Default)]
pub(crate) struct Doors {
    plain: Vec<TcpListener>,
    tls: Vec<TcpListener>,
}

/// How often it is looked whether migrations can go on.
const MIGRATE_EVERY: Duration = Duration::from_secs(60);
/// Connections that wait in the kernel.
const BACKLOG: i32 = 1024;
/// How long requests under way are waited for at the end.
const AT_THE_END: Duration = Duration::from_secs(3);

/// Binds the addresses, also those that only the privileged may have.
///
/// # Errors
/// One cannot be used.
pub(crate) fn open(config: &Config) -> Result<Doors, Failure> {
    let Some(enrol) = &config.enrol else { return Ok(Doors::default()) };
    Ok(Doors { plain: bound(&enrol.listen)?, tls: bound(&enrol.tls_listen)? })
}

fn bound(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, Failure> {
    let bound = addresses.iter().map(|address| bind(*address).map_err(|error| not_bound(*address, &error)));
    bound.collect()
}

/// An IPv6 address is that alone, so that `[::]` stands beside `0.0.0.0`.
fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn not_bound(address: SocketAddr, error: &io::Error) -> Failure {
    let next = if error.kind() == io::ErrorKind::AddrInUse {
        "see what else uses the port (`ss -ltnp` shows it), or choose another in [enrol]"
    } else if error.kind() == io::ErrorKind::PermissionDenied {
        "ports below 1024 need CAP_NET_BIND_SERVICE (docs/deployment.md)"
    } else {
        "correct `listen` or `tls_listen` in [enrol]"
    };
    let problem = Problem::new("bind", format!("{address} cannot be used for enrolment"));
    Failure::Ours(problem.because(error).next(next))
}

/// The public listener of a node that enrols, able to answer.
pub(crate) fn public(
    config: &Config,
    vendors: Anchors,
    node: &Node,
    gateway: &Arc<Gateway>,
) -> Result<Option<Arc<Public>>, Failure> {
    let (Some(enrol), Some(ca)) = (&config.enrol, &node.ca) else { return Ok(None) };
    let register = register(node, ca.clone(), gateway.clone())?;
    let clock = gateway.clone();
    let sources = Sources {
        ca: ca.clone(),
        office: node.office(),
        statuses: Arc::new(LedgerStatuses(node.ledger.clone())),
        register: Arc::new(register),
        revocations: node.revocations.clone(),
        clock: Arc::new(move || clock.trusted_time()),
        ocsp_period: enrol.ocsp_period(),
        crl_period: enrol.crl_period(),
        tls: tls_identity(config)?,
    };
    let public = Public::new(sources, vendors, bounds());
    public.renew();
    Ok(Some(Arc::new(public)))
}

/// Who the listener is over HTTPS, if it answers that.
fn tls_identity(config: &Config) -> Result<Option<TlsIdentity>, Failure> {
    let Some(enrol) = config.enrol.as_ref().filter(|enrol| !enrol.tls_listen.is_empty()) else {
        return Ok(None);
    };
    if let (Some(certificate), Some(key)) = (&enrol.tls_certificate, &enrol.tls_key) {
        let given = Identity::read(certificate, key).map_err(|error| Failure::Config(vec![error]))?;
        return Ok(Some(TlsIdentity::Given(given.chain, given.key)));
    }
    let name = enrol.tls_name.as_ref().unwrap_or(&config.gateway.identity);
    Ok(Some(TlsIdentity::Issued(name.to_string())))
}

/// Who is enrolled, by ledger and CA.
fn register(node: &Node, ca: Arc<Ca>, gateway: Arc<Gateway>) -> Result<LedgerRegister, Failure> {
    let health = gateway.clone();
    let enrolments = Enrolments {
        ledger: node.ledger.clone(),
        ca,
        configured: node.configured.clone(),
        vendors: node.foreign.clone(),
        revocations: node.revocations.clone(),
        gateway: Some(gateway),
        has_room: Arc::new(move || !health.health().alarms.contains_key(&Alarm::DiskLow)),
    };
    enrolments.open().map_err(|error| Failure::system("there is no thread for enrolment", &error))
}

/// Strangers take half of the open files that this process may have, at most.
fn bounds() -> Bounds {
    let half = getrlimit(Resource::Nofile)
        .current
        .map_or(usize::MAX, |limit| usize::try_from(limit / 2).unwrap_or(usize::MAX));
    Bounds { places: PLACES.min(half), ..Bounds::default() }
}

/// A public listener that answers.
#[derive(Default)]
pub(crate) struct Served {
    pub(crate) tasks: Vec<JoinHandle<()>>,
    /// Addresses for HTTP, for the log; none where nobody enrols.
    pub(crate) plain: Option<String>,
    /// The same for HTTPS.
    pub(crate) tls: Option<String>,
}

/// Answers from now on, and keeps signers and lists renewed.
///
/// # Errors
/// The runtime refuses a socket.
pub(crate) fn serve(
    enrolment: Option<Enrolment>,
    node: &Node,
    gateway: &Arc<Gateway>,
) -> Result<Served, Failure> {
    let Some((public, doors)) = enrolment else { return Ok(Served::default()) };
    let clock = gateway.clone();
    let mut tasks = vec![
        tokio::spawn(until(node.stopped(), public.clone().keep_renewed())),
        tokio::spawn(until(node.stopped(), migrate(node.ledger.clone(), clock))),
    ];
    let (plain, plain_at) = ready(doors.plain)?;
    tasks.extend(plain.into_iter().map(|door| tokio::spawn(public.clone().serve(door, node.stopped()))));
    let (tls, tls_at) = ready(doors.tls)?;
    tasks.extend(tls.into_iter().map(|door| tokio::spawn(public.clone().serve_tls(door, node.stopped()))));
    Ok(Served { tasks, plain: plain_at, tls: tls_at })
}

/// Takes migrations that run as far as they can go, each minute and without end. Where another start has left one, it goes on.
async fn migrate(ledger: Ledger, clock: Arc<Gateway>) {
    loop {
        if let Some(now) = clock.trusted_time() {
            let ledger = ledger.clone();
            match tokio::task::spawn_blocking(move || ledger.advance_migrations(now)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "migrations do not go on for now"),
                Err(error) => tracing::error!(%error, "migrations do not go on"),
            }
        }
        tokio::time::sleep(MIGRATE_EVERY).await;
    }
}

/// The listeners for the runtime, and their addresses.
fn ready(listeners: Vec<TcpListener>) -> Result<(Vec<tokio::net::TcpListener>, Option<String>), Failure> {
    let ready = |listener: TcpListener| {
        let local = listener.local_addr()?;
        Ok((tokio::net::TcpListener::from_std(listener)?, local.to_string()))
    };
    let ready: io::Result<Vec<_>> = listeners.into_iter().map(ready).collect();
    let ready = ready.map_err(|error| Failure::system("the public listener cannot be used", &error))?;
    let (listeners, addresses): (Vec<_>, Vec<_>) = ready.into_iter().unzip();
    Ok((listeners, (!addresses.is_empty()).then(|| addresses.join(" "))))
}

async fn until(stop: impl Future<Output = ()>, work: impl Future<Output = ()>) {
    tokio::select! {
        () = stop => {}
        () = work => {}
    }
}

/// Waits for what is under way, and not for whoever does not end.
pub(crate) async fn end(tasks: Vec<JoinHandle<()>>) {
    for mut task in tasks {
        if timeout(AT_THE_END, &mut task).await.is_err() {
            task.abort();
        }
    }
}
