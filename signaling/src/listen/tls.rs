//! TLS by rustls, with the certificate and key of the operator.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// Protocols offered in the handshake (RFC 7301), the better first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that is not what it should be.
    #[error("cannot read {} as PEM: {reason}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Certificate and key that do not go together, or of an unknown kind.
    #[error("certificate and key cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
}

/// A certificate with its key, ready to greet clients.
pub struct Tls {
    acceptor: TlsAcceptor,
    files: [PathBuf; 2],
    /// When they were last written, as of the certificate in use.
    written: [Option<SystemTime>; 2],
}

impl Tls {
    /// Reads a certificate chain and its private key, both PEM.
    ///
    /// # Errors
    /// [`TlsError`]
    pub fn load(certificate: &Path, key: &Path) -> Result<Tls, TlsError> {
        let files = [certificate.to_owned(), key.to_owned()];
        // Asked before they are read: what is written meanwhile is read next time.
        let written = written(&files);
        Ok(Tls {
            acceptor: read(certificate, key)?,
            files,
            written,
        })
    }

    /// Takes a certificate that was renewed, for connections from now on; the present one stays when that is not possible.
    pub(super) fn renew(&mut self) {
        if written(&self.files) == self.written {
            return;
        }
        let [certificate, key] = &self.files;
        match Tls::load(certificate, key) {
            Ok(renewed) => {
                *self = renewed;
                tracing::info!("the certificate has been renewed");
            }
            // Half of a renewal: the other half is on its way.
            Err(error) => tracing::warn!(%error, "the certificate stays as it was"),
        }
    }

    /// What greets one client.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.clone()
    }
}

fn written(files: &[PathBuf; 2]) -> [Option<SystemTime>; 2] {
    files
        .each_ref()
        .map(|file| file.metadata().and_then(|known| known.modified()).ok())
}

fn read(certificate: &Path, key: &Path) -> Result<TlsAcceptor, TlsError> {
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| bad(certificate, &error))?;
    if chain.is_empty() {
        return Err(bad(certificate, &"it holds no certificate"));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| bad(key, &error))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, private)?;
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn bad(path: &Path, reason: &dyn ToString) -> TlsError {
    TlsError::Pem {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}
