//! Who somebody is, by the tokens of the HTTP door.

use overlay::{Identities, Identity, Role};
use signaling::token::{Claims, Scope, Tokens};

use super::clock::unix_now;

/// How an anonymous customer's id begins.
const ANONYMOUS: &str = "anon-";
/// How long an anonymous viewer keeps its id: a month, in seconds.
const ANONYMOUS_LIFETIME: u64 = 30 * 86_400;

/// Identities by signed tokens.
pub struct TokenIdentities {
    tokens: Tokens,
}

impl TokenIdentities {
    /// By these tokens.
    pub fn new(tokens: Tokens) -> TokenIdentities {
        TokenIdentities { tokens }
    }
}

fn now() -> u64 {
    u64::try_from(unix_now().0 / 1000).unwrap_or(0)
}

impl Identities for TokenIdentities {
    fn verify(&self, token: &str, room: &str) -> Result<Identity, String> {
        let claims = self
            .tokens
            .verify(token, now())
            .map_err(|error| error.to_string())?;
        if !claims.is_for(room) {
            return Err(format!("the token is for room {}", claims.room));
        }
        let is_host = claims.has(Scope::Host);
        Ok(Identity {
            name: claims.name.unwrap_or_else(|| {
                if is_host {
                    "Host".to_owned()
                } else {
                    guest(&claims.sub)
                }
            }),
            role: if is_host { Role::Host } else { Role::Viewer },
            anonymous: claims.sub.starts_with(ANONYMOUS),
            subject: claims.sub,
        })
    }

    fn anonymous(&self, room: &str, name: Option<&str>) -> (Identity, String) {
        let subject = format!("{ANONYMOUS}{:016x}", rand::random::<u64>());
        let claims = Claims {
            scope: vec![Scope::View],
            room: room.to_owned(),
            sub: subject.clone(),
            name: name.map(str::to_owned),
            iat: now(),
            exp: now() + ANONYMOUS_LIFETIME,
        };
        let identity = Identity {
            name: name.map_or_else(|| guest(&subject), str::to_owned),
            subject,
            role: Role::Viewer,
            anonymous: true,
        };
        // Signing fails only for claims that JSON cannot hold; then the client is another one next time.
        (identity, self.tokens.sign(&claims).unwrap_or_default())
    }
}

/// A name for who gave none.
fn guest(subject: &str) -> String {
    let tail: String = subject.chars().rev().take(4).collect();
    format!("Guest {}", tail.to_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anonymous_viewer_is_the_same_with_its_token() {
        let identities = TokenIdentities::new(Tokens::new(&[1; 32]));
        let (first, token) = identities.anonymous("demo", Some("Ann"));
        assert_eq!(identities.verify(&token, "demo"), Ok(first.clone()));
        assert!(first.anonymous && first.role == Role::Viewer);
        assert!(
            identities
                .verify(&token, "other")
                .unwrap_err()
                .contains("for room demo")
        );
        assert_ne!(identities.anonymous("demo", None).0.subject, first.subject);
    }
}
