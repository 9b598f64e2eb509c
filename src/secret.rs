//! The secret that tokens are signed with, made once and kept in the data folder.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;
use signaling::token::{SHORTEST_SECRET, Tokens};

use crate::config::Config;

const FILE: &str = "token-secret";
/// Bytes made; as hexadecimal digits twice as many.
const LENGTH: usize = 32;

/// Tokens of the configured secret, or of the one in the data folder.
///
/// # Errors
/// When the folder or the file cannot be read or written, or the secret is too short.
pub(crate) fn tokens(config: &Config) -> anyhow::Result<Tokens> {
    if !config.token_secret.is_empty() {
        return Ok(Tokens::new(config.token_secret.as_bytes()));
    }
    std::fs::create_dir_all(&config.data_dir)
        .with_context(|| format!("cannot make the data folder {}", config.data_dir.display()))?;
    let path = config.data_dir.join(FILE);
    let secret =
        keep(&path).with_context(|| format!("cannot keep the token secret in {}", path.display()))?;
    anyhow::ensure!(
        secret.len() >= SHORTEST_SECRET,
        "{} holds less than {SHORTEST_SECRET} characters; remove it to have a new one made",
        path.display()
    );
    Ok(Tokens::new(secret.as_bytes()))
}

/// Whether no secret is configured and none was made yet.
pub(crate) fn is_new(config: &Config) -> bool {
    config.token_secret.is_empty() && !config.data_dir.join(FILE).exists()
}

fn keep(path: &Path) -> io::Result<String> {
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match made {
        Ok(mut file) => {
            let bytes: [u8; LENGTH] = rand::random();
            let secret: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            file.write_all(secret.as_bytes())?;
            file.sync_all()?;
            Ok(secret)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let mut secret = String::new();
            OpenOptions::new()
                .read(true)
                .open(path)?
                .read_to_string(&mut secret)?;
            Ok(secret.trim().to_owned())
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_secret_is_long_enough_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            data_dir: folder.path().to_owned(),
            ..Config::default()
        };
        let path = folder.path().join(FILE);
        for (len, is_taken) in [(SHORTEST_SECRET - 1, false), (SHORTEST_SECRET, true)] {
            // Editors end a file with a newline, which is no part of it.
            std::fs::write(&path, "x".repeat(len) + "\n").unwrap();
            let tokens = tokens(&config);
            assert_eq!(tokens.is_ok(), is_taken, "{len}");
            if let Err(error) = tokens {
                assert!(error.to_string().contains("less than 32 characters"), "{error}");
            }
        }
    }
}
