//! The running node: gateway, control socket, pages for collectors.

use crate::{
    config::Config,
    data_dir::DataDir,
    enrol::{self, Enrolment},
    failure::{Failure, Problem},
    groups, measures,
    node::Node,
    notify,
    presence::Attendance,
    reload::Reload,
};
use ::gateway::{Alarm, Gateway};
use api::{Configuration, Metrics, pages, serve_pages, socket};
use pki::Ca;
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    task::JoinHandle,
};

/// How often it is looked whether all threads live.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often a key of the CA is looked for that is not to be had.
const LOOK_FOR_KEYS: Duration = Duration::from_secs(5);

/// A node that serves.
pub(crate) struct Daemon {
    node: Arc<Node>,
    gateway: Arc<Gateway>,
    terminate: Signal,
    interrupt: Signal,
    reloads: JoinHandle<()>,
    control: JoinHandle<()>,
    pages: JoinHandle<()>,
    enrolment: Vec<JoinHandle<()>>,
    foreign: JoinHandle<()>,
    lines: Option<JoinHandle<()>>,
    facts: Option<JoinHandle<()>>,
    keys: JoinHandle<()>,
    attendance: JoinHandle<()>,
    socket: std::path::PathBuf,
}

impl Daemon {
    /// Starts everything around a gateway that runs, and says so once it answers.
    pub(crate) async fn start(
        data: &DataDir,
        config: &Config,
        node: Arc<Node>,
        (gateway, enrolment): (Arc<Gateway>, Option<Enrolment>),
        (reload, hangup): (Arc<Reload>, Signal),
    ) -> Result<Self, Failure> {
        let signals = || {
            let [terminate, interrupt] = [SignalKind::terminate(), SignalKind::interrupt()].map(signal);
            Ok((terminate?, interrupt?))
        };
        let (terminate, interrupt) =
            signals().map_err(|error: io::Error| Failure::system("no signals", &error))?;
        let socket = data.socket();
        let (page_listener, page_address) = bind_pages(config).await?;
        let control = bind_control(data, config)?;
        let public = enrolment.as_ref().map(|(public, _)| public.clone());
        let metrics = Arc::new(Metrics::new(measures::sources(&node, &gateway, public)));
        let pages = pages(gateway.clone(), metrics);
        let router = node.router(Some((gateway.clone(), reload.clone())));
        let control = tokio::spawn(socket::serve(control, router, node.stopped()));
        let reloads = tokio::spawn(at_each(hangup, reload));
        let pages = tokio::spawn(serve_pages(page_listener, pages));
        let enrol::Served { tasks: enrolment, plain: enrol, tls: enrol_tls } =
            enrol::serve(enrolment, &node, &gateway)?;
        let foreign = tokio::spawn(ask_foreign(&node, &gateway));
        let lines = follow_lines(&node, &gateway).map(tokio::spawn);
        let facts = follow_facts(&node, &gateway).map(tokio::spawn);
        let keys = tokio::spawn(look_for_keys(node.ca.clone()));
        let attendance = Attendance::open(data, &node, gateway.clone());
        let attendance = tokio::spawn(attendance.keep(node.stopped()));
        let ike: Vec<_> = gateway.addresses().iter().map(|at| at.ike.to_string()).collect();
        let natt: Vec<_> = gateway.addresses().iter().map(|at| at.natt.to_string()).collect();
        let (ike, natt) = (ike.join(" "), natt.join(" "));
        tracing::info!(control = %socket.display(), http = %page_address, ike, natt, enrol, enrol_tls, "ready");
        told(notify::systemd("READY=1"));
        Ok(Self {
            node,
            gateway,
            terminate,
            interrupt,
            reloads,
            control,
            pages,
            enrolment,
            foreign,
            lines,
            facts,
            keys,
            attendance,
            socket,
        })
    }

    /// Serves until SIGTERM or SIGINT, then stops in good order; the same once a thread has panicked.
    ///
    /// # Errors
    /// A thread has panicked, or the journal was not closed.
    pub(crate) async fn until_stopped(mut self) -> Result<(), Failure> {
        tokio::select! {
            _ = self.terminate.recv() => (),
            _ = self.interrupt.recv() => (),
            () = broken(&self.gateway) => (),
        }
        tracing::info!("stopping");
        told(notify::systemd("STOPPING=1"));
        let _ = self.node.stop.send(true);
        let _ = self.control.await;
        enrol::end(self.enrolment).await;
        let _ = self.attendance.await;
        self.pages.abort();
        self.foreign.abort();
        self.lines.iter().chain(&self.facts).for_each(JoinHandle::abort);
        self.keys.abort();
        self.reloads.abort();
        let _ = std::fs::remove_file(&self.socket);
        let health = self.gateway.health();
        let (gateway, node) = (self.gateway, self.node);
        let close = move || {
            gateway.shutdown();
            node.close()
        };
        let closed = tokio::task::spawn_blocking(close).await;
        closed.map_err(|error| Failure::system("the journal was not closed", &error))??;
        tracing::info!("stopped");
        health.alarms.get(&Alarm::ThreadEnded).map_or(Ok(()), |why| Err(ended(why)))
    }
}

