//! INFORMATIONAL (RFC 7296 §1.4): proof of life and DELETE.

use crate::{
    DeletedBy,
    header::ExchangeType,
    ike_sa::{Context, IkeSa, Purpose},
    payload::{Delete, Payload},
};
use ids::Spi;

impl IkeSa {
    /// Answers a request. An empty one is answered with an empty one; unauthenticated words never
    /// come this far (§2.4).
    pub(crate) fn on_informational(
        &mut self,
        on_current: bool,
        payloads: &[Payload],
        cx: &mut Context<'_>,
    ) -> Vec<Payload> {
        let mut deleted = Vec::new();
        for payload in payloads {
            match payload {
                Payload::Delete(Delete::IkeSa) if on_current => {
                    self.remove_all_children(cx);
                    self.end(DeletedBy::Peer);
                }
                Payload::Delete(Delete::IkeSa) => self.retire_soon(cx),
                Payload::Delete(Delete::Esp(spis)) => deleted.extend(self.on_delete_esp(spis, cx)),
                _ => {}
            }
        }
        if deleted.is_empty() { Vec::new() } else { vec![Payload::Delete(Delete::Esp(deleted))] }
    }

    /// The old IKE SA of a rekey is deleted; it stays a little for a lost answer.
    fn retire_soon(&mut self, cx: &Context<'_>) {
        if let Some(retiring) = &mut self.retiring {
            retiring.until = retiring.until.min(cx.now + cx.times.retransmission.first * 8);
        }
    }

    /// The peer's SPIs name what it receives on, which we send to; the answer names the other half,
    /// unless we are deleting the same pair (§1.4.1).
    fn on_delete_esp(&mut self, spis: &[Spi], cx: &mut Context<'_>) -> Vec<Spi> {
        let named: Vec<_> = self
            .children
            .iter()
            .filter(|child| spis.contains(&child.spi_out))
            .map(|child| child.spi_in)
            .collect();
        named.iter().for_each(|spi_in| self.remove_child(*spi_in, cx));
        let deleting = match self.channel.purpose() {
            Some(Purpose::DeleteChild(spi_in)) => Some(*spi_in),
            _ => None,
        };
        named.into_iter().filter(|spi_in| Some(*spi_in) != deleting).collect()
    }

    pub(crate) fn request_delete_child(&mut self, spi_in: Spi, cx: &mut Context<'_>) {
        if self.children.iter().any(|child| child.spi_in == spi_in) {
            let delete = Payload::Delete(Delete::Esp(vec![spi_in]));
            self.request(ExchangeType::INFORMATIONAL, &[delete], Purpose::DeleteChild(spi_in), cx);
        }
    }

    pub(crate) fn request_delete_ike(&mut self, cx: &mut Context<'_>) {
        let delete = Payload::Delete(Delete::IkeSa);
        self.request(ExchangeType::INFORMATIONAL, &[delete], Purpose::DeleteIke, cx);
    }
}
