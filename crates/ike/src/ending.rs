use crate::{
    Context, ExchangeType, Header, Path, Reason,
    exchange::{
        Asked, Contents,
        create_child_sa::{AskedIkeSa, CreateChildSaAnswer, finish_ike_sa},
        informational::InformationalRequest,
    },
    ike_sa::{IkeSa, Pending, Received},
    output::Timer,
    payload::{Delete, Malformed, NotifyType, Payload},
};
use std::time::{Duration, Instant};

/// An IKE SA that serves no more: it waits for the answer to its DELETE, or only answers requests that
/// come again because an answer was lost.
pub(crate) struct EndingSa {
    sa: IkeSa,
    /// It only answers, until then.
    until: Option<Instant>,
}

/// What becomes of an [`EndingSa`].
pub(crate) enum Ended {
    /// It goes on.
    NotYet,
    /// It is gone.
    Gone,
    /// The rekey that was under way has succeeded: the new IKE SA must be deleted too.
    AndAlso(Box<IkeSa>),
}

impl EndingSa {
    /// It only answers, for as long as `keep`. Its own request, if one was on its way, is given up.
    pub(crate) fn answering(sa: IkeSa, keep: Duration, cx: &mut Context<'_>) -> Self {
        let mut ending = Self { sa, until: Some(cx.now + keep) };
        ending.give_up_request(cx);
        ending
    }

    /// Tells the peer DELETE, at once or as soon as the pending request is answered.
    pub(crate) fn deleting(sa: IkeSa, path: Path, cx: &mut Context<'_>) -> Self {
        let mut ending = Self { sa, until: None };
        if ending.sa.pending().is_none() {
            ending.send_delete(path, cx);
        }
        ending
    }

    /// Tells the responder that it can't be authenticated (RFC 7296 §2.21.2).
    pub(crate) fn not_authentic(mut sa: IkeSa, path: Path, cx: &mut Context<'_>) -> Self {
        let payloads = [Payload::notify(NotifyType::AUTHENTICATION_FAILED, &[])];
        sa.request(ExchangeType::INFORMATIONAL, &payloads, Asked::AuthenticationFailed, path, cx);
        Self { sa, until: None }
    }

    /// Gives its SPI back. Every way out leads through here.
    pub(crate) fn release(mut self, cx: &mut Context<'_>) {
        self.give_up_request(cx);
        cx.spis.release_ike(self.sa.own_spi());
    }

    fn send_delete(&mut self, path: Path, cx: &mut Context<'_>) {
        let payloads = [Payload::Delete(Delete::IkeSa)];
        self.sa.request(ExchangeType::INFORMATIONAL, &payloads, Asked::DeleteIkeSa, path, cx);
    }

    fn on_datagram(
        &mut self,
        (known, came): (Path, Path),
        header: &Header,
        datagram: &[u8],
        cx: &mut Context<'_>,
    ) -> Ended {
        match self.sa.receive(header, datagram, cx.now) {
            Err(reason) => cx.stats.count(reason),
            Ok(Received::Part) => {}
            Ok(Received::Again) => self.sa.respond_again(known, came, cx),
            Ok(Received::Request(payloads)) => self.on_request(header.exchange, payloads, came, cx),
            Ok(Received::Response(pending, payloads)) => {
                return self.on_response(*pending, payloads, came, cx);
            }
        }
        Ended::NotYet
    }

    /// Creating anything is TEMPORARY_FAILURE now, the rest is agreed to (RFC 7296 §2.25).
    fn on_request(
        &mut self,
        exchange: ExchangeType,
        payloads: Result<Vec<Payload>, Malformed>,
        path: Path,
        cx: &mut Context<'_>,
    ) {
        let Ok(contents) = payloads.and_then(Contents::sort) else {
            return self.sa.respond(exchange, &[Payload::notify(NotifyType::INVALID_SYNTAX, &[])], path, cx);
        };
        if exchange != ExchangeType::INFORMATIONAL {
            let refused = [Payload::notify(NotifyType::TEMPORARY_FAILURE, &[])];
            return self.sa.respond(exchange, &refused, path, cx);
        }
        self.sa.respond(exchange, &[], path, cx);
        if !matches!(InformationalRequest::parse(&contents), InformationalRequest::DeleteChildSas(_)) {
            self.give_up_request(cx);
            self.until = Some(cx.now + cx.times.response_kept);
        }
    }

    fn on_response(
        &mut self,
        pending: Pending,
        payloads: Result<Vec<Payload>, Malformed>,
        path: Path,
        cx: &mut Context<'_>,
    ) -> Ended {
        match pending.asked {
            Asked::DeleteIkeSa | Asked::AuthenticationFailed => Ended::Gone,
            Asked::IkeSa(asked) => {
                self.send_delete(path, cx);
                match self.late_rekey(*asked, payloads, cx) {
                    Some(new) => Ended::AndAlso(Box::new(new)),
                    None => Ended::NotYet,
                }
            }
            Asked::ChildSa(asked) => {
                cx.spis.release_esp(asked.spi_in);
                self.send_delete(path, cx);
                Ended::NotYet
            }
            Asked::Auth | Asked::Liveness | Asked::Path | Asked::DeleteChildSa(_) => {
                self.send_delete(path, cx);
                Ended::NotYet
            }
        }
    }

