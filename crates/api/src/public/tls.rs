use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use std::{fmt, sync::Arc};
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme,
        client::danger::HandshakeSignatureValid,
        crypto::{self, WebPkiSupportedAlgorithms},
        server::{
            NoServerSessionStorage,
            danger::{ClientCertVerified, ClientCertVerifier},
        },
        version::{TLS12, TLS13},
    },
    server::TlsStream,
};
use zeroize::Zeroizing;

/// Who the listener is in TLS.
#[derive(Clone)]
pub enum TlsIdentity {
    /// By this name, which the CA certifies; the key is kept in memory alone.
    Issued(String),
    /// By a chain, the end entity's certificate first, and its key in PKCS#8.
    Given(Vec<Vec<u8>>, Zeroizing<Vec<u8>>),
}

impl fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Issued(name) => write!(f, "Issued({name})"),
            Self::Given(..) => f.write_str("Given"),
        }
    }
}

/// TLS 1.3 and 1.2. No session is resumed: each connection shows its client's certificate anew.
///
/// # Errors
/// Chain and key do not belong together, or are none.
pub(super) fn server(chain: Vec<Vec<u8>>, pkcs8: &[u8]) -> Result<ServerConfig, Error> {
    let provider = Arc::new(crypto::aws_lc_rs::default_provider());
    let verifier = Arc::new(HoldsItsKey(provider.signature_verification_algorithms));
    let chain = chain.into_iter().map(CertificateDer::from).collect();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(pkcs8.to_vec()));
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// The connection behind its handshake, and the certificates that the client has shown; it holds the key of the first.
pub(super) async fn accept(
    config: Arc<ServerConfig>,
    stream: TcpStream,
) -> Option<(TlsStream<TcpStream>, Arc<[Vec<u8>]>)> {
    let stream = TlsAcceptor::from(config).accept(stream).await.ok()?;
    let shown = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let shown = shown.iter().map(|der| der.to_vec()).collect();
    Some((stream, shown))
}

/// Takes any certificate, or none, of a client that proves to hold its key. Who may ask for what is judged of each
/// request: a vendor's certificate enrols, ours renews also when it has expired, and some requests need none.
#[derive(Debug)]
struct HoldsItsKey(WebPkiSupportedAlgorithms);

impl ClientCertVerifier for HoldsItsKey {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        crypto::verify_tls12_signature(message, certificate, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        crypto::verify_tls13_signature(message, certificate, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
