//! The certificate's private key, read once: for each peer anew, reading and checking it would cost more than signing
//! with it.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use dimpl::crypto::{Buf, CryptoProvider, HashAlgorithm, KeyProvider, SignatureAlgorithm, SigningKey};
use dimpl::{CryptoError, CryptoOperation, DtlsCertificate};

use super::TransportError;

/// An ECDSA key of P-256, shared by all connections.
#[derive(Clone)]
struct SharedKey(Arc<EcdsaKeyPair>);

/// Knows one key.
#[derive(Debug)]
struct OneKey {
    der: Vec<u8>,
    key: SharedKey,
}

/// The cryptography of `aws-lc-rs`, with this certificate's key at hand. The crate wants what it is given to live as
/// long as the process, as the certificate does.
pub(super) fn provider(certificate: &DtlsCertificate) -> Result<CryptoProvider, TransportError> {
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &certificate.private_key)
        .map_err(|_| TransportError::Crypto("the certificate's key".to_owned()))?;
    let key_provider = OneKey {
        der: certificate.private_key.clone(),
        key: SharedKey(Arc::new(key)),
    };
    Ok(CryptoProvider {
        key_provider: Box::leak(Box::new(key_provider)),
        ..dimpl::crypto::aws_lc_rs::default_provider()
    })
}

impl KeyProvider for OneKey {
    fn load_private_key(&self, key_der: &[u8]) -> Result<Box<dyn SigningKey>, CryptoError> {
        if key_der == self.der {
            Ok(Box::new(self.key.clone()))
        } else {
            Err(CryptoError::InvalidPrivateKey)
        }
    }
}

impl SigningKey for SharedKey {
    fn sign(&mut self, data: &[u8], hash_alg: HashAlgorithm, out: &mut Buf) -> Result<(), CryptoError> {
        if hash_alg != HashAlgorithm::SHA256 {
            return Err(CryptoError::SigningKeyHashMismatch {
                key_hash: HashAlgorithm::SHA256,
                requested: hash_alg,
            });
        }
        let signature = self
            .0
            .sign(&SystemRandom::new(), data)
            .map_err(|_| CryptoError::OperationFailed(CryptoOperation::Sign))?;
        out.clear();
        out.extend_from_slice(signature.as_ref());
        Ok(())
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }

    fn hash_algorithm(&self) -> HashAlgorithm {
        HashAlgorithm::SHA256
    }

    fn supported_hash_algorithms(&self) -> &[HashAlgorithm] {
        &[HashAlgorithm::SHA256]
    }
}

impl fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedKey")
    }
}