    /// The peer has made a new IKE SA at our request, which we no longer want.
    fn late_rekey(
        &self,
        asked: AskedIkeSa,
        payloads: Result<Vec<Payload>, Malformed>,
        cx: &mut Context<'_>,
    ) -> Option<IkeSa> {
        let spi = asked.spi;
        let answer = payloads.and_then(Contents::sort).ok().and_then(CreateChildSaAnswer::parse);
        let new = match answer {
            Some(CreateChildSaAnswer::Accepted(accepted)) => {
                finish_ike_sa(&self.sa, asked, &accepted).map(|(new, _)| new)
            }
            Some(CreateChildSaAnswer::Refused(_)) | None => None,
        };
        if new.is_none() {
            cx.spis.release_ike(spi);
        }
        new
    }

    pub(crate) fn on_timeout(&mut self, path: Path, cx: &mut Context<'_>) -> Ended {
        self.sa.tidy(cx.now);
        let forgotten = self.until.is_some_and(|until| until <= cx.now);
        if forgotten || !self.sa.retransmit(path, cx) {
            return Ended::Gone;
        }
        Ended::NotYet
    }

    pub(crate) fn next_timeout(&self) -> Option<(Instant, Timer)> {
        let until = self.until.map(|until| (until, Timer::Forget));
        let retransmit = self.sa.retransmit_at().map(|due| (due, Timer::Retransmit));
        let tidy = self.sa.tidy_at().map(|due| (due, Timer::FreeResponse));
        until.into_iter().chain(retransmit).chain(tidy).min()
    }

    /// Forgets the request that is on its way, and gives back the SPIs that it reserved.
    fn give_up_request(&mut self, cx: &mut Context<'_>) {
        if let Some(asked) = self.sa.forget_pending() {
            asked.release(cx.spis);
        }
    }
}

/// All that is left of a tunnel: its handle, and IKE SAs that end.
pub(crate) struct Ending {
    path: Path,
    sas: Vec<EndingSa>,
}

impl Ending {
    pub(crate) fn new(path: Path, sas: Vec<EndingSa>) -> Self {
        Self { path, sas }
    }

    /// One of its IKE SAs is named by `header`.
    pub(crate) fn has(&self, header: &Header) -> bool {
        self.sas.iter().any(|ending| ending.sa.spis() == (header.spi_i, header.spi_r))
    }

    /// The answer to a DELETE has not come yet.
    pub(crate) fn is_asking(&self) -> bool {
        self.sas.iter().any(|ending| ending.until.is_none())
    }

    pub(crate) fn is_over(&self) -> bool {
        self.sas.is_empty()
    }

    /// Forgets all of it, and gives the SPIs back.
    pub(crate) fn release(self, cx: &mut Context<'_>) {
        self.sas.into_iter().for_each(|ending| ending.release(cx));
    }

    pub(crate) fn on_datagram(&mut self, path: Path, header: &Header, datagram: &[u8], cx: &mut Context<'_>) {
        on_datagram(&mut self.sas, (self.path, path), header, datagram, cx);
    }

    pub(crate) fn on_timeout(&mut self, cx: &mut Context<'_>) {
        on_timeout(&mut self.sas, self.path, cx);
    }

    pub(crate) fn next_timeout(&self) -> Option<(Instant, Timer)> {
        self.sas.iter().filter_map(EndingSa::next_timeout).min()
    }
}

/// Hands a datagram to the one of `sas` that it belongs to. `paths`: the known one, and where it came from.
pub(crate) fn on_datagram(
    sas: &mut Vec<EndingSa>,
    paths: (Path, Path),
    header: &Header,
    datagram: &[u8],
    cx: &mut Context<'_>,
) {
    let Some(index) = sas.iter().position(|ending| ending.sa.spis() == (header.spi_i, header.spi_r)) else {
        return cx.stats.count(Reason::UnknownSpi);
    };
    match sas[index].on_datagram(paths, header, datagram, cx) {
        Ended::NotYet => {}
        Ended::Gone => sas.swap_remove(index).release(cx),
        Ended::AndAlso(new) => sas.push(EndingSa::deleting(*new, paths.0, cx)),
    }
}

/// Lets each of `sas` do what is due.
pub(crate) fn on_timeout(sas: &mut Vec<EndingSa>, path: Path, cx: &mut Context<'_>) {
    let mut index = 0;
    while let Some(ending) = sas.get_mut(index) {
        match ending.on_timeout(path, cx) {
            Ended::NotYet | Ended::AndAlso(_) => index += 1,
            Ended::Gone => {
                sas.swap_remove(index).release(cx);
            }
        }
    }
}
