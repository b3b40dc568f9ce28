use crate::{
    failure::{Failure, Problem},
    output::{Output, seconds},
};
use api::{
    Client, Reason,
    ca::{PrepareRotation, RotatedCa, TakeUpCertificate, WantedCertificate},
};
use clap::{Args, ValueEnum};
use ids::UnixTime;
use pki::{Issuing, KeyPlace, PkiError, SecretSource, Wanted, certificate_pem, certify};
use serde::Serialize;
use std::{
    fs,
    path::{Path, PathBuf},
};

#[derive(Debug, Args)]
pub(crate) struct Rotate {
    /// Which issuing CA
    ca: Which,
    #[command(flatten)]
    how: How,
    /// Opens the root's key if it is encrypted: `credential:NAME` or `file:PATH`
    #[arg(long, value_name = "SOURCE", requires = "root_key")]
    root_passphrase: Option<SecretSource>,
    /// The reason, for the record
    #[arg(long, value_name = "TEXT")]
    why: Reason,
    /// Who else agreed: one of `approvers` in `[control]`, and not you
    #[arg(long, value_name = "NAME")]
    approver: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Which {
    Devices,
    Gateways,
}

/// Where the key of the CA above is.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct How {
    /// Here: the key of the CA above, as PKCS#8 PEM, which signs and stays where it is
    #[arg(long, value_name = "FILE")]
    root_key: Option<PathBuf>,
    /// Elsewhere: write the request that it is to certify, and beside it what openssl needs for that
    #[arg(long, value_name = "FILE")]
    request: Option<PathBuf>,
    /// It has certified the request: take its certificate
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
}

/// Files for whoever has the key of the CA above.
#[derive(Serialize)]
struct Requested {
    generation: String,
    request: PathBuf,
    extensions: PathBuf,
    above: PathBuf,
}

impl Rotate {
    pub(super) async fn run(&self, client: &mut Client, output: &Output) -> Result<(), Failure> {
        let certificate = match &self.how {
            How { certificate: Some(file), .. } => {
                fs::read_to_string(file).map_err(|error| unreadable(file, &error))?
            }
            How { request: Some(file), .. } => {
                let requested = write(file, &self.wanted(client).await?)?;
                return output.answer(&requested, requested_text);
            }
            How { root_key, .. } => {
                self.certified(client, root_key.as_deref().unwrap_or(Path::new(""))).await?
            }
        };
        let request = TakeUpCertificate {
            request_id: None,
            ca: self.ca.issuing(),
            certificate,
            why: self.why.clone(),
            approver: self.approver.clone(),
        };
        let rotated: RotatedCa = client.post("/v1/ca/rotation/certificate", &request).await?;
        output.answer(&rotated, |rotated| {
            format!("{} certifies from now on, until {}\n", rotated.generation, seconds(rotated.not_after))
        })
    }

    async fn wanted(&self, client: &mut Client) -> Result<WantedCertificate, Failure> {
        let request = PrepareRotation {
            request_id: None,
            ca: self.ca.issuing(),
            why: self.why.clone(),
            approver: self.approver.clone(),
        };
        Ok(client.post("/v1/ca/rotation", &request).await?)
    }

    /// Signed in this process: the key of the CA above is nobody else's.
    async fn certified(&self, client: &mut Client, key: &Path) -> Result<String, Failure> {
        let wanted = self.wanted(client).await?;
        let spec = wanted.spec.clone();
        let wanted =
            Wanted::try_from(wanted).map_err(|error| Failure::system("the answer makes no sense", &error))?;
        let place = KeyPlace::File(key.to_owned(), self.root_passphrase.clone());
        let signed = certify(&spec, &wanted, &place, UnixTime::now());
        signed.map(|der| certificate_pem(&der)).map_err(not_certified)
    }
}

impl Which {
    fn issuing(self) -> Issuing {
        match self {
            Self::Devices => Issuing::Devices,
            Self::Gateways => Issuing::Gateways,
        }
    }
}

fn not_certified(error: PkiError) -> Failure {
    let next = if let PkiError::Key(error) = &error {
        error.next()
    } else {
        "see to the key of the CA above, and run this again: the new key is kept"
    };
    let problem = Problem::new(error.code(), "the new key was not certified; the CA has the one of before");
    Failure::No(problem.because(error).next(next))
}

fn unreadable(file: &Path, error: &std::io::Error) -> Failure {
    Failure::system(format!("{} cannot be read", file.display()), error)
}

fn write(file: &Path, wanted: &WantedCertificate) -> Result<Requested, Failure> {
    let beside = |end: &str| file.with_added_extension(end);
    let (extensions, above) = (beside("ext"), beside("above.pem"));
    for (path, text) in [(file, &wanted.request), (&extensions, &wanted.extensions), (&above, &wanted.above)]
    {
        pki::replace_file(path, 0o644, text.as_bytes())
            .map_err(|error| Failure::system(format!("{} cannot be written", path.display()), &error))?;
    }
    Ok(Requested { generation: wanted.generation.clone(), request: file.to_owned(), extensions, above })
}

fn requested_text(requested: &Requested) -> String {
    let Requested { generation, request, extensions, above } = requested;
    let (request, extensions, above) = (request.display(), extensions.display(), above.display());
    format!(
        "the key of {generation} is made; where the key of the CA above is:\n\n  \
         openssl x509 -req -in {request} -CA {above} -CAkey KEY -days 7300 -extfile {extensions} -out {generation}.pem\n\n\
         Then run this again with `--certificate {generation}.pem` in the place of `--request`.\n"
    )
}