/// SIGHUP from now on. It would end a process that does not listen yet, and a service manager would take that for an
/// end in good order; what comes before [`Daemon::start`] counts once that has run.
///
/// # Errors
/// What the system says.
pub(crate) fn hangups() -> io::Result<Signal> {
    // For the handler alone, which stays; no thread is begun before privileges are given up.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _within = runtime.enter();
    signal(SignalKind::hangup())
}

/// Reads the configuration again at each SIGHUP; what it came to is in the log.
async fn at_each(mut hangup: Signal, reload: Arc<Reload>) {
    while hangup.recv().await.is_some() {
        let reload = reload.clone();
        match tokio::task::spawn_blocking(move || reload.apply(None, "SIGHUP")).await {
            Ok(Ok(applied)) => {
                let keys: Vec<_> = applied.changes.iter().map(|change| change.key.as_str()).collect();
                tracing::info!(file = %applied.file.display(), changes = keys.join(" "), "configuration applied");
            }
            Ok(Err(problem)) => {
                tracing::error!(why = problem.detail, next = problem.next, "{}", problem.title)
            }
            Err(error) => tracing::error!(%error, "the configuration was not read"),
        }
    }
}

/// Returns once a thread of the gateway has panicked.
async fn broken(gateway: &Gateway) {
    while !gateway.health().alarms.contains_key(&Alarm::ThreadEnded) {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn ended(why: &str) -> Failure {
    let next = "start it anew, and report the panic that its log has";
    Failure::Ours(Problem::new("gateway", "the gateway has ended").because(why).next(next))
}

/// systemd may have gone; the node serves all the same.
fn told(sent: io::Result<()>) {
    if let Err(error) = sent {
        tracing::warn!(%error, "systemd was not told");
    }
}

/// Asks the foreign CAs by the gateway's clock, and has it look again at units whose certificates they revoke.
fn ask_foreign(node: &Node, gateway: &Arc<Gateway>) -> impl Future<Output = ()> + Send + use<> {
    let (clock, judging) = (gateway.clone(), gateway.clone());
    let time = Arc::new(move || clock.trusted_time());
    node.foreign.clone().run(time, Arc::new(move |device| judging.device_changed(device)))
}

/// Follows the feed of lines by the gateway's clock, and has it look again at units whose line ended.
fn follow_lines(node: &Node, gateway: &Arc<Gateway>) -> Option<impl Future<Output = ()> + Send + use<>> {
    let (clock, lines) = (gateway.clone(), node.origins.lines()?.clone());
    let on_suspended = api::lines::tell(gateway, &node.revocations);
    Some(lines.run(node.ledger.clone(), Arc::new(move || clock.trusted_time()), on_suspended))
}

/// Follows the feed of device facts by the gateway's clock, and has it look again at units that said something and have a
/// session, or an order that stands.
fn follow_facts(node: &Node, gateway: &Arc<Gateway>) -> Option<impl Future<Output = ()> + Send + use<>> {
    let (clock, judging, ledger) = (gateway.clone(), gateway.clone(), node.ledger.clone());
    let on_said = move |device| {
        let ordered = || ledger.management_orders_that_stand(Some(device), 0, 1);
        if judging.has_session(device) || !ordered().is_ok_and(|page| page.rows.is_empty()) {
            judging.device_changed(device);
        }
    };
    let facts = node.origins.facts()?.clone();
    Some(facts.run(Arc::new(move || clock.trusted_time()), Arc::new(on_said)))
}

/// A passphrase or a token that is there again is found without a request that needs it.
async fn look_for_keys(ca: Option<Arc<Ca>>) {
    let Some(ca) = ca else { return };
    loop {
        tokio::time::sleep(LOOK_FOR_KEYS).await;
        let ca = ca.clone();
        if ca.key_trouble().is_some() {
            let _ = tokio::task::spawn_blocking(move || ca.look_for_keys()).await;
        }
    }
}

async fn bind_pages(config: &Config) -> Result<(TcpListener, SocketAddr), Failure> {
    let address = config.http.listen;
    let bound = TcpListener::bind(address).await.and_then(|listener| Ok((listener.local_addr()?, listener)));
    let (local, listener) = bound.map_err(|error| {
        let problem = Problem::new("bind", format!("{address} cannot be used for health and metrics"));
        Failure::Ours(problem.because(error).next("choose another port in [http], or stop what uses it"))
    })?;
    Ok((listener, local))
}

fn bind_control(data: &DataDir, config: &Config) -> Result<tokio::net::UnixListener, Failure> {
    let path = data.socket();
    let group = config.control.group.as_deref().map(groups::number).transpose();
    let bound = group.and_then(|group| socket::bind(&path, group));
    bound.map_err(|error| Failure::system(format!("{} cannot be opened", path.display()), &error))
}
